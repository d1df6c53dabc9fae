"""A person's video and a drawing in, the drawing's video out: the first paper from end to end.

F(V, I) = Stage3(Stage2(V, I), I), equations 1, 10 and 11 of Tan's paper: the person's poses are
estimated, normalised onto the character's proportions and smoothed over the frames before and
after, and the character is drawn in each of them. Its proportions and its parts come from one
drawing, by enrolment.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from engine.app import Options, puppeteer
from engine.character import SUFFIX, CharacterBundle, is_bundle
from engine.clock import MonotonicClock
from engine.errors import NotInBundle, RefinementFailed
from engine.pipeline import Sink
from engine.report import Report

if TYPE_CHECKING:
    from engine.enrol.enrol import Wish


def transfer(
    person: str | Path,
    character: Sequence[str | Path],
    output: str | Path,
    *,
    wish: "Wish | None" = None,
    stages: str | Path | None = None,
    report: str | Path | None = None,
    options: Options | None = None,
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda text: None,
) -> Report:
    """Write the video in which a character does what the person does.

    Args:
        person: a video file, a stream's URL or `images:FOLDER`.
        character: a bundle, or drawings of one character, the first from the front.
        output: .mp4; .webm or .mov with alpha; a folder for PNG with alpha.
        wish: how drawings are enrolled.
        stages: a folder for what every stage made, the character of the drawings among it: see
            `engine.io.stage_writer`.
        report: a JSON file to write counts and latencies to.
        options: how it looks and moves.
        on_progress: told of the frames written, and of how many there will be, where known.
        on_message: told in words what is being done.

    Raises:
        AyatsuriError: see `engine.errors`; what was written so far is a whole file.
    """
    from engine.io.file import is_url
    from engine.io.folders import needs_folder, needs_no_frames
    from engine.io.sinks import open_sink
    from engine.io.sources import open_source
    from engine.io.stage_writer import StageWriter

    # Enrolment takes a while; what cannot be read or written is told before it.
    if not is_url(str(person)):
        open_source(person, realtime=False, clock=MonotonicClock()).close()
    if Path(output).suffix:
        open_sink(output).close()
    needs_no_frames(output)
    if stages is not None:
        needs_no_frames(Path(stages) / StageWriter.images)
    if report is not None:
        needs_folder(report)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if len(character) == 1 and is_bundle(character[0]):
            bundle = CharacterBundle.load(character[0])
        else:
            bundle = _enrolled(character, folder / f"drawn{SUFFIX}", wish, on_message)
        also: list[Sink] = []
        if stages is not None:
            also.append(StageWriter(stages, bundle.reference))
            for made in folder.iterdir():
                (Path(stages) / made.name).write_bytes(made.read_bytes())
        return puppeteer(
            person, output, bundle, report=report, options=options, also=also,
            on_progress=on_progress, on_message=on_message,
        )  # fmt: skip


def _enrolled(
    drawings: Sequence[str | Path],
    path: Path,
    wish: "Wish | None",
    say: Callable[[str], None],
) -> CharacterBundle:
    """The character of some drawings, written to a file."""
    from engine.enrol.enrol import Wish, enrol, write
    from engine.painted import paint

    wish = Wish() if wish is None else wish
    write(enrol(drawings, wish, step=say, say=say), path, wish)
    if not wish.paint:
        try:
            paint(path, None, say)  # a file can wait, so this machine need not be timed
        except (NotInBundle, RefinementFailed) as error:
            say(f"it stays a plain puppet: {error}")
    return CharacterBundle.load(path)

"""A person's video and a drawing in, the drawing's video out: the first paper from end to end.

F(V, I) = Stage3(Stage2(V, I), I), equations 1, 10 and 11 of Tan's paper: the person's poses are
estimated, normalised onto the character's proportions and smoothed over the frames before and
after, and the character is drawn in each of them.
"""

from collections.abc import Callable
from pathlib import Path

from engine.app import Options, puppeteer
from engine.character import CharacterBundle
from engine.pipeline import Sink
from engine.report import Report


def transfer(
    person: str | Path,
    character: str | Path,
    output: str | Path,
    *,
    stages: str | Path | None = None,
    report: str | Path | None = None,
    options: Options | None = None,
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda text: None,
) -> Report:
    """Write the video in which a character does what the person does.

    Args:
        person: a video file, a stream's URL or `images:FOLDER`.
        character: a bundle.
        output: .mp4; .webm or .mov with alpha; a folder for PNG with alpha.
        stages: a folder for what every stage made: see `engine.io.stage_writer`.
        report: a JSON file to write counts and latencies to.
        options: how it looks and moves.
        on_progress: told of the frames written, and of how many there will be, where known.
        on_message: told in words what is being done.

    Raises:
        AyatsuriError: see `engine.errors`; what was written so far is a whole file.
    """
    from engine.io.stage_writer import StageWriter

    bundle = CharacterBundle.load(character)
    also: list[Sink] = [] if stages is None else [StageWriter(stages, bundle.reference)]
    return puppeteer(
        person, output, bundle, report=report, options=options, also=also,
        on_progress=on_progress, on_message=on_message,
    )  # fmt: skip

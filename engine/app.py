"""Whole shows, built from the parts: `puppeteer` for videos, `live` for a camera."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from engine.cast import Actor, Cast
from engine.casting import Character, load_cast
from engine.character import CharacterBundle
from engine.clock import Clock, MonotonicClock
from engine.controls import KEYS, Controls
from engine.errors import SinkError
from engine.frame import Packet
from engine.governing import Governing
from engine.governor import Targets
from engine.options import Options
from engine.pipeline import Pipeline, Sink, Source
from engine.pose.estimator import open_estimator
from engine.report import Report
from engine.stages import (
    DrawStage,
    GenerateStage,
    MotionStage,
    PoseStage,
    Smoother,
    Unsmoothed,
)
from engine.watching import Watch

if TYPE_CHECKING:
    from engine.io.composite import CompositeStage

__all__ = [
    "DEFAULT_CHARACTER",
    "KEYS",
    "PERFORMER",
    "Character",
    "Options",
    "Show",
    "Targets",
    "build",
    "live",
    "load_cast",
    "make_smoother",
    "puppeteer",
]

ASSETS: Final = Path(__file__).parent / "assets"
DEFAULT_CHARACTER: Final = ASSETS / "ito.character"
PERFORMER: Final = ASSETS / "performer.mp4"
LIVE_FPS: Final = 30.0
"""What cameras give, and so what a live character's generator has to keep up with."""


def make_smoother(kind: str | float, *, live: bool) -> Callable[[int], Smoother]:
    """What makes smoothers of a kind that `Options.smoothing` names, for pictures of a size.

    Args:
        kind: or a number, [0, 1]: One Euro from quick to calm; 0.5 is as it is by itself, and
            towards either end its frequencies change fourfold.
        live: what "auto" depends on.

    Raises:
        ValueError: there is no such kind.
    """
    from engine.motion.smooth import OneEuro, SavitzkyGolayDelay

    if kind == "auto":
        kind = "one-euro" if live else "savitzky-golay"
    match kind:
        case float() | int() if 0 <= kind <= 1:
            pace = 4.0 ** (1.0 - 2.0 * kind)
            return lambda size: OneEuro(size=size, pace=pace)
        case "one-euro":
            return lambda size: OneEuro(size=size)
        case "savitzky-golay":
            return lambda size: SavitzkyGolayDelay()
        case "none":
            return lambda size: Unsmoothed()
    raise ValueError(
        "smoothing must be auto, one-euro, savitzky-golay, none or a number from 0 to 1, but it is "
        f"{kind!r}"
    )


@dataclass(frozen=True, slots=True)
class Show:
    """A pipeline that is ready to run, and what of it can be changed while it does.

    `recruit` opens a character by name who is not in the cast yet, where there are any: a KeyError
    says that there is none of that name.
    """

    pipeline: Pipeline
    controls: Controls
    cast: Cast
    pose: PoseStage
    motion: MotionStage
    composite: "CompositeStage"
    recruit: Callable[[str], Actor] | None = None


def build(
    source: Source,
    sink: Sink,
    cast: Cast,
    options: Options | None = None,
    *,
    also: Sequence[Sink] = (),
    alpha: bool = False,
    clock: Clock | None = None,
    on_message: Callable[[str], None] = lambda text: None,
) -> Show:
    """The pipeline of every show: pose, motion, draw, generate, composite.

    Args:
        source, sink, cast: closed by the pipeline from here on, or here if something fails.
        options: how it looks and moves.
        also: more sinks for the same packets, closed by the pipeline too.
        alpha: whether the sink takes transparency.
        clock: the one that the source has.
        on_message: told in words what a key did.

    Raises:
        ModelMissing, ModelCorrupt, MissingDependency, BackendError: see `engine.pose.estimator`.
        SinkError: a background that cannot be.
    """
    from engine.io.composite import Background, CompositeStage

    options = Options() if options is None else options
    clock = MonotonicClock() if clock is None else clock
    with ExitStack() as cleanup:
        for close in (source.close, *(each.close for each in (sink, *also)), cast.close):
            cleanup.callback(close)
        wish = options.background
        if wish is None and alpha and options.layout == "character":
            wish = "transparent"
        if wish == "transparent" and not alpha:
            raise SinkError(
                f"{sink.name} carries no transparency: choose a background colour, or write "
                ".webm, .mov or a folder of PNG"
            )
        background = Background(wish)
        pose = PoseStage(open_estimator(options.pose_runtime, options.pose_model))
        cleanup.callback(pose.close)
        motion = MotionStage(
            cast,
            make_smoother(options.smoothing, live=source.live),
            mirror=options.mirror,
            clear_head=options.clear_head,
        )
        controls = Controls(
            cast, motion, clock, quit_show=source.stop, say=on_message, show_pose=options.show_pose
        )
        composite = CompositeStage(
            background,
            layout=options.layout,
            size_px=options.size_px,
            show_pose=lambda: controls.show_pose,
            message=controls.tick,
        )
        stages = (pose, motion, DrawStage(cast), GenerateStage(cast), composite)
        pipeline = Pipeline(source, stages, [sink, *also], clock=clock)
        cleanup.pop_all()
    return Show(pipeline, controls, cast, pose, motion, composite)


def puppeteer(
    video: str | Path,
    output: str | Path,
    character: Character | None = None,
    *,
    report: str | Path | None = None,
    realtime: bool = False,
    options: Options | None = None,
    also: Sequence[Sink] = (),
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda text: None,
) -> Report:
    """Puppet a video: the character does in `output` what the person does in `video`.

    Args:
        video: a file, a stream's URL or `images:FOLDER`.
        output: .mp4; .webm or .mov with alpha; a folder for PNG with alpha; "null".
        character: a bundle; Ito where none is named.
        report: a JSON file to write counts, drops and latencies to.
        realtime: pace the video as a camera is; what comes too late is dropped.
        options: how it looks and moves.
        also: more sinks that get every frame with the results of all stages; closed at the end.
        on_progress: told of the frames written, and of how many there will be, where known.
        on_message: told in words what draws the character.

    Raises:
        AyatsuriError: see `engine.errors`; what was written so far is a whole file.
    """
    from engine.io.file import is_url
    from engine.io.folders import needs_folder
    from engine.io.sinks import open_sink, takes_alpha
    from engine.io.sources import frames_total, open_source

    if report is not None:
        needs_folder(report)  # not told when all is done
    clock = MonotonicClock()
    with ExitStack() as cleanup:
        for each in also:
            cleanup.callback(each.close)
        fps = LIVE_FPS if realtime else None
        cast = load_cast([character or DEFAULT_CHARACTER], options, fps=fps, say=on_message)
        cleanup.callback(cast.close)
        source = open_source(video, realtime=realtime, clock=clock)
        cleanup.callback(source.close)
        has_sound = not is_url(str(video)) and Path(video).is_file()
        sink = open_sink(output, audio_from=str(video) if has_sound else None, fps=source.fps)
        cleanup.pop_all()
    total = frames_total(source)
    show = build(source, sink, cast, options, also=also, alpha=takes_alpha(output), clock=clock)
    written = 0

    def count(packet: Packet) -> None:
        nonlocal written
        written += 1
        on_progress(written, total)

    try:
        show.pipeline.run(on_progress=count)
    finally:
        result = _keep(show.pipeline.snapshot(), cast, report)
    return result


def live(
    source: str = "webcam:0",
    sink: str | Path = "window",
    characters: Sequence[Character] | None = None,
    *,
    report: str | Path | None = None,
    seconds: float | None = None,
    push: Sequence[str] = (),
    push_token: str | None = None,
    options: Options | None = None,
    targets: Targets | None = None,
    on_message: Callable[[str], None] = lambda text: None,
) -> Report:
    """The live puppet. Keys, in the window or the terminal: see `engine.controls.KEYS`.

    Args:
        source: `webcam:N`, or a video file or stream that is paced as a camera is.
        sink: "window", "virtualcam", "null", or what `puppeteer` takes.
        characters: the bundles to switch between; Ito where none is named.
        report: a JSON file to write counts, drops and latencies to.
        seconds: stop after so long.
        push: streaming services that get the show too; see `engine.push.address.parse`.
        push_token: for those that are spoken to by WHIP.
        options: how it looks and moves.
        targets: what the show is to keep to, if anything; see `engine.governing`.
        on_message: told in words what draws whom, what a key did, and what the governor did.

    Raises:
        AyatsuriError: see `engine.errors`.
    """
    from engine.io.folders import needs_folder
    from engine.io.sinks import open_push, open_sink, takes_alpha
    from engine.io.sources import open_source
    from engine.keys import TerminalKeys

    options = Options() if options is None else options
    targets = Targets() if targets is None else targets
    if report is not None:
        needs_folder(report)  # not told when all is done
    clock = MonotonicClock()
    keys = _Keys()
    with ExitStack() as cleanup:
        who = characters or [DEFAULT_CHARACTER]
        cast = load_cast(who, options, fps=targets.fps or LIVE_FPS, say=on_message)
        cleanup.callback(cast.close)
        opened = open_source(source, realtime=True, clock=clock)
        cleanup.callback(opened.close)
        shown = open_sink(sink, fps=opened.fps, on_key=keys.press, on_close=opened.stop)
        cleanup.callback(shown.close)
        pushes: list[Sink] = []
        for url in push:
            pushes.append(open_push(url, clock, token=push_token))
            cleanup.callback(pushes[-1].close)
        cleanup.pop_all()
    show = build(
        opened, shown, cast, options, alpha=takes_alpha(sink), clock=clock, on_message=on_message,
        also=pushes,
    )  # fmt: skip
    keys.controls = show.controls
    governing = Governing(show, targets, options, clock, on_message) if targets else None
    files = {
        actor.bundle.name: Path(one)
        for actor, one in zip(cast.actors, who, strict=True)
        if not isinstance(one, CharacterBundle)
    }
    Watch(cast, lambda: files, options, fps=targets.fps or LIVE_FPS, say=on_message).start()
    try:
        with TerminalKeys(keys.press), governing or nullcontext():
            show.pipeline.run(duration_s=seconds, on_progress=governing.note if governing else None)
    finally:
        result = _keep(show.pipeline.snapshot(), cast, report, governing)
    return result


class _Keys:
    """Hands keys to the controls, which come into being after the window that reads them."""

    controls: Controls | None = None

    def press(self, key: str) -> bool:
        """See `Controls.press`."""
        return self.controls is not None and self.controls.press(key)


def _keep(
    report: Report, cast: Cast, path: str | Path | None, governing: Governing | None = None
) -> Report:
    report = replace(
        report,
        characters={
            actor.bundle.name: actor.choice.to_dict()
            if actor.choice
            else {"name": actor.generator.name}
            for actor in cast.actors
        },
        governor=governing.to_dict() if governing else None,
    )
    if path is not None:
        try:
            Path(path).write_text(report.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise SinkError(f"the report {path} cannot be written: {error}") from error
    return report

"""Whole shows, built from the parts: `puppet` for videos, `live` for a camera."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from engine.cast import Actor, Cast
from engine.character import CharacterBundle
from engine.clock import Clock, MonotonicClock
from engine.controls import KEYS, Controls
from engine.errors import SinkError
from engine.frame import Packet
from engine.pipeline import Pipeline, Sink, Source
from engine.pose.estimator import DEFAULT_RUNTIME, PoseRuntime, open_estimator
from engine.report import Report
from engine.stages import (
    DrawStage,
    GenerateStage,
    MotionStage,
    PoseStage,
    Smoother,
    Unsmoothed,
)

if TYPE_CHECKING:
    from engine.io.composite import CompositeStage

__all__ = [
    "DEFAULT_CHARACTER",
    "KEYS",
    "PERFORMER",
    "Character",
    "Options",
    "Show",
    "build",
    "live",
    "load_cast",
    "make_smoother",
    "puppet",
]

Character = str | Path | CharacterBundle
"""A bundle, or where to load one from."""

ASSETS: Final = Path(__file__).parent / "assets"
DEFAULT_CHARACTER: Final = ASSETS / "ito.character"
PERFORMER: Final = ASSETS / "performer.mp4"
LIVE_FPS: Final = 30.0
"""What cameras give, and so what a live character's generator has to keep up with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a show looks and moves; the same for videos and for live input.

    Attributes:
        layout: the character alone, or beside the performer.
        background: behind the character: see `engine.io.composite.Background`. None: transparent
            where the output can be, else a soft colour.
        size_px: height of the character's picture; None: as the character is, or for
            "side-by-side" as the video is.
        smoothing: "auto" is Savitzky-Golay for files, which looks ahead, and One Euro for live
            input, which cannot.
        pose_model: MediaPipe's; "lite" is faster, "heavy" is steadier.
        pose_runtime: what runs it: "mediapipe" itself, which reports usage to Google, or "onnx",
            ONNX Runtime, which gives the same poses and reports nothing.
        mirror: swap left and right.
        show_pose: draw the pose over the picture.
        threads: processor threads that draw the character.
        backend, precision: what draws it, by name, or "auto": see `engine.backends.choose`.
        memory_mb: what all characters' generators may take together; beyond it those not seen for
            longest are put away, and loaded again when they are asked for.
    """

    layout: Literal["character", "side-by-side"] = "character"
    background: str | None = None
    size_px: int | None = None
    smoothing: Literal["auto", "one-euro", "savitzky-golay", "none"] = "auto"
    pose_model: Literal["lite", "full", "heavy"] = "full"
    pose_runtime: PoseRuntime = DEFAULT_RUNTIME
    mirror: bool = False
    show_pose: bool = False
    threads: int = 1
    backend: str = "auto"
    precision: str = "auto"
    memory_mb: float = 2048.0


def load_cast(
    characters: Sequence[Character],
    options: Options | None = None,
    *,
    fps: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Cast:
    """Load characters and start their backends.

    Args:
        characters: who.
        options: `threads`, `backend` and `precision` of them.
        fps: frames a second that are wanted; None: as many as can be.
        say: told what draws whom.

    Raises:
        BundleError, BackendError: one of them cannot be used.
        MissingDependency: OpenCV cannot be loaded.
    """
    from engine import opencv

    opencv.check()
    from engine.backends.choose import open_candidate, start  # draws, and so needs OpenCV
    from engine.backends.shelf import Shelf, estimate_mb

    options = Options() if options is None else options

    actors: list[Actor] = []
    shelf = Shelf(options.memory_mb)
    try:
        for character in characters:
            bundle = (
                character
                if isinstance(character, CharacterBundle)
                else CharacterBundle.load(character)
            )
            backend, choice = start(
                bundle, backend=options.backend, precision=options.precision,
                threads=options.threads, fps=fps, say=say,
            )  # fmt: skip
            reopen = partial(open_candidate, choice.candidate, bundle, options.threads)
            shelved = shelf.add(backend, reopen, estimate_mb(bundle.model, bundle.resolution))
            actors.append(Actor(bundle, shelved, choice))
            say(str(choice))
        if not actors[0].ready:
            actors[0].prepare()  # the others took its room, but it begins
    except BaseException:
        for actor in actors:
            actor.backend.close()
        raise
    return Cast(actors)


def make_smoother(kind: str, *, live: bool) -> Callable[[int], Smoother]:
    """What makes smoothers of a kind that `Options.smoothing` names, for pictures of a size.

    Raises:
        ValueError: there is no such kind.
    """
    from engine.motion.smooth import OneEuro, SavitzkyGolayDelay

    if kind == "auto":
        kind = "one-euro" if live else "savitzky-golay"
    match kind:
        case "one-euro":
            return lambda size: OneEuro(size=size)
        case "savitzky-golay":
            return lambda size: SavitzkyGolayDelay()
        case "none":
            return lambda size: Unsmoothed()
    raise ValueError(
        f"smoothing must be auto, one-euro, savitzky-golay or none, but it is {kind!r}"
    )


@dataclass(frozen=True, slots=True)
class Show:
    """A pipeline that is ready to run, and what of it can be changed while it does."""

    pipeline: Pipeline
    controls: Controls
    cast: Cast
    motion: MotionStage
    composite: "CompositeStage"


def build(
    source: Source,
    sink: Sink,
    cast: Cast,
    options: Options | None = None,
    *,
    alpha: bool = False,
    clock: Clock | None = None,
    on_message: Callable[[str], None] = lambda text: None,
    more_sinks: Sequence[Sink] = (),
) -> Show:
    """The pipeline of every show: pose, motion, draw, generate, composite.

    Args:
        source, sink, cast: closed by the pipeline from here on, or here if something fails.
        options: how it looks and moves.
        alpha: whether the sink takes transparency.
        clock: the one that the source has.
        on_message: told in words what a key did.
        more_sinks: get the same output as `sink`.

    Raises:
        ModelMissing, ModelCorrupt, MissingDependency, BackendError: see `engine.pose.estimator`.
        SinkError: a background that cannot be.
    """
    from engine.io.composite import Background, CompositeStage

    options = Options() if options is None else options
    clock = MonotonicClock() if clock is None else clock
    with ExitStack() as cleanup:
        for part in (source, sink, cast):
            cleanup.callback(part.close)
        for more in more_sinks:
            cleanup.callback(more.close)
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
            cast, make_smoother(options.smoothing, live=source.live), mirror=options.mirror
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
        pipeline = Pipeline(source, stages, [sink, *more_sinks], clock=clock)
        cleanup.pop_all()
    return Show(pipeline, controls, cast, motion, composite)


def puppet(
    video: str | Path,
    output: str | Path,
    character: Character | None = None,
    *,
    report: str | Path | None = None,
    realtime: bool = False,
    options: Options | None = None,
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
        on_progress: told of the frames written, and of how many there will be, where known.
        on_message: told in words what draws the character.

    Raises:
        AyatsuriError: see `engine.errors`; what was written so far is a whole file.
    """
    from engine.io.file import is_url
    from engine.io.sinks import open_sink, takes_alpha
    from engine.io.sources import frames_total, open_source

    clock = MonotonicClock()
    with ExitStack() as cleanup:
        fps = LIVE_FPS if realtime else None
        cast = load_cast([character or DEFAULT_CHARACTER], options, fps=fps, say=on_message)
        cleanup.callback(cast.close)
        source = open_source(video, realtime=realtime, clock=clock)
        cleanup.callback(source.close)
        has_sound = not is_url(str(video)) and Path(video).is_file()
        sink = open_sink(output, audio_from=str(video) if has_sound else None, fps=source.fps)
        cleanup.pop_all()
    total = frames_total(source)
    show = build(source, sink, cast, options, alpha=takes_alpha(output), clock=clock)
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
    on_message: Callable[[str], None] = lambda text: None,
) -> Report:
    """The live puppet. Keys, in the window or the terminal: see `engine.controls.KEYS`.

    Args:
        source: `webcam:N`, or a video file or stream that is paced as a camera is.
        sink: "window", "virtualcam", "null", or what `puppet` takes.
        characters: the bundles to switch between; Ito where none is named.
        report: a JSON file to write counts, drops and latencies to.
        seconds: stop after so long.
        push: streaming services that get the show too; see `engine.push.address.parse`.
        push_token: for those that are spoken to by WHIP.
        options: how it looks and moves.
        on_message: told in words what draws whom, and what a key did.

    Raises:
        AyatsuriError: see `engine.errors`.
    """
    from engine.io.sinks import open_push, open_sink, takes_alpha
    from engine.io.sources import open_source
    from engine.keys import TerminalKeys

    clock = MonotonicClock()
    keys = _Keys()
    with ExitStack() as cleanup:
        who = characters or [DEFAULT_CHARACTER]
        cast = load_cast(who, options, fps=LIVE_FPS, say=on_message)
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
        more_sinks=pushes,
    )  # fmt: skip
    keys.controls = show.controls
    try:
        with TerminalKeys(keys.press):
            show.pipeline.run(duration_s=seconds)
    finally:
        result = _keep(show.pipeline.snapshot(), cast, report)
    return result


class _Keys:
    """Hands keys to the controls, which come into being after the window that reads them."""

    controls: Controls | None = None

    def press(self, key: str) -> bool:
        """See `Controls.press`."""
        return self.controls is not None and self.controls.press(key)


def _keep(report: Report, cast: Cast, path: str | Path | None) -> Report:
    report = replace(
        report,
        characters={
            actor.bundle.name: actor.choice.to_dict() for actor in cast.actors if actor.choice
        },
    )
    if path is not None:
        try:
            Path(path).write_text(report.to_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise SinkError(f"the report {path} cannot be written: {error}") from error
    return report

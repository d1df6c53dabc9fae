"""`ayatsuri bench stages`: what does everything cost that is no network?

Every piece of a frame's way is called by itself, over what the performer's clip gives it, on one
thread: what it takes of a core when nothing else wants it. Networks take tens of milliseconds of a
frame; all the rest together should not be felt.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.camera import CameraSource, frames_of
from bench.charts import Chart, Series
from bench.kernels import Compared, compare
from bench.report import Bench, Goal, Timing, time_calls
from bench.synthetic import Pass, black
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options, load_cast
from engine.channel import Channel, ChannelClosed
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.commands.options import Draw, DrawOption
from engine.frame import Frame, Packet
from engine.io.composite import Background, CompositeStage
from engine.io.file import FileSource
from engine.io.null import NullSink
from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.motion.smooth import OneEuro, SavitzkyGolayDelay
from engine.pipeline import Pipeline
from engine.pose.mediapipe import MediaPipeEstimator, to_pose
from engine.pose.pose import Pose
from engine.stages import media_time_ns

_STAGES = 5  # between a source and a sink: pose, motion, draw, generate, composite
_HOP_EVERY_S = 0.002
_PERIOD_NS = 33_333_333


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: its time, and whether it is on the way of every frame."""

    name: str
    timing: Timing
    counts: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the pieces work on, a clip's first frames."""

    frames: Sequence[Frame]
    pictures: Sequence[Any]  # as PyAV decoded them
    poses: Sequence[Pose | None]
    size_wh: tuple[int, int]


def record(clip: Path, frames: int, model: str) -> Recorded:
    """Decode so many frames, and find the pose in each."""
    with ExitStack() as cleanup:
        estimator = MediaPipeEstimator(model)
        cleanup.callback(estimator.close)
        kept = frames_of(clip, frames)
        poses = [estimator.estimate(frame.image, media_time_ns(frame)) for frame in kept]
        size_wh = kept[0].image.shape[1], kept[0].image.shape[0]
        return Recorded(kept, [*islice(decoded(clip), len(kept))], poses, size_wh)


def decoded(clip: Path) -> Iterator[Any]:
    """PyAV's pictures, decoded on this thread alone; from the beginning again at the end."""
    import av

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        while True:
            yield from container.decode(stream)
            container.seek(0)


def hop(count: int) -> Timing:
    """From the sender's put to the receiver's get on another thread, which waits for it."""
    channel: Channel[int] = Channel("hop", policy="latest")
    durations: list[int] = []

    def send() -> None:
        for _ in range(count):
            time.sleep(_HOP_EVERY_S)
            channel.put(time.perf_counter_ns())
        channel.close()

    sender = threading.Thread(target=send, name="bench-hop")
    sender.start()
    while True:
        try:
            sent_ns = channel.get()
        except ChannelClosed:
            break
        durations.append(time.perf_counter_ns() - sent_ns)
    sender.join()
    return Timing.of(durations)


def empty_pipeline(count: int) -> Timing:
    """Capture to sink of a pipeline whose stages do nothing: its hops and book-keeping."""
    clock = MonotonicClock()
    durations: list[int] = []
    stages = [Pass(f"stage {i}") for i in range(_STAGES)]
    camera = CameraSource(black(), 1 / _HOP_EVERY_S, count, clock)
    pipeline = Pipeline(camera, stages, [NullSink()], clock=clock)
    pipeline.run(on_progress=lambda p: durations.append(clock.now_ns() - p.frame.captured_ns))
    return Timing.of(durations)


def landmarks(pose: Pose, size_wh: tuple[int, int]) -> tuple[list[Any], list[Any]]:
    """A pose as MediaPipe hands it out: an object for each landmark."""
    places = pose.keypoints / np.array(size_wh, np.float32)
    flat = [
        SimpleNamespace(x=float(x), y=float(y), z=0.0, visibility=float(v))
        for (x, y), v in zip(places, pose.scores, strict=True)
    ]
    return flat, [SimpleNamespace(x=float(x), y=float(y), z=float(z)) for x, y, z in pose.world]


def measure(clip: Path, bundle: CharacterBundle, recorded: Recorded, count: int) -> list[Piece]:
    """Every piece of a frame's way, in its order."""
    pieces: list[Piece] = []

    def piece(name: str, call: Callable[[int], object], note: str = "", *, counts: bool = True):
        pieces.append(Piece(name, time_calls(call, count), counts, note))

    size, size_wh, frames = bundle.resolution, recorded.size_wh, recorded.frames
    wh = f"{size_wh[0]} x {size_wh[1]}"
    pictures = decoded(clip)
    piece("decode", lambda i: next(pictures), f"H.264, {wh}; FFmpeg, one thread")
    pictures.close()  # type: ignore[attr-defined]
    source = FileSource(clip)
    try:
        piece(
            "convert colours",
            lambda i: source.to_rgb(recorded.pictures[i % len(frames)]),
            f"YUV to RGB, {wh}",
        )
    finally:
        source.close()

    there = [pose for pose in recorded.poses if pose is not None]
    if not there:
        raise SystemExit(f"nobody is to be seen in {clip}")
    said = [landmarks(pose, size_wh) for pose in there]
    piece("read landmarks", lambda i: to_pose(*said[i % len(said)], *size_wh), "objects to arrays")

    normalise = Normaliser(bundle.skeleton, size=size)
    poses = recorded.poses
    piece("normalise", lambda i: normalise(poses[i % len(poses)], size_wh, i * _PERIOD_NS))
    normalise.reset()
    track = [normalise(pose, size_wh, i * _PERIOD_NS) for i, pose in enumerate(poses)]
    one_euro, savgol = OneEuro(size=size), SavitzkyGolayDelay()
    piece("One Euro", lambda i: one_euro(track[i % len(track)], i * _PERIOD_NS), "live")
    piece("Savitzky-Golay", lambda i: savgol.push(track[i % len(track)]), "files", counts=False)

    pose_image = np.empty((size, size, 3), np.uint8)
    piece("draw", lambda i: draw_pose(track[i % len(track)], pose_image), f"{size} px")

    picture = as_generated(bundle)
    for layout, background, name, note, counts in (
        ("character", None, "composite", f"{size} px, backdrop", True),
        ("character", "transparent", "composite, alpha", f"{size} px", False),
        ("side-by-side", None, "composite, side by side", f"{size_wh[1]} px high", False),
    ):
        stage = CompositeStage(Background(background), layout=layout)  # type: ignore[arg-type]
        piece(
            name,
            lambda i: list(stage.process(Packet(frames[i % len(frames)], picture=picture))),  # noqa: B023
            note,
            counts=counts,
        )
    hops = min(count, 2000)
    pieces.append(Piece("channel hop", hop(hops), False, "thread to thread"))
    note = f"{_STAGES + 1} hops, with their book-keeping"
    pieces.append(Piece("empty pipeline", empty_pipeline(hops), True, note))
    return pieces


def as_generated(bundle: CharacterBundle) -> NDArray[np.uint8]:
    """The reference as the generator would draw it: premultiplied, (S, S, 4)."""
    straight = bundle.reference.astype(np.float32)
    straight[..., :3] *= straight[..., 3:] / 255
    size_wh = bundle.resolution, bundle.resolution
    return cv2.resize(straight, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8)


def kernels_table(kernels: Sequence[Compared]) -> Table:
    """Every kernel, three ways."""
    table = Table(title="Numba beside NumPy and plain Python", caption="us, p50; x: times as fast")
    table.add_column("kernel")
    for column in ("Numba", "NumPy", "x", "Python", "x"):
        table.add_column(column, justify="right")
    for one in kernels:
        table.add_row(
            one.name, f"{1e3 * one.numba.p50_ms:.1f}", f"{1e3 * one.numpy.p50_ms:.1f}",
            f"{one.times('numpy'):.1f}", f"{1e3 * one.plain.p50_ms:,.0f}",
            f"{one.times('plain'):,.0f}",
        )  # fmt: skip
    return table


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    draw: DrawOption = Draw.AUTO,
    count: Annotated[int, typer.Option(help="Calls of each piece.")] = 3000,
    frames: Annotated[int, typer.Option(help="Different frames to call them with.")] = 200,
    pose: Annotated[str, typer.Option(help="MediaPipe's model.")] = "full",
) -> None:
    """Measure it."""
    bench = Bench(
        "stages",
        "What does everything cost that is no network?",
        "33333 us between two frames of a camera",
    )
    cast = load_cast([character], Options(draw=draw.value))
    bundle = cast.actors[0].bundle  # in the size of what draws
    cast.close()
    recorded = record(clip, frames, pose)
    pieces = measure(clip, bundle, recorded, count)
    table = Table(title="One frame, one thread", caption="us; * on a live frame's way, summed")
    table.add_column("piece")
    for column in ("p50", "p95", "p99", "samples"):
        table.add_column(column, justify="right")
    table.add_column("")
    for one in pieces:
        t = one.timing
        table.add_row(
            one.name + (" *" if one.counts else ""),
            *(f"{1e3 * ms:.1f}" for ms in (t.p50_ms, t.p95_ms, t.p99_ms)),
            str(t.count),
            one.note,
        )
    # The sum of the p95 is more than the p95 of the sum: a bound, as the pieces are timed apart.
    sums = [
        sum(getattr(one.timing, name) for one in pieces if one.counts)
        for name in ("p50_ms", "p95_ms")
    ]
    by_name = {one.name: one.timing for one in pieces}
    motion = {
        smoother: 1e3 * (by_name["normalise"].p95_ms + by_name[smoother].p95_ms)
        for smoother in ("One Euro", "Savitzky-Golay")
    }
    table.add_section()
    table.add_row("sum *", *(f"{1e3 * ms:.1f}" for ms in sums), style="bold")
    bench.console.print(table)
    for one in pieces:
        bench.add(one.name, {"work": one.timing.measure("us")}, note=one.note)
    bench.charts.append(
        Chart(
            "bars", "What everything costs that is no network", "Median and 95th percentile, "
            "one thread.", "microseconds of a frame", "",
            [
                Series(share, [0.0] * len(pieces),
                       [1e3 * getattr(p.timing, f"{share}_ms") for p in pieces],
                       [p.name for p in pieces])
                for share in ("p50", "p95")
            ],
        )
    )  # fmt: skip
    kernels = compare(bundle.resolution, max(count // 10, 20))
    bench.console.print(kernels_table(kernels))
    for kernel in kernels:
        for way in ("numba", "numpy", "plain"):
            timing: Timing = getattr(kernel, way)
            bench.add(f"{kernel.name}, {way}", {"work": timing.measure("us")})
    bench.finish(
        count,
        {
            "pieces_us": {
                one.name: {
                    "p50": 1e3 * one.timing.p50_ms,
                    "p95": 1e3 * one.timing.p95_ms,
                    "samples": one.timing.count,
                }
                for one in pieces
            },
            "sum_p50_ms": sums[0],
            "sum_p95_ms": sums[1],
        },
        [
            Goal("all that is no network, sum of p95", sums[1], 2.0, False, "ms"),
            *(
                Goal(f"normalise and {name}, p95", us, 50.0, False, "us")
                for name, us in motion.items()
            ),
        ],
        clip=clip.name,
        character=bundle.name,
        resolution=bundle.resolution,
        frames=len(recorded.frames),
    )

"""`python -m bench.live`: does the live puppet keep up with a camera, minute after minute?

The performer's clip plays without end, paced by its own time stamps as a camera is by its clock, at
30 fps; the latest frame wins and One Euro smooths, as for a webcam. Pictures go nowhere, so that no
window's or encoder's time is counted.

Latency is from a frame's due time to the end of its write: what a camera's exposure and transfer
and a display's scan-out add is not in it. If it, or the memory, grew, a show would not last an
evening; so the second minute (the first one warms up) is compared with the last.
"""

import threading
import time
from array import array
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal
from engine.app import DEFAULT_CHARACTER, LIVE_FPS, PERFORMER, Options, Show, build, load_cast
from engine.clock import MonotonicClock
from engine.frame import Packet
from engine.io.file import FileSource
from engine.io.null import NullSink
from engine.report import Report

_MEMORY_EVERY_S = 0.1
_MB = 1e-6
# No growth: noise alone gives such slopes over minutes, and far larger ones over seconds.
STILL_MB_PER_MIN = 1.0
STILL_MS_PER_MIN = 1.0


class Series:
    """Values over time, packed: lists of floats would themselves be a quarter of a megabyte more
    every minute."""

    def __init__(self) -> None:
        self._at_s, self._values = array("d"), array("d")

    def add(self, at_s: float, value: float) -> None:
        """Note a value."""
        self._at_s.append(at_s)
        self._values.append(value)

    def within(self, begin_s: float, end_s: float) -> NDArray[np.float64]:
        """The values of a stretch of time."""
        at_s = np.array(self._at_s)
        return np.array(self._values)[(at_s >= begin_s) & (at_s < end_s)]


@dataclass(frozen=True, slots=True)
class Track:
    """What was seen since the run began."""

    latency_ms: Series  # of every frame
    memory_mb: Series  # resident


@dataclass(frozen=True, slots=True)
class Growth:
    """An early stretch compared with the last one, and the slope between their middles."""

    early: float
    late: float
    per_minute: float


def run(show: Show, seconds: float, clock: MonotonicClock) -> tuple[Report, Track]:
    """Run it for so long, with an eye on latency and memory."""
    track = Track(Series(), Series())
    begin_ns = clock.now_ns()
    over = threading.Event()

    def watch_memory() -> None:
        process = psutil.Process()
        while not over.wait(_MEMORY_EVERY_S):
            at_s = (clock.now_ns() - begin_ns) * 1e-9
            track.memory_mb.add(at_s, process.memory_info().rss * _MB)

    def note(packet: Packet) -> None:
        now_ns = clock.now_ns()
        took_ns = now_ns - packet.frame.captured_ns
        track.latency_ms.add((now_ns - begin_ns) * 1e-9, took_ns * 1e-6)

    watcher = threading.Thread(target=watch_memory, name="bench-memory")
    watcher.start()
    try:
        report = show.pipeline.run(on_progress=note, duration_s=seconds)
    finally:
        over.set()
        watcher.join()
    return report, track


def stretches(seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The second minute and the last one; of a run under 3 minutes, its second and last third."""
    length = min(60.0, seconds / 3)
    return (length, 2 * length), (seconds - length, seconds)


def growth(series: Series, seconds: float, share: float) -> Growth:
    """How a percentile grew from the early stretch to the last one; NaN where one is empty."""
    early, late = stretches(seconds)
    first, last = (
        float(np.percentile(found, share)) if len(found := series.within(*stretch)) else np.nan
        for stretch in (early, late)
    )
    minutes = (late[0] - early[0]) / 60
    return Growth(first, last, (last - first) / minutes)


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    seconds: Annotated[float, typer.Option(help="How long.")] = 300.0,
    threads: Annotated[int, typer.Option(help="Of ONNX Runtime.")] = Options().threads,
    pose: Annotated[str, typer.Option(help="MediaPipe's model.")] = "full",
) -> None:
    """Measure it."""
    bench = Bench(
        "live",
        "Does the live puppet keep up with a camera, minute after minute?",
        "the source's own rate, and no latency under the work of all stages together",
    )
    options = Options(threads=threads, pose_model=pose)  # type: ignore[arg-type]
    clock = MonotonicClock()
    with ExitStack() as cleanup:
        cast = load_cast([character], Options(threads=threads), fps=LIVE_FPS)
        cleanup.callback(cast.close)
        source = FileSource(clip, realtime=True, loop=True, clock=clock)
        cleanup.pop_all()
    bundle = cast.actors[0].bundle
    show = build(source, NullSink(), cast, options, clock=clock)
    used = time.process_time()
    report, track = run(show, seconds, clock)
    used_cores = (time.process_time() - used) / seconds

    latency = growth(track.latency_ms, seconds, 95)
    memory = growth(track.memory_mb, seconds, 50)
    bench.console.print(report.table())
    table = Table(title=f"Growth over {seconds:g} s")
    table.add_column("")
    early, late = stretches(seconds)
    for begin_s, end_s in (early, late):
        table.add_column(f"{begin_s:.0f} to {end_s:.0f} s", justify="right")
    table.add_column("a minute", justify="right")
    for name, grown in (("latency p95, ms", latency), ("memory, MB", memory)):
        table.add_row(name, f"{grown.early:.1f}", f"{grown.late:.1f}", f"{grown.per_minute:+.2f}")
    bench.console.print(table)
    bench.console.print(f"{used_cores:.2f} of {bench.machine['cores']} cores used")
    fps = source.fps or 30.0
    total = report.capture_to_sink
    bench.finish(
        report.frames_out,
        {
            "fps": report.fps,
            "source_fps": fps,
            "missed_by_source": report.missed_by_source,
            "dropped": report.dropped,
            "drops": {channel.name: channel.dropped for channel in report.channels},
            "p50_ms": total.p50_ms,
            "p95_ms": total.p95_ms,
            "p99_ms": total.p99_ms,
            "max_ms": total.max_ms,
            "work_p50_ms": {stage.name: stage.work.p50_ms for stage in report.stages},
            "latency_p95_ms": [latency.early, latency.late],
            "latency_ms_per_min": latency.per_minute,
            "memory_mb": [memory.early, memory.late],
            "memory_mb_per_min": memory.per_minute,
            "cores_used": used_cores,
        },
        [
            # A clip of 30 fps gives 30 a second but for what its start and its end cost.
            Goal("sustained", report.fps, 0.99 * fps, True, "fps"),
            Goal("capture to sink, p95", total.p95_ms, 60.0, False, "ms"),
            Goal("growth of latency", latency.per_minute, STILL_MS_PER_MIN, False, "ms/min"),
            Goal("growth of memory", memory.per_minute, STILL_MB_PER_MIN, False, "MB/min"),
        ],
        clip=clip.name,
        character=bundle.name,
        resolution=bundle.resolution,
        threads=threads,
        pose=pose,
        smoothing="one-euro",
    )


if __name__ == "__main__":
    typer.run(main)

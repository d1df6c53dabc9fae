"""`ayatsuri bench open`: how late is the picture when a camera dictates the pace?

A camera is an open loop: its frames come on schedule, 30 or 60 a second, whatever the computer does
with them. Latency counts from when a frame was *due*, to the end of its write; and every frame that
was due counts, those that were dropped as well: what the performer did then was to be seen only
with the next frame. So a stall hits all the frames that it delays, as it hits the viewer (no
coordinated omission). Pictures come from memory and go nowhere: see `live` for a real source and
sink, and `webrtc` for glass to glass.
"""

from itertools import product
from pathlib import Path
from typing import Annotated

import typer

from bench.camera import CameraSource, pictures_of
from bench.quality import likeness_of, pose_errors
from bench.report import Bench, Goal, Row, drawings, measures_table, singles_table
from bench.show import (
    STALE_MS,
    Played,
    Run,
    charts_of,
    files_of,
    play,
    show_usage,
    steps_table,
)
from bench.ways import CharactersOption, DrawName, DrawsOption, ways
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.commands.options import (
    BackendName,
    BackendOption,
    PoseModel,
    PoseModelOption,
    PoseRuntimeName,
    PoseRuntimeOption,
    PrecisionName,
    PrecisionOption,
    ThreadsOption,
)
from engine.io.null import NullSink

PICTURES = 300  # of the clip, in memory: 10 s, 276 MB at 640 x 480
GOAL_P95_MS = 60.0


def measure(
    clip: Path, bundle: CharacterBundle, options: Options, fps: float, seconds: float, skip_s: float
) -> Played:
    """One run at a camera's rate."""
    clock = MonotonicClock()
    pictures = pictures_of(clip, PICTURES)
    source = CameraSource(pictures, fps, round((seconds + skip_s) * fps), clock)
    return play(
        source, NullSink(), bundle, options, clock,
        seconds=seconds + skip_s + 1.0, skip_s=skip_s, fps=fps,
    )  # fmt: skip


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: CharactersOption = None,
    draw: DrawsOption = DrawName.ALL,
    fps: Annotated[str, typer.Option(help="The camera's rates.")] = "30,60",
    seconds: Annotated[float, typer.Option(help="At each rate.")] = 60.0,
    warm_up: Annotated[float, typer.Option(help="Seconds before that, not counted.")] = 3.0,
    with_quality: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Rate the pictures, too.")
    ] = True,
    threads: ThreadsOption = 1,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
    backend: BackendOption = BackendName.AUTO,
    precision: PrecisionOption = PrecisionName.AUTO,
) -> None:
    """Measure it."""
    bench = Bench(
        "open",
        "How late is the picture when a camera dictates the pace?",
        "the work of all parts, one after the other, and no wait between them",
        warm_up=f"{warm_up:g} s",
        models=character or [DEFAULT_CHARACTER],
    )
    options = Options(
        threads=threads, pose_model=pose_model.value, pose_runtime=pose_runtime.value,
        backend=backend.value, precision=precision.value,
    )  # fmt: skip
    rates = [float(rate) for rate in fps.split(",")]
    runs: list[tuple[str, Run]] = []
    goals: list[Goal] = []
    shown = ways(character, draw, options)
    for way, rate in product(shown, rates):
        run = measure(clip, way.bundle, way.options, rate, seconds, warm_up)
        measures = run.timeline.measures(STALE_MS)
        if with_quality:
            measures |= likeness_of(run.bundle, way.options, run.drawn_by, clip)
            measures |= pose_errors(clip, options, measures["every frame due"]["p50"])
        row = bench.add(
            f"{way.prefix}{rate:g} fps", measures, drawn_by=run.drawn_by, drops=run.drops(),
            cores_used=run.cores_used,
        )  # fmt: skip
        runs.append((row.name, run))
        if rate == rates[0]:
            p95 = measures["every frame due"]["p95"]
            goals.append(Goal(f"{row.name}, every frame due, p95", p95, GOAL_P95_MS, False, "ms"))
    show(bench, bench.rows, runs)
    bench.charts = charts_of(runs, 1e3 / rates[0])
    bench.extras = files_of(bench.name, [(name, run.timeline) for name, run in runs])
    bench.finish(
        sum(len(run.timeline.due_ns) for _, run in runs), {}, goals, clip=clip.name,
        drawn=drawings(bench.rows), threads=threads, seconds=seconds,
        pose_model=options.pose_model, pose_runtime=options.pose_runtime, smoothing="one-euro",
        stale_ms=STALE_MS,
    )  # fmt: skip


def show(bench: Bench, rows: list[Row], runs: list[tuple[str, Run]]) -> None:
    """Print what was measured."""
    bench.console.print(measures_table("Latency from when a frame was due", rows))
    bench.console.print(singles_table("At the sink", rows))
    for name, words in drawings(rows).items():
        bench.console.print(f"{name}: {words}")
    bench.console.print(steps_table(runs))
    show_usage(bench.console, runs[-1][1], bench.machine["cores"])

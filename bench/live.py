"""`ayatsuri bench live`: does the live puppet keep up with a camera, minute after minute?

As `open`, with a real source and a real sink: the clip plays without end, decoded meanwhile, paced
by its own time stamps as a camera is by its clock; the pictures go where `--sink` says.
"virtualcam" is what a stream takes: OBS Studio's camera, or v4l2loopback. Latency is from a frame's
due time to the end of its write: what a camera's exposure and transfer and a display's scan-out add
is not in it.

If latency or memory grew, a show would not last an evening: the second minute (the first one warms
up) is compared with the last. `soak` does so for hours.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bench.quality import likeness_of, pose_errors
from bench.report import Bench, Goal, drawings, measures_table, singles_table
from bench.show import (
    STALE_MS,
    charts_of,
    files_of,
    growth,
    play,
    show_usage,
    steps_table,
    stretches,
)
from bench.statistics import Measure
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.commands.options import (
    Draw,
    DrawOption,
    PoseModel,
    PoseModelOption,
    PoseRuntimeName,
    PoseRuntimeOption,
    ThreadsOption,
)
from engine.io.file import FileSource
from engine.io.sinks import open_sink

# No growth: noise alone gives such slopes over minutes, and far larger ones over seconds.
STILL_MB_PER_MIN = 1.0
STILL_MS_PER_MIN = 1.0


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    draw: DrawOption = Draw.AUTO,
    sink: Annotated[str, typer.Option(help="null, window, virtualcam, or a file.")] = "null",
    seconds: Annotated[float, typer.Option(help="How long.")] = 300.0,
    with_quality: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Rate the pictures; a clip with truth.")
    ] = True,
    threads: ThreadsOption = 1,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
) -> None:
    """Measure it."""
    skip_s = min(60.0, seconds / 3)
    bench = Bench(
        "live",
        "Does the live puppet keep up with a camera, minute after minute?",
        "the source's own rate, and no latency under the work of all stages together",
        warm_up=f"{skip_s:.0f} s", models=[character],
    )  # fmt: skip
    options = Options(
        threads=threads, draw=draw.value, pose_model=pose_model.value,
        pose_runtime=pose_runtime.value,
    )  # fmt: skip
    clock = MonotonicClock()
    bundle = CharacterBundle.load(character)
    with ExitStack() as cleanup:
        source = FileSource(clip, realtime=True, loop=True, clock=clock)
        cleanup.callback(source.close)
        shown = open_sink(sink, fps=source.fps, on_close=source.stop)
        cleanup.pop_all()
    run = play(source, shown, bundle, options, clock, seconds=seconds, skip_s=skip_s)

    measures = run.timeline.measures(STALE_MS)
    waited = run.timeline.answered_ms()
    at_s = skip_s + (run.timeline.due_ns[: len(waited)] - run.timeline.due_ns[0]) * 1e-9
    latency = growth(at_s, waited, seconds, 95)
    memory = growth(run.usage.at_s, run.usage.memory_mb, seconds, 50)
    for name, grown, unit in (
        ("growth of latency p95", latency, "ms/min"), ("growth of memory", memory, "MB/min")
    ):  # fmt: skip
        measures[name] = Measure.single(grown.per_minute, unit)
    if with_quality:
        measures |= likeness_of(run.bundle, options, run.drawn_by, clip)
        measures |= pose_errors(clip, options, measures["every frame due"]["p50"])
    name = f"{clip.stem} to {sink}"
    bench.add(name, measures, drawn_by=run.drawn_by, drops=run.drops(), cores_used=run.cores_used)
    bench.console.print(measures_table("Latency from when a frame was due", bench.rows))
    bench.console.print(singles_table("At the sink", bench.rows))
    bench.console.print(steps_table([(name, run)]))
    table = Table(title=f"Growth over {seconds:g} s")
    table.add_column("")
    for begin_s, end_s in stretches(seconds):
        table.add_column(f"{begin_s:.0f} to {end_s:.0f} s", justify="right")
    table.add_column("a minute", justify="right")
    for what, grown in (("latency p95, ms", latency), ("memory, MB", memory)):
        table.add_row(what, f"{grown.early:.1f}", f"{grown.late:.1f}", f"{grown.per_minute:+.2f}")
    bench.console.print(table)
    show_usage(bench.console, run, bench.machine["cores"])
    fps = source.fps or 30.0
    bench.charts = charts_of([(name, run)], 1e3 / fps)
    bench.extras = files_of(bench.name, [(name, run.timeline)])
    bench.finish(
        len(run.timeline.due_ns),
        {
            "source_fps": fps,
            "missed_by_source": run.report.missed_by_source,
            "drops": run.drops(),
            "latency_p95_ms": [latency.early, latency.late],
            "memory_mb": [memory.early, memory.late],
            "cores_used": run.cores_used,
        },
        [
            # A clip of 30 fps gives 30 a second but for what its start and its end cost.
            Goal("sustained", measures["fps shown"]["value"], 0.99 * fps, True, "fps"),
            Goal("every frame due, p95", measures["every frame due"]["p95"], 60.0, False, "ms"),
            Goal("growth of latency", latency.per_minute, STILL_MS_PER_MIN, False, "ms/min"),
            Goal("growth of memory", memory.per_minute, STILL_MB_PER_MIN, False, "MB/min"),
        ],
        clip=clip.name, character=bundle.name, drawn=drawings(bench.rows), sink=sink,
        threads=threads, seconds=seconds, pose_model=options.pose_model,
        pose_runtime=options.pose_runtime, smoothing="one-euro", stale_ms=STALE_MS,
    )  # fmt: skip

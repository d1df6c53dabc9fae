"""`ayatsuri bench itself`: can the measuring be trusted?

It is tried on pipelines of which the answer is known: stages that take so many milliseconds, and
that now and then stall. And what the measuring costs is measured: the clock, the notes that are
taken of every frame, the block codes of `webrtc`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from bench.blockcode import carry, number_of, stamp
from bench.camera import CameraSource
from bench.charts import Chart, by_percentile
from bench.manifest import clock_cost_ns, clock_resolution_ns
from bench.report import Bench, Goal, Timing, measures_table, time_calls
from bench.show import watch
from bench.statistics import Measure
from bench.synthetic import Hold, Pass, black, closed_loop_ms
from bench.timeline import Recorder, Timeline
from engine.app import LIVE_FPS
from engine.clock import MonotonicClock
from engine.frame import Frame, Packet, Stamp
from engine.io.null import NullSink
from engine.pipeline import Pipeline

HOLDS_MS = (2.0, 8.0, 20.0)
STALL_MS, WORK_MS = 400.0, 5.0
_STAGES = ("pose", "motion", "draw", "generate", "composite")
_FRAME_MS = 1e3 / LIVE_FPS


def open_loop(stage: Pass, fps: float, seconds: float) -> Timeline:
    """What the bench says of one stage behind a camera."""
    clock = MonotonicClock()
    camera = CameraSource(black(), fps, max(round(fps * seconds), 2), clock)
    pipeline = Pipeline(camera, [stage], [NullSink()], clock=clock)
    return watch(pipeline, camera, clock, seconds + 5.0, 0.0).timeline


def overheads(count: int) -> dict[str, Timing]:
    """What is done for the measuring's sake to every frame."""
    clock = MonotonicClock()
    recorder = Recorder(clock)
    image, small = np.zeros((480, 640, 3), np.uint8), np.zeros((256, 256, 3), np.uint8)
    frame = Frame(image, 0, clock.now_ns())
    stamps = tuple(Stamp(name, 0, 1) for name in _STAGES)
    packet = Packet(frame, stamps)
    stamp(image, 1234)

    def stamping(i: int) -> None:
        done = Packet(frame)
        for name in _STAGES:
            done = replace(done, stamps=(*done.stamps, Stamp(name, clock.now_ns(), clock.now_ns())))

    works: dict[str, Callable[[int], object]] = {
        "stamps of five stages": stamping,
        "a note of the frame": lambda i: recorder.note(packet),
        "code: carried to the output": lambda i: carry(image, small),
        "code: read": lambda i: number_of(image),
    }
    return {name: time_calls(work, count) for name, work in works.items()}


def main(
    seconds: Annotated[float, typer.Option(help="For each pipeline.")] = 20.0,
    count: Annotated[int, typer.Option(help="Of each small thing.")] = 2000,
) -> None:
    """Measure it; fails where the measuring is not to be trusted."""
    bench = Bench("itself", "Can the measuring be trusted?", "what is put in is what comes out")
    goals, costs = [], Table(title="What measuring costs", caption="microseconds of a frame")
    costs.add_column("")
    for column in ("p50", "p95", "share of a frame"):
        costs.add_column(column, justify="right")
    total_us = 0.0
    for name, timing in overheads(count).items():
        total_us += 1e3 * timing.p50_ms
        share = 100 * timing.p50_ms / _FRAME_MS
        costs.add_row(
            name, f"{1e3 * timing.p50_ms:.1f}", f"{1e3 * timing.p95_ms:.1f}", f"{share:.3f}%"
        )
        bench.add(name, {"work": timing.measure("us")})
    bench.console.print(costs)
    goals.append(
        Goal("all of it, share of a frame", 0.1 * total_us / _FRAME_MS, 1.0, False, "%")
    )  # fmt: skip
    step_ns, cost_ns = clock_resolution_ns(), clock_cost_ns()
    bench.console.print(f"the clock: steps of {step_ns} ns, {cost_ns:.0f} ns to look at")
    goals.append(Goal("the clock's step", 1e-3 * step_ns, 10.0, False, "us"))
    for ms in HOLDS_MS:
        stage = Hold(ms)
        measured = Measure.of(open_loop(stage, LIVE_FPS, seconds).latency_ms())
        truth = Measure.of(
            stage.truth_ms
        )  # on a busy machine, no sleep is as long as was asked for
        bench.add(f"a stage of {ms:g} ms", {"measured": measured, "by its own clock": truth})
        off = abs(measured["p50"] - truth["p50"])
        goals.append(Goal(f"a stage of {ms:g} ms, off by", off, 1.0, False, "ms"))
    frames = round(seconds * LIVE_FPS)
    every = max(frames // 4, 2)  # a few stalls: under one frame in a hundred of the closed loop
    stalling = Hold(WORK_MS, stall_ms=STALL_MS, every=every)
    waited = open_loop(stalling, LIVE_FPS, seconds).answered_ms()
    closed = closed_loop_ms(Hold(WORK_MS, stall_ms=STALL_MS, every=every), frames)
    rows = {"asked when due": waited, "asked when done": np.array(closed)}
    for name, values in rows.items():
        bench.add(f"stalls, {name}", {"latency": Measure.of(values)})
    seen = int((np.diff(np.flatnonzero(waited > 0.5 * STALL_MS), prepend=-9) > 1).sum())
    goals += [
        Goal("stalls seen, of those put in", seen / max(stalling.stalls, 1), 1.0, True),
        Goal("longest, of the stall put in", float(waited.max()) / STALL_MS, 0.98, True),
        Goal(
            "share of late frames, over what a loop that waits says",
            float((waited > 50).mean() / max((np.array(closed) > 50).mean(), 1e-9)), 3.0, True, "x",
        ),
    ]  # fmt: skip
    bench.console.print(measures_table("Pipelines whose latency is known", bench.rows[-5:]))
    bench.charts = [
        Chart(
            "lines", "Coordinated omission",
            f"One stage, {WORK_MS:g} ms for each frame, that stalls now and then for "
            f"{STALL_MS:g} ms. Asked at the camera's pace, all frames that had to wait are late. A "
            "loop that asks for the next frame when the last one is done never asks during a "
            "stall, and finds one late frame for each.",
            "one frame in", "ms", [by_percentile(name, values) for name, values in rows.items()],
            log_x=True,
        )
    ]  # fmt: skip
    bench.finish(count + len(waited), {}, goals, seconds=seconds, file=Path(__file__).name)
    if not all(goal.met for goal in goals):
        raise typer.Exit(1)

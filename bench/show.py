"""A run of the engine's pipeline with everything noted: what `open`, `live` and `soak` share."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.charts import Chart, Series, by_percentile, histograms, over_time, waterfall
from bench.logs import write_hdr, write_trace
from bench.quality import told
from bench.report import number
from bench.statistics import Floats
from bench.timeline import Recorder, Timeline, Usage, Watch
from engine.app import LIVE_FPS, Options, build, load_cast
from engine.cast import Actor
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.frame import Packet
from engine.pipeline import Pipeline, Sink, Source
from engine.report import Report

STALE_MS: Final = 100.0
"""Pictures older than this are called stale: three frames of a camera."""

SINK: Final = "sink"


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen of one run."""

    report: Report
    timeline: Timeline
    usage: Usage
    cores_used: float
    took_s: float

    def drops(self) -> dict[str, int]:
        """Frames that were dropped before each part."""
        return {channel.name: channel.dropped for channel in self.report.channels}


@dataclass(frozen=True, slots=True)
class Played(Run):
    """A run of the engine's own show.

    Attributes:
        bundle: the character, as what draws needs it.
        drawn_by: see `bench.quality.told`.
    """

    bundle: CharacterBundle
    drawn_by: dict[str, Any]

    @classmethod
    def of(cls, run: Run, actor: Actor, drawn_by: dict[str, Any]) -> "Played":
        """A run, and who was drawn in it."""
        return cls(
            run.report, run.timeline, run.usage, run.cores_used, run.took_s, actor.bundle, drawn_by
        )  # fmt: skip


def watch(
    pipeline: Pipeline,
    source: Source,
    clock: MonotonicClock,
    seconds: float,
    skip_s: float,
    *,
    also: Callable[[Packet], None] | None = None,
    keep: bool = False,
) -> Run:
    """Run a pipeline for so long, and note everything but its first `skip_s` seconds.

    Args:
        pipeline, source, clock: of a show.
        seconds: how long.
        skip_s: see above.
        also: told of every packet that was shown, too.
        keep: whether Ctrl-C ends the run in order, and what was seen so far is kept.
    """
    recorder = Recorder(clock, round(seconds * (source.fps or LIVE_FPS)))

    def note(packet: Packet) -> None:
        recorder.note(packet)
        if also is not None:
            also(packet)

    used, began = time.process_time(), time.monotonic()
    with Watch(clock) as watcher:
        try:
            report = pipeline.run(on_progress=note, duration_s=seconds)
        except KeyboardInterrupt:
            if not keep:
                raise
            report = pipeline.snapshot()
    took_s = time.monotonic() - began
    cores = (time.process_time() - used) / took_s
    due_ns = getattr(source, "due_ns", None)
    if due_ns is None:
        due_ns = recorder.due_ns(source.fps or LIVE_FPS)
    return Run(report, recorder.timeline(due_ns, skip_s=skip_s), watcher.usage(), cores, took_s)


def play(
    source: Source,
    sink: Sink,
    bundle: CharacterBundle,
    options: Options,
    clock: MonotonicClock,
    *,
    seconds: float,
    skip_s: float,
    fps: float = LIVE_FPS,
    also: Callable[[Packet], None] | None = None,
    keep: bool = False,
) -> Played:
    """The engine's own show from a source into a sink; closes both. See `watch`."""
    with ExitStack() as cleanup:
        cleanup.callback(source.close)
        cleanup.callback(sink.close)
        cast = load_cast([bundle], options, fps=fps)
        cleanup.pop_all()
    actor = cast.actors[0]
    drawn_by = told(actor, options)
    show = build(source, sink, cast, options, clock=clock)
    run = watch(show.pipeline, source, clock, seconds, skip_s, also=also, keep=keep)
    return Played.of(run, actor, drawn_by)


@dataclass(frozen=True, slots=True)
class Growth:
    """An early stretch compared with the last one, and the slope between their middles."""

    early: float
    late: float
    per_minute: float


def stretches(seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The second minute and the last one; of a run under 3 minutes, its second and last third."""
    length = min(60.0, seconds / 3)
    return (length, 2 * length), (seconds - length, seconds)


def growth(at_s: Floats, values: Floats, seconds: float, rank: float) -> Growth:
    """How a percentile grew from the early stretch to the last one; NaN where one is empty."""
    early, late = stretches(seconds)
    found = [values[(at_s >= begin) & (at_s < end)] for begin, end in (early, late)]
    first, last = (float(np.percentile(part, rank)) if len(part) else np.nan for part in found)
    return Growth(first, last, 60 * (last - first) / (late[0] - early[0]))


def steps(timeline: Timeline, last: str = SINK) -> list[tuple[str, float, float]]:
    """(part, median wait, median work) of all parts; of the last one all counts as work."""
    waits, works = timeline.waits_ms(), timeline.works_ms()
    if not len(waits):
        return []
    medians = [float(np.median(column)) for column in waits.T]
    found = [
        (name, wait, float(np.median(work)))
        for name, wait, work in zip(timeline.stages, medians, works.T, strict=False)
    ]
    return [*found, (last, 0.0, medians[-1])]


def latency_charts(timelines: Sequence[tuple[str, Timeline]], stale_ms: float) -> list[Chart]:
    """Latency over time, by percentile, and as a histogram."""
    shown = [(name, timeline) for name, timeline in timelines if len(timeline.sequence)]
    if not shown:
        return []

    def seconds(timeline: Timeline) -> Any:
        return (timeline.due_ns[: len(timeline.answered_ms())] - timeline.due_ns[0]) * 1e-9

    return [
        Chart(
            "lines", "Latency over time",
            "Every frame that was due, until it or a newer one was to be seen. Of every stretch "
            "of time its least and its greatest are drawn.",
            "seconds", "ms", [over_time(n, seconds(t), t.answered_ms()) for n, t in shown],
            limits=[("stale", stale_ms)],
        ),
        Chart(
            "lines", "Latency by percentile",
            "How late the picture is for all but one in ten, in a hundred, in a thousand frames: "
            "the tail is what a viewer notices.",
            "one frame in", "ms", [by_percentile(n, t.answered_ms()) for n, t in shown],
            log_x=True,
        ),
        Chart(
            "steps", "Histogram", "Frames by latency; the last bin has all that is above.",
            "ms", "frames", histograms([(n, t.answered_ms()) for n, t in shown]),
        ),
    ]  # fmt: skip


def waterfall_chart(name: str, timeline: Timeline, last: str = SINK) -> Chart:
    """Where the time of a run goes."""
    return Chart(
        "waterfall", f"Where the time goes: {name}",
        "Medians, one after the other: a frame waits for a part (pale), then the part works on it. "
        "Medians do not quite add up to the median of the sum.",
        "ms since the frame was due", "", waterfall(steps(timeline, last)),
    )  # fmt: skip


def charts_of(runs: Sequence[tuple[str, Run]], budget_ms: float) -> list[Chart]:
    """The plots of every run: latency over time, histogram, percentiles, waterfall, budget."""
    shown = [(name, run.timeline) for name, run in runs]
    charts = latency_charts(shown, STALE_MS)
    for name, timeline in shown:
        if not len(timeline.sequence):
            continue
        works = timeline.works_ms()
        charts.append(waterfall_chart(name, timeline))
        charts.append(
            Chart(
                "bars", f"Budget of each part: {name}",
                "A part that is busy for longer than there is between two frames drops frames. "
                "Median and 95th percentile of its work.",
                "ms", "",
                [
                    Series(label, [0.0] * works.shape[1],
                           [float(np.percentile(w, share)) for w in works.T], [*timeline.stages])
                    for label, share in (("p50", 50), ("p95", 95))
                ],
                limits=[("a frame", budget_ms)],
            )
        )  # fmt: skip
    return charts


def steps_table(runs: Sequence[tuple[str, Run]]) -> Table:
    """Wait, work and drops of every part."""
    table = Table(title="Where the time goes", caption="ms, medians; dropped: before the part")
    table.add_column("part", overflow="fold")
    for column in ("wait", "work", "dropped"):
        table.add_column(column, justify="right")
    for name, run in runs:
        table.add_section()
        if len(runs) > 1:
            table.add_row(f"[bold]{name}[/]")
        for (part, wait, work), channel in zip(
            steps(run.timeline), run.report.channels, strict=False
        ):
            table.add_row(part, number(wait), number(work), str(channel.dropped))
    return table


def show_usage(console: Console, run: Run, cores: int) -> None:
    """How much of the machine it took."""
    memory = run.usage.memory_mb
    peak = f"{memory.max():.0f}" if len(memory) else "?"
    console.print(f"{run.cores_used:.2f} of {cores} cores used, {peak} MB at most")


def files_of(name: str, timelines: Sequence[tuple[str, Timeline]]) -> dict[str, Any]:
    """The trace and the HdrHistogram log of the runs, to be written beside the result."""
    return {
        f"{name}.trace.json": partial(write_trace, timelines=timelines),
        f"{name}.hlog": partial(write_hdr, timelines=timelines),
    }

"""`ayatsuri bench soak`: does anything grow over the hours?

A show lasts an evening. The puppet runs as in `open`, at 30 frames a second, for as long as is
asked for, and is looked at ten times a second: resident memory, threads, open files; and the
latency of every frame. Growth is the slope of a straight line through medians of equal stretches of
time (Theil and Sen: the median of the slopes of all pairs), after a warm-up of an eighth of the
run, and of a minute at least, in which libraries fill their pools. A slope above its limit, times
the hours that a show lasts, is a leak.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from rich.table import Table

from bench.camera import CameraSource, pictures_of
from bench.charts import Chart, over_time
from bench.quality import likeness_of, pose_errors
from bench.report import Bench, Goal, drawings, measures_table, singles_table
from bench.show import STALE_MS, Run, play
from bench.statistics import Figure, Floats, Measure
from engine.app import DEFAULT_CHARACTER, LIVE_FPS, PERFORMER, Options
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.commands.options import (
    Draw,
    DrawOption,
    PoseRuntimeName,
    PoseRuntimeOption,
    ThreadsOption,
)
from engine.errors import AyatsuriError
from engine.frame import Packet
from engine.io.null import NullSink

PICTURES: Final = 300
STRETCHES: Final = 16
_WARM_UP_SHARE: Final = 1 / 8
_WARM_UP_S: Final = 60.0
_LEAST_S: Final = 0.5  # after the warm-up
_TELL_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limit:
    """What may grow, and by how much an hour."""

    name: str
    unit: str
    per_hour: float


LIMITS: Final = (
    Limit("memory", "MB", 60.0),
    Limit("threads", "", 1.0),
    Limit("open files", "", 1.0),
    Limit("latency p95", "ms", 30.0),
)


def _rate(limit: Limit) -> str:
    return f"{limit.unit}/h" if limit.unit else "an hour"


def growth(at_s: Floats, values: Floats, share: float = 0.5) -> Figure:
    """How much a percentile of values grows in an hour, and the middle half of all pairs' slopes.

    Args:
        at_s: (N,) seconds.
        values: (N,) at these times.
        share: which percentile of every stretch, (0, 1).
    """
    edges = np.linspace(at_s[0], at_s[-1], STRETCHES + 1)
    where = np.clip(np.searchsorted(edges, at_s, side="right") - 1, 0, STRETCHES - 1)
    middles, levels = [], []
    for stretch in range(STRETCHES):
        inside = where == stretch
        if inside.any():
            middles.append(float(at_s[inside].mean()))
            levels.append(float(np.percentile(values[inside], 100 * share)))
    slopes = [
        3600 * (levels[b] - levels[a]) / (middles[b] - middles[a])
        for a, b in combinations(range(len(levels)), 2)
    ]
    low, middle, high = np.percentile(slopes, (25, 50, 75)) if slopes else (np.nan,) * 3
    return Figure(float(middle), float(low), float(high))


def growths(run: Run, skip_s: float, seconds: float) -> dict[str, Figure]:
    """Of everything in `LIMITS`, an hour; between the warm-up and the end of a run."""
    usage, timeline = run.usage.until(seconds), run.timeline
    late = usage.at_s >= skip_s
    waited = timeline.answered_ms()
    due_s = (timeline.due_ns[: len(waited)] - timeline.due_ns[0]) * 1e-9
    return {
        "memory": growth(usage.at_s[late], usage.memory_mb[late]),
        "threads": growth(usage.at_s[late], usage.threads[late]),
        "open files": growth(usage.at_s[late], usage.descriptors[late]),
        "latency p95": growth(due_s, waited, 0.95),
    }


def goals(found: dict[str, Figure], minutes: float) -> list[Goal]:
    """Every limit; one is broken only where the lower end of the slopes is above it as well.

    A short run has noise of its own: what it may grow by is at least a hundredth of what an hour
    may, however short it was.
    """
    slack = max(1.0, 0.6 / max(minutes, 1e-9))
    made = []
    for limit in LIMITS:
        slope = found[limit.name]
        low = slope.value if slope.low is None else min(slope.low, slope.value)
        figure = f"growth of {limit.name}, surely"
        made.append(Goal(figure, low, limit.per_hour * slack, False, _rate(limit)))
    return made


def charts(run: Run, seconds: float) -> list[Chart]:
    """Everything that is watched, over time; how the run is taken down does not belong to it."""
    usage, timeline = run.usage.until(seconds), run.timeline
    waited = timeline.answered_ms()
    due_s = (timeline.due_ns[: len(waited)] - timeline.due_ns[0]) * 1e-9
    watched = (
        ("Memory", "resident, of the whole process", "MB", usage.at_s, usage.memory_mb),
        ("Threads", "of the process", "threads", usage.at_s, usage.threads),
        ("Open files", "descriptors, sockets included", "files", usage.at_s, usage.descriptors),
        ("Latency", "of every frame due", "ms", due_s, waited),
    )
    return [
        Chart("lines", title, caption, "minutes", unit,
              [over_time(title.lower(), np.asarray(at_s) / 60, values)])
        for title, caption, unit, at_s, values in watched
    ]  # fmt: skip


class Progress:
    """Says how a long run does, once a minute; told of every packet that was shown."""

    def __init__(self, say: Callable[[str], None], clock: MonotonicClock) -> None:
        import psutil

        self._say, self._clock, self._process = say, clock, psutil.Process()
        self._began_ns = self._told_ns = clock.now_ns()
        self._shown = 0

    def note(self, packet: Packet) -> None:
        """One more."""
        self._shown += 1
        now_ns = self._clock.now_ns()
        passed_s = (now_ns - self._told_ns) * 1e-9
        if passed_s < _TELL_S:
            return
        late_ms = (now_ns - packet.frame.captured_ns) * 1e-6
        self._say(
            f"{(now_ns - self._began_ns) / 60e9:.0f} min: {self._shown / passed_s:.1f} fps, this "
            f"one {late_ms:.0f} ms late, {self._process.memory_info().rss * 1e-6:.0f} MB"
        )
        self._told_ns, self._shown = now_ns, 0


def warm_up_s(seconds: float) -> float:
    """Libraries fill their pools for a minute or so, and longer in longer runs."""
    return max(seconds * _WARM_UP_SHARE, min(_WARM_UP_S, seconds / 3))


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    draw: DrawOption = Draw.AUTO,
    minutes: Annotated[float, typer.Option(help="How long; 240 is an evening.")] = 240.0,
    with_quality: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Rate the pictures, too.")
    ] = True,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
    threads: ThreadsOption = 1,
) -> None:
    """Measure it; fails where something grows beyond its limit. Ctrl-C ends it, and it is told."""
    seconds = 60 * minutes
    skip_s = warm_up_s(seconds)
    bench = Bench(
        "soak", "Does anything grow over the hours?", "no growth at all",
        warm_up=f"{skip_s:.0f} s", models=[character],
    )  # fmt: skip
    bundle = CharacterBundle.load(character)
    options = Options(threads=threads, draw=draw.value, pose_runtime=pose_runtime.value)
    clock = MonotonicClock()
    camera = CameraSource(pictures_of(clip, PICTURES), LIVE_FPS, round(seconds * LIVE_FPS), clock)
    run = play(
        camera, NullSink(), bundle, options, clock, seconds=seconds + 1.0, skip_s=skip_s,
        also=Progress(bench.console.print, clock).note, keep=True,
    )  # fmt: skip
    lasted_s = min(seconds, run.took_s)
    if lasted_s < skip_s + _LEAST_S:
        raise AyatsuriError(
            f"the run ended after {lasted_s:.0f} s; it takes {skip_s + _LEAST_S:.0f} s to say "
            "something about growth"
        )
    found = growths(run, skip_s, lasted_s)
    measures = run.timeline.measures(STALE_MS)
    for limit in LIMITS:
        slope = found[limit.name]
        measures[f"growth of {limit.name}"] = Measure.single(
            slope.value, _rate(limit), low=slope.low, high=slope.high,
        )  # fmt: skip
    if with_quality:
        measures |= likeness_of(run.bundle, options, run.drawn_by, clip)
        measures |= pose_errors(clip, options, measures["every frame due"]["p50"])
    bench.add("30 fps", measures, drawn_by=run.drawn_by)
    bench.console.print(measures_table("Latency from when a frame was due", bench.rows))
    bench.console.print(singles_table("At the sink", bench.rows))
    bench.console.print(_table(found, lasted_s))
    bench.charts = charts(run, lasted_s)
    asked = goals(found, lasted_s / 60)
    bench.finish(
        len(run.timeline.due_ns), {}, asked, clip=clip.name, character=bundle.name,
        drawn=drawings(bench.rows), minutes=round(lasted_s / 60, 2),
        pose_runtime=options.pose_runtime, threads=threads,
    )  # fmt: skip
    if not all(goal.met for goal in asked):
        raise typer.Exit(1)


def _table(found: dict[str, Figure], seconds: float) -> Table:
    table = Table(
        title=f"Growth over {seconds / 60:.3g} minutes", caption="an hour; limits: see below"
    )
    for column in ("", "growth", "middle half of the slopes"):
        table.add_column(column, justify="left" if not column else "right")
    for limit in LIMITS:
        slope = found[limit.name]
        ends = f"{slope.low:+.2f} to {slope.high:+.2f}"
        table.add_row(f"{limit.name}, {limit.unit}".rstrip(", "), f"{slope.value:+.2f}", ends)
    return table

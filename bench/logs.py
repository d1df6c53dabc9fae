"""What other programs read: Chrome's and Perfetto's traces, and HdrHistogram's logs."""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.statistics import Floats
from bench.timeline import Timeline
from engine.errors import MissingDependency, pip_install

MOST_FRAMES: Final = 3_000
"""Of each run in a trace: a viewer opens a hundred seconds of it, and no more."""

_HDR_LONGEST_US: Final = 3_600_000_000
_HDR_DIGITS: Final = 3


def trace_events(name: str, timeline: Timeline, process: int) -> Iterable[dict[str, Any]]:
    """One run as a process with a track for every stage; a frame's way is an async span over all.

    Format: *Trace Event Format*, Google; phases M (names), X (complete), b and e (async), i
    (instant). Times in microseconds since the first frame was due.
    """
    origin = int(timeline.due_ns[0]) if len(timeline.due_ns) else 0

    def us(ns: int) -> float:
        return round((int(ns) - origin) * 1e-3, 3)

    yield {"ph": "M", "pid": process, "name": "process_name", "args": {"name": name}}
    for track, stage in enumerate(timeline.stages, 1):
        yield {
            "ph": "M", "pid": process, "tid": track, "name": "thread_name", "args": {"name": stage}
        }  # fmt: skip
    shown = set()
    for i in range(min(len(timeline.sequence), MOST_FRAMES)):
        number = int(timeline.sequence[i])
        shown.add(number)
        frame = {"cat": "frame", "name": "frame", "id": number, "pid": process, "tid": 0}
        yield frame | {"ph": "b", "ts": us(timeline.captured_ns[i]), "args": {"frame": number}}
        yield frame | {"ph": "e", "ts": us(timeline.shown_ns[i])}
        for track, stage in enumerate(timeline.stages, 1):
            begin, end = timeline.starts_ns[i, track - 1], timeline.ends_ns[i, track - 1]
            yield {
                "ph": "X", "cat": "stage", "name": stage, "pid": process, "tid": track,
                "ts": us(begin), "dur": us(end) - us(begin), "args": {"frame": number},
            }  # fmt: skip
    last = max(shown, default=-1)
    for index, due in enumerate(timeline.due_ns):
        number = timeline.first + index
        if number > last:
            break
        if number not in shown:
            yield {
                "ph": "i", "s": "p", "cat": "frame", "name": "never shown", "pid": process,
                "tid": 0, "ts": us(due), "args": {"frame": number},
            }  # fmt: skip


def write_trace(path: Path, timelines: Sequence[tuple[str, Timeline]]) -> None:
    """A trace for chrome://tracing or ui.perfetto.dev."""
    events = [
        event
        for process, (name, timeline) in enumerate(timelines, 1)
        for event in trace_events(name, timeline, process)
    ]
    text = json.dumps({"displayTimeUnit": "ms", "traceEvents": events}, separators=(",", ":"))
    path.write_text(text, encoding="utf-8")


def write_hdr(path: Path, timelines: Sequence[tuple[str, Timeline]]) -> None:
    """An HdrHistogram log: a tagged histogram of every second of every run, microseconds.

    Raises:
        MissingDependency: `hdrhistogram` is not installed.
    """
    try:
        from hdrh.histogram import HdrHistogram
        from hdrh.log import HistogramLogWriter
    except ImportError as error:
        raise MissingDependency(
            f"HdrHistogram logs need hdrhistogram ({error}): {pip_install('bench')}"
        ) from error
    with path.open("w", encoding="utf-8") as file:
        log = HistogramLogWriter(file)
        log.output_comment("every frame due, until it or a newer one was shown; microseconds")
        log.output_log_format_version()
        log.output_base_time(time.time() * 1e3)
        log.output_legend()
        for name, timeline in timelines:
            for begin_s, values in by_second(timeline):
                histogram = HdrHistogram(1, _HDR_LONGEST_US, _HDR_DIGITS)
                for value in values:
                    histogram.record_value(max(round(value * 1e3), 1))
                histogram.set_tag(name.replace(" ", "_").replace(",", ""))
                log.output_interval_histogram(
                    histogram, begin_s, begin_s + 1.0, max_value_unit_ratio=1000.0
                )


def by_second(timeline: Timeline) -> Iterable[tuple[float, Floats]]:
    """Latencies (ms) of the frames due in every second of a run."""
    values = timeline.answered_ms()
    if not len(values):
        return
    second = ((timeline.due_ns[: len(values)] - timeline.due_ns[0]) // 1_000_000_000).astype(int)
    for one in np.unique(second):
        yield float(one), values[second == one]

"""What a run did: counts, drops, and the latency of every stage."""

import json
import math
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA_VERSION = 1
_STEP = 1.01  # neighbouring buckets differ by a hundredth: the precision of every percentile
_FLOOR_NS = 1_000
_BUCKETS = 2_000  # up to 1 us x 1.01^2000: seven minutes
_PER_LOG = 1 / math.log(_STEP)


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of a duration in milliseconds, right to 1%; mean and maximum are exact."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Histogram:
    """Durations in logarithmic buckets: a fixed size however long the run.

    One thread records; any thread may ask.
    """

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._sum_ns = 0
        self._max_ns = 0

    def record(self, duration_ns: int) -> None:
        """Count one duration."""
        ratio = max(duration_ns, _FLOOR_NS) / _FLOOR_NS
        self._counts[min(int(math.log(ratio) * _PER_LOG), _BUCKETS - 1)] += 1
        self._sum_ns += duration_ns
        self._max_ns = max(self._max_ns, duration_ns)

    def latency(self) -> Latency:
        """The percentiles so far; zeros when nothing was recorded."""
        counts = np.array(self._counts)
        total = int(counts.sum())
        if total == 0:
            return Latency(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        cumulative = np.cumsum(counts)

        def percentile(share: float) -> float:
            # The nearest rank: the first bucket that so many durations do not exceed.
            bucket = int(np.searchsorted(cumulative, math.ceil(share * total)))
            return float(min(_FLOOR_NS * _STEP ** (bucket + 0.5), self._max_ns)) * 1e-6

        return Latency(
            total,
            self._sum_ns / total * 1e-6,
            percentile(0.50),
            percentile(0.95),
            percentile(0.99),
            self._max_ns * 1e-6,
        )


@dataclass(frozen=True, slots=True)
class StageReport:
    """One stage or sink: how long packets waited for it, how long it worked on them."""

    name: str
    wait: Latency
    work: Latency


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """One channel; sent = delivered + dropped once the run is over."""

    name: str
    sent: int
    delivered: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Report:
    """One run of a pipeline.

    Attributes:
        source, live: what was played, and whether the latest frame wins.
        duration_s: from the first frame to the last write.
        frames_in: taken from the source.
        frames_out: written by the first sink.
        missed_by_source: frames that the source itself dropped (gaps of its numbering).
        dropped: lost between stages.
        fps: frames_out over the duration.
        capture_to_sink: from a frame's capture to the end of its write by the first sink.
        error: what ended the run early, if anything did.
        characters: by name, what drew each and on which figures that was decided.
        governor: its targets, the levels that it chose from, and what it did; see
            `engine.governing`.
    """

    source: str
    live: bool
    duration_s: float
    frames_in: int
    frames_out: int
    missed_by_source: int
    dropped: int
    fps: float
    capture_to_sink: Latency
    stages: tuple[StageReport, ...]
    channels: tuple[ChannelReport, ...]
    machine: dict[str, str]
    error: str | None = None
    characters: dict[str, dict[str, object]] = field(default_factory=dict)
    governor: dict[str, object] | None = None
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, object]:
        """Plain values, ready for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps(self.to_dict(), indent=2)

    def table(self) -> "Table":
        """The report as a table for the terminal (rich)."""
        from rich.table import Table

        lost = f"{self.dropped} dropped"
        if self.missed_by_source:
            lost += f", {self.missed_by_source} missed by the source"
        table = Table(
            title=f"{self.frames_out} of {self.frames_in} frames, {self.fps:.1f} fps, {lost}",
            caption="ms; wait: from the stage before; work: in the stage; lost: dropped before it",
        )
        table.add_column("stage", no_wrap=True)
        for column in ("wait p50", "p95", "work p50", "p95", "p99", "max", "lost"):
            table.add_column(column, justify="right")
        for stage, channel in zip(self.stages, self.channels, strict=True):
            columns = (stage.wait.p50_ms, stage.wait.p95_ms, *_columns(stage.work))
            table.add_row(stage.name, *map(_ms, columns), str(channel.dropped))
        table.add_section()
        total = map(_ms, _columns(self.capture_to_sink))
        table.add_row("capture to sink", "", "", *total, str(self.dropped), style="bold")
        return table


def _columns(latency: Latency) -> tuple[float, float, float, float]:
    return latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms


def _ms(value: float) -> str:
    """Five characters, so that a table fits 80 columns."""
    return f"{value:.{2 if value < 100 else 1 if value < 1000 else 0}f}"


def machine() -> dict[str, str]:
    """What the run ran on, for the report."""
    found = {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": str(cores()),
        "python": platform.python_version(),
    }  # fmt: skip
    for package in ("ayatsuri", "mediapipe", "onnxruntime", "openvino", "av", "numba", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))  # those that this process may use
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

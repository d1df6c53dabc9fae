"""What all benchmarks print: question, machine, table, goals, one JSON line."""

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from engine.report import machine


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that the project wants to reach: at least, or at most, so much."""

    figure: str
    measured: float
    limit: float
    at_least: bool
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it is reached."""
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        word = "[green]met[/]" if self.met else "[red]missed[/]"
        return f"{self.figure}: {self.measured:.4g} {self.unit} ({sign} {self.limit:g}) {word}"


class Bench:
    """One benchmark's frame around its measurement.

    It also says how much of the machine other programs took meanwhile: figures of a busy machine
    are of little use, and one should see that they are.
    """

    def __init__(self, name: str, question: str, ceiling: str = "") -> None:
        self.name = name
        self.console = Console(highlight=False)
        self.machine = machine()
        self._began = time.monotonic()
        self._busy = _busy_s()
        self.console.print(f"[bold]{question}[/]")
        if ceiling:
            self.console.print(f"ceiling: {ceiling}")
        about = self.machine
        self.console.print(
            f"machine: {about['processor']}, {about['cores']} cores, {about['platform']}, "
            f"Python {about['python']}"
        )

    def finish(
        self, samples: int, figures: dict[str, Any], goals: Sequence[Goal] = (), **more: Any
    ) -> None:
        """Print the goals and the JSON line; `more` is set-up worth remembering."""
        elapsed_s = time.monotonic() - self._began
        own_s, all_s = (now - then for now, then in zip(_busy_s(), self._busy, strict=True))
        others = max(all_s - own_s, 0.0) / elapsed_s
        for goal in goals:
            self.console.print(f"  {goal}")
        self.console.print(
            f"{samples} samples in {elapsed_s:.1f} s; "
            f"other programs kept {others:.2f} of {self.machine['cores']} cores busy"
        )
        line = {
            "bench": self.name,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "samples": samples,
            **figures,
            "goals": {goal.figure: goal.met for goal in goals},
            "seconds": round(elapsed_s, 1),
            "cores_used_by_others": round(others, 2),
            "setup": more,
            "machine": self.machine,
        }
        print(json.dumps(_rounded(line)), flush=True)


def _busy_s() -> tuple[float, float]:
    """Processor seconds used so far by this process and its children, and by everybody."""
    mine = os.times()
    everybody = psutil.cpu_times()
    idle = everybody.idle + getattr(everybody, "iowait", 0.0)
    return mine.user + mine.system, sum(everybody) - idle


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None  # JSON has no NaN
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of repeated calls; exact percentiles, since all samples are kept."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, durations_ns: Sequence[int]) -> "Timing":
        """The percentiles of these durations."""
        ms = np.array(durations_ns) * 1e-6
        p50, p95, p99 = (float(np.percentile(ms, share)) for share in (50, 95, 99))
        return cls(len(ms), p50, p95, p99, float(ms.max()))

    def cells(self) -> list[str]:
        """For a table with the columns of `timing_table`."""
        return [f"{v:.3f}" for v in (self.p50_ms, self.p95_ms, self.p99_ms, self.max_ms)]

    def to_dict(self) -> dict[str, float]:
        """For the JSON line."""
        return {name: getattr(self, name) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}


def timing_table(title: str, first: str = "what") -> Table:
    """A table whose columns fit `Timing.cells`."""
    table = Table(title=title, caption="ms")
    table.add_column(first)
    for column in ("p50", "p95", "p99", "max"):
        table.add_column(column, justify="right")
    return table


def time_calls(call: Callable[[int], object], count: int, *, warm_up: int = 20) -> Timing:
    """Time `call(i)` for i in range(count), after so many calls that are not counted."""
    for i in range(warm_up):
        call(i)
    durations = []
    for i in range(count):
        start = time.perf_counter_ns()
        call(i)
        durations.append(time.perf_counter_ns() - start)
    return Timing.of(durations)

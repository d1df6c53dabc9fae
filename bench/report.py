"""The frame of every benchmark: question, machine, table, goals, and what is kept of it.

A result is one JSON object with a schema of its own (`SCHEMA_VERSION`):

- `bench`, `question`, `when`, `seconds`, `samples`, `warm_up`, `seed`, `setup`: what was done;
- `machine`, `cores_used_by_others`: where, and who else was at work there;
- `rows`: what was measured, `{name, about, measures}`; a measure is `bench.statistics.Measure`, its
  percentiles with their intervals; `about` holds the setting and the pictures' quality in it;
- `goals`, `figures`: what the project asks for, and figures that are no distribution;
- `charts`: the data of the page's plots, see `bench.charts`.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console, Group
from rich.table import Table

from bench.charts import Chart
from bench.manifest import manifest
from bench.statistics import SHARES, Figure, Measure
from engine.errors import SinkError
from engine.models import MODELS

SCHEMA_VERSION: Final = 1
_ACROSS: Final = 3  # rows of a result beside each other


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


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, and what was measured in it.

    Attributes:
        name: unique within a result; rows of two results are compared by it.
        measures: by name, such as "capture to sink".
        about: the setting and everything else worth a word, the quality of the pictures included.
    """

    name: str
    measures: dict[str, Measure]
    about: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        measures = {name: measure.to_dict() for name, measure in self.measures.items()}
        return {"name": self.name, "about": self.about, "measures": measures}


class Destination:
    """Where results go; said before a benchmark begins."""

    folder: Path | None = None
    json_line: bool = False


class Bench:
    """One benchmark's frame around its measurement.

    It also says how much of the machine other programs took meanwhile: figures of a busy machine
    are of little use, and one should see that they are.
    """

    def __init__(
        self, name: str, question: str, ceiling: str = "", *, seed: int | None = None,
        warm_up: str = "", models: Sequence[Path] = (),
    ) -> None:  # fmt: skip
        self.name = name
        self.question = question
        self.console = Console(highlight=False, width=min(Console().width, 100))
        self.machine = manifest()
        cached = (model.path for model in MODELS.values())
        used = [*models, *(path for path in cached if path.is_file())]
        self.machine["models"] = {path.name: _hash(path) for path in used}
        self.rows: list[Row] = []
        self.charts: list[Chart] = []
        self.extras: dict[str, Callable[[Path], None]] = {}
        """Files beside the result, by name: traces and logs that are too large for it."""
        self._seed, self._warm_up, self._ceiling = seed, warm_up, ceiling
        self._began = time.monotonic()
        self._busy = _busy_s()
        self.console.print(f"[bold]{question}[/]")
        if ceiling:
            self.console.print(f"ceiling: {ceiling}")
        about = self.machine
        self.console.print(
            f"machine: {about['processor']}, {about['cores']} cores, {about['platform']}, "
            f"Python {about['python']}; load {about['load_average'][0]}"
        )

    def add(self, name: str, measures: dict[str, Measure], **about: Any) -> Row:
        """Take in a row of the result."""
        if any(row.name == name for row in self.rows):
            raise ValueError(f"a result has one row of a name, but a second one is {name!r}")
        self.rows.append(Row(name, measures, about))
        return self.rows[-1]

    def finish(
        self, samples: int, figures: dict[str, Any], goals: Sequence[Goal] = (), **setup: Any
    ) -> None:
        """Print the goals, and keep the result; `setup` is what it takes to do it again."""
        elapsed_s = time.monotonic() - self._began
        own_s, all_s = (now - then for now, then in zip(_busy_s(), self._busy, strict=True))
        others = max(all_s - own_s, 0.0) / elapsed_s
        for goal in goals:
            self.console.print(f"  {goal}")
        self.console.print(
            f"{samples} samples in {elapsed_s:.1f} s; "
            f"other programs kept {others:.2f} of {self.machine['cores']} cores busy"
        )
        result = {
            "schema_version": SCHEMA_VERSION,
            "bench": self.name,
            "question": self.question,
            "ceiling": self._ceiling,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "samples": samples,
            "warm_up": self._warm_up,
            "seed": self._seed,
            "seconds": round(elapsed_s, 1),
            "cores_used_by_others": round(others, 2),
            "rows": [row.to_dict() for row in self.rows],
            "figures": figures,
            "goals": [
                {"figure": g.figure, "measured": g.measured, "limit": g.limit,
                 "at_least": g.at_least, "unit": g.unit, "met": bool(g.met)}
                for g in goals
            ],
            "setup": setup,
            "machine": self.machine,
            "charts": [chart.to_dict() for chart in self.charts],
        }  # fmt: skip
        result = rounded(result)
        if Destination.folder is not None:
            self._keep(Destination.folder, result)
        if Destination.json_line:
            print(json.dumps(result | {"charts": len(self.charts)}), flush=True)

    def _keep(self, folder: Path, result: dict[str, Any]) -> None:
        from bench.page import page

        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(result, indent=1) + "\n"
            (folder / f"{self.name}.json").write_text(text, encoding="utf-8")
            (folder / f"{self.name}.html").write_text(page([result]), encoding="utf-8")
            for name, write in self.extras.items():
                write(folder / name)
        except OSError as error:
            raise SinkError(f"results cannot be kept in {folder}: {error}") from error
        names = [f"{self.name}.json", f"{self.name}.html", *self.extras]
        self.console.print(f"kept in {folder}: {', '.join(names)}")


def read(path: Path) -> dict[str, Any]:
    """A result that was kept.

    Raises:
        SinkError: it is none, or of another schema.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SinkError(f"{path} is no result of `ayatsuri bench`: {error}") from error
    version = found.get("schema_version")
    if version != SCHEMA_VERSION or "bench" not in found:
        raise SinkError(
            f"{path} has results of schema {version}, but {SCHEMA_VERSION} is what can be read"
        )
    return found


def measures_table(title: str, rows: Sequence[Row], *, caption: str = "") -> Table:
    """Every distribution of the rows: percentiles, and below each its interval."""
    table = Table(title=title, caption=caption or "below each figure: its interval, 95%")
    table.add_column("", overflow="fold")
    for name in (*SHARES, "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("n", justify="right")
    for row in rows:
        shown = {k: m for k, m in row.measures.items() if "value" not in m.figures and m.count}
        for i, (name, measure) in enumerate(shown.items()):
            heading = f"[bold]{row.name}[/]\n" if i == 0 else ""
            line = "\n" if i == 0 else ""
            table.add_row(
                f"{heading}{name}, {measure.unit}",
                *(line + _cell(measure, column) for column in (*SHARES, "max")),
                f"{line}{measure.count}",
            )
        table.add_section()
    return table


def singles_table(title: str, rows: Sequence[Row]) -> Group:
    """The single figures of the rows, a line each; of many rows in tables below each other."""
    tables = []
    for first in range(0, len(rows), _ACROSS):
        some = rows[first : first + _ACROSS]
        table = Table(title=title if first == 0 else None)
        table.add_column("", overflow="fold")
        names = list(dict.fromkeys(
            name for row in some for name, m in row.measures.items() if "value" in m.figures
        ))  # fmt: skip
        for row in some:
            table.add_column(row.name, justify="right", overflow="fold")
        for name in names:
            measures = [row.measures.get(name) for row in some]
            table.add_row(
                name, *("" if m is None else f"{number(m['value'])} {m.unit}" for m in measures)
            )
        tables.append(table)
    return Group(*tables)


def drawings(rows: Sequence[Row]) -> dict[str, str]:
    """What draws in each row, in words; of all rows at once where it is the same."""
    return told_of((row.name, row.about) for row in rows)


def told_of(abouts: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, str]:
    """The same of rows' names and what is told about them."""
    found = {}
    for name, about in abouts:
        drawn_by = about.get("drawn_by", {})
        if "what" in about:
            found[name] = str(about["what"])
        elif "resolution" in drawn_by:
            found[name] = "{draw}, {resolution} px: {name}".format(**drawn_by)
    same = len(found) > 1 and len({*found.values()}) == 1
    return {"drawn by": next(iter(found.values()))} if same else found


def _cell(measure: Measure, name: str) -> str:
    if name not in measure.figures:
        return "[dim]too few[/]"
    figure = measure.figures[name]
    if name == "max":
        return number(figure.value)
    return f"{number(figure.value)}\n[dim]{interval(figure)}[/]"


def interval(figure: Figure) -> str:
    """The ends of an interval; … where there is none to that side."""
    ends = ["…" if end is None else number(end) for end in (figure.low, figure.high)]
    return (" to " if any(end.startswith("-") for end in ends) else "–").join(ends)


def number(value: float) -> str:
    """Three figures or so: 0.0123, 1.23, 12.3, 123, 1234."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def rounded(value: Any) -> Any:
    """Floats to five figures, and what JSON has no word for to None."""
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def _busy_s() -> tuple[float, float]:
    """Processor seconds used so far by this process and its children, and by everybody."""
    import psutil

    mine = os.times()
    everybody = psutil.cpu_times()
    idle = everybody.idle + getattr(everybody, "iowait", 0.0)
    own = mine.user + mine.system + mine.children_user + mine.children_system
    return own, sum(everybody) - idle


def _hash(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of repeated calls; exact percentiles, since all samples are kept."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    durations_ns: tuple[int, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, durations_ns: Sequence[int]) -> "Timing":
        """The percentiles of these durations."""
        ms = np.array(durations_ns) * 1e-6
        p50, p95, p99 = (float(np.percentile(ms, share)) for share in (50, 95, 99))
        return cls(len(ms), p50, p95, p99, float(ms.max()), tuple(durations_ns))

    def measure(self, unit: str = "ms") -> Measure:
        """The same with intervals, in "ms" or "us"."""
        scale = {"ms": 1e-6, "us": 1e-3}[unit]
        return Measure.of(np.array(self.durations_ns) * scale, unit)

    def cells(self) -> list[str]:
        """For a table with the columns of `timing_table`."""
        return [f"{v:.3f}" for v in (self.p50_ms, self.p95_ms, self.p99_ms, self.max_ms)]

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
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

"""`ayatsuri bench compare A.json B.json`: is B slower than A, beyond the noise?

Two results of one benchmark are compared figure by figure. A figure has got worse where the
interval of the difference (MOVER, from the two figures' own intervals) lies wholly on the bad side,
and the difference is more than the tolerance: two runs of one program on one machine differ by more
than their samples tell, since the machine is never quite the same (see `--tolerance`). With several
runs of either, `--a` and `--b` given more than once, the spread between the runs takes the place of
the samples' intervals.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bench.report import number, read
from bench.statistics import Figure, Measure, difference
from engine import console
from engine.errors import SinkError

COMPARED = ("p50", "p95", "p99", "value")
TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Change:
    """One figure, before and after.

    Attributes:
        row, measure, figure: which.
        before, after: with their intervals.
        share: the change as a share of what was before, and its interval; positive is worse.
    """

    row: str
    measure: str
    figure: str
    unit: str
    before: Figure
    after: Figure
    share: Figure

    def verdict(self, tolerance: float) -> str:
        """ "worse", "better", "same", or "unsure" where the samples say neither."""
        low, high = self.share.low, self.share.high
        if low is not None and low > 0 and self.share.value > tolerance:
            return "worse"
        if high is not None and high < 0 and self.share.value < -tolerance:
            return "better"
        return "same" if high is not None and high <= tolerance else "unsure"


def changes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Change]:
    """Every figure that both have, with an interval, and of which one way is better."""
    old, new = (_merged(results) for results in (before, after))
    made = []
    for key in old.keys() & new.keys():
        row, measure, name = key
        (was, about), (now, _) = old[key], new[key]
        if about.better == "neither" or not was.value or not math.isfinite(was.value * now.value):
            continue
        found = difference(was, now)
        sign = 1 if about.better == "lower" else -1
        ends = [None if e is None else sign * e / was.value for e in (found.low, found.high)]
        share = Figure(sign * found.value / was.value, *(ends if sign > 0 else reversed(ends)))
        made.append(Change(row, measure, name, about.unit, was, now, share))
    order = list(old)
    return sorted(made, key=lambda c: order.index((c.row, c.measure, c.figure)))


def _merged(results: list[dict[str, Any]]) -> dict[tuple[str, str, str], tuple[Figure, Measure]]:
    """Figures by row, measure and name; of several runs the median and the extremes."""
    found: dict[tuple[str, str, str], list[tuple[Figure, Measure]]] = {}
    for result in results:
        for row in result["rows"]:
            for name, stored in row["measures"].items():
                measure = Measure.from_dict(stored)
                for figure in COMPARED:
                    if figure in measure.figures:
                        key = row["name"], name, figure
                        found.setdefault(key, []).append((measure.figures[figure], measure))
    merged = {}
    for key, figures in found.items():
        values = sorted(figure.value for figure, _ in figures)
        one = figures[0][0]
        if len(figures) > 1:
            one = Figure(values[len(values) // 2], values[0], values[-1])
        merged[key] = one, figures[0][1]
    return merged


def check_alike(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """What makes the comparison doubtful, in words.

    Raises:
        SinkError: they are of different benchmarks.
    """
    names = {result["bench"] for result in (*before, *after)}
    if len(names) != 1:
        raise SinkError(f"results of one benchmark can be compared, not of {', '.join(names)}")
    doubts = []
    for what in ("processor", "cores", "python"):
        values = {str(result["machine"][what]) for result in (*before, *after)}
        if len(values) > 1:
            doubts.append(f"{what}: {' and '.join(sorted(values))}")
    busy = max(result["cores_used_by_others"] for result in (*before, *after))
    if busy > 0.1:
        doubts.append(f"other programs kept up to {busy:.2f} cores busy")
    return doubts


def table_of(found: list[Change], tolerance: float) -> Table:
    """All changes, a line each."""
    table = Table(title="before and after", caption="change: positive is worse; its interval, 95%")
    table.add_column("", overflow="fold")
    for column in ("before", "after", "change", ""):
        table.add_column(column, justify="right", no_wrap=True)
    colours = {"worse": "red", "better": "green", "same": "dim", "unsure": "yellow"}
    row = ""
    for change in found:
        if change.row != row:
            row = change.row
            table.add_section()
            table.add_row(f"[bold]{row}[/]")
        verdict = change.verdict(tolerance)
        both = (change.share.low, change.share.high)
        ends = " to ".join("…" if end is None else f"{100 * end:+.0f}" for end in both)
        name = change.measure if change.figure == "value" else f"{change.measure}, {change.figure}"
        table.add_row(
            f"  {name}", number(change.before.value), number(change.after.value),
            f"{100 * change.share.value:+.1f}% [dim]{ends}[/]",
            f"[{colours[verdict]}]{verdict}[/]",
        )  # fmt: skip
    return table


def main(
    before: Annotated[Path, typer.Argument(metavar="A.json", help="The result before.")],
    after: Annotated[Path, typer.Argument(metavar="B.json", help="The result after.")],
    a: Annotated[list[Path] | None, typer.Option(help="Another run before; repeatable.")] = None,
    b: Annotated[list[Path] | None, typer.Option(help="Another run after; repeatable.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Changes up to this share are noise, whatever they say.")
    ] = TOLERANCE,
) -> None:
    """Compare; fails where a figure is worse beyond the noise."""
    old = [read(path) for path in (before, *(a or ()))]
    new = [read(path) for path in (after, *(b or ()))]
    for doubt in check_alike(old, new):
        console.say(f"[yellow]note[/] {doubt}")
    found = changes(old, new)
    if not found:
        raise SinkError("the two results have no figure in common")
    console.show(table_of(found, tolerance))
    worse = [change for change in found if change.verdict(tolerance) == "worse"]
    console.say(f"{len(worse)} of {len(found)} figures are worse")
    if worse:
        raise typer.Exit(console.EXIT_EXPLAINED)

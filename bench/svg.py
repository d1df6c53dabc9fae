"""Charts as inline SVG: nothing to load, sharp at every size, colours by the page's style."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from itertools import pairwise
from typing import Final

from bench.charts import Chart, Series

WIDTH: Final = 880
_HEIGHT: Final = 340
_TOP, _BOTTOM, _LEFT, _RIGHT = 40, 46, 58, 22
_BAR, _BAR_GAP, _LABELS = 16, 12, 150
_LOG_TICKS: Final = 7
_HEADING: Final = 44  # of a file of its own
_ROOM: Final = 1.06  # above the highest point
_FAR: Final = 3.0  # a limit that is further than this from all data is told, and not drawn


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to pixels, linear or logarithmic."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, low))
        return self.begin + (at - low) / max(high - low, 1e-12) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round values to label."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            every = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
            inside = [t for t in every if self.low * 0.999 <= t <= self.high * 1.001]
            tens = [t for t in inside if math.log10(t) % 1 == 0]
            return inside if len(inside) <= _LOG_TICKS or len(tens) < 2 else tens
        step = nice_step((self.high - self.low) / 7)
        first = math.ceil(self.low / step - 1e-9)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not under a rough step."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)


def label(value: float) -> str:
    """A tick's words."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def draw(chart: Chart) -> str:
    """A chart as an SVG element."""
    body, height = _body(chart)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(chart.title)}">'
        f"{''.join(body)}</svg>"
    )


def _body(chart: Chart) -> tuple[list[str], int]:
    return _bars(chart) if chart.kind in ("waterfall", "bars") else (_plane(chart), _HEIGHT)


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _legend(series: Sequence[Series], x: float, y: float) -> list[str]:
    if len(series) < 2:
        return []
    made = []
    for i, one in enumerate(series):
        made.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="12" height="10" class="c{i} key"/>')
        made.append(_text(x + 18, y, one.name, "legend"))
        x += 34 + 6.9 * len(one.name)
    return made


def _plane(chart: Chart) -> list[str]:
    xs = [v for one in chart.series for v in one.x]
    ys = [v for one in chart.series for v in one.y]
    low_y = min(ys) if chart.log_y else min(0.0, *ys)
    high_y = max(ys)
    near = [(name, at) for name, at in chart.limits if at <= _FAR * high_y]
    high_y = max([high_y * _ROOM, *(at * _ROOM for _, at in near)]) or 1.0
    widest = max(xs)
    if chart.kind == "steps":
        widest = max(2 * one.x[-1] - one.x[-2] for one in chart.series if len(one.x) > 1)
    low_x = min(xs)
    if chart.kind == "points":
        room = 0.06 * (widest - low_x or 1.0)
        low_x, widest = max(low_x - room, min(low_x, 0.0)), widest + 2 * room
        low_y = 0.8 * min(ys) if chart.log_y else max(min(ys) - 0.15 * (high_y - min(ys)), low_y)
        high_y *= 1.1
    x = Scale(low_x, widest, _LEFT, WIDTH - _RIGHT, chart.log_x)
    y = Scale(low_y, high_y, _HEIGHT - _BOTTOM, _TOP, chart.log_y)
    made = _axes(chart, x, y)
    drawer: Callable[[Series, int, Scale, Scale], list[str]] = {
        "lines": _polyline, "steps": _stairs, "points": _points
    }[chart.kind]  # fmt: skip
    for i, one in enumerate(chart.series):
        made += drawer(one, i, x, y)
    for name, at in near:
        made.append(_line(_LEFT, y(at), WIDTH - _RIGHT, y(at), "limit"))
        made.append(_text(WIDTH - _RIGHT, y(at) - 5, f"{name}: {at:g}", "limit", "end"))
    return made + _legend(chart.series, _LEFT + 60, 16)


def _axes(chart: Chart, x: Scale, y: Scale) -> list[str]:
    made = []
    for tick in y.ticks():
        made.append(_line(_LEFT, y(tick), WIDTH - _RIGHT, y(tick), "grid"))
        made.append(_text(_LEFT - 8, y(tick) + 4, label(tick), "tick", "end"))
    for tick in x.ticks():
        made.append(_line(x(tick), _HEIGHT - _BOTTOM, x(tick), _HEIGHT - _BOTTOM + 5, "axis"))
        made.append(_text(x(tick), _HEIGHT - _BOTTOM + 19, label(tick), "tick", "middle"))
    made.append(_line(_LEFT, _HEIGHT - _BOTTOM, WIDTH - _RIGHT, _HEIGHT - _BOTTOM, "axis"))
    made.append(_text((_LEFT + WIDTH - _RIGHT) / 2, _HEIGHT - 8, chart.x, "name", "middle"))
    made.append(_text(8, _TOP - 10, chart.y, "name"))
    return made


def _polyline(one: Series, i: int, x: Scale, y: Scale) -> list[str]:
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(one.x, one.y, strict=True))
    return [f'<polyline points="{points}" class="c{i} line"/>']


def _stairs(one: Series, i: int, x: Scale, y: Scale) -> list[str]:
    if len(one.x) < 2:
        return []
    width = one.x[1] - one.x[0]
    path = [f"M{x(one.x[0]):.1f},{y(0):.1f}"]
    for left, value in zip(one.x, one.y, strict=True):
        path.append(f"V{y(value):.1f}H{x(left + width):.1f}")
    path.append(f"V{y(0):.1f}Z")
    return [f'<path d="{"".join(path)}" class="c{i} area"/>']


def _points(one: Series, i: int, x: Scale, y: Scale) -> list[str]:
    made = []
    for (a, b), (c, d) in pairwise(zip(one.x, one.y, strict=True)) if one.joined else ():
        made.append(_line(x(a), y(b), x(c), y(d), f"c{i} thin"))
    labels = one.labels or [""] * len(one.x)
    for a, b, words in zip(one.x, one.y, labels, strict=True):
        told = f"{one.name} {words}: {a:.3g}, {b:.3g}"
        made.append(
            f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="4.5" class="c{i} dot">'
            f"<title>{escape(told)}</title></circle>"
        )
        if words:
            made.append(_line(x(a), y(b) - 6, x(a) + 10, y(b) - 18, "axis"))
            made.append(_text(x(a) + 12, y(b) - 20, words, "told"))
    return made


def _bars(chart: Chart) -> tuple[list[str], int]:
    names = list(dict.fromkeys(name for one in chart.series for name in one.labels))
    stacked = chart.kind == "waterfall"
    lanes = 1 if stacked else len(chart.series)
    row = lanes * _BAR + _BAR_GAP
    height = _TOP + row * len(names) + _BOTTOM
    ends = [a + b for one in chart.series for a, b in zip(one.x, one.y, strict=True)]
    high = max([*ends, 1e-9])
    near = [(name, at) for name, at in chart.limits if at <= _FAR * high]
    high = max([high, *(at for _, at in near)]) * 1.1
    x = Scale(0.0, high, _LABELS, WIDTH - _RIGHT)
    bottom = height - _BOTTOM
    made = []
    for tick in x.ticks():
        made.append(_line(x(tick), _TOP, x(tick), bottom, "grid"))
        made.append(_text(x(tick), bottom + 19, label(tick), "tick", "middle"))
    for place, name in enumerate(names):
        middle = _TOP + place * row + row / 2
        made.append(_text(_LABELS - 10, middle + 4, name, "bar", "end"))
    for i, one in enumerate(chart.series):
        lane = 0 if stacked else i
        for name, begin, length in zip(one.labels, one.x, one.y, strict=True):
            top = _TOP + names.index(name) * row + _BAR_GAP / 2 + lane * _BAR
            kind = f"c{i} bar" if not stacked else "wait" if i == 0 else "c0 bar"
            width = max(x(begin + length) - x(begin), 0.6)
            made.append(
                f'<rect x="{x(begin):.1f}" y="{top:.1f}" width="{width:.1f}" '
                f'height="{_BAR - 2}" rx="2" class="{kind}">'
                f"<title>{escape(name)} {escape(one.name)}: {length:.3g}</title></rect>"
            )
            if length and not (stacked and i == 0):
                made.append(_text(x(begin + length) + 6, top + 11, f"{length:.3g}", "tick"))
    for name, at in near:
        made.append(_line(x(at), _TOP - 4, x(at), bottom, "limit"))
        made.append(_text(x(at), _TOP - 10, f"{name}: {at:.3g}", "limit", "middle"))
    made.append(_text((_LABELS + WIDTH - _RIGHT) / 2, height - 8, chart.x, "name", "middle"))
    if stacked:
        made.append(f'<rect x="{_LABELS}" y="7" width="12" height="10" class="wait"/>')
        made.append(_text(_LABELS + 18, 16, chart.series[0].name, "legend"))
        made.append(f'<rect x="{_LABELS + 80}" y="7" width="12" height="10" class="c0 bar"/>')
        made.append(_text(_LABELS + 98, 16, chart.series[1].name, "legend"))
    else:
        made += _legend(chart.series, _LABELS, 16)
    return made, height


def standalone(chart: Chart) -> str:
    """A chart as an SVG file of its own, in the page's colours; for documents."""
    style = files("bench").joinpath("page.css").read_text(encoding="utf-8")
    body, height = _body(chart)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + _HEADING}" '
        'font-family="system-ui, DejaVu Sans, sans-serif" font-size="12">'
        f'<style>{style}</style><rect width="100%" height="100%" rx="10" class="card"/>'
        f"{_text(16, 28, chart.title, 'title')}"
        f'<g transform="translate(0 {_HEADING})">{"".join(body)}</g></svg>\n'
    )

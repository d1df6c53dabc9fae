"""What a page plots, as data: small enough to be kept in the result, and drawn by `bench.svg`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Kind = Literal["lines", "steps", "points", "waterfall", "bars"]

_MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Series:
    """A line, or points, with a name: x and y of one length; labels for points where they help.

    For "waterfall" and "bars": `labels` name the bars; x is where each begins (0 for bars), y its
    length.
    """

    name: str
    x: list[float]
    y: list[float]
    labels: list[str] = field(default_factory=list)
    joined: bool = True
    """Whether a line leads from point to point."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One plot: axes with units in their names, and a caption that says what is to be seen."""

    kind: Kind
    title: str
    caption: str
    x: str
    y: str
    series: list[Series]
    log_x: bool = False
    log_y: bool = False
    limits: list[tuple[str, float]] = field(default_factory=list)
    """Named lines across: a budget, a goal. On the y axis; of waterfalls and bars on the x axis."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def chart_of(stored: dict[str, Any]) -> Chart:
    """What `to_dict` gave."""
    series = [Series(**one) for one in stored["series"]]
    return Chart(**{**stored, "series": series, "limits": [tuple(x) for x in stored["limits"]]})


def over_time(name: str, seconds: ArrayLike, values: ArrayLike) -> Series:
    """A long series with few points: in every stretch its least and its greatest value stay."""
    x, y = np.asarray(seconds, np.float64), np.asarray(values, np.float64)
    if len(x) > _MOST_POINTS:
        parts = np.array_split(np.arange(len(x)), _MOST_POINTS // 2)
        kept = [
            i for part in parts for i in sorted({_at(part, y, np.argmin), _at(part, y, np.argmax)})
        ]
        x, y = x[kept], y[kept]
    return Series(name, x.tolist(), y.tolist())


def _at(part: Any, values: Any, which: Any) -> int:
    return int(part[which(values[part])])


def histograms(named: Sequence[tuple[str, ArrayLike]], bins: int = 60) -> list[Series]:
    """Counts over the same equal bins, up to the greatest 99.9th percentile of them; what is above
    counts in the last bin. x are the bins' lower edges."""
    samples = [(name, np.asarray(values, np.float64)) for name, values in named]
    low = min(float(values.min()) for _, values in samples)
    top = max(float(np.percentile(values, 99.9)) for _, values in samples)
    edges = np.linspace(low, max(top, low + 1e-9), bins + 1)
    return [
        Series(name, edges[:-1].tolist(), np.histogram(np.minimum(v, edges[-1]), edges)[0].tolist())
        for name, v in samples
    ]


def by_percentile(name: str, values: ArrayLike) -> Series:
    """Latency at every percentile; x is 1 / (1 - share), on a log axis: 10 is p90, 100 is p99."""
    ordered = np.sort(np.asarray(values, np.float64))
    most = len(ordered)
    x = np.unique(np.concatenate([np.geomspace(1, most, 160), [most]]))
    ranks = np.clip(np.ceil((1 - 1 / x) * most).astype(int), 1, most)
    return Series(name, x.tolist(), ordered[ranks - 1].tolist())


def waterfall(steps: Sequence[tuple[str, float, float]]) -> list[Series]:
    """Bars one after the other: (name, milliseconds of waiting, milliseconds of work)."""
    waits, works, at = [], [], 0.0
    for name, wait, work in steps:
        waits.append((name, at, wait))
        works.append((name, at + wait, work))
        at += wait + work
    return [
        Series(kind, [b for _, b, _ in bars], [v for _, _, v in bars], [n for n, _, _ in bars])
        for kind, bars in (("waits", waits), ("works", works))
    ]

"""Percentiles, and how sure they are.

An interval of a percentile is taken from order statistics: so many of the samples lie above the
true percentile as a binomial distribution allows (David and Nagaraja, *Order Statistics*, section
7.1). No shape of the distribution is assumed. Latencies that follow each other are not independent,
a slow frame seldom comes alone; so the binomial counts not the samples but how many independent
ones they are worth: their number over the integrated autocorrelation time of being above the
percentile (Geyer, *Practical Markov Chain Monte Carlo*, 1992, section 3.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Better = Literal["lower", "higher", "neither"]
LOWER: Final[Better] = "lower"
HIGHER: Final[Better] = "higher"

CONFIDENCE: Final = 0.95
SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its interval; an end that the samples do not bound is None."""

    value: float
    low: float | None = None
    high: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Figure":
        """What `to_dict` gave."""
        value = stored["value"]  # None in JSON: not a number
        return cls(math.nan if value is None else value, stored["low"], stored["high"])


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured thing: a distribution with percentiles, or a single figure named "value".

    Attributes:
        figures: by name: "p50", "p95", "p99", "p99.9", "max", "mean"; or "value".
        unit: of all of them.
        better: which way is an improvement.
        count: samples; 0 of a single figure that was not averaged.
        worth: independent samples that they are worth.
    """

    figures: dict[str, Figure]
    unit: str = "ms"
    better: Better = "lower"
    count: int = 0
    worth: float = 0.0

    @classmethod
    def of(cls, values: ArrayLike, unit: str = "ms", better: Better = "lower") -> "Measure":
        """The distribution of values in the order in which they came; empty ones have no figures.

        A percentile of which fewer than one sample is expected beyond it is left out: nothing was
        seen of it.
        """
        samples = np.asarray(values, np.float64)
        if not len(samples):
            return cls({}, unit, better)
        ordered = np.sort(samples)
        figures = {}
        for name, share in SHARES.items():
            if len(samples) * (1 - share) >= 1:
                figures[name] = percentile(samples, share, ordered=ordered)
        figures["max"] = Figure(float(ordered[-1]), float(ordered[-1]))
        figures["mean"] = mean(samples)
        return cls(figures, unit, better, len(samples), len(samples) / correlation_time(samples))

    @classmethod
    def share(cls, flags: ArrayLike, better: Better = "lower") -> "Measure":
        """Of so many things in a row the share that is flagged, in per cent; Wilson's interval."""
        flagged = np.asarray(flags, np.float64)
        count, share = len(flagged), float(flagged.mean()) if len(flagged) else math.nan
        if not count:
            return cls({}, "%", better)
        worth = max(count / correlation_time(flagged), 1.0)
        z = _normal_quantile(0.5 + CONFIDENCE / 2)
        middle = (share + z * z / (2 * worth)) / (1 + z * z / worth)
        half = z * math.sqrt(share * (1 - share) / worth + (z / (2 * worth)) ** 2)
        half /= 1 + z * z / worth
        ends = (max(middle - half, 0.0), min(middle + half, 1.0))
        figure = Figure(100 * share, *(100 * end for end in ends))
        return cls({"value": figure}, "%", better, count, worth)

    def scaled(self, factor: float, unit: str, better: Better) -> "Measure":
        """The same in another unit."""

        def scale(end: float | None) -> float | None:
            return None if end is None else factor * end

        figures = {
            name: Figure(factor * f.value, scale(f.low), scale(f.high))
            for name, f in self.figures.items()
        }
        return Measure(figures, unit, better, self.count, self.worth)

    @classmethod
    def single(
        cls, value: float, unit: str = "", better: Better = "lower", *,
        low: float | None = None, high: float | None = None, count: int = 0,
    ) -> "Measure":  # fmt: skip
        """One figure."""
        return cls({"value": Figure(value, low, high)}, unit, better, count, count)

    def __getitem__(self, name: str) -> float:
        """A figure's value; NaN where there were too few samples for it."""
        return self.figures[name].value if name in self.figures else math.nan

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "unit": self.unit, "better": self.better, "count": self.count, "worth": self.worth,
            "figures": {name: figure.to_dict() for name, figure in self.figures.items()},
        }  # fmt: skip

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Measure":
        """What `to_dict` gave."""
        figures = {name: Figure.from_dict(one) for name, one in stored["figures"].items()}
        return cls(figures, stored["unit"], stored["better"], stored["count"], stored["worth"])


def percentile(
    samples: Floats, share: float, *, confidence: float = CONFIDENCE, ordered: Floats | None = None
) -> Figure:
    """The sample percentile (nearest rank) and its interval by order statistics.

    Args:
        samples: in the order in which they came.
        share: of the samples that are not above it, (0, 1).
        confidence: of the interval.
        ordered: the same, sorted, where that is at hand.
    """
    ordered = np.sort(samples) if ordered is None else ordered
    count = len(ordered)
    value = float(ordered[min(math.ceil(share * count), count) - 1])
    worth = max(count / correlation_time((samples > value).astype(np.float64)), 1.0)
    few, many = _beyond(round(worth), share, confidence)
    scale = count / round(worth)
    # `few` to `many` independent samples lie beyond the true percentile.
    high = count - 1 - math.floor(few * scale)
    low = count - math.ceil(many * scale) - 1
    return Figure(
        value,
        float(ordered[low]) if low >= 0 else None,
        float(ordered[high]) if few > 0 else None,
    )


def _beyond(count: int, share: float, confidence: float) -> tuple[int, int]:
    """The central range of how many of `count` samples lie above the percentile: a binomial's.

    The lower one is such that so few or fewer come with less than half the chance that is left.
    """
    above = 1 - share
    most = min(count, math.ceil(count * above + 12 * math.sqrt(count * above) + 24))
    k = np.arange(most)
    steps = np.log((count - k) / (k + 1)) + math.log(above / share)
    logs = count * math.log(share) + np.concatenate([[0.0], np.cumsum(steps)])
    cumulative = np.cumsum(np.exp(logs))
    half = (1 - confidence) / 2
    few = int(np.searchsorted(cumulative, half))
    many = int(np.searchsorted(cumulative, 1 - half))
    return few, min(many + 1, count)


def mean(samples: Floats, *, confidence: float = CONFIDENCE) -> Figure:
    """The mean and its normal interval, by the number of samples that they are worth."""
    value = float(samples.mean())
    if len(samples) < 2:
        return Figure(value)
    worth = max(len(samples) / correlation_time(samples), 2.0)
    half = _normal_quantile(0.5 + confidence / 2) * float(samples.std(ddof=1)) / math.sqrt(worth)
    return Figure(value, value - half, value + half)


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def correlation_time(values: Floats) -> float:
    """How many samples in a row say as much as one: 1 for independent ones.

    Twice the sum of the autocorrelations, less one, up to where the sums of neighbouring pairs are
    no longer positive (Geyer's initial positive sequence).
    """
    count = len(values)
    centred = values - values.mean()
    if count < 4 or not centred.any():
        return 1.0
    size = 1 << (2 * count - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum), size)[:count]
    correlation /= correlation[0]
    pairs = correlation[: count // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    kept = pairs[: ends[0]] if len(ends) else pairs
    return float(np.clip(2 * kept.sum() - 1, 1.0, count / 2))


def difference(before: Figure, after: Figure) -> Figure:
    """`after - before` with its interval, from those of the two (MOVER: Zou and Donner 2008)."""

    def spread(a: float | None, b: float | None, one: float, two: float) -> float | None:
        return None if a is None or b is None else math.hypot(one - a, two - b)

    value = after.value - before.value
    down = spread(after.low, before.high, after.value, before.value)
    up = spread(after.high, before.low, after.value, before.value)
    return Figure(value, None if down is None else value - down, None if up is None else value + up)


def of_runs(runs: Sequence[float]) -> Figure:
    """The median of some runs, between the worst and the best of them."""
    return Figure(float(np.median(runs)), float(min(runs)), float(max(runs)))

"""Two clocks, and how surely one is told by the other.

Four times are exchanged, as in NTP (Mills, RFC 5905, section 8): asked (t1, here), heard (t2,
there), answered (t3, there), back (t4, here). The difference of the clocks is between t2 - t1 and
t3 - t4, whatever the ways took; so half of what the quickest exchange took on its way is the
uncertainty, with nothing assumed of how it is divided. Exchanges before and after a run tell the
drift.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.statistics import Floats


@dataclass(frozen=True, slots=True)
class Exchange:
    """One: milliseconds on the two clocks."""

    asked: float
    heard: float
    answered: float
    back: float

    @property
    def offset(self) -> float:
        """There minus here, if both ways took as long."""
        return 0.5 * ((self.heard - self.asked) + (self.answered - self.back))

    @property
    def uncertainty(self) -> float:
        """By how much the offset can be wrong, at most."""
        return 0.5 * ((self.back - self.asked) - (self.answered - self.heard))


@dataclass(frozen=True, slots=True)
class ClockMap:
    """From the clock here to the clock there.

    Attributes:
        at: (2,) ms here, of the quickest exchange before and after.
        offset: (2,) there minus here, at these times.
        uncertainty_ms: at most, at either end.
    """

    at: tuple[float, float]
    offset: tuple[float, float]
    uncertainty_ms: float

    @classmethod
    def of(cls, before: Sequence[Exchange], after: Sequence[Exchange]) -> "ClockMap":
        """By the quickest exchange of each."""
        first, last = (min(some, key=lambda one: one.uncertainty) for some in (before, after))
        uncertainty = max(first.uncertainty, last.uncertainty)
        return cls((first.asked, last.asked), (first.offset, last.offset), uncertainty)

    @property
    def drift_ppm(self) -> float:
        """How much faster the clock there is."""
        apart = self.at[1] - self.at[0]
        return 1e6 * (self.offset[1] - self.offset[0]) / apart if apart else 0.0

    def there(self, here_ms: Floats) -> Floats:
        """Times here, as the clock there has them."""
        return np.asarray(here_ms + np.interp(here_ms, self.at, self.offset))


async def exchange(
    ask: Callable[[], Awaitable[tuple[float, float]]], now_ms: Callable[[], float], count: int = 40
) -> list[Exchange]:
    """Exchange so many times; `ask` gives when it was heard and answered there."""
    made = []
    for _ in range(count):
        asked = now_ms()
        heard, answered = await ask()
        made.append(Exchange(asked, heard, answered, now_ms()))
    return made

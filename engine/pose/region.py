"""The rotated square in which a person is looked at, and the ways into and out of it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MARGIN = 1.25
"""How much larger the square is than the circle around the person: as in training."""


@dataclass(frozen=True, slots=True)
class Region:
    """A square in a picture.

    Attributes:
        x, y: its centre, px.
        side: its side, px.
        rotation: of the person in it, radians, clockwise as seen.
    """

    x: float
    y: float
    side: float
    rotation: float

    @classmethod
    def around(cls, hips: NDArray[np.floating], top: NDArray[np.floating]) -> "Region":
        """The square about a person.

        BlazePose (Bazarevsky et al. 2020), section 2.1: the middle of the hips, and the circle
        around the whole person, whose point above the hips also tells how the person leans.

        Args:
            hips: (2,) px, the middle of the hips.
            top: (2,) px, the point of the circle that is above the hips.
        """
        across, up = float(top[0] - hips[0]), float(hips[1] - top[1])
        rotation = math.remainder(math.pi / 2 - math.atan2(up, across), 2 * math.pi)
        side = 2 * math.hypot(across, up) * _MARGIN
        return cls(float(hips[0]), float(hips[1]), side, rotation)

    @classmethod
    def whole(cls, width: int, height: int) -> "Region":
        """The smallest upright square with the whole picture in its middle."""
        return cls(width / 2, height / 2, float(max(width, height)), 0.0)

    @property
    def valid(self) -> bool:
        """Whether there is anything in it: numbers, and an area."""
        return math.isfinite(self.x + self.y + self.rotation) and 0 < self.side < math.inf

    def from_crop(self, size: int) -> NDArray[np.float64]:
        """(2, 3) from pixels of a crop of `size` to pixels of the picture."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        step, half = self.side / size, self.side / 2
        return np.array(
            [
                [cos * step, -sin * step, self.x - (cos - sin) * half],
                [sin * step, cos * step, self.y - (sin + cos) * half],
            ]
        )

    def to_picture(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (K, 2) in [0, 1] of the square in pixels of the picture."""
        matrix = self.from_crop(1)
        placed: NDArray[np.float64] = points @ matrix[:, :2].T + matrix[:, 2]
        return placed

    def turned(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """World points (K, 3) seen upright in the square as they are in the picture."""
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        turned: NDArray[np.float64] = points @ turn.T
        return turned

    def overlap(self, other: "Region") -> float:
        """Intersection over union of the two squares, taken as upright."""
        across = self._shared(self.x, other.x, other.side)
        down = self._shared(self.y, other.y, other.side)
        shared = max(across, 0.0) * max(down, 0.0)
        return shared / (self.side**2 + other.side**2 - shared)

    def _shared(self, a: float, b: float, side: float) -> float:
        return min(a + self.side / 2, b + side / 2) - max(a - self.side / 2, b - side / 2)

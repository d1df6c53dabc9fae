"""Slow, obvious twins of the motion kernels, as in `tests.naive`.

What the kernels do in place, row by row, these do with new arrays, vectors and the definitions.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# --- engine/motion/_kernels_smooth.py -------------------------------------------------------------


class OneEuro:
    """Casiez et al. 2012, algorithm 1, for one point (x, y, z) with a common xy cutoff."""

    def __init__(self, min_cutoff: float, beta: float, speed_cutoff: float, longest: float) -> None:
        self.min_cutoff, self.beta = min_cutoff, beta
        self.speed_cutoff, self.longest = speed_cutoff, longest
        self.raw: Floats | None = None
        self.smooth: Floats = np.full(3, np.nan)
        self.velocity: Floats = np.zeros(3)
        self.time = 0.0
        self.last = 0.0

    @staticmethod
    def alpha(cutoff: Floats | float, dt: float) -> Floats | float:
        """The paper's alpha = 1 / (1 + tau / Te)."""
        tau = 1 / (2 * np.pi * cutoff)
        return 1 / (1 + tau / dt)

    def __call__(self, point: Floats, dt: float) -> Floats:
        """The filtered point, `dt` after the last call."""
        self.time += dt
        gap = self.time - self.last
        if not np.isfinite(point).all():
            return self.smooth
        if self.raw is None or gap > self.longest:
            self.raw, self.smooth, self.velocity = point, point, np.zeros(3)
            self.last = self.time
        elif gap > 0:
            rate = (point - self.raw) / gap
            a = self.alpha(self.speed_cutoff, gap)
            self.velocity = a * rate + (1 - a) * self.velocity
            speed = np.array([np.linalg.norm(self.velocity[:2])] * 2 + [abs(self.velocity[2])])
            a = self.alpha(self.min_cutoff + self.beta * speed, gap)
            self.smooth = a * point + (1 - a) * self.smooth
            self.raw, self.last = point, self.time
        return self.smooth


def weigh_window(
    ring: NDArray[np.float32], start: int, weights: Floats, row: int
) -> NDArray[np.float32]:
    """Twin of `weigh_window`."""
    window = np.roll(ring, -start, axis=0)[: weights.shape[1]].astype(np.float64)
    out = np.einsum("k,kjc->jc", weights[row], window)
    out[:, 3] = np.roll(ring, -start, axis=0)[row, :, 3]
    return out.astype(np.float32)

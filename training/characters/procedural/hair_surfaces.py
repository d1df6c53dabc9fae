"""The surfaces that hair lies on, and how its lower edge is cut into locks.

On the common head (see `head.HeadFrame`); azimuth is 0 in front and grows to her left.
"""

import numpy as np
from numpy.typing import ArrayLike

from training.characters.procedural.head import PROFILE
from training.characters.shapes import F64, curve

CENTRE = np.array([0.0, 0.17, -0.012])
CROWN = 0.354


def dome(y: ArrayLike, azimuth: ArrayLike, grow: ArrayLike = 0.0, volume: float = 1.0) -> F64:
    """(..., 3) points of hair's smooth outside at a height and an azimuth."""
    y = np.asarray(y, np.float64)
    crown = CROWN + 0.4 * (volume - 1.0) * 0.165
    up = np.clip((y - 0.10) / (crown - 0.10), 0.0, 1.0)
    ball = np.sqrt(np.clip(1.0 - up**3.1, 0.0, 1.0))
    fall = np.clip((0.10 - y) / 0.16, 0.0, 1.2)
    rx = (0.165 * volume + grow) * ball + 0.010 * fall - 0.030 * fall**3
    rz = (0.162 * volume + grow) * ball + 0.008 * fall - 0.028 * fall**3
    return np.stack(np.broadcast_arrays(rx * np.sin(azimuth), y, -0.016 + rz * np.cos(azimuth)), -1)


def skull(y: F64, azimuth: F64, grow: F64) -> F64:
    """(..., 3) points of hair that lies close to the skull."""
    width, front, back = (curve([(r[0], r[k]) for r in PROFILE], y.ravel()) for k in (1, 2, 3))
    wide = (width + 0.017).reshape(y.shape) + grow
    middle = (0.5 * (front + back)).reshape(y.shape)
    deep = (0.5 * (front - back) + 0.017).reshape(y.shape) + grow
    return np.stack(
        np.broadcast_arrays(wide * np.sin(azimuth), y, middle + deep * np.cos(azimuth)), -1
    )


def teeth(columns: int, count: int, skew: float = 0.5, jitter: F64 | None = None) -> F64:
    """(columns,) in [0, 1]: 1 at the tips of `count` locks side by side, 0 in the notches."""
    place = np.linspace(0.0, count, columns)
    k = np.minimum(place.astype(np.intp), count - 1)
    part = place - k
    rise = np.where(part < skew, part / max(skew, 1e-3), (1 - part) / max(1 - skew, 1e-3))
    size = np.ones(count) if jitter is None else jitter
    return np.asarray(np.clip(rise, 0.0, 1.0) ** 0.8 * size[k])

"""Smoothing of landmarks as MediaPipe does it for one person in a video.

The One Euro filter (Casiez, Roussel and Vogel 2012) on each coordinate, with speeds measured in
sizes of the person, and a slow mean of the visibilities. `engine.motion.smooth` smooths the
character's joints afterwards, by other means and for other reasons.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FIRST_STEP_S = 1 / 30
_SPEED_CUTOFF_HZ = 1.0
_VISIBILITY_GAIN = 0.1
_SMALLEST = 1e-6
_METRE = 1.0
"""Speeds in the world are those of a person of this size, whatever the real one's."""


def _gain(cutoff_hz: Floats | float, step_s: float) -> Floats | float:
    """Weight of a new sample in a first-order low-pass filter."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step_s))


class Settling:
    """One Euro on an array of any shape.

    Args:
        min_cutoff_hz: of what stands still.
        beta: how the cutoff rises with speed, Hz for a person's size in a second.
    """

    def __init__(self, min_cutoff_hz: float, beta: float) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._raw: Floats | None = None
        self._speed: Floats = np.zeros(1)
        self._value: Floats = np.zeros(1)

    def reset(self) -> None:
        """Forget the past."""
        self._raw = None

    def __call__(self, values: Floats, size: float, step_s: float) -> Floats:
        """The smoothed values.

        Args:
            values: always of one shape.
            size: of the person, in the unit of the values.
            step_s: time since the last ones.
        """
        if size < _SMALLEST:
            return values
        if self._raw is None:
            self._speed = np.zeros_like(values)
            self._value = values
        else:
            speed = (values - self._raw) / size / step_s
            self._speed = self._speed + _gain(_SPEED_CUTOFF_HZ, step_s) * (speed - self._speed)
            gain = _gain(self._min_cutoff_hz + self._beta * np.abs(self._speed), step_s)
            self._value = self._value + gain * (values - self._value)
        self._raw = values
        return self._value


class Settler:
    """Smooths one person's landmarks: MediaPipe's three filters with their settings."""

    def __init__(self) -> None:
        self._picture = Settling(min_cutoff_hz=0.05, beta=80.0)
        self._world = Settling(min_cutoff_hz=0.1, beta=40.0)
        self._visibility: Floats | None = None
        self._last_ns: int | None = None

    def reset(self) -> None:
        """Nobody is there: the next one is another."""
        self._picture.reset()
        self._world.reset()
        self._visibility = None
        self._last_ns = None

    def __call__(
        self,
        keypoints: Floats,
        visibility: Floats,
        world: Floats,
        side: float,
        time_ns: int,
    ) -> tuple[Floats, Floats, Floats]:
        """Smoothed keypoints, visibilities and world landmarks.

        Args:
            keypoints: (K, 2) px.
            visibility: (K,) in [0, 1].
            world: (K, 3) metres.
            side: of the person's region, px.
            time_ns: of the picture; later than the last one.
        """
        step_s = _FIRST_STEP_S if self._last_ns is None else (time_ns - self._last_ns) / 1e9
        self._last_ns = time_ns
        if self._visibility is None:
            self._visibility = visibility
        else:
            change = visibility - self._visibility
            self._visibility = self._visibility + _VISIBILITY_GAIN * change
        return (
            self._picture(keypoints, side, step_s),
            self._visibility,
            self._world(world, _METRE, step_s),
        )

"""Smoothing of joints: One Euro for live input, Savitzky-Golay for files.

One Euro (Casiez, Roussel, Vogel: 1 Euro Filter, CHI 2012) adds little lag where a joint moves fast
and removes jitter where it rests. Savitzky-Golay, the filter of the first paper (section 3.2), fits
a polynomial around each frame: no lag, but it has to see half a window into the future.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.motion._kernels_smooth import one_euro, weigh_window
from engine.pose.skeleton import PUPPET_20

# part of a joint's name: (min_cutoff Hz, beta Hz per pixel/s in a picture of 256 pixels)
ONE_EURO_DEFAULTS: Final = {
    "nose": (1.6, 0.09),
    "neck": (1.6, 0.10),
    "shoulder": (1.6, 0.10),
    "elbow": (1.8, 0.12),
    "wrist": (2.0, 0.14),
    "hip": (1.4, 0.10),
    "knee": (1.5, 0.12),
    "ankle": (1.5, 0.14),
    "eye": (1.6, 0.09),
    "ear": (1.6, 0.09),
    "toe": (1.3, 0.10),
}


class OneEuro:
    """The One Euro filter over x, y, z of joints, by their own times.

    Irregular frames are right, a repeated time changes nothing, and a gap of over half a second,
    or a time that runs backwards, starts anew. A joint that is not finite keeps its last place for
    up to that long.

    Args:
        min_cutoff_hz: cutoff at rest, one or (20,): lower removes more jitter.
        beta: Hz per pixel/s, one or (20,): higher lags less in motion. The cutoff is
            min_cutoff_hz + beta * speed.
        speed_cutoff_hz: cutoff of the filter on the speed itself.
        size: of the picture, pixels: the default betas are for 256 and scale with it.
        pace: multiplies cutoffs at rest and betas: higher is quicker, lower is calmer.

    Raises:
        ValueError: a cutoff that is not positive, or a negative beta.
    """

    LONGEST_GAP_S: Final = 0.5

    def __init__(
        self,
        min_cutoff_hz: ArrayLike | None = None,
        beta: ArrayLike | None = None,
        *,
        speed_cutoff_hz: float = 3.0,
        size: int = 256,
        pace: float = 1.0,
    ) -> None:
        table = np.array([ONE_EURO_DEFAULTS[j.split("_")[-1]] for j in PUPPET_20.joints])
        self.min_cutoff_hz: NDArray[np.float64] = np.empty(20)
        self.beta: NDArray[np.float64] = np.empty(20)
        self.min_cutoff_hz[:] = table[:, 0] if min_cutoff_hz is None else min_cutoff_hz
        self.beta[:] = table[:, 1] * 256 / size if beta is None else beta
        self.min_cutoff_hz *= pace
        self.beta *= pace
        self.speed_cutoff_hz = speed_cutoff_hz
        if not ((self.min_cutoff_hz > 0).all() and speed_cutoff_hz > 0):
            raise ValueError(
                "cutoffs must be positive frequencies in Hz, but one is "
                f"{min(float(self.min_cutoff_hz.min()), speed_cutoff_hz)}"
            )
        if not (self.beta >= 0).all():
            raise ValueError(f"beta must not be negative, but one is {self.beta.min()}")
        self._value = np.empty((20, 3))
        self._raw = np.empty((20, 3))
        self._velocity = np.empty((20, 3))
        self._since_s = np.empty(20)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame passes unchanged."""
        self._value.fill(np.nan)
        self._raw.fill(np.nan)
        self._velocity.fill(0.0)
        self._since_s.fill(0.0)
        self._last_ns: int | None = None

    def push(self, joints: NDArray[np.float32], time_ns: int) -> list[NDArray[np.float32]]:
        """As calling it: one frame in, one out at once."""
        return [self(joints, time_ns)]

    def flush(self) -> list[NDArray[np.float32]]:
        """Nothing is held back."""
        return []

    def __call__(self, joints: NDArray[np.float32], time_ns: int) -> NDArray[np.float32]:
        """Filter (20, 4) float32 joints taken at `time_ns`; returns a new array, same scores."""
        if self._last_ns is not None and time_ns < self._last_ns:
            self.reset()
        dt = 0.0 if self._last_ns is None else (time_ns - self._last_ns) * 1e-9
        self._last_ns = time_ns
        out = np.empty((20, 4), np.float32)
        one_euro(
            np.ascontiguousarray(joints, np.float32), dt,
            self.min_cutoff_hz, self.beta, self.speed_cutoff_hz, self.LONGEST_GAP_S,
            self._value, self._raw, self._velocity, self._since_s, out,
        )  # fmt: skip
        return out


def savgol_weights(window: int, order: int) -> NDArray[np.float64]:
    """(window, window): row i weighs a window's frames into the fitted polynomial at frame i.

    The middle row is the Savitzky-Golay filter itself, the others are for the ends of a track.

    Raises:
        ValueError: no polynomial of that order is determined by that many frames.
    """
    if not 0 <= order < window:
        raise ValueError(
            f"a polynomial of order {order} needs a window of at least {order + 1} frames, "
            f"but it is {window}"
        )
    # Legendre polynomials over [-1, 1]: the same fit, better conditioned than powers.
    at = np.linspace(-1.0, 1.0, window) if window > 1 else np.zeros(1)
    basis, _ = np.linalg.qr(np.polynomial.legendre.legvander(at, order))
    return np.ascontiguousarray(basis @ basis.T)


class SavitzkyGolayDelay:
    """Savitzky-Golay over a stream: frame n comes out once frame n + window // 2 is in.

    What comes out is, frame for frame, what `scipy.signal.savgol_filter` makes of the whole track
    with its default edges: the first and the last half window are read off the polynomial of the
    first and the last whole window. A track shorter than the window is fitted as a whole.

    The frames are taken as evenly spaced. NaN spreads over its window.

    Args:
        window: odd number of frames.
        order: of the polynomial, under `window`.
    """

    def __init__(self, window: int = 9, order: int = 3) -> None:
        if window < 1 or window % 2 == 0:
            raise ValueError(f"the window must be an odd number of frames, but it is {window}")
        self.window, self.order = window, order
        self._weights = savgol_weights(window, order)
        self._ring = np.zeros((window, 20, 4), np.float32)
        self._count = 0

    @property
    def pending(self) -> int:
        """How many frames were pushed and have not come out."""
        if self._count < self.window:
            return self._count
        return self.window // 2

    def reset(self) -> None:
        """Forget the frames that are held back."""
        self._count = 0

    def push(self, joints: NDArray[np.float32], time_ns: int = 0) -> list[NDArray[np.float32]]:
        """Take in one frame of (20, 4) joints; returns those that are ready, oldest first.

        None before the window is full, then half a window at once, then one for one. The time is
        not used.
        """
        self._ring[self._count % self.window] = joints
        self._count += 1
        if self._count < self.window:
            return []
        middle = self.window // 2
        first = 0 if self._count == self.window else middle
        return [self._fit(self._weights, row) for row in range(first, middle + 1)]

    def flush(self) -> list[NDArray[np.float32]]:
        """The frames that are left, at the end of the track; then it is as new."""
        if self._count == 0:
            return []
        if self._count < self.window:
            order = min(self.order, self._count - 1)
            weights = savgol_weights(self._count, order)
            rest = [self._fit(weights, row) for row in range(self._count)]
        else:
            rows = range(self.window // 2 + 1, self.window)
            rest = [self._fit(self._weights, row) for row in rows]
        self._count = 0
        return rest

    def _fit(self, weights: NDArray[np.float64], row: int) -> NDArray[np.float32]:
        out = np.empty((20, 4), np.float32)
        start = max(0, self._count - self.window) % self.window
        weigh_window(self._ring, start, weights, row, out)
        return out


def savgol(track: NDArray[np.float32], window: int = 9, order: int = 3) -> NDArray[np.float32]:
    """Smooth a whole track (T, 20, 4) of evenly spaced frames; scores are kept.

    As `SavitzkyGolayDelay`, which says what happens at the edges.
    """
    delay = SavitzkyGolayDelay(window, order)
    frames = [out for joints in track for out in delay.push(joints)]
    frames += delay.flush()
    return np.stack(frames) if frames else np.empty((0, 20, 4), np.float32)

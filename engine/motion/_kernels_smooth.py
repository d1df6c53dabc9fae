"""Numba kernels of the smoothing filters."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@njit("float64(float64, float64)", cache=True, nogil=True)
def _gain(cutoff_hz: float, dt: float) -> float:
    """Weight of a new sample in a first-order low-pass filter."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff_hz * dt))


@njit(
    "void(float32[:, ::1], float64, float64[::1], float64[::1], float64, float64,"
    " float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[::1], float32[:, ::1])",
    cache=True,
    nogil=True,
)
def one_euro(
    joints: NDArray[np.float32],
    dt: float,
    min_cutoff_hz: Floats,
    beta: Floats,
    speed_cutoff_hz: float,
    longest_gap_s: float,
    value: Floats,
    raw: Floats,
    velocity: Floats,
    since_s: Floats,
    out: NDArray[np.float32],
) -> None:
    """One step of the One Euro filter (Casiez et al. 2012, section 3) over (K, 4) joints.

    x and y share a cutoff, from their common speed; z has its own. A joint that is not finite
    keeps its last value; after `longest_gap_s` without one it starts anew, as it does while
    `value` is NaN. With dt = 0 nothing moves.
    """
    for j in range(len(joints)):
        out[j, 3] = joints[j, 3]
        since_s[j] += dt
        known = np.isfinite(value[j, 0])
        finite = True
        for c in range(3):
            finite = finite and np.isfinite(joints[j, c])
        if finite and (not known or since_s[j] > longest_gap_s):
            for c in range(3):
                value[j, c] = raw[j, c] = joints[j, c]
                velocity[j, c] = 0.0
            since_s[j] = 0.0
        elif finite and since_s[j] > 0.0:
            step = since_s[j]
            gain = _gain(speed_cutoff_hz, step)
            for c in range(3):
                velocity[j, c] += gain * ((joints[j, c] - raw[j, c]) / step - velocity[j, c])
                raw[j, c] = joints[j, c]
            speed_xy = np.sqrt(velocity[j, 0] ** 2 + velocity[j, 1] ** 2)
            gain_xy = _gain(min_cutoff_hz[j] + beta[j] * speed_xy, step)
            gain_z = _gain(min_cutoff_hz[j] + beta[j] * abs(velocity[j, 2]), step)
            value[j, 0] += gain_xy * (joints[j, 0] - value[j, 0])
            value[j, 1] += gain_xy * (joints[j, 1] - value[j, 1])
            value[j, 2] += gain_z * (joints[j, 2] - value[j, 2])
            since_s[j] = 0.0
        for c in range(3):
            out[j, c] = value[j, c]


@njit(
    "void(float32[:, :, ::1], int64, float64[:, ::1], int64, float32[:, ::1])",
    cache=True,
    nogil=True,
)
def weigh_window(
    ring: NDArray[np.float32],
    start: int,
    weights: Floats,
    row: int,
    out: NDArray[np.float32],
) -> None:
    """Weighted mean of x, y, z over the frames start, start + 1, ... of a ring buffer (N, K, 4).

    `weights[row]` has one weight for each frame of the window. The score is that of frame
    start + row.
    """
    frames, window = len(ring), weights.shape[1]
    centre = (start + row) % frames
    for j in range(ring.shape[1]):
        for c in range(3):
            total = 0.0
            for k in range(window):
                total += weights[row, k] * ring[(start + k) % frames, j, c]
            out[j, c] = total
        out[j, 3] = ring[centre, j, 3]

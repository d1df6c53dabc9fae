"""Numba kernels before and after the painter: twins of `training.fewshot.warp.network`."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Single = Any  # float32, for which Python and NumPy have no type in common


@njit("void(u1[:,:,::1], u1[:,::1], u1[:,:,::1], u1[:,:,::1])", cache=True, nogil=True)
def unshuffle(picture: Bytes, painted_in: Bytes, pose_image: Bytes, features: Bytes) -> None:
    """The first 23 features (S / 2, S / 2, ...) of a frame.

    Of 2 x 2 pixels each: picture (S, S, 4) and share that is painted in (S, S), as channels
    c * 4 + 2 dy + dx; then the mean of the inverted pose image (S, S, 3).
    """
    half = len(features)
    for y in range(half):
        for x in range(half):
            for dy in range(2):
                for dx in range(2):
                    v, u = 2 * y + dy, 2 * x + dx
                    for c in range(4):
                        features[y, x, 4 * c + 2 * dy + dx] = picture[v, u, c]
                    features[y, x, 16 + 2 * dy + dx] = painted_in[v, u]
            for c in range(3):
                total = (
                    np.int64(pose_image[2 * y, 2 * x, c])
                    + pose_image[2 * y, 2 * x + 1, c]
                    + pose_image[2 * y + 1, 2 * x, c]
                    + pose_image[2 * y + 1, 2 * x + 1, c]
                )
                features[y, x, 20 + c] = (4 * 255 - total + 2) // 4


@njit("void(u1[:,:,::1], u1[:,:,::1], i8, f4, u1[:,:,::1])", cache=True, nogil=True)
def paint(picture: Bytes, maps: Bytes, first: int, reach: Single, out: Bytes) -> None:
    """A picture as the painter bends, corrects and redraws it.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        maps: (S / 2, S / 2, ...): the flow's x and y in channels 0 and 1 (128 is none, 127 more is
            all); from channel `first` on, for 2 x 2 pixels each (+ 2 dy + dx), what is new:
            straight RGB, alpha and its share, and the change of what is old, RGBA (128 is none).
        first: see there.
        reach: px that the flow can reach.
        out: (S, S, 4) premultiplied RGBA; all of it is overwritten.
    """
    size, half = len(picture), len(maps)
    zero: Single = np.float32(0)
    full: Single = np.float32(255)
    unit: Single = np.float32(1 / 255)
    step: Single = reach * np.float32(1 / 127)
    quarter: Single = np.float32(0.25)
    kept = np.empty(4, np.float32)
    new = np.empty(4, np.float32)
    for y in range(size):
        near = y >> 1
        # The flow at a fine pixel is three quarters of the nearest coarse one's.
        far = min(max(near + (1 if y & 1 else -1), 0), half - 1)
        for x in range(size):
            left = x >> 1
            aside = min(max(left + (1 if x & 1 else -1), 0), half - 1)
            still = True
            for c in range(2):
                still &= maps[near, left, c] == 128 and maps[near, aside, c] == 128
                still &= maps[far, left, c] == 128 and maps[far, aside, c] == 128
            if still:
                for c in range(4):
                    kept[c] = picture[y, x, c]
            else:
                u: Single = np.float32(x)
                v: Single = np.float32(y)
                for c in range(2):
                    beside = np.float32(maps[near, aside, c])
                    upper = np.float32(maps[near, left, c])
                    upper += (beside - upper) * quarter
                    beside = np.float32(maps[far, aside, c])
                    lower = np.float32(maps[far, left, c])
                    lower += (beside - lower) * quarter
                    moved = (upper + (lower - upper) * quarter - np.float32(128)) * step
                    if c == 0:
                        u += moved
                    else:
                        v += moved
                column, row = int(np.floor(u)), int(np.floor(v))
                fx, fy = u - np.float32(column), v - np.float32(row)
                kept[:] = zero
                for j in range(2):
                    for i in range(2):
                        if 0 <= row + j < size and 0 <= column + i < size:
                            weight = (fy if j else 1 - fy) * (fx if i else 1 - fx)
                            for c in range(4):
                                kept[c] += weight * picture[row + j, column + i, c]
            at = first + 2 * (y & 1) + (x & 1)
            spot = maps[near, left]
            gate = spot[at + 16] * unit
            new[3] = spot[at + 12]
            for c in range(3):
                new[c] = spot[at + 4 * c] * new[3] * unit
            for c in range(3, -1, -1):
                change = np.float32(np.int64(spot[at + 20 + 4 * c]) - 128) * np.float32(255 / 127)
                value = kept[c] + change
                value += gate * (new[c] - value)
                top = full if c == 3 else new[3]
                value = min(max(value, zero), top)
                new[c] = value
                out[y, x, c] = np.uint8(value + np.float32(0.5))

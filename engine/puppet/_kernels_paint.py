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


@njit("i8(u1[:,:,::1], i8, i8, i8, i8, i8)", cache=True, nogil=True)
def _flow(maps: Bytes, near: int, far: int, left: int, aside: int, axis: int) -> int:
    """A flow at a fine pixel, from the four coarse ones around: 16 times, and 0 is none."""
    upper = 3 * np.int64(maps[near, left, axis]) + maps[near, aside, axis]
    lower = 3 * np.int64(maps[far, left, axis]) + maps[far, aside, axis]
    return int(3 * upper + lower - 16 * 128)


@njit("f4(u1[:,:,::1], i8, i8, i8, f4, f4)", cache=True, nogil=True)
def _between(picture: Bytes, row: int, column: int, c: int, fx: Single, fy: Single) -> Single:
    """A channel between four pixels, all of them in the picture."""
    upper = np.float32(picture[row, column, c])
    upper += (np.float32(picture[row, column + 1, c]) - upper) * fx
    lower = np.float32(picture[row + 1, column, c])
    lower += (np.float32(picture[row + 1, column + 1, c]) - lower) * fx
    return upper + (lower - upper) * fy


@njit("f4(u1[:,:,::1], i8, i8, i8, f4, f4)", cache=True, nogil=True)
def _at_rim(picture: Bytes, row: int, column: int, c: int, fx: Single, fy: Single) -> Single:
    """The same where some lie outside: there is nothing."""
    value = np.float32(0)
    one: Single = np.float32(1)
    for j in range(2):
        for i in range(2):
            if 0 <= row + j < len(picture) and 0 <= column + i < len(picture):
                weight = (fy if j else one - fy) * (fx if i else one - fx)
                value += weight * np.float32(picture[row + j, column + i, c])
    return value


@njit("void(u1[:,:,::1], u1[:,:,::1], u1[:,::1], i8, f4, u1[:,:,::1])", cache=True, nogil=True)
def paint(
    picture: Bytes, maps: Bytes, within: Bytes, first: int, reach: Single, out: Bytes
) -> None:
    """A picture as the painter bends, corrects and redraws it.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        maps: (S / 2, S / 2, ...): the flow's x and y in channels 0 and 1 (128 is none, 127 more is
            all); from channel `first` on, for 2 x 2 pixels each (+ 2 dy + dx), what is new:
            straight RGB, alpha and its share, and the change of what is old, RGBA (128 is none).
        within: (S, S): alpha is at most this, or what the flow brings where that is more.
        first: see there.
        reach: px that the flow can reach.
        out: (S, S, 4) premultiplied RGBA; all of it is overwritten.
    """
    size, half = len(picture), len(maps)
    full: Single = np.float32(255)
    unit: Single = np.float32(1 / 255)
    wide: Single = np.float32(255 / 127)
    step: Single = reach * np.float32(1 / 127 / 16)
    for y in range(size):
        # The flow at a fine pixel is three quarters of the nearest coarse one's.
        near = y >> 1
        far = min(max(near + (1 if y & 1 else -1), 0), half - 1)
        for x in range(size):
            left = x >> 1
            aside = min(max(left + (1 if x & 1 else -1), 0), half - 1)
            right = _flow(maps, near, far, left, aside, 0)
            down = _flow(maps, near, far, left, aside, 1)
            u: Single = np.float32(x) + np.float32(right) * step
            v: Single = np.float32(y) + np.float32(down) * step
            column, row = int(np.floor(u)), int(np.floor(v))
            fx, fy = u - np.float32(column), v - np.float32(row)
            still = right == 0 and down == 0
            inside = 0 <= row < size - 1 and 0 <= column < size - 1
            at = first + 2 * (y & 1) + (x & 1)
            gate = np.float32(maps[near, left, at + 16]) * unit
            fresh = np.float32(maps[near, left, at + 12])
            top = full
            for c in range(3, -1, -1):
                if still:
                    value = np.float32(picture[y, x, c])
                elif inside:
                    value = _between(picture, row, column, c, fx, fy)
                else:
                    value = _at_rim(picture, row, column, c, fx, fy)
                if c == 3:
                    top = max(value, np.float32(within[y, x]))
                    if top <= np.float32(0):
                        out[y, x] = 0
                        break
                value += np.float32(np.int64(maps[near, left, at + 20 + 4 * c]) - 128) * wide
                new = fresh
                if c < 3:
                    new = np.float32(maps[near, left, at + 4 * c]) * fresh * unit
                value += gate * (new - value)
                value = min(max(value, np.float32(0)), top)
                if c == 3:
                    top = value
                out[y, x, c] = np.uint8(value + np.float32(0.5))

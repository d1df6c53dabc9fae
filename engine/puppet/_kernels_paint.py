"""Numba kernels before and after the painter: twins of `training.fewshot.warp.network`."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]
Floats = NDArray[np.float32]
Single = Any  # float32, for which Python and NumPy have no type in common


@njit("void(u1[:,:,::1], u1[:,::1], u1[:,:,::1], u1[:,:,::1])", cache=True, nogil=True)
def unshuffle(picture: Bytes, painted_in: Bytes, pose_image: Bytes, features: Bytes) -> None:
    """The first 23 features (H, H, ...) of a frame.

    Of 2 x 2 pixels each: picture (2 H, 2 H, 4) and share that is painted in (2 H, 2 H), as channels
    c * 4 + 2 dy + dx; then the mean of the inverted pose image (S, S, 3), S a multiple of 2 H.
    """
    half = len(features)
    side = len(pose_image) // half
    area = side * side
    for y in range(half):
        for x in range(half):
            for dy in range(2):
                for dx in range(2):
                    v, u = 2 * y + dy, 2 * x + dx
                    for c in range(4):
                        features[y, x, 4 * c + 2 * dy + dx] = picture[v, u, c]
                    features[y, x, 16 + 2 * dy + dx] = painted_in[v, u]
            red = green = blue = 0
            for v in range(side * y, side * y + side):
                for u in range(side * x, side * x + side):
                    red += pose_image[v, u, 0]
                    green += pose_image[v, u, 1]
                    blue += pose_image[v, u, 2]
            features[y, x, 20] = (area * 255 - red + area // 2) // area
            features[y, x, 21] = (area * 255 - green + area // 2) // area
            features[y, x, 22] = (area * 255 - blue + area // 2) // area


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


@njit("void(u1[:,:,::1], i8, f4, f4[:,::1])", cache=True, nogil=True)
def _flow_of_row(maps: Bytes, y: int, side: Single, flow: Floats) -> None:
    """The flow (2, H + 2), 0 is none, between two rows of the maps; its ends are there twice."""
    half = len(maps)
    middle = (np.float32(y) + np.float32(0.5)) / side - np.float32(0.5)
    above = int(np.floor(middle))
    down: Single = middle - np.float32(above)
    below, above = min(above + 1, half - 1), max(above, 0)
    for axis in range(2):
        for i in range(half):
            upper, lower = np.float32(maps[above, i, axis]), np.float32(maps[below, i, axis])
            flow[axis, i + 1] = upper + (lower - upper) * down - np.float32(128)
        flow[axis, 0], flow[axis, half + 1] = flow[axis, 1], flow[axis, half]


@njit(
    "void(u1[:,:,::1], u1[:,:,::1], u1[:,::1], b1[:,::1], i8, f4, u1[:,:,::1])",
    cache=True,
    nogil=True,
)
def paint(
    picture: Bytes, maps: Bytes, within: Bytes, near: Flags, first: int, reach: Single, out: Bytes
) -> None:
    """A picture as the painter bends, corrects and redraws it.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        maps: (H, H, ...), S a multiple of 2 H: the flow's x and y in channels 0 and 1 (128 is none,
            127 more is all), bilinear in between; from channel `first` on, for 2 x 2 squares each
            (+ 2 dy + dx), what is new: straight RGB, alpha and its share, and the change of what is
            old, RGBA (128 is none).
        within: (S, S): alpha is at most this, or what the flow brings where that is more.
        near: (C, C), in which squares of the picture there may be anything; others stay empty.
        first: see there.
        reach: px that the flow can reach.
        out: (S, S, 4) premultiplied RGBA; all of it is overwritten.
    """
    size, half, cells = len(picture), len(maps), len(near)
    cell, side = size // cells, size // half
    fine = side // 2  # pixels of a square that is painted alike
    unit: Single = np.float32(1 / 255)
    wide: Single = np.float32(255 / 127)
    step: Single = reach * np.float32(1 / 127)
    share: Single = np.float32(1 / side)
    ahead: Single = np.float32(0.5 + 0.5 / side)  # of the flow's first place, which is a copy
    flow = np.empty((2, half + 2), np.float32)
    for y in range(size):
        row = y // side
        _flow_of_row(maps, y, np.float32(side), flow)
        for column in range(cells):
            if not near[y // cell, column]:
                out[y, column * cell : (column + 1) * cell] = 0
                continue
            for x in range(column * cell, (column + 1) * cell):
                across: Single = np.float32(x) * share + ahead
                left = int(across)
                across -= np.float32(left)
                aside = flow[0, left] + (flow[0, left + 1] - flow[0, left]) * across
                down = flow[1, left] + (flow[1, left + 1] - flow[1, left]) * across
                u: Single = np.float32(x) + aside * step
                v: Single = np.float32(y) + down * step
                i, j = int(np.floor(u)), int(np.floor(v))
                fx, fy = u - np.float32(i), v - np.float32(j)
                inside = 0 <= j < size - 1 and 0 <= i < size - 1
                value = (
                    _between(picture, j, i, 3, fx, fy)
                    if inside
                    else _at_rim(picture, j, i, 3, fx, fy)
                )
                top = max(value, np.float32(within[y, x]))
                if top <= np.float32(0):
                    out[y, x] = 0
                    continue
                at = first + 2 * (y // fine & 1) + (x // fine & 1)
                told = maps[row, x // side]
                gate = np.float32(told[at + 16]) * unit
                fresh = np.float32(told[at + 12])
                value += (np.float32(told[at + 32]) - np.float32(128)) * wide
                value += gate * (fresh - value)
                top = min(max(value, np.float32(0)), top)
                out[y, x, 3] = np.uint8(top + np.float32(0.5))
                for c in range(3):
                    if inside:
                        value = _between(picture, j, i, c, fx, fy)
                    else:
                        value = _at_rim(picture, j, i, c, fx, fy)
                    value += (np.float32(told[at + 20 + 4 * c]) - np.float32(128)) * wide
                    value += gate * (np.float32(told[at + 4 * c]) * fresh * unit - value)
                    out[y, x, c] = np.uint8(min(max(value, np.float32(0)), top) + np.float32(0.5))

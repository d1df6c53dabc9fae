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


@njit("void(u1[:,:,::1], i8, b1[:,::1], u1[:,:,::1])", cache=True, nogil=True)
def spread(maps: Bytes, first: int, near: Flags, paint: Bytes) -> None:
    """Maps of 2 x 2 squares each as a picture of them, without what is chequered in each four.

    A network that answers with four at once tells them apart where it should not: that was dots.
    Edges, whichever way they run, are in the other three of the four's Haar coefficients.

    Args:
        maps: (H, H, first + 4 C): channel `first` + 4 c + 2 dy + dx is c at (dx, dy).
        first: see there.
        near: (N, N), which squares are wanted; others stay as they are.
        paint: (2 H, 2 H, C).
    """
    half, cells = len(maps), len(near)
    for y in range(half):
        for x in range(half):
            if not near[y * cells // half, x * cells // half]:
                continue
            for c in range(paint.shape[2]):
                at = first + 4 * c
                v00, v01 = np.int64(maps[y, x, at]), np.int64(maps[y, x, at + 1])
                v10, v11 = np.int64(maps[y, x, at + 2]), np.int64(maps[y, x, at + 3])
                dots = (v00 - v01 - v10 + v11) >> 2
                paint[2 * y, 2 * x, c] = np.uint8(min(max(v00 - dots, np.int64(0)), np.int64(255)))
                paint[2 * y, 2 * x + 1, c] = np.uint8(
                    min(max(v01 + dots, np.int64(0)), np.int64(255))
                )
                paint[2 * y + 1, 2 * x, c] = np.uint8(
                    min(max(v10 + dots, np.int64(0)), np.int64(255))
                )
                paint[2 * y + 1, 2 * x + 1, c] = np.uint8(
                    min(max(v11 - dots, np.int64(0)), np.int64(255))
                )


@njit("void(u1[:,:,::1], i8, f4, b1[::1], f4[:,::1])", cache=True, nogil=True)
def _paint_of_row(paint: Bytes, y: int, fine: Single, near: Flags, row: Floats) -> None:
    """The paint (T + 2, C) between two rows of it; its ends are there twice."""
    size, cells = len(paint), len(near)
    middle = (np.float32(y) + np.float32(0.5)) / fine - np.float32(0.5)
    above = int(np.floor(middle))
    down: Single = middle - np.float32(above)
    below, above = min(above + 1, size - 1), max(above, 0)
    for x in range(size):
        if near[x * cells // size]:
            for c in range(paint.shape[2]):
                upper, lower = np.float32(paint[above, x, c]), np.float32(paint[below, x, c])
                row[x + 1, c] = upper + (lower - upper) * down
    row[0], row[size + 1] = row[1], row[size]


@njit(
    "void(u1[:,:,::1], u1[:,::1], u1[:,:,::1], u1[:,:,::1], u1[:,::1], u1[:,::1], b1[:,::1], "
    "f4, u1[:,:,::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def finish(
    picture: Bytes,
    held: Bytes,
    maps: Bytes,
    paint: Bytes,
    within: Bytes,
    keep: Bytes,
    near: Flags,
    reach: Single,
    out: Bytes,
) -> None:
    """A picture as the painter bends, corrects and redraws it.

    Maps and paint are for larger squares than pixels, and bilinear in between.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        held: (S, S), how much of it was to be hidden, and was not: so much less is painted.
        maps: (H, H, ...): the flow's x and y in channels 0 and 1 (128 is none, 127 more is all).
        paint: (2 H, 2 H, 9): what is new: straight RGB, alpha and its share, and the change of what
            is old, RGBA (128 is none).
        within: (S, S): alpha is at most this, or what the flow brings where that is more.
        keep: (K, K), S / K a power of 2: alpha is at least this, or what the flow brings where that
            is less.
        near: (C, C), in which squares of the picture there may be anything; others stay empty.
        reach: px that the flow can reach.
        out: (S, S, 4) premultiplied RGBA; all of it is overwritten.
    """
    size, half, cells = len(picture), len(maps), len(near)
    cell, side = size // cells, size // half
    kept = 0  # one place of `keep` is for so many pixels, as a power of 2
    while len(keep) << kept < size:
        kept += 1
    unit: Single = np.float32(1 / 255)
    wide: Single = np.float32(255 / 127)
    step: Single = reach * np.float32(1 / 127)
    share: Single = np.float32(1 / side)
    # A copy of the first place is before it.
    ahead: Single = np.float32(0.5 + 0.5 / side)
    ahead_fine: Single = np.float32(0.5 + 1 / side)
    flow = np.empty((2, half + 2), np.float32)
    row = np.zeros((2 * half + 2, paint.shape[2]), np.float32)
    told = np.empty(paint.shape[2], np.float32)
    for y in range(size):
        wanted = near[y // cell]
        _flow_of_row(maps, y, np.float32(side), flow)
        _paint_of_row(paint, y, np.float32(side // 2), wanted, row)
        for column in range(cells):
            if not wanted[column]:
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
                if inside:
                    value = _between(picture, j, i, 3, fx, fy)
                else:
                    value = _at_rim(picture, j, i, 3, fx, fy)
                top = max(value, np.float32(within[y, x]))
                if top <= np.float32(0):
                    out[y, x] = 0
                    continue
                across = np.float32(2 * x) * share + ahead_fine
                left = int(across)
                across -= np.float32(left)
                for k in range(9):
                    told[k] = row[left, k] + (row[left + 1, k] - row[left, k]) * across
                free = np.float32(1) - np.float32(held[y, x]) * unit
                fresh, gate = told[3], told[4] * free * unit
                strength = wide * free
                least = min(value, np.float32(keep[y >> kept, x >> kept]))
                old = max(value, np.float32(1))
                value += (told[8] - np.float32(128)) * strength
                value += gate * (fresh - value)
                value = min(max(value, np.float32(0)), top)
                top = value
                alpha = max(value, least)
                # What was to be taken away, and is not, keeps its colour, too.
                leave = min((alpha - value) / max(alpha, np.float32(1)) * 2, np.float32(1))
                opaque = alpha / old
                out[y, x, 3] = np.uint8(alpha + np.float32(0.5))
                for c in range(3):
                    if inside:
                        value = _between(picture, j, i, c, fx, fy)
                    else:
                        value = _at_rim(picture, j, i, c, fx, fy)
                    before = value
                    value += (told[5 + c] - np.float32(128)) * strength
                    value += gate * (told[c] * fresh * unit - value)
                    value = min(max(value, np.float32(0)), top)
                    value += (alpha - top) / old * before
                    value += leave * (before * opaque - value)
                    out[y, x, c] = np.uint8(min(value, alpha) + np.float32(0.5))

"""Numba kernels that carry the parts to a pose and lay them over each other.

The picture is made square by square ("cells"). A part's map is known at a cell's corners and taken
as bilinear between them, so whatever the map costs, a pixel costs additions. Of the parts that are
near (`_kernels_find`) each pixel takes, front to back, what it needs until it is full.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int8]
Integers = NDArray[np.int64]
Single = Any  # float32, for which Python and NumPy have no type in common

SHARPEN = np.float32(0.5)
"""Of what a pixel is brighter than its neighbours, half way between pixels: so two of them are as a
Catmull-Rom spline has them, for one sample more of one channel."""


@njit("f4(u1[::1], i8, i8, f4, f4)", cache=True, nogil=True, inline="always")
def _sample(pixels: Bytes, first: int, line: int, fx: Single, fy: Single) -> Single:
    """One channel between four pixels: `first` is the upper left one's byte, `line` a row's."""
    p00, p01 = np.float32(pixels[first]), np.float32(pixels[first + 5])
    p10, p11 = np.float32(pixels[first + line]), np.float32(pixels[first + line + 5])
    upper, lower = p00 + (p01 - p00) * fx, p10 + (p11 - p10) * fx
    return upper + (lower - upper) * fy


@njit("Tuple((i8, f4, f4))(f4, f4, i8)", cache=True, nogil=True)
def _locate(u: Single, v: Single, size: int) -> tuple[int, Single, Single]:
    """For `_sample`: the byte in a part, and the shares of the next column and row.

    `u` and `v` are px from the first pixel's centre; beyond the last ones is as at these.
    """
    edge = np.float32(size - 1)
    u = min(max(u, np.float32(0)), edge)
    v = min(max(v, np.float32(0)), edge)
    left, top = min(int(u), size - 2), min(int(v), size - 2)
    return (top * size + left) * 5, u - np.float32(left), v - np.float32(top)


@njit("f4(f4[:,:,::1], i8, i8, i8, f4, f4)", cache=True, nogil=True)
def _between(
    grid: Floats, row: int, column: int, axis: int, across: Single, down: Single
) -> Single:
    """A grid's value inside a cell, from its four corners."""
    upper = grid[row, column, axis]
    upper += (grid[row, column + 1, axis] - upper) * across
    lower = grid[row + 1, column, axis]
    lower += (grid[row + 1, column + 1, axis] - lower) * across
    return upper + (lower - upper) * down


@njit("void(u1[:,:,:,::1], i1[:,:,::1])", cache=True, nogil=True)
def find_detail(pixels: Bytes, detail: Indices) -> None:
    """How much brighter each pixel is than its four neighbours: the sum, in half levels.

    Args:
        pixels: (N, S, S, 5) of all parts.
        detail: (N, S, S); 0 at the rim of a part, whose neighbours may have no colour.
    """
    size = pixels.shape[1]
    for part in range(len(pixels)):
        detail[part] = 0
        for y in range(1, size - 1):
            for x in range(1, size - 1):
                if pixels[part, y, x, 4] == 0:
                    continue
                total, inside = 0, True
                for dy, dx, share in ((0, 0, 4), (-1, 0, -1), (1, 0, -1), (0, -1, -1), (0, 1, -1)):
                    p = pixels[part, y + dy, x + dx]
                    total += share * (2 * int(p[0]) + 5 * int(p[1]) + int(p[2]))
                    inside = inside and p[4] > 0
                if inside:
                    detail[part, y, x] = min(max(total // 16, -127), 127)


@njit("f4(i1[::1], i8, i8, f4, f4)", cache=True, nogil=True, inline="always")
def _sharpen(detail: Indices, first: int, size: int, fx: Single, fy: Single) -> Single:
    """What bilinear sampling took from a pixel's brightness: most half way, nothing on a pixel."""
    one: Single = np.float32(1)
    p00, p01 = np.float32(detail[first]), np.float32(detail[first + 1])
    p10, p11 = np.float32(detail[first + size]), np.float32(detail[first + size + 1])
    upper, lower = p00 + (p01 - p00) * fx, p10 + (p11 - p10) * fx
    return (upper + (lower - upper) * fy) * (fx * (one - fx) + fy * (one - fy)) * SHARPEN


@njit(
    "void(u1[::1], i1[::1], i8, i8[::1], i1[:,:,::1], i1[:,::1], f4[:,:,:,::1], f4[:,:,::1], "
    "u1[:,:,::1], u1[:,::1], b1, u1[:,:,::1], u1[:,::1])",
    cache=True,
    nogil=True,
)
def compose(
    pixels: Bytes,
    detail: Indices,
    size: int,
    slots: Integers,
    candidates: Indices,
    found: Indices,
    points: Floats,
    slide: Floats,
    maps: Bytes,
    keep: Bytes,
    hiding: bool,
    out: Bytes,
    painted_in: Bytes,
) -> None:
    """The parts where their maps have them, over each other.

    Each takes what it covers of what those in front left: min(alpha, rest). What is painted in
    never hides what was drawn: it takes only the room that all drawn parts leave.

    Args:
        pixels: (N, S, S, 5) of all parts of all drawings, flat; the outermost pixels are empty.
        detail: (N, S, S) likewise, see `find_detail`.
        size: S.
        slots: (L,) which of the N to use for each part.
        candidates, found: (C, C, L) and (C, C), see `_kernels_find.find`; cells where fewer than
            none are found are left as `out` and `painted_in` have them.
        points: (L, C + 1, C + 1, 2) px, see `map_grid`, at the corners of C x C cells.
        slide: (C + 1, C + 1, 2) px, how much farther the colours of part 0 are.
        maps: (H, H, 2 + L or more): 255 / 2 in channel 2 + l leaves part l as it is, less hides it,
            more shows what is transparent; T / H is a power of 2; read only if `hiding`.
        keep: (K, K), T / K a power of 2: parts are not hidden where their alpha would be less than
            this, if no other takes their place; likewise.
        hiding: whether to.
        out: (T, T, 4) premultiplied RGBA, where T is S for the picture itself and less for one that
            is smaller, a multiple of C; all else of it is overwritten.
        painted_in: (T, T), how much of that is painted in, or, if `hiding`, how much of it was to
            be hidden; likewise.
    """
    total = len(slots)
    cells = len(found)
    cell = len(out) // cells
    kept = coarse = 0  # one place of `keep` and of the maps is for so many pixels, as powers of 2
    while len(keep) << kept < len(out):
        kept += 1
    while len(maps) << coarse < len(out):
        coarse += 1
    share: Single = np.float32(1 / cell)
    zero: Single = np.float32(0)
    half: Single = np.float32(0.5)
    full: Single = np.float32(255)
    scale: Single = np.float32(1 / 255)
    double: Single = np.float32(2 / 255)
    line = 5 * size
    who = np.empty(total, np.int64)
    base = np.empty(total, np.int64)  # of the part's first byte
    where = np.empty((total, 4), np.float32)  # x, y of a row's first pixel, and a pixel's step
    at = np.empty(total, np.int64)  # of a sample's first byte
    mix = np.empty((total, 2), np.float32)  # its shares of the next column and row
    seen = np.empty(total, np.float32)
    extra = np.empty(total, np.float32)
    plain = np.empty(total, np.float32)  # alphas as drawn, hidden or not
    for row in range(cells):
        for column in range(cells):
            here = found[row, column]
            if here < 0:
                continue
            for k in range(here):
                who[k] = candidates[row, column, k]
                base[k] = slots[who[k]] * size * line
            for y in range(row * cell, (row + 1) * cell):
                if here == 0:
                    out[y, column * cell : (column + 1) * cell] = 0
                    painted_in[y, column * cell : (column + 1) * cell] = 0
                    continue
                down = (np.float32(y - row * cell) + half) * share
                for k in range(here):
                    p = points[who[k]]
                    for axis in range(2):
                        first = _between(p, row, column, axis, zero, down)
                        step = (_between(p, row, column + 1, axis, zero, down) - first) * share
                        where[k, axis] = first + half * step - half
                        where[k, 2 + axis] = step
                for x in range(column * cell, (column + 1) * cell):
                    i = np.float32(x - column * cell)
                    room = full
                    used = 0
                    for k in range(here):
                        u, v = where[k, 0] + i * where[k, 2], where[k, 1] + i * where[k, 3]
                        p0, fx, fy = _locate(u, v, size)
                        p0 += base[k]
                        at[k], mix[k, 0], mix[k, 1] = p0, fx, fy
                        whole = _sample(pixels, p0 + 4, line, fx, fy)
                        seen[k] = extra[k] = plain[k] = zero
                        used = k + 1
                        if whole <= zero:
                            continue
                        drawn = _sample(pixels, p0 + 3, line, fx, fy)
                        plain[k] = drawn
                        if hiding:
                            factor = double * np.float32(maps[y >> coarse, x >> coarse, 2 + who[k]])
                            drawn = min(drawn * factor, full)
                            whole = min(whole * factor, full)
                        seen[k] = min(drawn, room)
                        extra[k] = whole - drawn
                        room -= seen[k]
                        if room <= zero:
                            break
                    new = zero
                    if room > zero:
                        for k in range(used):
                            taken = min(max(extra[k], zero), room)
                            seen[k] += taken
                            new += taken
                            room -= taken
                    if hiding:
                        new = zero
                        lack = np.float32(keep[y >> kept, x >> kept]) - (full - room)
                        for k in range(used):
                            if lack <= zero:
                                break
                            taken = min(max(plain[k] - seen[k], zero), lack)
                            seen[k] += taken
                            new += taken
                            room -= taken
                            lack -= taken
                    red = green = blue = zero
                    for k in range(used):
                        weight = seen[k]
                        if weight <= zero:
                            continue
                        p0, fx, fy = at[k], mix[k, 0], mix[k, 1]
                        if who[k] == 0:
                            across = (i + half) * share
                            u = where[k, 0] + i * where[k, 2]
                            u += _between(slide, row, column, 0, across, down)
                            v = where[k, 1] + i * where[k, 3]
                            v += _between(slide, row, column, 1, across, down)
                            p0, fx, fy = _locate(u, v, size)
                            p0 += base[k]
                        more = _sharpen(detail, p0 // 5, size, fx, fy)
                        sample = _sample(pixels, p0, line, fx, fy) + more
                        red += weight * min(max(sample, zero), full)
                        sample = _sample(pixels, p0 + 1, line, fx, fy) + more
                        green += weight * min(max(sample, zero), full)
                        sample = _sample(pixels, p0 + 2, line, fx, fy) + more
                        blue += weight * min(max(sample, zero), full)
                    alpha = full - room
                    out[y, x, 0] = np.uint8(min(red * scale, alpha) + half)
                    out[y, x, 1] = np.uint8(min(green * scale, alpha) + half)
                    out[y, x, 2] = np.uint8(min(blue * scale, alpha) + half)
                    out[y, x, 3] = np.uint8(alpha + half)
                    painted_in[y, x] = np.uint8(new + half)


@njit(
    "void(u1[::1], i8, i8[::1], i1[:,:,::1], i1[:,::1], f4[:,:,:,::1], f4[::1], u1[:,:,::1], i8)",
    cache=True,
    nogil=True,
)
def look(
    pixels: Bytes,
    size: int,
    slots: Integers,
    candidates: Indices,
    found: Indices,
    points: Floats,
    depth: Floats,
    features: Bytes,
    first: int,
) -> None:
    """What the painter is told of the parts themselves, at every second pixel or fewer.

    Args:
        pixels, size, slots, candidates, found, points: see `compose`.
        depth: (L,) of the parts, in units of the spine.
        features: (H, H, ...), H a multiple of C: channel `first` + l becomes the whole alpha of
            part l, and the one after the last 128 + 64 times the mean depth of what is seen.
        first: the channel.
    """
    total = len(slots)
    cells = len(found)
    cell = len(features) // cells
    zero: Single = np.float32(0)
    half: Single = np.float32(0.5)
    full: Single = np.float32(255)
    share: Single = np.float32(1 / cell)
    line = 5 * size
    seen = np.empty(total, np.float32)
    extra = np.empty(total, np.float32)
    for row in range(cells):
        for column in range(cells):
            here = found[row, column]
            who = candidates[row, column]
            for y in range(row * cell, (row + 1) * cell):
                down: Single = (np.float32(y - row * cell) + half) * share
                for x in range(column * cell, (column + 1) * cell):
                    across: Single = (np.float32(x - column * cell) + half) * share
                    features[y, x, first : first + total] = 0
                    features[y, x, first + total] = 128
                    if here == 0:
                        continue
                    room = full
                    for k in range(here):
                        part = np.int64(who[k])
                        u = _between(points[part], row, column, 0, across, down) - half
                        v = _between(points[part], row, column, 1, across, down) - half
                        p0, fx, fy = _locate(u, v, size)
                        p0 += slots[part] * size * line
                        drawn = _sample(pixels, p0 + 3, line, fx, fy)
                        whole = _sample(pixels, p0 + 4, line, fx, fy)
                        features[y, x, first + part] = np.uint8(whole + half)
                        seen[k] = min(drawn, room)
                        extra[k] = max(whole - drawn, zero)
                        room -= seen[k]
                    mean = zero
                    for k in range(here):
                        taken = min(extra[k], room)
                        room -= taken
                        mean += (seen[k] + taken) * depth[who[k]]
                    signed = np.float32(128.5) + np.float32(64 / 255) * mean
                    features[y, x, first + total] = np.uint8(min(max(signed, zero), full))

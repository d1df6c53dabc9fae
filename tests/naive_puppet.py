"""Slow, obvious twins of the puppet's Numba kernels, see `tests.naive`."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bilinear(picture: Floats, x: Floats, y: Floats) -> Floats:
    """An (H, W, C) picture at px, where pixel centres are at .5; beyond them as at the last."""
    height, width = picture.shape[:2]
    u, v = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = np.minimum(u.astype(int), width - 2), np.minimum(v.astype(int), height - 2)
    fx, fy = (u - left)[..., None], (v - top)[..., None]
    upper = picture[top, left] * (1 - fx) + picture[top, left + 1] * fx
    lower = picture[top + 1, left] * (1 - fx) + picture[top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy


def spread(grid: Floats, size: int) -> Floats:
    """Values at the corners of C x C cells, at every pixel's centre: bilinear in each cell."""
    step = size / (len(grid) - 1)
    y, x = (np.mgrid[:size, :size] + 0.5) / step
    return bilinear(grid, x + 0.5, y + 0.5)


def detail(pixels: NDArray[np.uint8]) -> Floats:
    """(N, S, S): how much brighter a pixel is than its four neighbours, in half levels each."""
    luma = pixels[..., :3] @ np.array([2.0, 5.0, 1.0])
    found = np.zeros(luma.shape)
    inner = np.ones(luma.shape, bool)
    for axis in (1, 2):
        for step in (-1, 1):
            found += luma - np.roll(luma, step, axis)
            inner &= np.roll(pixels[..., 4], step, axis) > 0
    inner &= pixels[..., 4] > 0
    inner[:, [0, -1]] = inner[:, :, [0, -1]] = False
    return np.floor(found / 16).clip(-127, 127) * inner


def colours(pixels: NDArray[np.uint8], lost: Floats, x: Floats, y: Floats) -> Floats:
    """(H, W, 3) of pixels (S, S, 5) at px, with the brightness `lost` (S, S) between pixels."""
    last = len(pixels) - 1
    u, v = np.clip(x - 0.5, 0, last), np.clip(y - 0.5, 0, last)
    fx, fy = (w - np.minimum(np.floor(w), last - 1) for w in (u, v))
    between = 0.5 * (fx * (1 - fx) + fy * (1 - fy))
    more = bilinear(lost[..., None], x, y) * between[..., None]
    return (bilinear(pixels.astype(float)[..., :3], x, y) + more).clip(0, 255)


def compose(
    pixels: NDArray[np.uint8],
    slots: NDArray[np.int64],
    order: NDArray[np.int64],
    points: NDArray[np.float32],
    slide: NDArray[np.float32],
    factors: Floats | None = None,
) -> tuple[Floats, Floats]:
    """The premultiplied picture (S, S, 4) and what of it is painted in (S, S), 0 to 255."""
    size = pixels.shape[1]
    lost = detail(pixels)
    room = np.full((size, size), 255.0)
    picture, new = np.zeros((size, size, 4)), np.zeros((size, size))
    extras = []
    for part in order:
        where = spread(points[part].astype(float), size)
        aside = spread(slide.astype(float), size) if part == 0 else 0
        source = pixels[slots[part]].astype(float)
        drawn, whole = np.moveaxis(bilinear(source, where[..., 0], where[..., 1])[..., 3:], 2, 0)
        if factors is not None:
            drawn = np.minimum(drawn * factors[..., part], 255)
            whole = np.minimum(whole * factors[..., part], 255)
        where = where + aside
        colour = colours(pixels[slots[part]], lost[slots[part]], where[..., 0], where[..., 1])
        taken = np.minimum(drawn, room)
        room = room - taken
        picture[..., :3] += taken[..., None] * colour / 255
        extras.append((whole - drawn, colour))
    for extra, colour in extras:
        taken = np.minimum(extra.clip(0), room)
        room = room - taken
        new += taken
        picture[..., :3] += taken[..., None] * colour / 255
    picture[..., 3] = 255 - room
    return picture, new

"""Slow, obvious twins of the kernels and operators of the pose networks."""

import math

import numpy as np
from numpy.typing import NDArray


def crop(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], replicate: bool, size: int
) -> NDArray[np.uint8]:
    """Twin of `crop`: bilinear at places rounded to 1/32 px, on a picture that never ends."""
    height, width = image.shape[:2]

    def pixel(x: int, y: int) -> NDArray[np.float64]:
        inside = 0 <= x < width and 0 <= y < height
        if not inside and not replicate:
            return np.zeros(3)
        column, row = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
        return image[row, column].astype(np.float64)

    out = np.zeros((size, size, 3), np.uint8)
    for v, u in np.ndindex(size, size):
        x, y = np.rint(matrix @ [u, v, 1] * 32) / 32
        x0, y0 = math.floor(x), math.floor(y)
        a, b = x - x0, y - y0
        mixed = (1 - b) * ((1 - a) * pixel(x0, y0) + a * pixel(x0 + 1, y0))
        mixed += b * ((1 - a) * pixel(x0, y0 + 1) + a * pixel(x0 + 1, y0 + 1))
        out[v, u] = np.floor(mixed + 0.5)
    return out


def refine(
    points: NDArray[np.float32], heatmap: NDArray[np.float32], reach: int, confidence: float
) -> NDArray[np.float64]:
    """Twin of `refine`: the mean of all cells, those outside the window weighing nothing."""
    refined = points.astype(np.float64)
    height, width = heatmap.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    for k, (x, y) in enumerate(points):
        if not np.isfinite([x, y]).all():
            continue
        column, row = int(x * np.float32(width)), int(y * np.float32(height))
        if not (0 <= column < width and 0 <= row < height + reach):
            continue
        if x * width <= -1 or y * height <= -1:
            continue
        near = (abs(rows - row) <= reach) & (abs(columns - column) <= reach)
        weights = near / (1 + np.exp(-heatmap[k].astype(np.float64)))
        if weights.max() >= confidence:
            refined[k] = [
                (weights * columns).sum() / weights.sum() / width,
                (weights * rows).sum() / weights.sum() / height,
            ]
    return refined


def convolution(
    picture: NDArray[np.float64],
    kernel: NDArray[np.float64],
    bias: NDArray[np.float64],
    stride: int,
    depthwise: bool = False,
) -> NDArray[np.float64]:
    """(H, W, C) with an (O, kh, kw, C) kernel, or a depthwise (1, kh, kw, C), "same" padding.

    As TensorFlow's documentation has it: ceil(size / stride) windows, and of an odd number of
    zeros the extra one is below and to the right.
    """
    size = np.array(picture.shape[:2])
    window = np.array(kernel.shape[1:3])
    count = -(-size // stride)
    total = np.maximum((count - 1) * stride + window - size, 0)
    before = total // 2
    padded = np.zeros((*(size + total), picture.shape[2]))
    padded[before[0] : before[0] + size[0], before[1] : before[1] + size[1]] = picture
    channels = kernel.shape[3] if depthwise else kernel.shape[0]
    out = np.zeros((*count, channels))
    for y, x in np.ndindex(*count):
        seen = padded[y * stride :, x * stride :][: window[0], : window[1]]
        if depthwise:
            out[y, x] = (seen * kernel[0]).sum(axis=(0, 1)) + bias
        else:
            out[y, x] = (kernel * seen).sum(axis=(1, 2, 3)) + bias
    return out


def enlarge(picture: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    """(H, W, C) bilinearly, with pixel centres at halves and the border repeated."""
    height, width, channels = picture.shape
    out = np.zeros((height * factor, width * factor, channels))
    for v, u in np.ndindex(*out.shape[:2]):
        y = min(max((v + 0.5) / factor - 0.5, 0), height - 1)
        x = min(max((u + 0.5) / factor - 0.5, 0), width - 1)
        y0, x0 = math.floor(y), math.floor(x)
        y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
        upper = (1 - (x - x0)) * picture[y0, x0] + (x - x0) * picture[y0, x1]
        lower = (1 - (x - x0)) * picture[y1, x0] + (x - x0) * picture[y1, x1]
        out[v, u] = (1 - (y - y0)) * upper + (y - y0) * lower
    return out

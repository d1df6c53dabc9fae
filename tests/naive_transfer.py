"""Slow, obvious twins of the maps and blocks of the methods that transfer poses."""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def heatmap(x: float, y: float, sigma: float, size: int) -> Array:
    """A Gaussian about one joint, pixel by pixel."""
    out = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            squared = (column + 0.5 - x) ** 2 + (row + 0.5 - y) ** 2
            out[row, column] = math.exp(-squared / (2 * sigma**2))
    return out


def pose_attention(image: Array, changed: Array, pose: Array) -> tuple[Array, Array]:
    """Zhu 2019, section 3.1.2, from what the convolutions gave: all (C, H, W)."""
    out = np.zeros_like(image)
    channels, height, width = image.shape
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                mask = 1 / (1 + math.exp(-pose[c, i, j]))
                out[c, i, j] = image[c, i, j] + mask * changed[c, i, j]
    return out, np.concatenate([pose, out])


def cross_attention(x: Array, query: Array, key: Array, value: Array, weight: float) -> Array:
    """x (C, P) and what each place attends to: a weighted mean of `value` (C, P) over places."""
    places = x.shape[1]
    out = np.zeros_like(x)
    for i in range(places):
        scores = [math.exp(float(query[:, i] @ key[:, j])) for j in range(places)]
        mean = sum(s * value[:, j] for j, s in enumerate(scores)) / sum(scores)
        out[:, i] = x[:, i] + weight * mean
    return out


def co_attention(logits: Array, candidates: Array) -> Array:
    """Logits (K, H, W) choose among candidates (K, C, H, W), pixel by pixel."""
    count, channels, height, width = candidates.shape
    out = np.zeros((channels, height, width))
    for i in range(height):
        for j in range(width):
            scores = [math.exp(logits[k, i, j]) for k in range(count)]
            for k in range(count):
                out[:, i, j] += scores[k] / sum(scores) * candidates[k, :, i, j]
    return out

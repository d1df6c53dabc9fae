"""Numba kernel that refines landmarks by their heatmaps."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit("void(float32[:, ::1], float32[:, :, ::1], int64, float64)", cache=True, nogil=True)
def refine(
    points: NDArray[np.float32], heatmap: NDArray[np.float32], reach: int, confidence: float
) -> None:
    """Move each point to the centre of mass of its heatmap around it, where that is confident.

    Args:
        points: (K, 2) in [0, 1] of the crop; changed in place.
        heatmap: (K, H, W) before the sigmoid.
        reach: the window has 2 * reach + 1 cells a side, less at the border.
        confidence: the least peak, after the sigmoid, that moves a point.
    """
    height, width = heatmap.shape[1:]
    for k in range(points.shape[0]):
        x, y = points[k, 0] * np.float32(width), points[k, 1] * np.float32(height)
        # NaN fails every comparison; cells are cut off toward zero, as MediaPipe does.
        if not (-1 < x < width and -1 < y < height + reach):
            continue
        column, row = int(x), int(y)
        total = peak = across = down = 0.0
        for r in range(max(row - reach, 0), min(row + reach + 1, height)):
            for c in range(max(column - reach, 0), min(column + reach + 1, width)):
                weight = 1.0 / (1.0 + np.exp(-heatmap[k, r, c]))
                total += weight
                peak = max(peak, weight)
                across += weight * c
                down += weight * r
        if peak >= confidence and total > 0:
            points[k, 0] = across / total / width
            points[k, 1] = down / total / height

"""Keypoints from heatmaps, finer than their grid.

Cell (row i, column j) of a heatmap of stride s is the s x s pixels whose centre is
((j + 1/2) s, (i + 1/2) s) in image coordinates.
"""

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-4  # below it a logarithm tells of noise


def decode(heatmaps: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    """The place and height of each heatmap's peak.

    Around the peak a Gaussian is fitted in closed form, by a step of Newton's method on the
    heatmap's logarithm (Zhang et al. 2020, "Distribution-aware coordinate representation", eq. 9),
    taken for x and y apart, as the targets are round. A peak on the border is not refined across
    the border.

    Args:
        heatmaps: (K, H, W), 0 nowhere near to 1 at the keypoint.
        stride: pixels of the picture in a cell.

    Returns:
        (K, 3): x and y in pixels of the picture, and the peak's height in [0, 1].
    """
    count, height, width = heatmaps.shape
    flat = heatmaps.reshape(count, -1)
    at = flat.argmax(axis=1)
    rows, columns = at // width, at % width
    k = np.arange(count)
    middle = np.log(np.maximum(flat[k, at], _LEAST))

    def refined(here: NDArray[np.intp], limit: int, along_x: bool) -> NDArray[np.float32]:
        inside = (here > 0) & (here < limit - 1)
        before, after = np.clip(here - 1, 0, limit - 1), np.clip(here + 1, 0, limit - 1)
        if along_x:
            lower, upper = heatmaps[k, rows, before], heatmaps[k, rows, after]
        else:
            lower, upper = heatmaps[k, before, columns], heatmaps[k, after, columns]
        lower = np.log(np.maximum(lower, _LEAST))
        upper = np.log(np.maximum(upper, _LEAST))
        slope, curve = 0.5 * (upper - lower), upper + lower - 2 * middle
        step = np.where(inside & (curve < -1e-6), -slope / np.minimum(curve, -1e-6), 0.0)
        return np.asarray(here + 0.5 + np.clip(step, -0.5, 0.5), np.float32)

    x = refined(columns, width, True) * stride
    y = refined(rows, height, False) * stride
    score = np.clip(flat[k, at], 0.0, 1.0)
    return np.stack([x, y, score.astype(np.float32)], axis=1).astype(np.float32)

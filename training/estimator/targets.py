"""Heatmaps that the network learns, and its loss."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

STRIDE = 8
SIGMA_CELLS = 1.25
"""Width of a keypoint's Gaussian: ten pixels of the picture."""


def encode(
    points: NDArray[np.floating], shape_hw: tuple[int, int], stride: int = STRIDE
) -> NDArray[np.float32]:
    """(K, 2) keypoints in pixels as heatmaps (K, H/stride, W/stride) in [0, 1].

    A keypoint outside the picture, or not a number, has an empty heatmap: its confidence is 0.
    """
    rows, columns = shape_hw[0] // stride, shape_hw[1] // stride
    x = points[:, 0, None] / stride - (np.arange(columns) + 0.5)
    y = points[:, 1, None] / stride - (np.arange(rows) + 0.5)
    gaussian_x, gaussian_y = (np.exp(-0.5 * (d / SIGMA_CELLS) ** 2) for d in (x, y))
    heatmaps = gaussian_y[:, :, None] * gaussian_x[:, None, :]
    heatmaps[~in_picture(points, shape_hw)] = 0.0
    return heatmaps.astype(np.float32)


def in_picture(points: NDArray[np.floating], shape_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """(K,) which keypoints (K, 2) lie within a picture."""
    limits = np.array(shape_hw[::-1])
    with np.errstate(invalid="ignore"):
        return np.asarray(((points >= 0) & (points < limits)).all(axis=-1))


def heatmap_loss(stages: list[Tensor], truth: Tensor, weight: Tensor) -> Tensor:
    """Equation 12 of Tan, for each stage, summed over the stages and averaged over the batch.

    Args:
        stages: heatmaps (B, N, H, W) of each stage.
        truth: (B, N, H, W).
        weight: (B, N), 1 for a keypoint that can be seen, less for one that must be guessed.
    """
    each = [((stage - truth) ** 2).sum(dim=(2, 3)) for stage in stages]
    return (torch.stack(each).sum(dim=0) * weight).mean()

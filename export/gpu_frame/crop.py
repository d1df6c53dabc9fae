"""Cutting rotated squares out of a picture, and making a large picture small, in torch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_FAR = float(1 << 26)  # outside any picture, and small enough for whole numbers


class Crop(nn.Module):
    """A rotated square of a picture: `engine.pose._kernels_crop.crop`, to the byte.

    Args:
        size: of the crop, px.
        replicate: repeat the picture's border outside it; else black.
    """

    steps: Tensor

    def __init__(self, size: int, *, replicate: bool) -> None:
        super().__init__()
        self.register_buffer("steps", torch.arange(size, dtype=torch.float64))
        self._replicate = replicate

    def forward(self, image: Tensor, matrix: Tensor) -> Tensor:
        """(1, S, S, 3) uint8.

        Args:
            image: (H, W, 3) uint8.
            matrix: (2, 3) float64 from the crop's pixels (column, row) to the picture's.
        """
        height, width = image.shape[:2]
        start = matrix[:, 1:2] * self.steps + matrix[:, 2:]  # (2, rows)
        at = (matrix[:, :1] * self.steps)[:, None] + start[:, :, None]  # (2, rows, columns)
        fine = torch.nan_to_num((at * 32).round(), nan=-_FAR).clamp(-_FAR, _FAR).to(torch.int64)
        part, whole = fine & 31, fine >> 5
        flat = image.reshape(-1, 3)
        total: Tensor | float = 0.0
        # Whole numbers under 2**24: float32 is exact.
        for dy in range(2):
            for dx in range(2):
                x, y = whole[0] + dx, whole[1] + dy
                weight = (part[0] if dx else 32 - part[0]) * (part[1] if dy else 32 - part[1])
                inside_x, inside_y = x.clamp(0, width - 1), y.clamp(0, height - 1)
                if not self._replicate:
                    weight = weight * ((x == inside_x) & (y == inside_y))
                total = total + flat[inside_y * width + inside_x] * weight[..., None].float()
        assert isinstance(total, Tensor)
        return torch.floor((total + 512) / 1024).to(torch.uint8)[None]


def crop_matrix(region: Tensor, size: int) -> Tensor:
    """(2, 3) from pixels of a crop to those of the picture: `engine.pose.region.Region.from_crop`.

    Args:
        region: (4,) x, y of the centre and side, px; rotation, rad.
        size: of the crop, px; 1 for places in [0, 1].
    """
    x, y, side, rotation = region.unbind()
    cos, sin = torch.cos(rotation), torch.sin(rotation)
    step, half = side / size, side / 2
    rows = (
        cos * step, -sin * step, x - (cos - sin) * half,
        sin * step, cos * step, y - (sin + cos) * half,
    )  # fmt: skip
    return torch.stack(rows).reshape(2, 3)


class Shrink(nn.Module):
    """A picture made smaller by the mean over areas, as `engine.pose.shrink` has it of OpenCV.

    Args:
        given_hw, made_hw: sizes before and after, px; not larger.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, given_hw: tuple[int, int], made_hw: tuple[int, int]) -> None:
        super().__init__()
        for name, given, made in zip(("rows", "columns"), given_hw, made_hw, strict=True):
            self.register_buffer(name, torch.from_numpy(area_weights(given, made)))
        # OpenCV rounds halves to even, but for means of 2 x 2 up.
        self._up = 0.1 if given_hw == (2 * made_hw[0], 2 * made_hw[1]) else 0.0

    def forward(self, image: Tensor) -> Tensor:
        """(h, w, 3) uint8 of (H, W, 3) uint8."""
        narrow = torch.einsum("wW,HWc->Hwc", self.columns, image.float())
        small = torch.einsum("hH,Hwc->hwc", self.rows, narrow)
        return (small + self._up).round().clamp(0, 255).to(torch.uint8)


def area_weights(given: int, made: int) -> NDArray[np.float32]:
    """(made, given): how much each pixel counts in one that is given / made as wide."""
    scale = given / made
    left = np.arange(made)[:, None] * scale
    pixel = np.arange(given)
    shared = np.minimum(left + scale, pixel + 1) - np.maximum(left, pixel)
    return (np.maximum(shared, 0) / scale).astype(np.float32)

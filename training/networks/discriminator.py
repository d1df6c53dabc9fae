"""The few-shot paper's discriminator (Wang 2024, section 3.2): Pix2Pix's, on patches."""

import torch
from torch import Tensor, nn

from training.networks.spectral import spectral_norm


class PatchDiscriminator(nn.Module):
    """D(x, y): is picture y, in pose x, drawn or generated? One logit per patch.

    Four 4x4 convolutions as in section 3.2; (B, 3, S, S) poses and (B, C, S, S) pictures give
    (B, 1, S/8 - 1, S/8 - 1) logits.
    """

    def __init__(self, image_channels: int = 4, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        last = 3 + image_channels
        for channels in (width, 2 * width, 4 * width):
            layers += [nn.Conv2d(last, channels, 4, 2, 1), nn.LeakyReLU(0.2)]
            last = channels
        layers.append(nn.Conv2d(last, 1, 4, 1, 1))
        for layer in layers[::2]:
            spectral_norm(layer)
        self.layers = nn.Sequential(*layers)

    def forward(self, pose_image: Tensor, picture: Tensor) -> Tensor:
        return self.layers(torch.cat([pose_image, picture], dim=1))

"""Losses of the few-shot paper (Wang 2024, section 3.3, equations 3 to 10)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.networks.efficientnet import Backbone

L1_WEIGHT = 75.0  # lambda_l, section 5.1
PERCEPTUAL_WEIGHT = 0.5  # lambda_p, section 5.1


def over(picture: Tensor, background: Tensor) -> Tensor:
    """Premultiplied RGBA (B, 4, H, W) over an RGB colour (B, 3, 1, 1): (B, 3, H, W)."""
    return picture[:, :3] + background * (1 - picture[:, 3:])


class Perceptual(Backbone):
    """L1 distance of feature maps of a pretrained network (equations 5 and 10).

    The network is EfficientNet-Lite0, cut after `blocks` blocks. The maps are compared that the
    stem and each of the blocks make.
    """

    def __init__(self, blocks: int = 6) -> None:
        super().__init__(blocks, pretrained=True)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Perceptual":
        """Stays in evaluation mode: its batch statistics are part of the measure."""
        return super().train(False)

    def features(self, rgb: Tensor) -> list[Tensor]:
        """Feature maps of RGB pictures (B, 3, H, W) in [0, 1]."""
        x = self.stem(self.normal(rgb))
        maps = [x]
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def forward(self, generated: Tensor, truth: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.features(truth)
        losses = [
            (a - b).abs().mean() / b.abs().mean().clamp_min(1e-6)
            for a, b in zip(self.features(generated), wanted, strict=True)
        ]
        return torch.stack(losses).sum()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Binary cross-entropy, the negative of equation 3 (and 8) as the discriminator sees it."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_gan_loss(fake_logits: Tensor) -> Tensor:
    """The non-saturating form of equation 3 (and 8) for the generator (Goodfellow 2014)."""
    return F.softplus(-fake_logits).mean()

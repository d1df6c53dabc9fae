"""Pix2Pix (Isola et al. 2017): a U-Net from condition to picture, judged on patches.

The condition is the drawn target pose and the source picture, the two that Wang 2024 gives every
generator (section 3.1).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.fewshot.baselines.layers import initialise, leaky
from training.fewshot.baselines.objective import (
    Objective,
    Parts,
    Transfer,
    fake_loss,
    real_loss,
    signed,
    unsigned,
)
from training.fewshot.inputs import Inputs
from training.fewshot.method import like
from training.fewshot.objective import frozen

L1_WEIGHT = 100.0  # lambda, section 4.1
MAX_HALVINGS = 8  # 256 pixels to one, section 6.1.1


def condition(inputs: Inputs, channels: int) -> Tensor:
    """(B, 3 + channels, S, S) in [-1, 1]: the target pose and the source picture."""
    return signed(torch.cat([inputs.pose, like(inputs.source, channels)], dim=1))


def halvings(size: int) -> int:
    """How often a U-Net halves pictures of this size: to one pixel, or while it comes out even."""
    count = 0
    while count < MAX_HALVINGS and size % 2 == 0:
        size, count = size // 2, count + 1
    return count


class _Level(nn.Module):
    """One level of a U-Net: down, the level within, up, and the skip around all of it."""

    def __init__(
        self, channels: int, inner_channels: int, inner: nn.Module | None, dropout: bool
    ) -> None:
        super().__init__()
        # The innermost level is not normalised: instance norm of one pixel is 0 (errata).
        self.down = nn.Sequential(
            leaky(), nn.Conv2d(channels, inner_channels, 4, 2, 1, bias=inner is None)
        )
        if inner is not None:
            self.down.append(nn.InstanceNorm2d(inner_channels, affine=True))
        self.inner = inner
        joined = inner_channels * (1 if inner is None else 2)
        self.up = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(joined, channels, 4, 2, 1, bias=False),
            nn.InstanceNorm2d(channels, affine=True),
        )
        self.dropout = dropout

    def forward(self, x: Tensor, noise: bool) -> Tensor:
        y = self.down(x)
        if self.inner is not None:
            y = self.inner(y, noise)
        y = self.up(y)
        if self.dropout:
            y = F.dropout(y, 0.5, noise)
        return torch.cat([x, y], dim=1)


class Pix2Pix(Transfer):
    """The U-Net of section 6.1.1: C64-C128-C256-C512-C512-C512-C512-C512 and back, with skips.

    Normalisation is the paper's at a batch of one, instance normalisation, at any batch: its batch
    normalisation uses the test batch's own statistics (section 3.3), and what a picture looks like
    would hang on its neighbours.

    Args:
        noise_at_test: keep dropout in evaluation mode, as the paper does for its only noise
            (section 3.3). Off by default: a video would flicker with it.
    """

    def __init__(
        self, size: int = 256, image_channels: int = 3, width: int = 64, *,
        noise_at_test: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(size, image_channels)
        self.noise_at_test = noise_at_test
        widths = [width * min(2**i, 8) for i in range(halvings(size))]
        level: nn.Module | None = None
        for depth in reversed(range(1, len(widths))):
            # On the way up the three innermost levels have dropout: CD512-CD1024-CD1024.
            level = _Level(widths[depth - 1], widths[depth], level, depth >= len(widths) - 3)
        self.first = nn.Conv2d(3 + image_channels, width, 4, 2, 1)
        self.inner = level
        self.last = nn.Sequential(
            nn.ReLU(), nn.ConvTranspose2d(2 * width, image_channels, 4, 2, 1), nn.Tanh()
        )
        initialise(self)

    def forward(self, inputs: Inputs) -> Tensor:
        noise = self.training or self.noise_at_test
        x = self.first(condition(inputs, self.image_channels))
        return unsigned(self.last(self.inner(x, noise) if self.inner is not None else x))


class PatchGAN(nn.Module):
    """C64-C128-C256-C512 and a verdict on every 70 x 70 patch (section 6.1.2), as logits."""

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), leaky()]
        for i, stride in enumerate((2, 2, 1)):
            last, wider = width * 2**i, width * 2 ** (i + 1)
            layers += [
                nn.Conv2d(last, wider, 4, stride, 1, bias=False),
                nn.InstanceNorm2d(wider, affine=True), leaky(),
            ]  # fmt: skip
        self.layers = nn.Sequential(*layers, nn.Conv2d(width * 8, 1, 4, 1, 1))
        initialise(self)

    def forward(self, condition: Tensor, picture: Tensor) -> Tensor:
        return self.layers(torch.cat([condition, picture], dim=1))


class Pix2PixObjective(Objective):
    """Conditional GAN and L1 (section 3.1, equations 1, 3 and 4)."""

    def __init__(self, size: int = 256, image_channels: int = 3, width: int = 64) -> None:
        super().__init__(image_channels)
        self.discriminator = PatchGAN(3 + 2 * image_channels, width)

    def generator_loss(self, inputs: Inputs, truth: Tensor, made: Tensor) -> tuple[Tensor, Parts]:
        given = condition(inputs, self.image_channels)
        with frozen(self.discriminator):
            gan = real_loss(self.discriminator(given, self.seen(made)))
        l1 = (self.seen(made) - self.seen(truth)).abs().mean()
        return gan + L1_WEIGHT * l1, {"gan": gan.detach(), "l1": l1.detach()}

    def discriminator_loss(
        self, inputs: Inputs, truth: Tensor, made: Tensor
    ) -> tuple[Tensor, Parts]:
        given = condition(inputs, self.image_channels)
        real = real_loss(self.discriminator(given, self.seen(truth)))
        fake = fake_loss(self.discriminator(given, self.seen(made.detach())))
        loss = (real + fake) / 2  # halved, so that it learns more slowly (section 3.3)
        return loss, {"critic": loss.detach()}

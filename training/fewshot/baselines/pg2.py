"""PG2 (Ma et al. 2017): a coarse picture in the pose, then what is missing from it.

Stage one draws the source in the target pose with L1 alone; stage two adds a difference map to that
picture, which no longer changes, and is judged by a discriminator.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.fewshot.baselines.layers import leaky
from training.fewshot.baselines.objective import (
    Objective,
    Parts,
    Transfer,
    fake_loss,
    real_loss,
    signed,
)
from training.fewshot.inputs import Inputs
from training.fewshot.keypoints import body_mask, discs
from training.fewshot.method import like
from training.fewshot.objective import frozen

L1_WEIGHT = 50.0  # lambda of section 3.2; its value at 256 x 256 in the released code
STAGE_ONE = 30 / 50  # 30k steps, then 20k, on DeepFashion (section 4.2)
BOTTLENECK = 64  # units, section 3.1 and released code
SMALLEST = 8  # pixels before the fully connected bottleneck, released code

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def levels(size: int) -> int:
    """Resolutions of stage one: six at 256, two fewer in stage two (section 3.3)."""
    count = 1
    while size % 2 == 0 and size // 2 >= SMALLEST:
        size, count = size // 2, count + 1
    return count


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2)
    return nn.Sequential(_xavier(conv), nn.ReLU())


def _xavier(layer: Layer) -> Layer:
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class _Residual(nn.Module):
    """x and two convolutions of it, each with its ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_conv(channels, channels), _conv(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def _descend(x: Tensor, blocks: nn.ModuleList, halve: nn.ModuleList) -> list[Tensor]:
    """What each level of a U-Net's way down gives, the finest first."""
    across = [blocks[0](x)]
    for block, down in zip(list(blocks)[1:], halve, strict=True):
        across.append(block(down(across[-1])))
    return across


class Coarse(nn.Module):
    """G1: a U-Net of residual blocks with a fully connected bottleneck (section 3.1, figure 2).

    Level i, from 1, has i * width channels.
    """

    def __init__(self, channels: int, out_channels: int, size: int, width: int) -> None:
        super().__init__()
        count = levels(size)
        self.small = size >> (count - 1)
        self.width = width
        widths = [width * (i + 1) for i in range(count)]
        self.first = _conv(channels, width)
        self.down = nn.ModuleList(_Residual(w) for w in widths)
        self.halve = nn.ModuleList(_conv(w, w + width, 3, 2) for w in widths[:-1])
        area = self.small**2
        self.narrow = _xavier(nn.Linear(widths[-1] * area, BOTTLENECK))
        self.widen = _xavier(nn.Linear(BOTTLENECK, width * area))
        # What comes up has `width` channels at the bottom and else as many as what comes across.
        joined = [2 * w for w in widths[:-1]] + [width + widths[-1]]
        self.up = nn.ModuleList(_Residual(w) for w in joined)
        self.enlarge = nn.ModuleList(_conv(joined[i + 1], widths[i], 1) for i in range(count - 1))
        self.last = _xavier(nn.Conv2d(joined[0], out_channels, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        across = _descend(self.first(x), self.down, self.halve)
        code = self.narrow(across[-1].flatten(1))
        x = self.widen(code).unflatten(1, (self.width, self.small, self.small))
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([x, across[i]], dim=1))
            if i:
                x = self.enlarge[i - 1](F.interpolate(x, scale_factor=2, mode="nearest"))
        return self.last(x)


class Refine(nn.Module):
    """G2: a U-Net without a bottleneck that gives the difference map (section 3.2)."""

    def __init__(self, channels: int, out_channels: int, count: int, width: int) -> None:
        super().__init__()
        widths = [width * (i + 1) for i in range(count)]
        self.first = _conv(channels, width)
        self.down = nn.ModuleList(
            nn.Sequential(_conv(last, w), _conv(w, w))
            for last, w in zip([width, *widths], widths, strict=False)
        )
        self.halve = nn.ModuleList(_conv(w, w, 3, 2) for w in widths[:-1])
        below = [width] * (count - 1) + [widths[-1]]
        self.up = nn.ModuleList(
            nn.Sequential(_conv(b + w, width), _conv(width, width))
            for b, w in zip(below, widths, strict=True)
        )
        self.last = _xavier(nn.Conv2d(width, out_channels, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        across = _descend(self.first(x), self.down, self.halve)
        x = across[-1]
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([x, across[i]], dim=1))
            if i:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return self.last(x)


class PG2(Transfer):
    """Both generators: the first learns, and then, on what that draws, the second.

    While the first learns, training mode gives its picture. Nothing bounds a picture but the losses
    (the paper's last layer is linear); evaluation mode cuts off what is out of range.
    """

    def __init__(self, size: int = 256, image_channels: int = 3, width: int = 128) -> None:
        super().__init__(size, image_channels)
        self.coarse = Coarse(image_channels + 20, image_channels, size, width)
        self.refine = Refine(2 * image_channels, image_channels, max(1, levels(size) - 2), width)

    def advance(self, share: float) -> None:
        """Stage one or two."""
        self.coarse.requires_grad_(share < STAGE_ONE)
        self.refine.requires_grad_(share >= STAGE_ONE)

    def forward(self, inputs: Inputs) -> Tensor:
        source = signed(like(inputs.source, self.image_channels))
        pose = signed(discs(inputs.joints, self.size))
        coarse = self.coarse(torch.cat([source, pose], dim=1))
        if self.training and not self.refine.last.weight.requires_grad:
            return (coarse + 1) / 2
        picture = (coarse + self.refine(torch.cat([coarse, source], dim=1)) + 1) / 2
        return picture if self.training else _within_range(picture)


def _within_range(picture: Tensor) -> Tensor:
    picture = picture.clamp(0, 1)
    if picture.shape[1] == 4:  # premultiplied: no colour exceeds its alpha
        return torch.cat([picture[:, :3].minimum(picture[:, 3:]), picture[:, 3:]], dim=1)
    return picture


class PairDCGAN(nn.Module):
    """DCGAN's discriminator on a pair of pictures (section 3.2): a logit each, (B,).

    Five 5x5 convolutions with stride 2 at 256 x 256 (released code), down to 8 x 8.
    """

    def __init__(self, channels: int, size: int, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 5, 2, 2), leaky()]
        last, size = width, (size + 1) // 2
        while size > SMALLEST:
            wider = min(2 * last, 8 * width)
            layers += [nn.Conv2d(last, wider, 5, 2, 2), nn.BatchNorm2d(wider), leaky()]
            last, size = wider, (size + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(last * size**2, 1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.02)  # Radford 2016, section 4

    def forward(self, source: Tensor, picture: Tensor) -> Tensor:
        return self.layers(torch.cat([source, picture], dim=1)).squeeze(1)


class PG2Objective(Objective):
    """L1 with the pose mask (section 3.1), then also a GAN on pairs (section 3.2)."""

    def __init__(self, size: int = 256, image_channels: int = 3, width: int = 128) -> None:
        super().__init__(image_channels)
        self.discriminator = PairDCGAN(2 * image_channels, size, width // 2)

    def advance(self, share: float) -> None:
        """As `Objective`; RuntimeError where no network would hear of it."""
        if not self._networks:
            raise RuntimeError(
                "PG2 trains in two stages, but its losses follow no network: make both by "
                "`Method.build`, or call `follow`"
            )
        super().advance(share)

    def masked_l1(self, inputs: Inputs, truth: Tensor, made: Tensor) -> Tensor:
        """|| (made - truth) * (1 + M) ||_1 with the mask of the target's body."""
        mask = body_mask(inputs.joints, made.shape[-1])
        error = (self.seen(made) - self.seen(truth)).abs()
        return (error * (1 + mask)).mean()

    def generator_loss(self, inputs: Inputs, truth: Tensor, made: Tensor) -> tuple[Tensor, Parts]:
        l1 = self.masked_l1(inputs, truth, made)
        if self.progress < STAGE_ONE:
            return l1, {"l1": l1.detach()}
        with frozen(self.discriminator):
            gan = real_loss(self.discriminator(self.seen(inputs.source), self.seen(made)))
        return gan + L1_WEIGHT * l1, {"gan": gan.detach(), "l1": l1.detach()}

    def discriminator_loss(
        self, inputs: Inputs, truth: Tensor, made: Tensor
    ) -> tuple[Tensor, Parts] | None:
        if self.progress < STAGE_ONE:
            return None
        source = self.seen(inputs.source)
        real = real_loss(self.discriminator(source, self.seen(truth)))
        fake = fake_loss(self.discriminator(source, self.seen(made.detach())))
        loss = real + fake
        return loss, {"critic": loss.detach()}

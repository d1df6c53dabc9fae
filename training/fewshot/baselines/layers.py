"""Blocks that PATN and XingGAN share: encoder, decoder and discriminator of Johnson et al. 2016."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Activation = Callable[[], nn.Module]


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def initialise(module: nn.Module, deviation: float = 0.02) -> None:
    """Weights of convolutions from N(0, 0.02), biases 0 (Isola 2017, section 6.2, and after it)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(part.weight, 0.0, deviation)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def reflected(channels_in: int, channels_out: int, kernel: int) -> nn.Conv2d:
    """A convolution that keeps the resolution, padded by reflection."""
    return nn.Conv2d(channels_in, channels_out, kernel, 1, kernel // 2, padding_mode="reflect")


def encoder(
    channels: int, width: int, halvings: int = 2, activation: Activation = nn.ReLU
) -> nn.Sequential:
    """(B, channels, S, S) to (B, width 2^halvings, S / 2^halvings, S / 2^halvings)."""
    layers: list[nn.Module] = [
        reflected(channels, width, 7), nn.InstanceNorm2d(width), activation(),
    ]  # fmt: skip
    for i in range(halvings):
        last, width_next = width * 2**i, width * 2 ** (i + 1)
        layers += [
            nn.Conv2d(last, width_next, 3, 2, 1), nn.InstanceNorm2d(width_next), activation(),
        ]  # fmt: skip
    return nn.Sequential(*layers)


def decoder(width: int, channels: int, halvings: int = 2) -> nn.Sequential:
    """The way back from an `encoder` of the same width: (B, channels, S, S) in [-1, 1]."""
    layers: list[nn.Module] = []
    for i in reversed(range(halvings)):
        last, width_next = width * 2 ** (i + 1), width * 2**i
        layers += [
            nn.ConvTranspose2d(last, width_next, 3, 2, 1, output_padding=1),
            nn.InstanceNorm2d(width_next), nn.ReLU(),
        ]  # fmt: skip
    return nn.Sequential(*layers, reflected(width, channels, 7), nn.Tanh())


def two_convolutions(
    channels: int, channels_out: int, *, activation: Activation = nn.ReLU,
    dropout: float = 0.0, last_norm: bool = True,
) -> nn.Sequential:  # fmt: skip
    """Convolution, norm, activation, dropout, convolution and, where it is to have one, norm."""
    layers: list[nn.Module] = [
        reflected(channels, channels, 3), nn.InstanceNorm2d(channels), activation(),
        nn.Dropout(dropout), reflected(channels, channels_out, 3),
    ]  # fmt: skip
    if last_norm:
        layers.append(nn.InstanceNorm2d(channels_out))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """x + conv(conv(x))."""

    def __init__(self, channels: int, activation: Activation = nn.ReLU) -> None:
        super().__init__()
        self.branch = two_convolutions(channels, channels, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


class PairDiscriminator(nn.Module):
    """Do a picture and what it goes with belong together? (Zhu 2019, section 3.2).

    An encoder and three residual blocks. As in the authors' code every one of the last block's
    (B, 4 width, S/4, S/4) values is a verdict, here a logit. Leaky slopes of 0.2 as in Zhu 2019,
    section 4.
    """

    def __init__(self, channels: int, width: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            encoder(channels, width, 2, leaky),
            *(Residual(4 * width, leaky) for _ in range(blocks)),
        )
        initialise(self)

    def forward(self, picture: Tensor, partner: Tensor) -> Tensor:
        return self.layers(torch.cat([picture, partner], dim=1))

"""What a method asks of a trainer: losses and discriminators."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.fewshot.episodes import Samples
from training.fewshot.inputs import Inputs
from training.fewshot.method import like

Parts = dict[str, Tensor]
"""Named summands of a loss, before their weights, for the curve; without gradients."""


class Transfer(nn.Module):
    """A network that transfers a pose: `forward(inputs)` gives pictures (B, C, S, S) in [0, 1].

    C is 3, RGB on white, or 4, premultiplied RGBA.
    """

    def __init__(self, size: int, image_channels: int) -> None:
        super().__init__()
        if image_channels not in (3, 4):
            raise ValueError(
                f"pictures have 3 channels (RGB on white) or 4 (RGBA), not {image_channels}"
            )
        if size < 16 or size % 16:
            raise ValueError(f"size {size} is not a multiple of 16")
        self.size = size
        self.image_channels = image_channels

    def advance(self, share: float) -> None:
        """Told by its objective how much of the training is done, in [0, 1], before every step.

        A method that trains in stages lets those parameters require gradients that are to learn.
        """

    def forward(self, inputs: Inputs) -> Tensor:
        raise NotImplementedError


class Objective(nn.Module):
    """The losses of a method, and the discriminators that it trains beside its network.

    `truth` is what `Inputs.of` gives, premultiplied RGBA; `made` is what the network gave for
    `inputs` in training mode. Its parameters that require gradients are the discriminators'.
    """

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        self.image_channels = image_channels
        self.progress = 1.0
        self._networks: tuple[Transfer, ...] = ()  # a tuple, so that they are no parts of this

    def follow(self, network: Transfer) -> None:
        """Pass on to a network what `advance` tells."""
        self._networks += (network,)

    def advance(self, share: float) -> None:
        """Told how much of the training is done, in [0, 1]; a trainer's first act in every step."""
        self.progress = share
        for network in self._networks:
            network.advance(share)

    def generator_loss(self, inputs: Inputs, truth: Tensor, made: Tensor) -> tuple[Tensor, Parts]:
        """The loss that the network is to lower; leaves no gradient in discriminators."""
        raise NotImplementedError

    def discriminator_loss(
        self, inputs: Inputs, truth: Tensor, made: Tensor
    ) -> tuple[Tensor, Parts] | None:
        """The loss of all discriminators, which does not reach the network.

        None where there is nothing to learn (now).
        """
        raise NotImplementedError

    def generator(self, made: Tensor, samples: Samples) -> tuple[Tensor, Parts]:
        """`generator_loss` as the meta-learning trainer asks for it."""
        return self.generator_loss(samples.inputs, samples.truth, made)

    def critic(self, made: Tensor, samples: Samples) -> Tensor | None:
        """`discriminator_loss` as the meta-learning trainer asks for it."""
        found = self.discriminator_loss(samples.inputs, samples.truth, made)
        return None if found is None else found[0]

    def seen(self, picture: Tensor) -> Tensor:
        """A picture as the losses and discriminators see it: the method's channels, in [-1, 1]."""
        return signed(like(picture, self.image_channels))


def real_loss(logits: Tensor) -> Tensor:
    """-log D, the mean over patches: low where a discriminator says "drawn"."""
    return F.softplus(-logits).mean()


def fake_loss(logits: Tensor) -> Tensor:
    """-log(1 - D), the mean over patches: low where a discriminator says "generated"."""
    return F.softplus(logits).mean()


def signed(picture: Tensor) -> Tensor:
    """[0, 1] to [-1, 1], the range in which all four papers weigh their L1."""
    return picture * 2 - 1


def unsigned(values: Tensor) -> Tensor:
    """What a tanh gave, (B, 3 or 4, S, S), to a picture in [0, 1], premultiplied if RGBA."""
    picture = (values.float() + 1) / 2  # bf16 has steps as large as an 8-bit picture's
    if picture.shape[1] == 4:
        alpha = picture[:, 3:]
        return torch.cat([picture[:, :3] * alpha, alpha], dim=1)
    return picture

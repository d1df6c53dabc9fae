"""The losses of both stages (Wang 2024, equations 3 to 10), and the discriminator with them.

A method with losses of its own (the baselines) brings another class with the same three methods.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from training.fewshot.episodes import Samples
from training.fewshot.method import like
from training.losses import (
    L1_WEIGHT,
    PERCEPTUAL_WEIGHT,
    Perceptual,
    discriminator_loss,
    generator_gan_loss,
    over,
)
from training.networks.discriminator import PatchDiscriminator
from training.networks.generator import full

ALPHA_WEIGHT = 10.0
GAN_RISE = 0.05
PATCHES = 16  # in a row: where edges are counted, but not placed
_ENERGY = 1e-4  # of a gradient that counts as none
_TINY, _LEAST = 1e-18, 1e-7  # added to numbers near 0, and to such as are rounded near 1


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the parts of the generator's loss; those of the paper but for alpha's, ours."""

    l1: float = L1_WEIGHT
    perceptual: float = PERCEPTUAL_WEIGHT
    gan: float = 1.0
    alpha: float = ALPHA_WEIGHT
    edges: float = 0.0  # `edge_distance`
    dots: float = 0.0  # `dot_distance`


class Objective(nn.Module):
    """What the trainer asks of a method's losses.

    Its parameters that require gradients belong to the discriminators.
    """

    def advance(self, share: float) -> None:
        """Told before every step how much of the run is done, in [0, 1]."""

    def generator(self, made: Tensor, samples: Samples) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the pictures, and its parts before weighting, for the curve."""
        raise NotImplementedError

    def critic(self, made: Tensor, samples: Samples) -> Tensor | None:
        """The loss of the discriminators on drawn pictures; None where none is training."""
        raise NotImplementedError


class PaperObjective(Objective):
    """L = GAN + 75 L1 + 0.5 perceptual (equations 6 and 7).

    With alpha there is one part more, the cross-entropy of the silhouette: L1 has no gradient where
    the sigmoid is flat, most of a picture is empty, and the generator would learn to draw nothing.
    The perceptual network sees the pictures on the samples' background, random in training, so that
    no background colour hides an edge.

    The discriminator joins at `gan_from`, a share of the run, and gains its weight over the next
    twentieth: the paper's is there from the start (0), but early on it only slows the others.
    """

    def __init__(
        self,
        image_channels: int = 4,
        *,
        width: int = 64,
        weights: Weights = Weights(),
        perceptual: Perceptual | None = None,
        gan_from: float = 0.0,
    ) -> None:
        super().__init__()
        self.gan_from, self.gan_share = gan_from, float(gan_from == 0)
        self.weights = weights
        self.discriminator = PatchDiscriminator(image_channels, width) if weights.gan else None
        if weights.perceptual and perceptual is None:
            raise ValueError("a perceptual weight needs its network: pass one, or weight 0")
        self.perceptual = perceptual if weights.perceptual else None

    def advance(self, share: float) -> None:
        """See `Objective`."""
        if self.gan_from:
            self.gan_share = min(1.0, max(0.0, (share - self.gan_from) / GAN_RISE))

    def generator(self, made: Tensor, samples: Samples) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Objective`."""
        truth = like(samples.truth, made.shape[1])
        made = full(made)
        parts = {"l1": (made - truth).abs().mean()}  # eq. 4 and 9
        loss = self.weights.l1 * parts["l1"]
        if made.shape[1] == 4 and self.weights.alpha:
            parts["alpha"] = cross_entropy(made[:, 3:], truth[:, 3:])
            loss = loss + self.weights.alpha * parts["alpha"]
        for name, distance, weight in (
            ("perceptual", self.perceptual, self.weights.perceptual),  # eq. 5 and 10
            ("edges", edge_distance, self.weights.edges),
            ("dots", dot_distance, self.weights.dots),
        ):
            if distance is None or not weight:
                continue
            # Anew for each: shared, gradients would be summed in another order.
            shown, true = _shown(made, samples.background), _shown(truth, samples.background)
            parts[name] = full(distance(shown, true))
            loss = loss + weight * parts[name]
        if self.discriminator is not None and self.gan_share:  # eq. 3 and 8
            with frozen(self.discriminator):
                logits = self.discriminator(samples.inputs.pose, made)
            parts["gan"] = generator_gan_loss(full(logits))
            loss = loss + self.gan_share * self.weights.gan * parts["gan"]
        return loss, parts

    def critic(self, made: Tensor, samples: Samples) -> Tensor | None:
        """See `Objective`."""
        if self.discriminator is None or not self.gan_share:
            return None
        pose, truth = samples.inputs.pose, like(samples.truth, made.shape[1])
        real, fake = self.discriminator(pose, truth), self.discriminator(pose, made.detach())
        return discriminator_loss(full(real), full(fake))


def cross_entropy(made: Tensor, truth: Tensor) -> Tensor:
    """Mean binary cross-entropy of alphas in [0, 1]; finite at 0 and 1.

    With the derivative of the sigmoid that made them, its gradient is as good as constant, until
    single precision ends: PyTorch's own forbids autocast, and is not twice differentiable there.
    """
    return -(truth * (made + _TINY).log() + (1 - truth) * (1 - made + _LEAST).log()).mean()


def edge_distance(made: Tensor, truth: Tensor) -> Tensor:
    """How much sharper or softer pictures (B, C, S, S) are than the truth, patch by patch.

    Of each of `PATCHES`^2 patches the root mean square of the gradient is compared, wherever in it
    the edges lie: L1 prefers a blur to an edge that is a pixel off, this does not.
    """
    return (_edges(made) - _edges(truth)).abs().mean()


def dot_distance(made: Tensor, truth: Tensor) -> Tensor:
    """How much pictures (B, C, S, S) are chequered where the truth is not.

    A network that answers with 2 x 2 pixels at once gains energy of edges by dots. Of 2 x 2 pixels
    the difference of the diagonals counts that exceeds all of the truth's nearby.
    """
    near = F.max_pool2d(_dots(truth), 5, 1, 2)
    return F.relu(_dots(made) - near).mean()


def _dots(picture: Tensor) -> Tensor:
    """(B, C, S - 1, S - 1) in [0, 1]."""
    across = picture[..., 1:] - picture[..., :-1]
    return 0.5 * (across[..., 1:, :] - across[..., :-1, :]).abs()


def _edges(picture: Tensor) -> Tensor:
    right = (picture[..., :-1, 1:] - picture[..., :-1, :-1]).square()
    down = (picture[..., 1:, :-1] - picture[..., :-1, :-1]).square()
    energy = F.pad((right + down).mean(1, keepdim=True), (0, 1, 0, 1))
    return (F.avg_pool2d(energy, max(1, picture.shape[-1] // PATCHES)) + _ENERGY).sqrt()


def _shown(picture: Tensor, background: Tensor) -> Tensor:
    return over(picture, background) if picture.shape[1] == 4 else picture


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within, the parameters of the module gather no gradients; what goes through it does."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)

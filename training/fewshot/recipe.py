"""Methods by name: what a checkpoint must remember to build its networks and losses again."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from torch import nn

from training.fewshot import methods
from training.fewshot.errors import CheckpointError, SettingsError
from training.fewshot.method import FewShot
from training.fewshot.objective import Objective, PaperObjective, Weights
from training.fewshot.warp.network import WarpGenerator
from training.fewshot.warp.sampling import Sampling
from training.losses import Perceptual
from training.networks.generator import PRESETS, preset

PAPER = Weights()
WARP_PERCEPTUAL = 2.0  # four times the paper's
WARP_EDGES = 60.0
"""What is carried is sharp already, and the painter should not blur it."""
WARP_DOTS = 100.0
"""A patch of dots has as much energy of edges as a line: without this, it outlines with dots."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A method, its size and its losses."""

    method: str = "fewshot"
    preset: str = "live"
    size: int = 256
    image_channels: int = 4
    spectral: bool = True
    fusion: str = "product"
    critic_width: int = 64
    perceptual: bool = True
    gan: bool = True
    gan_from: float = 0.0
    width: int | None = None  # of a baseline's first layer; None: its paper's
    sampling: Sampling = "bilinear"  # of warp

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> "Recipe":
        """What `to_dict` described; CheckpointError if this program knows no such thing."""
        try:
            return cls(**description)
        except TypeError as error:
            raise CheckpointError(
                f"the recipe {description} is none of this program's: use the one that made it"
            ) from error


Builder = Callable[[Recipe], tuple[nn.Module, Objective]]


def few_shot(recipe: Recipe) -> tuple[nn.Module, Objective]:
    """The few-shot paper's generator and losses."""
    if recipe.preset not in PRESETS:
        raise SettingsError(f"no preset {recipe.preset!r}; there are {', '.join(PRESETS)}")
    config = preset(
        recipe.preset, recipe.size, image_channels=recipe.image_channels, spectral=recipe.spectral,
        fusion=recipe.fusion,
    )  # fmt: skip
    return FewShot(config), paper_objective(recipe)


def warp(recipe: Recipe) -> tuple[nn.Module, Objective]:
    """A drawing's own parts carried to the pose, and the painter that redraws them.

    No cross-entropy of the silhouette: the puppet's is not made by a sigmoid, and where a part is
    missing its derivative is infinite.
    """
    if recipe.image_channels != 4:
        raise SettingsError("warp draws RGBA: leave out --white")
    method = WarpGenerator(recipe.preset, sampling=recipe.sampling)
    weights = Weights(perceptual=WARP_PERCEPTUAL, alpha=0, edges=WARP_EDGES, dots=WARP_DOTS)
    return method, paper_objective(recipe, weights)


def paper_objective(recipe: Recipe, weights: Weights = PAPER) -> Objective:
    """Equations 3 to 10, without the parts that the recipe leaves out."""
    if not recipe.perceptual:
        weights = replace(weights, perceptual=0)
    if not recipe.gan:
        weights = replace(weights, gan=0)
    return PaperObjective(
        recipe.image_channels, width=recipe.critic_width, weights=weights,
        perceptual=Perceptual() if recipe.perceptual else None, gan_from=recipe.gan_from,
    )  # fmt: skip


def baseline(recipe: Recipe) -> tuple[nn.Module, Objective]:
    """A method to compare with, with its own paper's losses."""
    sizes = {} if recipe.width is None else {"width": recipe.width}
    network, objective = methods.method_named(recipe.method).build(
        size=recipe.size, image_channels=recipe.image_channels, **sizes
    )
    return network, cast(Objective, objective)  # it has the same three methods


METHODS: dict[str, Builder] = {
    "fewshot": few_shot,
    "warp": warp,
    **dict.fromkeys(methods.METHODS, baseline),
}


def build(recipe: Recipe) -> tuple[nn.Module, Objective]:
    """Fresh networks; SettingsError lists the methods where there is none of that name."""
    if recipe.method not in METHODS:
        raise SettingsError(f"no method {recipe.method!r}; there are {', '.join(METHODS)}")
    return METHODS[recipe.method](recipe)

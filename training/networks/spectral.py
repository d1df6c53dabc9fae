"""Spectral normalisation (Miyato 2018) that can be held still, and that mixed precision spares.

PyTorch's own runs one power iteration at every forward pass in training. Inside an inner loop that
would make the loss depend on how often it was looked at; here a caller can `hold` the vectors, so
that the normalised weight is a smooth function of the weight alone: W / (u^T W v).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import (
    ParametrizationList,
    is_parametrized,
    register_parametrization,
    remove_parametrizations,
)

_FIRST_ITERATIONS = 15
_EPS = 1e-12


class SpectralNorm(nn.Module):
    """W to W / (u^T W v), for weights of (out, ...); one power iteration a pass in training."""

    u: Tensor
    v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", F.normalize(matrix.new_empty(len(matrix)).normal_(), dim=0))
        self.register_buffer("v", F.normalize(matrix.new_empty(matrix.shape[1]).normal_(), dim=0))
        self.iterate(weight, _FIRST_ITERATIONS)

    @torch.no_grad()
    def iterate(self, weight: Tensor, times: int = 1) -> None:
        """Turn u and v toward the first singular vectors of the weight, in place."""
        matrix = weight.detach().flatten(1)
        for _ in range(times):
            self.u.copy_(F.normalize((matrix * self.v).sum(1), dim=0, eps=_EPS))
            self.v.copy_(F.normalize((matrix.t() * self.u).sum(1), dim=0, eps=_EPS))

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            self.iterate(weight)
        # Copies: the next pass changes u and v in place, before this one is differentiated.
        u, v = self.u.clone(), self.v.clone()
        # No matrix product: autocast would round it to bfloat16, and this is a long sum.
        return weight / ((weight.flatten(1) * v).sum(1) * u).sum()


def spectral_norm(module: nn.Module) -> None:
    """Normalise the `weight` of a convolution or linear layer, from now on.

    The weight itself is scaled to a norm of 1 first. That changes no output, but gradients go with
    the inverse of the norm: one that began at 0.01 would take steps a hundred times too long.
    """
    weight = module.weight
    assert isinstance(weight, Tensor)
    norm = SpectralNorm(weight)
    with torch.no_grad():
        weight.copy_(norm(weight))
    register_parametrization(module, "weight", norm)


def remove_spectral_norm(model: nn.Module) -> None:
    """Fold spectral normalisation into the weights, in place; for export."""
    for module in model.modules():
        if is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight")


def norms_of(model: nn.Module) -> Iterator[tuple[SpectralNorm, Tensor]]:
    """Every spectral norm of a model with the weight that it normalises."""
    for module in model.modules():
        if isinstance(module, ParametrizationList):
            for norm in module:
                if isinstance(norm, SpectralNorm):
                    yield norm, module.original


def settle(model: nn.Module) -> None:
    """Find the vectors of every norm anew, for weights that were averaged or loaded."""
    for norm, weight in norms_of(model):
        norm.iterate(weight, _FIRST_ITERATIONS)


@contextmanager
def held(model: nn.Module) -> Iterator[None]:
    """Within, no power iteration runs; entering runs one on every normalised weight, if training.

    So an outer step of meta-learning, with all its forward passes, sees one u and v per layer.
    """
    norms = [(norm, weight) for norm, weight in norms_of(model) if norm.training]
    for norm, weight in norms:
        norm.iterate(weight)
        norm.eval()
    try:
        yield
    finally:
        for norm, _ in norms:
            norm.train()

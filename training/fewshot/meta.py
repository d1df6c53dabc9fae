"""The two stages of few-shot training (Wang 2024, section 3.3), as functions of parameters.

Character adapting: from parameters theta, one step of gradient descent per support sample, S in
all (MAML, Finn 2017). Character refining: the loss of the adapted parameters on the query set, of
which the trainer takes the gradient with respect to theta. At second order that gradient goes
through the inner steps; at first order each step's own gradient counts as a constant, at about half
the time and a fraction of the memory.

Nothing here changes the module. Spectral norms are held still by the caller (`spectral.held`), who
iterates them once a batch. Batch norms use running statistics, which the caller refreshes once a
batch from its pictures (`batch_statistics`) and then holds (`statistics_held`). With statistics of
the batch instead, as MAML++ has them (Antoniou 2018), an inner step on one sample, a query on four
and a live frame would meet three different networks: the support loss came out five times the query
loss. Held, the network that is adapted is the one that is judged, and the one that ships.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from training.fewshot.episodes import Episode, Samples
from training.fewshot.errors import SettingsError
from training.fewshot.objective import Objective
from training.networks.generator import full

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class InnerConfig:
    """Character adapting: `steps` steps of gradient descent at `rate` (section 5.1).

    A gradient longer than `clip` is shortened to it (0: never, as in the paper). Without, training
    finds parameters from which gradients are so long (400 after a hundred steps) that the second
    inner step lands where every ReLU is dead; first order has no gradient that would warn of that.
    """

    steps: int = 4
    rate: float = 1e-3
    second_order: bool = False
    clip: float = 10.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingsError(f"the inner loop needs at least one step, found {self.steps}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an episode gave."""

    loss: Tensor  # of equation 11, for one task
    parts: dict[str, Tensor]  # of the last query loss, detached
    support: Tensor  # mean loss over the inner steps, detached
    made: Tensor  # the query pictures after the last step, detached


Draw = Callable[[State, State, Samples], Tensor]
"""Parameters, buffers (written to) and samples to pictures."""


def parameters_of(method: nn.Module) -> State:
    """The parameters that are trained and adapted, by name."""
    return {name: p for name, p in method.named_parameters() if p.requires_grad}


def buffers_of(method: nn.Module) -> State:
    """Copies of the buffers, by name."""
    return {name: b.detach().clone() for name, b in method.named_buffers()}


def drawing(method: nn.Module, *, compiled: bool = False) -> Draw:
    """The method as a pure function; compiled, it can be differentiated once."""

    def draw(parameters: State, buffers: State, samples: Samples) -> Tensor:
        made = functional_call(method, {**parameters, **buffers}, (samples.inputs,))
        assert isinstance(made, Tensor)
        return made

    # A graph for each shape, of which there are two: the support's samples and the query's.
    return torch.compile(draw, dynamic=False) if compiled else draw


def inner_loop(
    loss: Callable[[State, int], Tensor], parameters: State, config: InnerConfig
) -> Iterator[tuple[State, Tensor]]:
    """The parameters after each step, and the loss before it (MAML, equation 1).

    At first order the yielded parameters still depend on the given ones, with the identity as
    derivative, so that an outer loss sends its gradient to these.
    """
    for step in range(config.steps):
        value = loss(parameters, step)
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
            value,
            list(parameters.values()),
            create_graph=config.second_order,
            allow_unused=True,
        )
        rate = config.rate * shortening(gradients, config.clip)
        parameters = {
            name: p if gradient is None else p - rate * gradient
            for (name, p), gradient in zip(parameters.items(), gradients, strict=True)
        }
        yield parameters, value.detach()


def shortening(gradients: Sequence[Tensor | None], clip: float) -> Tensor | float:
    """The factor that makes gradients no longer than `clip`; differentiable, 1 without a clip."""
    found = [gradient.square().sum() for gradient in gradients if gradient is not None]
    if not clip or not found:
        return 1.0
    return (clip * (torch.stack(found).sum() + 1e-12).rsqrt()).clamp(max=1.0)


def step_weights(steps: int, progress: float) -> list[float]:
    """The weights v_s of equation 11, which sum to one, as MAML++ anneals them.

    At `progress` 0 every step counts alike; then the last gains what the others lose, down to
    0.03 / steps. From `progress` 1 on only the last step's loss is taken, which costs less: "in the
    later stage of training" (section 5.6).
    """
    if progress >= 1:
        return [0.0] * (steps - 1) + [1.0]
    early = max((1 - progress) / steps, 0.03 / steps)
    return [early] * (steps - 1) + [1 - (steps - 1) * early]


def episode_loss(
    draw: Draw,
    objective: Objective,
    parameters: State,
    buffers: State,
    episode: Episode,
    config: InnerConfig,
    weights: Sequence[float],
    *,
    bf16: bool = False,
) -> Outcome:
    """Adapt on the support set, one sample a step in turn, and take the loss on the query set.

    `weights` are v_s, one for each inner step; no query loss is computed where a weight is 0.
    """
    if len(weights) != config.steps or not weights[-1]:
        raise ValueError(
            f"expected {config.steps} step weights of which the last is not 0, found {weights}"
        )
    device = episode.support.truth.device.type

    def picture_loss(state: State, samples: Samples) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            made = draw(state, buffers, samples)
            loss, parts = objective.generator(made, samples)
        return loss, parts, made

    def support_loss(state: State, step: int) -> Tensor:  # eq. 3-6
        pick = step % len(episode.support)
        return picture_loss(state, episode.support[pick : pick + 1])[0]

    total = torch.zeros((), device=device)
    support: list[Tensor] = []
    for weight, (state, value) in zip(
        weights, inner_loop(support_loss, parameters, config), strict=True
    ):
        support.append(value)
        if weight:
            loss, parts, made = picture_loss(state, episode.query)  # eq. 7-10
            total = total + weight * loss  # eq. 11
    return Outcome(
        total,
        {name: part.detach() for name, part in parts.items()},
        torch.stack(support).mean(),
        made.detach(),
    )


def plain_loss(
    draw: Draw,
    objective: Objective,
    parameters: State,
    buffers: State,
    episodes: Sequence[Episode],
    *,
    bf16: bool = False,
) -> tuple[Outcome, Samples]:
    """Without meta-learning: the loss of every picture of the episodes, drawn in one batch."""
    samples = Samples.joined([s for e in episodes for s in (e.support, e.query)])
    with torch.autocast(samples.truth.device.type, torch.bfloat16, enabled=bf16):
        made = draw(parameters, buffers, samples)
        loss, parts = objective.generator(made, samples)
    parts = {name: part.detach() for name, part in parts.items()}
    return Outcome(loss, parts, loss.detach(), made.detach()), samples


def batch_norms(method: nn.Module) -> dict[str, _BatchNorm]:
    """The batch norms of a method that keep running statistics, by name."""
    return {
        name: module
        for name, module in method.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    }


@contextmanager
def statistics_held(method: nn.Module) -> Iterator[None]:
    """Within, batch norms use their running statistics as constants."""
    norms = [norm for norm in batch_norms(method).values() if norm.training]
    for norm in norms:
        norm.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.train()


@dataclass(frozen=True, slots=True)
class Moments:
    """Means over a batch of what a batch norm is given, and of its square: (channels,) each."""

    mean: Tensor
    square: Tensor

    def variance(self) -> Tensor:
        """Of the batch."""
        return (self.square - self.mean.square()).clamp_min(0)


@torch.no_grad()
def batch_statistics(
    method: nn.Module, samples: Samples, *, bf16: bool = False
) -> dict[str, Moments]:
    """What each batch norm is given when the method draws a batch; the method stays as it is.

    Moments, unlike variances, of parts of a batch have those of the whole as their mean.
    """
    found: dict[str, Moments] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def see(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            x = full(inputs[0]).transpose(0, 1).flatten(1)
            found[name] = Moments(x.mean(1), x.square().mean(1))

        return see

    hooks = [m.register_forward_pre_hook(watch(name)) for name, m in batch_norms(method).items()]
    if not hooks:
        return {}
    try:
        # Each norm with its running statistics, as it is used: so what the next is given does not
        # depend on how a batch is divided among processes.
        with (
            statistics_held(method),
            torch.autocast(samples.truth.device.type, torch.bfloat16, enabled=bf16),
        ):
            method(samples.inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found

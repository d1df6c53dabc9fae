"""Adaptation to a character never seen, from one drawing or a few (Wang 2024, sections 5.1, 5.5).

The support set of one drawing is the drawing itself, shifted sideways; of several, each drawn from
the others. Parameters descend the character adapting loss, one sample a step, and a shift, or a
drawing, that is not in the support set says when to stop: at once, if no step makes it any better.
`warp` has another support set, see `warp.adapting`.
All is done in evaluation mode: batch norms keep the statistics that they were trained with, so that
what is adapted is what will be baked.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.dataset.samples import CharacterPictures
from training.fewshot.episodes import Samples, backgrounds, choose_shifts, shifted
from training.fewshot.errors import AdaptationError, SettingsError
from training.fewshot.inputs import Inputs
from training.fewshot.objective import Objective
from training.fit import pose_images, pose_tensor

M = TypeVar("M", bound=nn.Module)

OPTIMISERS = ("sgd", "adam")
_EMPTY = "the support set is empty: give at least one picture of the character"


@dataclass(frozen=True, slots=True)
class AdaptConfig:
    """How a network adapts: at most `steps` steps of "adam" or "sgd" (the paper's), at `rate`.

    Every `every` steps the held-out shift is drawn; after `patience` times without a better one
    adaptation ends, and the best parameters are taken, if their loss is lower by the share `margin`
    at least. `shots` shifts are made of one drawing, and `batch` samples are learnt from in a step.

    The paper descends at 0.03 (section 5.1); 0.003 and Adam come out better on characters never
    seen, and Adam needs half the steps. A gradient longer than `clip` is shortened to it first. The
    rate goes to `rate_end` of it, evenly.
    """

    shots: int = 4
    steps: int = 60
    optimiser: str = "adam"
    rate: float = 5e-4
    rate_end: float = 1.0
    clip: float = 10.0
    every: int = 5
    patience: int = 3
    seed: int = 0
    bf16: bool = False
    batch: int = 1
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.optimiser not in OPTIMISERS:
            raise SettingsError(
                f"no optimiser {self.optimiser!r}; there are {', '.join(OPTIMISERS)}"
            )
        if self.shots < 1:
            raise SettingsError(f"adaptation needs at least one shot, found {self.shots}")
        if self.batch < 1:
            raise SettingsError(f"a step needs at least one sample, found {self.batch}")


@dataclass(frozen=True, slots=True)
class Begun:
    """Where an adaptation was left off, so that it can go on as if it had not been.

    Attributes:
        step: steps done.
        best_step: after how many it was best.
        curve: see `Adapted.held_out`.
        tensors: what is learnt, now and at best, and the optimiser's memory of it.
    """

    step: int
    best_step: int
    curve: list[float]
    tensors: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Adapted(Generic[M]):
    """An adapted copy of a method, in evaluation mode, and how it went."""

    method: M
    best_step: int
    steps: int
    seconds: float
    held_out: list[float]  # loss before, and after every so many steps


def support_set(
    character: CharacterPictures, shots: int, seed: int = 0, *, size: int | None = None
) -> tuple[Samples, Samples]:
    """The support set from a character's known pictures, the first of them the source; a held-out.

    One picture is shifted sideways into `shots`; several are each drawn from all others, see
    `left_out`, but for the last, which is held out. AdaptationError where there is none, where one
    is empty or of another size than the network's, or where one alone leaves no room to be shifted.
    """
    check(character, size)
    rng = np.random.default_rng(seed)
    if len(character) > 1:
        return left_out(character, rng)
    shifts = choose_shifts(character.pictures[0], shots + 1, rng)
    if len(set(shifts.tolist())) < len(shifts):
        raise AdaptationError(
            f"the character leaves room for {len(set(shifts.tolist()))} sideways shifts within the "
            f"picture, and {len(shifts)} are needed: leave a margin, or take fewer shots"
        )
    return shifted(character, shifts[:-1], rng), shifted(character, shifts[-1:], rng)


def check(drawings: CharacterPictures, size: int | None = None) -> None:
    """AdaptationError where there is no drawing, an empty one, or one that is not `size` px."""
    if len(drawings) == 0:
        raise AdaptationError(_EMPTY)
    if size is not None and drawings.size != size:
        raise AdaptationError(
            f"the pictures are {drawings.size} x {drawings.size}, and the network draws {size} x "
            f"{size}: scale and pad them to that"
        )
    if not drawings.pictures[..., 3].any(axis=(1, 2)).all():
        raise AdaptationError("a picture of the support set is empty: its alpha is 0 everywhere")


def left_out(character: CharacterPictures, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """Every picture but the last, to be drawn from each other one; and the last, from the first.

    The pictures that are neither are further drawings: who takes several is given all but the one
    to be drawn. Shifts ask for what the drawing shows already; this asks for other sides of it.
    """
    count = len(character)
    pairs = [(j, (j + k) % count) for k in range(1, count) for j in range(count)]
    pairs = sorted(pairs, key=lambda pair: pair[0] == count - 1)  # those of the last come last
    target, source = np.array(pairs).T
    more = [[i for i in range(count) if i not in pair] for pair in pairs]
    inputs, truth = Inputs.of(character, source, target, np.array(more, np.intp))
    drawn = Samples(inputs, truth, backgrounds(len(pairs), rng))
    last = (count - 1) ** 2
    return drawn[:last], drawn[last : last + 1]


def adapt(
    method: M,
    objective: Objective,
    support: Samples,
    held_out: Samples,
    config: AdaptConfig,
    go_on: Callable[[int, list[float]], bool] = lambda step, curve: True,
    *,
    begun: Begun | None = None,
    keep: Callable[[Begun], None] = lambda begun: None,
) -> Adapted[M]:
    """A copy of the method, adapted to the support set; the method stays as it is.

    `go_on` is told of the steps done and the held-out losses so far, and may end it, but not before
    the first `every` steps. `keep` is
    given what another call needs as `begun`, with all else the same, to go on from there.
    AdaptationError if the support set is empty or the loss is no number.
    """
    if len(support) == 0:
        raise AdaptationError(_EMPTY)
    began = time.monotonic()
    method = copy.deepcopy(method).eval()
    named = {name: p for name, p in method.named_parameters() if p.requires_grad}
    trained = list(named.values())
    optimiser: torch.optim.Optimizer
    if config.optimiser == "sgd":
        optimiser = torch.optim.SGD(trained, config.rate)
    else:
        optimiser = torch.optim.Adam(trained, config.rate, betas=(0.9, 0.99))
    device = support.truth.device.type

    def loss_of(drawn: Samples) -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=config.bf16):
            return objective.generator(method(drawn.inputs), drawn)[0]

    def judged() -> float:
        with torch.no_grad():
            return loss_of(held_out).item()

    start = _values(named)
    if begun is None:
        curve, best_step, step = [judged()], 0, 0
        best = start
    else:
        curve, best_step, step = list(begun.curve), begun.best_step, begun.step
        best = _taken_up(begun, named, optimiser)
    # What is answered here does not count: a run whose time was up before its first step would not
    # get any further, however often it went on.
    go_on(step, curve)
    while step < config.steps and len(curve) - 1 - best_step // config.every < config.patience:
        for _ in range(min(config.every, config.steps - step)):
            pick = step * config.batch % len(support)
            gradients = torch.autograd.grad(loss_of(support[pick : pick + config.batch]), trained)
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient
            if config.clip:
                nn.utils.clip_grad_norm_(trained, config.clip)
            falls = 1 + (config.rate_end - 1) * step / config.steps
            for group in optimiser.param_groups:
                group["lr"] = config.rate * falls
            optimiser.step()
            step += 1
        curve.append(judged())
        if not np.isfinite(curve[-1]):
            raise AdaptationError(
                f"the loss is {curve[-1]} after {step} steps: take a rate below {config.rate}"
            )
        if curve[-1] < min(curve[:-1]):
            best, best_step = _values(named), step
        keep(_left_off(step, best_step, curve, named, best, optimiser))
        if not go_on(step, curve):
            break
    if best_step and min(curve) > (1 - config.margin) * curve[0]:
        best, best_step = start, 0
    _fill(named, best)
    method.zero_grad(set_to_none=True)
    return Adapted(method, best_step, step, time.monotonic() - began, curve)


_NOW, _BEST, _MEMORY = "now/", "best/", "memory/"


def _values(named: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in named.items()}


@torch.no_grad()
def _fill(named: dict[str, nn.Parameter], values: dict[str, Tensor]) -> None:
    for name, parameter in named.items():
        parameter.copy_(values[name])


def _left_off(
    step: int,
    best_step: int,
    curve: list[float],
    named: dict[str, nn.Parameter],
    best: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
) -> Begun:
    tensors = {_NOW + name: value for name, value in _values(named).items()}
    tensors |= {_BEST + name: value for name, value in best.items()}
    for name, parameter in named.items():
        for key, value in optimiser.state[parameter].items():
            tensors[f"{_MEMORY}{key}/{name}"] = torch.as_tensor(value).clone()
    return Begun(step, best_step, list(curve), tensors)


def _taken_up(
    begun: Begun, named: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Fill parameters and the optimiser's memory; the best parameters."""
    _fill(named, {name: begun.tensors[_NOW + name] for name in named})
    for key, value in begun.tensors.items():
        if key.startswith(_MEMORY):
            what, _, name = key.removeprefix(_MEMORY).partition("/")
            optimiser.state[named[name]][what] = value.clone()
    return {name: begun.tensors[_BEST + name] for name in named}


def asked(known: Inputs, poses: NDArray[np.float32]) -> Inputs:
    """The inputs that ask for poses (N, 20, 4) of the character that `known` begins with."""
    device, count = known.source.device, len(poses)
    return Inputs(
        pose_tensor(pose_images(poses, known.source.shape[-1])).to(device),
        torch.from_numpy(poses.copy()).to(device),
        *(
            part[:1].expand(count, *part.shape[1:])
            for part in (
                known.source,
                known.source_pose,
                known.source_joints,
                known.more,
                known.more_joints,
            )
        ),
    )


@torch.no_grad()
def draw_pictures(method: nn.Module, inputs: Inputs, batch: int = 8) -> NDArray[np.uint8]:
    """What a method draws in evaluation mode, (B, S, S, 4) premultiplied RGBA; opaque if RGB."""
    mode = method.training
    method.eval()
    made: list[Tensor] = [
        method(inputs[start : start + batch]) for start in range(0, len(inputs.pose), batch)
    ]
    method.train(mode)
    pictures = torch.cat(made)
    if pictures.shape[1] == 3:
        pictures = torch.cat([pictures, torch.ones_like(pictures[:, :1])], dim=1)
    return (pictures.float().permute(0, 2, 3, 1) * 255).round().byte().cpu().numpy()

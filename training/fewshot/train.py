"""The outer loop of few-shot training, for any method and its losses (Wang 2024, section 5.1)."""

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.dataset.samples import CharacterPictures
from training.fewshot import checkpoint
from training.fewshot.adapt import AdaptConfig, pose_bank
from training.fewshot.config import TrainConfig
from training.fewshot.diary import Diary
from training.fewshot.episodes import Characters, Episode, Samples
from training.fewshot.loader import Loader
from training.fewshot.meta import (
    Draw,
    Outcome,
    State,
    buffers_of,
    drawing,
    episode_loss,
    parameters_of,
    plain_loss,
    step_weights,
)
from training.fewshot.objective import Objective
from training.fewshot.validate import attempts, scores, sheet
from training.fewshot.workers import Workers
from training.fit import move_average
from training.networks.spectral import held, settle

CHECKPOINT = "checkpoint.pt"
_ADAPTATION = AdaptConfig()


class NotANumberError(FloatingPointError):
    """The loss is infinite or no number: training cannot go on; the last checkpoint is whole."""


@runtime_checkable
class Described(Protocol):
    """A method or an objective that can be built again from its description."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(slots=True)
class Training:
    """The state of a run: everything that a checkpoint holds."""

    config: TrainConfig
    method: nn.Module
    objective: Objective
    average: nn.Module
    optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam | None
    bank: NDArray[np.float32]  # (N, 20, 4) poses to calibrate adapted networks on
    step: int = 0
    about: dict[str, Any] = field(default_factory=dict)  # command, data: what made these weights

    @classmethod
    def new(
        cls,
        config: TrainConfig,
        method: nn.Module,
        objective: Objective,
        bank: NDArray[np.float32],
        device: torch.device | str = "cpu",
    ) -> "Training":
        """Begin with fresh networks."""
        method = method.to(device, memory_format=torch.channels_last)
        objective = objective.to(device, memory_format=torch.channels_last)
        critics = [p for p in objective.parameters() if p.requires_grad]
        return cls(
            config,
            method,
            objective,
            copy.deepcopy(method).requires_grad_(False),
            torch.optim.Adam(list(parameters_of(method).values()), config.rate, config.betas),
            torch.optim.Adam(critics, config.critic_rate, config.betas) if critics else None,
            bank,
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        method = self.method.to_dict() if isinstance(self.method, Described) else None
        objective = self.objective.to_dict() if isinstance(self.objective, Described) else None
        state = {
            "config": self.config.to_dict(),
            "method_kind": type(self.method).__name__,
            "method_config": method,
            "objective_config": objective,
            "method": self.method.state_dict(),
            "average": self.average.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser and self.critic_optimiser.state_dict(),
            "bank": torch.from_numpy(self.bank),
            "step": self.step,
            "about": self.about,
        }
        checkpoint.save(path, state)

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a checkpoint's state; CheckpointError if it is of other networks."""
        try:
            self.method.load_state_dict(state["method"])
            self.average.load_state_dict(state["average"])
            self.objective.load_state_dict(state["objective"])
            self.optimiser.load_state_dict(state["optimiser"])
            if self.critic_optimiser is not None:
                self.critic_optimiser.load_state_dict(state["critic_optimiser"])
            self.bank = state["bank"].numpy()
            self.step, self.about = state["step"], state["about"]
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise checkpoint.CheckpointError(
                f"the checkpoint does not fit this {type(self.method).__name__}: begin in another "
                f"folder, or give the settings that it was made with ({str(error)[:500]})"
            ) from error

    def shipped(self) -> nn.Module:
        """A copy of the averaged method, ready to be adapted."""
        method = copy.deepcopy(self.average)
        settle(method)
        for name, parameter in method.named_parameters():
            parameter.requires_grad_(self.method.get_parameter(name).requires_grad)
        return method


def train_step(
    training: Training, episodes: Sequence[Episode], workers: Workers, draw: Draw
) -> dict[str, Tensor]:
    """One update of generator and discriminators from this process's part of a meta-batch.

    Returns the means of the losses over the batch, as tensors: nothing here waits for the device.
    """
    config, method, objective = training.config, training.method, training.objective
    for group in training.optimiser.param_groups:
        group["lr"] = config.rate_at(training.step)
    # Dropout (Pix2Pix has some) depends on the step, and a resumed run draws the same.
    torch.manual_seed(hash((config.seed, training.step, workers.rank)) % 2**63)
    objective.advance(config.share(training.step))
    training.optimiser.zero_grad()
    if training.critic_optimiser is not None:
        training.critic_optimiser.zero_grad()

    parameters = parameters_of(method.train())
    losses: dict[str, Tensor] = {}
    statistics: State = {}
    with held(method), held(objective):
        buffers = buffers_of(method)
        for outcome, drawn, share in _outcomes(training, draw, parameters, buffers, episodes):
            (share * outcome.loss).backward()
            with torch.autocast(drawn.truth.device.type, torch.bfloat16, enabled=config.bf16):
                critic = objective.critic(outcome.made, drawn)
            found = {"loss": outcome.loss.detach(), "support": outcome.support, **outcome.parts}
            if critic is not None:
                (share * critic).backward()
                found["critic"] = critic.detach()
            _add(losses, found, share)
            _add(statistics, _statistics(outcome.buffers), share)
    judges = [p for p in objective.parameters() if p.grad is not None]
    gradients = [p.grad for p in (*parameters.values(), *judges) if p.grad is not None]
    workers.sum([*gradients, *losses.values(), *statistics.values()])
    losses["gradient"] = nn.utils.clip_grad_norm_(parameters.values(), config.clip or float("inf"))
    training.optimiser.step()
    if training.critic_optimiser is not None and judges:
        training.critic_optimiser.step()
    for name, value in statistics.items():
        method.get_buffer(name).copy_(value)
    move_average(training.average, method, config.average, training.step)
    training.step += 1
    return losses


def _outcomes(
    training: Training, draw: Draw, parameters: State, buffers: State, episodes: Sequence[Episode]
) -> Iterator[tuple[Outcome, Samples, float]]:
    """Each loss to be differentiated, the samples that it is about, and its share in the batch."""
    config, objective = training.config, training.objective
    if config.mode == "plain":
        outcome, drawn = plain_loss(
            draw, objective, parameters, buffers, episodes, bf16=config.bf16
        )
        yield outcome, drawn, len(episodes) / config.tasks
        return
    weights = step_weights(config.inner.steps, config.multi_step_progress(training.step))
    for episode in episodes:
        outcome = episode_loss(
            draw, objective, parameters, buffers, episode, config.inner, weights, bf16=config.bf16
        )
        yield outcome, episode.query, 1 / config.tasks


def _add(sums: State, values: State, share: float) -> None:
    for name, value in values.items():
        sums[name] = sums[name] + share * value if name in sums else share * value


def _statistics(buffers: State) -> State:
    """The running statistics of batch norms: the only buffers that the batch moves."""
    return {
        name: value
        for name, value in buffers.items()
        if name.endswith(("running_mean", "running_var"))
    }


def run(
    training: Training,
    characters: Characters,
    held_out: Sequence[CharacterPictures],
    folder: Path,
    place: Workers,
    *,
    adaptation: AdaptConfig = _ADAPTATION,
    minutes: float | None = None,
    every: int = 500,
    loaders: int = 2,
) -> dict[str, float]:
    """Train until the last step (or for so many minutes); returns the last line of the curve.

    Every so many steps, and at the end, it writes checkpoint.pt, a line of curve.jsonl, samples.png
    and TensorBoard's events into `folder`; then also the held-out characters are adapted to.
    Raises NotANumberError, DiskFullError; the last checkpoint is whole then.
    """
    config = training.config
    draw = drawing(training.method, compiled=config.compile)
    diary = Diary(folder, training.step) if place.first else None
    running: dict[str, list[Tensor]] = {}
    line: dict[str, float] = {}
    began = mark = time.monotonic()
    first = training.step
    with (
        diary or nullcontext(),
        Loader(
            characters, config, place.device, start=training.step,
            tasks=place.share(config.tasks), workers=loaders,
        ) as loader,
    ):  # fmt: skip
        batches = iter(loader)
        before: dict[str, Tensor] = {}
        while training.step < config.steps:
            losses = train_step(training, next(batches), place, draw)
            # A step late, so that the device has the next one to do while this one is looked at.
            _check(before, training.step - 1)
            before = losses
            for name, value in losses.items():
                running.setdefault(name, []).append(value)
            spent = time.monotonic() - began
            out_of_time = place.any(minutes is not None and spent > 60 * minutes)
            if training.step % every == 0 or training.step == config.steps or out_of_time:
                _check(losses, training.step)
                now = time.monotonic()
                line = {
                    "step": training.step,
                    "size": config.size_at(training.step - 1),
                    "seconds": round(now - began, 1),
                    "rate": config.rate_at(training.step - 1),
                    "steps_per_second": (training.step - first) / (now - mark),
                    "waited_share": loader.waited_s / (now - mark),
                    **{f"train_{k}": torch.stack(v).mean().item() for k, v in running.items()},
                }
                if diary is not None:
                    line |= _look(training, held_out, adaptation, diary, place.device)
                    training.save(folder / CHECKPOINT)
                    diary.write(line)
                running, first, mark, loader.waited_s = {}, training.step, time.monotonic(), 0.0
            if out_of_time:
                break
    return line


def _check(losses: dict[str, Tensor], step: int) -> None:
    if losses and not torch.stack(list(losses.values())).isfinite().all():
        shown = ", ".join(f"{name} {value.item():.3g}" for name, value in losses.items())
        raise NotANumberError(
            f"a loss is no number at step {step} ({shown}): the last checkpoint is whole; continue "
            "from it with a lower rate, or without bf16"
        )


def _look(
    training: Training,
    held_out: Sequence[CharacterPictures],
    adaptation: AdaptConfig,
    diary: Diary,
    device: torch.device,
) -> dict[str, float]:
    """Adapt to the held-out characters: scores for the curve, and a sheet of samples."""
    if not held_out:
        return {}
    trials = attempts(
        training.shipped(), training.objective, held_out, training.bank, adaptation,
        size=training.config.size_at(training.step - 1), device=device,
    )  # fmt: skip
    diary.show(sheet(trials), training.step)
    return scores(trials)


def bank_of(characters: Characters, seed: int, count: int = 4) -> NDArray[np.float32]:
    """Poses of some training characters, to calibrate adapted networks on."""
    picks = np.random.default_rng([seed, 2]).permutation(len(characters))[:count]
    return pose_bank([characters[int(i)] for i in picks])

"""The outer loop of few-shot training, for any method and its losses (Wang 2024, section 5.1)."""

import copy
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.dataset.samples import CharacterPictures
from training.errors import Diverged
from training.fewshot import checkpoint
from training.fewshot.adapt import AdaptConfig
from training.fewshot.config import TrainConfig
from training.fewshot.diary import Diary
from training.fewshot.episodes import Characters, Episode, Samples
from training.fewshot.errors import CheckpointError
from training.fewshot.loader import Loader
from training.fewshot.meta import (
    Draw,
    Outcome,
    State,
    batch_norms,
    batch_statistics,
    buffers_of,
    drawing,
    episode_loss,
    parameters_of,
    plain_loss,
    statistics_held,
    step_weights,
)
from training.fewshot.objective import Objective
from training.fewshot.validate import attempts, scores, sheet
from training.fewshot.workers import Workers
from training.fit import move_average
from training.networks.spectral import held, settle

CHECKPOINT = "checkpoint.pt"
STATISTICS_MOMENTUM = 0.1  # of batch norms' running statistics, as in torch
_ADAPTATION = AdaptConfig()


@dataclass(slots=True)
class Training:
    """The state of a run: everything that a checkpoint holds."""

    config: TrainConfig
    method: nn.Module
    objective: Objective
    average: nn.Module
    optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam | None
    step: int = 0
    about: dict[str, Any] = field(default_factory=dict)  # recipe, data, command

    @classmethod
    def new(
        cls,
        config: TrainConfig,
        method: nn.Module,
        objective: Objective,
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
            # All parameters, also those that a method begins to train later on.
            torch.optim.Adam(method.parameters(), config.rate, config.betas),
            torch.optim.Adam(critics, config.critic_rate, config.betas) if critics else None,
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {
            "config": self.config.to_dict(),
            "method": self.method.state_dict(),
            "average": self.average.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "critic_optimiser": self.critic_optimiser and self.critic_optimiser.state_dict(),
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
            self.step, self.about = state["step"], {**state["about"], **self.about}
        except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
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
    with held(method), held(objective):
        if config.mode == "meta":
            _refresh_statistics(training, episodes, workers)
        outcomes = _outcomes(training, draw, parameters, episodes)
        for outcome, drawn, share in outcomes:
            (share * outcome.loss).backward()
            with torch.autocast(drawn.truth.device.type, torch.bfloat16, enabled=config.bf16):
                critic = objective.critic(outcome.made, drawn)
            found = {"loss": outcome.loss.detach(), "support": outcome.support, **outcome.parts}
            if critic is not None:
                (share * critic).backward()
                found["critic"] = critic.detach()
            for name, value in found.items():
                losses[name] = losses.get(name, torch.zeros_like(value)) + share * value
    judges = [p for p in objective.parameters() if p.grad is not None]
    gradients = [p.grad for p in (*parameters.values(), *judges) if p.grad is not None]
    workers.sum([*gradients, *losses.values()])
    losses["gradient"] = nn.utils.clip_grad_norm_(parameters.values(), config.clip or float("inf"))
    training.optimiser.step()
    if training.critic_optimiser is not None and judges:
        training.critic_optimiser.step()
    move_average(training.average, method, config.average, training.step)
    training.step += 1
    return losses


def _refresh_statistics(training: Training, episodes: Sequence[Episode], workers: Workers) -> None:
    """Move running statistics toward those of the batch, before it is adapted to."""
    config = training.config
    drawn = Samples.joined([episode.query for episode in episodes])
    measured = batch_statistics(training.method, drawn, bf16=config.bf16)
    for moments in measured.values():
        for part in (moments.mean, moments.square):
            part *= len(episodes) / config.tasks
    workers.sum(part for m in measured.values() for part in (m.mean, m.square))
    share = max(STATISTICS_MOMENTUM, 1 / (training.step + 1))
    for name, norm in batch_norms(training.method).items():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.lerp_(measured[name].mean, share)
        norm.running_var.lerp_(measured[name].variance(), share)


def _outcomes(
    training: Training, draw: Draw, parameters: State, episodes: Sequence[Episode]
) -> Iterator[tuple[Outcome, Samples, float]]:
    """Each loss to be differentiated, the samples that it is about, and its share in the batch."""
    config, method, objective = training.config, training.method, training.objective
    if config.mode == "plain":
        # Here batch norms work as usual: statistics of the batch, and running ones kept beside.
        buffers = dict(method.named_buffers())
        outcome, drawn = plain_loss(
            draw, objective, parameters, buffers, episodes, bf16=config.bf16
        )
        yield outcome, drawn, len(episodes) / config.tasks
        return
    weights = step_weights(config.inner.steps, config.multi_step_progress(training.step))
    buffers = buffers_of(method)
    with statistics_held(method):
        for episode in episodes:
            outcome = episode_loss(
                draw, objective, parameters, buffers, episode, config.inner, weights,
                bf16=config.bf16,
            )  # fmt: skip
            yield outcome, episode.query, 1 / config.tasks


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
    Raises Diverged, NoRoom; the last checkpoint, if there is one, is whole then.
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
            _check(before, training.step - 1, folder)
            before = losses
            for name, value in losses.items():
                running.setdefault(name, []).append(value)
            spent = time.monotonic() - began
            out_of_time = place.any(minutes is not None and spent > 60 * minutes)
            if training.step % every == 0 or training.step == config.steps or out_of_time:
                _check(losses, training.step, folder)
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


def _check(losses: dict[str, Tensor], step: int, folder: Path) -> None:
    if losses and not torch.stack(list(losses.values())).isfinite().all():
        shown = ", ".join(f"{name} {value.item():.3g}" for name, value in losses.items())
        # A checkpoint goes on with its own rate, into the same again.
        begin = (
            "the last checkpoint is whole; take its weights by `ayatsuri-train weights`, and begin "
            "with them (--start) in another folder"
            if (folder / CHECKPOINT).exists()
            else "nothing was kept yet; begin again"
        )
        raise Diverged(
            f"a loss is no number at step {step} ({shown}): {begin}, with a lower rate or without "
            "bf16"
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
        training.shipped(), training.objective, held_out, adaptation,
        size=training.config.size_at(training.step - 1), device=device,
    )  # fmt: skip
    diary.show(sheet(trials), training.step)
    return scores(trials)

"""Train any method of `METHODS` on the same batches: the loop behind a fair comparison.

A batch depends on seed and step alone, so every method sees the same pictures in the same order,
and a run that was stopped goes on as if it had not been.
"""

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from training.dataset.samples import CharacterPictures
from training.fewshot.baselines.objective import (
    Objective,
    OptimiserSettings,
    Transfer,
)
from training.fewshot.inputs import Inputs
from training.fewshot.methods import method_named


class Characters(Protocol):
    """A data set, or a list of `CharacterPictures`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> CharacterPictures: ...


@dataclass(frozen=True, slots=True)
class FitConfig:
    """What decides a run, to the bit on one machine.

    `width` and `rate` None are the paper's; discriminators' rates keep their ratio to the rate.
    """

    method: str
    steps: int
    seed: int = 0
    batch: int = 4
    size: int = 256
    image_channels: int = 3
    width: int | None = None
    rate: float | None = None
    bf16: bool = False

    def settings(self) -> OptimiserSettings:
        """Those of the method, at this config's rate."""
        settings = method_named(self.method).optimiser
        if self.rate is None:
            return settings
        ratio = self.rate / settings.rate
        return replace(
            settings, rate=self.rate, discriminator_rate=settings.discriminator_rate * ratio
        )


@dataclass(slots=True)
class Fit:
    """The state of a run: everything that a checkpoint holds."""

    config: FitConfig
    network: Transfer
    objective: Objective
    optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    step: int
    curve: list[dict[str, float]]

    @classmethod
    def new(cls, config: FitConfig, device: torch.device | str = "cpu") -> "Fit":
        """Fresh networks of the config's method."""
        sizes = {"size": config.size, "image_channels": config.image_channels}
        if config.width is not None:
            sizes["width"] = config.width
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            network, objective = method_named(config.method).build(**sizes)
            network.to(device, memory_format=torch.channels_last)
            objective.to(device, memory_format=torch.channels_last)
        settings = config.settings()
        judges = [p for p in objective.parameters() if p.requires_grad]
        return cls(
            config,
            network,
            objective,
            torch.optim.Adam(network.parameters(), settings.rate, betas=settings.betas),
            torch.optim.Adam(judges, settings.discriminator_rate, betas=settings.betas),
            0,
            [],
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash or a full disk in the middle leaves the old one whole."""
        state = {name: getattr(self, name).state_dict() for name in _MODULES}
        state |= {"config": asdict(self.config), "step": self.step, "curve": self.curve}
        partial = path.with_suffix(".partial")
        try:
            torch.save(state, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same config; raises ValueError for any other file."""
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            found = FitConfig(**state["config"])
            step, curve = state["step"], state["curve"]
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is no checkpoint of training.fewshot.fit: {error}") from error
        if found != self.config:
            other = [
                f"{f.name} {getattr(found, f.name)!r} and not {getattr(self.config, f.name)!r}"
                for f in fields(FitConfig)
                if getattr(found, f.name) != getattr(self.config, f.name)
            ]
            raise ValueError(
                f"{path} is of another run, with {', '.join(other)}: choose another folder"
            )
        for name in _MODULES:
            getattr(self, name).load_state_dict(state[name])
        self.step, self.curve = step, curve


_MODULES = ("network", "objective", "optimiser", "critic_optimiser")


def sample_batch(characters: Characters, config: FitConfig, step: int) -> tuple[Inputs, Tensor]:
    """The batch of a step: for each place a character, and a source and a target pose of it."""
    rng = np.random.default_rng([config.seed, step])
    parts = []
    for _ in range(config.batch):
        character = characters[int(rng.integers(len(characters)))]
        if character.size != config.size:
            raise ValueError(
                f"{character.name} has pictures of {character.size} px, not {config.size}: "
                "render the characters at the size of the run"
            )
        source, target = rng.choice(len(character), 2, replace=False)
        parts.append(Inputs.of(character, np.array([source]), np.array([target])))
    inputs = Inputs(
        *(torch.cat([getattr(part, f.name) for part, _ in parts]) for f in fields(Inputs))
    )
    return inputs, torch.cat([truth for _, truth in parts])


def train_step(state: Fit, inputs: Inputs, truth: Tensor) -> dict[str, float]:
    """One update of the network and one of the discriminators; the parts of their losses."""
    config, share = state.config, state.step / state.config.steps
    settings = config.settings()
    state.optimiser.param_groups[0]["lr"] = settings.rate * settings.scale(share)
    state.critic_optimiser.param_groups[0]["lr"] = settings.discriminator_rate * settings.scale(
        share
    )
    state.objective.advance(share)
    state.network.train()
    state.objective.train()
    device = truth.device.type
    # Dropout, too, depends on seed and step alone.
    with torch.random.fork_rng(), torch.autocast(device, torch.bfloat16, enabled=config.bf16):
        torch.manual_seed(int(np.random.default_rng([config.seed, state.step, 1]).integers(2**62)))
        made = state.network(inputs)
        loss, parts = state.objective.generator_loss(inputs, truth, made)
        critic = state.objective.discriminator_loss(inputs, truth, made.detach())
    state.optimiser.zero_grad()
    loss.backward()
    if critic is not None:
        state.critic_optimiser.zero_grad()
        critic[0].backward()
        parts |= critic[1]
    numbers = {name: float(part) for name, part in parts.items()}
    if not all(np.isfinite([float(loss.detach()), *numbers.values()])):
        raise FloatingPointError(
            f"{config.method} at step {state.step}: the losses are {numbers}; the last checkpoint "
            "is from before: lower the rate, or leave bf16"
        )
    state.optimiser.step()
    if critic is not None:
        state.critic_optimiser.step()
    state.step += 1
    return numbers


def fit(
    config: FitConfig,
    characters: Characters | Sequence[CharacterPictures],
    *,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
    until: int | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> Fit:
    """Train a method for `config.steps` steps; goes on from `checkpoint` where that exists.

    Args:
        config: the method and all that decides the outcome.
        characters: what to train on, at the size of the config. A `Dataset` reads a whole shard for
            every picture: give `list(dataset)` where memory allows.
        device: where to train.
        checkpoint: file to write every so many steps and at the end.
        every: steps between checkpoints, and between points of the curve, which are means.
        until: stop at this step, to go on later.
        on_step: told the number of steps done and the parts of the losses.

    Raises:
        ValueError: a file that is no checkpoint of this run; pictures of another size.
        FloatingPointError: a loss that is no number.
    """
    state = Fit.new(config, device)
    if checkpoint is not None and checkpoint.exists():
        state.load(checkpoint)
    last = config.steps if until is None else min(until, config.steps)
    recent: list[dict[str, float]] = []
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(sample_batch, characters, config, state.step)
        while state.step < last:
            inputs, truth = ahead.result()
            if state.step + 1 < last:
                ahead = pool.submit(sample_batch, characters, config, state.step + 1)
            recent.append(train_step(state, inputs.to(device), truth.to(device)))
            if on_step is not None:
                on_step(state.step, recent[-1])
            if state.step % every == 0 or state.step == last:
                names = sorted({name for parts in recent for name in parts})
                means = {n: float(np.mean([p[n] for p in recent if n in p])) for n in names}
                state.curve.append({"step": float(state.step), **means})
                recent.clear()
                if checkpoint is not None:
                    state.save(checkpoint)
    return state


@torch.no_grad()
def draw(network: Transfer, inputs: Inputs) -> Tensor:
    """Pictures (B, C, S, S) in [0, 1] by a trained network, in evaluation mode."""
    return network.eval()(inputs)

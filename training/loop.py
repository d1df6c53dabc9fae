"""A training on augmented pictures: resumable, by steps or by the clock.

The estimator's and the cut-out's differ in their network and their loss only.
"""

import io
import json
import math
import pickle
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sized
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.errors import BadInput, Diverged
from training.files import write_whole

_SAVE_EVERY_S = 240.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Adam, annealed to nothing along a cosine; small pictures first.

    Rates differ from Tan's 4e-5 (section 4.2), which is for weights that stay near their start.
    """

    batch: int = 16
    rate: float = 2e-3
    backbone_rate: float = 6e-4
    decay: float = 1e-4
    warm_steps: int = 150
    average: float = 0.995  # of the weights, over steps
    sizes: tuple[tuple[float, int], ...] = ((0.0, 160), (0.72, 256))  # from this progress on
    seed: int = 0

    def size(self, progress: float) -> int:
        """Of the pictures, at a progress from 0 to 1."""
        return [size for start, size in self.sizes if progress >= start][-1]


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """What every network's description holds; `pretrained`: start from features of photographs."""

    pretrained: bool = True


C = TypeVar("C", bound=BackboneConfig)
N = TypeVar("N", bound=nn.Module)
D = TypeVar("D", bound=Sized)
N_contra = TypeVar("N_contra", contravariant=True)


class Measured(Protocol[N_contra]):
    """Fixed trials that give a network a score."""

    def measure(self, network: N_contra) -> float:
        """The score."""
        ...


class Loop(ABC, Generic[N, C, D]):
    """A network in training: what a checkpoint holds."""

    make_config: type[C]

    def __init__(self, network: C, config: TrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.network_config = network
        self.network: N = self.build(network).to(memory_format=torch.channels_last)
        self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        backbone = self.backbone()
        known = {id(p) for p in backbone}
        rest = [p for p in self.network.parameters() if id(p) not in known]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": backbone, "lr": config.backbone_rate, "peak": config.backbone_rate},
                {"params": rest, "lr": config.rate, "peak": config.rate},
            ],
            weight_decay=config.decay,
        )
        self.rng = np.random.default_rng(config.seed)
        self.step = 0
        self.seconds = 0.0

    @abstractmethod
    def build(self, config: C) -> N:
        """The network, as it starts."""

    @abstractmethod
    def backbone(self) -> list[nn.Parameter]:
        """The parameters that learn at the lower rate."""

    @abstractmethod
    def loss(self, data: D, size: int) -> Tensor:
        """Of one batch of pictures of a size, drawn by `self.rng`."""

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash while writing, or a full disk, leaves the old one whole."""
        content = io.BytesIO()
        torch.save(
            {
                "network": asdict(self.network_config),
                "config": asdict(self.config),
                "state": self.network.state_dict(),
                "averaged": self.averaged,
                "optimiser": self.optimiser.state_dict(),
                "rng": self.rng.bit_generator.state,
                "step": self.step,
                "seconds": self.seconds,
            },
            content,
        )
        write_whole(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Continue from a checkpoint, exactly; BadInput for a file that is none of ours."""
        try:
            saved = torch.load(path, weights_only=True)
            sizes = tuple((float(a), int(b)) for a, b in saved["config"].pop("sizes"))
            network = cls.make_config(**saved["network"])
            # The weights come from the checkpoint: photographs' features are not needed again.
            config = TrainConfig(**saved["config"], sizes=sizes)
            made = cls(replace(network, pretrained=False), config)
            made.network.load_state_dict(saved["state"])
            made.network_config = network
            made.averaged = saved["averaged"]
            made.optimiser.load_state_dict(saved["optimiser"])
            made.rng.bit_generator.state = saved["rng"]
            made.step, made.seconds = saved["step"], saved["seconds"]
        except (
            RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, LookupError, TypeError,
            ValueError,
        ) as error:  # fmt: skip
            raise BadInput(
                f"{path} is damaged, or no checkpoint of this training: delete it or restore a "
                f"copy, or begin in another folder ({str(error)[:300]})"
            ) from error
        return made

    def result(self) -> N:
        """The network with averaged weights, in evaluation mode."""
        network = self.build(replace(self.network_config, pretrained=False))
        network.load_state_dict(self.averaged)
        return network.eval()

    def learn(self, data: D, progress: float) -> float:
        """One step; returns its loss."""
        config = self.config
        warm = min(1.0, (self.step + 1) / config.warm_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = group["peak"] * warm * 0.5 * (1 + math.cos(math.pi * progress))
        self.network.train()
        loss = self.loss(data, config.size(progress))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(
                f"the loss of step {self.step} is {value}: begin in another folder, with a lower "
                "rate"  # a checkpoint goes on with its own
            )
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        keep = min(config.average, self.step / (self.step + 10))
        with torch.no_grad():
            for key, value_now in self.network.state_dict().items():
                if value_now.dtype.is_floating_point:
                    self.averaged[key].lerp_(value_now, 1 - keep)
                else:
                    self.averaged[key].copy_(value_now)
        return value


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) RGB bytes to (B, 3, H, W) in [0, 1], channels last."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(255)


def run(
    training: Loop[N, C, D],
    data: D,
    trials: Mapping[str, Measured[N]],
    folder: Path,
    *,
    steps: int = 1_000_000,
    minutes: float = math.inf,
    every: int = 100,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Train to so many steps or minutes in all, whichever ends first; the rate anneals to it.

    Appends to curve.jsonl and keeps checkpoint.pt in `folder`. Returns the last line of the curve.
    """
    folder.mkdir(parents=True, exist_ok=True)
    curve = folder / "curve.jsonl"
    if training.step == 0:
        first = {**asdict(training.config), **asdict(training.network_config), "renders": len(data)}
        curve.write_text(json.dumps(first) + "\n")
    losses: list[float] = []
    line: dict[str, Any] = {}
    last = saved = time.monotonic()
    done = False
    while not done:
        progress = max(training.step / steps, training.seconds / (60 * minutes))
        if progress >= 1:
            break
        losses.append(training.learn(data, progress))
        now = time.monotonic()
        training.seconds += now - last
        last = now
        done = training.step >= steps or training.seconds >= 60 * minutes
        if now - saved > _SAVE_EVERY_S:
            training.save(folder / "checkpoint.pt")
            saved = now
        if training.step % every == 0 or done:
            network = training.result()
            line = {
                "step": training.step,
                "minutes": round(training.seconds / 60, 2),
                "size": training.config.size(progress),
                "loss": round(float(np.mean(losses)), 4),
                **{name: round(trial.measure(network), 4) for name, trial in trials.items()},
            }
            losses.clear()
            training.save(folder / "checkpoint.pt")
            with curve.open("a") as file:
                file.write(json.dumps(line) + "\n")
            say(json.dumps(line))
            last = time.monotonic()  # measuring is not training
    return line

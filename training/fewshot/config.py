"""The settings of a training run; the paper's unless it says otherwise (Wang 2024, section 5.1)."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from training.fewshot.episodes import EpisodeConfig
from training.fewshot.errors import SettingsError
from training.fewshot.meta import InnerConfig

MODES = ("meta", "plain")
GRAIN = 16
"""Pixels: every method halves a picture so often, and its size is a multiple."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a run; everything that its result depends on, but for method and data.

    `mode` "meta" adapts to each character before it judges; "plain" draws the same pictures without
    an inner loop (the ablation without meta-learning, and the baselines).
    """

    mode: str = "meta"
    steps: int = 20_000  # the paper's 96 epochs of 37,289 samples are more
    tasks: int = 4  # characters in a batch
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    inner: InnerConfig = field(default_factory=InnerConfig)
    multi_step: float = 0.0  # share of the steps that take the multi-step loss; then K is 2
    rate: float = 2e-4  # of the generator
    rate_end: float = 5e-5
    critic_rate: float = 4e-4  # TTUR
    anneal: float = 2 / 3  # share of the steps over which the rate falls to its end
    warm_up: int = 100  # steps over which the rate rises; ours: most pixels are empty, and the
    # first steps, all alike, would teach the generator to draw nothing for good
    betas: tuple[float, float] = (0.5, 0.999)  # Pix2Pix's
    clip: float = 10.0  # norm of the generator's gradient; ours, against rare bursts
    average: float = 0.999  # decay of the weights' moving average, which is what ships; ours
    sizes: tuple[int, ...] = (256,)  # of the pictures, growing
    grow_at: tuple[float, ...] = ()  # shares of the steps at which the next size begins
    seed: int = 0
    bf16: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SettingsError(f"no mode {self.mode!r}; there are {', '.join(MODES)}")
        if self.steps < 1 or self.tasks < 1:
            raise SettingsError(
                f"a run has at least one step, of one character: found {self.steps} and "
                f"{self.tasks}"
            )
        for size in self.sizes:
            check_size(size)
        if len(self.grow_at) != len(self.sizes) - 1 or list(self.grow_at) != sorted(self.grow_at):
            raise SettingsError(
                f"sizes {self.sizes} need {len(self.sizes) - 1} growing shares in grow_at, found "
                f"{self.grow_at}"
            )
        if self.compile and self.mode == "meta" and self.inner.second_order:
            raise SettingsError(
                "compiled networks cannot be differentiated twice: take first order, or not compile"
            )

    def share(self, step: int) -> float:
        """How much of the run is done before a step, in [0, 1]."""
        return min(1.0, step / self.steps)

    def rate_at(self, step: int) -> float:
        """Cosine annealing over the first two thirds, then the end's; after a short warm-up."""
        share = min(1.0, self.share(step) / self.anneal) if self.anneal else 1.0
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        warm = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        return warm * (self.rate_end + (self.rate - self.rate_end) * cosine)

    def size_at(self, step: int) -> int:
        """The size of the pictures at a step."""
        return self.sizes[sum(self.share(step) >= share for share in self.grow_at)]

    def multi_step_progress(self, step: int) -> float:
        """How far the step weights of equation 11 are annealed; 1 or more: the last step alone."""
        return self.share(step) / self.multi_step if self.multi_step else 1.0

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> "TrainConfig":
        """What `to_dict` described; raises TypeError for settings that there are not."""
        values = dict(description)
        values["episode"] = EpisodeConfig(**values["episode"])
        values["inner"] = InnerConfig(**values["inner"])
        for name in ("betas", "sizes", "grow_at"):
            values[name] = tuple(values[name])
        return cls(**values)


def check_size(size: int) -> None:
    """SettingsError for pictures that no method can halve as often as it must."""
    if size < GRAIN or size % GRAIN:
        raise SettingsError(
            f"pictures of {size} px are asked for: take a multiple of {GRAIN}, such as "
            f"{max(GRAIN, round(size / GRAIN) * GRAIN)}"
        )

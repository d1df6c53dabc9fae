"""What every run of the tables is given alike: pictures, steps, size, rates, seeds."""

from dataclasses import asdict, dataclass
from typing import Any

from training.fewshot.adapt import AdaptConfig
from training.fewshot.config import TrainConfig
from training.fewshot.episodes import EpisodeConfig
from training.fewshot.errors import SettingsError
from training.fewshot.meta import InnerConfig


@dataclass(frozen=True, slots=True)
class Budget:
    """The settings that no run has to itself.

    In a step every run sees the same `tasks` characters and of each the same `shots` + `queries`
    pictures: with meta-learning as support and query set, without in one batch. Rates, the average
    of the weights and adaptation are those that rehearsals found best for the paper's method, and
    the same for all: the baselines' papers train a hundred times longer.
    """

    steps: int = 300
    sizes: tuple[int, ...] = (64,)  # of the pictures, growing
    grow_at: tuple[float, ...] = ()  # shares of the steps
    tasks: int = 4
    shots: int = 2  # the paper's K with the multi-step loss
    queries: int = 2
    support: str = "mixed"
    inner_steps: int = 2  # the paper has 4
    rate: float = 8e-4
    rate_end: float = 1e-4
    average: float = 0.99
    seeds: tuple[int, ...] = (0,)
    bf16: bool = False
    preset: str = "live"
    characters: int = 8  # of the test split, never trained on
    pictures: int = 6  # drawn of each
    adapt_steps: int = 40  # at most; adaptation stops where a held-out shift gets no better
    adapt_rate: float = 5e-4

    def __post_init__(self) -> None:
        if not self.seeds or self.characters < 1 or self.pictures < 1:
            raise SettingsError(
                f"expected at least one seed, character and picture, found {self.seeds}, "
                f"{self.characters} and {self.pictures}"
            )

    @property
    def size(self) -> int:
        """Of the pictures that are judged, in px."""
        return self.sizes[-1]

    def config(self, *, plain: bool, multi_step: float, seed: int) -> TrainConfig:
        """The trainer's settings of a run."""
        return TrainConfig(
            "plain" if plain else "meta", self.steps, self.tasks,
            EpisodeConfig(self.shots, self.queries, self.support, "front"),
            InnerConfig(self.inner_steps), multi_step, self.rate, self.rate_end,
            # A short run has less time to warm up.
            warm_up=min(100, self.steps // 4), average=self.average,
            sizes=self.sizes, grow_at=self.grow_at, seed=seed, bf16=self.bf16,
        )  # fmt: skip

    def adaptation(self, shots: int, seed: int) -> AdaptConfig:
        """To so many shifts of one drawing; to none: no step is made."""
        steps = self.adapt_steps if shots else 0
        return AdaptConfig(max(shots, 1), steps, rate=self.adapt_rate, seed=seed, bf16=self.bf16)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> "Budget":
        """What `to_dict` described; TypeError for settings that there are not."""
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in description.items()
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Shipping:
    """The run of the full method whose weights ship: as the budget has it, but longer."""

    times: int = 3  # as many steps as the budget's
    sizes: tuple[int, ...] = (64, 128)
    grow_at: tuple[float, ...] = (0.8,)


BUDGETS = {
    "cpu": (Budget(), Shipping()),
    # An inner loop is many small calls, for which a GPU waits: few of them, and many queries.
    "gpu": (
        Budget(
            steps=2000, sizes=(64, 128, 256), grow_at=(0.3, 0.6), queries=12, average=0.998,
            bf16=True, characters=12, pictures=8, adapt_steps=60,
        ),
        Shipping(4, (64, 128, 256), (0.25, 0.5)),
    ),
}  # fmt: skip
"""By the machine that they are for; the steps of one are found by its speed (`--minutes`)."""

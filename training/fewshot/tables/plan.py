"""The runs behind the few-shot paper's tables 1, 2 and 4, and what the paper found.

A run is a training; a trial adapts it to characters never seen, by so many shots, and draws them.
The tables share runs and trials: the full method is trained once.
"""

from dataclasses import dataclass

from training.fewshot.config import TrainConfig
from training.fewshot.recipe import METHODS, Recipe
from training.fewshot.tables.budget import Budget
from training.fewshot.warp.sampling import Sampling

MULTI_STEP = 1 / 3
"""The share of the steps with the multi-step loss: "in the early stage" (section 5.6)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One training, but for budget and seed."""

    name: str
    method: str = "fewshot"
    plain: bool = True
    multi_step: float = 0.0
    fusion: str = "product"
    width: int | None = None  # of a baseline's first layer
    sampling: Sampling = "bilinear"  # of warp

    def recipe(self, budget: Budget) -> Recipe:
        """Networks and losses; those of the paper's method without spectral normalisation."""
        return Recipe(
            self.method, budget.preset, budget.size, spectral=False, fusion=self.fusion,
            critic_width=16, width=self.width, sampling=self.sampling,
        )  # fmt: skip

    def config(self, budget: Budget, seed: int) -> TrainConfig:
        """The trainer's settings."""
        return budget.config(plain=self.plain, multi_step=self.multi_step, seed=seed)


# Baselines are as wide as makes a picture cost about what it costs the preset `live`, or more:
# 93 M multiply-adds at 64 px, against pix2pix 100, pg2 100, patn 245, xinggan 431. In their papers'
# width of 64, patn would take 120 times as many as `live`, and xinggan 150.
_ALL = (
    Run("fewshot-msl", plain=False, multi_step=MULTI_STEP),
    Run("fewshot", plain=False),
    Run("no-meta"),
    Run("no-fusion", plain=False, multi_step=MULTI_STEP, fusion="join"),
    Run("pix2pix", "pix2pix", width=32),
    Run("pg2", "pg2", width=8),
    Run("warp", "warp", sampling="bicubic"),
    Run("patn", "patn", width=8),
    Run("xinggan", "xinggan", width=8),
)
RUNS = {run.name: run for run in _ALL}
"""In the order in which they are made: the slowest last."""
FULL = "fewshot-msl"
"""The run of the paper's whole method."""


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """A trained run, adapted to one drawing's shifts; 0 shots: as it was trained.

    With several `drawings`, the basic views, it draws from all of them, and adapts to them as they
    are, each drawn from the others.
    """

    run: str
    shots: int
    drawings: int = 1

    @property
    def name(self) -> str:
        """For files."""
        of = f"-of-{self.drawings}" if self.drawings > 1 else ""
        return f"{self.run}-{self.shots}{of}"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table: what it is called, what was tried, and the paper's FID and SSIM of it."""

    title: str
    trial: Trial
    fid: float | None = None
    ssim: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One of the paper's tables."""

    number: int
    title: str
    rows: tuple[Row, ...]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Of the rows, each once, of methods that there are, in the order of `RUNS`."""
        found = {row.trial for row in self.rows if RUNS[row.trial.run].method in METHODS}
        return tuple(sorted(found, key=lambda t: (list(RUNS).index(t.run), t.drawings, t.shots)))


def _baseline(title: str, run: str, fid: float | None, ssim: float | None) -> tuple[Row, Row]:
    # The paper's baselines are not fine-tuned; ours are shown both ways.
    return (
        Row(title, Trial(run, 0), fid, ssim),
        Row(f"{title}, adapted (1 shot)", Trial(run, 1)),
    )


_FULL_1 = Row("Ours (1 shot, MSL)", Trial(FULL, 1), 4.03, 0.872)
_FULL_4 = Row("Ours (4 shots, MSL)", Trial(FULL, 4), 2.33, 0.874)
_PART_1 = Row("Ours (1 shot)", Trial("fewshot", 1), 5.78, 0.871)

TABLES = {
    1: Table(
        1,
        "methods",
        (
            *_baseline("PATN", "patn", 6.77, 0.807),
            *_baseline("PG2", "pg2", 6.61, 0.820),
            *_baseline("Pix2Pix", "pix2pix", 8.37, 0.843),
            *_baseline("XingGAN", "xinggan", 7.31, 0.812),
            _PART_1,
            _FULL_1,
            *_baseline("`warp` (not in the paper)", "warp", None, None),
            Row("`warp`, 4 drawings", Trial("warp", 0, 4)),
            Row("`warp`, adapted (4 drawings)", Trial("warp", 4, 4)),
        ),
    ),
    2: Table(
        2,
        "shots, and the multi-step loss (MSL)",
        (
            _PART_1,
            Row("Ours (4 shots)", Trial("fewshot", 4), 4.31, 0.872),
            Row("Ours (10 shots)", Trial("fewshot", 10), 4.01, 0.878),
            _FULL_1,
            _FULL_4,
            Row("Ours (10 shots, MSL)", Trial(FULL, 10)),
        ),
    ),
    4: Table(
        4,
        "ablation (4 shots)",
        (
            Row("w/o meta-learning (ML)", Trial("no-meta", 4), 5.30, 0.837),
            Row("w/o fine-tuning (FT)", Trial(FULL, 0), 5.92, 0.827),
            Row("w/o fusion module (FRM)", Trial("no-fusion", 4), 4.31, 0.852),
            Row("w/o multi-step loss (MSL)", Trial("fewshot", 4), 3.71, 0.862),
            _FULL_4,
        ),
    ),
}
"""Table 3 is of costs: see `report.costs`."""

_SHORT = {"Ours (1 shot, MSL)": "Ours", "Ours (4 shots, MSL)": "Full"}


def shots_named(shots: int) -> str:
    """As "4 shots"."""
    return f"{shots} shot" if shots == 1 else f"{shots} shots"


FIGURES = {
    6: (
        *(
            (_SHORT.get(row.title, row.title), row.trial)
            for row in TABLES[1].rows
            if row.fid is not None and row.trial != Trial("fewshot", 1)
        ),
        ("warp", Trial("warp", 0)),
        ("warp, 4 drawings", Trial("warp", 0, 4)),
    ),
    8: tuple((shots_named(shots), Trial(FULL, shots))
             for shots in (1, 4, 10)),
    9: tuple(
        (_SHORT.get(row.title, "w/o " + row.title.split("(")[-1].strip(")")), row.trial)
        for row in TABLES[4].rows
    ),
}  # fmt: skip
"""The columns of the figures between pose and truth."""

FIGURES_OF_ONE = {10: Trial(FULL, 10), 11: Trial(FULL, 4)}
"""Figures of the full method alone: what it does, and what it fails at."""
KEPT = (*FIGURES, *FIGURES_OF_ONE)
"""The figures that are made of kept pictures; figure 7 is of people."""
PEOPLE = tuple((title, trial) for title, trial in FIGURES[6] if trial.drawings == 1)
"""The columns of figure 7."""

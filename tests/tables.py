"""Studies of methods so small that a test runs them, and results that nobody measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.puppet.bundle import write_puppet_bundle
from tests.cut_drawings import cut_drawing
from tests.fewshot import TINY, blobs
from tests.puppets import skeleton
from training.fewshot import recipe
from training.fewshot.method import FewShot
from training.fewshot.tables import report, study
from training.fewshot.tables.budget import Budget
from training.fewshot.tables.plan import Trial
from training.fewshot.tables.results import Result, keep_budget, read_budget, result_path
from training.fewshot.tables.study import Study
from training.fewshot.workers import Workers

SMALL = Budget(
    steps=4, sizes=(16,), tasks=2, inner_steps=1, characters=2, pictures=2, adapt_steps=2
)


def small_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks and data that need no rendering."""
    torch.set_num_threads(1)
    for name in recipe.METHODS:
        monkeypatch.setitem(
            recipe.METHODS,
            name,
            lambda r: (
                FewShot(replace(TINY, fusion=r.fusion)),
                recipe.paper_objective(replace(r, perceptual=False, critic_width=2)),
            ),
        )
    monkeypatch.setattr(
        study.Dataset,
        "open",
        lambda folder, split, size: blobs(8, size, 0 if split == "train" else 50),
    )


def the_study(folder: Path, budget: Budget = SMALL) -> Study:
    """A study in a folder of its own, beside the data."""
    (folder.parent / "manifest.json").touch()
    keep_budget(folder, budget)
    return Study(folder.parent, folder, budget, Workers(torch.device("cpu")), loaders=1, fid=False)


def a_puppet(path: Path) -> Path:
    """Somebody whom no run has seen."""
    return write_puppet_bundle(
        path, "Doll", [cut_drawing(64)], skeleton(64), np.full((90, 60, 4), 200, np.uint8),
        training={"drawings": [{"parts_by": "bones"}]},
    )  # fmt: skip


def fake(folder: Path, trial: Trial, seed: int = 0, **measures: float) -> Path:
    """A result as a study keeps it, of two characters; its path."""
    every = dict.fromkeys(report.MEASURES, 0.5) | {"ssim": 0.8, "keypoints_of_truth": 0.9}
    result = Result(
        trial.run, trial.shots, seed, read_budget(folder).to_dict(), {}, {}, "data", 1.5, 0.5,
        {"a": every | measures, "b": every}, {"fid": 4.0 + trial.shots, "kid": 0.002},
    )  # fmt: skip
    result.write(result_path(folder, trial, seed))
    return result_path(folder, trial, seed)

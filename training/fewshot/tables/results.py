"""What a trial found, as it is kept: one JSON file of numbers, one .npz file of pictures."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.fewshot.errors import ResultError
from training.fewshot.tables.budget import Budget
from training.fewshot.tables.plan import Trial
from training.fewshot.train import CHECKPOINT
from training.files import write_whole

FORMAT = "ayatsuri few-shot trial 1"
U8 = NDArray[np.uint8]
T = TypeVar("T")


MEASURES = {
    "perceptual": "perceptual ↓", "sharpness": "sharpness → 1", "edges": "edges → 1",
    "keypoints": "keypoints ↑", "alpha_iou": "alpha IoU ↑", "ssim": "SSIM ↑",
}  # fmt: skip
"""Of each character, in the order of how well they tell a smear from a drawing."""


@dataclass(frozen=True, slots=True)
class Result:
    """One trial with one seed. `characters` has measures by character, `whole` those of all."""

    run: str
    shots: int
    seed: int
    budget: dict[str, Any]
    recipe: dict[str, Any]
    config: dict[str, Any]
    data: str  # SHA-256 of the data set's manifest
    train_minutes: float  # of wall time
    adapt_seconds: float  # of wall time, the mean over characters
    characters: dict[str, dict[str, float]]
    whole: dict[str, float]
    drawings: int = 1

    def write(self, path: Path) -> None:
        """Write it whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        write_whole(path, f"{content}\n".encode())


def result_path(folder: Path, trial: Trial, seed: int) -> Path:
    """Where a trial's numbers are; its pictures are beside, with the suffix .npz."""
    return folder / "results" / f"{trial.name}-seed{seed}.json"


def checkpoint_path(folder: Path, run: str, seed: int) -> Path:
    """Where a run's state is."""
    return folder / "runs" / f"{run}-seed{seed}" / CHECKPOINT


def read_result(folder: Path, trial: Trial, seed: int, budget: Budget, data: str = "") -> Result:
    """A trial's numbers; ResultError if missing, damaged, or of another budget or data set."""
    path = result_path(folder, trial, seed)
    found = _parsed(path, lambda text: _checked(json.loads(text)))
    if (Trial(found.run, found.shots, found.drawings), found.seed) != (trial, seed):
        raise ResultError(
            f"{path} is of {found.run} with {found.shots} shots of {found.drawings} drawings and "
            f"seed {found.seed}: delete it, and run the table again"
        )
    if found.budget != budget.to_dict():
        raise ResultError(
            f"{path} is of another budget than the folder's, {_difference(found.budget, budget)}: "
            "delete it, and run the table again"
        )
    if data and found.data != data:
        raise ResultError(
            f"{path} is of another data set (its manifest has SHA-256 {found.data}): give that "
            "one, or another folder"
        )
    return found


def _parsed(path: Path, parse: Callable[[str], T]) -> T:
    if not path.exists():
        raise ResultError(f"there is no {path}: run its table first")
    try:
        return parse(path.read_text())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ResultError(
            f"{path} is damaged ({error}): delete it, and run the same command again"
        ) from error


def _checked(found: dict[str, Any]) -> Result:
    if found.pop("format", None) != FORMAT:
        raise ValueError(f"expected the format {FORMAT!r}")
    for name in ("train_minutes", "adapt_seconds"):
        found[name] = float(found[name])
    for measures in (found["whole"], *found["characters"].values()):
        if not all(isinstance(value, float) for value in measures.values()):
            raise ValueError("a measure is no number")
    if not found["characters"]:
        raise ValueError("it has no characters")
    return Result(**found)


def _difference(found: dict[str, Any], budget: Budget) -> str:
    wanted = budget.to_dict()
    names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
    return ", ".join(f"{n} {found.get(n)!r} and not {wanted.get(n)!r}" for n in names)


def keep_budget(folder: Path, budget: Budget) -> None:
    """Write down the folder's budget; ResultError where it has another already."""
    path = folder / "budget.json"
    if path.exists():
        kept = read_budget(folder)
        if kept != budget:
            raise ResultError(
                f"{folder} has tables of another budget, "
                f"{_difference(kept.to_dict(), budget)}: give the same, or another folder"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, f"{json.dumps(budget.to_dict(), indent=1)}\n".encode())


def read_budget(folder: Path) -> Budget:
    """The folder's budget; ResultError if there is none, or it is damaged."""
    return _parsed(folder / "budget.json", lambda text: Budget.from_dict(json.loads(text)))


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the figures show: C characters in Q poses."""

    source: U8  # (C, S, S, 4) premultiplied RGBA
    joints: NDArray[np.float32]  # (C, Q, 20, 4)
    made: U8  # (C, Q, S, S, 4)
    truth: U8

    def write(self, path: Path) -> None:
        """Write them whole or not at all."""
        content = io.BytesIO()
        np.savez_compressed(content, **{f.name: getattr(self, f.name) for f in fields(self)})
        write_whole(path, content.getvalue())


def read_pictures(folder: Path, trial: Trial, seed: int) -> Pictures:
    """A trial's pictures; ResultError if missing or damaged."""
    path = result_path(folder, trial, seed).with_suffix(".npz")
    if not path.exists():
        raise ResultError(f"there is no {path}: run its table first")
    try:
        with np.load(io.BytesIO(path.read_bytes())) as found:
            return Pictures(**{f.name: found[f.name] for f in fields(Pictures)})
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ResultError(
            f"{path} is damaged ({error}): delete it and the .json file beside it, and run the "
            "same command again"
        ) from error

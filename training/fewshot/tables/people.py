"""What the tables' methods make of somebody whom no data set has: for the figures of people."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.character import CharacterBundle
from engine.errors import NotInBundle
from training.dataset.samples import CharacterPictures
from training.fewshot.adapt import asked, draw_pictures
from training.fewshot.commands import load_training
from training.fewshot.enrolled import dancing, drawings_of
from training.fewshot.inputs import Inputs
from training.fewshot.tables.plan import Trial
from training.fewshot.tables.results import checkpoint_path, read_budget
from training.fewshot.validate import adapted_to

POSES = (60, 150, 240, 330)
"""Frames of the standard dance that are asked for."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and poses for them."""

    drawings: CharacterPictures
    poses: NDArray[np.float32]  # (N, 20, 4)


def read_person(path: Path, size: int) -> Person:
    """Whoever was enrolled, `ayatsuri adapt PICTURE --anyway`, at `size` px.

    Raises:
        BundleError: there is no bundle, or none of a drawing.
    """
    bundle = CharacterBundle.load(path)
    if not bundle.drawings:
        raise NotInBundle(f"{path} has no drawing: make one with `ayatsuri adapt PICTURE --anyway`")
    puppet = bundle.drawn_by("puppet")
    return Person(drawings_of(puppet, size), dancing(puppet, size, POSES))


def drawn_as(folder: Path, trial: Trial, person: Person) -> NDArray[np.uint8]:
    """(N, S, S, 4) a person in their poses by a trial's run, adapted as the trial is.

    Raises:
        CheckpointError: the run is not there, or damaged.
    """
    budget, device = read_budget(folder), torch.device("cpu")
    seed = budget.seeds[0]
    training, _ = load_training(checkpoint_path(folder, trial.run, seed), device)
    drawings = person.drawings[: trial.drawings]
    config = budget.adaptation(trial.shots, seed)
    adapted = adapted_to(training.shipped(), training.objective, drawings, config, device)
    front = np.zeros(1, np.intp)
    known, _ = Inputs.of(drawings, front, front)
    return draw_pictures(adapted.method, asked(known, person.poses))

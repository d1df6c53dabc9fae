from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engine.errors import NotInBundle  # noqa: E402
from tests.bundles import write_bundle  # noqa: E402
from tests.tables import SMALL, a_puppet, fake, small_methods, the_study  # noqa: E402
from training.fewshot.errors import CheckpointError, ResultError  # noqa: E402
from training.fewshot.tables.figures import EACH, figure  # noqa: E402
from training.fewshot.tables.people import POSES, drawn_as, read_person  # noqa: E402
from training.fewshot.tables.plan import FULL, PEOPLE, RUNS, Trial  # noqa: E402
from training.fewshot.tables.results import Pictures, keep_budget, result_path  # noqa: E402
from training.metrics.pictures import on_white  # noqa: E402


def some_pictures(folder: Path, trial: Trial, seed: int = 0) -> Pictures:
    """Four characters in three poses: the third is striped, the last crouches in its second."""
    rng = np.random.default_rng(7)
    shape = (4, 3, 32, 32, 4)
    truth = np.zeros(shape, np.uint8)
    truth[:, :, 8:28, 8:24] = 200
    source = truth[:, 0].copy()
    source[2, 8:28:2, 8:24, :3] = 20
    joints = np.ones((4, 3, 20, 4), np.float32)
    joints[..., :2] = rng.uniform(8, 24, (4, 3, 20, 2))
    joints[..., 0, 1], joints[..., 13, 1] = 4, 28
    joints[3, 1, :, 1] = np.linspace(18, 26, 20)
    made = truth.copy()
    made[2, 2] = rng.integers(0, 256, shape[2:])  # its worst
    fake(folder, trial, seed)
    pictures = Pictures(source, joints, made, truth)
    pictures.write(result_path(folder, trial, seed).with_suffix(".npz"))
    return pictures


def test_failures_are_patterns_and_bent_poses(tmp_path: Path) -> None:
    keep_budget(tmp_path, SMALL)
    with pytest.raises(ResultError, match="run table 2 first"):
        figure(tmp_path, 11)
    kept = some_pictures(tmp_path, Trial(FULL, 4))
    found = figure(tmp_path, 11)
    cell, head = 128, 22
    assert found.shape == (head + 2 * EACH * cell, 4 * cell, 3)  # source, pose, made, truth
    shown = [found[head + r * cell : head + (r + 1) * cell, 2 * cell : 3 * cell] for r in range(4)]

    def large(picture: np.ndarray) -> np.ndarray:
        return cv2.resize(on_white(picture), (cell, cell), interpolation=cv2.INTER_CUBIC)

    assert (shown[0] == large(kept.made[2, 2])).all()
    assert (shown[EACH] == large(kept.made[3, 1])).all()
    some_pictures(tmp_path, Trial("warp", 0))
    assert figure(tmp_path, 11).shape[1] == 5 * cell


def test_ten_shots_are_shown_in_several_poses(tmp_path: Path) -> None:
    keep_budget(tmp_path, SMALL)
    with pytest.raises(ResultError, match="run its table first"):
        figure(tmp_path, 10)
    some_pictures(tmp_path, Trial(FULL, 10))
    found = figure(tmp_path, 10, rows=2)
    assert found.shape == (22 + 2 * 128, (1 + 2 * 3) * 128, 3)


def test_people_are_drawn_by_every_method_as_its_row_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_methods(monkeypatch)
    study_ = the_study(tmp_path / "tables")
    for name in {trial.run for _, trial in PEOPLE}:
        study_.train(RUNS[name], 0)
    folder, doll = tmp_path / "tables", a_puppet(tmp_path / "doll.character")
    person = read_person(doll, 16)
    assert person.drawings.pictures.shape == (1, 16, 16, 4)
    assert person.poses.shape == (len(POSES), 20, 4)
    plain, adapted = (drawn_as(folder, Trial(FULL, shots), person) for shots in (0, 1))
    assert plain.shape == adapted.shape == (len(POSES), 16, 16, 4)
    assert (plain != adapted).any()
    assert (drawn_as(folder, Trial(FULL, 1), person) == adapted).all()
    found = figure(folder, 7, people=[doll, doll])
    assert found.shape == (22 + 2 * len(POSES) * 128, (2 + len(PEOPLE)) * 128, 3)
    with pytest.raises(ResultError, match="by --person"):
        figure(folder, 7)
    with pytest.raises(NotInBundle, match="has no drawing"):
        figure(folder, 7, people=[write_bundle(tmp_path / "stick.character")])
    (folder / "runs" / "patn-seed0" / "checkpoint.pt").unlink()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        figure(folder, 7, people=[doll])

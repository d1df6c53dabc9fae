"""Laws of the motion code, on poses that hypothesis invents."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from engine.motion.draw import draw_pose

SIZE = 64

# Eighths of a pixel, so that shifts and reflections are exact in float32.
figures = arrays(np.int16, (20, 3), elements=st.integers(-20 * 8, (SIZE + 20) * 8)).map(
    lambda a: np.hstack([a / 8, np.ones((20, 1))]).astype(np.float32)
)


def picture(joints: NDArray[np.float32], size: int = SIZE) -> NDArray[np.int16]:
    out = np.empty((size, size, 3), np.uint8)
    draw_pose(np.ascontiguousarray(joints), out)
    return out.astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(figures, st.integers(-30, 30), st.integers(-30, 30))
def test_drawing_moves_with_its_joints(joints: NDArray[np.float32], dx: int, dy: int) -> None:
    moved = joints + np.array([dx, dy, 0, 0], np.float32)
    here, there = picture(joints), picture(moved)
    rows, columns = slice(max(0, dy), SIZE + min(0, dy)), slice(max(0, dx), SIZE + min(0, dx))
    back = there[rows, columns]
    shifted = slice(max(0, -dy), SIZE - max(0, dy)), slice(max(0, -dx), SIZE - max(0, dx))
    assert np.abs(here[shifted] - back).max(initial=0) <= 1


@settings(max_examples=60, deadline=None)
@given(figures)
def test_drawing_reflects_with_its_joints(joints: NDArray[np.float32]) -> None:
    left_right, transposed = joints.copy(), joints.copy()
    left_right[:, 0] = SIZE - joints[:, 0]
    transposed[:, :2] = joints[:, 1::-1]
    here = picture(joints)
    assert np.abs(picture(left_right)[:, ::-1] - here).max() <= 1
    assert np.abs(picture(transposed).swapaxes(0, 1) - here).max() <= 1


@settings(max_examples=60, deadline=None)
@given(figures, st.integers(0, 19), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_small_motion_makes_a_small_change(
    joints: NDArray[np.float32], joint: int, dx: float, dy: float
) -> None:
    # The one jump that is right is that of two bones which change their order in depth.
    moved = joints.copy()
    moved[joint, :2] += dx, dy
    # Each of the few shapes at a joint changes a pixel by at most its motion times the contrast.
    bound = 6 * 255 * np.hypot(dx, dy) + 6
    # A bone of almost no length may turn round at once, but then it moves no pixel.
    assert np.abs(picture(moved) - picture(joints)).max() <= bound

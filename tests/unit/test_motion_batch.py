"""Rotations of whole motions agree with the single ones, and limbs reach."""

import numpy as np
import pytest

from engine.mocap import batch, rotations
from engine.mocap.rig import INDEX, RigPose, forward_kinematics
from training.motion.posture import REFERENCE_REST


@pytest.fixture
def turns() -> np.ndarray:
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(200, 3))
    vectors[:4] = [[0, 0, 0], [np.pi, 0, 0], [0, np.pi, 0], [0, 0, np.pi - 1e-9]]
    return np.array([rotations.from_vector(v) for v in vectors])


def test_conversions_agree_with_the_single_ones(turns: np.ndarray) -> None:
    quaternions = batch.quaternions(turns)
    for turn, quaternion in zip(turns, quaternions, strict=True):
        np.testing.assert_allclose(rotations.from_quaternion(quaternion), turn, atol=1e-12)
    np.testing.assert_allclose(batch.matrices(quaternions), turns, atol=1e-12)
    np.testing.assert_allclose(batch.nearest_rotations(turns * 1.7), turns, atol=1e-12)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_turns_about_an_axis(axis) -> None:
    single = {"x": rotations.about_x, "y": rotations.about_y, "z": rotations.about_z}[axis]
    angles = np.linspace(-7, 7, 23)
    expected = [single(float(angle)) for angle in angles]
    np.testing.assert_allclose(batch.about(axis, angles), expected, atol=1e-15)
    along = np.eye(3)["xyz".index(axis)]
    np.testing.assert_allclose(batch.about_axes(along, angles), expected, atol=1e-12)


def test_shortest_turns_agree_with_the_single_ones() -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 50, 3))
    expected = [rotations.shortest(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(batch.shortest_turns(a, b), expected, atol=1e-12)
    back = batch.shortest_turns(a, -a)
    np.testing.assert_allclose(batch.turned(back, a), -a, atol=1e-7)
    np.testing.assert_array_equal(batch.shortest_turns(np.zeros(3), a[0]), np.eye(3))


def test_slerp_goes_the_short_way_at_an_even_pace() -> None:
    a = batch.quaternions(np.eye(3))
    b = -batch.quaternions(rotations.about_y(1.2))
    middle = batch.slerp(a[None], b[None], np.array([0.25]))
    np.testing.assert_allclose(batch.matrices(middle)[0], rotations.about_y(0.3), atol=1e-12)
    np.testing.assert_allclose(batch.slerp(a[None], a[None], np.array([0.5]))[0], a)


def test_kinematics_agree_with_the_single_ones(turns: np.ndarray) -> None:
    local = turns[:190].reshape(10, 19, 3, 3)
    root = np.linspace(-1, 1, 30).reshape(10, 3)
    at, places = batch.kinematics(local, root, REFERENCE_REST)
    for frame in range(10):
        one = forward_kinematics(RigPose(local[frame], root[frame]), REFERENCE_REST)
        np.testing.assert_allclose(at[frame], one[0], atol=1e-12)
        np.testing.assert_allclose(places[frame], one[1], atol=1e-12)
    np.testing.assert_allclose(batch.localised(at), local, atol=1e-12)


def test_limbs_reach_and_knees_bend_forwards() -> None:
    thigh, shin, foot = (REFERENCE_REST[INDEX[f"l_{n}"]] for n in ("thigh", "shin", "foot"))
    bones = (shin - thigh, foot - shin)
    rng = np.random.default_rng(7)
    target = rng.normal(size=(100, 3)) * 0.25 + (0.0, -0.5, 0.0)
    target[0] = foot - thigh  # quite straight
    # Even a leg that is bent backwards, as noisy captures are, is bent forwards afterwards.
    lower = np.array([rotations.about_x(angle) for angle in np.linspace(-0.3, 2.0, 100)])
    upper = np.broadcast_to(np.eye(3), (100, 3, 3))
    u, w = batch.reach(upper, lower, bones, target, (1.0, 0.0, 0.0))
    end = batch.turned(u, bones[0]) + batch.turned(w, bones[1])
    longest = 0.9998 * sum(float(np.linalg.norm(bone)) for bone in bones)
    shorter = np.linalg.norm(target, axis=1) < longest
    np.testing.assert_allclose(end[shorter], target[shorter], atol=1e-9)
    np.testing.assert_allclose(
        batch.normalised(end), batch.normalised(target), atol=1e-9, err_msg="reached for"
    )
    bend = batch.transposed(u) @ w
    assert (bend[:, 2, 1] > -1e-9).all(), "about +x"

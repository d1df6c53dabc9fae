"""Measuring a person: the kernels against their twins, and what is learnt of whom."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.motion import _kernels_axes as axes_kernels
from engine.motion import _kernels_person as kernels
from engine.motion import calibrate
from engine.motion.calibrate import SEGMENT_ENDS, SEGMENTS, Person
from engine.pose.pose import Pose
from tests import naive_motion
from tests.people import person, random_body, rotation, standing, turned

WH = (640, 560)
FRAME_S = 1 / 30
PAIRS = calibrate._PAIRS


def random_pose(rng: np.random.Generator, *, degenerate: bool) -> Pose:
    pose = Pose(
        keypoints=rng.uniform(0, 640, (33, 2)).astype(np.float32),
        scores=rng.uniform(0, 1, 33).astype(np.float32),
        world=rng.normal(0, 0.4, (33, 3)).astype(np.float32),
    )
    if degenerate:
        odd = [np.nan, np.inf, -np.inf, 1e30, 0.0]
        for array in (pose.keypoints, pose.world, pose.scores):
            flat = array.reshape(-1)
            flat[rng.integers(flat.size, size=4)] = rng.choice(odd, 4)
    return pose


@pytest.mark.parametrize("degenerate", [False, True])
def test_conversion_and_scale_agree_with_their_twins(degenerate: bool) -> None:
    rng = np.random.default_rng(3)
    for trial in range(60):
        pose = random_pose(rng, degenerate=degenerate)
        if trial % 2:  # a real fit, with one outlier
            pose.keypoints[:] = 300 + 200 * pose.world[:, :2] + rng.normal(0, 3, (33, 2))
            pose.keypoints[15] += 200
        body, metres = np.empty((22, 4)), np.empty((22, 3))
        flip = bool(trial % 3 == 0)
        kernels.convert_pose(
            pose.keypoints, pose.scores, pose.world, PAIRS, *WH, flip, body, metres
        )
        twin, twin_metres = naive_motion.convert_pose(
            pose.keypoints, pose.scores, pose.world, PAIRS, WH, flip
        )
        np.testing.assert_allclose(body, twin, rtol=1e-6)
        np.testing.assert_allclose(metres, twin_metres, rtol=1e-6)
        np.testing.assert_allclose(
            kernels.fit_scale(body, metres), naive_motion.fit_scale(body, metres), rtol=1e-6
        )


def test_measures_agree_with_their_twins() -> None:
    rng = np.random.default_rng(4)
    lengths, evidence = calibrate.PRIOR_M.copy(), np.full(10, 0.4)
    for _ in range(60):
        body = random_body(rng)
        measured = np.empty((10, 2))
        px_per_m = rng.uniform(50, 500)
        kernels.measure_segments(body, px_per_m, SEGMENT_ENDS, measured)
        np.testing.assert_allclose(
            measured, naive_motion.measure_segments(body, px_per_m, SEGMENT_ENDS)
        )
        wanted = naive_motion.update_lengths(measured, FRAME_S, lengths, evidence)
        kernels.update_lengths(measured, FRAME_S, lengths, evidence)
        np.testing.assert_allclose((lengths, evidence), wanted)


def test_axes_agree_with_their_twins() -> None:
    rng = np.random.default_rng(6)
    torso, face = np.empty((2, 3)), np.empty((2, 3))
    for _ in range(200):
        body = random_body(rng)
        axes_kernels.torso_axes(body, torso)
        np.testing.assert_allclose(torso, naive_motion.torso_axes(body), atol=1e-9)
        pitch = axes_kernels.face_axes(body, torso, 0.2, face)
        wanted_pitch, wanted = naive_motion.face_axes(body, torso, 0.2)
        np.testing.assert_allclose(pitch, wanted_pitch, atol=1e-9)
        np.testing.assert_allclose(face, wanted, atol=1e-9)
        np.testing.assert_allclose(face @ face.T, np.eye(2), atol=1e-9)


def true_lengths(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.vstack([joints, joints[[8, 11]].mean(axis=0), joints[[16, 17]].mean(axis=0)])
    pairs = SEGMENT_ENDS[:, 0]
    return 0.009 * np.linalg.norm(whole[pairs[:, 0]] - whole[pairs[:, 1]], axis=1)


def test_the_first_frame_already_gives_sensible_lengths() -> None:
    someone = Person()
    assert np.isnan(someone.px_per_m)
    someone.observe(person(standing()), WH, 0.0)
    np.testing.assert_allclose(someone.px_per_m, 2 / 0.009, rtol=1e-3)
    body = np.array(SEGMENTS) != "head"  # this one's is far larger than usual: that takes time
    np.testing.assert_allclose(someone.lengths_m[body], true_lengths(standing())[body], rtol=0.35)


def test_lengths_are_learnt_from_somebody_who_never_stands_straight() -> None:
    someone = Person()
    for i in range(300):
        joints = turned(standing(), "l_shoulder", rotation(0, 0.8 * np.sin(i / 9)))
        joints = turned(joints, "r_elbow", rotation(1, 0.9))
        joints = turned(joints, "mid", rotation(1, 0.6 * np.sin(i / 31)))
        someone.observe(person(joints), WH, FRAME_S)
    # Feet, which point at the camera, stay near the prior's: estimators miss most of their depth.
    tolerance = np.where(np.array(SEGMENTS) == "foot", 0.3, 0.05)
    error = np.abs(someone.lengths_m / true_lengths(standing()) - 1)
    assert (error < tolerance).all(), error


def test_calibration_replaces_the_estimate_soon() -> None:
    someone = Person()
    for _ in range(300):
        someone.observe(person(standing()), WH, FRAME_S)
    other = standing()
    other[[3, 6]] += (other[[3, 6]] - other[[2, 5]]) * 0.5  # longer upper arms
    someone.calibrate()
    frames = 0
    while someone.calibrating:
        someone.observe(person(other), WH, FRAME_S)
        frames += 1
    assert frames * FRAME_S <= 1.5
    np.testing.assert_allclose(someone.lengths_m, true_lengths(other), rtol=1e-3)


def test_calibration_waits_for_somebody_and_skips_what_it_cannot_see() -> None:
    someone = Person()
    someone.calibrate()
    hidden = np.full(20, 0.1)
    for _ in range(60):
        someone.observe(person(standing(), scores=hidden), WH, FRAME_S)
    assert someone.calibrating
    before = someone.lengths_m.copy()
    upper = np.where(np.isin(np.arange(20), [9, 10, 12, 13, 18, 19]), 0.1, 0.9)
    for _ in range(60):
        someone.observe(person(standing(), scores=upper), WH, FRAME_S)
    assert not someone.calibrating
    wanted = true_lengths(standing())
    for name, length, old in zip(SEGMENTS, someone.lengths_m, before, strict=True):
        if name in ("thigh", "shin", "foot"):
            # Nothing was seen of them: the prior, at the size of the rest.
            assert 0.5 < length / old < 2
        else:
            np.testing.assert_allclose(length, wanted[SEGMENTS.index(name)], rtol=5e-3)


def test_calibration_learns_which_way_the_head_is_level() -> None:
    looks_down = turned(standing(), "neck", rotation(0, 0.3))
    someone = Person()
    someone.calibrate()
    for _ in range(60):
        someone.observe(person(looks_down), WH, FRAME_S)
    np.testing.assert_allclose(someone.head_axes, [[1, 0, 0], [0, 0, -1]], atol=0.02)


@pytest.mark.parametrize("yaw", [-0.9, -0.3, 0.0, 0.5, 1.0])
def test_the_head_turns_as_the_persons(yaw: float) -> None:
    someone = Person()
    someone.calibrate()
    for i in range(120):
        joints = standing() if i < 60 else turned(standing(), "neck", rotation(1, yaw))
        someone.observe(person(joints), WH, FRAME_S)
    forward = rotation(1, yaw) @ np.array([0, 0, -1.0])
    np.testing.assert_allclose(someone.head_axes[1], forward, atol=0.03)


def test_a_head_that_is_badly_seen_looks_where_the_torso_does() -> None:
    someone = Person()
    joints = turned(standing(), "mid", rotation(1, 0.7))
    joints = turned(joints, "neck", rotation(1, -1.4))
    scores = np.full(20, 0.9)
    scores[[0, 14, 15, 16, 17]] = 0.2
    for _ in range(60):
        someone.observe(person(joints, scores=scores), WH, FRAME_S)
    forward = rotation(1, 0.7) @ np.array([0, 0, -1.0])
    np.testing.assert_allclose(someone.head_axes[1], forward, atol=0.02)


def test_reset_forgets_the_person() -> None:
    someone, fresh = Person(), Person()
    for _ in range(30):
        someone.observe(person(standing() * 1.3), WH, FRAME_S)
    someone.calibrate()
    someone.reset()
    assert not someone.calibrating
    someone.observe(person(standing()), WH, 0.0)
    fresh.observe(person(standing()), WH, 0.0)
    np.testing.assert_array_equal(someone.lengths_m, fresh.lengths_m)
    np.testing.assert_array_equal(someone.head_axes, fresh.head_axes)
    assert someone.joints().shape == (20, 4)
    assert someone.joints().dtype == np.float32

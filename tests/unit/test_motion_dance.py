"""Dances: continuous, on the floor, complete, and different for every seed."""

import numpy as np
import pytest

from engine.mocap.rig import INDEX, forward_kinematics
from training.motion.collisions import penetrates
from training.motion.dance import dance, dance_vectors
from training.motion.phrases import FINALE, LIBRARY
from training.motion.posture import REFERENCE_REST, sole_heights

SECONDS, FPS = 20.0, 30.0


@pytest.fixture(scope="module")
def show() -> list:
    return dance(SECONDS, FPS)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_jumps_from_frame_to_frame(seed: int) -> None:
    at = np.array([forward_kinematics(p, REFERENCE_REST)[1] for p in dance(SECONDS, FPS, seed)])
    speed = np.linalg.norm(np.diff(at, axis=0), axis=2) * FPS  # (N - 1, 19) m/s
    assert speed.max() < 9.0, "hands of a fast dancer"
    assert speed[:, INDEX["hips"]].max() < 2.5
    assert speed[:, INDEX["head"]].max() < 4.0
    acceleration = np.linalg.norm(np.diff(at, n=2, axis=0), axis=2) * FPS**2
    assert acceleration.max() < 200.0


def test_the_show_stands_on_the_floor(show: list) -> None:
    heights = np.array([sole_heights(pose) for pose in show])
    assert heights.min() > -0.005
    assert (heights.min(axis=1) < 0.02).mean() > 0.8, "most of the time a foot stands"


def test_standing_feet_stay_where_they_are(show: list) -> None:
    # Of a foot on the floor, the ankle moves only by pivoting over its ball.
    heights = np.array([sole_heights(pose) for pose in show])
    at = np.array([forward_kinematics(p, REFERENCE_REST)[1] for p in show])
    for side, name in enumerate(("l_foot", "r_foot")):
        down = (heights[1:, side] < 0.004) & (heights[:-1, side] < 0.004)
        moved = np.linalg.norm(np.diff(at[:, INDEX[name]][:, [0, 2]], axis=0), axis=1)
        assert moved[down].max() < 0.035
        assert np.median(moved[down]) < 0.002


def test_hands_keep_out_of_the_body(show: list) -> None:
    assert not any(penetrates(pose) for pose in show)


def test_the_show_turns_once_and_ends_facing_the_viewer() -> None:
    facing = dance_vectors(SECONDS, FPS)[:, 0]
    assert facing[0] == 0.0
    assert facing[-1] == pytest.approx(2.0 * np.pi, abs=1e-6)


def test_frames_are_counted_and_repeatable(show: list) -> None:
    assert len(show) == 600
    assert len(dance(1.0, 12.5)) == 12
    np.testing.assert_array_equal(dance_vectors(8.0, 30.0, 7), dance_vectors(8.0, 30.0, 7))
    assert np.abs(dance_vectors(8.0, 30.0, 7) - dance_vectors(8.0, 30.0, 8)).max() > 0.1


def test_the_rate_does_not_change_the_motion() -> None:
    np.testing.assert_allclose(dance_vectors(6.0, 60.0)[::2], dance_vectors(6.0, 30.0), atol=1e-9)


@pytest.mark.parametrize(("seconds", "fps"), [(0.0, 30.0), (-1.0, 30.0), (1.0, 0.0)])
def test_senseless_lengths_are_refused(seconds: float, fps: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        dance(seconds, fps)


@pytest.mark.parametrize("phrase", [*LIBRARY.values(), FINALE])
def test_phrases_count_to_eight(phrase) -> None:
    counts = [key.count for key in phrase()]
    assert counts == sorted(counts)
    assert min(counts) >= 1.0
    assert max(counts) < 9.0
    assert np.diff(counts).min() > 0.2

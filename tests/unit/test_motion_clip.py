"""Clips: sampled at any time, at other rates, cut, mirrored and turned."""

import numpy as np
import pytest

from engine.mocap.batch import kinematics
from engine.mocap.clip import Clip, clip_of
from engine.mocap.rig import INDEX
from engine.mocap.rotations import to_vector
from tests.motions import small_dance
from training.motion.posture import REFERENCE_REST
from training.motion.retarget import facing_viewer


@pytest.fixture(scope="module")
def clip() -> Clip:
    dance = small_dance(2.0)
    contacts = np.zeros((len(dance), 2, 2), bool)
    contacts[10:20, 0, 1] = True
    return Clip("dance", 30.0, dance.rotations, dance.root, contacts)


def test_sampling_hits_the_frames_and_goes_evenly_between(clip: Clip) -> None:
    for frame in (0, 7, len(clip) - 1):
        pose = clip.at(frame / clip.fps)
        np.testing.assert_allclose(pose.rotations, clip.rotations[frame], atol=1e-9)
        np.testing.assert_allclose(pose.root, clip.root[frame], atol=1e-12)
    a, b, middle = clip.pose(7), clip.pose(8), clip.at(7.25 / clip.fps)
    np.testing.assert_allclose(middle.root, 0.75 * a.root + 0.25 * b.root, atol=1e-12)
    for joint in range(19):
        way = to_vector(a.rotations[joint].T @ b.rotations[joint])
        done = to_vector(a.rotations[joint].T @ middle.rotations[joint])
        np.testing.assert_allclose(done, 0.25 * way, atol=1e-6)


def test_time_outside_the_clip_holds_its_ends(clip: Clip) -> None:
    np.testing.assert_allclose(clip.at(-5.0).root, clip.root[0])
    np.testing.assert_allclose(clip.at(1e9).root, clip.root[-1])
    still = clip.cut(0.0, 0.0)
    assert len(still) == 1
    np.testing.assert_allclose(still.at(3.0).rotations, clip.rotations[0], atol=1e-12)


def test_resampling_keeps_the_motion(clip: Clip) -> None:
    fine = clip.resampled(120.0)
    assert len(fine) == 4 * (len(clip) - 1) + 1
    np.testing.assert_allclose(fine.rotations[::4], clip.rotations, atol=1e-9)
    back = fine.resampled(30.0)
    np.testing.assert_allclose(back.root, clip.root, atol=1e-9)
    np.testing.assert_array_equal(back.contacts, clip.contacts)
    assert clip.resampled(7.0).seconds <= clip.seconds
    with pytest.raises(ValueError, match="positive"):
        clip.resampled(0.0)


def test_a_mirror_exchanges_the_sides(clip: Clip) -> None:
    mirrored = clip.mirrored()
    places = kinematics(clip.rotations, clip.root, REFERENCE_REST)[1]
    flipped = kinematics(mirrored.rotations, mirrored.root, REFERENCE_REST)[1]
    for one, other in (("l_hand", "r_hand"), ("r_foot", "l_foot"), ("head", "head")):
        np.testing.assert_allclose(
            flipped[:, INDEX[other]], places[:, INDEX[one]] * (-1, 1, 1), atol=1e-9
        )
    np.testing.assert_array_equal(mirrored.contacts[:, 1], clip.contacts[:, 0])
    twice = mirrored.mirrored()
    np.testing.assert_array_equal(twice.rotations, clip.rotations)
    np.testing.assert_array_equal(twice.root, clip.root)


def test_cuts_are_frames_of_the_clip(clip: Clip) -> None:
    part = clip.cut(0.5, 1.0)
    assert len(part) == 16
    np.testing.assert_array_equal(part.root, clip.root[15:31])
    np.testing.assert_array_equal(clip.cut(-1.0, 99.0).root, clip.root)


def test_facing_the_viewer(clip: Clip) -> None:
    away = clip.turned(2.5)
    moved = Clip("m", 30.0, away.rotations, away.root + np.array([3.0, 0.0, -4.0]), away.contacts)
    faced = facing_viewer(moved)
    ahead = faced.rotations[:, 0, :, 2].mean(axis=0)
    assert ahead[2] > 0.8
    assert abs(ahead[0]) < 0.05
    np.testing.assert_allclose(faced.root[0], (0.0, clip.root[0, 1], 0.0), atol=1e-9)


def test_a_clip_is_a_sequence_of_poses(clip: Clip) -> None:
    again = clip_of(list(clip), clip.fps, "again")
    np.testing.assert_array_equal(again.rotations, clip.rotations)
    assert not again.contacts.any()


def test_senseless_clips_are_refused(clip: Clip) -> None:
    with pytest.raises(ValueError, match="F > 0"):
        clip_of([], 30.0, "empty")
    with pytest.raises(ValueError, match="F > 0"):
        Clip("x", 30.0, clip.rotations, clip.root[1:], clip.contacts)
    with pytest.raises(ValueError, match="rate"):
        Clip("x", float("nan"), clip.rotations, clip.root, clip.contacts)

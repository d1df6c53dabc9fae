"""Feet that stand, stay: found, kept on other proportions, measured."""

import numpy as np
import pytest

from engine.mocap.batch import kinematics, leg_length
from engine.mocap.clip import Clip
from engine.mocap.feet import find_contacts, foot_sliding, plant_feet, soles_of
from engine.mocap.rig import INDEX, JOINTS
from tests.motions import small_dance
from training.motion.posture import REFERENCE_REST, sole_heights
from training.motion.retarget import clip_on_floor

LIMIT = 0.02  # leg lengths a frame


def chibi() -> np.ndarray:
    """Short legs with long shins, wide hips, tall ankles and a high waist."""
    rest = REFERENCE_REST * 0.6
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for part, height in (("thigh", 0.33), ("shin", 0.22), ("foot", 0.07)):
            rest[INDEX[f"{side}_{part}"]] = (sign * 0.11, height, 0.0)
    rest[0, 1] = 0.40
    return rest


@pytest.fixture(scope="module")
def dance() -> Clip:
    """Six seconds, contacts as seen on the proportions that the dance was made for."""
    return clip_on_floor(list(small_dance(6.0, seed=3)), 30.0, "dance")


def test_soles_agree_with_those_of_postures(dance: Clip) -> None:
    heights = soles_of(dance, REFERENCE_REST)[..., 1].min(axis=-1) * leg_length(REFERENCE_REST)
    expected = [sole_heights(dance.pose(frame)) for frame in range(0, len(dance), 20)]
    np.testing.assert_allclose(heights[::20], expected, atol=1e-12)


def test_contacts_are_where_feet_stand(dance: Clip) -> None:
    assert 0.4 < dance.contacts.any(axis=-1).mean() < 0.95
    lifted = soles_of(dance, REFERENCE_REST)[..., 1] > 0.1
    assert not dance.contacts[lifted].any()
    standing = np.zeros((60, 2, 2, 3))
    assert find_contacts(standing, 30.0).all()
    walking = standing.copy()
    walking[..., 2] += np.linspace(0.0, 4.0, 60)[:, None, None]
    assert not find_contacts(walking, 30.0).any()
    assert not find_contacts(standing + np.array([0.0, 0.2, 0.0]), 30.0).any()


def test_contacts_do_not_depend_on_the_rate(dance: Clip) -> None:
    fine = dance.resampled(120.0)
    found = find_contacts(soles_of(fine, REFERENCE_REST), 120.0)[::4]
    assert (found == dance.contacts).mean() > 0.95


@pytest.mark.parametrize("rest", [REFERENCE_REST, chibi()], ids=["adult", "chibi"])
def test_standing_feet_stand_still_on_the_floor(dance: Clip, rest: np.ndarray) -> None:
    planted = plant_feet(dance, rest)
    sliding = foot_sliding(planted, rest)
    assert len(sliding.standing) > 100
    assert sliding.worst < LIMIT
    assert sliding.sunk < 1e-6
    assert sliding.hovers < 0.002
    assert soles_of(planted, rest)[..., 1].min() > -0.002, "nor do other feet go through the floor"


def test_other_proportions_would_slide(dance: Clip) -> None:
    before, after = foot_sliding(dance, chibi()), foot_sliding(plant_feet(dance, chibi()), chibi())
    assert before.worst > LIMIT > after.worst
    assert after.dragging <= before.dragging


def test_only_legs_and_height_change_and_nothing_jumps(dance: Clip) -> None:
    rest = chibi()
    planted = plant_feet(dance, rest)
    legs = [i for i, n in enumerate(JOINTS) if n.endswith(("thigh", "shin", "foot"))]
    others = [i for i in range(19) if i not in legs]
    np.testing.assert_allclose(planted.rotations[:, others], dance.rotations[:, others], atol=1e-9)
    np.testing.assert_array_equal(planted.root[:, [0, 2]], dance.root[:, [0, 2]])
    turns = kinematics(planted.rotations, planted.root, rest)[0]
    feet = [INDEX["l_foot"], INDEX["r_foot"]]
    expected = kinematics(dance.rotations, dance.root, rest)[0]
    np.testing.assert_allclose(turns[:, feet], expected[:, feet], atol=1e-9)

    def fastest(clip: Clip) -> float:
        places = kinematics(clip.rotations, clip.root, rest)[1]
        return float(np.linalg.norm(np.diff(places, axis=0), axis=-1).max()) / leg_length(rest)

    assert fastest(planted) < 1.3 * fastest(dance) + 0.02


def test_a_still_pose_is_planted_too() -> None:
    clip = small_dance(0.034)
    still = Clip(
        "x", 30.0, clip.rotations, clip.root + np.array([0, 0.02, 0]), np.ones((1, 2, 2), bool)
    )
    sliding = foot_sliding(plant_feet(still, REFERENCE_REST), REFERENCE_REST)
    assert sliding.hovers < 1e-6
    assert sliding.worst == sliding.dragging == 0.0

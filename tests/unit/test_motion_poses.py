"""Random poses: rotations are rotations, joints keep their limits, feet keep out of the floor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.mocap.rig import INDEX, JOINTS, RigPose, forward_kinematics
from engine.mocap.rotations import (
    from_quaternion,
    from_vector,
    power,
    shortest,
    to_quaternion,
    to_vector,
)
from training.motion.arms import ARMS
from training.motion.collisions import penetrates
from training.motion.poses import MAX_JUMP, random_pose
from training.motion.posture import (
    ELBOW_LIMIT,
    HEAD_LIMITS,
    KNEE_LIMIT,
    REFERENCE_REST,
    VECTOR_SIZE,
    Posture,
    arm_along,
    arm_reaching,
    arm_towards,
    mix,
    plant,
    pose_of,
    sole_heights,
)

seeds = st.integers(0, 2**32 - 1)
directions = st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda v: np.linalg.norm(v) > 1e-3)


def assert_rotations(pose: RigPose) -> None:
    assert pose.rotations.shape == (len(JOINTS), 3, 3)
    assert pose.root.shape == (3,)
    product = pose.rotations @ np.swapaxes(pose.rotations, 1, 2)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(pose.rotations), 1.0, atol=1e-9)


def angle(rotation: np.ndarray) -> float:
    return float(np.linalg.norm(to_vector(rotation)))


@given(seeds)
@settings(max_examples=150, deadline=None)
def test_random_pose_obeys_the_body(seed: int) -> None:
    pose = random_pose(np.random.default_rng(seed))
    assert_rotations(pose)
    for side, hinge in (("l", (0.0, -1.0, 0.0)), ("r", (0.0, 1.0, 0.0))):
        elbow = to_vector(pose.rotations[INDEX[f"{side}_forearm"]])
        flexion = float(elbow @ np.array(hinge))
        assert -1e-9 <= flexion <= ELBOW_LIMIT + 1e-9, "the elbow is a hinge that bends one way"
        np.testing.assert_allclose(elbow, np.array(hinge) * flexion, atol=1e-9)
        knee = to_vector(pose.rotations[INDEX[f"{side}_shin"]])
        assert -1e-9 <= knee[0] <= KNEE_LIMIT + 1e-6
        np.testing.assert_allclose(knee[1:], 0.0, atol=1e-9)
        assert angle(pose.rotations[INDEX[f"{side}_foot"]]) <= np.radians(60.0) + 1e-6
        assert angle(pose.rotations[INDEX[f"{side}_clavicle"]]) <= np.radians(35.0)
    turned = pose.rotations[INDEX["neck"]] @ pose.rotations[INDEX["head"]]
    assert angle(turned) <= np.linalg.norm(HEAD_LIMITS) + 1e-6


@given(seeds)
@settings(max_examples=100, deadline=None)
def test_random_pose_stands_on_the_floor(seed: int) -> None:
    pose = random_pose(np.random.default_rng(seed))
    leg = np.linalg.norm(REFERENCE_REST[INDEX["l_thigh"]] - REFERENCE_REST[INDEX["l_foot"]])
    lowest = sole_heights(pose).min() / leg
    assert -1e-9 <= lowest <= MAX_JUMP + 1e-9
    assert np.abs(pose.root[[0, 2]]).max() < 1.0


def test_poses_cover_what_was_asked_for() -> None:
    rng = np.random.default_rng(5)
    facing, raised, knees = [], [], []
    for _ in range(400):
        pose = random_pose(rng)
        rotations, positions = forward_kinematics(pose, REFERENCE_REST)
        forward = rotations[INDEX["hips"]][:, 2]
        facing.append(np.degrees(np.arctan2(forward[0], forward[2])))
        shoulders = positions[INDEX["l_upper_arm"], 1]
        raised.append(positions[INDEX["l_hand"], 1] > shoulders)
        knees.append(to_vector(pose.rotations[INDEX["l_shin"]])[0])
    away = np.abs(np.array(facing)) > 90.0
    assert 0.03 < away.mean() < 0.15, "some are seen from behind"
    assert np.median(np.abs(facing)) < 30.0, "most face the camera"
    assert 0.1 < np.mean(raised) < 0.6
    assert np.max(knees) > np.radians(60.0)


def test_the_same_seed_gives_the_same_pose() -> None:
    first = random_pose(np.random.default_rng(3))
    second = random_pose(np.random.default_rng(3))
    np.testing.assert_array_equal(first.rotations, second.rotations)
    np.testing.assert_array_equal(first.root, second.root)


@pytest.mark.parametrize("name", ARMS)
def test_library_arms_keep_out_of_the_body(name: str) -> None:
    pose = plant(pose_of(Posture(left_arm=ARMS[name], right_arm=ARMS[name])))
    assert_rotations(pose)
    assert not penetrates(pose)


def test_a_hand_in_the_chest_is_noticed() -> None:
    inside = arm_reaching((-0.34, -0.30, 0.0))
    assert penetrates(plant(pose_of(Posture(left_arm=inside))))


@given(directions, directions)
@settings(deadline=None)
def test_arm_towards_points_the_upper_arm_exactly(upper: tuple, fore: tuple) -> None:
    arm = arm_towards(upper, fore)
    along = from_quaternion(arm.shoulder)[:, 0]
    np.testing.assert_allclose(along, np.array(upper) / np.linalg.norm(upper), atol=1e-6)
    assert 0.0 <= arm.bend <= ELBOW_LIMIT


@pytest.mark.parametrize(
    "target", [(0.1, -0.7, 0.2), (0.3, 0.5, 0.3), (-0.2, 0.1, 0.6), (0.6, 0.0, 0.4)]
)
def test_arm_reaching_puts_the_wrist_there(target: tuple[float, float, float]) -> None:
    pose = pose_of(Posture(left_arm=arm_reaching(target)))
    _, at = forward_kinematics(pose, REFERENCE_REST)
    shoulder, wrist = at[INDEX["l_upper_arm"]], at[INDEX["l_hand"]]
    length = REFERENCE_REST[INDEX["l_hand"], 0] - REFERENCE_REST[INDEX["l_upper_arm"], 0]
    np.testing.assert_allclose((wrist - shoulder) / length, target, atol=1e-6)


def test_spread_arms_bend_the_way_they_are_twisted() -> None:
    for twist, expected in ((0.0, (0, 0, 1)), (np.pi / 2, (0, 1, 0)), (-np.pi / 2, (0, -1, 0))):
        pose = pose_of(Posture(left_arm=arm_along((1, 0, 0), twist, np.pi / 2)))
        _, at = forward_kinematics(pose, REFERENCE_REST)
        forearm = at[INDEX["l_hand"]] - at[INDEX["l_forearm"]]
        np.testing.assert_allclose(forearm / np.linalg.norm(forearm), expected, atol=1e-9)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_mirrored_postures_give_mirrored_joints(seed: int) -> None:
    vector = Posture().to_vector()
    noise = np.random.default_rng(seed).normal(0.0, 0.15, VECTOR_SIZE)
    posture = Posture.from_vector(vector + noise)
    _, here = forward_kinematics(pose_of(posture), REFERENCE_REST)
    _, there = forward_kinematics(pose_of(posture.mirrored()), REFERENCE_REST)
    twin = [
        INDEX[n.replace("l_", "r_", 1) if n.startswith("l_") else n.replace("r_", "l_", 1)]
        for n in JOINTS
    ]
    np.testing.assert_allclose(there[twin] * (-1.0, 1.0, 1.0), here, atol=1e-9)


def test_mix_returns_its_ends() -> None:
    a = Posture(facing=1.0, left_arm=ARMS["wave"])
    b = Posture(facing=-1.0, left_arm=ARMS["hang"])
    for amount, end in ((0.0, a), (1.0, b)):
        np.testing.assert_allclose(mix(a, b, amount).to_vector(), end.to_vector(), atol=1e-12)


@given(directions, directions)
@settings(deadline=None)
def test_shortest_rotation_takes_one_direction_to_the_other(a: tuple, b: tuple) -> None:
    rotation = shortest(a, b)
    np.testing.assert_allclose(
        rotation @ (np.array(a) / np.linalg.norm(a)), np.array(b) / np.linalg.norm(b), atol=1e-4
    )


def test_shortest_rotation_between_opposites_is_a_half_turn() -> None:
    rotation = shortest((0, 0, 1), (0, 0, -1))
    np.testing.assert_allclose(rotation @ (0, 0, 1), (0, 0, -1), atol=1e-12)
    assert angle(rotation) == pytest.approx(np.pi)


@given(directions, st.floats(0.0, 3.1))
@settings(deadline=None)
def test_rotations_convert_there_and_back(axis: tuple, turn: float) -> None:
    vector = np.array(axis) / np.linalg.norm(axis) * turn
    rotation = from_vector(vector)
    np.testing.assert_allclose(to_vector(rotation), vector, atol=1e-6)
    np.testing.assert_allclose(from_quaternion(to_quaternion(rotation)), rotation, atol=1e-9)
    half = power(rotation, 0.5)
    np.testing.assert_allclose(half @ half, rotation, atol=1e-6)

"""What is said of a picture, on characters that one can look at."""

import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from engine.mocap.rig import INDEX, JOINTS, RigPose
from engine.mocap.rotations import shortest
from engine.pose.skeleton import PUPPET_20
from training.characters import ito
from training.characters.character import RiggedCharacter, render_sample, rest_pose
from training.characters.observe import Observation, observe
from training.characters.parts import OF_JOINT, PART, PARTS, part_of_bones
from training.characters.procedural.build import build
from training.characters.proportions import character_skeleton, standing_pose
from training.characters.sheet import euler
from training.motion.poses import random_pose
from training.render.scene import render

FACE = ["nose", "r_eye", "l_eye"]
LIMBS = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"]


@pytest.fixture(scope="module", params=["ito", "42"])
def character(request) -> RiggedCharacter:
    """One with a wide skirt and hanging hair, one with trousers and ears that show."""
    return ito.build() if request.param == "ito" else build(int(request.param), 0.25)


def turned(pose: RigPose, degrees: float) -> RigPose:
    rotations = pose.rotations.copy()
    rotations[0] = euler((0, degrees, 0)) @ rotations[0]
    return RigPose(rotations, pose.root)


def seen(observation: Observation) -> dict[str, bool]:
    return dict(zip(PUPPET_20.joints, observation.visible.tolist(), strict=True))


def test_the_picture_is_that_of_the_training_sample(character: RiggedCharacter) -> None:
    pose = random_pose(np.random.default_rng(1), character.rest)
    found = observe(character, pose, 96, 3)
    picture, joints = render_sample(character, pose, 96, 3)
    np.testing.assert_array_equal(found.picture, picture)
    np.testing.assert_array_equal(found.joints, joints)
    assert (found.parts.dtype, found.parts.shape) == (np.uint8, (96, 96))
    assert (found.bone_lengths.dtype, found.bone_lengths.shape) == (np.float32, (19,))


def test_from_the_front_the_face_is_seen_and_all_limbs(character: RiggedCharacter) -> None:
    visible = seen(observe(character, standing_pose(character, "a pose"), 256))
    wanted = [*FACE, "neck", *(f"{side}_{limb}" for side in "lr" for limb in [*LIMBS, "toe"])]
    assert [joint for joint in wanted if not visible[joint]] == []


def test_from_behind_the_face_is_hidden_and_no_limb(character: RiggedCharacter) -> None:
    visible = seen(observe(character, turned(standing_pose(character, "a pose"), 180), 256))
    assert not any(visible[joint] for joint in FACE)
    assert all(visible[f"{side}_{limb}"] for side in "lr" for limb in LIMBS)


@pytest.mark.parametrize(("degrees", "near", "far"), [(90, "r", "l"), (-90, "l", "r")])
def test_from_the_side_the_far_half_is_hidden(
    character: RiggedCharacter, degrees: float, near: str, far: str
) -> None:
    visible = seen(observe(character, turned(rest_pose(), degrees), 256))
    assert visible["nose"]
    assert not visible[f"{far}_eye"]
    for joint in ("shoulder", "wrist", "hip", "knee"):
        assert not visible[f"{far}_{joint}"]
    assert all(visible[f"{near}_{joint}"] for joint in ("knee", "ankle", "toe"))


def test_an_arm_behind_the_back_is_hidden(character: RiggedCharacter) -> None:
    pose = standing_pose(character, "a pose")
    rotations = pose.rotations.copy()
    rotations[INDEX["l_upper_arm"]] = shortest(np.array([1.0, 0, 0]), _unit(-0.1, -0.9, -0.5))
    way = rotations[INDEX["l_upper_arm"]].T @ _unit(-0.6, 0.6, -0.1)
    rotations[INDEX["l_forearm"]] = shortest(np.array([1.0, 0, 0]), way)
    held = RigPose(rotations, pose.root)
    front, back = (seen(observe(character, p, 256)) for p in (held, turned(held, 180)))
    assert (front["l_wrist"], back["l_wrist"]) == (False, True)
    assert front["r_wrist"]


def _unit(x: float, y: float, z: float) -> np.ndarray:
    return np.array([x, y, z]) / np.linalg.norm([x, y, z])


def test_what_is_out_of_the_picture_is_not_visible(character: RiggedCharacter) -> None:
    pose, camera = standing_pose(character, "a pose"), character.camera.moved((0.5, 0.0), 3.0)
    found = observe(character, pose, 128, camera=camera)
    outside = ((found.joints[:, :2] < 0) | (found.joints[:, :2] >= 128)).any(axis=1)
    assert 3 < outside.sum() < 20
    assert not found.visible[outside].any()
    assert observe(character, pose, 128).visible[outside].any()


def test_each_part_is_where_its_joints_are(character: RiggedCharacter) -> None:
    found = observe(character, rest_pose(), 256)
    assert set(np.unique(found.parts)) == set(range(len(PARTS)))
    alpha = found.picture[..., 3]
    assert (found.parts[alpha > 200] > 0).all()
    assert not found.parts[alpha < 60].any()
    at = dict(zip(PUPPET_20.joints, found.joints[:, :2], strict=True))
    for side in "lr":
        for a, b, part in (("shoulder", "elbow", "upper_arm"), ("elbow", "wrist", "forearm"),
                           ("knee", "ankle", "shin")):  # fmt: skip
            x, y = (0.5 * (at[f"{side}_{a}"] + at[f"{side}_{b}"])).astype(int)
            assert PARTS[found.parts[y, x]] == f"{side}_{part}"
    x, y = at["nose"].astype(int)
    assert PARTS[found.parts[y, x]] == "head"


def test_what_hangs_belongs_to_what_it_hangs_from(character: RiggedCharacter) -> None:
    parts = part_of_bones(character)
    assert len(parts) == character.weights.shape[1]
    owners = [bone.joint for bone in character.hanging]
    owners += [chain.joint for chain in character.chains for _ in range(chain.links)]
    assert len(owners) > 0
    np.testing.assert_array_equal(parts[len(JOINTS) :], OF_JOINT[owners])
    assert PARTS[parts[INDEX["neck"]]] == "torso"
    assert OF_JOINT.min() > PART["background"]


def test_bones_keep_their_length(character: RiggedCharacter) -> None:
    size = 200
    lengths = character_skeleton(character, size).bone_lengths
    rigid = [i for i, (a, _) in enumerate(PUPPET_20.bones) if a != PUPPET_20.index("neck")]
    for seed in range(5):
        pose = random_pose(np.random.default_rng(seed), character.rest)
        np.testing.assert_array_equal(observe(character, pose, size).bone_lengths, lengths)
        points = character.keypoints(pose) * character.camera.scale * size
        measured = [np.linalg.norm(points[b] - points[a]) for a, b in PUPPET_20.bones]
        np.testing.assert_allclose(np.array(measured)[rigid], lengths[rigid], rtol=1e-5)


def test_it_is_measured_once_and_tells_thick_from_thin(character: RiggedCharacter) -> None:
    limits = character.tolerances
    assert character.tolerances is limits
    assert (limits > 0).all()
    assert (limits[:, 1] <= limits[:, 0]).all()
    hip, wrist = PUPPET_20.index("l_hip"), PUPPET_20.index("l_wrist")
    assert limits[hip, 0] > limits[wrist, 0]
    bigger = replace(
        character,
        mesh=replace(character.mesh, vertices=2 * character.mesh.vertices),
        rest=2 * character.rest, landmarks=2 * character.landmarks, height=2 * character.height,
    )  # fmt: skip
    np.testing.assert_allclose(bigger.tolerances, 2 * limits, rtol=1e-5)


_SAMPLE = """
from hashlib import sha256
import numpy as np
from training.characters.observe import observe
from training.characters.procedural.build import build
from training.motion.poses import random_pose
character = build(5, 0.25)
o = observe(character, random_pose(np.random.default_rng(9), character.rest), 96)
values = (o.picture, o.joints, o.visible, o.bone_lengths, o.parts)
digest = sha256(b"".join(value.tobytes() for value in values)).hexdigest()
"""


def test_a_seed_gives_the_same_bits_in_every_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", _SAMPLE + "print(digest)"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
        for _ in range(2)
    }  # fmt: skip
    here: dict[str, object] = {"sha256": sha256}
    exec(_SAMPLE, here)
    assert found == {here["digest"]}


def test_a_camera_that_looks_down_sees_what_it_would_of_a_figure_bent_towards_it(
    character: RiggedCharacter,
) -> None:
    pose = rest_pose()
    pitch = 0.3
    camera = replace(character.camera, pitch=pitch)
    found = observe(character, pose, 96, camera=camera)
    mesh = character.pose(pose)
    turn = euler((np.degrees(pitch), 0.0, 0.0))
    target = np.asarray(camera.target)
    bent = replace(
        mesh,
        vertices=((mesh.vertices - target) @ turn.T + target).astype(np.float32),
        normals=(mesh.normals @ turn.T).astype(np.float32),
    )
    expected = render(bent, character.camera, 96)
    assert np.abs(found.picture.astype(int) - expected).mean() < 0.2
    level = observe(character, pose, 96)
    assert not np.array_equal(found.picture, level.picture)
    # The top of the head comes nearer, the feet go away; the face is still seen.
    nose, ankle = found.joints[0, 2] - level.joints[0, 2], found.joints[10, 2] - level.joints[10, 2]
    assert nose < 0 < ankle
    assert found.visible[0]
    np.testing.assert_allclose(found.bone_lengths, level.bone_lengths)

"""The motion files: read back by readers of the tests' own."""

import struct

import numpy as np
import pytest

from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.batch import kinematics
from engine.mocap.bvh import bvh, euler_zxy
from engine.mocap.clip import Clip, clip_of
from engine.mocap.feet import SOLE
from engine.mocap.rig import INDEX, RigPose
from engine.mocap.rotations import about_x, about_y, about_z, from_quaternion, from_vector
from engine.mocap.vmd import ARMS_DOWN, IK_BONES, bone_keys, interpolation, standard_rest, vmd
from tests.mocap import parse_vmd, still, to_rig


def moving(frames: int = 12) -> Clip:
    """A clip that turns every joint a little, seeded."""
    rng = np.random.default_rng(4)
    ends = [rng.normal(0.0, 0.4, (19, 3)) for _ in range(2)]
    poses = []
    for frame in range(frames):
        t = frame / max(frames - 1, 1)
        mixed = (1 - t) * ends[0] + t * ends[1]
        turns = np.array([from_vector(v) for v in mixed])
        poses.append(RigPose(turns, np.array([t, 0.0, 0.1 * t])))
    return clip_of(poses, 30.0, "moving")


# --- BVH -----------------------------------------------------------------------------------------


def read_bvh(text: str) -> tuple[list[str], np.ndarray, float]:
    """Joint names, their places (F, J, 3) and the frame time of our own dialect."""
    head, _, tail = text.partition("MOTION\n")
    names, offsets, parents, stack = [], [], [], []
    for line in head.splitlines():
        words = line.split()
        if words[0] in ("ROOT", "JOINT"):
            parents.append(stack[-1] if stack else -1)
            names.append(words[1])
            stack.append(len(names) - 1)
        elif words[0] == "End":
            stack.append(-1)
        elif words[0] == "OFFSET" and stack[-1] >= 0:
            offsets.append([float(w) for w in words[1:]])
        elif words[0] == "}":
            stack.pop()
    lines = tail.splitlines()
    frames, frame_time = int(lines[0].split()[1]), float(lines[1].split()[2])
    values = np.array([[float(w) for w in line.split()] for line in lines[2:]])
    assert values.shape == (frames, 3 + 3 * len(names))
    places = np.empty((frames, len(names), 3))
    for frame, row in enumerate(values):
        turns = []
        for joint, parent in enumerate(parents):
            z, x, y = np.radians(row[3 + 3 * joint : 6 + 3 * joint])
            turn = about_z(z) @ about_x(x) @ about_y(y)
            turns.append(turn if parent < 0 else turns[parent] @ turn)
            places[frame, joint] = (
                row[:3] if parent < 0 else places[frame, parent] + turns[parent] @ offsets[joint]
            )
    return names, places, frame_time


def test_a_bvh_file_plays_as_the_clip_does():
    clip = moving()
    names, places, frame_time = read_bvh(bvh(clip, REFERENCE_REST))
    _, expected = kinematics(clip.rotations, clip.root, REFERENCE_REST)
    order = [INDEX[name] for name in names]
    assert sorted(order) == list(range(19))
    np.testing.assert_allclose(places, 100 * expected[:, order], atol=0.01)
    assert frame_time == pytest.approx(1 / 30, abs=1e-6)


def test_euler_angles_survive_the_pole():
    turn = about_z(0.4) @ about_x(np.pi / 2) @ about_y(0.3)
    z, x, y = np.radians(euler_zxy(turn))
    np.testing.assert_allclose(about_z(z) @ about_x(x) @ about_y(y), turn, atol=1e-6)


def test_no_number_of_a_bvh_file_is_minus_zero():
    assert "-0.0000" not in bvh(still(2), REFERENCE_REST)


# --- VMD -----------------------------------------------------------------------------------------


def test_a_vmd_file_has_every_part_that_mmd_reads():
    found = parse_vmd(vmd(moving(5), model="テスト"))
    assert found.model == "テスト"
    assert set(found.keys) >= {
        "センター",
        "上半身",
        "下半身",
        "左腕",
        "右ひじ",
        "左足ＩＫ",
        "右足ＩＫ",
    }
    assert all(sorted(frames) == list(range(5)) for frames in found.keys.values())
    assert found.counts == (0, 0, 0, 0)
    assert found.ik == dict.fromkeys(IK_BONES, True)
    norms = [np.linalg.norm(q) for frames in found.keys.values() for _, q, _ in frames.values()]
    np.testing.assert_allclose(norms, 1.0, atol=1e-5)


def test_the_curves_are_straight_in_all_four_rows():
    curve = interpolation()
    assert len(curve) == 64
    assert curve[2:4] == b"\x00\x00"  # physics stays on
    row = bytes([20] * 8 + [107] * 8)
    for i in range(1, 4):
        assert curve[16 * i : 16 * i + 16 - i] == row[i:]
    found = parse_vmd(vmd(moving(2)))
    assert {bytes(c) for frames in found.keys.values() for _, _, c in frames.values()} == {curve}


def test_a_resting_model_hangs_its_arms_by_its_own_angle():
    """The T-pose turns a model's arms up from its A-pose, and leaves all the rest alone."""
    keys = bone_keys(still(1))
    for name, (place, rotation) in keys.items():
        angle = 2 * np.arccos(min(abs(rotation[0, 3]), 1.0))
        assert angle == pytest.approx(ARMS_DOWN if name in ("左腕", "右腕") else 0.0, abs=0.05)
        np.testing.assert_allclose(place, 0.0, atol=0.02)
    # MMD's left arm rests along (cos, -sin, 0); the key must take it to +x.
    arm = to_rig(keys["左腕"][1][0])
    down = np.array([np.cos(ARMS_DOWN), -np.sin(ARMS_DOWN), 0.0])
    np.testing.assert_allclose(arm @ down, [1, 0, 0], atol=1e-6)


def test_the_bones_of_a_model_point_where_the_rig_s_do():
    """Played on a model with an A-pose, arms and legs have the rig's directions."""
    clip = moving(6)
    keys = bone_keys(clip)
    turns, _ = kinematics(clip.rotations, clip.root, REFERENCE_REST)
    a_pose = {
        s: np.array([x * np.cos(ARMS_DOWN), -np.sin(ARMS_DOWN), 0])
        for s, x in (("左", 1), ("右", -1))
    }
    for frame in range(len(clip)):
        for side, letter, x in (("左", "l", 1.0), ("右", "r", -1.0)):
            turn = to_rig(keys["上半身"][1][frame])
            for bone, joint in (("肩", "clavicle"), ("腕", "upper_arm"), ("ひじ", "forearm")):
                turn = turn @ to_rig(keys[side + bone][1][frame])
                if bone != "肩":
                    rig = turns[frame, INDEX[f"{letter}_{joint}"]] @ [x, 0, 0]
                    np.testing.assert_allclose(turn @ a_pose[side], rig, atol=1e-5)


def test_hips_and_feet_move_in_the_model_s_own_leg_lengths():
    clip = still(3, root=np.array([[0.0, 0, 0], [0.5, 0, 0], [0, 0, 0.5]]))
    keys = bone_keys(clip)
    leg = 11.45 - 1.33
    np.testing.assert_allclose(keys["センター"][0][1], [0.5 * leg, 0, 0], atol=0.02)
    np.testing.assert_allclose(keys["センター"][0][2], [0, 0, -0.5 * leg], atol=0.02)  # left-handed
    np.testing.assert_allclose(keys["左足ＩＫ"][0][1], [0.5 * leg, 0, 0], atol=0.02)


def test_turned_hips_stay_where_they_were_seen():
    """The lower body turns about the waist: the centre moves, and the hips do not."""
    pose = RigPose(np.tile(np.eye(3), (19, 1, 1)), np.zeros(3))
    pose.rotations[0] = about_z(0.3)
    keys = bone_keys(clip_of([pose], 30.0, "lean"))
    lower, centre = to_rig(keys["下半身"][1][0]), keys["センター"][0][0] * (1, 1, -1)
    drop = np.array([0.0, 11.45 - 12.83, 0.0])
    middle = centre + np.array([0, 12.83, 0]) + lower @ drop
    rest = standard_rest()
    thighs = 0.5 * (rest[INDEX["l_thigh"]] + rest[INDEX["r_thigh"]])
    expected = rest[0] + about_z(0.3) @ (thighs - rest[0])
    np.testing.assert_allclose(middle, expected, atol=0.05)


def test_signs_of_quaternions_do_not_jump():
    poses = []
    for turn in np.linspace(0, 4 * np.pi, 60):
        pose = RigPose(np.tile(np.eye(3), (19, 1, 1)), np.zeros(3))
        pose.rotations[0] = about_y(turn)
        poses.append(pose)
    quaternions = bone_keys(clip_of(poses, 30.0, "spin"))["下半身"][1]
    assert (np.sum(quaternions[1:] * quaternions[:-1], axis=1) > 0).all()


def test_another_rate_is_refused():
    clip = moving()
    slow = Clip("slow", 25.0, clip.rotations, clip.root, clip.contacts)
    with pytest.raises(ValueError, match="30"):
        vmd(slow)


def test_a_model_s_name_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="Shift-JIS"):
        vmd(moving(1), model="とても長い名前のモデルです")


def test_standing_feet_stand_on_the_model_s_floor():
    rest = standard_rest()
    assert rest[INDEX["l_foot"], 1] == pytest.approx(-SOLE[0, 1] * 1.33)
    assert struct.calcsize("<15sI7f") + 64 == 111
    np.testing.assert_allclose(from_quaternion([1, 0, 0, 0]), np.eye(3))

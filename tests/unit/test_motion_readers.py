"""Every format tells the same dance, and what is no motion ends in one clear error."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from engine.mocap.batch import kinematics, normalised, transposed
from engine.mocap.clip import Clip
from engine.mocap.feet import foot_sliding, plant_feet
from engine.mocap.rig import INDEX, JOINTS
from engine.mocap.rotations import about_x, about_y
from tests.motions import (
    CHARACTER_CREATOR,
    KAYKIT,
    LINEAR,
    MIXAMO,
    Z_UP,
    Foreign,
    bvh_bytes,
    deepmimic_bytes,
    files,
    foreign,
    glb_bytes,
    pack_glb,
    scrambled_frames,
    small_dance,
    vmd_bytes,
    vmd_keys,
)
from training.motion.errors import MotionError
from training.motion.load import load_motion, load_motions, parse_sources
from training.motion.posture import REFERENCE_REST
from training.motion.retarget import to_clip
from training.motion.vmd import decode_vmd

LIMBS = [
    (f"{side}_{a}", f"{side}_{b}")
    for side in "lr"
    for a, b in (("upper_arm", "forearm"), ("forearm", "hand"), ("thigh", "shin"), ("shin", "foot"))
]


@pytest.fixture(scope="module")
def dance() -> Clip:
    return small_dance(2.0)


def read(data: bytes, name: str = "dance") -> Clip:
    (source,) = parse_sources(data, name)
    return to_clip(source)


def degrees(a: Clip, b: Clip, joint: str) -> np.ndarray:
    """Angles (F,) between the global rotations of a joint in two clips."""
    i = INDEX[joint]
    one = kinematics(a.rotations, a.root, REFERENCE_REST)[0][:, i]
    other = kinematics(b.rotations, b.root, REFERENCE_REST)[0][:, i]
    trace = np.trace(transposed(one) @ other, axis1=1, axis2=2)
    return np.degrees(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0)))


def bones_apart(a: Clip, b: Clip) -> float:
    """The largest angle in degrees between limbs of two clips."""
    one = kinematics(a.rotations, a.root, REFERENCE_REST)[1]
    other = kinematics(b.rotations, b.root, REFERENCE_REST)[1]
    worst = 0.0
    for first, second in LIMBS:
        u, v = (normalised(p[:, INDEX[second]] - p[:, INDEX[first]]) for p in (one, other))
        worst = max(worst, float(np.linalg.norm(u - v, axis=1).max()))
    return float(np.degrees(worst))


def hanging_rest() -> np.ndarray:
    """The reference rig with its arms hanging."""
    rest = REFERENCE_REST.copy()
    for side in "lr":
        shoulder = rest[INDEX[f"{side}_upper_arm"]]
        for part in ("forearm", "hand"):
            length = abs(rest[INDEX[f"{side}_{part}"], 0] - shoulder[0])
            rest[INDEX[f"{side}_{part}"]] = shoulder - np.array([0.0, length, 0.0])
    return rest


# --- what is told is what is read ----------------------------------------------------------------


@pytest.mark.parametrize("names", [MIXAMO, KAYKIT, CHARACTER_CREATOR])
@pytest.mark.parametrize("axes", [np.eye(3), Z_UP], ids=["y up", "z up"])
@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_bvh(dance: Clip, names: dict, axes: np.ndarray, fps: float) -> None:
    told = dance.resampled(fps)
    clip = read(bvh_bytes(foreign(told, names, axes), fps))
    assert clip.fps == pytest.approx(fps, abs=1e-3)
    np.testing.assert_allclose(clip.rotations, told.rotations, atol=1e-6)
    np.testing.assert_allclose(clip.root, told.root, atol=0.01)


def test_bvh_made_with_hanging_arms(dance: Clip) -> None:
    skeleton = foreign(dance, MIXAMO)
    hanging = hanging_rest()
    offsets = skeleton.offsets.copy()
    for i, name in enumerate(JOINTS):
        if name.endswith(("forearm", "hand")):
            offsets[i] = (hanging[i] - hanging[i - 1]) * 100.0
    # The same turns, told from hanging arms: whoever moves nothing lets them hang.
    clip = read(bvh_bytes(Foreign(skeleton.names, skeleton.local, offsets, skeleton.hips)))
    places = kinematics(clip.rotations, clip.root, REFERENCE_REST)[1]
    turns = kinematics(dance.rotations, dance.root, REFERENCE_REST)[0]
    for side in "lr":
        arm = places[:, INDEX[f"{side}_forearm"]] - places[:, INDEX[f"{side}_upper_arm"]]
        expected = -turns[:, INDEX[f"{side}_upper_arm"], :, 1]
        np.testing.assert_allclose(normalised(arm), expected, atol=1e-5)


def test_bvh_without_a_sensible_rest_pose() -> None:
    dance = small_dance(6.0)
    clip = read(bvh_bytes(foreign(dance, CHARACTER_CREATOR, frames=scrambled_frames())))
    assert bones_apart(dance, clip) < 0.01, "limbs are exact"
    for joint in JOINTS:
        # Heads and feet are taken to be level on average.
        assert np.median(degrees(dance, clip, joint)) < 12.0, joint
    np.testing.assert_allclose(clip.root, dance.root, atol=0.02)


def test_gltf(dance: Clip, tmp_path: Path) -> None:
    data = glb_bytes(foreign(dance, KAYKIT), named="wave")
    clip = read(data)
    np.testing.assert_allclose(clip.rotations, dance.rotations, atol=1e-5)
    np.testing.assert_allclose(clip.root, dance.root, atol=1e-5)
    assert clip.name == "dance/wave"
    # The same document as text, its buffer in a file beside it.
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    document["buffers"][0]["uri"] = "motion.bin"
    (tmp_path / "motion.bin").write_bytes(data[28 + length :])
    (tmp_path / "dance.gltf").write_text(json.dumps(document))
    again = load_motion(tmp_path / "dance.gltf", "wave")
    np.testing.assert_array_equal(again.rotations, clip.rotations)


def test_deepmimic(dance: Clip) -> None:
    clip = read(deepmimic_bytes(dance))
    assert bones_apart(dance, clip) < 30.0, "it has no wrists, collar bones or lower spine"
    for joint in ("hips", "chest", "head", "l_upper_arm", "r_forearm", "l_thigh", "r_foot"):
        assert degrees(dance, clip, joint).max() < 0.01, joint
    np.testing.assert_allclose(clip.root, dance.root, atol=0.03)


@pytest.mark.parametrize("legs", ["turns", "feet"])
def test_vmd(dance: Clip, legs: str) -> None:
    clip = read(vmd_bytes(vmd_keys(dance, legs=legs)))
    np.testing.assert_allclose(clip.root, dance.root, atol=1e-5)
    for joint in JOINTS:
        # Feet say where legs end, not to which side the knee looks.
        free = legs == "feet" and joint.endswith(("thigh", "shin"))
        assert degrees(dance, clip, joint).max() < (25.0 if free else 0.01), joint
    if legs == "feet":
        one = kinematics(dance.rotations, dance.root, REFERENCE_REST)[1]
        other = kinematics(clip.rotations, clip.root, REFERENCE_REST)[1]
        feet = [INDEX["l_foot"], INDEX["r_foot"]]
        np.testing.assert_allclose(one[:, feet], other[:, feet], atol=0.03)


def test_every_format_stands_on_the_floor_of_any_rig(dance: Clip, tmp_path: Path) -> None:
    rest = REFERENCE_REST * 0.7
    rest[[INDEX["l_shin"], INDEX["r_shin"]], 1] -= 0.04
    for suffix, path in files(tmp_path, dance).items():
        planted = plant_feet(load_motion(path), rest)
        sliding = foot_sliding(planted, rest)
        assert len(sliding.standing) > 40, suffix
        assert sliding.worst < 0.02, suffix
        assert max(sliding.sunk, sliding.hovers) < 0.005, suffix


# --- VMD's own ways ------------------------------------------------------------------------------

STILL = (0.0, 0.0, 0.0)
UPRIGHT = (0.0, 0.0, 0.0, 1.0)


def test_vmd_knows_left_and_ahead() -> None:
    # In MMD's left-handed axes a turn of +90 degrees about y takes -z, ahead, to -x, the right.
    half = np.sqrt(0.5)
    keys = {
        "センター": [(0, (1.0, 0.0, -2.0), UPRIGHT)],
        "頭": [(0, STILL, (0.0, half, 0.0, half))],
    }
    clip = read(vmd_bytes(keys))
    np.testing.assert_allclose(clip.root[0, [0, 2]], np.array([1.0, 2.0]) / 10.16, atol=0.01)
    head = clip.rotations[0, INDEX["neck"]] @ clip.rotations[0, INDEX["head"]]
    np.testing.assert_allclose(head @ (0, 0, 1), about_y(-np.pi / 2) @ (0, 0, 1), atol=1e-6)


def test_vmd_squats_on_planted_feet() -> None:
    keys = {"センター": [(0, STILL, UPRIGHT), (30, (0.0, -3.0, 0.0), UPRIGHT)]}
    clip = read(vmd_bytes(keys))
    assert len(clip) == 31
    np.testing.assert_allclose(clip.root[-1, 1], -3.0 / 10.16, atol=0.01)
    for side in "lr":
        flexion = clip.rotations[-1, INDEX[f"{side}_shin"]]
        angle = float(np.arctan2(flexion[2, 1], flexion[1, 1]))
        np.testing.assert_allclose(flexion, about_x(angle), atol=1e-6)
        assert np.degrees(angle) > 60.0, "knees bend forwards"
    places = kinematics(clip.rotations, clip.root, REFERENCE_REST)[1]
    feet = places[:, [INDEX["l_foot"], INDEX["r_foot"]]]
    np.testing.assert_allclose(feet, feet[:1].repeat(31, axis=0), atol=0.02)
    assert clip.contacts.all()


def test_vmd_inverse_kinematics_can_be_switched_off() -> None:
    turn = (-0.5, 0.0, 0.0, float(np.sqrt(0.75)))
    keys = {
        "左足": [(0, STILL, turn), (20, STILL, turn)],
        "左足ＩＫ": [(0, STILL, UPRIGHT), (20, (0.0, 0.0, 1.0), UPRIGHT)],
    }
    on, off = read(vmd_bytes(keys)), read(vmd_bytes(keys, ik={"左足ＩＫ": [(0, False)]}))
    half = read(vmd_bytes(keys, ik={"左足ＩＫ": [(0, True), (10, False)]}))
    thigh = INDEX["l_thigh"]
    # A leg of MMD that turns about -x goes back, as bent knees do.
    np.testing.assert_allclose(off.rotations[0, thigh], about_x(np.radians(60.0)), atol=1e-6)
    np.testing.assert_allclose(half.rotations[:10], on.rotations[:10], atol=1e-12)
    np.testing.assert_allclose(half.rotations[10:], off.rotations[10:], atol=1e-12)
    assert np.abs(on.rotations[5, thigh] - off.rotations[5, thigh]).max() > 0.3


def test_vmd_curves_ease() -> None:
    slow = bytearray(LINEAR)
    for channel in range(4):  # handles at (1, 0) and (1, 0): late
        slow[channel], slow[4 + channel], slow[8 + channel], slow[12 + channel] = 127, 0, 127, 0
    slow[17], slow[18] = 127, 127
    keys = {"センター": [(0, STILL, UPRIGHT), (10, (10.0, 10.0, 10.0), UPRIGHT)]}
    linear = decode_vmd(vmd_bytes(keys), "x").tracks["センター"]
    late = decode_vmd(vmd_bytes(keys, curves=bytes(slow)), "x").tracks["センター"]
    frames = np.array([0.0, 5.0, 10.0, 99.0])
    np.testing.assert_allclose(linear.at(frames)[0][:, 0], [0, 5, 10, 10], atol=1e-4)
    eased = late.at(frames)[0]
    np.testing.assert_allclose(eased[[0, 2, 3]], [[0] * 3, [10] * 3, [10] * 3], atol=1e-4)
    assert (eased[1] < 2.0).all()


def test_vmd_of_the_first_version_without_later_sections() -> None:
    data = struct.pack("<30s10sI", b"Vocaloid Motion Data file", b"old", 1)
    data += struct.pack("<15sI7f", "センター".encode("cp932"), 0, 0, 0, 0, 0, 0, 0, 1) + LINEAR
    assert len(read(data)) == 1


# --- what is no motion ---------------------------------------------------------------------------


def refused(data: bytes, *words: str) -> None:
    """Reading ends in a MotionError that says each of the words, what was expected and found."""
    with pytest.raises(MotionError) as caught:
        read(data)
    message = str(caught.value)
    for word in ("dance: expected", "found", *words):
        assert word in message
    assert len(message) < 600


@pytest.fixture(scope="module")
def bvh(dance: Clip) -> bytes:
    return bvh_bytes(foreign(dance.cut(0.0, 0.1), MIXAMO))


def test_other_files_are_refused(tmp_path: Path) -> None:
    for data in (b"", b"\x89PNG\r\n", b"solid cube", b"{", b"{}", b"[]", b"HIERARCHY", b"\0" * 99):
        refused(data)
    with pytest.raises(MotionError, match="nothing"):
        load_motion(tmp_path / "none.bvh")
    with pytest.raises(MotionError, match="a folder"):
        load_motion(tmp_path)


def test_huge_files_are_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.bvh"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(MotionError, match="MiB"):
        load_motion(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"Frames: 4", b"Frames: 4000000000", ("4000000000",)),
        (b"Frames: 4", b"Frames: 5", ("5 frames",)),
        (b"Frames: 4", b"Frames: 0", ("0",)),
        (b"Frames: 4", b"Frames: -4", ()),
        (b"Frames: 4", b"Frames: many", ("Frames",)),
        (b"Frame Time: 0.0", b"Frame Time: nan 0.0", ()),
        (b"Frame Time: 0.0", b"Frame Time: 0.00000000", ("frame time",)),
        (b"OFFSET 0.000000", b"OFFSET inf", ()),
        (b"OFFSET 0.000000", b"OFFSET x", ("offset",)),
        (b"CHANNELS 3", b"CHANNELS 4000000000", ("six",)),
        (b"CHANNELS 3 Zrotation", b"CHANNELS 3 Wrotation", ("channels",)),
        (b"JOINT Spine", b"ROOT Spine", ("joints",)),
        (b"JOINT LeftUpLeg", b"JOINT Tail", ("l_thigh",)),
        (b"}\nMOTION", b"\nMOTION", ("brace",)),
        (b"}\nMOTION", b"}\n}\nMOTION", ("brace",)),
        (b"HIERARCHY", b"HIERARCHY {", ()),
        (b"MOTION", b"MOTIO", ("MOTION",)),
    ],
)  # fmt: skip
def test_damaged_bvh(bvh: bytes, old: bytes, new: bytes, words: tuple[str, ...]) -> None:
    assert old in bvh
    refused(bvh.replace(old, new, 1), *words)


def test_bvh_values_that_are_no_numbers(bvh: bytes) -> None:
    for word in (b"nan", b"inf", b"1e300", b"zero"):
        refused(bvh.rsplit(b" ", 1)[0] + b" " + word)
    refused(bvh[: len(bvh) // 2])
    refused(bvh[:-40])


def test_bvh_of_too_deep_and_too_many_joints() -> None:
    refused(b"HIERARCHY\n" + b"JOINT a\n{\n" * 9 + b"MOTION")
    deep = b"HIERARCHY\nROOT a\n{\n" + b"JOINT a\n{\n" * 5000 + b"}\n" * 5001 + b"MOTION\n"
    refused(deep, "4096")


def test_damaged_vmd(dance: Clip) -> None:
    whole = vmd_bytes(vmd_keys(dance.cut(0.0, 0.1), legs="feet"), ik={"左足ＩＫ": [(0, True)]})
    read(whole)
    for end in (10, 40, 53, 54, 200, len(whole) - 3, len(whole) - 24):
        refused(whole[:end])
    refused(whole[:50] + struct.pack("<I", 4_000_000_000) + whole[54:], "4000000000")
    refused(whole[:69] + struct.pack("<I", 4_000_000_000) + whole[73:], "4000000001")
    for value in (np.nan, np.inf, 3e38):
        refused(whole[:73] + struct.pack("<f", value) + whole[77:], "finite")
        refused(whole[:85] + struct.pack("<f", value) + whole[89:], "finite")
    refused(vmd_bytes({"スカート": [(0, STILL, UPRIGHT)]}), "camera")
    refused(vmd_bytes({}))


def changed(data: bytes, **changes: object) -> bytes:
    """A GLB whose document has other values at paths such as accessors__0__count."""
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    for path, value in changes.items():
        *way, last = [int(step) if step.isdecimal() else step for step in path.split("__")]
        place = document
        for step in way:
            place = place[step]
        place[last] = value
    return pack_glb(document, data[28 + length :])


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("accessors__0__count", 4_000_000_000, ("4000000000",)),
        ("accessors__0__count", -1, ()),
        ("accessors__1__type", "MAT9", ()),
        ("accessors__1__componentType", 5130, ()),
        ("accessors__1__byteOffset", 10**12, ()),
        ("accessors__1__bufferView", 99, ()),
        ("bufferViews__1__byteLength", 10**12, ()),
        ("bufferViews__1__byteStride", 10**9, ()),
        ("buffers__0__byteLength", 10**12, ("1000000000000",)),
        ("buffers__0__uri", "../../../etc/passwd", ("within",)),
        ("buffers__0__uri", "data:,????", ()),
        ("nodes__0__children", [0], ("ancestors",)),
        ("nodes__0__children", [1, 1], ("two parents",)),
        ("nodes__4__children", [0], ()),
        ("nodes__0__children", [99], ("node 99",)),
        ("nodes__0__translation", [0.0, float("nan"), 0.0], ("finite",)),
        ("nodes__0__translation", [0.0], ()),
        ("nodes__0__translation", "high", ()),
        ("nodes__0__matrix", [0.0] * 16, ("flat",)),
        ("nodes", [], ("nodes",)),
        ("nodes", [{}] * 9999, ("4096",)),
        ("nodes", {"a": 1}, ()),
        ("animations", [], ("none",)),
        ("animations__0__channels", [{}], ()),
        ("animations__0__samplers__0__interpolation", "WILD", ("interpolation",)),
        ("animations__0__samplers__0__interpolation", "CUBICSPLINE", ()),
        ("animations__0__samplers__0__output", 0, ()),
    ],
)  # fmt: skip
def test_damaged_gltf(dance: Clip, path: str, value: object, words: tuple[str, ...]) -> None:
    whole = glb_bytes(foreign(dance.cut(0.0, 0.2), KAYKIT))
    refused(changed(whole, **{path: value}), *words)


def test_cut_gltf(dance: Clip) -> None:
    whole = glb_bytes(foreign(dance.cut(0.0, 0.2), KAYKIT))
    for end in (4, 12, 19, 40, len(whole) // 2, len(whole) - 1):
        refused(whole[:end])
    refused(whole[:4] + struct.pack("<I", 1) + whole[8:])


def test_gltf_buffers_stay_in_their_folder(dance: Clip, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\0" * 10**6)
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.bin").symlink_to(tmp_path / "secret.bin")
    for uri in ("../secret.bin", str(tmp_path / "secret.bin"), "link.bin", "none.bin", "a\0b"):
        data = changed(glb_bytes(foreign(dance.cut(0.0, 0.1), KAYKIT)), buffers__0__uri=uri)
        path = inner / "dance.glb"
        path.write_bytes(data)
        with pytest.raises(MotionError):
            load_motion(path)


def test_damaged_deepmimic(dance: Clip) -> None:
    document = json.loads(deepmimic_bytes(dance.cut(0.0, 0.1)))

    def with_frames(frames: object) -> bytes:
        return json.dumps({**document, "Frames": frames}).encode()

    frames = document["Frames"]
    for wrong in (
        [], {}, None, "x", [[]], [[1.0] * 43], [frames[0], frames[1][:-1]], [["x"] * 44],
        [[float("nan")] * 44], [[0.03, *[0.0] * 43]], [[0.0, *frames[0][1:]]], [[10**400] * 44],
        [[frames[0]]], 10**9,
    ):  # fmt: skip
        refused(with_frames(wrong))
    refused(b'{"Frames": ' + b"[" * 100_000)


def test_one_of_several_motions_is_chosen_by_name(dance: Clip, tmp_path: Path) -> None:
    data = glb_bytes(foreign(dance.cut(0.0, 0.2), KAYKIT), named="walk")
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    document["animations"].append({**document["animations"][0], "name": "run"})
    path = tmp_path / "two.glb"
    path.write_bytes(pack_glb(document, data[28 + length :]))
    assert [clip.name for clip in load_motions(path)] == ["two/walk", "two/run"]
    assert load_motion(path, "run").name == "two/run"
    for wrong in (None, "jump"):
        with pytest.raises(MotionError, match="walk, run"):
            load_motion(path, wrong)


def test_humanoids_need_their_limbs_in_order(bvh: bytes) -> None:
    swapped = bvh.replace(b"JOINT LeftLeg", b"JOINT X").replace(b"JOINT LeftFoot", b"JOINT LeftLeg")
    refused(swapped.replace(b"JOINT X", b"JOINT LeftFoot"), "l_foot", "hierarchy")

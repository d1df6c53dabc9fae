"""Writer of VMD, the motion files of MikuMikuDance, for models with the standard bones.

MMD's axes are x to the model's left, y up and z away from whom it faces, left-handed: against the
rig's, z is negated. A standard model rests in an A-pose, arms down by some 37.5 degrees; its bones
have no rotation at rest. One unit is about 8 cm.

Layout, little-endian: a 30-byte signature and a 20-byte model name; counted lists of bone keys (111
bytes: name, frame, place, quaternion x y z w, 64 bytes of interpolation curves), morph, camera,
light and shadow keys; and the keys that show the model and switch its IK on and off.
"""

import struct
from typing import Final

import numpy as np

from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.batch import about, kinematics, leg_length, quaternions, transposed, turned
from engine.mocap.clip import Clip
from engine.mocap.feet import plant_feet
from engine.mocap.rig import INDEX
from engine.mocap.rotations import Array
from engine.mocap.track import FPS

ARMS_DOWN: Final = np.radians(37.5)
IK_BONES: Final = ("左足ＩＫ", "右足ＩＫ", "左つま先ＩＫ", "右つま先ＩＫ")

# A standard model's joints in MMD's units: half the hips' width, heights of hip, knee and ankle,
# and of the waist about which its lower body turns.
_HALF, _HIP, _KNEE, _ANKLE, _WAIST = 0.95, 11.45, 6.44, 1.33, 12.83

_LOCAL: Final = {
    "首": "neck", "頭": "head",
    "左肩": "l_clavicle", "右肩": "r_clavicle",
    "左腕": "l_upper_arm", "左ひじ": "l_forearm", "左手首": "l_hand",
    "右腕": "r_upper_arm", "右ひじ": "r_forearm", "右手首": "r_hand",
    "左足": "l_thigh", "左ひざ": "l_shin", "左足首": "l_foot",
    "右足": "r_thigh", "右ひざ": "r_shin", "右足首": "r_foot",
}  # fmt: skip


def standard_rest() -> Array:
    """(19, 3) the rig with a standard model's legs, in MMD's units and the rig's axes."""
    scale = (_HIP - _ANKLE) / leg_length(REFERENCE_REST)
    rest = REFERENCE_REST * scale
    rest[:, 1] += _HIP - rest[INDEX["l_thigh"], 1]
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for part, height in (("thigh", _HIP), ("shin", _KNEE), ("foot", _ANKLE)):
            rest[INDEX[f"{side}_{part}"]] = sign * _HALF, height, 0.0
    return rest


def bone_keys(clip: Clip) -> dict[str, tuple[Array, Array]]:
    """Places (F, 3) and quaternions (F, 4) as x y z w, in MMD's axes, of each bone's keys.

    The hips' motion is in センター, their turn in 下半身 and the chest's in 上半身, which are
    siblings there; feet are led by 左足ＩＫ and 右足ＩＫ. Legs have keys too: they decide where the
    knees point, and play on models whose IK is off.
    """
    rest = standard_rest()
    planted = plant_feet(clip, rest)
    turns, places = kinematics(planted.rotations, planted.root, rest)
    still = np.zeros((len(clip), 3))
    middle = 0.5 * (places[:, INDEX["l_thigh"]] + places[:, INDEX["r_thigh"]])
    hips = turns[:, INDEX["hips"]]
    # The lower body turns about the waist, which swings the hips aside: the centre makes up for it.
    drop = np.array([0.0, _HIP - _WAIST, 0.0])
    centre = middle - (0.0, _HIP, 0.0) - (turned(hips, drop) - drop)
    keys = {
        "センター": (centre, np.broadcast_to(np.eye(3), hips.shape)),
        "下半身": (still, hips),
        "上半身": (still, turns[:, INDEX["chest"]]),
    }
    for bone, joint in _LOCAL.items():
        keys[bone] = still, from_a_pose(planted.rotations[:, INDEX[joint]], joint)
    for bone, joint in (("左足ＩＫ", "l_foot"), ("右足ＩＫ", "r_foot")):
        at = INDEX[joint]
        keys[bone] = places[:, at] - rest[at], turns[:, at]
    return {
        bone: (place * (1.0, 1.0, -1.0), continuous(_to_mmd(rotation)))
        for bone, (place, rotation) in keys.items()
    }


def from_a_pose(rotations: Array, joint: str) -> Array:
    """Local rotations (F, 3, 3) from the T-pose as those of a model that rests in the A-pose."""
    side, _, part = joint.partition("_")
    if part not in ("upper_arm", "forearm", "hand"):
        return rotations
    down = about("z", np.array(-ARMS_DOWN if side == "l" else ARMS_DOWN))
    if part == "upper_arm":
        return np.asarray(rotations @ transposed(down))
    return np.asarray(down @ rotations @ transposed(down))


def continuous(q: Array) -> Array:
    """Quaternions (F, 4), each with the sign that is nearer to the one before."""
    dots = np.sum(q[1:] * q[:-1], axis=-1)
    signs = np.concatenate([[1.0], np.cumprod(np.where(dots < 0.0, -1.0, 1.0))])
    return np.asarray(q * signs[:, None])


def _to_mmd(rotations: Array) -> Array:
    w, x, y, z = np.moveaxis(quaternions(rotations), -1, 0)
    return np.stack([-x, -y, z, w], axis=-1)


def interpolation(curve: tuple[int, int, int, int] = (20, 20, 107, 107)) -> bytes:
    """The 64 bytes of a key whose x, y, z and rotation all follow one Bezier curve.

    `curve` is x1, y1, x2, y2 in 0..127; the default is the straight line that MMD itself writes.
    Four rows of 16, each the one before moved up by one; the third and fourth byte are overlaid
    by the switch of physics, 0 for on.
    """
    row = bytes(value for value in curve for _ in range(4))
    rows = [row[i:] + (b"" if i == 0 else b"\x01" + bytes(i - 1)) for i in range(4)]
    joined = bytearray(b"".join(rows))
    joined[2:4] = b"\x00\x00"
    return bytes(joined)


def vmd(clip: Clip, model: str = "Ayatsuri") -> bytes:
    """The bytes of a VMD file of a clip, a key for every bone in every frame.

    Raises ValueError for a clip that is not at MMD's 30 fps.
    """
    if abs(clip.fps - FPS) > 1e-6:
        raise ValueError(f"MMD plays {FPS:.0f} frames/s, but the clip has {clip.fps:g}: resample")
    curve = interpolation()
    keys = bone_keys(clip)
    parts = [
        struct.pack("<30s20s", b"Vocaloid Motion Data 0002", _name(model, 20)),
        struct.pack("<I", len(keys) * len(clip)),
    ]
    for bone, (places, rotations) in keys.items():
        name = _name(bone, 15)
        parts += [
            struct.pack("<15sI7f", name, frame, *places[frame], *rotations[frame]) + curve
            for frame in range(len(clip))
        ]
    parts.append(struct.pack("<4I", 0, 0, 0, 0))  # morphs, cameras, lights, shadows
    parts.append(struct.pack("<IIBI", 1, 0, 1, len(IK_BONES)))
    parts += [struct.pack("<20sB", _name(bone, 20), 1) for bone in IK_BONES]
    return b"".join(parts)


def _name(name: str, size: int) -> bytes:
    encoded = name.encode("shift_jis")
    if len(encoded) > size:
        raise ValueError(f"{name!r} takes {len(encoded)} bytes in Shift-JIS; {size} fit")
    return encoded

"""Small motion files of every format, made of a known clip."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.mocap.batch import kinematics, leg_length, quaternions, transposed, turned
from engine.mocap.clip import Clip, clip_of
from engine.mocap.rig import INDEX, JOINTS, PARENTS
from engine.mocap.rotations import Array, about_x, about_z, shortest
from training.motion.dance import dance
from training.motion.mmd import BONE, REST
from training.motion.mmd import PARENTS as BONE_PARENTS
from training.motion.posture import REFERENCE_REST

MIXAMO = {
    "hips": "Hips", "spine": "Spine", "chest": "Spine2", "neck": "Neck", "head": "Head",
    **{f"{s}_{ours}": f"{side}{theirs}" for s, side in (("l", "Left"), ("r", "Right"))
       for ours, theirs in (("clavicle", "Shoulder"), ("upper_arm", "Arm"), ("forearm", "ForeArm"),
                            ("hand", "Hand"), ("thigh", "UpLeg"), ("shin", "Leg"),
                            ("foot", "Foot"))},
}  # fmt: skip
KAYKIT = {
    "hips": "hips", "spine": "spine", "chest": "chest", "neck": "neck", "head": "head",
    **{f"{s}_{ours}": f"{theirs}.{s}" for s in "lr"
       for ours, theirs in (("clavicle", "shoulder"), ("upper_arm", "upperarm"),
                            ("forearm", "lowerarm"), ("hand", "wrist"), ("thigh", "upperleg"),
                            ("shin", "lowerleg"), ("foot", "foot"))},
}  # fmt: skip
CHARACTER_CREATOR = {
    "hips": "CC_Base_Pelvis", "spine": "CC_Base_Waist", "chest": "CC_Base_Spine02",
    "neck": "CC_Base_NeckTwist01", "head": "CC_Base_Head",
    **{f"{s}_{ours}": f"CC_Base_{s.upper()}_{theirs}" for s in "lr"
       for ours, theirs in (("clavicle", "Clavicle"), ("upper_arm", "Upperarm"),
                            ("forearm", "Forearm"), ("hand", "Hand"), ("thigh", "Thigh"),
                            ("shin", "Calf"), ("foot", "Foot"))},
}  # fmt: skip
Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""World axes with z up, facing -y, to ours."""


def small_dance(seconds: float = 1.0, fps: float = 30.0, seed: int = 0) -> Clip:
    """A dance of the procedural generator on the reference proportions."""
    return clip_of(dance(seconds, fps, seed), fps, "dance")


@dataclass(frozen=True)
class Foreign:
    """A clip on another skeleton: the rig's own joints, in other frames and axes.

    With axes A (world to ours) and frames O, a joint's foreign rotation is A' @ ours @ O'.
    """

    names: tuple[str, ...]
    local: Array  # (F, 19, 3, 3)
    offsets: Array  # (19, 3) from the parent, in the parent's frame at the foreign zero pose
    hips: Array  # (F, 3)


def foreign(
    clip: Clip, names: dict[str, str], axes: Array | None = None, frames: Array | None = None,
    rest: Array = REFERENCE_REST, scale: float = 100.0,
) -> Foreign:  # fmt: skip
    """Retell a clip on a skeleton of other names, axes (3, 3) and joint frames (19, 3, 3)."""
    axes = np.eye(3) if axes is None else axes
    frames = np.broadcast_to(axes.T, (19, 3, 3)) if frames is None else frames
    turns, places = kinematics(clip.rotations, clip.root, rest)
    theirs = axes.T @ turns @ transposed(frames)
    local = theirs.copy()
    offsets = np.zeros((19, 3))
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            local[:, joint] = transposed(theirs[:, parent]) @ theirs[:, joint]
            offsets[joint] = frames[parent] @ (rest[joint] - rest[parent]) * scale
    return Foreign(
        tuple(names[joint] for joint in JOINTS), local, offsets, places[:, 0] @ axes * scale
    )


def zyx_degrees(rotations: Array) -> Array:
    """Angles (..., 3) about z, y, x so that Rz @ Ry @ Rx is the rotation."""
    y = np.arcsin(np.clip(-rotations[..., 2, 0], -1.0, 1.0))
    z = np.arctan2(rotations[..., 1, 0], rotations[..., 0, 0])
    x = np.arctan2(rotations[..., 2, 1], rotations[..., 2, 2])
    return np.degrees(np.stack([z, y, x], axis=-1))


def bvh_bytes(skeleton: Foreign, fps: float = 30.0) -> bytes:
    """A BVH file."""
    lines = ["HIERARCHY"]
    order: list[int] = []

    def joint_lines(joint: int) -> None:
        order.append(joint)
        x, y, z = skeleton.offsets[joint]
        places = "6 Xposition Yposition Zposition " if joint == 0 else "3 "
        lines.extend([
            f"{'ROOT' if joint == 0 else 'JOINT'} {skeleton.names[joint]}", "{",
            f"OFFSET {x:.6f} {y:.6f} {z:.6f}",
            f"CHANNELS {places}Zrotation Yrotation Xrotation",
        ])  # fmt: skip
        children = [k for k, parent in enumerate(PARENTS) if parent == joint]
        for child in children:
            joint_lines(child)
        if not children:
            lines.extend(["End Site", "{", "OFFSET 0 0 0", "}"])
        lines.append("}")

    joint_lines(0)
    angles = zyx_degrees(skeleton.local)
    lines += ["MOTION", f"Frames: {len(angles)}", f"Frame Time: {1.0 / fps:.8f}"]
    for frame, hips in zip(angles, skeleton.hips, strict=True):
        values = np.concatenate([hips, frame[order].ravel()])
        lines.append(" ".join(f"{value:.6f}" for value in values))
    return "\n".join(lines).encode()


def glb_bytes(skeleton: Foreign, fps: float = 30.0, *, named: str = "dance") -> bytes:
    """A binary glTF file with one animation."""
    frames = len(skeleton.local)
    parts = [np.arange(frames) / fps, skeleton.hips]
    parts += [np.roll(quaternions(skeleton.local[:, j]), -1, axis=1) for j in range(19)]
    blobs = [np.ascontiguousarray(part, np.float32).tobytes() for part in parts]
    views, accessors, at = [], [], 0
    for i, blob in enumerate(blobs):
        views.append({"buffer": 0, "byteOffset": at, "byteLength": len(blob)})
        kind = "SCALAR" if i == 0 else "VEC3" if i == 1 else "VEC4"
        accessors.append({"bufferView": i, "componentType": 5126, "count": frames, "type": kind})
        at += len(blob)
    nodes = []
    for joint, name in enumerate(skeleton.names):
        offset = skeleton.offsets[joint] if joint else REFERENCE_REST[0] * 100.0
        children = [k for k, parent in enumerate(PARENTS) if parent == joint]
        nodes.append({"name": name, "translation": offset.tolist()})
        if children:
            nodes[-1]["children"] = children
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    channels += [{"sampler": j + 1, "target": {"node": j, "path": "rotation"}} for j in range(19)]
    document = {
        "asset": {"version": "2.0"}, "nodes": nodes, "bufferViews": views, "accessors": accessors,
        "buffers": [{"byteLength": at}],
        "animations": [{
            "name": named, "channels": channels,
            "samplers": [{"input": 0, "output": i} for i in range(1, 21)],
        }],
    }  # fmt: skip
    return pack_glb(document, b"".join(blobs))


def pack_glb(document: dict, binary: bytes) -> bytes:
    """The container of a binary glTF file."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    return (
        struct.pack("<4sIIII", b"glTF", 2, total, len(text), 0x4E4F534A) + text
        + struct.pack("<II", len(binary), 0x004E4942) + binary
    )  # fmt: skip


def deepmimic_bytes(clip: Clip) -> bytes:
    """A DeepMimic clip: +x ahead, arms hanging at rest."""
    axes = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # theirs to ours
    frames = np.broadcast_to(axes.T, (19, 3, 3)).copy()
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for part in ("upper_arm", "forearm", "hand"):
            frames[INDEX[f"{side}_{part}"]] = axes.T @ about_z(-sign * np.pi / 2)
    turns, places = kinematics(clip.rotations, clip.root, REFERENCE_REST)
    theirs = axes.T @ turns @ transposed(frames)

    def relative(joint: str, parent: str) -> Array:
        return transposed(theirs[:, INDEX[parent]]) @ theirs[:, INDEX[joint]]

    def hinge(joint: str, parent: str) -> Array:
        turn = relative(joint, parent)
        return np.arctan2(turn[:, 1, 0], turn[:, 0, 0])[:, None]

    columns = [np.full((len(clip), 1), 1.0 / clip.fps), places[:, 0] @ axes]
    columns += [quaternions(theirs[:, 0]), quaternions(relative("chest", "hips"))]
    columns += [quaternions(relative("head", "chest"))]
    for s in "rl":
        columns += [
            quaternions(relative(f"{s}_thigh", "hips")), hinge(f"{s}_shin", f"{s}_thigh"),
            quaternions(relative(f"{s}_foot", f"{s}_shin")),
            quaternions(relative(f"{s}_upper_arm", "chest")),
            hinge(f"{s}_forearm", f"{s}_upper_arm"),
        ]  # fmt: skip
    frames_ = np.concatenate(columns, axis=1)
    return json.dumps({"Loop": "none", "Frames": frames_.round(7).tolist()}).encode()


LINEAR = bytes([20, 20, 20, 20, 20, 20, 20, 20, 107, 107, 107, 107, 107, 107, 107, 107] * 4)
Keys = dict[str, list[tuple[int, tuple[float, ...], tuple[float, ...]]]]


def vmd_bytes(
    keys: Keys, *, ik: dict[str, list[tuple[int, bool]]] | None = None, curves: bytes = LINEAR
) -> bytes:
    """A VMD file: by bone, (frame, place, turn as x, y, z, w), in MMD's own axes."""
    rows = [(name, *key) for name, own in keys.items() for key in own]
    data = struct.pack("<30s20sI", b"Vocaloid Motion Data 0002", b"test", len(rows))
    for name, frame, place, turn in rows:
        data += struct.pack("<15sI7f", name.encode("cp932"), frame, *place, *turn) + curves
    data += struct.pack("<4I", 0, 0, 0, 0)
    switches = [(frame, bone, on) for bone, own in (ik or {}).items() for frame, on in own]
    data += struct.pack("<I", len(switches))
    for frame, bone, on in switches:
        data += struct.pack("<IBI20sB", frame, 1, 1, bone.encode("cp932"), on)
    return data


_BONES = {
    "hips": "下半身", "spine": "上半身", "chest": "上半身2", "neck": "首", "head": "頭",
    **{f"{s}_{ours}": f"{side}{theirs}" for s, side in (("l", "左"), ("r", "右"))
       for ours, theirs in (("clavicle", "肩"), ("upper_arm", "腕"), ("forearm", "ひじ"),
                            ("hand", "手首"), ("thigh", "足"), ("shin", "ひざ"),
                            ("foot", "足首"))},
}  # fmt: skip
_FLIP = np.array([-1.0, -1.0, 1.0, 1.0])  # quaternions (x, y, z, w) under z -> -z


def vmd_keys(clip: Clip, *, legs: str) -> Keys:
    """Keys of a clip on the standard skeleton, legs by their "turns" or by their "feet"."""
    turns, _ = kinematics(clip.rotations, clip.root, REFERENCE_REST)
    bones = {}
    for joint, bone in _BONES.items():
        side, _, part = joint.partition("_")
        align = np.eye(3)
        child = {"upper_arm": "forearm", "forearm": "hand", "hand": "hand", "thigh": "shin",
                 "shin": "foot"}.get(part)  # fmt: skip
        if child is not None:
            start = joint if part != "hand" else f"{side}_forearm"
            way = REST[BONE[_BONES[f"{side}_{child}"]]] - REST[BONE[_BONES[start]]]
            out = (1.0 if side == "l" else -1.0, 0.0, 0.0)
            align = shortest((0.0, -1.0, 0.0) if part in ("thigh", "shin") else out, way)
        bones[bone] = turns[:, INDEX[joint]] @ align.T
    leg = sum(
        float(np.linalg.norm(REST[BONE["左" + a]] - REST[BONE["左" + b]]))
        for a, b in (("足", "ひざ"), ("ひざ", "足首"))
    )
    drop = (REFERENCE_REST[13] + REFERENCE_REST[16]) / 2 - REFERENCE_REST[0]
    hips = clip.root * leg_length(REFERENCE_REST) + turned(turns[:, 0], drop) - drop
    own_drop = REST[BONE["左足"]] * (0.0, 1.0, 1.0) - REST[BONE["下半身"]]
    place = hips / leg_length(REFERENCE_REST) * leg - turned(turns[:, 0], own_drop) + own_drop
    # Root heights are told from a straight leg above the ankle.
    place[:, 1] += leg + REST[BONE["左足首"], 1] - REST[BONE["左足"], 1]
    keys: Keys = {}
    still = (0.0, 0.0, 0.0)

    def add(bone: str, places: Array, rotations: Array) -> None:
        q = np.roll(quaternions(rotations), -1, axis=1) * _FLIP
        keys[bone] = [
            (f, tuple(places[f] * (1.0, 1.0, -1.0)), tuple(q[f])) for f in range(len(clip))
        ]

    add("センター", place, np.broadcast_to(np.eye(3), (len(clip), 3, 3)))
    for bone, world in bones.items():
        if legs == "feet" and bone[1:] in ("足", "ひざ", "足首"):
            continue
        parent = BONE_PARENTS[BONE[bone]]
        while parent >= 0 and parent not in [BONE[b] for b in bones]:
            parent = BONE_PARENTS[parent]
        names = [b for b in bones if BONE[b] == parent]
        local = transposed(bones[names[0]]) @ world if names else world
        add(bone, np.tile(still, (len(clip), 1)), local)
    if legs == "feet":
        for side in "左右":
            hip = REST[BONE["下半身"]] + place
            at = hip + turned(bones["下半身"], REST[BONE[side + "足"]] - REST[BONE["下半身"]])
            for part, end in (("足", "ひざ"), ("ひざ", "足首")):
                at = at + turned(
                    bones[side + part], REST[BONE[side + end]] - REST[BONE[side + part]]
                )
            add(f"{side}足ＩＫ", at - REST[BONE[side + "足ＩＫ"]], bones[side + "足首"])
    return keys


def scrambled_frames() -> Array:
    """Joint frames (19, 3, 3) as of exports whose bones all point along their own +y."""
    frames = np.broadcast_to(np.eye(3), (19, 3, 3)).copy()
    for i, name in enumerate(JOINTS):
        if name.endswith(("upper_arm", "forearm", "hand", "clavicle")):
            frames[i] = about_z(np.pi / 2 if name.startswith("l") else -np.pi / 2)
        elif name.endswith(("thigh", "shin")):
            frames[i] = about_z(np.pi)
        elif name.endswith("foot"):
            frames[i] = about_x(-np.pi / 2)
    return frames


def files(folder: Path, clip: Clip) -> dict[str, Path]:
    """One file of every format with the same motion."""
    contents = {
        "bvh": bvh_bytes(foreign(clip, MIXAMO), clip.fps),
        "glb": glb_bytes(foreign(clip, KAYKIT), clip.fps),
        "txt": deepmimic_bytes(clip),
        "vmd": vmd_bytes(vmd_keys(clip, legs="feet")),
    }
    paths = {suffix: folder / f"dance.{suffix}" for suffix in contents}
    for suffix, path in paths.items():
        path.write_bytes(contents[suffix])
    return paths

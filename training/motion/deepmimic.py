"""Reader of DeepMimic's humanoid clips (JSON, usually named .txt).

Peng et al., "DeepMimic" (2018), and the layout of its humanoid: 44 numbers a frame, which are the
time to the next frame, the root's place and rotation, then a quaternion (w, x, y, z) for every
spherical joint and an angle for every hinge. The humanoid faces +x, its right is +z, y is up, and
its arms hang at rest.
"""

import json

import numpy as np

from engine.mocap.batch import about, matrices
from training.motion.errors import MotionError
from training.motion.source import (
    SourceMotion,
    check_finite,
    check_frames,
    check_rate,
    global_pose,
)

# Name, parent, offset from the parent in metres, numbers in a frame: 4 a quaternion, 1 an angle
# about z, 0 nothing.
_JOINTS = (
    ("Hips", -1, (0.0, 0.0, 0.0), 4),
    ("Chest", 0, (0.0, 0.2360, 0.0), 4),
    ("Head", 1, (0.0, 0.2239, 0.0), 4),
    ("RightUpLeg", 0, (0.0, 0.0, 0.0849), 4),
    ("RightLeg", 3, (0.0, -0.4215, 0.0), 1),
    ("RightFoot", 4, (0.0, -0.4099, 0.0), 4),
    ("RightArm", 1, (-0.0241, 0.2435, 0.1831), 4),
    ("RightForeArm", 6, (0.0, -0.2748, 0.0), 1),
    ("LeftUpLeg", 0, (0.0, 0.0, -0.0849), 4),
    ("LeftLeg", 8, (0.0, -0.4215, 0.0), 1),
    ("LeftFoot", 9, (0.0, -0.4099, 0.0), 4),
    ("LeftArm", 1, (-0.0241, 0.2435, -0.1831), 4),
    ("LeftForeArm", 11, (0.0, -0.2748, 0.0), 1),
)
_HAND, _TOE, _CROWN = (0.0, -0.2589, 0.0), (0.1, 0.0, 0.0), (0.0, 0.2, 0.0)
_NUMBERS = 44


def parse_deepmimic(data: bytes, name: str) -> SourceMotion:
    """The motion of a DeepMimic file's bytes; raises MotionError."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MotionError(
            name, "a DeepMimic clip in JSON", f"no JSON ({str(error)[:80]})", "give another file"
        ) from None
    frames = content.get("Frames") if isinstance(content, dict) else None
    if not isinstance(frames, list):
        raise MotionError(
            name, "a DeepMimic clip, JSON with a list 'Frames'", "JSON without", "give another file"
        )
    check_frames(name, len(frames))
    try:
        values = np.array(frames, np.float64)
    except (ValueError, TypeError, OverflowError):
        values = np.empty(0)
    if values.ndim != 2 or values.shape[1] != _NUMBERS:
        raise MotionError(
            name, f"{_NUMBERS} numbers in every frame of DeepMimic's humanoid",
            f"an array of shape {values.shape}" if values.size else "frames of other contents",
            "give a clip of the humanoid (humanoid3d_*.txt)",
        )  # fmt: skip
    check_finite(name, "the frames", values)
    fps = check_rate(name, float(values[0, 0]))
    count, parents = len(_JOINTS), tuple(joint[1] for joint in _JOINTS)
    local = np.empty((len(values), count, 3, 3))
    at = 4
    for j, (_, _, _, size) in enumerate(_JOINTS):
        part = values[:, at : at + size]
        if size == 4 and (np.linalg.norm(part, axis=1) < 1e-6).any():
            raise MotionError(name, "unit quaternions", "one of length zero", "correct the file")
        local[:, j] = matrices(part) if size == 4 else about("z", part[:, 0])
        at += size
    rest = np.array([joint[2] for joint in _JOINTS])
    offsets = np.broadcast_to(rest, (len(values), count, 3)).copy()
    offsets[:, 0] = values[:, 1:4]
    turns, places = global_pose(parents, range(count), local, offsets)
    identity = np.broadcast_to(np.eye(3), (count, 3, 3)).copy()
    tips = np.full((count, 3), np.nan)
    for j, (joint, _, _, _) in enumerate(_JOINTS):
        if joint.endswith(("ForeArm", "Foot", "Head")):
            tips[j] = _HAND if joint.endswith("Arm") else _TOE if joint.endswith("Foot") else _CROWN
    return SourceMotion(
        name, fps, tuple(joint[0] for joint in _JOINTS), parents, turns, places, identity,
        global_pose(parents, range(count), identity, rest)[1], tips, rest_stands=False,
    )  # fmt: skip

"""The 17 joints that are lifted to 3D, and their place on the rig.

As many as in Martinez et al. 2017, but chosen from what MediaPipe finds and a rig needs: toes and
the middle of the ears instead of Human3.6M's spine and crown.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX
from engine.mocap.rotations import Array
from engine.pose.skeleton import MEDIAPIPE_33, Skeleton

LIFT_17: Final = Skeleton(
    name="lift-17",
    joints=(
        "nose", "head", "neck",
        "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist",
        "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "r_toe", "l_toe",
    ),
    bones=(
        (1, 0), (2, 1), (2, 3), (3, 4), (4, 5), (2, 6), (6, 7), (7, 8),
        (2, 9), (9, 10), (10, 11), (2, 12), (12, 13), (13, 14), (11, 15), (14, 16),
    ),
)  # fmt: skip
AT: Final = {name: i for i, name in enumerate(LIFT_17.joints)}
MIRROR: Final = LIFT_17.mirror()
HIPS: Final = (AT["r_hip"], AT["l_hip"])

_MIDDLES = {"head": ("l_ear", "r_ear"), "neck": ("l_shoulder", "r_shoulder")}
_PAIRS = np.array(
    [
        [MEDIAPIPE_33.index(name) for name in _MIDDLES.get(joint, (joint, joint))]
        for joint in LIFT_17.joints
    ]
)


def from_mediapipe(landmarks: NDArray[np.floating]) -> Array:
    """(..., 33, C) landmarks to the (..., 17, C) joints; head and neck are middles of two."""
    both = np.asarray(landmarks, np.float64)
    return 0.5 * (both[..., _PAIRS[:, 0], :] + both[..., _PAIRS[:, 1], :])


def mid_hip(joints: Array) -> Array:
    """(..., 1, C): the middle of the hips of (..., 17, C)."""
    return 0.5 * (joints[..., HIPS[0], None, :] + joints[..., HIPS[1], None, :])


def body_size(joints: Array) -> Array:
    """(...): torso, thigh and shin in a row, the mean of both sides, of (..., 17, 3).

    About 0.74 of a person's height, and the same in every pose.
    """
    size = np.linalg.norm(joints[..., AT["neck"], :] - mid_hip(joints)[..., 0, :], axis=-1)
    for side in "rl":
        for a, b in (("hip", "knee"), ("knee", "ankle")):
            bone = joints[..., AT[f"{side}_{a}"], :] - joints[..., AT[f"{side}_{b}"], :]
            size = size + 0.5 * np.linalg.norm(bone, axis=-1)
    return np.asarray(size)


# Joint of the rig that carries each point, and where the point is from it on the average adult.
_CARRIED: Final[dict[str, tuple[str, tuple[float, float, float]]]] = {
    "nose": ("head", (0.0, 0.06, 0.135)),
    "head": ("head", (0.0, 0.085, 0.025)),
    **{
        f"{side}_{point}": (f"{side}_{joint}", (0.0, 0.0, 0.0))
        for side in "rl"
        for point, joint in (
            ("shoulder", "upper_arm"), ("elbow", "forearm"), ("wrist", "hand"),
            ("hip", "thigh"), ("knee", "shin"), ("ankle", "foot"),
        )
    },
    "r_toe": ("r_foot", (0.0, -0.053, 0.19)),
    "l_toe": ("l_foot", (0.0, -0.053, 0.19)),
}  # fmt: skip


def of_rig(turns: Array, places: Array, scale: float = 1.0) -> Array:
    """The 17 joints (F, 17, 3) of a rig's global rotations (F, 19, 3, 3) and places (F, 19, 3).

    `scale` is the size of head and feet, 1 for the average adult in metres.
    """
    joints = np.empty((len(turns), len(LIFT_17.joints), 3))
    for i, name in enumerate(LIFT_17.joints):
        if name != "neck":
            carrier, offset = _CARRIED[name]
            at = INDEX[carrier]
            joints[:, i] = places[:, at] + scale * (turns[:, at] @ np.array(offset))
    joints[:, AT["neck"]] = 0.5 * (joints[:, AT["r_shoulder"]] + joints[:, AT["l_shoulder"]])
    return joints


def centred(keypoints: Array) -> Array:
    """Keypoints (..., 17, 2) about the middle of the hips, their spread made 1.

    What the baseline lifter takes: it knows neither the size of the picture nor where in it the
    person stands. A person of no extent stays zero.
    """
    about = keypoints - mid_hip(keypoints)
    spread = np.sqrt(np.mean(np.sum(about**2, axis=-1), axis=-1))
    return np.asarray(about / np.maximum(spread, 1e-9)[..., None, None])

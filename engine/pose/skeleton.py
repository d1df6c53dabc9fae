"""Skeleton topologies: one table each, and the maps between them.

The engine's own skeleton, `PUPPET_20`, is OpenPose's 18 joints, as in both papers, with two toes
added. Left and right are the person's own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A topology: the names of its joints and the bones between them.

    `bones` are (parent, child) indices into `joints`.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]

    def index(self, joint: str) -> int:
        """Index of a joint by name; raises ValueError for a name that the skeleton lacks."""
        return self.joints.index(joint)

    def mirror(self) -> NDArray[np.intp]:
        """(K,) index of each joint's partner on the other side of the body."""
        swapped = [
            name.replace("l_", "r_", 1) if name.startswith("l_")
            else name.replace("r_", "l_", 1) if name.startswith("r_")
            else name
            for name in self.joints
        ]  # fmt: skip
        return np.array([self.joints.index(name) for name in swapped])


OPENPOSE_18 = Skeleton(
    name="openpose-18",
    joints=(
        "nose", "neck",
        "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist",
        "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle",
        "r_eye", "l_eye", "r_ear", "l_ear",
    ),
    bones=(
        (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7),
        (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
        (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
    ),
)  # fmt: skip

PUPPET_20 = Skeleton(
    name="puppet-20",
    joints=(*OPENPOSE_18.joints, "r_toe", "l_toe"),
    bones=(*OPENPOSE_18.bones, (10, 18), (13, 19)),
)

MEDIAPIPE_33 = Skeleton(
    name="mediapipe-33",
    joints=(
        "nose",
        "l_eye_inner", "l_eye", "l_eye_outer", "r_eye_inner", "r_eye", "r_eye_outer",
        "l_ear", "r_ear", "l_mouth", "r_mouth",
        "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
        "l_pinky", "r_pinky", "l_index", "r_index", "l_thumb", "r_thumb",
        "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
        "l_heel", "r_heel", "l_toe", "r_toe",
    ),
    bones=(
        (0, 2), (2, 7), (0, 5), (5, 8), (9, 10), (11, 12),
        (11, 13), (13, 15), (15, 17), (15, 19), (15, 21),
        (12, 14), (14, 16), (16, 18), (16, 20), (16, 22),
        (11, 23), (12, 24), (23, 24),
        (23, 25), (25, 27), (27, 29), (29, 31), (27, 31),
        (24, 26), (26, 28), (28, 30), (30, 32), (28, 32),
    ),
)  # fmt: skip

COCO_17 = Skeleton(
    name="coco-17",
    joints=(
        "nose", "l_eye", "r_eye", "l_ear", "r_ear",
        "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
        "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
    ),
    bones=(
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7),
        (6, 8), (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
    ),
)  # fmt: skip
"""The keypoints of the COCO data set (Lin et al. 2014), in its own order, which has no neck."""


def joint_map(source: Skeleton, target: Skeleton) -> NDArray[np.intp]:
    """(K_target, 2) pairs of source joints whose mean is each target joint.

    A joint that the source has by name maps to itself (twice); the neck, where the source has
    none, is the midpoint of its shoulders, as in OpenPose's own training data. A joint that the
    source does not know is (-1, -1).
    """
    pairs = np.full((len(target.joints), 2), -1, dtype=np.intp)
    for row, joint in enumerate(target.joints):
        if joint in source.joints:
            pairs[row] = source.index(joint)
        elif joint == "neck":
            pairs[row] = source.index("r_shoulder"), source.index("l_shoulder")
    return pairs


def convert(
    joints: NDArray[np.floating], source: Skeleton, target: Skeleton
) -> NDArray[np.float32]:
    """Map joints (K_source, C) of one topology to (K_target, C); unknown rows are NaN."""
    pairs = joint_map(source, target)
    result = (0.5 * (joints[pairs[:, 0]] + joints[pairs[:, 1]])).astype(np.float32)
    result[pairs[:, 0] < 0] = np.nan
    return result

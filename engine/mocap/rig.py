"""The humanoid rig that characters, the performer and every motion share.

Rest pose: a T-pose, standing on y = 0, facing +z; y is up and +x is the character's left. Every
joint's rest frame is aligned with the world, so a pose is one rotation per joint relative to its
parent and the identity is the T-pose.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

JOINTS = (
    "hips", "spine", "chest", "neck", "head",
    "l_clavicle", "l_upper_arm", "l_forearm", "l_hand",
    "r_clavicle", "r_upper_arm", "r_forearm", "r_hand",
    "l_thigh", "l_shin", "l_foot",
    "r_thigh", "r_shin", "r_foot",
)  # fmt: skip
PARENTS = (-1, 0, 1, 2, 3, 2, 5, 6, 7, 2, 9, 10, 11, 0, 13, 14, 0, 16, 17)
INDEX = {name: i for i, name in enumerate(JOINTS)}


@dataclass(frozen=True, slots=True)
class RigPose:
    """One pose of the rig.

    `rotations` is (19, 3, 3), each joint relative to its parent; `root` is (3,), the shift of the
    hips from their rest place in leg lengths (hip to ankle), so that one motion fits every body.
    """

    rotations: NDArray[np.float64]
    root: NDArray[np.float64]


def forward_kinematics(
    pose: RigPose, rest: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Global rotations (19, 3, 3) and joint positions (19, 3) of a posed rig.

    `rest` is (19, 3): the joints in the T-pose, in the rig's own units.
    """
    leg = np.linalg.norm(rest[INDEX["l_thigh"]] - rest[INDEX["l_foot"]])
    rotations = np.empty((len(JOINTS), 3, 3))
    positions = np.empty((len(JOINTS), 3))
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            rotations[joint] = pose.rotations[joint]
            positions[joint] = rest[joint] + pose.root * leg
        else:
            rotations[joint] = rotations[parent] @ pose.rotations[joint]
            positions[joint] = positions[parent] + rotations[parent] @ (rest[joint] - rest[parent])
    return rotations, positions

"""The average adult on the shared rig, and how far joints turn."""

import numpy as np

from engine.mocap.rig import JOINTS
from engine.mocap.rotations import Array

ELBOW_LIMIT = np.radians(145.0)
KNEE_LIMIT = np.radians(150.0)
ARM_TWIST_LIMIT = np.radians(100.0)
ANKLE_LIMIT = np.radians(60.0)
HIP_TWIST_LIMIT = np.radians(60.0)
HEAD_LIMITS = np.radians([35.0, 60.0, 30.0])  # forward, turn, lean; to both sides
TORSO_LIMITS = np.radians([75.0, 45.0, 35.0])


def _reference_rest() -> Array:
    left = {
        "hips": (0.0, 0.92, 0.0), "spine": (0.0, 1.02, 0.0), "chest": (0.0, 1.16, 0.0),
        "neck": (0.0, 1.40, 0.0), "head": (0.0, 1.49, 0.01),
        "l_clavicle": (0.03, 1.36, 0.0), "l_upper_arm": (0.17, 1.36, 0.0),
        "l_forearm": (0.43, 1.36, 0.0), "l_hand": (0.67, 1.36, 0.0),
        "l_thigh": (0.09, 0.88, 0.0), "l_shin": (0.09, 0.47, 0.0), "l_foot": (0.09, 0.075, 0.0),
    }  # fmt: skip
    rest = np.empty((len(JOINTS), 3))
    for i, name in enumerate(JOINTS):
        twin = name.replace("r_", "l_", 1) if name.startswith("r_") else name
        rest[i] = np.array(left[twin]) * ((-1.0, 1.0, 1.0) if name.startswith("r_") else 1.0)
    return rest


REFERENCE_REST = _reference_rest()
"""(19, 3) metres: the joints of an average adult in the rig's T-pose."""

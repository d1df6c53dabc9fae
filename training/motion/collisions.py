"""Whether a pose puts a part of the body into another."""

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX, RigPose, forward_kinematics
from engine.mocap.rotations import Array
from training.motion.posture import REFERENCE_REST

# Capsules in metres on the reference body: from joint, to joint, end offset, radius.
_CAPSULES = (
    ("hips", "spine", (0.0, -0.04, 0.0), (0.0, 0.0, 0.0), (0.13, 0.10)),
    ("chest", "chest", (0.0, -0.05, 0.0), (0.0, 0.14, 0.0), (0.12, 0.095)),
    ("head", "head", (0.0, 0.03, 0.01), (0.0, 0.12, 0.01), (0.085, 0.085)),
)


def penetrates(pose: RigPose, rest: Array = REFERENCE_REST) -> bool:
    """Whether an elbow, wrist or palm is inside torso, head or a thigh, or a shin crosses a shin.

    Body parts are capsules, flattened front to back where a torso is, scaled to `rest` by height.
    """
    size = float(rest[INDEX["head"], 1] / REFERENCE_REST[INDEX["head"], 1])
    rotations, positions = forward_kinematics(pose, rest)
    probes = []
    for side in ("l", "r"):
        wrist = positions[INDEX[f"{side}_hand"]]
        elbow = positions[INDEX[f"{side}_forearm"]]
        probes += [elbow, wrist, wrist + 0.35 * (wrist - elbow), 0.5 * (wrist + elbow)]
    points = np.array(probes)
    for start, end, offset_a, offset_b, radii in _CAPSULES:
        i, j = INDEX[start], INDEX[end]
        a = positions[i] + rotations[i] @ np.array(offset_a) * size
        b = positions[j] + rotations[j] @ np.array(offset_b) * size
        # Work in the part's own frame with its depth stretched until the section is round.
        stretch = np.array([1.0, 1.0, radii[0] / radii[1]])
        local = (points - a) @ rotations[i] * stretch
        if (_distance(local, (b - a) @ rotations[i] * stretch) < radii[0] * size).any():
            return True
    for side in ("l", "r"):
        hip, knee = positions[INDEX[f"{side}_thigh"]], positions[INDEX[f"{side}_shin"]]
        if (_distance(points - hip, knee - hip) < 0.055 * size).any():
            return True
    return _legs_cross(positions, 0.07 * size)


def _distance(points: Array, end: Array) -> Array:
    """Distances of points (N, 3) from the segment between the origin and `end`."""
    along = np.clip(points @ end / max(float(end @ end), 1e-12), 0.0, 1.0)
    return np.linalg.norm(points - along[:, None] * end, axis=1)


def _legs_cross(positions: NDArray[np.float64], gap: float) -> bool:
    steps = np.linspace(0.0, 1.0, 6)[:, None]
    knee, ankle = positions[INDEX["r_shin"]], positions[INDEX["r_foot"]]
    other_knee, other_ankle = positions[INDEX["l_shin"]], positions[INDEX["l_foot"]]
    shin = knee + steps * (ankle - knee)
    return bool((_distance(shin - other_knee, other_ankle - other_knee) < gap).any())

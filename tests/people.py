"""A character and people made of numbers, for the tests of the motion code."""

import numpy as np
from numpy.typing import NDArray

from engine.motion.proportions import CharacterSkeleton
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20

# A figure that faces the camera, arms a little out, in pixels of a 256 x 256 picture; z as in the
# engine, relative to the neck. Left and right are alike about x = 128.
_MIDDLE = {"nose": (0, 62, -22), "neck": (0, 84, 0)}
_RIGHT = {
    "shoulder": (-16, 84, 0), "elbow": (-26, 108, 0), "wrist": (-34, 132, 0),
    "hip": (-9, 136, 0), "knee": (-11, 178, 0), "ankle": (-12, 220, 0),
    "eye": (-9, 56, -18), "ear": (-20, 60, 0), "toe": (-16, 234, -6),
}  # fmt: skip
HEAD = [0, 14, 15, 16, 17]


def standing() -> NDArray[np.float64]:
    """(20, 3) joints of the figure at rest."""
    joints = np.empty((20, 3))
    for row, name in enumerate(PUPPET_20.joints):
        side, _, part = name.rpartition("_")
        x, y, z = _RIGHT[part] if side else _MIDDLE[name]
        joints[row] = 128 + (-x if side == "l" else x), y, z
    return joints


def bone_lengths(joints: NDArray[np.floating]) -> NDArray[np.float64]:
    """(19,) lengths in 3D."""
    return np.array([np.linalg.norm(joints[p, :3] - joints[q, :3]) for p, q in PUPPET_20.bones])


def character(joints: NDArray[np.floating] | None = None) -> CharacterSkeleton:
    """The character who stands as `joints` (20, 3) at rest."""
    at = standing() if joints is None else joints
    return CharacterSkeleton(
        rest=np.hstack([at, np.ones((20, 1))]).astype(np.float32),
        bone_lengths=bone_lengths(at).astype(np.float32),
        head=(at[HEAD] - at[1]).astype(np.float32),
        floor_y=238.0,
    )


def person(
    joints: NDArray[np.floating],
    *,
    px_per_unit: float = 2.0,
    metres_per_unit: float = 0.009,
    shift: tuple[float, float] = (0.0, 0.0),
    scores: float | NDArray[np.floating] = 0.95,
) -> Pose:
    """The pose that a perfect estimator finds of somebody whose joints (20, 3) are these.

    `scores` are of the 20 joints. Landmarks that the skeleton lacks lie on the nearest that it has.
    """
    rows = np.zeros(33, dtype=int)
    for landmark, name in enumerate(MEDIAPIPE_33.joints):
        if name in PUPPET_20.joints:
            rows[landmark] = PUPPET_20.index(name)
        else:
            side, part = name[:2], name[2:]
            near = {"heel": "ankle", "eye_inner": "eye", "eye_outer": "eye", "mouth": "nose"}
            part = near.get(part, "wrist")
            rows[landmark] = PUPPET_20.index(part if part == "nose" else side + part)
    mid_hip = 0.5 * (joints[8] + joints[11])
    all_scores = np.broadcast_to(np.asarray(scores, np.float32), (20,))
    return Pose(
        keypoints=(joints[rows, :2] * px_per_unit + np.array(shift)).astype(np.float32),
        scores=all_scores[rows].copy(),
        world=((joints - mid_hip)[rows] * metres_per_unit).astype(np.float32),
    )


def rotation(axis: int, radians: float) -> NDArray[np.float64]:
    """(3, 3) turn about x (0), y (1) or z (2)."""
    c, s = np.cos(radians), np.sin(radians)
    turn = np.eye(3)
    a, b = [i for i in range(3) if i != axis]
    turn[a, a], turn[a, b], turn[b, a], turn[b, b] = c, -s, s, c
    return turn


def turned(
    joints: NDArray[np.floating], joint: str, turn: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The joints with everything beyond `joint` turned about it.

    "neck" turns the head alone, "mid" the whole figure about its neck.
    """
    if joint == "mid":
        return (joints - joints[1]) @ turn.T + joints[1]
    parents = {child: parent for parent, child in PUPPET_20.bones}
    pivot = PUPPET_20.index(joint)

    def beyond(row: int) -> bool:
        while row in parents:
            row = parents[row]
            if row == pivot:
                return True
        return False

    rows = HEAD if joint == "neck" else [r for r in range(20) if beyond(r)]
    result = np.array(joints, dtype=np.float64)
    result[rows] = (result[rows] - result[pivot]) @ turn.T + result[pivot]
    return result


def random_body(rng: np.random.Generator) -> NDArray[np.float64]:
    """(22, 4) joints anywhere, as the kernels of the motion have a body; some coincide."""
    body = np.column_stack([rng.normal(0, 100, (22, 3)), rng.uniform(0, 1, 22)])
    if rng.random() < 0.3:
        body[:, :3] = np.round(body[:, :3], -2)
    return body

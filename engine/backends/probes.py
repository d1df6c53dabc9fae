"""Poses of a character to try its generator on, made of its proportions alone."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.character import CharacterBundle
from engine.motion.draw import draw_pose
from engine.pose.skeleton import PUPPET_20

# Joints that turn, and what they carry with them.
_LIMBS: Final = tuple(
    (joint, tuple(carried))
    for side in ("r", "l")
    for joint, *carried in (
        (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"),
        (f"{side}_elbow", f"{side}_wrist"),
        (f"{side}_hip", f"{side}_knee", f"{side}_ankle", f"{side}_toe"),
        (f"{side}_knee", f"{side}_ankle", f"{side}_toe"),
    )
)


def probes(bundle: CharacterBundle, count: int = 6) -> list[NDArray[np.uint8]]:
    """Pose images of the character at rest with its limbs turned this way and that."""
    index = PUPPET_20.joints.index
    images = []
    for i in range(count):
        rng = np.random.default_rng(i)
        joints = bundle.skeleton.rest.copy()
        for pivot, carried in _LIMBS:
            reach = 0.6 if "shoulder" in pivot or "elbow" in pivot else 0.2
            c, s = (f(rng.uniform(-reach, reach)) for f in (np.cos, np.sin))
            turn = np.array([[c, -s], [s, c]], np.float32)
            moved, about = [index(name) for name in carried], joints[index(pivot), :2]
            joints[moved, :2] = (joints[moved, :2] - about) @ turn.T + about
        images.append(np.empty((bundle.resolution, bundle.resolution, 3), np.uint8))
        draw_pose(joints, images[-1])
    return images

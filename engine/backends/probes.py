"""What a network is tried on when its runtime is chosen: poses of the character's proportions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.character import CharacterBundle, Network
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


@dataclass(frozen=True, slots=True)
class Subject:
    """A network whose runtime is to be chosen.

    Attributes:
        name: of the character, for messages.
        network: it.
        inputs: makes what it is tried on, arrays of its input's shape without the batch.
        picture: makes the picture (S, S, 4) that its output (without the batch) for the input of
            that index leads to: pictures are compared.
        about: all else that its inputs depend on.
    """

    name: str
    network: Network
    inputs: Callable[[], Sequence[NDArray[np.uint8]]]
    picture: Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]]
    about: bytes


def generator_of(bundle: CharacterBundle) -> Subject:
    """A character's own network.

    Raises:
        NotInBundle: it has none.
    """
    return Subject(
        bundle.name,
        bundle.need_generator(),
        lambda: probes(bundle),
        lambda index, picture: picture,
        bundle.skeleton.rest.tobytes(),
    )


def probes(bundle: CharacterBundle, count: int = 6) -> list[NDArray[np.uint8]]:
    """Pose images of `probe_poses`."""
    images = []
    for joints in probe_poses(bundle, count):
        images.append(np.empty((bundle.resolution, bundle.resolution, 3), np.uint8))
        draw_pose(joints, images[-1])
    return images


def probe_poses(bundle: CharacterBundle, count: int = 6) -> list[NDArray[np.float32]]:
    """Joints (20, 4) of the character at rest with its limbs turned this way and that."""
    index = PUPPET_20.joints.index
    poses = []
    for i in range(count):
        rng = np.random.default_rng(i)
        joints = bundle.skeleton.rest.copy()
        for pivot, carried in _LIMBS:
            reach = 0.6 if "shoulder" in pivot or "elbow" in pivot else 0.2
            c, s = (f(rng.uniform(-reach, reach)) for f in (np.cos, np.sin))
            turn = np.array([[c, -s], [s, c]], np.float32)
            moved, about = [index(name) for name in carried], joints[index(pivot), :2]
            joints[moved, :2] = (joints[moved, :2] - about) @ turn.T + about
        poses.append(joints)
    return poses

"""Which part of the body each triangle of a character belongs to: that of its heaviest bones."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import JOINTS

if TYPE_CHECKING:
    from training.characters.character import RiggedCharacter

PARTS = (
    "background",
    "head",  # with hair, hat, and whatever else hangs from it
    "torso",  # with neck and shoulders; skirts, capes, tails and wings
    "r_upper_arm", "r_forearm", "r_hand", "l_upper_arm", "l_forearm", "l_hand",
    "r_thigh", "r_shin", "r_foot", "l_thigh", "l_shin", "l_foot",
)  # fmt: skip
"""Names of the values of a part mask; right and left are the character's own."""

PART = {name: i for i, name in enumerate(PARTS)}
OF_JOINT = np.array([PART.get(name, PART["torso"]) for name in JOINTS], np.uint8)
"""(19,) the part that each joint of the rig moves."""


def part_of_bones(character: "RiggedCharacter") -> NDArray[np.uint8]:
    """(B,) the part of each column of the character's weights.

    Bones of hair, cloth and the like belong to the part that they hang from.
    """
    hanging = [bone.joint for bone in character.hanging]
    links = [chain.joint for chain in character.chains for _ in range(chain.links)]
    return np.concatenate([OF_JOINT, OF_JOINT[[*hanging, *links]]])


def part_of_triangles(character: "RiggedCharacter") -> NDArray[np.uint8]:
    """(T,) the part of each triangle: the one with most weight in its three corners."""
    member = np.zeros((character.weights.shape[1], len(PARTS)), np.float32)
    member[np.arange(len(member)), part_of_bones(character)] = 1.0
    shares = character.weights @ member
    return shares[character.mesh.triangles].sum(axis=1).argmax(axis=1).astype(np.uint8)

"""The parts that a character is cut into: one table, which every other module here reads."""

from dataclasses import dataclass
from enum import IntEnum

from engine.mocap.rig import JOINTS
from engine.pose.skeleton import PUPPET_20


class Kind(IntEnum):
    """How a part is carried: `maps` has one rule for each."""

    HEAD = 0
    TORSO = 1
    LIMB = 2


@dataclass(frozen=True, slots=True)
class Part:
    """A part lies along the bone from joint `start` to joint `end`.

    `radius` is a usual half width, in lengths of the spine (neck to the middle of the hips), with
    which masks begin before they look at the drawing. `rig` are the joints of the rig that carry
    its surface.
    """

    name: str
    kind: Kind
    start: int
    end: int
    radius: float
    rig: tuple[str, ...]


def _limbs(side: str) -> tuple[Part, ...]:
    at = {name: PUPPET_20.index(f"{side}_{name}") for name in (
        "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe",
    )}  # fmt: skip
    rows = (
        ("upper_arm", "shoulder", "elbow", 0.15, ("upper_arm",)),
        ("forearm", "elbow", "wrist", 0.14, ("forearm", "hand")),
        ("thigh", "hip", "knee", 0.19, ("thigh",)),
        ("shin", "knee", "ankle", 0.16, ("shin",)),
        ("foot", "ankle", "toe", 0.13, ("foot",)),
    )
    return tuple(
        Part(f"{side}_{n}", Kind.LIMB, at[a], at[b], r, tuple(f"{side}_{j}" for j in rig))
        for n, a, b, r, rig in rows
    )


PARTS: tuple[Part, ...] = (
    Part("head", Kind.HEAD, 1, 0, 0.62, ("head",)),
    Part("chest", Kind.TORSO, 1, 1, 0.40, ("spine", "chest", "neck", "l_clavicle", "r_clavicle")),
    Part("hips", Kind.TORSO, 1, 1, 0.40, ("hips",)),
    *_limbs("r"),
    *_limbs("l"),
)
"""Head, chest, hips, then upper arm, forearm, thigh, shin and foot of the right and of the left."""

COUNT = len(PARTS)
HEAD, CHEST, HIPS = 0, 1, 2
LIMBS = tuple(i for i, part in enumerate(PARTS) if part.kind is Kind.LIMB)
NEIGHBOURS: tuple[tuple[int, int, int], ...] = (
    (HEAD, CHEST, 1), (CHEST, 3, 2), (CHEST, 8, 5), (HIPS, 5, 8), (HIPS, 10, 11),
    (3, 4, 3), (5, 6, 9), (6, 7, 10), (8, 9, 6), (10, 11, 12), (11, 12, 13),
)  # fmt: skip
"""(part, part, joint) of parts that meet at a joint; chest and hips meet along a line."""
GROUPS: tuple[tuple[int, ...], ...] = (
    (HEAD,), (CHEST, HIPS), (3, 4), (8, 9), (5, 6, 7), (10, 11, 12)
)  # fmt: skip
"""Parts that bend into each other: of several drawings they are taken from the same."""


def part_of_rig() -> tuple[int, ...]:
    """For each joint of the rig the part that its surface belongs to."""
    owner = {joint: i for i, part in enumerate(PARTS) for joint in part.rig}
    return tuple(owner[joint] for joint in JOINTS)

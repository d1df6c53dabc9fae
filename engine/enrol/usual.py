"""Usual proportions of drawn characters, by how large the head is.

One number tells chibi from tall: half the distance between the ears, in lengths of the spine (neck
to the middle of the hips). Every other length follows it by a power law, fitted to 120 procedural
characters of the data set (`training.characters.procedural`, seeds 0 to 119), whose own spread
about the law is 2 to 12 %.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20

F64 = NDArray[np.float64]

EAR_HALF: Final = 0.351
"""Of the median character."""
EAR_RANGE: Final = (0.17, 0.65)

# name: (at the median, exponent), in lengths of the spine
_LAWS: Final = {
    "shoulder": (0.273, -0.29), "upper_arm": (0.517, -0.39), "forearm": (0.477, -0.39),
    "hip": (0.159, -0.09), "thigh": (0.718, -0.48), "shin": (0.690, -0.58), "foot": (0.316, -0.05),
    "ear_up": (0.504, 0.47), "eye_half": (0.155, 1.01), "eye_up": (0.555, 0.49),
    "nose_up": (0.449, 0.40), "eye_near": (0.267, 0.81), "nose_near": (0.326, 0.82),
    "foot_drop": (0.152, -0.09), "foot_near": (0.287, -0.04),
}  # fmt: skip

_BONE_LAWS = {
    "shoulder": "shoulder", "elbow": "upper_arm", "wrist": "forearm", "knee": "thigh",
    "ankle": "shin", "toe": "foot",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """Proportions in lengths of the spine.

    Attributes:
        ear_half: what they follow from.
        head: (5, 3): nose, r_eye, l_eye, r_ear, l_ear from the neck, upright, facing the camera.
        bones: (19,) true lengths, in the order of `PUPPET_20.bones`.
        rest: (20, 3) from the neck: standing, arms hanging a little apart, toes forward.
        length: by the names of this module's table.
    """

    ear_half: float
    head: F64
    bones: F64
    rest: F64
    length: dict[str, float]


def usual(ear_half: float = EAR_HALF) -> Usual:
    """The proportions that go with a head of half width `ear_half`, clipped to `EAR_RANGE`."""
    ear = float(np.clip(ear_half, *EAR_RANGE))
    of = {name: at * (ear / EAR_HALF) ** power for name, (at, power) in _LAWS.items()}
    head = np.array(
        [
            (0, -of["nose_up"], -of["nose_near"]),
            (-of["eye_half"], -of["eye_up"], -of["eye_near"]),
            (of["eye_half"], -of["eye_up"], -of["eye_near"]),
            (-ear, -of["ear_up"], 0),
            (ear, -of["ear_up"], 0),
        ]
    )
    side = {
        "shoulder": (of["shoulder"], 0.0, 0.0),
        "elbow": (of["shoulder"] + 0.25 * of["upper_arm"], 0.97 * of["upper_arm"], 0.0),
        "wrist": (
            of["shoulder"] + 0.25 * of["upper_arm"] + 0.15 * of["forearm"],
            0.97 * of["upper_arm"] + 0.98 * of["forearm"],
            -0.1 * of["forearm"],
        ),
        "hip": (of["hip"], 1.0, 0.0),
        "knee": (of["hip"], 1.0 + of["thigh"], 0.0),
        "ankle": (of["hip"], 1.0 + of["thigh"] + of["shin"], 0.0),
        "toe": (
            1.2 * of["hip"], 1.0 + of["thigh"] + of["shin"] + of["foot_drop"], -of["foot_near"],
        ),
    }  # fmt: skip
    rest = np.zeros((20, 3))
    rest[[0, 14, 15, 16, 17]] = head
    for name, (x, y, z) in side.items():
        rest[PUPPET_20.index(f"r_{name}")] = -x, y, z
        rest[PUPPET_20.index(f"l_{name}")] = x, y, z
    bones = np.array([np.linalg.norm(rest[b] - rest[a]) for a, b in PUPPET_20.bones])
    for i, (_, child) in enumerate(PUPPET_20.bones):
        law = _BONE_LAWS.get(PUPPET_20.joints[child][2:])
        if law is not None:
            bones[i] = of[law]
    return Usual(ear, head, bones, rest, {**of, "ear_half": ear})

"""Where the joints and keypoints of a modelled body are, from its measures."""

from dataclasses import dataclass

import numpy as np

from engine.mocap.rig import INDEX, JOINTS
from training.characters.shapes import F64


@dataclass(frozen=True, slots=True)
class Anatomy:
    """Measures of a body in the T-pose, in its own units.

    Heads are modelled about the chin in one common space and scaled by `head` (x, y, z).
    """

    chin: float  # y; heights on the head are measured from here
    hips: float  # y of the joints of the trunk
    spine: float
    chest: float
    neck: float
    arm: float  # y of the arms
    shoulder: float  # x along the arm
    elbow: float
    wrist: float
    hip_x: float
    hip_y: float
    knee: float  # y
    ankle: float  # y
    clavicle: float = 0.03  # x
    toe: tuple[float, float, float] = (0.012, 0.022, 0.10)  # x from the hip's, y, z
    head: tuple[float, float, float] = (1.0, 1.0, 1.0)
    knee_z: float = 0.004
    ankle_z: float = -0.012

    def rest_joints(self) -> F64:
        """(19, 3) joints of the T-pose."""
        rest = np.zeros((len(JOINTS), 3))

        def put(name: str, x: float, y: float, z: float) -> None:
            rest[INDEX[name]] = x, y, z

        put("hips", 0, self.hips, 0)
        put("spine", 0, self.spine, 0)
        put("chest", 0, self.chest, 0)
        put("neck", 0, self.neck, -0.012)
        put("head", 0, self.chin + 0.015 * self.head[1], -0.008)
        for side, sign in (("l_", 1.0), ("r_", -1.0)):
            put(side + "clavicle", sign * self.clavicle, self.arm, -0.005)
            put(side + "upper_arm", sign * self.shoulder, self.arm, -0.005)
            put(side + "forearm", sign * self.elbow, self.arm, -0.005)
            put(side + "hand", sign * self.wrist, self.arm, -0.005)
            put(side + "thigh", sign * self.hip_x, self.hip_y, 0)
            put(side + "shin", sign * self.hip_x, self.knee, self.knee_z)
            put(side + "foot", sign * self.hip_x, self.ankle, self.ankle_z)
        return rest

    def landmarks(self) -> F64:
        """(20, 3) PUPPET_20 keypoints in the T-pose."""
        rest = self.rest_joints()
        points = np.zeros((20, 3))
        sx, sy, sz = self.head
        points[0] = 0, self.chin + 0.078 * sy, 0.128 * sz
        points[1] = 0, self.arm, -0.005
        for first, side in ((2, "r_"), (5, "l_")):
            for k, name in enumerate(("upper_arm", "forearm", "hand")):
                points[first + k] = rest[INDEX[side + name]]
        for first, side in ((8, "r_"), (11, "l_")):
            for k, name in enumerate(("thigh", "shin", "foot")):
                points[first + k] = rest[INDEX[side + name]]
        x, y, z = self.toe
        for sign, eye, ear, toe in ((-1.0, 14, 16, 18), (1.0, 15, 17, 19)):
            points[eye] = sign * 0.062 * sx, self.chin + 0.120 * sy, 0.104 * sz
            points[ear] = sign * 0.142 * sx, self.chin + 0.105 * sy, -0.012 * sz
            points[toe] = sign * (self.hip_x + x), y, z
        return points

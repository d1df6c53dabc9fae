"""Ito's measures and colours: the joints of her T-pose, her bones and her materials.

Units: one unit is about a metre; she is 1.62 tall, four and a half heads.
"""

import numpy as np

from engine.mocap.rig import INDEX, JOINTS
from training.characters.shapes import F64, Material

HEIGHT = 1.62
CHIN = 1.235  # y of the chin; heights on the head are measured from here

SHOULDER, ELBOW, WRIST = 0.112, 0.328, 0.524  # x along the arm in the T-pose
ARM_Y = 1.135
HIP_X, HIP_Y, KNEE_Y, ANKLE_Y = 0.066, 0.765, 0.425, 0.085

TAIL_L, TAIL_R, AHOGE, BOW = range(len(JOINTS), len(JOINTS) + 4)  # hanging bones
BONES = len(JOINTS) + 4

SKIN = Material.of("#fde4d6", "#efb3a6", "#8a4b46")
HAIR = Material.of("#bfa6f2", "#8a73cf", "#46357f")
HAIR_TIP = Material.of("#f7b3d6", "#c987c8", "#6d3a78")
HAIR_INSIDE = Material.of("#7a64b8", "#6a55a8", "#3a2c6b")
WHITE = Material.of("#fdfcff", "#c3c7ea", "#5a5f8e")
NAVY = Material.of("#37447f", "#252b5c", "#141838")
NAVY_INSIDE = Material.of("#20244c", "#1a1d40", "#141838")
RED = Material.of("#ee3f55", "#ab2350", "#5c0f2c")
GOLD = Material.of("#ffcf5c", "#d8903c", "#7a4a1c")
SOCK = Material.of("#fdfcff", "#c3c7ea", "#5a5f8e")
SHOE = Material.of("#6e4048", "#48273a", "#271424")
SOLE = Material.of("#f1e6dc", "#b9a3ad", "#271424")


def rest_joints() -> F64:
    """(19, 3) joints of the T-pose."""
    rest = np.zeros((len(JOINTS), 3))

    def put(name: str, x: float, y: float, z: float) -> None:
        rest[INDEX[name]] = x, y, z

    put("hips", 0, 0.81, 0)
    put("spine", 0, 0.90, 0)
    put("chest", 0, 1.00, 0)
    put("neck", 0, 1.175, -0.012)
    put("head", 0, CHIN + 0.015, -0.008)
    for side, sign in (("l_", 1.0), ("r_", -1.0)):
        put(side + "clavicle", sign * 0.03, ARM_Y, -0.005)
        put(side + "upper_arm", sign * SHOULDER, ARM_Y, -0.005)
        put(side + "forearm", sign * ELBOW, ARM_Y, -0.005)
        put(side + "hand", sign * WRIST, ARM_Y, -0.005)
        put(side + "thigh", sign * HIP_X, HIP_Y, 0)
        put(side + "shin", sign * HIP_X, KNEE_Y, 0.004)
        put(side + "foot", sign * HIP_X, ANKLE_Y, -0.012)
    return rest


def landmarks() -> F64:
    """(20, 3) PUPPET_20 keypoints in the T-pose."""
    rest = rest_joints()
    points = np.zeros((20, 3))
    points[0] = 0, CHIN + 0.078, 0.128
    points[1] = 0, ARM_Y, -0.005
    for first, side in ((2, "r_"), (5, "l_")):
        for k, name in enumerate(("upper_arm", "forearm", "hand")):
            points[first + k] = rest[INDEX[side + name]]
    for first, side in ((8, "r_"), (11, "l_")):
        for k, name in enumerate(("thigh", "shin", "foot")):
            points[first + k] = rest[INDEX[side + name]]
    for sign, eye, ear, toe in ((-1.0, 14, 16, 18), (1.0, 15, 17, 19)):
        points[eye] = sign * 0.062, CHIN + 0.120, 0.104
        points[ear] = sign * 0.142, CHIN + 0.105, -0.012
        points[toe] = sign * (HIP_X + 0.012), 0.022, 0.10
    return points

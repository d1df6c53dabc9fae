"""Ito's measures and colours: the joints of her T-pose, her bones and her materials.

Units: one unit is about a metre; she is 1.62 tall, four and a half heads.
"""

from engine.mocap.rig import JOINTS
from training.characters.anatomy import Anatomy
from training.characters.shapes import Material

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
SOCK = Material.of("#fdfcff", "#c3c7ea", "#5a5f8e")
SHOE = Material.of("#6e4048", "#48273a", "#271424")
SOLE = Material.of("#f1e6dc", "#b9a3ad", "#271424")


ANATOMY = Anatomy(
    chin=CHIN, hips=0.81, spine=0.90, chest=1.00, neck=1.175, arm=ARM_Y,
    shoulder=SHOULDER, elbow=ELBOW, wrist=WRIST, hip_x=HIP_X, hip_y=HIP_Y, knee=KNEE_Y,
    ankle=ANKLE_Y,
)  # fmt: skip

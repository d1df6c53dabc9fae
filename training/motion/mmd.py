"""The standard skeleton of MikuMikuDance models, on which VMD motions are made.

A VMD file names bones and holds no skeleton. Its turns fit every model whose rest pose is the usual
A-pose; where feet are placed by inverse kinematics, legs of the usual proportions are assumed.
"""

import numpy as np

from engine.mocap.rotations import Array

# Name, parent and place at rest, in MMD units (about 8 cm), here with +z ahead: the figure of a
# standard model, rounded. Left bones; the right ones mirror them.
_LEFT = (
    ("左肩P", "上半身2", (0.2, 16.2, 0.1)),
    ("左肩", "左肩P", (0.2, 16.2, 0.1)),
    ("左腕", "左肩", (1.1, 15.9, 0.1)),
    ("左腕捩", "左腕", (2.3, 15.0, 0.1)),
    ("左ひじ", "左腕捩", (3.1, 14.35, 0.1)),
    ("左手捩", "左ひじ", (4.4, 13.4, 0.1)),
    ("左手首", "左手捩", (5.2, 12.8, 0.1)),
    ("左足", "下半身", (0.95, 11.5, 0.2)),
    ("左ひざ", "左足", (0.95, 6.45, 0.2)),
    ("左足首", "左ひざ", (0.95, 1.35, -0.2)),
    ("左つま先", "左足首", (0.95, 0.2, 1.3)),
    ("左足IK親", "全ての親", (0.95, 0.0, -0.2)),
    ("左足ＩＫ", "左足IK親", (0.95, 1.35, -0.2)),
    ("左つま先ＩＫ", "左足ＩＫ", (0.95, 0.2, 1.3)),
)
_MIDDLE = (
    ("全ての親", "", (0.0, 0.0, 0.0)),
    ("センター", "全ての親", (0.0, 8.0, 0.0)),
    ("グルーブ", "センター", (0.0, 8.2, 0.0)),
    ("腰", "グルーブ", (0.0, 12.2, 0.0)),
    ("下半身", "腰", (0.0, 12.7, 0.2)),
    ("上半身", "腰", (0.0, 12.8, 0.2)),
    ("上半身2", "上半身", (0.0, 14.0, 0.2)),
    ("首", "上半身2", (0.0, 16.4, 0.0)),
    ("頭", "首", (0.0, 17.2, 0.1)),
)


def _mirrored(name: str) -> str:
    return "右" + name[1:] if name.startswith("左") else name


_TABLE = (
    *_MIDDLE,
    *_LEFT,
    *((_mirrored(n), _mirrored(p), (-x, y, z)) for n, p, (x, y, z) in _LEFT),
)
BONES = tuple(name for name, _, _ in _TABLE)
BONE = {name: i for i, name in enumerate(BONES)}
PARENTS = tuple(BONE.get(parent, -1) for _, parent, _ in _TABLE)
REST: Array = np.array([place for _, _, place in _TABLE])
"""(B, 3) places of the bones at rest: y up, +x the model's left, +z ahead."""

# Other spellings seen in motions.
ALIASES = {"左足IK": "左足ＩＫ", "右足IK": "右足ＩＫ", "左つま先IK": "左つま先ＩＫ",
           "右つま先IK": "右つま先ＩＫ", "左足ＩＫ親": "左足IK親", "右足ＩＫ親": "右足IK親",
           "上半身２": "上半身2"}  # fmt: skip

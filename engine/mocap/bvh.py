"""Writer of BVH (Biovision hierarchy) motion files, the rig as it is, in centimetres.

Format: Meredith and Maddock, "Motion Capture File Formats Explained" (2001), section 3.1.
"""

import numpy as np

from engine.mocap.clip import Clip
from engine.mocap.rig import INDEX, JOINTS, PARENTS
from engine.mocap.rotations import Array

_CM = 100.0
_ENDS = {
    "head": (0.0, 0.18, 0.0), "l_hand": (0.09, 0.0, 0.0), "r_hand": (-0.09, 0.0, 0.0),
    "l_foot": (0.0, -0.05, 0.17), "r_foot": (0.0, -0.05, 0.17),
}  # fmt: skip


def bvh(clip: Clip, rest: Array) -> str:
    """The text of a BVH file of a clip, on the proportions `rest` (19, 3) in metres.

    Rotation channels are Z, X, Y: the order in which they multiply.
    """
    lines = ["HIERARCHY"]
    order: list[int] = []
    _joint(0, rest, 0, lines, order)
    leg = float(np.linalg.norm(rest[INDEX["l_thigh"]] - rest[INDEX["l_foot"]]))
    values = np.empty((len(clip), 3 + 3 * len(order)))
    values[:, :3] = (rest[0] + clip.root * leg) * _CM
    values[:, 3:] = euler_zxy(clip.rotations[:, order]).reshape(len(clip), -1)
    lines += ["MOTION", f"Frames: {len(clip)}", f"Frame Time: {1.0 / clip.fps:.7f}"]
    # Adding 0 keeps "-0.0000" out.
    lines += [" ".join(f"{v:.4f}" for v in row) for row in values.round(4) + 0.0]
    return "\n".join(lines) + "\n"


def euler_zxy(rotations: Array) -> Array:
    """Degrees (..., 3) about z, x and y, so that R = Rz Rx Ry."""
    m = rotations
    x = np.arcsin(np.clip(m[..., 2, 1], -1.0, 1.0))
    locked = np.abs(m[..., 2, 1]) > 1.0 - 1e-9  # z and y turn about one axis: y does it all
    z = np.where(locked, 0.0, np.arctan2(-m[..., 0, 1], m[..., 1, 1]))
    y = np.where(
        locked,
        np.arctan2(m[..., 0, 2], m[..., 0, 0]),
        np.arctan2(-m[..., 2, 0], m[..., 2, 2]),
    )
    return np.asarray(np.degrees(np.stack([z, x, y], axis=-1)))


def _joint(joint: int, rest: Array, depth: int, lines: list[str], order: list[int]) -> None:
    parent = PARENTS[joint]
    offset = (rest[joint] - rest[parent] if parent >= 0 else np.zeros(3)) * _CM
    tab = "\t" * depth
    position = "6 Xposition Yposition Zposition" if parent < 0 else "3"
    lines += [
        f"{tab}{'ROOT' if parent < 0 else 'JOINT'} {JOINTS[joint]}",
        f"{tab}{{",
        f"{tab}\tOFFSET {_triple(offset)}",
        f"{tab}\tCHANNELS {position} Zrotation Xrotation Yrotation",
    ]
    order.append(joint)
    for child, above in enumerate(PARENTS):
        if above == joint:
            _joint(child, rest, depth + 1, lines, order)
    if JOINTS[joint] in _ENDS:
        end = np.array(_ENDS[JOINTS[joint]]) * _CM
        lines += [
            f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET {_triple(end)}", f"{tab}\t}}",
        ]  # fmt: skip
    lines.append(f"{tab}}}")


def _triple(values: Array) -> str:
    return " ".join(f"{v:.4f}" for v in np.round(values, 4) + 0.0)

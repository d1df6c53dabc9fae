"""Which keypoints of a character the camera sees: a z test with room for what lies over them.

Keypoints of the limbs are inside the body, those of the face at its surface under a fringe, so one
is seen unless the surface at its pixel is nearer to the camera by more than it lies deep. How deep
that is, is measured once on the character's own T-pose mesh.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20
from training.characters.parts import PART, PARTS
from training.characters.shapes import F64
from training.render.drawing import Drawing
from training.render.scene import F32, Camera

if TYPE_CHECKING:
    from training.characters.character import RiggedCharacter

_BONES_OF = {
    "neck": ("torso",), "shoulder": ("torso", "upper_arm"), "elbow": ("upper_arm", "forearm"),
    "wrist": ("forearm", "hand"), "hip": ("torso", "thigh"), "knee": ("thigh", "shin"),
    "ankle": ("shin", "foot"), "toe": ("foot",),
}  # fmt: skip
_FACE = ("nose", "r_eye", "l_eye", "r_ear", "l_ear")
_NEAR, _FAR = 1.25, 2.0  # thicknesses that another part, and the keypoint's own, may be nearer
_THINNEST, _THICKEST = 0.2, 0.6  # of the distance between the eyes: what may lie over a face


def _own_parts() -> NDArray[np.bool_]:
    own = np.zeros((len(PUPPET_20.joints), len(PARTS)), np.bool_)
    for row, joint in enumerate(PUPPET_20.joints):
        side, _, name = joint.rpartition("_")
        for part in ("head",) if joint in _FACE else _BONES_OF[name]:
            own[row, PART[part if part in PART else f"{side}_{part}"]] = True
    return own


OWN = _own_parts()
"""(20, parts) the parts of the body that meet in each keypoint."""


def tolerances(character: "RiggedCharacter") -> F64:
    """(20, 2) how much nearer than each keypoint its own and other parts may be, in rig units.

    A joint of a limb lies `thickness` under the surface of its own parts, as seen from the front or
    from the back, whichever is less (capes and tails hang on one side). Other parts may be 1.25 of
    it nearer; its own, which a foreshortened limb turns toward the camera, 2, but less than the
    distance to the same joint of the other side: a far shoulder is hidden by the body.

    Over the eyes and the nose lies the fringe, measured along the face; over the ears the hair,
    measured sidewards. What is measured is kept within 0.2 and 0.6 of the distance between the
    eyes, so the far eye of a profile is hidden, and so is a face seen from behind. Other parts, as
    a hand before the face, get 0.2.
    """
    points, mesh = character.landmarks, character.mesh
    parts = character.triangle_parts
    eyes = float(np.linalg.norm(points[_index("r_eye")] - points[_index("l_eye")]))
    eyes = max(eyes, 0.02 * character.height)
    partner = np.linalg.norm(points - points[PUPPET_20.mirror()], axis=1)
    out = np.empty((len(points), 2))
    for row, joint in enumerate(PUPPET_20.joints):
        corners = mesh.vertices[mesh.triangles[OWN[row, parts]]].astype(np.float64)
        if joint in _FACE:
            axis, way = (0, 1 if joint == "l_ear" else -1) if "ear" in joint else (2, 1)
            over = _reach(points[row], corners, axis, way)
            out[row] = np.clip(over, _THINNEST * eyes, _THICKEST * eyes), _THINNEST * eyes
            continue
        found = [over for way in (-1, 1) if (over := _reach(points[row], corners, 2, way)) > 0.0]
        thickness = min(found) if found else _nearest(points[row], corners)
        own = _FAR * thickness
        if partner[row] > 0.0:
            own = max(min(own, partner[row]), thickness)
        out[row] = own, _NEAR * thickness
    return out


def _index(joint: str) -> int:
    return PUPPET_20.index(joint)


def _reach(point: F64, corners: F64, axis: int, way: int) -> float:
    """How far triangles (N, 3, 3) reach from a point along a half axis; 0 if they do not."""
    across = [k for k in range(3) if k != axis]
    flat = corners[:, :, across] - point[across]
    a, b, c = flat[:, 0], flat[:, 1], flat[:, 2]

    def cross(p: F64, q: F64) -> F64:
        return np.asarray(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])

    shares = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    total = shares.sum(axis=1)
    hit = ((shares >= 0).all(axis=1) | (shares <= 0).all(axis=1)) & (np.abs(total) > 1e-12)
    heights = (shares[hit] * (corners[hit, :, axis] - point[axis])).sum(axis=1) / total[hit]
    return float((way * heights).max(initial=0.0))


def _nearest(point: F64, corners: F64) -> float:
    """Distance from a point to the nearest corner of triangles (N, 3, 3); 0 for none."""
    apart = np.linalg.norm(corners.reshape(-1, 3) - point, axis=1)
    return float(apart.min()) if len(apart) else 0.0


def seen(
    drawing: Drawing,
    points: F64,
    pixels: F32,
    camera: Camera,
    triangle_parts: NDArray[np.uint8],
    limits: F64,
) -> NDArray[np.bool_]:
    """(20,) which keypoints are in the picture and not hidden.

    `points` (20, 3) are the keypoints in rig units, `pixels` (20, 2) their places in the picture,
    `triangle_parts` (T,) as `part_of_triangles` and `limits` (20, 2) as `tolerances` say.
    """
    samples = len(drawing.labels)
    place = pixels * np.float32(drawing.supersample)
    within = (place >= 0) & (place < samples)  # False for NaN
    inside: NDArray[np.bool_] = within[:, 0] & within[:, 1]
    x, y = np.where(inside[:, None], place, 0).astype(np.intp).T
    label, nearness = drawing.labels[y, x], drawing.nearness[y, x].astype(np.float64)
    there = label >= 0
    part = triangle_parts[label[there] % len(triangle_parts)]
    rows = np.flatnonzero(there)
    depth = camera.distance - (points[rows, 2] - camera.target[2])
    limit = np.where(OWN[rows, part], limits[rows, 0], limits[rows, 1])
    hidden = np.zeros(len(points), np.bool_)
    hidden[rows] = depth - 1.0 / nearness[rows] > limit
    return inside & ~hidden

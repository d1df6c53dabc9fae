"""Which keypoints of a character the camera sees: a z test with room for what lies over them.

Keypoints of the limbs are inside the body, those of the face at its surface under a fringe, so one
is seen unless the surface at its pixel is nearer to the camera by more than it lies deep. How deep
that is, is measured once on the character's own T-pose mesh.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import JOINTS
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
_ASIDE = 1.2  # distances to the partner
_THINNEST, _THICKEST = 0.2, 0.6  # of the distance between the eyes: what may lie over a face
_SEAM = 1e-3  # of a triangle: middles of bodies are seams, and a ray must not slip through
_X, _Z = 0, 2


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

    A keypoint of a limb lies in a body so `thick` from the front to the back, where what swings is
    left out. Its own parts may be `thick` nearer, since a foreshortened limb turns toward the
    camera, but not much more than the distance to its partner on the other side: a far shoulder is
    hidden by the body. Other parts may be half of it nearer: a hand on a hip hides it. Toes lie in
    the tip of a foot, which is as thick as it is wide.

    Over the eyes and the nose lies the fringe, measured along the face; over the ears the hair,
    measured sidewards. What is measured is kept within 0.2 and 0.6 of the distance between the
    eyes, so the far eye of a profile is hidden, and so is a face seen from behind. Other parts, as
    a hand before the face, get 0.2.
    """
    points, mesh = character.landmarks, character.mesh
    body = character.weights[:, : len(JOINTS)].sum(axis=1)[mesh.triangles].sum(axis=1) > 1.5
    at = {joint: points[row] for row, joint in enumerate(PUPPET_20.joints)}
    eyes = max(float(np.linalg.norm(at["r_eye"] - at["l_eye"])), 0.02 * character.height)
    partner = np.linalg.norm(points - points[PUPPET_20.mirror()], axis=1)
    out = np.empty((len(points), 2))
    for row, joint in enumerate(PUPPET_20.joints):
        mine = OWN[row, character.triangle_parts]
        if joint in _FACE:
            axis, way = (_X, 1 if joint == "l_ear" else -1) if "ear" in joint else (_Z, 1)
            over = _reach(points[row], mesh.vertices[mesh.triangles[mine]], axis, way)
            out[row] = np.clip(over, _THINNEST * eyes, _THICKEST * eyes), _THINNEST * eyes
            continue
        corners = mesh.vertices[mesh.triangles[mine & body]]
        axis = _X if "toe" in joint else _Z
        sides = [_reach(points[row], corners, axis, way) for way in (-1, 1)]
        own = sum(sides)
        if partner[row] > 0.0:
            own = max(min(own, _ASIDE * partner[row]), *sides)
        out[row] = own, min(own, 0.5 * sum(sides))
    return out


def _reach(point: F64, corners: F32, axis: int, way: int) -> float:
    """How far triangles (N, 3, 3) reach from a point along a half axis; 0 if they do not."""
    corners = corners.astype(np.float64)
    across = [k for k in range(3) if k != axis]
    flat = corners[:, :, across] - point[across]
    a, b, c = flat[:, 0], flat[:, 1], flat[:, 2]

    def cross(p: F64, q: F64) -> F64:
        return np.asarray(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])

    shares = np.stack([cross(b, c), cross(c, a), cross(a, b)], axis=1)
    total = shares.sum(axis=1)
    solid = np.abs(total) > 1e-12
    shares, tops = shares[solid] / total[solid, None], corners[solid, :, axis] - point[axis]
    hit = (shares > -_SEAM).all(axis=1)
    return float((way * (shares * tops)[hit].sum(axis=1)).max(initial=0.0))


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
    depth = camera.distance - (camera.level(points)[rows, 2] - camera.target[2])
    limit = np.where(OWN[rows, part], limits[rows, 0], limits[rows, 1])
    hidden = np.zeros(len(points), np.bool_)
    hidden[rows] = depth - 1.0 / nearness[rows] > limit
    return inside & ~hidden

"""Keypoints of an imported character: where its eyes, nose, ears and toes are."""

import re

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX
from training.characters.imports.model import F64, CharacterModel

_HEAD = INDEX["head"]
# A face by its head when there are no eye bones; fractions of the height from joint to crown.
_EYE_Y, _EYE_X = 0.39, 0.18
_DEEP = 0.06  # an eye bone lies at most this far behind the face
_EYES = re.compile(r"^eyes?([ _.\-]?(white|ball|s|l|r|left|right|\d+))*$", re.IGNORECASE)


def landmarks_of(model: CharacterModel, vertices: F64, weights: F64, heads: F64, rest: F64) -> F64:
    """(20, 3) the PUPPET_20 keypoints in the T-pose, in the rig's units."""
    points = np.zeros((20, 3))
    for first, side in ((2, "r"), (5, "l")):
        for k, name in enumerate(("upper_arm", "forearm", "hand")):
            points[first + k] = rest[INDEX[f"{side}_{name}"]]
    for first, side in ((8, "r"), (11, "l")):
        for k, name in enumerate(("thigh", "shin", "foot")):
            points[first + k] = rest[INDEX[f"{side}_{name}"]]
    points[1] = 0.5 * (points[2] + points[5])
    _face(points, model, vertices, weights, heads, rest)
    for toe, side in ((18, "r"), (19, "l")):
        points[toe] = _toe(side, vertices, weights, rest)
    return points


def _face(
    points: F64, model: CharacterModel, vertices: F64, weights: F64, heads: F64, rest: F64
) -> None:
    """Fill in nose, eyes and ears."""
    joint = rest[_HEAD]
    eyes = _eyes_by_bones(model, vertices, weights, heads)
    if eyes is None:
        eyes = _eyes_by_name(model, vertices)
    guessed = eyes is None
    if eyes is None:
        core = vertices[_skull(model, weights)]
        tall = max(float(core[:, 1].max()) - joint[1], 1e-3)
        aside = min(_EYE_X * tall, 0.3 * float(np.ptp(core[:, 0])))
        places = [(joint[0] + sign * aside, joint[1] + _EYE_Y * tall) for sign in (-1.0, 1.0)]
        eyes = np.array([(x, y, _front(model, vertices, weights, x, y)) for x, y in places])
    points[14], points[15] = eyes
    middle = 0.5 * (eyes[0] + eyes[1])
    span = float(np.linalg.norm(eyes[1] - eyes[0]))
    y = middle[1] - 0.34 * span
    nose = _front(model, vertices, weights, float(middle[0]), float(y))
    points[0] = middle[0], y, np.clip(nose, middle[2], middle[2] + 0.35 * span)
    wide = 0.5 * float(np.ptp(vertices[_skull(model, weights), 0]))
    # Hair makes a head look wide; where the eyes are known, they limit the ears.
    most = 1.45 if guessed else 1.15
    for ear, sign in ((16, -1.0), (17, 1.0)):
        aside = float(np.clip(0.95 * wide, 0.8 * span, most * span))
        points[ear] = middle[0] + sign * aside, middle[1] - 0.12 * span, joint[2]


def _eyes_by_bones(model: CharacterModel, vertices: F64, weights: F64, heads: F64) -> F64 | None:
    """(2, 3) right and left eye by the eye bones: the front of what they carry."""
    found = []
    for side in "rl":
        bone = model.humanoid.get(f"{side}_eye")
        if bone is None:
            return None
        share = np.where(model.bone_ids == bone, model.bone_weights, 0.0).sum(axis=1)
        mine = vertices[share > 0.5]
        if len(mine) >= 3:
            low, high = mine.min(axis=0), mine.max(axis=0)
            found.append(np.array([*(0.5 * (low + high))[:2], high[2]]))
        else:
            x, y, z = heads[bone]
            reach = _front(model, vertices, weights, float(x), float(y))
            found.append(np.array([x, y, np.clip(reach, z, z + _DEEP)]))
    eyes = np.stack(found)
    if eyes[1, 0] - eyes[0, 0] < 1e-3:  # both in the middle: a rig that does not use them
        return None
    return eyes


def _eyes_by_name(model: CharacterModel, vertices: F64) -> F64 | None:
    """(2, 3) right and left eye by a mesh node or a material named for the eyes."""
    nodes = [i for i, bone in enumerate(model.bones) if _EYES.match(bone.name)]
    mine = np.isin(model.bone_ids[:, 0], nodes) & (model.bone_weights[:, 0] > 0.5)
    named = [i for i, m in enumerate(model.materials) if _EYES.match(m.name)]
    mine[model.triangles[np.isin(model.material, named)].reshape(-1)] = True
    found = []
    for sign in (-1.0, 1.0):
        half = vertices[mine & (sign * vertices[:, 0] > 0)]
        if len(half) < 3:
            return None
        low, high = half.min(axis=0), half.max(axis=0)
        found.append(np.array([*(0.5 * (low + high))[:2], high[2]]))
    return np.stack(found)


def _skull(model: CharacterModel, weights: F64) -> NDArray[np.bool_]:
    """(V,) the vertices of the head without what is merely attached to it, such as hats."""
    bone = model.humanoid["head"]
    share = np.where(model.bone_ids == bone, model.bone_weights, 0.0).sum(axis=1)
    for mine in (share > 0.5, weights[:, _HEAD] > 0.5):
        if mine.sum() >= 4:
            return np.asarray(mine)
    return np.ones(len(weights), np.bool_)


def _front(model: CharacterModel, vertices: F64, weights: F64, x: float, y: float) -> float:
    """The z of the head's surface at (x, y), seen from the front; its foremost z beside it."""
    skull = _skull(model, weights)
    faces = vertices[model.triangles[skull[model.triangles].all(axis=1)]]  # (T, 3, 3)
    flat = faces[..., :2] - (x, y)
    a, b, c = flat[:, 0], flat[:, 1], flat[:, 2]
    parts = [p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((b, c), (c, a), (a, b))]
    shares = np.stack(parts, axis=1)  # (T, 3) twice the areas opposite to each corner
    area = shares.sum(axis=1, keepdims=True)
    inside = ((shares * np.sign(area) >= 0).all(axis=1)) & (np.abs(area[:, 0]) > 1e-12)
    if not inside.any():
        return float(vertices[skull, 2].max())
    depth = np.einsum("tk,tk->t", shares[inside] / area[inside], faces[inside, :, 2])
    return float(depth.max())


def _toe(side: str, vertices: F64, weights: F64, rest: F64) -> F64:
    """The tip of the foot: the middle of its most forward tenth."""
    foot = INDEX[f"{side}_foot"]
    mine = vertices[weights[:, foot] > 0.5]
    if len(mine) < 4:
        return rest[foot] + (0.0, -0.6 * rest[foot, 1], 1.5 * rest[foot, 1])
    reach = mine[:, 2].max()
    tip = mine[mine[:, 2] >= reach - 0.12 * np.ptp(mine[:, 2])]
    low, high = tip.min(axis=0), tip.max(axis=0)
    x, y = 0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1])
    return np.array([x, y, reach - 0.05 * np.ptp(mine[:, 2])])

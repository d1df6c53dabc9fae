"""Rotations of whole motions: `engine.mocap.rotations` for arrays of any leading shape.

Matrices are (..., 3, 3) and act on column vectors; quaternions are (..., 4) as (w, x, y, z); angles
are radians.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from engine.mocap.rig import PARENTS
from engine.mocap.rotations import Array

_TINY = 1e-12


def normalised(vectors: ArrayLike) -> Array:
    """Vectors (..., N) scaled to length one; those of length zero stay zero."""
    vectors = np.asarray(vectors, np.float64)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _TINY))


def turned(rotations: Array, vectors: ArrayLike) -> Array:
    """Each rotation (..., 3, 3) applied to each vector (..., 3)."""
    return np.asarray(np.einsum("...ab,...b->...a", rotations, np.asarray(vectors, np.float64)))


def transposed(rotations: Array) -> Array:
    """The inverse of rotations."""
    return np.swapaxes(rotations, -1, -2)


def about(axis: Literal["x", "y", "z"], angles: ArrayLike) -> Array:
    """Rotations (..., 3, 3) about a coordinate axis."""
    angles = np.asarray(angles, np.float64)
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    rotations = np.zeros((*angles.shape, 3, 3))
    rotations[..., i, i] = 1.0
    rotations[..., j, j] = rotations[..., k, k] = np.cos(angles)
    rotations[..., k, j] = np.sin(angles)
    rotations[..., j, k] = -rotations[..., k, j]
    return rotations


def about_axes(axes: Array, angles: ArrayLike) -> Array:
    """Rotations about unit `axes` (..., 3) by `angles` (...)."""
    half = 0.5 * np.asarray(angles, np.float64)[..., None]
    return matrices(np.concatenate([np.cos(half), np.sin(half) * axes], axis=-1))


def shortest_turns(source: Array, target: Array) -> Array:
    """The smallest rotation of each direction (..., 3) to another; of opposite ones any half turn.

    A direction of length zero is turned by nothing.
    """
    a, b = normalised(source), normalised(target)
    w = 1.0 + np.sum(a * b, axis=-1, keepdims=True)
    aside = np.cross(a, np.eye(3)[np.argmin(np.abs(a), axis=-1)])
    cross = np.where(w < 1e-15, normalised(aside), np.cross(a, b))
    return matrices(np.concatenate([w, cross], axis=-1))


def matrices(quaternions: ArrayLike) -> Array:
    """Matrices of quaternions (..., 4), which need not be normalised but must not be zero."""
    w, x, y, z = np.moveaxis(normalised(quaternions), -1, 0)
    rotations = np.empty((*w.shape, 3, 3))
    rotations[..., 0, 0] = 1 - 2 * (y * y + z * z)
    rotations[..., 0, 1] = 2 * (x * y - w * z)
    rotations[..., 0, 2] = 2 * (x * z + w * y)
    rotations[..., 1, 0] = 2 * (x * y + w * z)
    rotations[..., 1, 1] = 1 - 2 * (x * x + z * z)
    rotations[..., 1, 2] = 2 * (y * z - w * x)
    rotations[..., 2, 0] = 2 * (x * z - w * y)
    rotations[..., 2, 1] = 2 * (y * z + w * x)
    rotations[..., 2, 2] = 1 - 2 * (x * x + y * y)
    return rotations


def quaternions(rotations: Array) -> Array:
    """Quaternions (..., 4) of rotation matrices, w >= 0 (Shepperd's method)."""
    m = rotations
    trace = np.trace(m, axis1=-2, axis2=-1)[..., None]
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    # Four times the outer product of the quaternion with itself; its longest row is safe to use.
    outer = np.empty((*m.shape[:-2], 4, 4))
    outer[..., 0, 0] = 1 + trace[..., 0]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        outer[..., i + 1, i + 1] = 1 + 2 * diagonal[..., i] - trace[..., 0]
        outer[..., 0, i + 1] = outer[..., i + 1, 0] = m[..., k, j] - m[..., j, k]
        outer[..., j + 1, k + 1] = outer[..., k + 1, j + 1] = m[..., k, j] + m[..., j, k]
    best = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    q = normalised(np.take_along_axis(outer, best[..., None, None], axis=-2)[..., 0, :])
    return np.where(q[..., :1] < 0.0, -q, q)


def slerp(a: Array, b: Array, fraction: ArrayLike) -> Array:
    """Quaternions the `fraction` (...) of the shorter way from `a` to `b` (..., 4)."""
    fraction = np.asarray(fraction, np.float64)[..., None]
    dot = np.sum(a * b, axis=-1, keepdims=True)
    b = np.where(dot < 0.0, -b, b)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sine = np.sin(angle)
    straight = sine < 1e-6  # so near that the chord is the arc
    safe = np.where(straight, 1.0, sine)
    wa = np.where(straight, 1.0 - fraction, np.sin((1.0 - fraction) * angle) / safe)
    wb = np.where(straight, fraction, np.sin(fraction * angle) / safe)
    return normalised(wa * a + wb * b)


def nearest_rotations(matrices_: Array) -> Array:
    """The rotations nearest to matrices (..., 3, 3), such as sums of rotations."""
    u, _, vt = np.linalg.svd(matrices_)
    sign = np.linalg.det(u @ vt)
    u[..., :, 2] *= sign[..., None]
    return np.asarray(u @ vt)


def kinematics(rotations: Array, root: Array, rest: Array) -> tuple[Array, Array]:
    """`engine.mocap.rig.forward_kinematics` of F poses at once.

    `rotations` (F, 19, 3, 3), `root` (F, 3) in leg lengths, `rest` (19, 3); returns global
    rotations (F, 19, 3, 3) and positions (F, 19, 3) in the units of `rest`.
    """
    turns, places = np.empty_like(rotations), np.empty((*rotations.shape[:2], 3))
    for joint, parent in enumerate(PARENTS):
        if parent < 0:
            turns[:, joint] = rotations[:, joint]
            places[:, joint] = rest[joint] + root * leg_length(rest)
        else:
            turns[:, joint] = turns[:, parent] @ rotations[:, joint]
            bone = rest[joint] - rest[parent]
            places[:, joint] = places[:, parent] + turned(turns[:, parent], bone)
    return turns, places


def localised(turns: Array) -> Array:
    """Global rotations (F, 19, 3, 3) made relative to each joint's parent."""
    local = turns.copy()
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            local[:, joint] = transposed(turns[:, parent]) @ turns[:, joint]
    return local


def leg_length(rest: Array) -> float:
    """Hip to ankle of a rig, as `engine.mocap.rig.RigPose` measures roots."""
    return float(np.linalg.norm(rest[13] - rest[15]))


def reach(
    upper: Array, lower: Array, bones: tuple[Array, Array], target: Array, hinge: ArrayLike
) -> tuple[Array, Array]:
    """Two-bone inverse kinematics that keeps the plane in which the limb is bent.

    `upper` and `lower` (F, 3, 3) are the global rotations of a limb whose `bones` are (3,) each in
    their own frames; the result has the limb's end at `target` (F, 3) from its root. `hinge` (3,)
    is the axis of flexion in the frame of `upper`, which decides for a straight limb. Targets out
    of reach are reached for.
    """
    a, b = (float(np.linalg.norm(bone)) for bone in bones)
    u, w = turned(upper, bones[0]), turned(lower, bones[1])
    straight = turned(upper, hinge)
    axis = np.cross(u, w)
    against = np.minimum(np.sum(axis * straight, axis=-1, keepdims=True), 0.0)  # bent backwards
    axis = axis - against * straight + 0.05 * a * b * straight
    axis -= np.sum(axis * normalised(u), axis=-1, keepdims=True) * normalised(u)
    axis = normalised(axis)
    flexed = np.arctan2(np.sum(np.cross(u, w) * axis, axis=-1), np.sum(u * w, axis=-1))
    distance = np.linalg.norm(target, axis=-1)
    distance = np.clip(distance, abs(a - b) + 0.02 * (a + b), 0.9998 * (a + b))
    cosine = (distance**2 - a * a - b * b) / (2 * a * b)
    bend = about_axes(axis, np.arccos(np.clip(cosine, -1.0, 1.0)) - flexed)
    w = turned(bend, w)
    aim = shortest_turns(u + w, target)
    return aim @ upper, aim @ bend @ lower

"""Rotations: the few conversions that poses and choreography need.

Matrices are (..., 3, 3) and act on column vectors; quaternions are (w, x, y, z), unit, either sign;
angles are radians.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def unit(vector: ArrayLike) -> Array:
    """The vector scaled to length one; raises ValueError for a vector of length zero."""
    vector = np.asarray(vector, dtype=np.float64)
    length = float(np.linalg.norm(vector))
    if length < 1e-12:
        raise ValueError("expected a direction, found a vector of length zero")
    return vector / length


def about_x(angle: float) -> Array:
    """Rotation about +x: for an upright rig, bending forward."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def about_y(angle: float) -> Array:
    """Rotation about +y: for an upright rig, turning to its left."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def about_z(angle: float) -> Array:
    """Rotation about +z: for an upright rig, leaning to its right."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def posture_rotation(angles: ArrayLike) -> Array:
    """Rotation of a (forward, turn, lean) triple: bend forward, turn left, lean to the left."""
    forward, turn, lean = np.asarray(angles, dtype=np.float64)
    return about_y(turn) @ about_x(forward) @ about_z(-lean)


def from_quaternion(quaternion: ArrayLike) -> Array:
    """Matrix of a quaternion (w, x, y, z), which need not be normalised."""
    w, x, y, z = unit(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def to_quaternion(matrix: Array) -> Array:
    """Quaternion (w, x, y, z) with w >= 0 of a rotation matrix (Shepperd's method)."""
    m = matrix
    # The four products 4q_i^2; the largest is the safe one to divide by.
    squares = np.array(
        [
            1 + m[0, 0] + m[1, 1] + m[2, 2],
            1 + m[0, 0] - m[1, 1] - m[2, 2],
            1 - m[0, 0] + m[1, 1] - m[2, 2],
            1 - m[0, 0] - m[1, 1] + m[2, 2],
        ]
    )
    best = int(np.argmax(squares))
    q = np.empty(4)
    if best == 0:
        q[:] = squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    elif best == 1:
        q[:] = m[2, 1] - m[1, 2], squares[1], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0]
    elif best == 2:
        q[:] = m[0, 2] - m[2, 0], m[0, 1] + m[1, 0], squares[2], m[1, 2] + m[2, 1]
    else:
        q[:] = m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], squares[3]
    q = unit(q)
    return -q if q[0] < 0 else q


def from_vector(vector: ArrayLike) -> Array:
    """Rotation about `vector` by its length (Rodrigues)."""
    vector = np.asarray(vector, dtype=np.float64)
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    axis = vector / angle
    return from_quaternion(np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis]))


def to_vector(matrix: Array) -> Array:
    """Axis times angle of a rotation matrix, the angle in [0, pi]."""
    q = to_quaternion(matrix)
    sine = float(np.linalg.norm(q[1:]))
    if sine < 1e-12:
        return np.zeros(3)
    return np.asarray(q[1:] * (2.0 * np.arctan2(sine, q[0]) / sine))


def power(matrix: Array, fraction: float) -> Array:
    """The same rotation, carried out only by `fraction`."""
    return from_vector(fraction * to_vector(matrix))


def shortest(source: ArrayLike, target: ArrayLike) -> Array:
    """The smallest rotation that takes the direction `source` to the direction `target`.

    Exactly opposite directions have no smallest rotation: a half turn about an axis perpendicular
    to `source` is returned.
    """
    a, b = unit(source), unit(target)
    w = 1.0 + float(a @ b)
    if w < 1e-15:  # an angle that is 4e-8 off a half turn
        axis = np.cross(a, np.eye(3)[int(np.argmin(np.abs(a)))])
        return from_quaternion(np.concatenate([[0.0], unit(axis)]))
    return from_quaternion(np.concatenate([[w], np.cross(a, b)]))


def smoothstep(x: float, low: float = 0.0, high: float = 1.0) -> float:
    """0 below `low`, 1 above `high`, and a smooth S between."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)

"""Numba kernels that tell which way a person's torso and face are turned.

`body` is as in `_kernels_person`; axes are rows of unit vectors, from right to left and forward.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.motion._kernels_ease import smoothstep

Floats = NDArray[np.float64]


@njit("float64[::1](float64[::1], float64[::1])", cache=True, nogil=True)
def cross(a: Floats, b: Floats) -> Floats:
    """a cross b."""
    return np.array(
        [
            a[1] * b[2] - a[2] * b[1],
            a[2] * b[0] - a[0] * b[2],
            a[0] * b[1] - a[1] * b[0],
        ]
    )


@njit("boolean(float64[::1], float64[::1])", cache=True, nogil=True)
def orthonormalise(x: Floats, f: Floats) -> bool:
    """Nearest orthonormal pair, nearly: each axis gives way by half. False where there is none."""
    nx, nf = np.sqrt(np.sum(x * x)), np.sqrt(np.sum(f * f))
    if not (nx > 1e-9 and nf > 1e-9):
        return False
    cosine = np.sum(x * f) / (nx * nf)
    if not abs(cosine) < 0.95:
        return False
    for c in range(3):
        u, v = x[c] / nx, f[c] / nf
        x[c], f[c] = u - 0.5 * cosine * v, v - 0.5 * cosine * u
    nx = np.sqrt(np.sum(x * x))
    for c in range(3):
        x[c] /= nx
    dot = np.sum(x * f)
    for c in range(3):
        f[c] -= dot * x[c]
    nf = np.sqrt(np.sum(f * f))
    for c in range(3):
        f[c] /= nf
    return True


@njit("void(float64[:, ::1], float64[:, ::1])", cache=True, nogil=True)
def torso_axes(body: Floats, axes: Floats) -> None:
    """Rows: the axis from right to left shoulder, and forward. Faces the camera where unseen."""
    axes[0, 0], axes[0, 1], axes[0, 2] = 1.0, 0.0, 0.0
    axes[1, 0], axes[1, 1], axes[1, 2] = 0.0, 0.0, -1.0
    if body[1, 3] < 0.3:
        return
    x = body[5, :3] - body[2, :3]
    down = np.array([0.0, 1.0, 0.0])
    if body[20, 3] >= 0.3:
        down = body[20, :3] - body[1, :3]
    forward = -cross(x, down)
    if orthonormalise(x, forward):
        axes[0], axes[1] = x, forward


@njit(
    "float64(float64[:, ::1], float64[:, ::1], float64, float64[:, ::1])",
    cache=True,
    nogil=True,
)
def face_axes(body: Floats, torso: Floats, neutral_pitch: float, axes: Floats) -> float:
    """Axes of the head (rows: right to left, forward) from eyes, ears and nose.

    First paper, section 3.4: the head is turned as the performer's is. Where the face is badly
    seen, or looks backwards over the torso, the axes go over to the torso's. Returns the pitch
    that was seen (rad, positive looks down; the neutral pitch not taken off), NaN where the face
    is not trusted or not turned to the camera.
    """
    axes[:] = torso
    score = (body[0, 3] + body[14, 3] + body[15, 3] + body[16, 3] + body[17, 3]) / 5.0
    trust = smoothstep((score - 0.3) / 0.4)
    if trust <= 0.0:
        return np.nan
    ears, eyes = body[17, :3] - body[16, :3], body[15, :3] - body[14, :3]
    length = np.sqrt(np.sum(ears * ears)) + 1e-9
    x = ears / length + eyes / (np.sqrt(np.sum(eyes * eyes)) + 1e-9)
    forward = body[0, :3] - body[21, :3]
    if not orthonormalise(x, forward):
        return np.nan
    pitch = np.arcsin(min(1.0, max(-1.0, forward[1])))
    facing = -forward[2]
    down = cross(x, forward)  # as z cross x is
    forward = np.cos(neutral_pitch) * forward - np.sin(neutral_pitch) * down
    trust *= smoothstep((np.sum(forward * torso[1]) + 0.6) / 0.4)
    mixed_x, mixed_f = np.empty(3), np.empty(3)
    for c in range(3):
        mixed_x[c] = torso[0, c] + trust * (x[c] - torso[0, c])
        mixed_f[c] = torso[1, c] + trust * (forward[c] - torso[1, c])
    if orthonormalise(mixed_x, mixed_f):
        axes[0], axes[1] = mixed_x, mixed_f
    return float(pitch) if trust > 0.8 and facing > 0.85 else np.nan

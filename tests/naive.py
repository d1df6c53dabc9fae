"""Slow, obvious twins of the Numba kernels: the tests' only judge of what a kernel should say.

They favour the definition over speed: whole arrays, plain loops, no early exits, no code shared
with the engine.
"""

import math

import numpy as np
from numpy.typing import NDArray

# --- engine/motion/_kernels_draw.py ---------------------------------------------------------------


def paint_skeleton(
    joints: NDArray[np.float32],
    bones: NDArray[np.int64],
    bone_colours: NDArray[np.uint8],
    joint_colours: NDArray[np.uint8],
    half_width: float,
    disc_radius: float,
    out: NDArray[np.uint8],
) -> None:
    """Twin of `paint_skeleton`: every capsule is blended over the whole picture."""
    points = joints.astype(np.float64)

    def drawn(j: int) -> bool:
        return bool(points[j, 3] >= 0.05 and np.isfinite(points[j, :2]).all())

    def far_first(depths: list[float]) -> list[int]:
        clean = [d if math.isfinite(d) else 0.0 for d in depths]
        return sorted(range(len(clean)), key=lambda i: -clean[i])

    for b in far_first([0.5 * (points[p, 2] + points[q, 2]) for p, q in bones]):
        p, q = bones[b]
        if drawn(p) and drawn(q):
            _blend_capsule(out, points[p, :2], points[q, :2], half_width, bone_colours[b])
    for j in far_first(list(points[:, 2])):
        if drawn(j):
            _blend_capsule(out, points[j, :2], points[j, :2], disc_radius, joint_colours[j])


def _blend_capsule(
    out: NDArray[np.uint8],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    radius: float,
    colour: NDArray[np.uint8],
) -> None:
    ys, xs = np.mgrid[: out.shape[0], : out.shape[1]] + 0.5
    d = b - a
    length_sq = float(d @ d)
    along = np.zeros_like(xs)
    if length_sq > 0:
        along = np.clip(((xs - a[0]) * d[0] + (ys - a[1]) * d[1]) / length_sq, 0, 1)
    distance = np.hypot(xs - a[0] - along * d[0], ys - a[1] - along * d[1])
    coverage = np.clip(radius + 0.5 - distance, 0, 1)[..., None]
    out[:] = np.floor(out + (colour.astype(np.float64) - out) * coverage + 0.5).astype(np.uint8)

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


# --- training/render/_kernels.py ------------------------------------------------------------------


def nearest_faces(
    screen: NDArray[np.float32],
    hull: NDArray[np.float32],
    outline: NDArray[np.float32],
    triangles: NDArray[np.int32],
    size: int,
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Twin of `fill`: (S, S) labels, and how surely (px or relative depth) each was decided."""
    count = len(triangles)
    ys, xs = np.mgrid[:size, :size] + 0.5
    labels = np.full((size, size), -1, np.int32)
    depth = np.zeros((size, size))
    margin = np.full((size, size), np.inf)
    for label in range(2 * count):
        points = (screen if label < count else hull).astype(np.float64)
        corners = triangles[label % count]
        a, b, c = points[corners]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if label < count and area >= 0:
            continue
        if label >= count and (area <= 0 or not (outline[corners] > 0).any()):
            continue
        weights, edges = [], []
        for p, q in ((b, c), (c, a), (a, b)):
            cross = (p[0] - xs) * (q[1] - ys) - (p[1] - ys) * (q[0] - xs)
            weights.append(cross / area)
            edges.append(np.sign(area) * cross / max(math.dist(p[:2], q[:2]), 1e-12))
        signed = np.min(edges, axis=0)  # > 0 inside
        z = weights[0] * a[2] + weights[1] * b[2] + weights[2] * c[2]
        margin = np.minimum(margin, np.abs(signed))
        inside = signed >= 0
        rival = np.abs(z / np.where(depth > 0, depth, 1.0) - 1)
        margin = np.where(inside & (depth > 0), np.minimum(margin, rival), margin)
        seen = inside & (z > depth)
        labels[seen], depth[seen] = label, z[seen]
    return labels, margin


def toon_colour(normal: NDArray[np.float64], bias: float, lit: NDArray[np.float64],
                shade: NDArray[np.float64], light: NDArray[np.float64], threshold: float,
                softness: float) -> NDArray[np.float64]:  # fmt: skip
    """Twin of the shader for one sample without texture: two tones with a soft edge."""
    value = float(normal @ light / np.linalg.norm(normal)) + bias
    mix = min(max((value - threshold) / (2 * softness) + 0.5, 0.0), 1.0)
    return shade + (lit - shade) * mix * mix * (3 - 2 * mix)


# --- training/characters/_kernels.py --------------------------------------------------------------


def skinned(
    points: NDArray[np.float32], weights: NDArray[np.float32], bones: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Twin of `skin`: each point moved by every bone, and the results weighted."""
    moved = np.zeros((len(points), 3))
    for share, bone in zip(weights.T.astype(np.float64), bones.astype(np.float64), strict=True):
        moved += share[:, None] * (points @ bone[:9].reshape(3, 3).T + bone[9:])
    return moved


# --- engine/io/_kernels_composite.py --------------------------------------------------------------


def over(picture: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twin of `over`: Porter and Duff's, with premultiplied colours, rounded once at the end."""
    behind = np.broadcast_to(background, (*picture.shape[:2], 3)).astype(np.float64)
    colour, alpha = picture[..., :3].astype(np.float64), picture[..., 3:] / 255.0
    return np.minimum(np.rint(colour + behind * (1 - alpha)), 255).astype(np.uint8)


def straighten(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twin of `straighten`: a division, half rounded up, one pixel after the other."""
    out = np.zeros_like(picture)
    for y, x in np.ndindex(picture.shape[:2]):
        *colour, alpha = (int(value) for value in picture[y, x])
        if alpha:
            out[y, x] = [*(min(math.floor(c * 255 / alpha + 0.5), 255) for c in colour), alpha]
    return out


def clamp_to_alpha(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Twin of `clamp_to_alpha`."""
    return np.minimum(picture, picture[..., 3:])

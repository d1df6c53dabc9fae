"""Slow, obvious twin of training/render/_kernels_surfaces.py, one sample and triangle at a time."""

import math

import numpy as np
from numpy.typing import NDArray

from training.render.surfaces import CUT_OUT, MULTIPLY, SEE_THROUGH, Surfaces

F64 = NDArray[np.float64]


def welded(vertices: F64, triangles: NDArray[np.int32], weld: NDArray[np.int32]) -> F64:
    """Twin of `welded_normals`."""
    normals = np.zeros((len(vertices), 3))
    for v in range(len(vertices)):
        for triangle in triangles:
            a, b, c = vertices[triangle].astype(np.float64)
            for corner in triangle:
                if weld[corner] == weld[v]:
                    normals[v] += np.cross(b - a, c - a)
        normals[v] /= max(float(np.linalg.norm(normals[v])), 1e-12)
    return normals


def texel(picture: NDArray[np.uint8], wrap: tuple[int, int], u: float, v: float) -> F64:
    """Twin of `sample`: bilinear RGBA in [0, 1] of one picture."""

    def place(index: int, size: int, how: int) -> int:
        if how == 1:
            return min(max(index, 0), size - 1)
        if how == 2:
            index %= 2 * size
            return index if index < size else 2 * size - 1 - index
        return index % size

    height, width = picture.shape[:2]
    x, y = u * width - 0.5, v * height - 0.5
    left, top = math.floor(x), math.floor(y)
    total = np.zeros(4)
    for dx, share_x in ((0, 1 - (x - left)), (1, x - left)):
        for dy, share_y in ((0, 1 - (y - top)), (1, y - top)):
            row, column = place(top + dy, height, wrap[1]), place(left + dx, width, wrap[0])
            total += share_x * share_y * picture[row, column] / 255.0
    return total


def _cross(a: F64, b: F64) -> float:
    return float(a[0] * b[1] - a[1] * b[0])


def picture_of(
    screen: F64, triangles: NDArray[np.int32], normals: F64, tint: F64, uv: F64,
    surfaces: Surfaces, pictures: list[NDArray[np.uint8]], light: F64, size: int,
) -> tuple[F64, NDArray[np.bool_]]:  # fmt: skip
    """(size, size, 4) premultiplied samples of faces without outlines, and where they are sure.

    A sample is unsure where it lies on an edge, or where two faces are about equally deep.
    """
    out, sure = np.zeros((size, size, 4)), np.ones((size, size), np.bool_)
    s = surfaces
    for y in range(size):
        for x in range(size):
            solid: list[tuple[float, F64]] = []
            layers: list[tuple[int, float, float, F64]] = []
            for t, triangle in enumerate(triangles):
                m = int(s.material[t])
                p = screen[triangle].astype(np.float64)
                area = _cross(p[1] - p[0], p[2] - p[0])
                if abs(area) < 1e-6 or (area > 0 and not s.double[m]):
                    continue
                q = p[:, :2] - (x + 0.5, y + 0.5)
                flat = np.array([_cross(q[1], q[2]), _cross(q[2], q[0]), _cross(q[0], q[1])])
                flat /= area
                if np.abs(flat).min() < 1e-4:
                    sure[y, x] = False
                if (flat < 0).any():
                    continue
                depth = float(flat @ p[:, 2])
                w = flat * p[:, 2] / depth
                normal = w @ normals[triangle].astype(np.float64)
                normal /= np.linalg.norm(normal)
                if area > 0:
                    normal = -normal
                at = float(np.clip((normal @ light * 0.5 + 0.5) * (s.ramp.shape[1] - 1), 0,
                                   s.ramp.shape[1] - 1))  # fmt: skip
                low = int(at)
                high = min(low + 1, s.ramp.shape[1] - 1)
                ramp = s.ramp[m, low] * (1 - (at - low)) + s.ramp[m, high] * (at - low)
                colour = np.append((w @ tint[triangle]) * ramp, s.alpha[m])
                alpha = float(s.alpha[m])
                if s.base[m] >= 0:
                    k = int(s.base[m])
                    u, v = w @ uv[triangle]
                    found = texel(pictures[k], tuple(s.wraps[k]), u, v)
                    colour, alpha = colour * found, alpha * found[3]
                if s.sphere[m] >= 0:
                    k = int(s.sphere[m])
                    ball = texel(pictures[k], tuple(s.wraps[k]), normal[0] * 0.5 + 0.5,
                                 0.5 - normal[1] * 0.5)[:3]  # fmt: skip
                    multiply = s.sphere_mode[m] == MULTIPLY
                    colour[:3] = colour[:3] * ball if multiply else colour[:3] + ball
                colour[:3] = np.clip(colour[:3] + s.emission[m], 0, 1)
                if s.mode[m] == SEE_THROUGH:
                    layers.append((m, float(p[:, 2].mean()), depth, colour))
                    continue
                if s.mode[m] == CUT_OUT:
                    if abs(alpha - s.cutoff[m]) < 1e-3:
                        sure[y, x] = False
                    if alpha < s.cutoff[m]:
                        continue
                solid.append((depth, colour))
            solid.sort(key=lambda face: -face[0])
            nearest = 0.0
            if solid:
                nearest = solid[0][0]
                out[y, x] = *solid[0][1][:3], 1.0
                if len(solid) > 1 and solid[1][0] > nearest * (1 - 1e-4):
                    sure[y, x] = False
            layers.sort(key=lambda layer: layer[:2])
            for _, _, depth, colour in layers:
                if nearest and abs(depth * (1 + 1.5e-4) / nearest - 1) < 1e-4:
                    sure[y, x] = False
                if depth * (1 + 1.5e-4) < nearest:
                    continue
                out[y, x] = out[y, x] * (1 - colour[3]) + np.append(colour[:3] * colour[3],
                                                                  colour[3])  # fmt: skip
                if abs(colour[3] - 0.5) < 1e-3:
                    sure[y, x] = False
                if colour[3] > 0.5:
                    nearest = max(nearest, depth)
    return out, sure

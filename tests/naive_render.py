"""Slow, obvious twins of training/render/_kernels.py and _kernels_parts.py: one thing at a time."""

import math

import numpy as np
from numpy.typing import NDArray

from training.render.scene import Camera, Mesh, Style

F64 = NDArray[np.float64]
Labels = NDArray[np.int32]


def projected(mesh: Mesh, camera: Camera, style: Style, samples: int) -> tuple[F64, F64]:
    """Twin of `project_vertices`: (V, 3) of the vertices and of the outline's hull."""
    screen, hull = np.empty((len(mesh.vertices), 3)), np.empty((len(mesh.vertices), 3))
    for i, vertex in enumerate(mesh.vertices.astype(np.float64)):
        x, y, z = vertex - camera.target
        depth = camera.distance - z
        if depth < 0.05 * camera.distance:
            depth = 0.05 * camera.distance
        k = camera.scale * samples * camera.distance / depth
        at_x, at_y = camera.centre[0] * samples + k * x, camera.centre[1] * samples - k * y
        screen[i] = at_x, at_y, 1 / depth
        if mesh.outline[i] > 0:
            reach = float(mesh.outline[i]) * style.outline * samples
            nx, ny, _ = mesh.normals[i].astype(np.float64)
            hull[i] = at_x + nx * reach, at_y - ny * reach, 1 / (depth + style.outline_push)
        else:
            hull[i] = screen[i]
    return screen, hull


def _weights(points: F64, x: float, y: float) -> F64:
    """(3,) shares of a triangle's corners (3, 3) at a place, in the plane of the triangle."""
    flat = np.empty(3)
    for k in range(3):
        p, q = points[(k + 1) % 3] - (x, y, 0), points[(k + 2) % 3] - (x, y, 0)
        flat[k] = p[0] * q[1] - p[1] * q[0]
    deep = flat * points[:, 2]
    return np.asarray(deep / deep.sum()) if deep.sum() != 0 else np.array([1.0, 0, 0])


def texel(texture: NDArray[np.uint8], u: float, v: float) -> F64:
    """Bilinear RGBA in [0, 1], clamped at the border."""
    height, width = texture.shape[:2]
    x = min(max(u * width - 0.5, 0.0), width - 1.0)
    y = min(max(v * height - 0.5, 0.0), height - 1.0)
    total = np.zeros(4)
    for row, down in ((math.floor(y), 1 - y % 1), (math.floor(y) + 1, y % 1)):
        for column, across in ((math.floor(x), 1 - x % 1), (math.floor(x) + 1, x % 1)):
            total += down * across * texture[min(row, height - 1), min(column, width - 1)] / 255
    return total


def shaded(
    labels: Labels, screen: F64, hull: F64, mesh: Mesh, texture: NDArray[np.uint8], style: Style,
    supersample: int,
) -> F64:  # fmt: skip
    """Twin of `shade_and_resolve`: (S, S, 4) premultiplied, 0 to 255, not rounded."""
    count, size = len(mesh.triangles), len(labels) // supersample
    out = np.zeros((size, size, 4))
    for y in range(size * supersample):
        for x in range(size * supersample):
            label = int(labels[y, x])
            if label < 0:
                continue
            corners = mesh.triangles[label % count]
            points = (hull if label >= count else screen)[corners].astype(np.float64)
            w = _weights(points, x + 0.5, y + 0.5)
            if label >= count:
                colour = w @ mesh.ink[corners]
            else:
                normal = w @ mesh.normals[corners].astype(np.float64)
                length = float(np.linalg.norm(normal))
                value = float(w @ mesh.bias[corners])
                if length > 0:
                    value += float(normal @ style.direction) / length
                mix = min(max((value - style.threshold) / (2 * style.softness) + 0.5, 0.0), 1.0)
                mix = mix * mix * (3 - 2 * mix)
                bright, dark = w @ mesh.lit[corners], w @ mesh.shade[corners]
                if mesh.textured[label]:
                    found = texel(texture, *(w @ mesh.uv[corners]))
                    ratio = np.minimum(1.0, dark / np.maximum(bright, 0.01))
                    bright = bright + (found[:3] - bright) * found[3]
                    dark = dark + (found[:3] * ratio - dark) * found[3]
                colour = np.clip(dark + (bright - dark) * mix, 0, 1)
            out[y // supersample, x // supersample] += np.append(colour, 1.0)
    return out * 255 / supersample**2


def majority(labels: Labels, of_triangle: NDArray[np.uint8], supersample: int) -> NDArray[np.uint8]:
    """Twin of `resolve_parts`."""
    size = len(labels) // supersample
    out = np.zeros((size, size), np.uint8)
    for y in range(size):
        for x in range(size):
            votes = [0] * 256
            for dy in range(supersample):
                for dx in range(supersample):
                    label = labels[y * supersample + dy, x * supersample + dx]
                    votes[of_triangle[label % len(of_triangle)] if label >= 0 else 0] += 1
            out[y, x] = max(range(256), key=lambda part: (votes[part], part))
    return out


def averaged(colours: NDArray[np.float32], supersample: int) -> F64:
    """Twin of `resolve` (_kernels_surfaces.py): (S, S, 4), 0 to 255, not rounded."""
    size = len(colours) // supersample
    blocks = colours.astype(np.float64).reshape(size, supersample, size, supersample, 4)
    return np.asarray(blocks.mean(axis=(1, 3)) * 255)

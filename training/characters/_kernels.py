"""Kernels that pose a mesh. Serial, and they release the GIL."""

import math

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "fastmath": False}


@njit("void(f4[:,::1], i8)", inline="always", **_OPTIONS)
def _unit(vectors, row):
    """Scale one row to length one; a vanishing one stays."""
    length = math.sqrt(vectors[row, 0] ** 2 + vectors[row, 1] ** 2 + vectors[row, 2] ** 2)
    if length > 1e-9:
        for k in range(3):
            vectors[row, k] = np.float32(vectors[row, k] / length)


@njit(
    "void(f4[:,::1], f4[:,::1], i4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])", **_OPTIONS
)
def skin(vertices, normals, bone_ids, bone_weights, bones, out_vertices, out_normals):
    """Linear blend skinning of vertices and normals (V, 3).

    `bone_ids` and `bone_weights` are (V, K), a weight of 0 ends a row; `bones` is (B, 12), each a
    row-major 3 x 3 matrix and then a shift.
    """
    blend = np.zeros(12, np.float32)
    for v in range(vertices.shape[0]):
        for m in range(12):
            blend[m] = np.float32(0.0)
        for k in range(bone_ids.shape[1]):
            weight = bone_weights[v, k]
            if weight == np.float32(0.0):
                break
            for m in range(12):
                blend[m] += weight * bones[bone_ids[v, k], m]
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        for r in range(3):
            a, b, c = blend[3 * r], blend[3 * r + 1], blend[3 * r + 2]
            out_vertices[v, r] = a * x + b * y + c * z + blend[9 + r]
            out_normals[v, r] = a * nx + b * ny + c * nz
        _unit(out_normals, v)


@njit("void(f4[:,::1], i4[:,::1], f4[:,::1])", **_OPTIONS)
def mesh_normals(vertices, triangles, out):
    """Area-weighted unit normals (V, 3) of the vertices of a mesh."""
    out[:] = np.float32(0.0)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        wx = vertices[c, 0] - vertices[a, 0]
        wy = vertices[c, 1] - vertices[a, 1]
        wz = vertices[c, 2] - vertices[a, 2]
        x = uy * wz - uz * wy
        y = uz * wx - ux * wz
        z = ux * wy - uy * wx
        for k in range(3):
            v = triangles[t, k]
            out[v, 0] += x
            out[v, 1] += y
            out[v, 2] += z
    for v in range(vertices.shape[0]):
        _unit(out, v)

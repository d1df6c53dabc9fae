"""Meshes of random triangles for tests of the renderer, and what holds of every mesh."""

import numpy as np
from numpy.typing import NDArray

from training.render.scene import Camera, Mesh, Texture
from training.render.surfaces import (
    ADD,
    CUT_OUT,
    MULTIPLY,
    OPAQUE,
    RAMP,
    SEE_THROUGH,
    Surfaces,
    pack_textures,
)

F32 = NDArray[np.float32]
CAMERA = Camera.for_height(1.0)


def check_mesh(mesh: Mesh) -> None:
    """Fails where what a mesh says is out of its ranges."""
    assert mesh.triangles.min() >= 0
    assert mesh.triangles.max() < len(mesh.vertices)
    for field in ("vertices", "normals", "lit", "shade", "ink", "outline", "bias", "uv"):
        values = getattr(mesh, field)
        assert np.isfinite(values).all(), field
        assert values.dtype == np.float32
    for field in ("lit", "shade", "ink"):
        assert getattr(mesh, field).min() >= 0.0
        assert getattr(mesh, field).max() <= 1.0


def mesh_of(vertices: F32, triangles: NDArray[np.int32], rng: np.random.Generator) -> Mesh:
    count = len(vertices)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    colours = rng.uniform(size=(3, count, 3)).astype(np.float32)
    return Mesh(
        vertices=np.ascontiguousarray(vertices, np.float32),
        normals=normals.astype(np.float32),
        triangles=np.ascontiguousarray(triangles, np.int32),
        lit=colours[0],
        shade=colours[1],
        ink=colours[2],
        outline=rng.choice([0.0, 1.0], count).astype(np.float32),
        bias=rng.normal(scale=0.2, size=count).astype(np.float32),
        uv=rng.uniform(size=(count, 2)).astype(np.float32),
        textured=rng.uniform(size=len(triangles)) < 0.5,
        texture=Texture.of(rng.integers(0, 256, (64, 64, 4), dtype=np.uint8), 64.0),
    )


def soup(seed: int, count: int = 12) -> Mesh:
    """Random triangles, some far outside the picture, two of them degenerate."""
    rng = np.random.default_rng(seed)
    vertices = rng.normal(scale=0.6, size=(3 * count, 3)) + np.array([0.0, 0.5, 0.0])
    vertices[1] = vertices[0]
    vertices[3:6] = vertices[3]
    return mesh_of(vertices, np.arange(3 * count).reshape(-1, 3), rng)


def materials(seed: int, count: int = 14) -> tuple[Mesh, list[np.ndarray]]:
    """Random triangles of six materials: each mode, with and without textures and spheres."""
    rng = np.random.default_rng(seed)
    vertices = rng.normal(scale=0.5, size=(3 * count, 3)).astype(np.float32)
    vertices[:, 1] += 0.5
    normals = rng.normal(size=(3 * count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    pictures = [rng.integers(0, 256, (16, 16, 4), dtype=np.uint8) for _ in range(2)]
    pictures[0][..., 3] = rng.choice([0, 255], (16, 16))
    levels, texels = pack_textures([[p] for p in pictures])
    ramp = np.sort(rng.uniform(size=(6, RAMP, 3)), axis=1).astype(np.float32)
    triangles = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    surfaces = Surfaces(
        material=rng.integers(0, 6, count).astype(np.int32),
        weld=np.arange(3 * count, dtype=np.int32),
        base=np.array([-1, 0, 1, 0, 1, -1], np.int32),
        sphere=np.array([-1, -1, 1, -1, 0, -1], np.int32),
        sphere_mode=np.array([MULTIPLY, ADD, MULTIPLY, ADD, ADD, ADD], np.int32),
        ramp=ramp,
        emission=rng.choice([0.0, 0.1], (6, 3)).astype(np.float32),
        alpha=np.array([1, 1, 1, 0.7, 1, 0.4], np.float32),
        mode=np.array([OPAQUE, CUT_OUT, OPAQUE, SEE_THROUGH, SEE_THROUGH, SEE_THROUGH], np.int32),
        cutoff=np.full(6, 0.5, np.float32),
        double=np.array([True, True, False, True, False, True]),
        density=np.full(6, 1e9, np.float32),
        wraps=np.array([(0, 2), (1, 0)], np.int32),
        levels=levels,
        texels=texels,
    )
    mesh = Mesh(
        vertices=vertices, normals=normals.astype(np.float32), triangles=triangles,
        lit=rng.uniform(size=(3 * count, 3)).astype(np.float32),
        shade=np.zeros((3 * count, 3), np.float32), ink=np.zeros((3 * count, 3), np.float32),
        outline=np.zeros(3 * count, np.float32), bias=np.zeros(3 * count, np.float32),
        uv=rng.uniform(-1.5, 2.5, (3 * count, 2)).astype(np.float32),
        textured=np.ones(count, np.bool_), surfaces=surfaces,
    )  # fmt: skip
    return mesh, pictures

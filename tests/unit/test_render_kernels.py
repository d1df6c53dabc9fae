"""Every kernel of the renderer against its slow twin: random, degenerate and broken input."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests import naive, naive_render, naive_surfaces
from tests.meshes import CAMERA, materials, mesh_of, soup
from training.characters import _kernels as posing
from training.render import _kernels, _kernels_parts, _kernels_surfaces
from training.render.scene import DEFAULT_STYLE, Mesh, draw, render

F32 = NDArray[np.float32]
SAMPLES = 24
BROKEN = (np.nan, np.inf, -np.inf)


def project(mesh: Mesh) -> tuple[F32, F32]:
    screen, hull = np.empty_like(mesh.vertices), np.empty_like(mesh.vertices)
    f, style = np.float32, DEFAULT_STYLE
    _kernels.project_vertices(
        mesh.vertices, mesh.normals, mesh.outline, *map(f, CAMERA.target), f(CAMERA.distance),
        f(CAMERA.scale * SAMPLES), f(CAMERA.centre[0] * SAMPLES), f(CAMERA.centre[1] * SAMPLES),
        f(style.outline * SAMPLES), f(style.outline_push), screen, hull,
    )  # fmt: skip
    return screen, hull


def fill(mesh: Mesh) -> tuple[F32, NDArray[np.int32]]:
    depth = np.zeros((SAMPLES, SAMPLES), np.float32)
    labels = np.full((SAMPLES, SAMPLES), -1, np.int32)
    _kernels.fill(*project(mesh), mesh.outline, mesh.triangles, depth, labels)
    return depth, labels


@pytest.mark.parametrize("seed", range(4))
def test_projection_agrees_with_the_twin(seed: int) -> None:
    mesh = soup(seed)
    mesh.vertices[5, 2] = 50.0  # behind the camera
    wanted = naive_render.projected(mesh, CAMERA, DEFAULT_STYLE, SAMPLES)
    for found, twin in zip(project(mesh), wanted, strict=True):
        np.testing.assert_allclose(found, twin, rtol=1e-5, atol=1e-4)
        assert (found[:, 2] > 0).all()


@pytest.mark.parametrize("value", BROKEN)
def test_a_broken_vertex_is_projected_alone(value: float) -> None:
    mesh = soup(3)
    whole = project(mesh)
    mesh.vertices[7] = value
    rest = np.arange(len(mesh.vertices)) != 7
    for found, before in zip(project(mesh), whole, strict=True):
        np.testing.assert_array_equal(found[rest], before[rest])


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize("seed", range(3))
def test_broken_triangles_are_not_filled(seed: int, value: float) -> None:
    """The first and second triangle of a soup are degenerate; the third is broken here."""
    mesh = soup(seed)
    mesh.vertices[7] = value
    whole = replace(mesh, triangles=np.ascontiguousarray(mesh.triangles[3:]))
    (depth, labels), (wanted_depth, wanted) = fill(mesh), fill(whole)
    count, fewer = len(mesh.triangles), len(whole.triangles)
    moved = np.where(wanted >= fewer, wanted - fewer + count + 3, wanted + 3)
    np.testing.assert_array_equal(labels, np.where(wanted < 0, -1, moved))
    np.testing.assert_array_equal(depth, wanted_depth)


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_shading_agrees_with_the_twin(supersample: int) -> None:
    mesh = soup(supersample, 9)
    size, texture = SAMPLES // supersample, mesh.texture.level_for(9.0)
    _, labels = fill(mesh)
    assert len(np.unique(labels)) > 5
    out = np.empty((size, size, 4), np.uint8)
    f, style, seen = np.float32, DEFAULT_STYLE, project(mesh)
    _kernels.shade_and_resolve(
        labels, *seen, mesh.triangles, mesh.normals, mesh.lit, mesh.shade, mesh.ink, mesh.bias,
        mesh.uv, mesh.textured, texture, style.direction, f(style.threshold), f(style.softness),
        supersample, out,
    )  # fmt: skip
    wanted = naive_render.shaded(labels, *seen, mesh, texture, style, supersample)
    assert np.abs(out - wanted).max() < 1.0


@pytest.mark.parametrize("field", ["normals", "bias", "lit", "uv"])
@pytest.mark.parametrize("value", BROKEN)
def test_broken_looks_do_not_break_the_picture(field: str, value: float) -> None:
    mesh = soup(5, 30)
    mesh.textured[:], mesh.outline[:] = True, 0.0
    alpha = render(mesh, CAMERA, SAMPLES)[..., 3]
    getattr(mesh, field)[:] = value
    picture = render(mesh, CAMERA, SAMPLES)
    np.testing.assert_array_equal(picture[..., 3], alpha)
    assert (picture[..., :3] <= picture[..., 3:]).all()


@pytest.mark.parametrize("supersample", [1, 2, 3])
@pytest.mark.parametrize("parts", [2, 15, 255])
def test_parts_agree_with_the_twin(supersample: int, parts: int) -> None:
    rng = np.random.default_rng(parts)
    of_triangle = rng.integers(1, parts + 1, 40).astype(np.uint8)
    labels = rng.integers(-1, 80, (8 * supersample, 8 * supersample)).astype(np.int32)
    labels[rng.uniform(size=labels.shape) < 0.4] = -1
    labels[:supersample] = 7
    out = np.full((8, 8), 99, np.uint8)
    _kernels_parts.resolve_parts(labels, of_triangle, supersample, out)
    wanted = naive_render.majority(labels, of_triangle, supersample)
    np.testing.assert_array_equal(out, wanted)
    assert (out[0] == of_triangle[7]).all()


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_samples_are_averaged_as_by_the_twin(supersample: int) -> None:
    rng = np.random.default_rng(supersample)
    colours = rng.uniform(size=(6 * supersample, 6 * supersample, 4)).astype(np.float32)
    colours[..., :3] *= colours[..., 3:]
    out = np.empty((6, 6, 4), np.uint8)
    _kernels_surfaces.resolve(colours, supersample, out)
    assert np.abs(out - naive_render.averaged(colours, supersample)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_materials_are_filled_as_plain_faces_are(seed: int) -> None:
    """Outlines included, which the twin of the pictures leaves out."""
    mesh, _ = materials(seed)
    assert mesh.surfaces is not None
    plain = replace(mesh.surfaces, mode=mesh.surfaces.mode * 0, double=mesh.surfaces.double & False)
    mesh = replace(mesh, outline=np.ones_like(mesh.outline), surfaces=plain)
    s, seen = plain, project(mesh)
    depth = np.zeros((SAMPLES, SAMPLES), np.float32)
    labels = np.full((SAMPLES, SAMPLES), -1, np.int32)
    _kernels_surfaces.fill(
        *seen, mesh.outline, mesh.triangles, s.material, s.mode, s.double, s.alpha, s.cutoff,
        s.base, s.views(9.0)[0], s.wraps, s.texels, mesh.uv, depth, labels,
    )  # fmt: skip
    wanted, margin = naive.nearest_faces(*seen, mesh.outline, mesh.triangles, SAMPLES)
    np.testing.assert_array_equal(labels[margin > 1e-3], wanted[margin > 1e-3])
    wanted_depth, wanted = fill(mesh)
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(depth, wanted_depth)


def test_normals_of_degenerate_and_broken_triangles() -> None:
    rng = np.random.default_rng(2)
    vertices = rng.normal(size=(12, 3)).astype(np.float32)
    vertices[1] = vertices[0]
    triangles = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [5, 4, 9]], np.int32)
    out, total = np.empty_like(vertices), np.empty_like(vertices)
    posing.mesh_normals(vertices, triangles, out)
    weld = np.arange(12, dtype=np.int32)
    np.testing.assert_allclose(out, naive_surfaces.welded(vertices, triangles, weld), atol=1e-4)
    assert not out[[0, 1, 2, 10, 11]].any()
    vertices[8] = np.nan
    broken = np.empty_like(vertices)
    posing.mesh_normals(vertices, triangles, broken)
    others = [0, 1, 2, 3, 4, 5, 9, 10, 11]
    np.testing.assert_array_equal(broken[others], out[others])
    _kernels_surfaces.welded_normals(vertices, triangles, weld, total, broken)
    np.testing.assert_allclose(broken[others], out[others], atol=1e-6)


def test_skinning_ends_at_a_weight_of_zero_and_keeps_broken_vertices_apart() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(6, 3)).astype(np.float32)
    table = rng.normal(size=(3, 12)).astype(np.float32)
    weights = np.array([[1, 0, 0], [0.5, 0.5, 0], [0.2, 0.3, 0.5]] * 2, np.float32)
    ids = np.tile(np.arange(3, dtype=np.int32), (6, 1))
    ids[0, 1:] = 99  # beyond the table: must not be read
    out, normals = np.empty_like(points), np.empty_like(points)
    points[4] = np.nan
    posing.skin(points, points, ids, weights, table, out, normals)
    kept = [0, 1, 2, 3, 5]
    wanted = naive.skinned(points, weights, table)
    np.testing.assert_allclose(out[kept], wanted[kept], atol=1e-5)
    assert np.isnan(out[4]).all()
    np.testing.assert_allclose(np.linalg.norm(normals[kept], axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize(("alpha", "front"), [(0.7, True), (0.3, False)])
def test_what_is_mostly_seen_through_is_not_there(alpha: float, front: bool) -> None:
    """A see-through sheet before a solid one takes the sample when it covers more than half."""
    far = np.array([[-9, -9, 0], [9, -9, 0], [0, 9, 0]])
    plain = mesh_of(
        np.concatenate([far, far + np.array([0, 0, 1])]),
        np.arange(6).reshape(2, 3),
        np.random.default_rng(0),
    )
    surfaces = materials(0)[0].surfaces
    assert surfaces is not None
    sheets = replace(
        surfaces,
        material=np.array([0, 5], np.int32),
        weld=np.arange(6, dtype=np.int32),
        alpha=np.array([1, 1, 1, 1, 1, alpha], np.float32),
    )
    plain.outline[:] = 0.0
    drawing = draw(replace(plain, surfaces=sheets), CAMERA, 4)
    assert (drawing.labels == int(front)).all()
    nearest = CAMERA.distance - (1.0 if front else 0.0)
    np.testing.assert_allclose(1 / drawing.nearness, nearest, rtol=1e-5)
    parts = drawing.parts(np.array([3, 8], np.uint8))
    assert (parts == (8 if front else 3)).all()


def test_a_drawing_is_what_render_gives() -> None:
    for mesh in (soup(1, 30), materials(1, 30)[0]):
        drawing = draw(mesh, CAMERA, 20, 3)
        np.testing.assert_array_equal(drawing.picture, render(mesh, CAMERA, 20, 3))
        assert drawing.supersample == 3
        np.testing.assert_array_equal(drawing.labels >= 0, drawing.nearness > 0)

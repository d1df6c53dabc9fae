"""The renderer's path for meshes with many materials, against its slow twin."""

import numpy as np
import pytest

from tests import naive_surfaces
from tests.meshes import CAMERA, materials
from training.render import _kernels, _kernels_surfaces
from training.render.scene import DEFAULT_STYLE, Texture, render
from training.render.surfaces import pack_textures


@pytest.mark.parametrize("seed", range(5))
def test_pictures_agree_with_the_twin(seed: int) -> None:
    mesh, pictures = materials(seed)
    size, f = 32, np.float32
    screen, hull = np.empty_like(mesh.vertices), np.empty_like(mesh.vertices)
    _kernels.project_vertices(
        mesh.vertices, mesh.normals, mesh.outline, f(0), f(0.5), f(0), f(6), f(size * 0.8),
        f(size * CAMERA.centre[0]), f(size * CAMERA.centre[1]), f(1), f(0.003), screen, hull,
    )  # fmt: skip
    wanted, sure = naive_surfaces.picture_of(
        screen, mesh.triangles, mesh.normals, mesh.lit, mesh.uv, mesh.surfaces, pictures,
        DEFAULT_STYLE.direction.astype(np.float64), size,
    )  # fmt: skip
    found = render(mesh, CAMERA, size, 1)
    assert sure.mean() > 0.8
    assert (wanted[sure][:, 3] > 0).mean() > 0.3
    difference = np.abs(found[sure].astype(float) - 255 * wanted[sure])
    assert difference.max() < 3.0


@pytest.mark.parametrize("wrap", [(0, 0), (1, 2), (2, 1)])
def test_a_texel_agrees_with_the_twin(wrap: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    picture = rng.integers(0, 256, (5, 9, 4), dtype=np.uint8)
    levels, texels = pack_textures([[picture]])
    out = np.empty(4, np.float32)
    for u, v in rng.uniform(-3, 4, (200, 2)).astype(np.float32):
        _kernels_surfaces.sample(texels, levels[0, 0], np.array(wrap, np.int32), u, v, out)
        wanted = naive_surfaces.texel(picture, wrap, float(u), float(v))
        np.testing.assert_allclose(out, wanted, atol=2e-3)


@pytest.mark.parametrize("u", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_a_broken_coordinate_reads_some_texel(u: float) -> None:
    levels, texels = pack_textures([[np.full((4, 4, 4), 51, np.uint8)]])
    out = np.empty(4, np.float32)
    wrap = np.zeros(2, np.int32)
    _kernels_surfaces.sample(texels, levels[0, 0], wrap, np.float32(u), np.float32(u), out)
    np.testing.assert_allclose(out, 0.2, atol=1e-6)


def test_welded_normals_agree_with_the_twin() -> None:
    rng = np.random.default_rng(3)
    vertices = rng.normal(size=(18, 3)).astype(np.float32)
    triangles = rng.integers(0, 18, (12, 3)).astype(np.int32)
    weld = rng.integers(0, 9, 18).astype(np.int32)
    out, total = np.empty_like(vertices), np.empty((9, 3), np.float32)
    _kernels_surfaces.welded_normals(vertices, triangles, weld, total, out)
    np.testing.assert_allclose(out, naive_surfaces.welded(vertices, triangles, weld), atol=1e-4)


def test_pictures_are_premultiplied_and_repeatable() -> None:
    mesh, _ = materials(11, 40)
    mesh.outline[:] = 1.0
    picture = render(mesh, CAMERA, 40, 2)
    assert (picture[..., :3] <= picture[..., 3:]).all()
    np.testing.assert_array_equal(picture, render(mesh, CAMERA, 40, 2))
    mesh.vertices[7] = np.nan
    broken = render(mesh, CAMERA, 40, 2)
    assert (broken[..., :3] <= broken[..., 3:]).all()


def test_far_pictures_take_small_levels() -> None:
    mesh, _ = materials(0)
    picture = np.zeros((64, 64, 4), np.uint8)
    levels, _ = pack_textures([Texture.of(picture, 1.0).levels, [picture[:8, :8]]])
    assert levels.shape == (2, 3, 3)
    assert levels[0, :, 1].tolist() == [64, 32, 16]
    assert levels[1, :, 1].tolist() == [8, 8, 8]
    surfaces = mesh.surfaces
    assert surfaces is not None
    base, sphere = surfaces.views(100.0)
    assert base.shape == sphere.shape == (6, 3)

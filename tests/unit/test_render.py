import numpy as np
import pytest

from tests import naive
from tests.meshes import CAMERA, mesh_of, soup
from training.render import _kernels
from training.render.scene import DEFAULT_STYLE, Camera, project, render


@pytest.mark.parametrize("seed", range(6))
def test_the_nearest_face_is_seen(seed: int) -> None:
    mesh, size = soup(seed), 48
    f = np.float32
    screen, hull = np.empty_like(mesh.vertices), np.empty_like(mesh.vertices)
    _kernels.project_vertices(
        mesh.vertices, mesh.normals, mesh.outline, f(0), f(0.5), f(0), f(6), f(size * 0.7),
        f(size / 2), f(size / 2), f(2.0), f(0.003), screen, hull,
    )  # fmt: skip
    depth, labels = np.zeros((size, size), np.float32), np.full((size, size), -1, np.int32)
    _kernels.fill(screen, hull, mesh.outline, mesh.triangles, depth, labels)
    wanted, margin = naive.nearest_faces(screen, hull, mesh.outline, mesh.triangles, size)
    sure = margin > 1e-3
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(labels[sure], wanted[sure])
    assert (labels >= 0).mean() > 0.1


def test_vertices_fall_where_points_are_projected() -> None:
    mesh = soup(1)
    size, f = 64, np.float32
    screen, hull = np.empty_like(mesh.vertices), np.empty_like(mesh.vertices)
    camera = CAMERA.moved((0.1, -0.05), 1.2)
    _kernels.project_vertices(
        mesh.vertices, mesh.normals, mesh.outline, *map(f, camera.target), f(camera.distance),
        f(camera.scale * size), f(camera.centre[0] * size), f(camera.centre[1] * size), f(1.0),
        f(0.0), screen, hull,
    )  # fmt: skip
    np.testing.assert_allclose(
        screen[:, :2], project(mesh.vertices, camera, size)[:, :2], atol=2e-3
    )
    offset = np.linalg.norm((hull - screen)[:, :2], axis=1)
    np.testing.assert_allclose(
        offset, mesh.outline * np.linalg.norm(mesh.normals[:, :2], axis=1), atol=1e-3
    )


def test_a_facing_triangle_has_two_tones() -> None:
    rng = np.random.default_rng(3)
    mesh = mesh_of(np.array([[-9, -9, 0], [9, -9, 0], [0, 9, 0]]), np.array([[0, 1, 2]]), rng)
    style = DEFAULT_STYLE
    mesh.textured[:] = False
    light = np.asarray(style.light) / np.linalg.norm(style.light)
    for angle in np.linspace(0, np.pi, 25):
        normal = np.cos(angle) * light + np.sin(angle) * np.array([light[1], -light[0], 0])
        mesh.normals[:], mesh.lit[:], mesh.shade[:] = normal, mesh.lit[0], mesh.shade[0]
        mesh.bias[:] = 0.1
        picture = render(mesh, CAMERA, 4)
        colour = naive.toon_colour(
            mesh.normals[0].astype(np.float64), 0.1, mesh.lit[0], mesh.shade[0], light,
            style.threshold, style.softness,
        )  # fmt: skip
        assert (picture[..., 3] == 255).all()
        np.testing.assert_allclose(picture[2, 2, :3], 255 * colour, atol=1.0)


def test_coverage_is_alpha() -> None:
    rng = np.random.default_rng(4)
    square = np.array([[-0.25, 0.25, 0], [0.25, 0.25, 0], [0.25, 0.75, 0], [-0.25, 0.75, 0]])
    mesh = mesh_of(square, np.array([[0, 1, 2], [0, 2, 3]]), rng)
    mesh.outline[:] = 0.0
    camera = Camera((0.0, 0.5, 0.0), 6.0, 1.0)
    alpha = render(mesh, camera, 31, 8)[..., 3]
    assert alpha.sum() / 255 == pytest.approx((0.5 * 31) ** 2, rel=0.02)
    assert set(np.unique(alpha)) >= {0, 255}
    assert len(np.unique(alpha)) > 2


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_pictures_are_premultiplied_and_repeatable(supersample: int) -> None:
    for seed in range(4):
        mesh = soup(seed, 30)
        picture = render(mesh, CAMERA, 40, supersample)
        assert picture.shape == (40, 40, 4)
        assert (picture[..., :3] <= picture[..., 3:]).all()
        np.testing.assert_array_equal(picture, render(mesh, CAMERA, 40, supersample))


def test_an_empty_mesh_is_a_clear_picture() -> None:
    rng = np.random.default_rng(0)
    mesh = mesh_of(np.zeros((3, 3)), np.zeros((0, 3)), rng)
    assert not render(mesh, CAMERA, 8).any()


def test_broken_vertices_do_not_break_the_picture() -> None:
    mesh = soup(2)
    mesh.vertices[7] = np.nan
    picture = render(mesh, CAMERA, 24)
    assert (picture[..., :3] <= picture[..., 3:]).all()


@pytest.mark.parametrize(("size", "supersample"), [(0, 2), (8, 0), (8, 9)])
def test_impossible_sizes_are_refused(size: int, supersample: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        render(soup(0), CAMERA, size, supersample)

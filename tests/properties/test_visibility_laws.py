"""Laws of the z test that says which keypoints are seen."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tests.meshes import mesh_of
from training.characters.parts import PARTS
from training.characters.visibility import OWN, seen
from training.render.scene import Camera, draw, project

SIZE = 24
CAMERA = Camera((0.0, 0.0, 0.0), 6.0, 0.5)

points = arrays(np.float64, (20, 3), elements=st.floats(-0.5, 0.5, width=32))
limits = arrays(np.float64, (20, 2), elements=st.floats(1 / 64, 0.5, width=32))
parts = st.integers(1, len(PARTS) - 1)


def look(
    keypoints: NDArray[np.float64], walls: list[tuple[float, int]], most: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which keypoints are seen past walls at these z, each a part, that fill the picture."""
    corners = [np.array([[-9, -9, z], [9, -9, z], [0, 9, z]]) for z, _ in walls]
    triangles = np.arange(3 * len(walls)).reshape(-1, 3)
    vertices = np.concatenate([np.zeros((0, 3)), *corners])
    mesh = mesh_of(vertices, triangles, np.random.default_rng(0))
    mesh.outline[:] = 0.0
    pixels = project(keypoints, CAMERA, SIZE)[:, :2]
    of_triangle = np.array([part for _, part in walls], np.uint8)
    return seen(draw(mesh, CAMERA, SIZE), keypoints, pixels, CAMERA, of_triangle, most)


@settings(max_examples=50, deadline=None)
@given(points, limits)
def test_with_nothing_in_front_all_are_seen(
    keypoints: NDArray[np.float64], most: NDArray[np.float64]
) -> None:
    assert look(keypoints, [], most).all()


@settings(max_examples=50, deadline=None)
@given(points, limits, st.floats(1.01, 4.0), parts)
def test_a_wall_in_front_hides_and_one_behind_does_not(
    keypoints: NDArray[np.float64], most: NDArray[np.float64], away: float, part: int
) -> None:
    assert not look(keypoints, [(away, part)], most).any()
    assert look(keypoints, [(-away, part)], most).all()


@settings(max_examples=100, deadline=None)
@given(points, limits, st.floats(-0.5, 0.5), parts)
def test_a_keypoint_is_hidden_from_its_limit_on(
    keypoints: NDArray[np.float64], most: NDArray[np.float64], z: float, part: int
) -> None:
    gap = z - keypoints[:, 2] - np.where(OWN[:, part], most[:, 0], most[:, 1])
    sure = np.abs(gap) > 1e-4
    visible = look(keypoints, [(z, part)], most)
    np.testing.assert_array_equal(visible[sure], (gap < 0)[sure])


@settings(max_examples=50, deadline=None)
@given(points, limits, st.lists(st.tuples(st.floats(-0.9, 0.9), parts), min_size=1, max_size=4))
def test_only_the_nearest_surface_counts(
    keypoints: NDArray[np.float64], most: NDArray[np.float64], walls: list[tuple[float, int]]
) -> None:
    nearest = max(walls, key=lambda wall: wall[0])
    if sum(abs(z - nearest[0]) < 1e-4 for z, _ in walls) == 1:
        alone = look(keypoints, [nearest], most)
        np.testing.assert_array_equal(look(keypoints, walls, most), alone)


@settings(max_examples=30, deadline=None)
@given(points, st.integers(0, 19), st.sampled_from([np.nan, np.inf, 5.0, -5.0]))
def test_what_is_nowhere_in_the_picture_is_not_seen(
    keypoints: NDArray[np.float64], row: int, x: float
) -> None:
    keypoints[row, 0] = x
    wanted = np.arange(20) != row
    np.testing.assert_array_equal(look(keypoints, [], np.ones((20, 2))), wanted)

"""What is encoded as heatmaps is decoded again, finer than the grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from engine.pose.heatmaps import decode
from engine.pose.skeleton import PUPPET_20
from training.estimator.targets import STRIDE, encode

MIRROR = PUPPET_20.mirror()
SHAPE_HW = (96, 160)
inner = st.tuples(
    st.floats(STRIDE + 0.01, SHAPE_HW[1] - STRIDE - 0.01),
    st.floats(STRIDE + 0.01, SHAPE_HW[0] - STRIDE - 0.01),
)
anywhere = st.tuples(st.floats(-50, 250), st.floats(-50, 250))


@given(st.lists(inner, min_size=1, max_size=6))
def test_a_keypoint_comes_back_where_it_was(points) -> None:
    points = np.array(points)
    found = decode(encode(points, SHAPE_HW), STRIDE)
    np.testing.assert_allclose(found[:, :2], points, atol=0.02)
    # The peak is at most half a cell away, in both directions.
    assert (found[:, 2] > 0.85).all()
    assert (found[:, 2] <= 1).all()


@given(anywhere)
def test_a_keypoint_outside_has_no_confidence(point) -> None:
    points = np.array([point])
    (found,) = decode(encode(points, SHAPE_HW), STRIDE)
    inside = 0 <= point[0] < SHAPE_HW[1] and 0 <= point[1] < SHAPE_HW[0]
    assert (found[2] > 0.8) == inside
    if inside:  # on the border at most half a cell off
        assert np.abs(found[:2] - point).max() <= STRIDE / 2 + 0.02


@given(st.lists(inner, min_size=20, max_size=20))
@settings(max_examples=30)
def test_mirroring_commutes_with_encoding(points) -> None:
    points = np.array(points)
    other = points[MIRROR] * (-1, 1) + (SHAPE_HW[1], 0)
    there = encode(points, SHAPE_HW)[MIRROR, :, ::-1]
    np.testing.assert_allclose(there, encode(other, SHAPE_HW), atol=1e-5)


@given(st.lists(inner, min_size=1, max_size=3), st.floats(0.2, 1.0))
def test_a_weaker_peak_is_in_the_same_place(points, strength) -> None:
    heatmaps = encode(np.array(points), SHAPE_HW)
    strong, weak = decode(heatmaps, STRIDE), decode(heatmaps * np.float32(strength), STRIDE)
    np.testing.assert_allclose(weak[:, :2], strong[:, :2], atol=0.02)
    np.testing.assert_allclose(weak[:, 2], strength * strong[:, 2], atol=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_any_numbers_give_a_place_in_the_picture(seed) -> None:
    rng = np.random.default_rng(seed)
    found = decode(rng.normal(0, 3, (4, 5, 7)).astype(np.float32), STRIDE)
    assert np.isfinite(found).all()
    assert (found[:, :2] >= 0).all()
    assert (found[:, :2] <= (7 * STRIDE, 5 * STRIDE)).all()
    assert ((found[:, 2] >= 0) & (found[:, 2] <= 1)).all()

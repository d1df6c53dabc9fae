"""Laws of the warp's maps and of its composition, on random bodies."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.puppet.parts import COUNT
from training.fewshot.warp.compose import compose, cover
from training.fewshot.warp.maps import frames_of, pixel_centres, source_points

SIZE = 48

# A body in an A-pose, facing the camera, in a picture of 48 px.
BODY = np.array([
    [24, 11, -4], [24, 15, 0], [20, 15, 0], [16, 20, 1], [14, 25, 0], [28, 15, 0], [32, 20, 1],
    [34, 25, 0], [22, 26, 0], [21, 34, 1], [21, 42, 0], [26, 26, 0], [27, 34, 1], [27, 42, 0],
    [22.5, 10, -3.5], [25.5, 10, -3.5], [21, 10.5, 0], [27, 10.5, 0], [20, 44, -4], [28, 44, -4],
], np.float32)  # fmt: skip


def body(seed: int, noise: float = 1.0) -> torch.Tensor:
    """(1, 20, 4) joints near `BODY`."""
    points = BODY + np.random.default_rng(seed).normal(0, noise, BODY.shape).astype(np.float32)
    return torch.from_numpy(np.concatenate([points, np.ones((20, 1), np.float32)], 1))[None]


PIXELS = pixel_centres(SIZE, 1.0, torch.zeros(()))


seeds = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(-3.1, 3.1), st.floats(0.5, 2.0), st.floats(-9.0, 9.0), st.floats(-9.0, 9.0))
def test_maps_undo_every_similarity_of_the_picture(seed, angle, scale, right, down):
    source = body(seed)
    turn = scale * torch.tensor(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=torch.float32
    )
    centre, shift = torch.tensor([24.0, 24.0]), torch.tensor([right, down])
    target = source.clone()
    target[..., :2] = (source[..., :2] - centre) @ turn.T + centre + shift
    target[..., 2] *= scale
    points, slide = source_points(frames_of(target), frames_of(source), PIXELS)
    expected = (PIXELS - centre - shift) @ torch.linalg.inv(turn).T + centre
    torch.testing.assert_close(points[0], expected.expand(COUNT, -1, -1), atol=0.02, rtol=1e-3)
    assert slide.abs().max() < 0.02


@settings(max_examples=40, deadline=None)
@given(seeds, seeds)
def test_maps_of_any_two_bodies_are_finite_and_differentiable(one, other):
    source, target = body(one, 6.0), body(other, 6.0).requires_grad_()
    points, slide = source_points(frames_of(target), frames_of(source), PIXELS)
    assert torch.isfinite(points).all()
    assert torch.isfinite(slide).all()
    (points.clamp(-99, 99).sum() + slide.clamp(-99, 99).sum()).backward()
    assert target.grad is not None
    assert torch.isfinite(target.grad).all()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_maps_carry_joints_to_joints(seed):
    """An elbow of the target comes from the elbow of the source, for both parts that meet there."""
    source, target = body(seed), body(seed + 1)
    # The elbow at a pixel's centre, to read the map there.
    column, row = 13, 21
    target[0, 3, :2] = torch.tensor([column + 0.5, row + 0.5])
    points, _ = source_points(frames_of(target), frames_of(source), PIXELS)
    for part in (3, 4):
        torch.testing.assert_close(
            points[0, part, row * SIZE + column], source[0, 3, :2], atol=0.02, rtol=0
        )


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 6))
def test_layers_never_cover_more_than_there_is(seed, count):
    rng = torch.Generator().manual_seed(seed)
    alphas = torch.rand(1, count, 5, 5, generator=rng)
    weights, room = cover(alphas, torch.ones(1, 5, 5))
    assert (weights >= 0).all()
    assert (weights <= alphas + 1e-6).all()
    torch.testing.assert_close(weights.sum(1), alphas.sum(1).clamp(max=1))
    torch.testing.assert_close(weights.sum(1) + room, torch.ones(1, 5, 5))


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_the_front_opaque_layer_is_what_is_seen(seed):
    rng = torch.Generator().manual_seed(seed)
    layers = torch.rand(1, 4, 5, 3, 3, generator=rng)
    layers[:, :, 3:] = 1.0
    picture, painted_in = compose(layers)
    torch.testing.assert_close(picture[0, :3], layers[0, 0, :3])
    assert (painted_in == 0).all()


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_what_is_painted_in_never_hides_what_was_drawn(seed):
    rng = torch.Generator().manual_seed(seed)
    layers = torch.rand(1, 2, 5, 3, 3, generator=rng)
    layers[:, 0, 3], layers[:, 0, 4] = 0.0, 1.0  # in front, all of it invented
    layers[:, 1, 3:] = 1.0
    picture, _ = compose(layers)
    torch.testing.assert_close(picture[0, :3], layers[0, 1, :3])

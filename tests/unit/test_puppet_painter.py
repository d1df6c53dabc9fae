"""The painter in the engine: what it is shown and what is made of its answer, as torch does."""

from functools import cache

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.motion.draw import draw_pose
from engine.puppet._kernels_paint import finish, spread
from engine.puppet.painter import FEATURES, FLOW, MAPS, PAINT, PAINTS, painter_shapes, reachable
from engine.puppet.puppet import Puppet
from engine.puppet.smaller import halved
from export.painter import export_painter, feature_bytes, map_values
from tests.cut_drawings import body, cut_drawing
from training.fewshot.warp import carry as torch_carry
from training.fewshot.warp import network
from training.fewshot.warp.layers import Layers
from training.fewshot.warp.maps import frames_of

SIZE, HALF = 128, 64


@cache
def layers() -> Layers:
    drawing = cut_drawing(SIZE)
    pixels = torch.from_numpy(drawing.pixels).permute(3, 0, 1, 2)[None].float() / 255
    return Layers.of(pixels, frames_of(torch.from_numpy(drawing.joints)[None]))


def posed(seed: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Joints, their pose image, and the same for torch."""
    joints = body(SIZE, seed, noise=0.03)
    image = np.empty((SIZE, SIZE, 3), np.uint8)
    draw_pose(joints, image)
    return joints, image, 1 - torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


@pytest.fixture
def every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torch keep all parts of a tile, as the engine does."""
    kept = torch_carry.carry
    monkeypatch.setattr(
        network, "carry", lambda layers, target, order: kept(layers, target, order, kept=13)
    )


def answer(seed: int, change: float) -> np.ndarray:
    """Maps at random around those that change nothing."""
    rng = np.random.default_rng(seed)
    maps = np.full((HALF, HALF, MAPS), 128.0)
    maps[..., PAINT : PAINT + 20] = 0
    for y in range(0, HALF, 8):  # smooth enough for bilinear samples to mean the same
        for x in range(0, HALF, 8):
            maps[y : y + 8, x : x + 8] += change * rng.normal(0, 60, MAPS)
    return maps.clip(0, 255).round().astype(np.uint8)


def test_the_sizes_are_those_of_training():
    assert (FEATURES, MAPS) == (network.FEATURES, network.MAPS)
    assert painter_shapes(SIZE) == ((1, HALF, HALF, FEATURES), (1, HALF, HALF, MAPS))


@pytest.mark.parametrize("seed", range(3))
def test_features_are_those_of_torch(seed, every_part):
    joints, image, pose = posed(seed)
    features = np.full((HALF, HALF, FEATURES), 77, np.uint8)
    Puppet([cut_drawing(SIZE)]).look(joints, image, features)
    _, truth = network.look(layers(), pose, torch.from_numpy(joints)[None])
    error = np.abs(features.astype(int) - feature_bytes(truth)[0])
    assert error[..., 37:].max() <= 1  # turns
    assert error[..., 20:23].max() <= 1  # pose image
    assert error.mean() < 0.5
    # A cell's corners differ a little where a map has a kink.
    assert (error.max(2) > 12).mean() < 0.03


@pytest.mark.parametrize("change", [0.0, 0.3, 1.0])
def test_maps_change_the_picture_as_torch_does(change, every_part):
    joints, image, pose = posed(5)
    puppet, maps = Puppet([cut_drawing(SIZE)]), answer(1, change)
    features = np.empty((HALF, HALF, FEATURES), np.uint8)
    plain, made = np.empty((SIZE, SIZE, 4), np.uint8), np.empty((SIZE, SIZE, 4), np.uint8)
    puppet.carry(joints, plain)
    puppet.look(joints, image, features)
    puppet.finish(maps, made)
    scene, _ = network.look(layers(), pose, torch.from_numpy(joints)[None])
    truth = network.finish(scene, map_values(maps[None]))[0].permute(1, 2, 0).numpy() * 255
    error = np.abs(made - truth)
    assert error.mean() < 1
    assert (error.max(2) > 12).mean() < 0.03
    assert (made[..., :3] <= made[..., 3:]).all()
    difference = np.abs(made.astype(int) - plain).mean()
    assert difference < 0.2 if change == 0 else difference > 2


@pytest.mark.parametrize("shrink", [2, 4])
def test_a_painter_that_shrinks_sees_the_puppet_as_a_smaller_one_would_show_it(shrink: int):
    size = 128 * shrink
    drawing, joints = cut_drawing(size), body(size, 5, noise=0.03)
    small, there = drawing, joints.copy()
    for _ in range(shrink // 2):
        small = halved(small)
    there[:, :3] /= shrink
    seen = []
    for one, points, times in ((drawing, joints, shrink), (small, there, 1)):
        image = np.empty((one.size, one.size, 3), np.uint8)
        draw_pose(points, image)
        features = np.full(painter_shapes(one.size, times)[0][1:], 77, np.uint8)
        Puppet([one]).look(points, image, features)
        seen.append(features.astype(int))
    error = np.abs(seen[0] - seen[1])
    assert error[..., 37:].max() <= 1  # turns
    # One sample is taken where the other has the mean of pixels: they differ at edges alone.
    assert np.abs((seen[0] - seen[1]).mean((0, 1))).max() < 1
    assert (error.max(2) > 25).mean() < 0.3


@pytest.mark.parametrize("shrink", [2, 4])
def test_maps_of_a_smaller_picture_are_enlarged(shrink: int, every_part):
    """Torch knows no such maps: it is given larger ones."""
    size = 128 * shrink
    joints = body(size, 5, noise=0.03)
    drawing = cut_drawing(size)
    pixels = torch.from_numpy(drawing.pixels).permute(3, 0, 1, 2)[None].float() / 255
    cut = Layers.of(pixels, frames_of(torch.from_numpy(drawing.joints)[None]))
    image = np.zeros((size, size, 3), np.uint8)
    puppet = Puppet([drawing])
    takes, gives = painter_shapes(size, shrink)
    maps = answer(1, 0.5)[: gives[1], : gives[1]].copy()
    assert maps.shape == gives[1:]
    made = np.empty((size, size, 4), np.uint8)
    puppet.look(joints, image, np.empty(takes[1:], np.uint8))
    puppet.finish(maps, made)
    values = map_values(maps[None])
    paint = pixel_shuffle(network.without_dots(values[:, PAINT:]), 2)
    larger = torch.cat(
        [
            interpolate(
                values[:, :2], scale_factor=float(shrink), mode="bilinear", align_corners=False
            ),
            interpolate(values[:, 2:PAINT], scale_factor=float(shrink)),
            pixel_unshuffle(
                interpolate(
                    paint, scale_factor=float(shrink), mode="bilinear", align_corners=False
                ),
                2,
            ),
        ],
        1,
    )
    scene, _ = network.look(cut, torch.zeros(1, 3, size, size), torch.from_numpy(joints)[None])
    truth = network.finish(scene, larger)[0].permute(1, 2, 0).numpy() * 255
    error = np.abs(made - truth)
    assert error.mean() < 1
    assert (error.max(2) > 12).mean() < 0.04


def test_too_small_a_picture_is_refused():
    puppet = Puppet([cut_drawing(SIZE)])
    features = np.empty((HALF // 2, HALF // 2, FEATURES), np.uint8)
    with pytest.raises(ValueError, match="a multiple of 64: not at 32"):
        puppet.look(body(SIZE, 5), np.zeros((SIZE, SIZE, 3), np.uint8), features)


@pytest.mark.parametrize("seed", range(3))
def test_squares_that_nothing_reaches_stay_empty(seed: int):
    """Leaving them out changes nothing: the kernel paints all of them to the same."""
    joints, image, _ = posed(seed)
    puppet, maps = Puppet([cut_drawing(SIZE)]), answer(seed, 1.0)
    made = np.empty((SIZE, SIZE, 4), np.uint8)
    puppet.look(joints, image, np.empty((HALF, HALF, FEATURES), np.uint8))
    puppet.finish(maps, made)
    everywhere = np.empty_like(made)
    near, paint = np.ones((4, 4), np.bool_), np.empty((SIZE, SIZE, PAINTS), np.uint8)
    spread(maps, PAINT, near, paint)
    within = reachable(puppet._canvas.picture[..., 3], SIZE)
    finish(
        puppet._canvas.picture, puppet._canvas.painted_in, maps, paint, within, puppet._keep, near,
        np.float32(FLOW * SIZE), everywhere,
    )  # fmt: skip
    np.testing.assert_array_equal(made, everywhere)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_chequered_goes_and_edges_stay(seed: int):
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, 256, (8, 8, MAPS)).astype(np.uint8)
    paint = np.empty((16, 16, PAINTS), np.uint8)
    spread(maps, PAINT, np.ones((2, 2), np.bool_), paint)
    values = torch.from_numpy(maps[..., PAINT:].copy()).permute(2, 0, 1)[None].float()
    twin = pixel_shuffle(network.without_dots(values), 2)[0].permute(1, 2, 0).numpy().clip(0, 255)
    assert np.abs(paint - twin).max() <= 1
    y, x = np.mgrid[:16, :16]
    for edge in (x < 7, y < 5):
        picture = np.repeat(np.where(edge, 40, 200)[..., None], PAINTS, 2).astype(np.uint8)
        fours = picture.reshape(8, 2, 8, 2, PAINTS).transpose(0, 2, 4, 1, 3).reshape(8, 8, -1)
        maps[..., PAINT:] = fours
        spread(maps, PAINT, np.ones((2, 2), np.bool_), paint)
        np.testing.assert_array_equal(paint, picture)
    maps[..., PAINT:] = np.tile([90, 110, 110, 90], PAINTS)
    spread(maps, PAINT, np.ones((2, 2), np.bool_), paint)
    assert (paint == 100).all()


@pytest.mark.parametrize("by", ["visibility", "gate", "change"])
def test_what_is_solid_cannot_be_taken_away(by: str, every_part):
    joints, image, pose = posed(5)
    puppet, maps = Puppet([cut_drawing(SIZE)]), answer(1, 0)
    if by == "visibility":
        maps[..., 2:PAINT] = 0
    elif by == "gate":
        maps[..., PAINT + 16 : PAINT + 20] = 255  # all of it new, and nothing of that is there
    else:
        maps[..., PAINT + 32 : PAINT + 36] = 0
    plain, made = np.empty((SIZE, SIZE, 4), np.uint8), np.empty((SIZE, SIZE, 4), np.uint8)
    puppet.carry(joints, plain)
    puppet.look(joints, image, np.empty((HALF, HALF, FEATURES), np.uint8))
    puppet.finish(maps, made)
    keep = puppet._keep
    assert 0.1 < (keep > 250).mean() < (plain[..., 3] > 250).mean() + 0.02
    stays = (keep == 255) & (plain[..., 3] == 255)
    assert (made[stays][:, 3] > 250).mean() > 0.9  # but for what is painted in at its rim
    assert np.abs(made[stays].astype(int) - plain[stays]).mean() < 3
    assert (made[keep == 0] == 0).all() or by == "change"
    assert made[..., 3].astype(int).sum() < 0.97 * plain[..., 3].sum()  # slivers are
    scene, _ = network.look(layers(), pose, torch.from_numpy(joints)[None])
    truth = network.finish(scene, map_values(maps[None]))[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(made - truth).mean() < 1.5


def test_gaps_are_painted_over_and_nothing_beside_the_figure():
    alpha = np.zeros((SIZE, SIZE), np.uint8)
    alpha[32:96, 32:96] = 255
    alpha[40:44, 32:96] = 0  # a gap as wide as those that are closed
    alpha[60:80, 50:70] = 0  # and a hole that is wider
    within = reachable(alpha, SIZE)
    truth = np.zeros_like(alpha)
    truth[31:97, 31:97] = 255
    truth[61:79, 51:69] = 0
    np.testing.assert_array_equal(within, truth)
    twin = network.reachable(torch.from_numpy(alpha)[None, None].float())
    np.testing.assert_array_equal(within, twin[0, 0].numpy())
    joints, image, _ = posed(5)
    puppet, maps = Puppet([cut_drawing(SIZE)]), answer(1, 0)
    maps[..., PAINT + 12 : PAINT + 20] = 255  # all of the picture is to be painted, opaquely
    plain, made = np.empty((SIZE, SIZE, 4), np.uint8), np.empty((SIZE, SIZE, 4), np.uint8)
    puppet.carry(joints, plain)
    puppet.look(joints, image, np.empty((HALF, HALF, FEATURES), np.uint8))
    puppet.finish(maps, made)
    bound = reachable(plain[..., 3], SIZE)
    assert (made[..., 3] <= bound.astype(int) + 2).all()  # 128 shows a part a little more
    assert (made[bound == 0] == 0).all()
    assert (made[bound == 255][:, 3] == 255).all()


@pytest.mark.parametrize("size", [64, 96, 128])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_reachable_is_what_torch_says(size, seed):
    rng = np.random.default_rng(seed)
    alpha = rng.integers(0, 256, (size, size)).astype(np.uint8)
    alpha[rng.random((size, size)) < 0.97] = 0
    twin = network.reachable(torch.from_numpy(alpha)[None, None].float())[0, 0].numpy()
    np.testing.assert_array_equal(reachable(alpha, size), twin)
    assert (reachable(alpha, size) >= alpha).all()


def test_a_painter_that_was_exported_paints():
    torch.manual_seed(0)
    painter = network.Painter(network.WIDTHS["tiny"]).eval()
    torch.nn.init.normal_(painter.network.leave.weight, std=0.1)
    joints, image, pose = posed(2)
    puppet = Puppet([cut_drawing(SIZE)], OnnxRuntimeBackend(export_painter(painter, SIZE)))
    assert puppet.ready
    assert "painted by" in puppet.name
    made, plain = np.empty((SIZE, SIZE, 4), np.uint8), np.empty((SIZE, SIZE, 4), np.uint8)
    puppet.draw(joints, image, made)
    puppet.carry(joints, plain)
    with torch.no_grad():
        truth = painter(layers(), pose, torch.from_numpy(joints)[None])
    truth = truth[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(made.astype(int) - plain).mean() > 3
    assert np.abs(made - truth).mean() < 2
    puppet.close()

"""The painter's network in bytes: what the engine runs does what training learned."""

import copy
from functools import cache

import numpy as np
import pytest
import torch

from engine.backends.onnxruntime import load
from export.painter import export_painter, feature_bytes, map_values, quantise_painter
from tests.fewshot import blob
from training.fewshot.inputs import Inputs
from training.fewshot.warp.cutter import Cutter
from training.fewshot.warp.network import FEATURES, MAPS, WarpGenerator, finish, look

SIZE = 64


@cache
def trained() -> WarpGenerator:
    """As if trained: the last convolution does something."""
    torch.manual_seed(0)
    method = WarpGenerator("tiny", Cutter((4, 8)).requires_grad_(False)).eval()
    torch.nn.init.normal_(method.painter.network.leave.weight, std=0.2)
    return method


@torch.no_grad()
def test_the_graph_in_bytes_draws_what_torch_draws():
    method, character = trained(), blob(3, SIZE)
    inputs, _ = Inputs.of(character, np.array([0, 0, 0]), np.array([0, 1, 2]))
    layers = method.prepare(inputs.source, inputs.source_joints)
    scene, features = look(layers, inputs.pose, inputs.joints)
    assert features.min() >= 0
    assert features.max() <= 1
    session = load().InferenceSession(
        export_painter(method.painter, SIZE), providers=["CPUExecutionProvider"]
    )
    asked = feature_bytes(features)
    assert asked.shape == (3, SIZE // 2, SIZE // 2, FEATURES)
    maps = np.concatenate([session.run(None, {"features": one[None]})[0] for one in asked])
    assert maps.shape == (3, SIZE // 2, SIZE // 2, MAPS)
    made = finish(scene, map_values(maps))
    truth = method(inputs)
    puppet = WarpGenerator("tiny", method.cutter)(inputs)
    assert (truth - puppet).abs().mean() > 0.02
    assert (made - truth).abs().mean() < 0.01


@torch.no_grad()
def test_an_untrained_network_leaves_the_puppet_as_it_is():
    painter = WarpGenerator("tiny", Cutter((4, 8))).painter
    session = load().InferenceSession(
        export_painter(painter, SIZE), providers=["CPUExecutionProvider"]
    )
    empty = np.zeros((1, SIZE // 2, SIZE // 2, FEATURES), np.uint8)
    (maps,) = session.run(None, {"features": empty})
    flow, visible, _, gate, change = np.split(maps, [2, 15, 31, 35], axis=-1)
    assert (flow == 128).all()
    assert np.isin(visible, (127, 128)).all()
    assert (gate == 0).all()
    assert (change == 128).all()


@pytest.mark.slow
def test_int8_is_judged_by_the_pictures():
    method, characters = copy.deepcopy(trained()), [blob(3, SIZE), blob(4, SIZE)]
    method.painter.network.leave.weight.data *= 2e-3  # strong noise is no picture
    model = export_painter(method.painter, SIZE)
    made = quantise_painter(method, model, characters[:1], characters[1:], poses=2)
    assert len(made.model) < len(model)
    assert made.likeness.ssim > 0.985


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_bytes_hold_the_whole_range(value: float):
    features = torch.full((1, FEATURES, 4, 4), value)
    assert (feature_bytes(features) == round(255 * value)).all()
    maps = torch.from_numpy(np.full((1, 4, 4, MAPS), 255 if value else 0, np.uint8))
    found = map_values(maps.numpy())
    assert found.max() == 1 if value else found.max() == 0

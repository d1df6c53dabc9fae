"""The painter that ships, at any size."""

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.puppet.painter import MAPS, painter_shapes, shapes_of
from engine.puppet.shipped import shipped_painter, usual_shrink


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("size", [128, 256, 512])
def test_it_is_made_for_a_size(size: int, precision: str):
    model = shipped_painter(size, precision)  # type: ignore[arg-type]
    backend = OnnxRuntimeBackend(model)
    takes, gives = painter_shapes(size, usual_shrink(size))
    assert shapes_of(model) == (takes, gives)
    assert tuple(backend.input_spec.shape) == takes
    assert tuple(backend.output_spec.shape) == gives
    out = np.empty(gives[1:], np.uint8)
    features = np.zeros(takes[1:], np.uint8)
    features[..., 36:] = 128
    backend.run(features, out)
    flow, gate = out[..., :2].astype(np.int16), out[..., MAPS - 20 : MAPS - 16]
    assert np.abs(flow - 128).mean() < 16  # nothing is drawn, and little happens
    assert gate.mean() < 16
    backend.close()


def test_what_a_large_picture_costs_is_what_a_small_one_does():
    """The network looks at no more than it was trained on."""
    assert shipped_painter(512) == shipped_painter(256)
    assert shapes_of(shipped_painter(512, shrink=4)) == shapes_of(shipped_painter(128))


def test_odd_sizes_are_refused():
    with pytest.raises(ValueError, match="multiple of 16"):
        shipped_painter(200)
    with pytest.raises(ValueError, match="multiple of 32"):
        shipped_painter(400)

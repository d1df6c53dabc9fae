import pytest

pytest.importorskip("torch")

from engine.app import DEFAULT_CHARACTER
from export.precision import GATE
from export.tensorrt import PAINTER, of_generator


def test_int8_in_tensorrts_form_is_hardly_worse() -> None:
    found = of_generator(DEFAULT_CHARACTER, 2)
    assert list(found) == ["processors", "TensorRT"]
    assert all(likeness.ssim > GATE for likeness in found.values())
    assert found["TensorRT"].ssim > found["processors"].ssim - 0.005
    assert PAINTER.is_file()

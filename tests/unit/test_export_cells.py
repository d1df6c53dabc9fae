"""The end of a generator in cells draws the same picture."""

import dataclasses

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from engine.half import after_last_conv, to_fp16  # noqa: E402
from export.cells import in_cells  # noqa: E402
from export.onnx import BakedGenerator, compare  # noqa: E402
from tests.bundles import stick_model  # noqa: E402
from training.networks.generator import Generator, GeneratorConfig  # noqa: E402
from training.to_onnx import to_onnx  # noqa: E402

CELLS = GeneratorConfig(32, (4, 8, 8, 8, 8), (2, 2, 2, 2, 1), (8, 8, 8), 8, 2, 4, False)
PIXELS = dataclasses.replace(CELLS, strides=(1, 2, 2, 2, 1), subpixel=1)


def trained(config: GeneratorConfig) -> tuple[Generator, torch.Tensor]:
    """As if trained: what it draws is no grey square."""
    torch.manual_seed(1)
    generator = Generator(config)
    with torch.no_grad():
        generator.out.weight.mul_(30)
        generator.out.bias.normal_()
    return generator, torch.rand(1, 4, config.size, config.size)


def exported_plainly(generator: Generator, reference: torch.Tensor) -> bytes:
    example = torch.zeros(1, generator.config.size, generator.config.size, 3, dtype=torch.uint8)
    return to_onnx(BakedGenerator(generator, reference), {"pose": example}, "picture")


@pytest.mark.parametrize("config", [CELLS, PIXELS], ids=["cells", "pixels"])
def test_the_picture_is_that_of_torch(config: GeneratorConfig) -> None:
    generator, reference = trained(config)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    plain = exported_plainly(generator, reference)
    made = in_cells(plain)
    ends = [
        [node.op_type for node in after_last_conv(onnx.load_model_from_string(model))]
        for model in (plain, made)
    ]
    assert "Slice" in ends[0]
    assert "Slice" not in ends[1]
    assert compare(generator, reference, made, images).max_error <= 1
    assert in_cells(made) == made
    assert compare(generator, reference, to_fp16(made), images).mean_error < 0.1


def test_a_network_that_is_no_generator_is_refused() -> None:
    generator, _ = trained(CELLS)
    example = {"input": torch.zeros(1, 3, 32, 32)}
    model = to_onnx(generator.pose_encoder.layers[0], example, "y")
    with pytest.raises(
        ValueError, match=r"expected the end of a baked generator, Sigmoid, .*found"
    ):
        in_cells(model)


def test_one_without_convolutions_is_refused() -> None:
    with pytest.raises(ValueError, match="baked generator"):
        in_cells(stick_model(32).SerializeToString())

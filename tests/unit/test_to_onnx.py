"""One way to write any network as an ONNX file, and one way to compare it with PyTorch."""

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from export.onnx import BakedGenerator, export_generator  # noqa: E402
from export.parity import parity  # noqa: E402
from export.precision import Quantiser  # noqa: E402
from training.networks.generator import Generator, GeneratorConfig  # noqa: E402
from training.to_onnx import OPSET, to_onnx, weights_hash  # noqa: E402

TINY = GeneratorConfig(32, (4, 8, 8, 8, 8), (2, 2, 2, 2, 1), (8, 8, 8), 8, 2, 4, False)


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    made[1].running_mean.normal_()
    return made.eval()


def about(model: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_model_from_string(model).metadata_props}


def test_a_file_says_what_is_in_it() -> None:
    module = network()
    model = to_onnx(module, {"x": torch.zeros(1, 3, 8, 8)}, "y", note="a test", about={"by": "me"})
    proto = onnx.load_model_from_string(model)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", OPSET)]
    assert [node.op_type for node in proto.graph.node] == ["Conv", "Relu"]  # the norm is folded
    assert (proto.producer_name, proto.doc_string) == ("ayatsuri", "a test")
    assert about(model) == {
        "weights_sha256": weights_hash(module),
        "inputs": "x: float32 1x3x8x8",
        "outputs": "y: float32 1x8x6x6",
        "by": "me",
    }
    found = parity(module, model, [(torch.rand(1, 3, 8, 8),)])
    assert found.max_error < 1e-5
    assert found.ssim is None


def test_half_the_file_is_nearly_the_same_network() -> None:
    module = network()
    example = {"x": torch.zeros(1, 3, 8, 8)}
    whole, half = to_onnx(module, example, "y"), to_onnx(module, example, "y", half=True)
    assert len(half) < len(whole)
    assert 1e-6 < parity(module, half, [(torch.rand(1, 3, 8, 8),)]).max_error < 1e-2


def test_other_weights_are_another_hash() -> None:
    module = network()
    before = weights_hash(module)
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] += 1
    assert weights_hash(module) != before


def test_nothing_to_compare_on_is_an_error() -> None:
    module = network()
    model = to_onnx(module, {"x": torch.zeros(1, 3, 8, 8)}, "y")
    with pytest.raises(ValueError, match="at least one"):
        parity(module, model, [])


def test_a_generator_draws_several_at_once_where_it_is_asked_to() -> None:
    torch.manual_seed(0)
    generator, reference = Generator(TINY), torch.rand(1, 4, 32, 32)
    model = export_generator(generator, reference, character="Stick", batch=2)
    images = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    found = parity(BakedGenerator(generator, reference), model, [(images,)])
    assert found.max_error <= 1
    assert found.ssim is not None
    assert found.ssim > 0.999
    told = about(model)
    assert told["character"] == "Stick"
    assert told["outputs"] == "picture: uint8 2x32x32x4"
    assert len(told["reference_sha256"]) == 64
    # int8 is of the same network, and says so.
    one = export_generator(generator, reference, character="Stick")
    with Quantiser(one, images[:1].numpy().astype(np.uint8)) as make:
        assert about(make(())) == {**about(one), "precision": "int8"}

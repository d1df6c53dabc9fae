from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.character import CharacterBundle, check_model  # noqa: E402
from export.onnx import export_generator  # noqa: E402
from export.precision import GATE, Likeness, Quantiser, draw_by, quantise, to_fp16  # noqa: E402
from export.quantise import quantise_bundle  # noqa: E402
from tests.bundles import write_bundle  # noqa: E402
from training.networks.generator import Generator, GeneratorConfig  # noqa: E402

TINY = GeneratorConfig(64, (4, 8, 8, 8, 8), (2, 2, 2, 2, 1), (8, 8, 8), 8, 2, 4, False)


def pose_images(count: int, seed: int) -> np.ndarray:
    """Coloured bars on white."""
    rng = np.random.default_rng(seed)
    images = np.full((count, 64, 64, 3), 255, np.uint8)
    for image in images:
        for _ in range(6):
            x, y = rng.integers(0, 40, 2)
            image[y : y + rng.integers(3, 24), x : x + rng.integers(3, 24)] = rng.integers(
                0, 256, 3
            )
    return images


@pytest.fixture(scope="module")
def model() -> bytes:
    torch.manual_seed(0)
    generator = Generator(TINY)
    with torch.no_grad():
        generator.out.weight.mul_(30)  # so that there is a picture, and not a grey square
    return export_generator(generator, torch.rand(1, 4, 64, 64))


def test_fp16_draws_the_same_picture(model: bytes) -> None:
    half = to_fp16(model)
    assert len(half) < 0.7 * len(model)
    types = Counter(t.data_type for t in onnx.load_model_from_string(half).graph.initializer)
    assert types[onnx.TensorProto.FLOAT16] > types[onnx.TensorProto.FLOAT]
    images = pose_images(4, 0)
    likeness = Likeness.of(draw_by(half, images), draw_by(model, images))
    assert likeness.ssim > 0.999
    assert likeness.max_error <= 2


def test_int8_is_of_the_form_that_is_fast(model: bytes) -> None:
    made = quantise(model, pose_images(8, 1), pose_images(4, 2))
    assert made.likeness.ssim >= GATE
    proto = onnx.load_model_from_string(made.model)
    weights = {t.name: t for t in proto.graph.initializer}
    seen = Counter()
    producers = {name: node for node in proto.graph.node for name in node.output}
    for node in proto.graph.node:
        if node.op_type == "Conv" and node.input[1] != "alphas.weight":
            activation, weight = (producers[name] for name in node.input[:2])
            assert activation.op_type == weight.op_type == "DequantizeLinear"
            assert weights[activation.input[2]].data_type == onnx.TensorProto.UINT8
            kernel = weights[weight.input[0]]
            assert kernel.data_type == onnx.TensorProto.INT8
            assert weights[weight.input[1]].dims == [kernel.dims[0]]  # a scale for every channel
            seen["conv"] += 1
        seen[node.op_type] += 1
    assert seen["conv"] == 26
    # The logits are not rounded: the last convolution's result goes on as it is.
    last = [node for node in proto.graph.node if node.op_type == "Conv"][-2]
    readers = [node.op_type for node in proto.graph.node if last.output[0] in node.input]
    assert sorted(readers) == ["Conv", "Sigmoid"]
    # It is what a bundle may hold, tensors and operators alike.
    backend = OnnxRuntimeBackend(made.model)
    check_model(made.model, backend.input_spec, backend.output_spec, "int8")
    backend.close()


def test_the_same_poses_give_the_same_file(model: bytes) -> None:
    with Quantiser(model, pose_images(4, 1)) as make:
        first = make(())
        assert make(make.layers[:1]) != first
    with Quantiser(model, pose_images(4, 1)) as make:
        assert make(()) == first


def test_a_bundle_takes_int8_in(model: bytes, tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "tiny.character", 64, model)
    before = CharacterBundle.load(path)
    path.write_bytes(quantise_bundle(before, pose_images(4, 1), pose_images(2, 2)))
    after = CharacterBundle.load(path)
    assert after.generator.model == before.generator.model
    assert after.manifest.precisions["int8"].ssim >= GATE
    assert after.manifest.training["int8"]["calibrated_on"] == 4
    np.testing.assert_array_equal(after.reference, before.reference)
    # Once more is the same again: nothing piles up.
    again = quantise_bundle(after, pose_images(4, 1), pose_images(2, 2))
    assert again == path.read_bytes()


def test_layers_that_hurt_stay_in_float(model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Quantiser, "__call__", _worse_with_every_layer)
    made = quantise(
        model, pose_images(1, 1), pose_images(1, 2), aim=0.9999,
        draw=lambda model, images: _noise(int(model) if len(model) == 1 else 0),
    )  # fmt: skip
    assert len(made.kept) == 2  # the two that hurt, and no other
    assert set(list(made.sensitivity)[:2]) == set(made.kept)


def test_an_int8_generator_that_draws_something_else_is_refused(
    model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quantiser, "__call__", lambda self, kept: b"9")
    with pytest.raises(ValueError, match=r"SSIM 0\.\d+ against fp32 in int8; at least 0.985"):
        quantise(
            model, pose_images(1, 1), pose_images(1, 2),
            draw=lambda m, images: _noise(9 if m == b"9" else 0),
        )  # fmt: skip


def _worse_with_every_layer(self: Quantiser, kept: tuple[str, ...]) -> bytes:
    return str(len(set(self.layers[3:5]) - set(kept))).encode()


def _noise(amount: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-9, 10, (1, 64, 64, 4))
    return (128 + amount * noise).clip(0, 255).astype(np.uint8)

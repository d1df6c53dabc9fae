"""PyTorch as a backend, on the processor: the same code as on a GPU, without its graph."""

import weakref
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch")

from engine.app import ASSETS, DEFAULT_CHARACTER  # noqa: E402
from engine.backends import cuda  # noqa: E402
from engine.backends.onnxruntime import OnnxRuntimeBackend  # noqa: E402
from engine.character import CharacterBundle  # noqa: E402
from engine.errors import BackendError  # noqa: E402
from export.torch_backend import of_onnx, open_backend, precisions  # noqa: E402
from tests.bundles import stick_model  # noqa: E402
from tests.marks import needs_pose_model  # noqa: E402


def given(model: bytes, count: int = 2) -> np.ndarray:
    """Something like pictures: smooth, so that roundings matter little."""
    value = onnx.load_model_from_string(model).graph.input[0]
    _, height, width, channels = (dim.dim_value for dim in value.type.tensor_type.shape.dim)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, height // 8, width // 8, channels), np.uint8)
    return coarse.repeat(8, 1).repeat(8, 2)


def both(model: bytes, precision: str = "fp32") -> tuple[np.ndarray, np.ndarray]:
    """What torch and ONNX Runtime make of the same."""
    backend, other = of_onnx(model, precision, device="cpu"), OnnxRuntimeBackend(model)
    assert (str(backend.input_spec), str(backend.output_spec)) == (
        str(other.input_spec), str(other.output_spec),
    )  # fmt: skip
    images = given(model)
    made, truth = np.empty((2, len(images), *other.output_spec.shape[1:]), np.uint8)
    for i, image in enumerate(images):
        backend.run(image, made[i])
        other.run(image, truth[i])
    backend.close()
    backend.close()
    other.close()
    return made.astype(int), truth.astype(int)


@pytest.mark.parametrize("name", ["ito", "painter.onnx"])
def test_it_draws_what_onnx_runtime_draws(name: str) -> None:
    if name == "ito":
        model = CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model
    else:
        model = (ASSETS / name).read_bytes()
    made, truth = both(model)
    assert np.abs(made - truth).max() <= 1


@pytest.mark.parametrize("preset", ["live", "base", "paper"])
def test_it_draws_every_preset(preset: str) -> None:
    from export.onnx import export_generator
    from training.networks.generator import Generator
    from training.networks.generator import preset as configuration

    torch.manual_seed(0)
    config = configuration(preset, 64, spectral=False)
    made, truth = both(export_generator(Generator(config), torch.rand(1, 4, 64, 64)))
    assert np.abs(made - truth).max() <= 1


@pytest.mark.model
@needs_pose_model
def test_the_pose_networks_run_in_torch() -> None:
    from engine.pose import networks
    from export.torch_graph import TorchGraph

    rng, both_of = np.random.default_rng(0), networks.load("pose-full")
    for model, size in ((both_of.detector, 224), (both_of.landmarks, 256)):
        image = rng.integers(0, 256, (1, size, size, 3), np.uint8)
        network = TorchGraph(model).eval()
        made = dict(zip(network.output_names, network(torch.from_numpy(image)), strict=True))
        wanted = onnxruntime.InferenceSession(model).run(list(made), {"image": image})
        for one, truth in zip(made.values(), wanted, strict=True):
            np.testing.assert_allclose(one.detach().numpy(), truth, atol=2e-3)
        with pytest.raises(BackendError, match="a network of one output"):
            of_onnx(model, device="cpu")


def test_what_is_tuned_is_tuned_while_it_starts_and_draws_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)  # training turns it on for good
    model = CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model
    seen: list[bool] = []

    def wrap(module: torch.nn.Module) -> torch.nn.Module:
        hook = lambda *_: seen.append(torch.backends.cudnn.benchmark)  # noqa: E731
        module.register_forward_hook(hook)
        return module

    outs = np.empty((2, 256, 256, 4), np.uint8)
    for out, tuned in zip(outs, (False, True), strict=True):
        backend = of_onnx(model, device="cpu", tuned=tuned, wrap=wrap)
        backend.run(given(model)[0], out)
        backend.close()
    assert seen == [False, False, True, False]
    np.testing.assert_array_equal(*outs)


def test_what_is_needed_no_more_gives_its_memory_to_the_next() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    from export.torch_graph import TorchGraph

    class Living(TorchDispatchMode):
        """Counts the bytes of all that was made, and the most that lived at once."""

        def __init__(self) -> None:
            super().__init__()
            self.made, self.most = 0, 0
            self._all: list[tuple[weakref.ref, int]] = []

        def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if out._base is None:  # views have no memory of their own
                self._all.append((weakref.ref(out), out.nbytes))
                self.made += out.nbytes
            self.most = max(self.most, sum(count for ref, count in self._all if ref() is not None))
            return out

    model = CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model
    with torch.no_grad(), Living() as living:
        TorchGraph(model)(torch.zeros(1, 256, 256, 3, dtype=torch.uint8))
    assert living.most < living.made / 4


def test_bf16_draws_nearly_the_same() -> None:
    made, truth = both(CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model, "bf16")
    assert 0 < np.abs(made - truth).mean() < 3


def test_the_callers_buffers_are_its_own_again() -> None:
    model = CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model
    backend = of_onnx(model, device="cpu")
    first, second = given(model)
    outs = np.empty((3, *backend.output_spec.shape[1:]), np.uint8)
    for image, out in zip((first, second, first), outs, strict=True):
        backend.run(image, out)
    np.testing.assert_array_equal(outs[0], outs[2])
    assert (outs[0] != outs[1]).any()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.run(first, outs[0])


def graph_of(node: onnx.NodeProto, *constants: onnx.TensorProto) -> bytes:
    graph = helper.make_graph(
        [node], "one",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 8, 8, 3])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [1, 8, 8, 3])],
        list(constants),
    )  # fmt: skip
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def test_what_it_does_not_know_is_told() -> None:
    with pytest.raises(BackendError, match="not ReduceMax"):
        of_onnx(stick_model(64).SerializeToString(), device="cpu")
    with pytest.raises(BackendError, match="not DequantizeLinear"):
        of_onnx((ASSETS / "painter.int8.onnx").read_bytes(), device="cpu")
    with pytest.raises(BackendError, match="torch runs fp32, fp16 and bf16, not int8"):
        of_onnx(b"", "int8", device="cpu")
    scales = helper.make_tensor("s", TensorProto.FLOAT, [4], [1, 1, 1, 1])
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], mode="linear")
    with pytest.raises(BackendError, match="nearest pixel, not by linear"):
        of_onnx(graph_of(node, scales), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_offers_nothing() -> None:
    assert precisions() == ()
    with pytest.raises(BackendError, match="torch finds no NVIDIA GPU here"):
        open_backend(CharacterBundle.load(DEFAULT_CHARACTER).need_generator(), "fp16")


@pytest.mark.gpu
@pytest.mark.skipif(cuda.why_not() is not None, reason=str(cuda.why_not()))
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_real_gpu_draws_as_onnx_runtime_does(precision: str) -> None:
    network = CharacterBundle.load(DEFAULT_CHARACTER).need_generator()
    backend, other = open_backend(network, precision), OnnxRuntimeBackend(network.model)
    assert "one CUDA graph a frame" in backend.name
    made, truth = np.empty((2, *other.output_spec.shape[1:]), np.uint8)
    for image in given(network.model, 4):
        backend.run(image, made)
        other.run(image, truth)
        assert np.abs(made.astype(int) - truth).mean() < 3
    assert 0 < backend.time_ms() < 1000
    backend.close()
    other.close()

"""What runs pose networks, without the networks: what is there, and what is not."""

import sys
from typing import get_args

import numpy as np
import pytest
from onnx import TensorProto, helper

from engine.backends import onnxruntime, openvino
from engine.commands.options import PoseRuntimeName
from engine.errors import BackendError, MissingDependency, PoseError, ProviderMissing
from engine.pose.estimator import PoseRuntime, open_estimator
from engine.pose.runners import DEVICES, RUNNERS, open_runner
from tests.marks import needs_openvino
from tests.providers import claim_cuda


def two_results() -> bytes:
    """`image` (1, 2, 2, 3) in bytes to itself in floats, and to its double."""
    nodes = [
        helper.make_node("Cast", ["image"], ["same"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["same", "same"], ["double"]),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 2, 2, 3])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 2, 3])
            for name in ("same", "double")
        ],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


@pytest.mark.parametrize("name", ["onnx", pytest.param("openvino", marks=needs_openvino)])
def test_all_results_come_in_order_and_are_the_callers(name: str) -> None:
    run = open_runner(name, two_results(), 1)
    image = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    first = run(image)
    run(image + 1)
    for factor, result in zip((1, 2), first, strict=True):
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, factor * image.astype(np.float32))
    with pytest.raises(PoseError, match="failed"):
        run(np.zeros((1, 3, 3, 3), np.uint8))


def test_what_is_missing_is_told_with_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnxruntime.load(), "get_available_providers", lambda: ["CPUExecutionProvider"]
    )
    model = two_results()
    with pytest.raises(ProviderMissing, match=r"no CUDAExecutionProvider .*CPUExecutionProvider"):
        open_runner("onnx-cuda", model, 1)
    with pytest.raises(ValueError, match=r"must be mediapipe, onnx, .*openvino-gpu, but it is 'o'"):
        open_estimator("o", "full")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not by 'magic'"):
        open_runner("magic", b"", 1)
    with pytest.raises(BackendError, match="cannot load a pose network"):
        open_runner("onnx", b"no model", 1)


def test_a_provider_that_falls_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    claim_cuda(monkeypatch)
    with pytest.raises(BackendError, match="does not start here"):
        open_runner("onnx-cuda", two_results(), 1)


def test_without_openvino_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for name in DEVICES:
        with pytest.raises(MissingDependency, match=r"\.\[openvino\]"):
            open_runner(name, two_results(), 1)


@needs_openvino
def test_openvino_says_what_is_missing() -> None:
    if "GPU" not in openvino.devices():
        with pytest.raises(ProviderMissing, match="no device GPU here; present: CPU"):
            open_runner("openvino-gpu", b"", 1)
    with pytest.raises(BackendError, match="cannot load a pose network"):
        open_runner("openvino", b"no model", 1)


def test_every_runner_can_be_asked_for_on_the_command_line() -> None:
    names = {name.value for name in PoseRuntimeName}
    assert names == {"mediapipe", *RUNNERS} == set(get_args(PoseRuntime))

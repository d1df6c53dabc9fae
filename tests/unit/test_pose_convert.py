"""The reader of .tflite files and their conversion to ONNX, operator by operator."""

import numpy as np
import onnx
import pytest
from mediapipe.tasks.metadata import schema_py_generated as schema
from numpy.typing import NDArray

from engine.backends.onnxruntime import load
from engine.errors import ModelCorrupt
from engine.pose.tflite import read
from engine.pose.tflite_onnx import convert
from tests import naive_pose as naive
from tests.tflites import RELU, RELU6, SAME, VALID, Builder, options

PICTURE = np.random.default_rng(0).integers(0, 256, (1, 6, 8, 3), dtype=np.uint8)
SCALED = (PICTURE[0].astype(np.float64) - 127.5) / 127.5


def normal(*shape: int, dtype: type = np.float32) -> NDArray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def run(content: bytes, image: NDArray[np.uint8] = PICTURE) -> NDArray[np.float32]:
    """The first output of a .tflite file, converted."""
    model = convert(read(content), mean=127.5, std=127.5, outputs={"out": 0})
    session = load().InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


def last(picture: NDArray) -> NDArray:
    """Channels last, as the twins have it."""
    return picture[0].transpose(1, 2, 0)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("window", [1, 3, 4])
def test_convolutions_pad_as_tensorflow_does(stride: int, window: int) -> None:
    build = Builder()
    image, out = build.value(1, 6, 8, 3), build.value(1, -(-6 // stride), -(-8 // stride), 5)
    kernel, bias = normal(5, window, window, 3), normal(5)
    build.conv(
        image, build.weights(kernel), build.weights(bias), out,
        padding=SAME, strideW=stride, strideH=stride, fusedActivationFunction=RELU6,
    )  # fmt: skip
    expected = np.clip(naive.convolution(SCALED, kernel, bias, stride), 0, 6)
    np.testing.assert_allclose(last(run(build.finish([image], [out]))), expected, atol=1e-5)


def test_depthwise_convolutions_keep_channels_apart() -> None:
    build = Builder()
    image, out = build.value(1, 6, 8, 3), build.value(1, 3, 4, 3)
    kernel, bias = normal(1, 3, 3, 3), normal(3)
    build.depthwise(
        image, build.weights(kernel), build.weights(bias), out,
        padding=SAME, strideW=2, strideH=2, depthMultiplier=1, fusedActivationFunction=RELU,
    )  # fmt: skip
    expected = np.maximum(naive.convolution(SCALED, kernel, bias, 2, depthwise=True), 0)
    np.testing.assert_allclose(last(run(build.finish([image], [out]))), expected, atol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_half_precision_and_sparse_weights_are_widened(sparse: bool) -> None:
    build = Builder()
    image, out = build.value(1, 6, 8, 3), build.value(1, 6, 8, 4)
    kernel = normal(4, 1, 1, 3, dtype=np.float16)
    kernel[1] = 0
    kernel[2, ..., 1] = 0
    narrow = build.sparse(kernel) if sparse else build.weights(kernel)
    if sparse:
        narrow = build.add(124, [narrow], build.value(4, 1, 1, 3))
    wide = build.add(6, [narrow], build.value(4, 1, 1, 3))
    build.conv(
        image, wide, build.weights(np.zeros(4, np.float32)), out, padding=VALID,
        strideW=1, strideH=1,
    )  # fmt: skip
    expected = naive.convolution(SCALED, kernel.astype(np.float64), np.zeros(4), 1)
    np.testing.assert_allclose(last(run(build.finish([image], [out]))), expected, atol=1e-5)


def test_pictures_are_padded_pooled_added_and_enlarged() -> None:
    build = Builder()
    image = build.value(1, 6, 8, 3)
    amounts = np.array([[0, 0], [1, 1], [2, 2], [0, 1]], np.int32)
    padded = build.add(34, [image, build.weights(amounts)], build.value(1, 8, 12, 4))
    pool = options(
        schema.Pool2DOptionsT, padding=VALID, strideW=2, strideH=2, filterWidth=2, filterHeight=2
    )
    pooled = build.add(17, [padded], build.value(1, 4, 6, 4), pool, 5)
    twice = build.add(0, [pooled, pooled], build.value(1, 4, 6, 4), schema.AddOptionsT(), 11)
    resize = options(schema.ResizeBilinearOptionsT, halfPixelCenters=True)
    sizes = build.weights(np.array([8, 12], np.int32))
    large = build.add(23, [twice, sizes], build.value(1, 8, 12, 4), resize, 15)
    expected = np.pad(SCALED, amounts[1:])
    expected = 2 * expected.reshape(4, 2, 6, 2, 4).max(axis=(1, 3))
    got = last(run(build.finish([image], [large])))
    np.testing.assert_allclose(got, naive.enlarge(expected, 2), atol=1e-5)


def test_channels_become_pixels() -> None:
    build = Builder()
    image = build.value(1, 6, 8, 3)
    amounts = build.weights(np.array([[0, 0], [0, 0], [0, 0], [0, 5]], np.int32))
    eight = build.add(34, [image, amounts], build.value(1, 6, 8, 8))
    blocks = options(schema.DepthToSpaceOptionsT, blockSize=2)
    out = build.add(5, [eight], build.value(1, 12, 16, 2), blocks, 94)
    cells = np.pad(SCALED, ((0, 0), (0, 0), (0, 5))).reshape(6, 8, 2, 2, 2)
    expected = cells.transpose(0, 2, 1, 3, 4).reshape(12, 16, 2)
    np.testing.assert_allclose(last(run(build.finish([image], [out]))), expected, atol=1e-6)


def test_lists_are_in_the_order_of_tensorflow() -> None:
    build = Builder()
    image = build.value(1, 6, 8, 3)
    shape = build.weights(np.array([1, 24, 6], np.int32))
    rows = build.add(22, [image, shape], build.value(1, 24, 6))
    axis = options(schema.ConcatenationOptionsT, axis=1)
    both = build.add(2, [rows, rows], build.value(1, 48, 6), axis, 10)
    out = build.add(14, [both], build.value(1, 48, 6))
    expected = 1 / (1 + np.exp(-np.concatenate([SCALED.reshape(24, 6)] * 2)))
    np.testing.assert_allclose(run(build.finish([image], [out]))[0], expected, atol=1e-6)


def test_what_nobody_asks_for_is_left_out() -> None:
    build = Builder()
    image = build.value(1, 6, 8, 3)
    outs = [build.add(14, [image], build.value(1, 6, 8, 3)) for _ in range(3)]
    network = read(build.finish([image], outs))
    model = onnx.load_model_from_string(
        convert(network, mean=0.0, std=255.0, outputs={"last": 2}, metadata={"licence": "MIT"})
    )
    assert [node.op_type for node in model.graph.node].count("Sigmoid") == 1
    assert [out.name for out in model.graph.output] == ["last"]
    assert {prop.key: prop.value for prop in model.metadata_props} == {"licence": "MIT"}


def small() -> bytes:
    build = Builder()
    image, out = build.value(1, 6, 8, 3), build.value(1, 6, 8, 2)
    kernel, bias = build.sparse(normal(2, 1, 1, 3, dtype=np.float16)), build.weights(normal(2))
    build.conv(image, kernel, bias, out, padding=SAME, strideW=1, strideH=1)
    return build.finish([image], [out])


def test_a_foreign_file_is_refused() -> None:
    for content in (b"", b"PK\x03\x04 a zip", b"\x00" * 64):
        with pytest.raises(ModelCorrupt, match="begins with"):
            read(content)


def test_an_unknown_operator_is_named_with_those_that_are_known() -> None:
    build = Builder()
    image = build.value(1, 6, 8, 3)
    out = build.add(31, [image], build.value(1, 6, 8, 3))
    with pytest.raises(ModelCorrupt, match=r"operator 31 is not known.*3 \(conv\)"):
        read(build.finish([image], [out]))


def test_a_damaged_file_is_refused_and_nothing_worse() -> None:
    whole = small()
    rng = np.random.default_rng(1)
    damaged = [whole[:size] for size in range(8, len(whole), 5)]
    for _ in range(400):
        content = bytearray(whole)
        content[rng.integers(8, len(whole))] = rng.integers(256)
        damaged.append(bytes(content))
    refused = 0
    for content in damaged:
        try:
            convert(read(content), mean=0.0, std=255.0, outputs={"out": 0})
        except ModelCorrupt:
            refused += 1
    assert refused > 100

"""The least time that a network could take here: its work over what this machine was seen to do.

Operations are those of convolutions and matrix products, two for each multiplication with its
addition. Bytes are the weights and the network's own input and output, each moved once: what a
perfect program would have to move. The ceilings are measured in the same run, with the same runtime
and as many threads: a large matrix product in each precision (in OpenVINO's int8, which knows no
bare product, a large convolution), and a copy of more memory than any cache holds. A network above
its floor wastes time; how much of that can be had back is another question, since no large product
has a network's awkward shapes.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_SIDE: Final = 1024  # of the matrices
_CHANNELS: Final = 512  # of the convolution, over
_PIXELS: Final = 32  # in width and height
_REPEATS: Final = 8
_COPY_BYTES: Final = 256 * 1024 * 1024
_INT8: Final = "int8"


@dataclass(frozen=True, slots=True)
class Work:
    """What a network has to do for one frame."""

    operations: float
    bytes: float

    def floor_ms(self, ceiling: "Ceiling") -> float:
        """The least time under a ceiling: its arithmetic or its memory, whichever is slower."""
        arithmetic = self.operations / ceiling.operations_per_s
        return 1e3 * max(arithmetic, self.bytes / ceiling.bytes_per_s)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What the machine was seen to do."""

    operations_per_s: float
    bytes_per_s: float

    def __str__(self) -> str:
        return (
            f"{1e-9 * self.operations_per_s:.0f} billion operations/s, "
            f"{1e-9 * self.bytes_per_s:.1f} GB/s"
        )


def work_of(model: bytes) -> Work:
    """Count a model's work; its shapes must be fixed.

    Raises:
        ValueError: a shape that is needed is not known.
    """
    import onnx
    from onnx import numpy_helper, shape_inference

    graph = shape_inference.infer_shapes(onnx.load_from_string(model)).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {weight.name: list(weight.dims) for weight in graph.initializer}
    operations = 0.0
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            weight = shapes[_through(graph, node.input[1], shapes)]
            # Each output of a convolution, or each input of a transposed one, meets one kernel.
            where = _fixed(shapes, node.output[0] if node.op_type == "Conv" else node.input[0])
            operations += 2.0 * np.prod(where) * np.prod(weight[1:])
        elif node.op_type in ("MatMul", "Gemm"):
            made = _fixed(shapes, node.output[0])
            left = shapes[_through(graph, node.input[0], shapes)]
            transposed = any(a.name == "transA" and a.i for a in node.attribute)
            operations += 2.0 * np.prod(made) * left[0 if transposed else -1]
    moved = sum(numpy_helper.to_array(weight).nbytes for weight in graph.initializer)
    for value in (*graph.input, *graph.output):
        dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        moved += int(np.prod(shapes[value.name])) * dtype.itemsize
    return Work(float(operations), float(moved))


def _through(graph: Any, name: str, shapes: dict[str, list[int]]) -> str:
    """A tensor whose shape is known: itself, or what it is dequantised from."""
    while name not in shapes:
        name = next(node.input[0] for node in graph.node if name in node.output)
    return name


def _fixed(shapes: dict[str, list[int]], name: str) -> list[int]:
    shape = shapes.get(name, [])
    if not shape or not all(shape):
        raise ValueError(f"the shape of {name} is not fixed: {shape or 'nothing is known of it'}")
    return shape


def ceiling(runtime: str, precision: str, threads: int) -> Ceiling:
    """Measure it.

    Args:
        runtime: "ONNX Runtime" or "OpenVINO".
        precision: fp32, bf16 or int8; what ONNX Runtime has no quick product for is not asked.
        threads: processor threads.
    """
    operations = 2.0 * _SIDE**3
    if runtime == "ONNX Runtime":
        run = _onnxruntime(precision, threads)
    elif precision == _INT8:
        operations = 2.0 * (3 * _CHANNELS * _PIXELS) ** 2
        model, pixels = _convolution()
        run = _openvino(model, pixels, "f32", threads)
    else:
        model, left = _product("fp32")
        hint = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[precision]
        run = _openvino(model, left, hint, threads)
    return Ceiling(operations / _best_s(run), copy_bytes_per_s())


def copy_bytes_per_s() -> float:
    """How fast one thread copies memory, reading and writing counted."""
    source = np.ones(_COPY_BYTES // 8)
    target = np.empty_like(source)
    return 2 * source.nbytes / _best_s(lambda: np.copyto(target, source))


def _best_s(call: Callable[[], object]) -> float:
    call()
    spent = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def _product(precision: str) -> tuple[bytes, NDArray[Any]]:
    """A network of one matrix product, and its input."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    if precision == _INT8:
        left = rng.integers(0, 255, (_SIDE, _SIDE), np.uint8)
        right = rng.integers(-127, 127, (_SIDE, _SIDE), np.int8)
        kinds, name = (TensorProto.UINT8, TensorProto.INT32), "MatMulInteger"
    else:
        left = rng.standard_normal((_SIDE, _SIDE), np.float32)
        right = rng.standard_normal((_SIDE, _SIDE), np.float32)
        kinds, name = (TensorProto.FLOAT, TensorProto.FLOAT), "MatMul"
    graph = helper.make_graph(
        [helper.make_node(name, ["left", "right"], ["made"])], "product",
        [helper.make_tensor_value_info("left", kinds[0], left.shape)],
        [helper.make_tensor_value_info("made", kinds[1], left.shape)],
        [numpy_helper.from_array(right, "right")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(model)), left


def _onnxruntime(precision: str, threads: int) -> Callable[[], object]:
    from engine.backends.onnxruntime import load

    runtime = load()
    model, left = _product(precision)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": left})


def _openvino(model: bytes, given: NDArray[Any], hint: str, threads: int) -> Callable[[], object]:
    import openvino

    compiled = openvino.Core().compile_model(
        openvino.Core().read_model(model),
        "CPU",
        {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads},
    )
    request = compiled.create_infer_request()
    return lambda: request.infer({0: given})


def _convolution() -> tuple[bytes, NDArray[Any]]:
    """A network of one 3 x 3 convolution in int8, as `export.precision` makes them; its input."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (1, _CHANNELS, _PIXELS, _PIXELS)).astype(np.float32)
    constants: dict[str, NDArray[Any]] = {
        "one": np.array(1, np.float32),
        "zero": np.array(0, np.uint8),
        "weight": rng.integers(-127, 127, (_CHANNELS, _CHANNELS, 3, 3), np.int8),
        "steps": np.full(_CHANNELS, 1e-3, np.float32),
        "zeros": np.zeros(_CHANNELS, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["pixels", "one", "zero"], ["bytes"]),
        helper.make_node("DequantizeLinear", ["bytes", "one", "zero"], ["real"]),
        helper.make_node("DequantizeLinear", ["weight", "steps", "zeros"], ["kernel"], axis=0),
        helper.make_node("Conv", ["real", "kernel"], ["made"], pads=[1, 1, 1, 1]),
    ]
    graph = helper.make_graph(
        nodes, "convolution",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, pixels.shape)],
        [helper.make_tensor_value_info("made", TensorProto.FLOAT, pixels.shape)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(onnx.ModelProto.SerializeToString(model)), pixels

"""Converts a .tflite network to ONNX: the dozen operators that MediaPipe's pose networks have.

TensorFlow keeps pictures as (1, height, width, channels), ONNX as (1, channels, height, width);
everything in between is turned round once, at conversion. What differs on purpose:

- the input is the 8-bit picture, (1, H, W, 3) uint8, scaled inside the graph;
- outputs that are pictures stay channels first, and outputs that nobody asks for are left out
  with all that only they need;
- weights in half precision stay so in the file and are widened when the network is loaded.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelCorrupt
from engine.pose.tflite import Network, Operator

OPSET = 17
_IR_VERSION = 9

_CHANNELS_FIRST = (0, 3, 1, 2)
_CHANNELS_LAST = (0, 2, 3, 1)


def convert(
    network: Network,
    *,
    mean: float,
    std: float,
    outputs: dict[str, int],
    metadata: dict[str, str] | None = None,
) -> bytes:
    """An ONNX file of the network.

    Args:
        network: one input, a picture (1, H, W, 3).
        mean, std: the network sees (pixel - mean) / std.
        outputs: which outputs to keep, by their number in the file, and how to name them.
        metadata: kept in the ONNX file.

    Raises:
        ModelCorrupt: the network has something that has no counterpart here.
    """
    import onnx

    writer = _Writer(network)
    try:
        writer.begin(mean, std)
        for operator in _needed(network, [network.outputs[i] for i in outputs.values()]):
            writer.add(operator)
        writer.end({name: network.outputs[i] for name, i in outputs.items()})
    except (LookupError, ValueError, TypeError, ArithmeticError) as error:
        raise ModelCorrupt(f"the network cannot be converted: {error}") from error
    helper = onnx.helper
    graph = helper.make_graph(
        writer.nodes, "pose", writer.inputs, writer.outputs, writer.initializers
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="ayatsuri",
    )
    helper.set_model_props(model, metadata or {})
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelCorrupt(f"the network contradicts itself: {error}") from error
    content: bytes = model.SerializeToString()
    return content


def _needed(network: Network, outputs: Sequence[int]) -> list[Operator]:
    wanted = set(outputs)
    needed = []
    for operator in reversed(network.operators):
        if wanted & set(operator.outputs):
            needed.append(operator)
            wanted |= set(operator.inputs)
    return needed[::-1]


class _Writer:
    """Collects the nodes of an ONNX graph."""

    def __init__(self, network: Network) -> None:
        import onnx

        self._helper: Any = onnx.helper
        self._numpy: Any = onnx.numpy_helper
        self._types: Any = onnx.TensorProto
        self._network = network
        self._names: dict[int, str] = {}
        # What a weight is, as far as it is known at conversion.
        self._constants = {
            index: tensor.constant
            for index, tensor in enumerate(network.tensors)
            if tensor.constant is not None
        }
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def begin(self, mean: float, std: float) -> None:
        """The input and its scaling."""
        (index,) = self._network.inputs
        shape = self._shape(index)
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3:
            raise ValueError(f"the input should be (1, H, W, 3), but it is {shape}")
        self.inputs.append(
            self._helper.make_tensor_value_info("image", self._types.UINT8, list(shape))
        )
        first = self._node("Transpose", ["image"], perm=_CHANNELS_FIRST)
        wide = self._node("Cast", [first], to=self._types.FLOAT)
        scaled = self._node("Mul", [wide, self._constant(np.array(1 / std, np.float32))])
        if mean:
            offset = self._constant(np.array(-mean / std, np.float32))
            scaled = self._node("Add", [scaled, offset])
        self._names[index] = scaled

    def end(self, outputs: dict[str, int]) -> None:
        """Name the outputs."""
        for name, index in outputs.items():
            shape = self._shape(index)
            if len(shape) == 4:
                shape = tuple(shape[axis] for axis in _CHANNELS_FIRST)
            self._node("Identity", [self._names[index]], output=name)
            self.outputs.append(
                self._helper.make_tensor_value_info(name, self._types.FLOAT, list(shape))
            )

    def add(self, operator: Operator) -> None:
        """The counterpart of one operator."""
        (output,) = operator.outputs
        if operator.kind in ("dequantize", "densify"):
            # Weights only: sparse ones have been filled up by the reader.
            self._constants[output] = self._constants[operator.inputs[0]]
            return
        method = getattr(self, f"_{operator.kind}")
        self._names[output] = self._activated(method(operator), operator.options.get("activation"))

    def _shape(self, index: int) -> tuple[int, ...]:
        return self._network.tensors[index].shape

    def _node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, inputs, [output], **attributes))
        return output

    def _constant(self, value: NDArray[Any]) -> str:
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(self._numpy.from_array(np.ascontiguousarray(value), name))
        if value.dtype == np.float16:
            return self._node("Cast", [name], to=self._types.FLOAT)
        return name

    def _activated(self, name: str, activation: str | None) -> str:
        match activation:
            case None:
                return name
            case "relu":
                return self._node("Relu", [name])
            case "relu6":
                bounds = [self._constant(np.array(limit, np.float32)) for limit in (0, 6)]
                return self._node("Clip", [name, *bounds])
        raise ValueError(f"the activation {activation} is not known")

    def _conv(self, operator: Operator) -> str:
        kernel = self._constants[operator.inputs[1]].transpose(0, 3, 1, 2)  # OHWI to OIHW
        return self._convolution(operator, kernel, groups=1)

    def _depthwise_conv(self, operator: Operator) -> str:
        kernel = self._constants[operator.inputs[1]].transpose(3, 0, 1, 2)  # 1HWO to O1HW
        return self._convolution(operator, kernel, groups=self._shape(operator.inputs[0])[3])

    def _convolution(self, operator: Operator, kernel: NDArray[Any], groups: int) -> str:
        inputs = [self._names[operator.inputs[0]], self._constant(kernel)]
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
            inputs.append(self._constant(self._constants[operator.inputs[2]]))
        return self._node(
            "Conv", inputs, group=groups, kernel_shape=kernel.shape[2:],
            strides=operator.options["strides"], dilations=operator.options["dilations"],
            pads=self._pads(operator, kernel.shape[2:], operator.options["dilations"]),
        )  # fmt: skip

    def _max_pool(self, operator: Operator) -> str:
        window = operator.options["window"]
        return self._node(
            "MaxPool", [self._names[operator.inputs[0]]], kernel_shape=window,
            strides=operator.options["strides"], pads=self._pads(operator, window, (1, 1)),
        )  # fmt: skip

    def _pads(
        self, operator: Operator, window: Sequence[int], dilations: Sequence[int]
    ) -> list[int]:
        """Top, left, bottom, right. "same" gives ceil(size / stride); an odd one goes last."""
        if operator.options["padding"] == "valid":
            return [0, 0, 0, 0]
        first, last = [], []
        for axis in (0, 1):
            size = self._shape(operator.inputs[0])[1 + axis]
            stride = operator.options["strides"][axis]
            reach = (window[axis] - 1) * dilations[axis] + 1
            total = max((-(-size // stride) - 1) * stride + reach - size, 0)
            first.append(total // 2)
            last.append(total - total // 2)
        return first + last

    def _add(self, operator: Operator) -> str:
        a, b = operator.inputs
        if self._shape(a) != self._shape(b):
            raise ValueError(f"a sum of {self._shape(a)} and {self._shape(b)}")
        return self._node("Add", [self._names[a], self._names[b]])

    def _logistic(self, operator: Operator) -> str:
        return self._node("Sigmoid", [self._names[operator.inputs[0]]])

    def _pad(self, operator: Operator) -> str:
        amounts = self._constants[operator.inputs[1]]
        if len(amounts) == 4:
            amounts = amounts[list(_CHANNELS_FIRST)]
        pads = self._constant(amounts.T.reshape(-1).astype(np.int64))
        return self._node("Pad", [self._names[operator.inputs[0]], pads])

    def _resize_bilinear(self, operator: Operator) -> str:
        height, width = self._shape(operator.outputs[0])[1:3]
        channels = self._shape(operator.inputs[0])[3]
        sizes = self._constant(np.array([1, channels, height, width], np.int64))
        mode = (
            "align_corners" if operator.options["corners"]
            else "half_pixel" if operator.options["half_pixels"]
            else "asymmetric"
        )  # fmt: skip
        return self._node(
            "Resize", [self._names[operator.inputs[0]], "", "", sizes],
            mode="linear", coordinate_transformation_mode=mode,
        )  # fmt: skip

    def _depth_to_space(self, operator: Operator) -> str:
        return self._node(
            "DepthToSpace", [self._names[operator.inputs[0]]],
            blocksize=operator.options["block"], mode="DCR",
        )  # fmt: skip

    def _reshape(self, operator: Operator) -> str:
        source, target = self._shape(operator.inputs[0]), self._shape(operator.outputs[0])
        name = self._names[operator.inputs[0]]
        if len(target) == 4:
            raise ValueError(f"a picture made of {source}")
        if len(source) == 4:
            name = self._node("Transpose", [name], perm=_CHANNELS_LAST)
        return self._node("Reshape", [name, self._constant(np.array(target, np.int64))])

    def _concatenation(self, operator: Operator) -> str:
        axis = operator.options["axis"]
        if len(self._shape(operator.outputs[0])) == 4:
            axis = _CHANNELS_FIRST.index(axis % 4)
        return self._node("Concat", [self._names[index] for index in operator.inputs], axis=axis)

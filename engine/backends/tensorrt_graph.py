"""Networks in the form that TensorRT takes: rewritten, not retrained."""

from typing import Any, Final

import numpy as np

from engine.errors import BackendError
from engine.half import drop_unused

_LEVELS: Final = 127  # of int8 to either side of 0


def acceptable(model: bytes) -> bytes:
    """The same network in the form that TensorRT takes: bytes are cast first and made last.

    It has no operator on uint8 but the cast, so the transposition trades places with it. What is
    in int8 becomes symmetric, see `make_symmetric`.

    Raises:
        BackendError: no ONNX file, or one in int8 of a kind that is not known here.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(model)
    except (DecodeError, ValueError) as error:
        raise BackendError(f"this is no ONNX file: {error}") from error
    makers = {name: node for node in proto.graph.node for name in node.output}
    ends = {value.name for value in (*proto.graph.input, *proto.graph.output)}
    for second in proto.graph.node:
        first = makers.get(second.input[0]) if len(second.input) == 1 else None
        if first is None:
            continue
        pair = (first.op_type, second.op_type)
        inbound = pair == ("Transpose", "Cast") and first.input[0] in ends
        outbound = pair == ("Cast", "Transpose") and second.output[0] in ends
        if inbound or outbound:
            first.op_type, second.op_type = second.op_type, first.op_type
            kept = list(first.attribute)
            del first.attribute[:]
            first.attribute.extend(second.attribute)
            del second.attribute[:]
            second.attribute.extend(kept)
    make_symmetric(proto)
    del proto.graph.value_info[:]  # of what was between them
    return bytes(proto.SerializeToString())


def make_symmetric(proto: Any) -> None:
    """Change a network in int8 from the form that processors like into TensorRT's, in place.

    Processors take activations as uint8 with a zero point, and biases as int32. TensorRT takes
    int8 around 0, and biases in float; single numbers, such as a fusion block's factor, become
    float, too. The ranges are those of the file: an activation's new scale covers the further end
    of its old range, so what was calibrated stays calibrated, at the cost of one bit where numbers
    are of one sign. Where they start at 0, they do so because the rounding cuts off what is below,
    in place of a Relu that was there once: it comes back. Weights stay as they are. A network
    without int8 is left alone.

    Raises:
        BackendError: quantised in another way than `export.precision` does it.
    """
    from onnx import helper, numpy_helper

    graph = proto.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}

    def value(name: str) -> Any:
        if name not in constants:
            raise BackendError(f"TensorRT cannot take this int8: {name} is no constant")
        return numpy_helper.to_array(constants[name])

    def constant(name: str, content: Any) -> str:
        if name not in constants:
            graph.initializer.append(numpy_helper.from_array(content, name))
            constants[name] = graph.initializer[-1]
        return name

    kept = []
    for node in graph.node:
        kept.append(node)
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if len(node.input) < 3:
            raise BackendError(f"TensorRT cannot take this int8: {node.name} has no zero point")
        scale, zero = value(node.input[1]), value(node.input[2])
        if node.input[0] in constants:  # of weights and biases
            stored = value(node.input[0])
            if stored.dtype == np.int32 or stored.size == 1:  # biases; factors
                meant = (stored - zero.astype(np.float64)) * scale.astype(np.float64)
                kept.pop()
                constant(node.output[0], meant.astype(np.float32))
            elif stored.dtype != np.int8 or zero.any():
                raise BackendError(
                    f"TensorRT takes weights in int8 around 0, but {node.input[0]} is "
                    f"{stored.dtype} around {zero.max()}"
                )
        elif zero.dtype == np.uint8 and zero.ndim == 0:
            reach = max(int(zero), 255 - int(zero))
            symmetric = np.array(scale * np.float32(reach / _LEVELS), np.float32)
            node.input[1] = constant(f"{node.input[1]}.reach_{reach}", symmetric)
            node.input[2] = constant("symmetric_zero", np.array(0, np.int8))
            if node.op_type == "QuantizeLinear" and zero == 0:
                name = f"{node.output[0]}.above_0"
                kept.insert(-1, helper.make_node("Relu", [node.input[0]], [name], name=name))
                node.input[0] = name
        elif zero.dtype != np.int8 or zero.any():
            raise BackendError(
                f"TensorRT takes activations in int8 around 0, but {node.input[0]} is "
                f"{zero.dtype} around {zero.max()}"
            )
    del graph.node[:]
    graph.node.extend(kept)
    drop_unused(proto)

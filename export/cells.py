"""The end of a generator's graph in the form that runtimes are quickest at; the same picture.

A generator ends in a convolution, whose results are logits, and in what makes bytes of them. Here
that convolution draws a cell of 2 x 2 pixels at once, and the end works on whole cells, without
taking channels apart.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from engine.half import after_last_conv, drop_unused

CELL = 2
"""Width and height in pixels of what the last convolution draws at once."""

_PIXELS = CELL**2
_CHANNELS = 4  # RGBA
_OPAQUE = 100.0  # a logit whose sigmoid is 1
_END = ("Sigmoid", "Slice", "Slice", "Mul", "Concat", "Mul", "Round", "Cast", "Transpose")
_SHUFFLED_END = ("DepthToSpace", *_END)


def in_cells(model: bytes) -> bytes:
    """The same generator with its end in cells; one that is so already comes back as it is.

    Args:
        model: fp32, as `export.onnx.BakedGenerator` is exported.

    Raises:
        ValueError: it ends in another way.
    """
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    end = after_last_conv(proto)
    kinds = tuple(node.op_type for node in end)
    if "Conv" in kinds:
        return model
    if kinds not in (_END, _SHUFFLED_END):
        raise ValueError(
            f"expected the end of a baked generator, {', '.join(_END)}, found {', '.join(kinds)}"
        )
    last = graph.node[len(graph.node) - len(end) - 1]
    if kinds == _END:
        _widen(proto, last)
    picture = graph.output[0].name
    for node in end:
        graph.node.remove(node)
    weight, bias = _spread_alphas()
    # The cells are shuffled before they are bytes: TensorRT moves no bytes but by transposing.
    graph.initializer.extend(
        numpy_helper.from_array(values, name)
        for name, values in (
            ("alphas.weight", weight), ("alphas.bias", bias), ("levels", np.array(255, np.float32))
        )
    )  # fmt: skip
    logits = last.output[0]
    for kind, inputs, output, attributes in (
        ("Sigmoid", [logits], "straight", {}),
        ("Conv", [logits, "alphas.weight", "alphas.bias"], "alphas", {"kernel_shape": [1, 1]}),
        ("Sigmoid", ["alphas"], "covered", {}),
        ("Mul", ["straight", "covered"], "cells", {}),
        ("Mul", ["cells", "levels"], "cells_255", {}),
        ("Round", ["cells_255"], "cells_rounded", {}),
        ("DepthToSpace", ["cells_rounded"], "rounded", {"blocksize": CELL, "mode": "CRD"}),
        ("Cast", ["rounded"], "bytes", {"to": onnx.TensorProto.UINT8}),
        ("Transpose", ["bytes"], picture, {"perm": [0, 2, 3, 1]}),
    ):
        graph.node.append(
            helper.make_node(kind, inputs, [output], name=f"node_{output}", **attributes)
        )
    drop_unused(proto)
    del graph.value_info[:]
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def _widen(proto: onnx.ModelProto, conv: Any) -> None:
    """Let a convolution that draws pixel by pixel draw cells.

    It has four results, while processors calculate sixteen at a time. So it moves in steps of a
    cell, with its kernel once for each pixel of it.
    """
    constants = {tensor.name: tensor for tensor in proto.graph.initializer}
    kernel = numpy_helper.to_array(constants[conv.input[1]])  # (4, inner, height, width)
    channels, inner, height, width = kernel.shape
    more = CELL - 1
    wide = np.zeros((channels, CELL, CELL, inner, height + more, width + more), kernel.dtype)
    for y in range(CELL):
        for x in range(CELL):
            wide[:, y, x, :, y : y + height, x : x + width] = kernel
    _set(constants[conv.input[1]], wide.reshape(channels * _PIXELS, *wide.shape[3:]))
    if len(conv.input) == 3:
        bias = numpy_helper.to_array(constants[conv.input[2]])
        _set(constants[conv.input[2]], bias.repeat(_PIXELS))
    for attribute in conv.attribute:
        if attribute.name == "strides":
            attribute.ints[:] = [CELL, CELL]
        elif attribute.name == "kernel_shape":
            attribute.ints[:] = wide.shape[-2:]


def _set(tensor: onnx.TensorProto, values: NDArray[np.float32]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def _spread_alphas() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weight and bias of the logits by whose sigmoid each channel of a cell is multiplied.

    For a colour that is its pixel's alpha, for alpha it is one. Runtimes take longer to split
    channels and join them again than to multiply with zeros.
    """
    colours, count = (_CHANNELS - 1) * _PIXELS, _CHANNELS * _PIXELS
    weight = np.zeros((count, count, 1, 1), np.float32)
    bias = np.zeros(count, np.float32)
    for channel in range(colours):
        weight[channel, colours + channel % _PIXELS] = 1
    bias[colours:] = _OPAQUE
    return weight, bias

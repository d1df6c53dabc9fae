"""An ONNX file as a torch module, for GPUs: the operators that our networks have, and no others.

A bundle holds no torch weights, and needs none: its ONNX file says all. Captured in a CUDA graph,
walking through it costs nothing per frame. Networks in int8 are left to other runtimes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import BackendError

Attributes = Mapping[str, Any]

_SHAPED: Final = ("Clip", "Pad", "Reshape", "Resize", "Slice")
"""Operators whose further inputs are numbers, such as sizes and limits."""

_TYPES: Final = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT64: torch.int64,
    TensorProto.INT32: torch.int32,
}


class TorchGraph(nn.Module):
    """A network of one input.

    Args:
        model: bytes of an ONNX file.
        half: what stands for its fp16: that, or bf16.

    Raises:
        BackendError: an operator, or a way to use it, that is not known here.
    """

    def __init__(self, model: bytes, *, half: torch.dtype = torch.float16) -> None:
        super().__init__()
        graph = onnx.load_model_from_string(model).graph
        if len(graph.input) != 1:
            raise BackendError(f"expected a network of one input, found {len(graph.input)}")
        self._types = {**_TYPES, TensorProto.FLOAT16: half}
        self.input_name = graph.input[0].name
        self.output_names = tuple(value.name for value in graph.output)
        self._attributes: list[Attributes] = []
        self._steps: list[tuple[Callable[..., Tensor], list[str], str, int]] = []
        self._places: dict[str, str] = {}  # of constants, among the buffers
        for tensor in graph.initializer:
            self._keep(tensor.name, self._constant(tensor))
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type not in _OPERATORS:
                raise BackendError(
                    f"torch runs {', '.join(sorted(_OPERATORS))}, not {node.op_type}"
                )
            if node.op_type == "Cast":
                attributes["to"] = self._types[attributes["to"]]
            operator, names = _OPERATORS[node.op_type], list(node.input)
            if node.op_type in _SHAPED:  # numbers, read now, so that no frame waits for them
                attributes["numbers"] = [self._numbers(name) for name in names[1:]]
                names = names[:1]
            if all(not name or name in self._places for name in names):  # such as stored in fp16
                given = [self._find(name) for name in names]
                self._keep(node.output[0], operator(attributes, *given))
                continue
            self._attributes.append(attributes)
            self._steps.append((operator, names, node.output[0], len(self._attributes) - 1))
            if node.op_type == "Conv":  # as convolutions in half precision like it
                weight = self._find(names[1])
                assert weight is not None
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

        self._last_used = self._last_uses()

    def forward(self, given: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The output for an input; where there are several, all in the file's order."""
        values = {self.input_name: given}
        for operator, names, made, place in self._steps:
            inputs = [values[name] if name in values else self._find(name) for name in names]
            values[made] = operator(self._attributes[place], *inputs)
            for name in self._last_used[place]:  # so that the next ones take its memory
                del values[name]
        outputs = tuple(values[name] for name in self.output_names)
        return outputs[0] if len(outputs) == 1 else outputs

    def _last_uses(self) -> list[list[str]]:
        """What no step after each asks for."""
        last = {name: place for _, names, _, place in self._steps for name in names}
        found: list[list[str]] = [[] for _ in self._steps]
        for name, place in last.items():
            if name and name not in self._places and name not in self.output_names:
                found[place].append(name)
        return found

    def _keep(self, name: str, value: Tensor) -> None:
        self._places[name] = f"constant_{len(self._places)}"
        self.register_buffer(self._places[name], value)

    def _find(self, name: str) -> Tensor | None:
        return getattr(self, self._places[name]) if name else None

    def _numbers(self, name: str) -> list[Any] | None:
        if name and name not in self._places:
            raise BackendError(f"torch runs networks of fixed shapes, but {name} is calculated")
        value = self._find(name)
        return None if value is None else value.tolist()

    def _constant(self, tensor: Any) -> Tensor:
        value = torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
        return value.to(self._types.get(tensor.data_type, value.dtype))


def _conv(attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    strides = attributes.get("strides", [1, 1])
    dilations, groups = attributes.get("dilations", [1, 1]), attributes.get("group", 1)
    x, padding = _padded(attributes, x)
    return functional.conv2d(x, weight, bias, strides, padding, dilations, groups)


def _padded(attributes: Attributes, x: Tensor) -> tuple[Tensor, list[int]]:
    """What to convolve, and the padding that the convolution can do itself: a symmetric one."""
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
        raise BackendError(f"torch runs no {attributes['auto_pad'].decode()} padding")
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if (top, left) == (bottom, right):
        return x, [top, left]
    return functional.pad(x, (left, right, top, bottom)), [0, 0]


def _conv_transpose(
    attributes: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if (top, left) != (bottom, right):
        raise BackendError("torch pads transposed convolutions on both sides alike")
    return functional.conv_transpose2d(
        x, weight, bias, attributes.get("strides", [1, 1]), [top, left],
        attributes.get("output_padding", [0, 0]), attributes.get("group", 1),
        attributes.get("dilations", [1, 1]),
    )  # fmt: skip


def _resize(attributes: Attributes, x: Tensor) -> Tensor:
    how = tuple(
        attributes.get(name, b"").decode()
        for name in ("mode", "coordinate_transformation_mode", "nearest_mode")
    )
    _, scales, *sizes = attributes["numbers"]
    if how[:2] == ("linear", "half_pixel") and not scales and any(sizes):
        shape = sizes[0]
        grows = all(to >= now for to, now in zip(shape, x.shape, strict=True))
        if grows and list(x.shape[:2]) == shape[:2]:
            return functional.interpolate(x, size=shape[2:], mode="bilinear")
    if how != ("nearest", "asymmetric", "floor") or any(sizes) or scales[:2] != [1, 1]:
        raise BackendError(
            f"torch enlarges by half_pixel linear to a size, or to the nearest pixel, "
            f"not by {' '.join(how)}"
        )
    return functional.interpolate(x, scale_factor=scales[2:], mode="nearest")


def _slice(attributes: Attributes, x: Tensor) -> Tensor:
    starts, ends, *rest = attributes["numbers"]
    axes = rest[0] if rest and rest[0] is not None else range(len(starts))
    steps = rest[1] if len(rest) > 1 and rest[1] is not None else [1] * len(starts)
    where = [slice(None)] * x.ndim
    for axis, begin, end, step in zip(axes, starts, ends, steps, strict=True):
        if step < 1:
            raise BackendError("torch slices forwards only")
        where[axis] = slice(begin, end, step)
    return x[tuple(where)]


def _depth_to_space(attributes: Attributes, x: Tensor) -> Tensor:
    block = attributes["blocksize"]
    if attributes.get("mode", b"DCR") == b"CRD":
        return functional.pixel_shuffle(x, block)
    count, channels, height, width = x.shape
    x = x.reshape(count, block, block, channels // block**2, height, width)
    return x.permute(0, 3, 4, 1, 5, 2).reshape(count, -1, height * block, width * block)


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    known = {"kernel_shape", "strides", "pads"}
    if set(attributes) - known or any(attributes.get("pads", ())):
        raise BackendError("torch runs MaxPool without padding, dilations and the like")
    return functional.max_pool2d(x, attributes["kernel_shape"], attributes["strides"])


def _pad(attributes: Attributes, x: Tensor) -> Tensor:
    amounts, *rest = attributes["numbers"]
    if attributes.get("mode", b"constant") != b"constant" or any(each for each in rest):
        raise BackendError("torch pads with zeros")
    before, after = amounts[: x.ndim], amounts[x.ndim :]
    pairs = zip(reversed(before), reversed(after), strict=True)
    return functional.pad(x, [amount for pair in pairs for amount in pair])


def _clip(attributes: Attributes, x: Tensor) -> Tensor:
    limits = []
    for limit in (*attributes["numbers"], None, None)[:2]:
        if isinstance(limit, list):  # some files have them as arrays of one
            (limit,) = limit
        limits.append(limit)
    return torch.clamp(x, *limits)


_OPERATORS: Final[dict[str, Callable[..., Tensor]]] = {
    "Add": lambda a, x, y: x + y,
    "Cast": lambda a, x: x.to(a["to"]),
    "Clip": _clip,
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _depth_to_space,
    "Div": lambda a, x, y: x / y,
    "Identity": lambda a, x: x,
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": _max_pool,
    "Mul": lambda a, x, y: x * y,
    "Pad": _pad,
    "Relu": lambda a, x: functional.relu(x),
    "Reshape": lambda a, x: x.reshape(a["numbers"][0]),
    "Resize": _resize,
    "Round": lambda a, x: torch.round(x),  # half to even, as ONNX has it
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Slice": _slice,
    "Sub": lambda a, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a["perm"]),
}

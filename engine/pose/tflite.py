"""Reads a network out of a .tflite file: a flatbuffer of tensors, constants and operators.

Only what MediaPipe's pose networks consist of is read. Offsets are checked by their use: a file
that points outside itself is refused, like one with operators that are not known here. Format: the
schema of TensorFlow Lite, version 3, and the flatbuffers internals.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelCorrupt

Constant = NDArray[Any]

_IDENTIFIER = b"TFL3"
_DTYPES: dict[int, type[np.generic]] = {
    0: np.float32, 1: np.float16, 2: np.int32, 3: np.uint8, 4: np.int64,
}  # fmt: skip
_INDEX_DTYPES: dict[int, type[np.generic]] = {1: np.int32, 2: np.uint16, 3: np.uint8}

_MOST_WEIGHTS = 1 << 24
"""In one sparse tensor: its size is only what the file says, whatever the file's own size."""

_PADDING = ("same", "valid")
_ACTIVATION = {0: None, 1: "relu", 3: "relu6"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value of the network.

    Attributes:
        name: as the file has it.
        shape: its sizes; pictures are (1, height, width, channels).
        constant: what it holds, if it is a weight.
    """

    name: str
    shape: tuple[int, ...]
    constant: Constant | None


@dataclass(frozen=True, slots=True)
class Operator:
    """One step: the indices of what it reads and writes (-1: left out), and its options."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Network:
    """A network: operators in the order in which they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read(content: bytes) -> Network:
    """The network of a .tflite file.

    Raises:
        ModelCorrupt: it is no such file, it is damaged, or it has something that is not known here.
    """
    if content[4:8] != _IDENTIFIER:
        raise ModelCorrupt(
            f"a .tflite network begins with {_IDENTIFIER!r} at byte 4, but this file of "
            f"{len(content)} bytes has {content[4:8]!r} there"
        )
    try:
        return _network(_Table(content, _u32(content, 0)))
    except (struct.error, LookupError, ValueError, ArithmeticError) as error:
        raise ModelCorrupt(f"the .tflite network is damaged: {error}") from error


def _u32(content: bytes, at: int) -> int:
    if at < 0:
        raise IndexError("an offset leads out of the file")
    return int(struct.unpack_from("<I", content, at)[0])


class _Table:
    """A flatbuffers table: fields by number, each with a default where the file leaves it out."""

    def __init__(self, content: bytes, at: int) -> None:
        self._content = content
        self._at = at
        self._vtable = at - int(struct.unpack_from("<i", content, at)[0])
        if self._vtable < 0:
            raise IndexError("a table leads out of the file")
        self._vtable_bytes = int(struct.unpack_from("<H", content, self._vtable)[0])

    def _field(self, number: int) -> int | None:
        entry = 4 + 2 * number
        if entry + 2 > self._vtable_bytes:
            return None
        offset = int(struct.unpack_from("<H", self._content, self._vtable + entry)[0])
        return self._at + offset if offset else None

    def scalar(self, number: int, code: str, default: int = 0) -> int:
        at = self._field(number)
        return default if at is None else int(struct.unpack_from(f"<{code}", self._content, at)[0])

    def table(self, number: int) -> "_Table | None":
        at = self._field(number)
        return None if at is None else _Table(self._content, at + _u32(self._content, at))

    def need(self, number: int) -> "_Table":
        table = self.table(number)
        if table is None:
            raise ValueError(f"a table lacks its field {number}")
        return table

    def _vector(self, number: int) -> tuple[int, int]:
        at = self._field(number)
        if at is None:
            return 0, 0
        start = at + _u32(self._content, at)
        return start + 4, _u32(self._content, start)

    def numbers(self, number: int, dtype: type[np.generic]) -> Constant:
        start, length = self._vector(number)
        return np.frombuffer(self._content, dtype, length, start) if length else np.empty(0, dtype)

    def tables(self, number: int) -> list["_Table"]:
        start, length = self._vector(number)
        if start + 4 * length > len(self._content):
            raise IndexError("a list leads out of the file")
        places = range(start, start + 4 * length, 4)
        return [_Table(self._content, at + _u32(self._content, at)) for at in places]

    def text(self, number: int) -> str:
        return self.numbers(number, np.uint8).tobytes().decode()


def _network(model: _Table) -> Network:
    graphs = model.tables(2)
    if len(graphs) != 1:
        raise ValueError(f"expected one graph, found {len(graphs)}")
    graph = graphs[0]
    buffers = [buffer.numbers(0, np.uint8) for buffer in model.tables(4)]
    # Old files have the operator in a byte, which ends at 127; newer ones in a word beside it.
    codes = [max(code.scalar(0, "b"), code.scalar(3, "i")) for code in model.tables(1)]
    tensors = tuple(_tensor(table, buffers) for table in graph.tables(0))
    network = Network(
        tensors,
        tuple(_operator(table, codes) for table in graph.tables(3)),
        _indices(graph, 1),
        _indices(graph, 2),
    )
    steps = ((step.inputs, step.outputs) for step in network.operators)
    used = (
        *network.inputs,
        *network.outputs,
        *(i for pair in steps for part in pair for i in part),
    )
    if not all(-1 <= index < len(tensors) for index in used):
        raise IndexError("an operator names a tensor that is not there")
    return network


def _indices(table: _Table, number: int) -> tuple[int, ...]:
    return tuple(int(index) for index in table.numbers(number, np.int32))


def _tensor(table: _Table, buffers: list[Constant]) -> Tensor:
    shape = tuple(int(size) for size in table.numbers(0, np.int32))
    data = buffers[table.scalar(2, "I")]
    constant = None
    if len(data):
        kind = table.scalar(1, "b")
        if kind not in _DTYPES:
            raise ValueError(f"there are weights of type {kind}, known are {sorted(_DTYPES)}")
        values = data.view(_DTYPES[kind])
        sparsity = table.table(6)
        constant = values.reshape(shape) if sparsity is None else _dense(values, shape, sparsity)
    return Tensor(table.text(3), shape, constant)


def _dense(values: Constant, shape: tuple[int, ...], sparsity: _Table) -> Constant:
    """Weights of which only those other than zero are kept: each row as columns and values."""
    axes = sparsity.tables(2)
    order = sparsity.numbers(0, np.int32).tolist()
    kinds = [axis.scalar(0, "b") for axis in axes]
    blocks = sparsity.numbers(1, np.int32)
    if order != list(range(len(shape))) or len(blocks) or kinds != [0] * (len(shape) - 1) + [1]:
        raise ValueError(f"sparse weights of an unknown form: axes {kinds} in order {order}")
    if min(shape) < 0 or math.prod(shape) > _MOST_WEIGHTS:
        raise ValueError(f"sparse weights of shape {shape}")
    ends = _sparse_numbers(axes[-1], 2)
    columns = _sparse_numbers(axes[-1], 4)
    dense = np.zeros((int(np.prod(shape[:-1])), shape[-1]), values.dtype)
    rows = np.repeat(np.arange(len(dense)), np.diff(ends))
    dense[rows, columns] = values[: len(columns)]
    return dense.reshape(shape)


def _sparse_numbers(axis: _Table, number: int) -> NDArray[np.int64]:
    dtype = _INDEX_DTYPES[axis.scalar(number, "B")]
    return axis.need(number + 1).numbers(0, dtype).astype(np.int64)


def _nothing(table: _Table) -> dict[str, Any]:
    return {}


def _convolution(table: _Table) -> dict[str, Any]:
    return _window(table, activation=3, dilation=4)


def _depthwise(table: _Table) -> dict[str, Any]:
    return _window(table, activation=4, dilation=5)


def _window(table: _Table, activation: int, dilation: int) -> dict[str, Any]:
    return {
        "padding": _PADDING[table.scalar(0, "b")],
        "strides": (table.scalar(2, "i"), table.scalar(1, "i")),
        "activation": _ACTIVATION[table.scalar(activation, "b")],
        "dilations": (table.scalar(dilation + 1, "i", 1), table.scalar(dilation, "i", 1)),
    }


def _pool(table: _Table) -> dict[str, Any]:
    return {
        "padding": _PADDING[table.scalar(0, "b")],
        "strides": (table.scalar(2, "i"), table.scalar(1, "i")),
        "window": (table.scalar(4, "i"), table.scalar(3, "i")),
        "activation": _ACTIVATION[table.scalar(5, "b")],
    }


def _add(table: _Table) -> dict[str, Any]:
    return {"activation": _ACTIVATION[table.scalar(0, "b")]}


def _concatenation(table: _Table) -> dict[str, Any]:
    return {
        "axis": table.scalar(0, "i"),
        "activation": _ACTIVATION[table.scalar(1, "b")],
    }


def _resize(table: _Table) -> dict[str, Any]:
    return {"corners": bool(table.scalar(2, "b")), "half_pixels": bool(table.scalar(3, "b"))}


def _depth_to_space(table: _Table) -> dict[str, Any]:
    return {"block": table.scalar(0, "i")}


# By the number that the schema gives each operator.
_OPERATORS: dict[int, tuple[str, Callable[[_Table], dict[str, Any]]]] = {
    0: ("add", _add),
    2: ("concatenation", _concatenation),
    3: ("conv", _convolution),
    4: ("depthwise_conv", _depthwise),
    5: ("depth_to_space", _depth_to_space),
    6: ("dequantize", _nothing),
    14: ("logistic", _nothing),
    17: ("max_pool", _pool),
    22: ("reshape", _nothing),
    23: ("resize_bilinear", _resize),
    34: ("pad", _nothing),
    124: ("densify", _nothing),
}


def _operator(table: _Table, codes: list[int]) -> Operator:
    code = codes[table.scalar(0, "I")]
    if code not in _OPERATORS:
        raise ValueError(
            f"operator {code} is not known here; known are "
            + ", ".join(f"{number} ({name})" for number, (name, _) in _OPERATORS.items())
        )
    kind, options_of = _OPERATORS[code]
    found = table.table(4)
    # Without a table of options, all have their defaults; an empty table says the same.
    options = options_of(found if found is not None else _EMPTY)
    return Operator(kind, _indices(table, 1), _indices(table, 2), options)


_EMPTY = _Table(struct.pack("<HHi", 4, 4, 4), 4)

"""Writes small .tflite files, by the schema that comes with MediaPipe."""

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from mediapipe.tasks.metadata import schema_py_generated as schema
from numpy.typing import NDArray

_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int32): 2}
SAME, VALID = 0, 1
RELU, RELU6 = 1, 3


@dataclass
class Builder:
    """A network in the making: values and weights are numbered as they come."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[Any] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def value(self, *shape: int) -> int:
        return self._tensor(shape, 0, 0)

    def weights(self, array: NDArray[Any]) -> int:
        return self._tensor(array.shape, self._buffer(array), _TYPES[array.dtype])

    def sparse(self, array: NDArray[np.float16]) -> int:
        """Weights of which only those other than zero are written, row by row."""
        rows = array.reshape(-1, array.shape[-1])
        index = self._tensor(array.shape, self._buffer(rows[rows != 0]), 1)
        columns = schema.Uint8VectorT()
        columns.values = np.nonzero(rows)[1].astype(np.uint8)
        ends = schema.Uint16VectorT()
        ends.values = np.r_[0, np.cumsum((rows != 0).sum(axis=1))].astype(np.uint16)
        sparsity = schema.SparsityParametersT()
        sparsity.traversalOrder = np.arange(array.ndim, dtype=np.int32)
        sparsity.dimMetadata = []
        for axis, size in enumerate(array.shape):
            about = schema.DimensionMetadataT()
            if axis < array.ndim - 1:
                about.format, about.denseSize = 0, size
            else:
                about.format = 1
                about.arraySegmentsType, about.arraySegments = 2, ends
                about.arrayIndicesType, about.arrayIndices = 3, columns
            sparsity.dimMetadata.append(about)
        self.tensors[index].sparsity = sparsity
        return index

    def add(
        self, code: int, inputs: list[int], output: int, options: Any = None, kind: int = 0
    ) -> int:
        if code not in self.codes:
            self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.operators.append(operator)
        return output

    def conv(self, source: int, kernel: int, bias: int, output: int, **options: int) -> int:
        return self.add(
            3, [source, kernel, bias], output, _filled(schema.Conv2DOptionsT, options), 1
        )

    def depthwise(self, source: int, kernel: int, bias: int, output: int, **options: int) -> int:
        filled = _filled(schema.DepthwiseConv2DOptionsT, options)
        return self.add(4, [source, kernel, bias], output, filled, 2)

    def finish(self, inputs: list[int], outputs: list[int]) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = inputs, outputs
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.deprecatedBuiltinCode, entry.builtinCode = min(code, 127), code
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, array: NDArray[Any]) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(array.tobytes(), np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _tensor(self, shape: tuple[int, ...], buffer: int, kind: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = f"t{len(self.tensors)}", list(shape)
        tensor.buffer, tensor.type = buffer, kind
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def options(kind: Any, **values: Any) -> Any:
    """A table of an operator's options."""
    return _filled(kind, values)


def _filled(kind: Any, values: dict[str, Any]) -> Any:
    table = kind()
    for name, value in values.items():
        setattr(table, name, value)
    return table

"""Only the columns are drawn in which somebody stands, and what a network needs around them.

A generator's convolutions look at neighbours, and the few-shot paper's fusion (section 3.1,
equation 2) sums over the rows of a picture: no column asks for one that is far away. The painter
is made of convolutions alone. So half of the picture is drawn for a figure that stands, and as
much as ever for one that spreads its arms.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Backend, check_buffers

STEP: Final = 16
"""Columns: a range begins at a multiple, and networks may halve a picture four times."""
SHARES: Final = (1 / 2, 5 / 8, 3 / 4)
"""Of the picture's width, that a range may have: each is a network of its own to a runtime, for
fixed shapes are the quickest."""
MARGIN: Final = 3 / 32
"""Of the picture's width: what is drawn on either side of what is seen in a network's input."""
RIM: Final = 4
"""Columns at the edges of a range that are drawn and not shown: a network takes what lies beyond
for zeros, which is none of its backgrounds, and draws a faint line."""

_LOCAL: Final = frozenset(
    (
        "Add", "Cast", "Clip", "Concat", "Conv", "DepthToSpace", "DequantizeLinear", "Div",
        "MatMul", "Mul", "QuantizeLinear", "Relu", "Resize", "Round", "Sigmoid", "Sub", "Transpose",
    )
)  # fmt: skip
_MOVES: Final = ([0, 3, 1, 2], [0, 2, 3, 1])  # channels to the front, and back
_FAINT: Final = 8  # an alpha of 255 that is noise

U8 = NDArray[np.uint8]


def widths(width: int) -> list[int]:
    """What ranges of a picture may be wide, the narrowest first; its own width is not among them.

    Empty for a picture whose width is no multiple of `STEP`.
    """
    found = [round(share * width) for share in SHARES]
    return [] if width % STEP else [narrow for narrow in found if narrow % STEP == 0]


def narrowed(model: bytes, width: int) -> bytes | None:
    """The same network for pictures of another width.

    None for one whose columns may depend on columns that are far away, or that has constants as
    wide as its picture.

    Args:
        model: ONNX, (1, H, W, C) to (1, H, W, D), in any precision.
        width: a multiple of `STEP`.
    """
    import onnx

    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    ends = (*graph.input, *graph.output)
    if any(len(end.type.tensor_type.shape.dim) != 4 for end in ends) or not _is_local(graph):
        return None
    del graph.value_info[:]
    for end in ends:
        end.type.tensor_type.shape.dim[2].dim_value = STEP
    try:  # of the narrowest picture of all: whoever halves it too often does not give it back
        onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError:
        return None
    for end in ends:
        end.type.tensor_type.shape.dim[2].dim_value = width
    return bytes(proto.SerializeToString())


def _is_local(graph: Any) -> bool:
    """Whether every operator keeps columns apart but for those that are near."""
    constant = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        told = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type not in _LOCAL:
            return False
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            if node.input[0] in constant:
                constant[node.output[0]] = constant[node.input[0]]
            continue
        fixed = [constant[name] for name in node.input if name in constant]
        match node.op_type:
            case "Transpose":
                fits = list(told["perm"].ints) in _MOVES
            case "Concat":
                fits = told["axis"].i == 1 and not fixed
            case "MatMul":  # a constant on the left: rows are summed over
                fits = node.input[0] in constant and node.input[1] not in constant
            case "Resize":  # by a factor, not to a size
                fits = told["mode"].s == b"nearest" and len(node.input) == 3
            case "Add" | "Sub" | "Mul" | "Div":
                fits = all(not shape or shape[-1] == 1 for shape in fixed)
            case _:
                fits = True
        if not fits:
            return False
    return True


def open_columns(model: bytes, opened: Callable[[bytes], Backend]) -> Backend:
    """Start a network so that it draws only the columns that are not empty, where it can.

    Args:
        model: bytes of an ONNX file.
        opened: starts such a file in a runtime.

    Raises:
        BackendError: see the backends.
    """
    with ExitStack() as undo:
        whole = opened(model)
        undo.callback(whole.close)
        narrow = []
        for width in widths(whole.input_spec.shape[2]):
            if (part := narrowed(model, width)) is not None:
                narrow.append(opened(part))
                undo.callback(narrow[-1].close)
        found = ColumnsBackend(whole, narrow) if narrow else whole
        undo.pop_all()
    return found


class ColumnsBackend:
    """A backend that draws only those columns of a picture that are not empty.

    A column is empty if all its pixels are as the input's first one. It is transparent then, or, in
    a painter's maps, says that nothing moves (`engine.puppet.painter`). Where pixels of a character
    reach the edge of what was drawn (hair that is wider than `MARGIN` tells), the whole picture is
    drawn, and more of each from then on.

    Args:
        whole: runs the network; closed with this one, as are
        narrow: those that run what `narrowed` made of it, for `widths` of its picture.

    Attributes:
        runtimes: how many run it, each with memory of its own.
    """

    def __init__(self, whole: Backend, narrow: Sequence[Backend]) -> None:
        self.name = whole.name
        self.runtimes = 1 + len(narrow)
        self.input_spec, self.output_spec = whole.input_spec, whole.output_spec
        _, height, width, channels = whole.input_spec.shape
        self._whole, self._narrow = whole, tuple(_Range.of(backend) for backend in narrow)
        self._is_picture = whole.output_spec.shape[3] == 4
        self._blank = 0 if self._is_picture else 128
        self._margin = round(MARGIN * width)
        # What belongs to one frame, and is used again for the next.
        self._unlike = np.empty((height, width * channels), np.uint8)
        self._seen = np.empty(width * channels, np.uint8)

    def run(self, pose_image: U8, out: U8) -> None:
        """See `engine.backends.base.Backend.run`."""
        check_buffers(self.input_spec, pose_image, self.output_spec, out)
        width = pose_image.shape[1]
        first, last = self._needed(pose_image)
        left = first // STEP * STEP
        fitting = (part for part in self._narrow if last - left <= part.width)
        part = next(fitting, None)
        if part is None:
            self._whole.run(pose_image, out)
            return
        left = min(left, width - part.width)
        right = left + part.width
        made = part.draw(pose_image[:, left:right])
        shown = left, right
        if self._is_picture:
            shown = left + RIM * (left > 0), right - RIM * (right < width)
            if _is_cut(made[:, shown[0] - left : shown[1] - left], left > 0, right < width):
                self._margin += STEP
                self._whole.run(pose_image, out)
                return
        begin, end = shown
        out[:, :begin] = self._blank
        out[:, begin:end] = made[:, begin - left : end - left]
        out[:, end:] = self._blank

    def _needed(self, pose_image: U8) -> tuple[int, int]:
        """The columns that are to be drawn: the first, and one after the last."""
        width, channels = pose_image.shape[1:]
        rows = pose_image.reshape(len(pose_image), -1)
        np.bitwise_xor(rows, np.tile(rows[0, :channels], width), out=self._unlike)
        np.bitwise_or.reduce(self._unlike, axis=0, out=self._seen)
        seen = np.flatnonzero(self._seen)
        if not len(seen):
            return 0, width
        first, last = int(seen[0]) // channels, int(seen[-1]) // channels + 1
        return max(first - self._margin, 0), min(last + self._margin, width)

    def close(self) -> None:
        """Close the runtimes; idempotent."""
        self._whole.close()
        for part in self._narrow:
            part.backend.close()


@dataclass(frozen=True, slots=True)
class _Range:
    """What draws ranges of one width, with buffers without gaps."""

    backend: Backend
    given: U8
    made: U8

    @classmethod
    def of(cls, backend: Backend) -> "_Range":
        """Of a backend; its first picture is drawn here, which takes longest."""
        takes, gives = backend.input_spec.shape[1:], backend.output_spec.shape[1:]
        found = cls(backend, np.zeros(takes, np.uint8), np.zeros(gives, np.uint8))
        backend.run(found.given, found.made)
        return found

    @property
    def width(self) -> int:
        """In columns."""
        return int(self.given.shape[1])

    def draw(self, columns: U8) -> U8:
        """The picture of these columns of an input, until the next one is drawn."""
        self.given[:] = columns
        self.backend.run(self.given, self.made)
        return self.made


def _is_cut(picture: U8, left: bool, right: bool) -> bool:
    """Whether somebody stands at the left or the right edge of a picture, where that is no end."""
    edges = [picture[:, 0, 3]] * left + [picture[:, -1, 3]] * right
    return any(bool((edge > _FAINT).any()) for edge in edges)

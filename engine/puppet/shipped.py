"""The painter that ships: it draws any character, at any size of picture."""

from importlib.resources import files
from typing import Final, Literal

from engine.puppet.painter import painter_shapes

LARGE_PX: Final = 384
"""From here on the painter looks at a picture of half the size: it was trained at 256 pixels."""
_STEP: Final = 16
"""What it looks at is a multiple of so many pixels: it is halved four times."""


def usual_shrink(size: int) -> int:
    """How many times smaller a picture the painter looks at, for one of `size` pixels: 1 or 2."""
    return 2 if size >= LARGE_PX else 1


def shipped_painter(
    size: int, precision: Literal["fp32", "int8"] = "fp32", *, shrink: int | None = None
) -> bytes:
    """The painter's network for pictures of `size` pixels, as a bundle holds it.

    The network is convolutions alone, so the file that ships, which is for one size, becomes that
    for another by the shapes of what it takes and gives.

    Args:
        size: of the pictures.
        precision: of the network.
        shrink: how many times smaller a picture it looks at; else as usual for the size.

    Raises:
        ValueError: a size that is no multiple of 16, or, where it shrinks, of as much more.
    """
    name = f"painter{'.int8' if precision == 'int8' else ''}.onnx"
    model = (files("engine") / "assets" / name).read_bytes()
    return for_size(model, size, shrink or usual_shrink(size))


def for_size(model: bytes, size: int, shrink: int = 1) -> bytes:
    """A painter's network for pictures of another size.

    Raises:
        ValueError: see `shipped_painter`.
    """
    step = _STEP * shrink
    if size <= 0 or size % step:
        raise ValueError(f"expected a size that is a multiple of {step}, found {size}")
    import onnx

    proto = onnx.load_model_from_string(model)
    shapes = painter_shapes(size, shrink)
    for value, shape in zip((*proto.graph.input, *proto.graph.output), shapes, strict=True):
        for axis in (1, 2):
            value.type.tensor_type.shape.dim[axis].dim_value = shape[axis]
    del proto.graph.value_info[:]  # the shapes of what is in between
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())

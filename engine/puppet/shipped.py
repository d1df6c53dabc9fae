"""The painter that ships: it draws any character, at any size of picture."""

from importlib.resources import files
from typing import Final, Literal

LARGE_PX: Final = 384
"""From here on the painter looks at a picture of half the size: it was trained at 256 pixels."""
_STEP: Final = {"": 16, ".large": 32}
"""Pictures are multiples of so many pixels: what it looks at is halved four times."""


def usual_shrink(size: int) -> int:
    """How many times smaller a picture of `size` pixels the painter looks at: 1 or 2."""
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
        shrink: 1 or 2, how many times smaller a picture it looks at; else as usual for the size.

    Raises:
        ValueError: a size that is no multiple of 16, or, where it shrinks, of 32.
    """
    kind = ".large" if (shrink or usual_shrink(size)) == 2 else ""
    if size <= 0 or size % _STEP[kind]:
        raise ValueError(f"expected a size that is a multiple of {_STEP[kind]}, found {size}")
    name = f"painter{kind}{'.int8' if precision == 'int8' else ''}.onnx"
    import onnx

    model = onnx.load_model_from_string((files("engine") / "assets" / name).read_bytes())
    for value in (*model.graph.input, *model.graph.output):
        for axis in (1, 2):
            value.type.tensor_type.shape.dim[axis].dim_value = size // 2
    del model.graph.value_info[:]  # the shapes of what is in between
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())

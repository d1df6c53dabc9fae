"""Cutting a drawing into the parts of a puppet, by the network that ships.

`ayatsuri-train` trained it on rigged characters, whose skin weights say which part each pixel
belongs to. What other parts hide is painted in by the same graph.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.backends.onnxruntime import open_asset
from engine.puppet.drawing import CutDrawing
from engine.puppet.tidy import tidy

_WEIGHTS: Final = "cutter.onnx"
LEAST_PX: Final = 112
"""The network looks at no smaller picture."""


def cut(picture: NDArray[np.uint8], joints: NDArray[np.float32], name: str = "front") -> CutDrawing:
    """The parts of a drawing.

    Args:
        picture: (S, S, 4) premultiplied RGBA, S at least `LEAST_PX`.
        joints: (20, 4) x, y, z px and score of `PUPPET_20` in it; all must be finite.
        name: of the drawing in its bundle.

    Raises:
        ValueError: an array of another shape or type.
        BackendError: the network cannot be loaded.
    """
    size = picture.shape[0]
    if picture.shape != (size, size, 4) or picture.dtype != np.uint8 or size < LEAST_PX:
        raise ValueError(
            f"expected a picture (S, S, 4) uint8 with S from {LEAST_PX}, found {picture.shape} "
            f"{picture.dtype}"
        )
    if joints.shape != (20, 4) or not np.isfinite(joints).all():
        raise ValueError(f"expected finite joints (20, 4), found {joints.shape}")
    shown = np.ascontiguousarray(np.moveaxis(picture, 2, 0)[None], np.float32) / np.float32(255)
    given = {"picture": shown, "joints": joints[None].astype(np.float32)}
    (layers,) = _session().run(None, given)
    # Of a part whose bone lies outside of the picture, the share that is seen is 0 / 0.
    return tidy(CutDrawing.of_layers(np.nan_to_num(layers[0]), joints, name))


@cache
def _session() -> Any:
    # Enrolment cuts a few drawings; what it took is given back in between.
    return open_asset(_WEIGHTS, "the cutter", keep_memory=False)

"""Premultiplied RGBA pictures where only RGB is shown."""

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]


def on_white(picture: U8) -> U8:
    """Premultiplied RGBA (..., 4) laid over white: RGB (..., 3), as both papers show theirs."""
    white = 255 - picture[..., 3:].astype(np.uint16)
    return np.asarray(np.minimum(picture[..., :3] + white, 255), np.uint8)

"""Alpha beside the colour, in a picture that any codec carries."""

import numpy as np
from numpy.typing import NDArray


def pack(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Premultiplied RGBA (H, W, 4) as RGB (2H, W, 3): the colour over black, below it the alpha.

    The alpha is grey, so that codecs keep it in full resolution. Premultiplied colour is what a
    browser composes with; it is black where nothing is, so that what a codec smears across the edge
    is invisible. H is taken down to an even number, so that no row of colour shares its chroma
    with one of alpha.
    """
    height = picture.shape[0] // 2 * 2
    packed = np.empty((2 * height, picture.shape[1], 3), np.uint8)
    packed[:height] = picture[:height, :, :3]
    packed[height:] = picture[:height, :, 3:]
    return packed


def unpack(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What `pack` was given, as far as the codec has kept it: premultiplied RGBA (H, W, 4).

    Codecs err: colour is brought back under its alpha.
    """
    half = packed.shape[0] // 2
    alpha = packed[half : 2 * half, :, 1:2]
    return np.concatenate([np.minimum(packed[:half], alpha), alpha], axis=2)

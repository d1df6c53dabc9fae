"""Numba kernels that compose premultiplied pictures."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@njit("void(u1[:,:,:], u1[:,:,:], u1[:,:,:])", cache=True, nogil=True)
def over(picture: Picture, background: Picture, out: Picture) -> None:
    """Premultiplied RGBA (H, W, 4) over RGB (H, W, 3), into RGB (H, W, 3).

    A background of one pixel (1, 1, 3) is a colour, one of one column (H, 1, 3) a gradient. Most
    pixels show one of the two alone: they are not weighed.
    """
    height, width = picture.shape[0], picture.shape[1]
    rows, columns = background.shape[0], background.shape[1]
    for y in range(height):
        v = y if rows > 1 else 0
        for x in range(width):
            u = x if columns > 1 else 0
            rest = 255 - picture[y, x, 3]
            if rest == 0:
                for c in range(3):
                    out[y, x, c] = picture[y, x, c]
            elif rest == 255:
                for c in range(3):
                    out[y, x, c] = min(picture[y, x, c] + background[v, u, c], 255)
            else:
                for c in range(3):
                    # (b * rest + 127) / 255 to the nearest, and never over 255.
                    value = picture[y, x, c] + (background[v, u, c] * rest + 127) // 255
                    out[y, x, c] = min(value, 255)


@njit("void(u1[:,:,:], u1[:,:,:])", cache=True, nogil=True)
def straighten(picture: Picture, out: Picture) -> None:
    """Premultiplied to straight RGBA (H, W, 4), as files have it; clear pixels are black."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            alpha = picture[y, x, 3]
            if alpha == 0 or alpha == 255:
                for c in range(3):
                    out[y, x, c] = picture[y, x, c] if alpha else 0
            else:
                for c in range(3):
                    out[y, x, c] = min((picture[y, x, c] * 255 + alpha // 2) // alpha, 255)
            out[y, x, 3] = alpha


@njit("void(u1[:,:,:])", cache=True, nogil=True)
def clamp_to_alpha(picture: Picture) -> None:
    """Make enlarged premultiplied RGBA (H, W, 4) premultiplied again, in place: RGB <= alpha."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            for c in range(3):
                picture[y, x, c] = min(picture[y, x, c], picture[y, x, 3])

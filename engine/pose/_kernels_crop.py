"""Numba kernel that cuts a rotated square out of a picture.

Bilinear, at places rounded to 1/32 of a pixel, as OpenCV 4 and earlier do it and so MediaPipe's
own copy. It is not a detail: OpenCV 5 samples exactly, and the networks, which were trained and are
tuned on the coarser pictures, move by several per cent of the torso where the person is small.
"""

import numpy as np
from numba import boolean, float64, njit, types, uint8, void
from numpy.typing import NDArray

# Pictures of the sources may be views, and locked against writing.
_PICTURE = types.Array(uint8, 3, "A", readonly=True)


@njit(void(_PICTURE, float64[:, ::1], boolean, uint8[:, :, ::1]), cache=True, nogil=True)
def crop(
    image: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    replicate: bool,
    out: NDArray[np.uint8],
) -> None:
    """Fill a crop.

    Args:
        image: (H, W, 3).
        matrix: (2, 3) from the crop's pixels (column, row) to the picture's.
        replicate: repeat the picture's border outside it; else black.
        out: (S, S, 3).
    """
    height, width = image.shape[0], image.shape[1]
    # Far outside, but small enough for whole numbers; NaN comes out there as well.
    far = 1 << 26
    for row in range(out.shape[0]):
        x0 = matrix[0, 1] * row + matrix[0, 2]
        y0 = matrix[1, 1] * row + matrix[1, 2]
        for column in range(out.shape[1]):
            fx = np.rint((matrix[0, 0] * column + x0) * 32)
            fy = np.rint((matrix[1, 0] * column + y0) * 32)
            x = far if fx >= far else int(fx) if fx > -far else -far
            y = far if fy >= far else int(fy) if fy > -far else -far
            right, lower = x & 31, y & 31
            left, upper = 32 - right, 32 - lower
            x, y = x >> 5, y >> 5
            if x >= 0 and x + 1 < width and y >= 0 and y + 1 < height:
                for c in range(3):
                    total = upper * (left * image[y, x, c] + right * image[y, x + 1, c])
                    total += lower * (left * image[y + 1, x, c] + right * image[y + 1, x + 1, c])
                    out[row, column, c] = (total + 512) >> 10
            elif replicate:
                x1, y1 = min(max(x + 1, 0), width - 1), min(max(y + 1, 0), height - 1)
                x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
                for c in range(3):
                    total = upper * (left * image[y, x, c] + right * image[y, x1, c])
                    total += lower * (left * image[y1, x, c] + right * image[y1, x1, c])
                    out[row, column, c] = (total + 512) >> 10
            else:
                for c in range(3):
                    total = 0
                    for dy in range(2):
                        for dx in range(2):
                            if 0 <= x + dx < width and 0 <= y + dy < height:
                                weight = (lower if dy else upper) * (right if dx else left)
                                total += weight * image[y + dy, x + dx, c]
                    out[row, column, c] = (total + 512) >> 10

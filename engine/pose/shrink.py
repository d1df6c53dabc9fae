"""Makes large pictures small before a pose is looked for in them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE_PX = 640
"""Larger pictures are scaled down first: the networks see 224 and 256 pixels in any case."""


class Shrinker:
    """Scales pictures down into a buffer of its own, which the next call overwrites."""

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2
        self._small = np.empty((0, 0, 3), np.uint8)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The (H, W, 3) picture itself if it is small enough, else a smaller one."""
        height, width = image.shape[:2]
        shrink = max(height, width) / LONGEST_SIDE_PX
        if shrink <= 1:
            return image
        size_wh = max(round(width / shrink), 1), max(round(height / shrink), 1)
        if self._small.shape[:2] != size_wh[::-1]:
            self._small = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
        self._cv2.resize(image, size_wh, dst=self._small, interpolation=self._cv2.INTER_AREA)
        return self._small

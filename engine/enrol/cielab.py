"""Colours whose distances are those that people see: CIELAB."""

import cv2
import numpy as np
from numpy.typing import NDArray


def cielab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) lightness in [0, 100], a and b in [-127, 127], of sRGB pictures likewise."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)

"""How like each other two pictures of a character are."""

import numpy as np
from numpy.typing import NDArray

from engine.premultiplied import on_white

_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
_WINDOW, _SIGMA = (11, 11), 1.5
_EDGE = 5  # where the window reaches beyond the picture


def ssim(made: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """SSIM (Wang 2004, equation 13) of two premultiplied RGBA pictures (H, W, 4) over white.

    The same figure as `training.metrics.ssim`, without its packages.
    """
    import cv2

    def blur(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, _WINDOW, _SIGMA), np.float64)

    a, b = (on_white(picture).astype(np.float64) for picture in (made, truth))
    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    score = ((2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2)
    )
    return float(score[_EDGE:-_EDGE, _EDGE:-_EDGE].mean())

"""Measures of a generated picture against the true one."""

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity


def on_white(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Premultiplied RGBA (H, W, 4) over white: (H, W, 3) uint8, as both papers show theirs."""
    white = 255 - picture[..., 3:].astype(np.int16)
    return np.clip(picture[..., :3] + white, 0, 255).astype(np.uint8)


def ssim(generated: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """SSIM (Wang 2004: 11 x 11 Gaussian window, sigma 1.5) of two RGBA pictures over white."""
    return float(
        structural_similarity(
            on_white(generated),
            on_white(truth),
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
        )
    )


def alpha_iou(generated: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Intersection over union of the silhouettes (alpha above one half); 1 if both are empty."""
    a, b = generated[..., 3] > 127, truth[..., 3] > 127
    union = np.count_nonzero(a | b)
    return 1.0 if union == 0 else np.count_nonzero(a & b) / union


def sharpness(generated: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Energy of the gradient over white, relative to the truth's: sum |grad g|^2 / sum |grad t|^2.

    1 is as sharp as the truth, less is blurred or smeared, more is noise or edges that should not
    be there; NaN where the truth is all of one colour. It does not ask whether the edges are in
    their places: read it beside the others.
    """
    wanted = _gradient_energy(truth)
    return _gradient_energy(generated) / wanted if wanted > 0 else float("nan")


def _gradient_energy(picture: NDArray[np.uint8]) -> float:
    rgb = on_white(picture).astype(np.float64)
    return float(sum((np.diff(rgb, axis=axis) ** 2).sum() for axis in (0, 1)))

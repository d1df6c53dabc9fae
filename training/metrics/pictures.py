"""Measures of a generated picture against the true one."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from engine.premultiplied import on_white

__all__ = ["EDGE_REACH", "alpha_iou", "edges", "on_white", "sharpness", "ssim"]

EDGE_REACH = 1 / 32
"""Of a picture's width: how far off an edge may be, in `edges`."""


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
    their places, and takes noise for sharpness: read it beside the others, `edges` first.
    """
    wanted = _gradient_energy(truth)
    return _gradient_energy(generated) / wanted if wanted > 0 else float("nan")


def edges(generated: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
    """Energy of the gradient that runs as the truth's nearby does, relative to the truth's.

    1 is as sharp as the truth, less is blurred or smeared, or edges that run elsewhere; more is
    edges of more contrast; NaN where the truth is all of one colour. Noise and dots have no
    direction, and count for nothing. An edge that is a little off counts in full.

    Around each place the structure tensor (Forstner 1987) is smoothed by `EDGE_REACH` of the
    picture's width. Of its doubled angle (Granlund 1978), which is null where no direction
    prevails, the part along the truth's is summed, over the truth's own sum.
    """
    made, wanted = _direction(generated), _direction(truth)
    strength = np.hypot(*wanted)
    if not strength.any():
        return float("nan")
    along = (made * wanted).sum(axis=0) / np.where(strength > 0, strength, 1)
    return float(along.sum() / strength.sum())


def _direction(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(2, H - 1, W - 1): energy of the gradient nearby, toward the doubled angle of its direction.

    Differences are along the diagonals of 2 x 2 pixels (Roberts 1963): they share no pixel, so that
    noise makes them equally large and unlike, and a chequered patch has none.
    """
    rgb = on_white(picture).astype(np.float64)
    down, up = rgb[1:, 1:] - rgb[:-1, :-1], rgb[1:, :-1] - rgb[:-1, 1:]
    doubled = np.stack([down**2 - up**2, 2 * down * up]).sum(axis=-1)
    reach = EDGE_REACH * picture.shape[1]
    return np.asarray(gaussian_filter(doubled, (0, reach, reach)))


def _gradient_energy(picture: NDArray[np.uint8]) -> float:
    rgb = on_white(picture).astype(np.float64)
    return float(sum((np.diff(rgb, axis=axis) ** 2).sum() for axis in (0, 1)))

"""The edge of a figure: where it is, and the figure's own colours there.

A pixel of the edge mixes figure and ground, I = a F + (1 - a) B. Away from the edge a is known; the
colours F and B at the edge are taken from nearby.
"""

from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
P = TypeVar("P", np.uint8, np.float32)

_REACH: Final = 3.0  # cells: how far an edge may be moved
_EPS: Final = 10.0  # of bytes squared: changes of colour that are smaller are smoothed over
_SHARPEN: Final = 2.0


def refine(picture: U8, coarse: F32, cell: float) -> F32:
    """Alpha (H, W) in [0, 1] with the edge where the picture's colours change.

    A guided filter (He 2010), which softens what it moves, and a ramp that is half as wide. To
    solve for the share of both colours was worse: lines in ink have the colour of neither side.

    Args:
        picture: (H, W, 3) RGB.
        coarse: (H, W) in [0, 1], true but for the edge.
        cell: px, the resolution of `coarse`.
    """
    reach = max(2, round(_REACH * cell))
    guided = cv2.ximgproc.guidedFilter(picture, coarse, reach, _EPS)
    return np.asarray(np.clip((guided - 0.5) * _SHARPEN + 0.5, 0, 1), np.float32)


def lifted(picture: U8, alpha: U8, reach: int = 3) -> U8:
    """A figure lifted off its ground: (H, W, 4) premultiplied RGBA.

    What shines through its edge of the ground's colour is taken away: F = (I - (1 - a) B) / a, held
    near the colours of the figure's inside.

    Args:
        picture: (H, W, 3) RGB.
        alpha: (H, W).
        reach: px, from the edge to where colours are the figure's own.
    """
    share = alpha.astype(np.float32)[..., None] / 255
    ball = np.ones((3, 3), np.uint8)
    figure = cv2.erode((alpha > 250).astype(np.uint8), ball) > 0
    ground = cv2.erode((alpha < 5).astype(np.uint8), ball) > 0
    seen = picture.astype(np.float32)
    own: F32 = seen
    if figure.any() and ground.any():
        inside, behind = nearby(seen, figure, reach), nearby(seen, ground, reach)
        solved = (seen - (1 - share) * behind) / np.maximum(share, 0.05)
        # The less of a pixel is the figure, the less its own colour can be known.
        mixed = inside + share * (np.clip(solved, 0, 255) - inside)
        own = np.where(alpha[..., None] == 255, seen, mixed).astype(np.float32)
    both = np.concatenate([np.clip(own, 0, 255) * share, 255 * share], axis=2)
    return np.asarray(both + 0.5, np.uint8)


def nearby(colours: F32, known: NDArray[np.bool_], reach: int) -> F32:
    """(H, W, 3) colours where they are `known`, elsewhere the mean of known ones nearby."""
    weight = known.astype(np.float32)
    made = np.zeros_like(colours)
    found = np.zeros(weight.shape, np.float32)
    for spread in (reach, 4 * reach):
        near = np.asarray(cv2.GaussianBlur(weight, (0, 0), spread), np.float32)
        total = np.asarray(cv2.GaussianBlur(colours * weight[..., None], (0, 0), spread))
        trust = np.clip(near / 0.02, 0, 1) * (1 - found)
        made += trust[..., None] * (total / np.maximum(near, 1e-6)[..., None])
        found += trust
    left = (1 - found)[..., None]
    if (left > 1e-3).any():
        made += left * nearest(colours, known)
    return np.where(known[..., None], colours, made).astype(np.float32)


def nearest(colours: NDArray[P], known: NDArray[np.bool_]) -> NDArray[P]:
    """Colours (H, W, 3) where they are not known taken from the nearest pixel where they are."""
    unknown = (~known).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(
        unknown, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((int(labels.max()) + 1, 3), colours.dtype)
    table[labels[known]] = colours[known]
    return np.asarray(table[labels])

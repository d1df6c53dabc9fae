"""Two cuts of one picture: that of a plain background, and the network's.

A plain background misses nothing that differs from it, thin lines and wide skirts alike, and takes
shadows and stains for drawing; these fade, and drawing ends crisply. The network knows shadows,
noise and clutter, and may miss what is unlike all that it has seen.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.background import Plain

U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_PIECE: Final = 0.002  # of the figure's area: smaller differences are the edge's
_CRISP: Final = 2.0  # tolerances of the background that a drawing's edge rises by, within 7 px
_SHARE: Final = 35  # percentile of the edge that must be so crisp
_STRONGEST: Final = 12.0  # tolerances: more says no more
_EDGE: Final = 4.0  # px: what lies nearer to the network's figure is its edge
_SEAM: Final = 9  # px by which pieces and the network's figure overlap


def fades(cut: U8, plain: Plain) -> float:
    """The share of a cut's outline, [0, 1], where the picture fades into the plain background.

    Args:
        cut: (H, W) alpha of what differs from the background.
        plain: the background.
    """
    figure = cut > 127
    edge = _rise(plain)[figure & _beside(~figure)]
    return float((edge < _CRISP).mean()) if len(edge) else 0.0


def fused(cut: U8, network: U8, plain: Plain) -> U8:
    """The network's alpha, and what it has missed: pieces of the other cut that end crisply.

    Args:
        cut: (H, W) alpha of what differs from the background.
        network: (H, W) the network's.
        plain: the background.
    """
    figure = cut > 127
    alone = figure & ~(network > 127)
    away = cv2.distanceTransform((network < 128).astype(np.uint8), cv2.DIST_L2, 3) > _EDGE
    far = cv2.dilate((alone & away).astype(np.uint8), np.ones((_SEAM, _SEAM), np.uint8))
    only = (alone & (far > 0)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(only, connectivity=4)
    rise, edge = _rise(plain), _beside(~figure)
    missed = np.zeros(figure.shape, np.uint8)
    for label in range(1, len(stats)):
        piece = labels == label
        if stats[label, cv2.CC_STAT_AREA] < _PIECE * figure.sum():
            continue
        own = rise[piece & edge]
        # What the figure encloses has no edge of its own.
        if len(own) < 9 or np.percentile(own, _SHARE) > _CRISP:
            missed[piece] = 1
    near = cv2.dilate(missed, np.ones((_SEAM, _SEAM), np.uint8)) > 0
    return np.where(near, np.maximum(network, cut), network)


def _rise(plain: Plain) -> NDArray[np.float32]:
    """(H, W) by how much the picture's difference from the background changes within 7 px."""
    differs = cv2.GaussianBlur(np.minimum(plain.differs, _STRONGEST), (0, 0), 1.0)
    window = np.ones((7, 7), np.uint8)
    return np.asarray(cv2.dilate(differs, window) - cv2.erode(differs, window), np.float32)


def _beside(mask: Mask) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)

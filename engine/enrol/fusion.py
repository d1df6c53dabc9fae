"""Two cuts of one picture made one: the network's, and that of a plain background.

The network knows shadows, noise and clutter, and may miss part of a drawing that is unlike what it
has seen: a wide pale skirt. A plain background misses nothing that differs from it, and takes
shadows and stains for drawing. What only the latter found is drawing where it ends crisply.
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
_SEAM: Final = 9  # px by which pieces and the network's figure overlap


def fused(cut: U8, network: U8, plain: Plain) -> U8:
    """The network's alpha and what it has missed.

    Args:
        cut: (H, W) alpha of what differs from the plain background.
        network: (H, W) the network's.
        plain: the background.
    """
    figure = cut > 127
    alone = (figure & ~(network > 127)).astype(np.uint8)
    only = cv2.morphologyEx(alone, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(only, connectivity=4)
    differs = cv2.GaussianBlur(np.minimum(plain.differs, _STRONGEST), (0, 0), 1.0)
    window = np.ones((7, 7), np.uint8)
    rise = cv2.dilate(differs, window) - cv2.erode(differs, window)
    edge = cv2.dilate((~figure).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
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

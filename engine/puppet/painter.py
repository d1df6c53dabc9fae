"""What goes in and out of the painter: a small network that hides, bends and redraws.

It looks at the puppet's picture at half resolution (H = S / 2) and answers with maps of how to
change it, all in bytes, so that any `engine.backends.base.Backend` runs it:

    features (H, H, 43)    [0:20] picture and share that is painted in, 2 x 2 pixels each
                           [20:23] pose image, inverted    [23:36] whole alphas of the parts
                           [36] depth    [37:43] how far head and torso have turned
    maps (H, H, 51)        [0:2] flow    [2:15] how visible each part is
                           [15:51] new colour and alpha, its share, and a correction of the old
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.puppet.frames import Frames
from engine.puppet.parts import CHEST, COUNT, HEAD

FEATURES: Final = 4 * 5 + 3 + COUNT + 1 + 6
MAPS: Final = 2 + COUNT + 4 * 9
ALPHAS: Final = 4 * 5 + 3
"""The first feature of those that tell of the parts."""
PAINT: Final = 2 + COUNT
"""The first map of those that tell of pixels."""
FLOW: Final = 1 / 16
"""Of the picture's size: how far the flow reaches."""
GAP: Final = 1 / 64
"""Of the picture's size: half the width of gaps in the figure that may be painted over."""


def painter_shapes(size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a painter for pictures of `size` pixels takes and gives: both at half of it."""
    return (1, size // 2, size // 2, FEATURES), (1, size // 2, size // 2, MAPS)


def reachable(alpha: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Where a painter may paint: the figure with its gaps closed, and a pixel around it.

    What is painted beside the figure is no mending: it was a smear where a limb had been.

    Args:
        alpha: (S, S) of the puppet.
        size: S.
    """
    import cv2

    gap = round(GAP * size)
    grown = cv2.dilate(alpha, np.ones((2 * gap + 3, 2 * gap + 3), np.uint8))
    closed = cv2.erode(grown, np.ones((2 * gap + 1, 2 * gap + 1), np.uint8))
    return np.asarray(closed, np.uint8)


def turns(target: Frames, source: Frames) -> NDArray[np.uint8]:
    """(6,) as bytes: the head's forward axis relative to the source, the torso's width in both, and
    whether one of them is seen from behind."""
    forward = (target.turn @ source.turn.T)[:, 2]
    widths, handed = [], 1.0
    for frames in (target, source):
        chest, head = frames.table[CHEST], frames.table[HEAD]
        widths.append(np.hypot(chest[3], chest[5]) / max(np.hypot(head[3], head[5]), 1e-6))
        handed *= np.sign(chest[2] * chest[5] - chest[4] * chest[3])
    values = 128 + 64 * np.nan_to_num(np.array([*forward, *widths, handed]))
    told: NDArray[np.uint8] = np.rint(values.clip(0, 255)).astype(np.uint8)
    return told

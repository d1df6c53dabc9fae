"""What goes in and out of the painter: a small network that hides, bends and redraws.

It looks at the puppet's picture at half resolution (H = S / 2) or less, and answers with maps of
how to change it, all in bytes, so that any `engine.backends.base.Backend` runs it:

    features (H, H, 43)    [0:20] picture and share that is painted in, 2 x 2 pixels each
                           [20:23] pose image, inverted    [23:36] whole alphas of the parts
                           [36] depth    [37:43] how far head and torso have turned
    maps (H, H, 51)        [0:2] flow    [2:15] how visible each part is
                           [15:51] new colour and alpha, its share, and a correction of the old

Figures should be as large as those that the network was trained on, so of a large picture it looks
at one that is `shrink` times smaller (H = S / 2 / shrink), which the parts are carried to anew, and
each of its maps' places is for more pixels. Visibility and flow are smooth: what is sharp in the
result was carried at its own size.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.puppet.frames import Frames
from engine.puppet.parts import CHEST, COUNT, HEAD

FEATURES: Final = 4 * 5 + 3 + COUNT + 1 + 6
PAINTS: Final = 4 + 1 + 4
"""Maps of a pixel: what is new, its gate, and the change of what is old."""
MAPS: Final = 2 + COUNT + 4 * PAINTS
ALPHAS: Final = 4 * 5 + 3
"""The first feature of those that tell of the parts."""
PAINT: Final = 2 + COUNT
"""The first map of those that tell of pixels."""
FLOW: Final = 1 / 16
"""Of the picture's size: how far the flow reaches."""
GAP: Final = 1 / 64
"""Of the picture's size: half the width of gaps in the figure that may be painted over."""


LEAST: Final = 64
"""Places that it looks at in a row, at least, unless the picture is small: squares of which the
puppet has about so many are not divided."""

Shapes = tuple[tuple[int, ...], tuple[int, ...]]


def painter_shapes(size: int, shrink: int = 1) -> Shapes:
    """What a painter for pictures of `size` pixels takes and gives."""
    half = size // (2 * shrink)
    return (1, half, half, FEATURES), (1, half, half, MAPS)


def shrinks(size: int) -> list[int]:
    """How many times smaller a picture a painter for `size` pixels may look at."""
    return [shrink for shrink in (1, 2, 4) if shrink == 1 or size >= 2 * shrink * LEAST]


def shapes_of(model: bytes) -> Shapes:
    """What a painter's ONNX file takes and gives: its shapes tell how far it shrinks."""
    import onnx

    graph = onnx.load_model_from_string(model).graph
    takes, gives = (
        tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)
        for value in (graph.input[0], graph.output[0])
    )
    return takes, gives


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


def solid(alpha: NDArray[np.uint8], painted_in: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What a painter may paint, but not take away: what was drawn, and is no speck or sliver.

    Of a head that has turned it took the hair, since those that it was trained on turn so.

    Args:
        alpha: (T, T) of the puppet at the size that the painter looks at.
        painted_in: (T, T), the share of it that was not drawn.
    """
    import cv2

    wide = 2 * round(GAP * len(alpha)) + 1
    drawn = np.subtract(alpha, np.minimum(alpha, painted_in))
    opened = cv2.morphologyEx(drawn, cv2.MORPH_OPEN, np.ones((wide, wide), np.uint8))
    # A pixel around: where exactly it ends is what the parts say.
    return np.asarray(cv2.dilate(opened, np.ones((3, 3), np.uint8)), np.uint8)


def within_reach(found: NDArray[np.int8], maps: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(C, C) squares of the picture that the flow, or a gap that is closed, can bring anything to.

    Args:
        found: (C, C), how many parts each may have.
        maps: (H, H, MAPS) of the painter.
    """
    import cv2

    flow = maps[..., :2]
    farthest = FLOW * max(int(flow.max()) - 128, 128 - int(flow.min())) / 127
    far = int(np.ceil(max(farthest, GAP) * len(found))) + 1
    near = cv2.dilate((found > 0).astype(np.uint8), np.ones((2 * far + 1, 2 * far + 1), np.uint8))
    return np.asarray(near, np.bool_)


def turns(target: Frames, source: Frames) -> NDArray[np.uint8]:
    """(6,) as bytes: the head's forward axis relative to the source, the torso's width in both, and
    whether one of them is seen from behind."""
    forward = target.turn @ source.turn[2]
    widths, handed = [], 1.0
    for frames in (target, source):
        chest, head = frames.table[CHEST].tolist(), frames.table[HEAD].tolist()
        widths.append(math.hypot(chest[3], chest[5]) / max(math.hypot(head[3], head[5]), 1e-6))
        area = chest[2] * chest[5] - chest[4] * chest[3]
        handed *= (area > 0) - (area < 0)
    values = 128 + 64 * np.nan_to_num(np.array([*forward.tolist(), *widths, handed]))
    told: NDArray[np.uint8] = np.rint(values.clip(0, 255)).astype(np.uint8)
    return told

"""Where a skeleton says that the body is: capsules about the bones of every part."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.puppet.parts import CHEST, HEAD, HIPS, PARTS

_WAIST: Final = 0.62  # of the way from the neck to the hips, as in the cutting of parts


def spine_px(joints: NDArray[np.floating]) -> float:
    """Neck to the middle of the hips in the picture, at least a pixel."""
    return max(1.0, float(np.linalg.norm(0.5 * (joints[8, :2] + joints[11, :2]) - joints[1, :2])))


def segments(joints: NDArray[np.floating]) -> NDArray[np.float64]:
    """(L, 2, 2) px: the ends of every part's bone; head from neck to brow, torso in two."""
    points = np.asarray(joints[:, :2], np.float64)
    ends = np.array([(points[part.start], points[part.end]) for part in PARTS])
    neck, hips = points[1], 0.5 * (points[8] + points[11])
    ears = 0.5 * (points[16] + points[17])
    waist = neck + _WAIST * (hips - neck)
    ends[HEAD] = ears - 0.1 * (ears - neck), ears + 0.35 * (ears - neck)
    ends[CHEST] = neck, waist
    ends[HIPS] = waist, hips
    return ends


def capsules(
    joints: NDArray[np.floating], shape: tuple[int, ...], widen: float
) -> NDArray[np.bool_]:
    """(H, W) within `widen` usual half widths of some part's bone."""
    height, width = shape[:2]
    canvas = np.zeros((height, width), np.uint8)
    spine = spine_px(joints)
    for part, (start, end) in zip(PARTS, segments(joints), strict=True):
        thickness = max(1, round(2 * widen * part.radius * spine))
        a, b = ((round(float(x)), round(float(y))) for x, y in (start, end))
        cv2.line(canvas, a, b, 1, min(thickness, 32767))
    return canvas.astype(np.bool_)

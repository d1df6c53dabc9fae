"""A picture of what was found: joints over the drawing, the parts it was cut into, a pose."""

import colorsys
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20
from engine.premultiplied import on_white
from engine.puppet.drawing import DRAWN, CutDrawing
from engine.puppet.parts import COUNT

U8 = NDArray[np.uint8]

DOUBT: Final = 0.25
"""A joint with less confidence than this is drawn hollow: it was inferred."""
_RIGHT, _LEFT, _MIDDLE = (210, 51, 76), (37, 99, 217), (34, 36, 58)
_SHIFT: Final = 4  # cv2 draws in sixteenths of a pixel


def overlay(picture: U8, joints: NDArray[np.floating]) -> U8:
    """(S, S, 3) a premultiplied RGBA picture over white, with joints (20, 4) drawn over it."""
    canvas = on_white(picture)
    canvas = np.ascontiguousarray(0.8 * canvas + 0.2 * 255).astype(np.uint8)
    width = max(2, round(picture.shape[0] / 170))
    points = [_fixed(joint[:2]) for joint in joints]
    for a, b in PUPPET_20.bones:
        cv2.line(canvas, points[a], points[b], _colour(b), width, cv2.LINE_AA, _SHIFT)
    for joint, point in enumerate(points):
        radius = round(1.7 * width * 2**_SHIFT)
        if joints[joint, 3] < DOUBT:
            cv2.circle(canvas, point, radius, (255, 255, 255), -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(canvas, point, radius, _colour(joint), width, cv2.LINE_AA, _SHIFT)
        else:
            cv2.circle(canvas, point, radius, _colour(joint), -1, cv2.LINE_AA, _SHIFT)
    return canvas


def parts_picture(drawing: CutDrawing) -> U8:
    """(S, S, 3) the parts of a drawing, each in a colour of its own, over white."""
    alphas = drawing.pixels[..., DRAWN].astype(np.float32) / 255  # (L, S, S)
    total = np.maximum(alphas.sum(axis=0), 1e-3)
    colours = np.array(
        [colorsys.hsv_to_rgb((5 * i % COUNT) / COUNT, 0.55, 1) for i in range(COUNT)]
    )
    tint = np.einsum("lhw,lc->hwc", alphas / total, colours)
    shown = np.einsum("lhw,lhwc->hwc", alphas / total, drawing.pixels[..., :3] / 255)
    luminance = (shown @ np.array([0.3, 0.59, 0.11]))[..., None]
    solid = np.minimum(total, 1)[..., None]
    mixed = solid * tint * (0.35 + 0.65 * luminance) + (1 - solid)
    return np.asarray((255 * np.clip(mixed, 0, 1)).round(), np.uint8)


def panels(pictures: list[U8]) -> U8:
    """Pictures (S, S, 3) beside each other."""
    return np.asarray(np.concatenate(pictures, axis=1), np.uint8)


def _fixed(point: NDArray[np.floating]) -> tuple[int, int]:
    x, y = (round(float(np.clip(v, -4e3, 8e3) - 0.5) * 2**_SHIFT) for v in point)
    return x, y


def _colour(joint: int) -> tuple[int, int, int]:
    name = PUPPET_20.joints[joint]
    return _RIGHT if name.startswith("r_") else _LEFT if name.startswith("l_") else _MIDDLE

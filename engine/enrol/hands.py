"""Hands that lie on the hips: the cutter takes them for clothes, and the arm leaves without them.

A hand has the face's colour. What of the hips has it too, near where the forearm ends, is the
forearm's; the hips are painted in below.
"""

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.cielab import cielab
from engine.enrol.matte import nearest
from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.parts import HEAD, HIPS, PARTS

_REACH, _RADIUS = 0.2, 0.26  # of the spine: from the wrist to the hand's middle, and its size
_SKIN: Final = 20.0  # of CIELAB's units: as far from the face's colour as shade makes a hand
_APART: Final = 14.0  # so different must the clothes be
_NEARER: Final = 0.65  # a hand is so much nearer to the face's colour than to that of the clothes
_INSIDE: Final = 0.85  # of a piece that is a hand and no bare leg
_LARGEST: Final = 0.7  # of the disc in which the hand is sought
_FOREARMS: Final = tuple(i for i, part in enumerate(PARTS) if part.name.endswith("forearm"))


def with_hands(drawing: CutDrawing) -> CutDrawing:
    """The same drawing, whose hands are not the hips'."""
    joints = drawing.joints[:, :2].astype(np.float64)
    spine = float(np.linalg.norm(0.5 * (joints[8] + joints[11]) - joints[1]))
    skin = _face(drawing, joints, spine)
    hips = drawing.pixels[HIPS]
    if skin is None or (hips[..., DRAWN] > 127).sum() < 64:
        return drawing
    lab = cielab(hips[..., :3])
    own = hips[..., DRAWN] > 32
    discs = {part: _disc(joints, part, spine, own.shape) for part in _FOREARMS}
    clothes = own & ~np.logical_or.reduce(list(discs.values()))
    if not clothes.any():
        return drawing
    cloth = np.median(lab[clothes], axis=0)
    if np.linalg.norm(cloth - skin) < _APART:
        return drawing  # bare, or clothes of the skin's colour: nothing tells a hand from them
    away = np.linalg.norm(lab - skin, axis=2)
    alike = (away < _SKIN) & (away < _NEARER * np.linalg.norm(lab - cloth, axis=2))
    pixels = drawing.pixels.copy()
    for part, disc in discs.items():
        hand = _piece(own & alike, disc, pixels[part, ..., DRAWN] > 32)
        if 12 < hand.sum() < _LARGEST * disc.sum():
            _give_hand(pixels, part, hand & own)
    return replace(drawing, pixels=pixels)


def _piece(
    skin: NDArray[np.bool_], disc: NDArray[np.bool_], forearm: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(S, S) the skin in the disc that touches the forearm, whole: half a hand would fly off."""
    closed = cv2.morphologyEx(skin.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(closed)
    near = cv2.dilate(forearm.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    wanted = set(np.unique(labels[near & disc])) - {0}
    whole = np.isin(labels, [label for label in wanted if disc[labels == label].mean() > _INSIDE])
    return cv2.dilate(whole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _disc(
    joints: NDArray[np.float64], part: int, spine: float, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """(S, S) where the hand of a forearm may be."""
    disc = np.zeros(shape, np.uint8)
    elbow, wrist = joints[PARTS[part].start], joints[PARTS[part].end]
    along = (wrist - elbow) / max(float(np.linalg.norm(wrist - elbow)), 1e-6)
    x, y = (round(float(v)) for v in np.clip(wrist + _REACH * spine * along, -1e4, 1e4))
    cv2.circle(disc, (x, y), max(1, round(_RADIUS * spine)), 1, -1)
    return disc.astype(np.bool_)


def _face(
    drawing: CutDrawing, joints: NDArray[np.float64], spine: float
) -> NDArray[np.float64] | None:
    """CIELAB of the skin, between the nose and the eyes; None of a head that is not seen."""
    head = drawing.pixels[HEAD]
    disc = np.zeros(head.shape[:2], np.uint8)
    for eye in (14, 15):
        cheek = np.clip(0.55 * joints[0] + 0.45 * joints[eye], -1e4, 1e4)
        x, y = (round(float(v)) for v in cheek)
        cv2.circle(disc, (x, y), max(2, round(0.05 * spine)), 1, -1)
    seen = (disc > 0) & (head[..., DRAWN] > 200)
    if seen.sum() < 8:
        return None
    return np.asarray(np.median(cielab(head[..., :3])[seen], axis=0), np.float64)


def _give_hand(pixels: NDArray[np.uint8], part: int, hand: NDArray[np.bool_]) -> None:
    hips, forearm = pixels[HIPS], pixels[part]
    stronger = hand & (hips[..., DRAWN] >= forearm[..., DRAWN])
    forearm[stronger, :3] = hips[stronger, :3]
    total = forearm[..., DRAWN].astype(np.uint16) + hips[..., DRAWN]
    forearm[hand, DRAWN] = np.minimum(total, 255)[hand]
    forearm[..., WHOLE] = np.maximum(forearm[..., WHOLE], forearm[..., DRAWN])
    near = cv2.dilate(hand.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    cloth = (hips[..., DRAWN] > 200) & ~near
    if cloth.any():
        filled = cv2.GaussianBlur(nearest(np.ascontiguousarray(hips[..., :3]), cloth), (0, 0), 2.0)
        hips[hand, :3] = filled[hand]
    hips[hand, DRAWN] = 0

"""Cutting out without a network: what the network is measured against."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.cielab import cielab
from engine.enrol.segment import guide

U8 = NDArray[np.uint8]

_ALIKE = 9.0  # of CIELAB's units
_ROUNDS = 4
_GRABCUT_PX = 320


def flood(picture: U8, joints: NDArray[np.floating]) -> U8:
    """Everything but what can be reached from the border over colours like the border's next to it.

    Joints are not used. Returns (H, W) of bytes, soft by a pixel.
    """
    height, width = picture.shape[:2]
    lab = cielab(picture)
    seen = np.zeros((height + 2, width + 2), np.uint8)
    flags = 4 | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE | (255 << 8)
    step = max(min(height, width) // 32, 1)
    seeds = [(x, y) for x in range(0, width, step) for y in (0, height - 1)]
    seeds += [(x, y) for y in range(0, height, step) for x in (0, width - 1)]
    for x, y in seeds:
        if not seen[y + 1, x + 1]:
            cv2.floodFill(lab, seen, (x, y), 0, (_ALIKE,) * 3, (_ALIKE,) * 3, flags)
    figure = 255 - seen[1:-1, 1:-1]
    return np.asarray(cv2.GaussianBlur(figure, (3, 3), 0), np.uint8)


def grabcut(picture: U8, joints: NDArray[np.floating]) -> U8:
    """GrabCut (Rother 2004) from the figure of sticks: (H, W) of bytes."""
    height, width = picture.shape[:2]
    side = max(height, width)
    scale = min(_GRABCUT_PX / side, 1.0)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rows, columns = small.shape[:2]
    lead = guide(joints[:, :2] * scale, joints[:, -1], max(rows, columns))[:rows, :columns] > 127
    labels = np.full((rows, columns), cv2.GC_PR_BGD, np.uint8)
    band = max(round(0.01 * max(rows, columns)), 1)
    for edge in (np.s_[:band], np.s_[-band:], np.s_[:, :band], np.s_[:, -band:]):
        labels[edge] = cv2.GC_BGD
    reach = max(round(0.05 * max(rows, columns)), 1)
    near = cv2.dilate(lead.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    sure = cv2.erode(lead.astype(np.uint8), np.ones((reach,) * 2, np.uint8)) > 0
    labels[near] = cv2.GC_PR_FGD
    labels[sure] = cv2.GC_FGD
    if not sure.any() or not (labels == cv2.GC_BGD).any():
        return np.zeros((height, width), np.uint8)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # its first clusters are random
    cv2.grabCut(
        np.ascontiguousarray(small[..., ::-1]), labels, None, *models, _ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    figure = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    wide = cv2.resize(figure, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.rint(255 * wide), np.uint8)

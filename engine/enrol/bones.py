"""Cutting a drawing by its bones alone, for drawings that are like nothing the cutter has seen."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.capsules import segments, spine_px
from engine.puppet.drawing import CutDrawing
from engine.puppet.parts import COUNT, HEAD, NEIGHBOURS, PARTS
from engine.puppet.tidy import LEGS

_SOFT_PX: Final = 1.5
_CAP: Final = 1.1  # of the thinner part's half width: what both own about their joint at least
_STOUT: Final = 3.0  # likewise: no limb is so much stouter than is usual


def cut_by_bones(
    picture: NDArray[np.uint8], joints: NDArray[np.float32], name: str = "front"
) -> CutDrawing:
    """The parts of a drawing: every pixel goes to the nearest bone.

    On children's drawings the cutter, which learned from rendered characters, tears limbs apart; so
    does this, but at their joints only.

    Near is meant in roots of the parts' usual half widths: a stout body keeps its stout limbs, and
    a trunk is still wider than an arm. About a joint, both parts have what is there.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        joints: (20, 4) in it.
        name: of the drawing in its bundle.
    """
    size = picture.shape[0]
    grid = np.arange(size, dtype=np.float32) + 0.5
    pixels = np.stack(np.meshgrid(grid, grid, indexing="xy"), axis=-1)
    radius = np.array([part.radius for part in PARTS]) * spine_px(joints)
    ends = segments(joints)
    away = np.stack([_reach(pixels, start, end) for start, end in ends])
    weight = np.sqrt(radius)
    weight[HEAD] = np.sqrt(1.6 * radius[HEAD])  # hair
    owner = (away / weight[:, None, None]).argmin(axis=0)
    alpha = picture[..., 3].astype(np.float32) / 255
    layers = np.zeros((5, COUNT, size, size), np.float32)
    straight = picture[..., :3] / np.maximum(picture[..., 3:], 1).astype(np.float32)
    layers[:3] = np.moveaxis(np.clip(straight, 0, 1), 2, 0)[:, None]
    shares = np.stack(
        [cv2.GaussianBlur((owner == part).astype(np.float32), (0, 0), _SOFT_PX) for part in
         range(COUNT)]
    )  # fmt: skip
    layers[3] = layers[4] = shares * alpha
    for a, b, joint in NEIGHBOURS:
        offset = pixels - joints[joint, :2]
        gap = np.linalg.norm(offset, axis=-1)
        thin = min(radius[a], radius[b])
        meets = _border(owner, a, b) & (picture[..., 3] > 127) & (gap < _STOUT * thin)
        bone = ends[b, 1] - ends[b, 0]
        right = offset @ np.array([bone[1], -bone[0]]) > 0
        rims = [float(gap[meets & side].max(initial=0.0)) for side in (right, ~right)]
        # A leg must not gape at its farther rim; of an arm, which bends far, a cap that is wider
        # than its nearer rim would stick out.
        reach = max(_CAP * thin, max(rims) if b in LEGS else min(rims))
        disc = np.clip(reach - gap, 0, 1) * alpha
        disc *= np.clip(shares[a] + shares[b], 0, 1)
        for part in (a, b):
            layers[4, part] = np.maximum(layers[4, part], disc)
    layers[3:, :, [0, -1]] = 0
    layers[3:, :, :, [0, -1]] = 0
    return CutDrawing.of_layers(layers, joints, name)


def _border(owner: NDArray[np.intp], a: int, b: int) -> NDArray[np.bool_]:
    """(S, S) pixels of either part that touch one of the other."""
    near = np.ones((3, 3), np.uint8)
    mine, theirs = (owner == part for part in (a, b))
    by_mine, by_theirs = (cv2.dilate(m.astype(np.uint8), near) > 0 for m in (mine, theirs))
    return np.asarray((by_mine & theirs) | (by_theirs & mine), np.bool_)


def _reach(
    pixels: NDArray[np.float32], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(S, S) px from every pixel to a segment."""
    bone = end - start
    along = np.clip(((pixels - start) @ bone) / max(float(bone @ bone), 1e-6), 0, 1)
    return np.asarray(np.linalg.norm(pixels - start - along[..., None] * bone, axis=-1), np.float32)

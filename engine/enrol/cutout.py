"""Cutting the figure out of its picture, and cleaning the edge.

What to use of a picture is decided in this order: its own alpha; a plain background, if the figure
ends crisply before it all around; a network that is led by the joints (`engine.enrol.segment`),
GrabCut where it is uncertain, and what it missed of the drawing on a plain background with shadows
or stains (`engine.enrol.fusion`).
"""

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol import segment
from engine.enrol.background import Plain, outside_of, plain_background
from engine.enrol.capsules import capsules
from engine.enrol.fusion import fades, fused
from engine.enrol.matte import lifted, nearest, refine
from engine.pose.skeleton import PUPPET_20
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

How = Literal["alpha", "plain background", "network"]

_SPECK: Final = 0.003  # of the figure's area
_FADES: Final = 0.15  # of the outline: a drawing's fades in fewer places
_GRABCUT_PX: Final = 320
_GRABCUT_ROUNDS: Final = 3
_CERTAIN: Final = 230  # of 255
_BEYOND: Final = 0.14  # drawings by people, with wide skirts and long hair, have up to 0.08
_SEEN_THROUGH: Final = 0.02  # of a picture's area: less transparency than this is no cut-out


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """A figure without its background.

    Attributes:
        pixels: (H, W, 4) uint8, premultiplied RGBA.
        how: what told the figure from the background.
    """

    pixels: U8
    how: How

    @property
    def solid(self) -> Mask:
        """(H, W) where the figure is."""
        return np.asarray(self.pixels[..., 3] > 127)


def has_alpha(pixels: U8) -> bool:
    """Whether a picture (H, W, 4) comes cut out."""
    return bool((pixels[..., 3] < 32).mean() > _SEEN_THROUGH)


def cut_out(pixels: U8, joints: NDArray[np.floating] | None = None) -> CutOut | None:
    """The figure of a picture.

    Args:
        pixels: (H, W, 4) premultiplied RGBA.
        joints: (20, 3) x, y px and score of `PUPPET_20`. With them, what of a plain background
            the figure encloses is cut out too, and a background that is not plain can be.

    Returns:
        None where the background is not plain and joints are not given.
    """
    if has_alpha(pixels):
        alpha = pixels[..., 3]
        kept = _figure(alpha > 127, joints)
        edge = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2)
        return CutOut(np.where(edge[..., None] > 0, pixels, 0).astype(np.uint8), "alpha")
    rgb = on_white(pixels)
    plain = plain_background(rgb)
    if plain is None and joints is None:
        return None
    cut = None if plain is None else from_plain(rgb, plain, joints)
    if cut is not None and joints is not None and _beyond(cut[..., 3] > 127, joints) > _BEYOND:
        plain = cut = None  # it only looked plain at the border
    if plain is not None and cut is not None and fades(cut[..., 3], plain) < _FADES:
        return CutOut(cut, "plain background")
    alpha = segment.cut_out(rgb, np.zeros((len(PUPPET_20.joints), 3)) if joints is None else joints)
    alpha = _settled(rgb, alpha)
    if plain is not None and cut is not None:
        alpha = fused(cut[..., 3], alpha, plain)
    figure = lifted(rgb, alpha)
    kept = _figure(figure[..., 3] > 127, joints)
    near = cv2.dilate(kept.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=3)
    return CutOut(np.where(near[..., None] > 0, figure, 0).astype(np.uint8), "network")


def _beyond(solid: Mask, joints: NDArray[np.floating]) -> float:
    """The share of a figure that is far from all its bones: clouds were taken for it."""
    return float((solid & ~capsules(joints, solid.shape, 2.6)).sum() / max(solid.sum(), 1))


def _figure(mask: Mask, joints: NDArray[np.floating] | None) -> Mask:
    """Without specks, and without what lies apart and has no joint in it."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA].copy()
    if len(area) < 2:
        return mask
    area[0] = 0
    keep = area >= _SPECK * area.max()
    if joints is not None:
        touched = capsules(joints, mask.shape, 1.0)
        inside = np.bincount(labels[touched], minlength=len(area))
        keep &= (inside > 0.1 * area) | (area == area.max())
    keep[0] = False
    return np.asarray(keep[labels])


def from_plain(rgb: U8, plain: Plain, joints: NDArray[np.floating] | None) -> U8:
    """(H, W, 4) premultiplied RGBA of what differs from a plain background; joints as above."""
    mask = _figure(~outside_of(plain), joints)
    if joints is not None:
        mask &= ~_enclosed(mask, plain, joints)
    if not mask.any():
        return np.zeros((*mask.shape, 4), np.uint8)
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2)
    if not inner.any():
        inner = mask.astype(np.uint8)
    near = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8))
    colours = nearest(rgb, inner > 0)
    # A pixel of the edge mixes figure and background: solve for the share (alpha matting with
    # both colours known).
    figure = colours.astype(np.float32) - plain.colour
    seen = rgb.astype(np.float32) - plain.colour
    norm = (figure**2).sum(axis=2)
    share = np.clip((figure * seen).sum(axis=2) / np.maximum(norm, 1.0), 0, 1)
    soft = cv2.GaussianBlur(mask.astype(np.float32), (3, 3), 0)
    share = np.where(norm > 30.0**2, share, soft)
    alpha = np.where(inner > 0, 1.0, np.where(near > 0, share, 0.0))
    return _laid(np.where(inner[..., None] > 0, rgb, colours).astype(np.uint8), alpha)


def _enclosed(mask: Mask, plain: Plain, joints: NDArray[np.floating]) -> Mask:
    """Background within the outline (between arm and body), and not clothes of its colour."""
    alike = mask & (plain.differs < 0.6)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(alike.astype(np.uint8), connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    limbs = np.bincount(labels[capsules(joints, mask.shape, 0.8) & alike], minlength=len(area))
    hole = (area > _SPECK * mask.sum()) & (limbs < 0.1 * area)
    hole[0] = False
    return np.asarray(hole[labels])


def _settled(rgb: U8, alpha: U8) -> U8:
    """An alpha (H, W) whose uncertain pixels went with those that are alike, by GrabCut.

    The network knows where the figure is, the picture's own colours where it ends (Rother 2004).
    """
    scale = min(1.0, _GRABCUT_PX / max(alpha.shape))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(alpha, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    around = np.ones((3, 3), np.uint8)
    figure = cv2.erode((coarse > _CERTAIN).astype(np.uint8), around, iterations=3) > 0
    ground = cv2.dilate((coarse > 255 - _CERTAIN).astype(np.uint8), around, iterations=5) == 0
    if not (figure.any() and ground.any()):
        return alpha
    seeds = np.where(coarse > 127, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[figure], seeds[ground] = cv2.GC_FGD, cv2.GC_BGD
    bgr = np.ascontiguousarray(small[..., ::-1])
    cv2.setRNGSeed(0)  # its first clusters are random
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(bgr, seeds, (0, 0, 1, 1), *models, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(seeds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    large = cv2.resize(found, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR)
    refined = refine(rgb, np.asarray(large, np.float32), 1 / scale)
    return np.asarray(np.rint(255 * refined), np.uint8)


def _laid(rgb: U8, alpha: NDArray[np.floating]) -> U8:
    """Straight colours and alpha in [0, 1] as premultiplied RGBA."""
    share = np.clip(alpha, 0, 1)[..., None]
    both = np.concatenate([rgb * share, 255 * share], axis=2)
    return (both + 0.5).astype(np.uint8)

"""Layers of paint on one piece of the atlas, and the woven or printed patterns of cloth."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.characters.procedural.atlas import Region
from training.characters.shapes import F64, hex_colour, smoothstep

F32 = NDArray[np.float32]


class Layers:
    """A piece of the atlas, clear at first, painted in (u, v) of the piece: v runs down.

    For cloth that runs around a body, u = 0.5 is the middle of its front.
    """

    def __init__(self, region: Region, detail: float) -> None:
        self.size_wh = round(region.width * detail), round(region.height * detail)
        self._pad = 8.0 * detail
        width, height = self.size_wh
        u = (np.arange(width) + 0.5 - self._pad) / (width - 2 * self._pad)
        v = (np.arange(height) + 0.5 - self._pad) / (height - 2 * self._pad)
        self.u: F64 = np.asarray(u[None, :], np.float64)
        self.v: F64 = np.asarray(v[:, None], np.float64)
        self._rgb = np.zeros((height, width, 3), np.float32)  # premultiplied
        self._alpha = np.zeros((height, width, 1), np.float32)

    @property
    def texel(self) -> tuple[float, float]:
        """The size of a texel in u and v."""
        return (
            1.0 / (self.size_wh[0] - 2 * self._pad),
            1.0 / (self.size_wh[1] - 2 * self._pad),
        )

    def lay(self, colour: str, cover: ArrayLike) -> None:
        """Paint a colour where `cover`, in [0, 1] and broadcast to the piece, says."""
        share = np.broadcast_to(np.asarray(cover, np.float32), self._alpha.shape[:2])[..., None]
        self._rgb = self._rgb * (1 - share) + np.array(hex_colour(colour), np.float32) * share
        self._alpha = self._alpha * (1 - share) + share

    def band(self, colour: str, low: float, high: float) -> None:
        """Paint the rows from v = low to high."""
        soft = 0.7 * self.texel[1]
        self.lay(
            colour,
            smoothstep(low - soft, low + soft, self.v)
            * (1.0 - smoothstep(high - soft, high + soft, self.v))
            * np.ones_like(self.u),
        )

    def polygon(self, points: ArrayLike, colour: str, alpha: float = 1.0) -> None:
        """Fill a polygon of (u, v) points."""
        scale = np.array(self.size_wh) - 2 * self._pad
        px = np.asarray(points, np.float64) * scale + self._pad - 0.5
        mask = np.zeros(self.size_wh[::-1], np.uint8)
        cv2.fillPoly(mask, [np.round(px * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        self.lay(colour, mask.astype(np.float32) * (alpha / 255.0))

    def line(self, points: ArrayLike, width: float, colour: str) -> None:
        """A line of a width in texels at full detail through (u, v) points."""
        scale = np.array(self.size_wh) - 2 * self._pad
        px = np.asarray(points, np.float64) * scale + self._pad - 0.5
        mask = np.zeros(self.size_wh[::-1], np.uint8)
        thick = max(1, round(width * self._pad / 8.0))
        path = [np.round(px * 16).astype(np.int32)]
        cv2.polylines(mask, path, False, 255, thick, cv2.LINE_AA, 4)
        self.lay(colour, mask.astype(np.float32) / 255.0)

    def pattern(self, kind: str, colour: str, around: float, down: float, alpha: float = 1) -> None:
        """A pattern with about so many cells around and down the piece."""
        if kind == "none":
            return
        counts = max(2 * round(around / 2), 2), max(round(down), 1)
        self.lay(colour, alpha * _pattern(kind, *self.size_wh, self._pad, *counts))

    def finish(self) -> NDArray[np.uint8]:
        """(H, W, 4) bytes, straight alpha, the border repeated over the padding."""
        straight = self._rgb / np.maximum(self._alpha, 1e-4)
        image = np.concatenate([straight, self._alpha], -1)
        piece = np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
        pad = round(self._pad)
        core = piece[pad : piece.shape[0] - pad, pad : piece.shape[1] - pad]
        return np.pad(core, ((pad, pad), (pad, pad), (0, 0)), mode="edge")


@lru_cache(maxsize=96)
def _pattern(kind: str, width: int, height: int, pad: float, around: int, down: int) -> F32:
    """(height, width) cover of a pattern; it joins where it has gone around."""
    a = ((np.arange(width) + 0.5 - pad) / (width - 2 * pad) * around)[None, :]
    b = ((np.arange(height) + 0.5 - pad) / (height - 2 * pad) * down)[:, None]
    soft_a, soft_b = around / (width - 2 * pad), down / (height - 2 * pad)
    soft = max(soft_a, soft_b)
    fa, fb = np.abs(a % 1.0 - 0.5), np.abs(b % 1.0 - 0.5)  # 0 in the middle of a cell
    one = np.ones((height, width))

    def inside(distance: F64, limit: float, edge: float = soft) -> F64:
        return 1.0 - smoothstep(limit - 0.7 * edge, limit + 0.7 * edge, distance)

    # Every other row is shifted by half a cell.
    sa = (a + 0.5 * (np.floor(b) % 2)) % 1.0 - 0.5
    sb = b % 1.0 - 0.5
    if kind == "stripes":
        cover = inside(fb, 0.25, soft_b) * one
    elif kind == "pinstripes":
        cover = inside(fa, 0.05, soft_a) * one
    elif kind == "columns":
        cover = inside(fa, 0.25, soft_a) * one
    elif kind == "gingham":
        cover = 0.45 * inside(fa, 0.25, soft_a) + 0.45 * inside(fb, 0.25, soft_b)
    elif kind == "check":
        cover = 0.40 * inside(fa, 0.22, soft_a) + 0.40 * inside(fb, 0.22, soft_b)
        thin = np.maximum(inside(np.abs(fa - 0.42), 0.03, soft_a) * one,
                          inside(np.abs(fb - 0.42), 0.03, soft_b) * one)  # fmt: skip
        cover = np.maximum(cover, 0.8 * thin)
    elif kind == "dots":
        cover = inside(np.hypot(sa, sb), 0.24)
    elif kind == "diamonds":
        cover = inside(np.abs(a % 2 - 1) + np.abs(b % 2 - 1), 0.5)
    elif kind == "waves":
        cover = inside(np.abs((b + 0.22 * np.sin(2 * np.pi * a)) % 1.0 - 0.5), 0.13, soft_b)
    else:
        angle, radius = np.arctan2(sa, -sb), np.hypot(sa, sb)
        if kind == "stars":
            fold = np.abs((angle / (2 * np.pi) * 5) % 1.0 - 0.5) * 2  # 1 at the points
            cover = inside(radius, 0.0) + inside(radius / (0.14 + 0.18 * fold**1.5), 1.0, 3 * soft)
        elif kind == "hearts":
            x, y = sa / 0.26, -sb / 0.26 + 0.15
            heart = (x**2 + y**2 - 0.8) ** 3 - x**2 * y**3
            cover = (heart < 0).astype(np.float64)
        elif kind == "flowers":
            petals = 0.20 + 0.09 * np.cos(5 * angle)
            cover = inside(radius / petals, 1.0, 3 * soft) * (1 - inside(radius, 0.07))
        else:
            raise ValueError(f"expected the name of a pattern, found {kind!r}")
    return np.clip(cover, 0.0, 1.0).astype(np.float32) * one.astype(np.float32)

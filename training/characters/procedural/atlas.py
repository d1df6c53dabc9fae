"""The texture atlas of a procedural character: where each piece of it lies."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.characters.shapes import F64, Part
from training.render.scene import Texture

WIDTH, HEIGHT = 1536, 1024  # texels at full detail
_PAD = 8.0  # texels kept clear about a piece, so that coarse levels do not mix neighbours


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the atlas, in texels at full detail."""

    x: int
    y: int
    width: int
    height: int

    def uv(self, u: ArrayLike, v: ArrayLike) -> F64:
        """Atlas coordinates of (u, v) in [0, 1] of the piece, v down."""
        x = self.x + _PAD + np.asarray(u) * (self.width - 2 * _PAD)
        y = self.y + _PAD + np.asarray(v) * (self.height - 2 * _PAD)
        return np.stack([x / WIDTH, y / HEIGHT], -1)

    def on(self, part: Part) -> Part:
        """The part textured with this piece, its uv being relative to it."""
        return replace(part, uv=self.uv(part.uv[:, 0], part.uv[:, 1]), textured=True)


FACE = Region(0, 0, 512, 512)
TOP = Region(512, 0, 512, 512)
BOTTOM = Region(1024, 0, 512, 512)
HAIR = Region(0, 512, 512, 512)
SLEEVE = Region(512, 512, 512, 256)
EXTRA = Region(1024, 512, 512, 448)
CLEAR = (1280.0 / WIDTH, 992.0 / HEIGHT)  # a place that no piece paints


def bake(pieces: dict[Region, NDArray[np.uint8]], detail: float, density: float) -> Texture:
    """The atlas of pieces, each (height, width, 4) bytes at this detail and filling its region.

    `density` is texels per unit at full detail.
    """
    atlas = np.zeros((round(HEIGHT * detail), round(WIDTH * detail), 4), np.uint8)
    for region, piece in pieces.items():
        x, y = round(region.x * detail), round(region.y * detail)
        atlas[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    return Texture.of(atlas, density * detail)

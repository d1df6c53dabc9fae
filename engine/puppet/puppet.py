"""The puppet: a character's drawings, cut into parts that follow the joints."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Backend
from engine.generator import is_ready, prepare
from engine.puppet import _kernels_carry as carrying
from engine.puppet import _kernels_find as finding
from engine.puppet import _kernels_paint as painting
from engine.puppet.drawing import DRAWN, CutDrawing
from engine.puppet.frames import Frames, depth_order, map_grid, nearest, spine_length
from engine.puppet.painter import (
    ALPHAS,
    FLOW,
    PAINT,
    PAINTS,
    painter_shapes,
    reachable,
    solid,
    turns,
    within_reach,
)
from engine.puppet.parts import COUNT

CELLS: Final = 64
"""The parts' maps are taken as bilinear in squares, about so many a side."""
CELLS_PX: Final = (2, 4, 8, 16)
"""How large these may be: even, since the painter looks at every second pixel."""

U8 = NDArray[np.uint8]


class Puppet:
    """Draws a character in any pose, from one drawing or several; it is a `Generator`.

    Args:
        drawings: at least one, all of the same size, a multiple of 16 pixels.
        painter: runs a painter for that size, see `engine.puppet.painter`; closed with the puppet.
            Without one the puppet is as plain as the drawings are: nothing was trained.

    Raises:
        ValueError: no drawing, or sizes that cannot be used.
    """

    def __init__(self, drawings: Sequence[CutDrawing], painter: Backend | None = None) -> None:
        sizes = {drawing.size for drawing in drawings}
        if len(sizes) != 1:
            raise ValueError(f"a puppet needs drawings of one size, not of {sorted(sizes)}")
        size = self.size = sizes.pop()
        if size % CELLS_PX[-1]:
            raise ValueError(f"a drawing's size must be a multiple of {CELLS_PX[-1]}, not {size}")
        cell = next((px for px in CELLS_PX if size <= CELLS * px), CELLS_PX[-1])
        cells = size // cell
        self._painter = painter
        # One drawing is used as it is, without a copy.
        parts = [drawing.pixels for drawing in drawings]
        pixels = np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts))
        self._pixels = pixels.reshape(-1)
        self._counts = np.zeros((len(pixels), cells + 1, cells + 1), np.int32)
        finding.count_used(pixels, cell, self._counts)
        self._drawn = [Frames.of(drawing.joints) for drawing in drawings]
        area = np.stack([part[..., DRAWN].mean((1, 2)) for part in parts])
        self._seen = area / np.maximum(area.max(0), 1e-4)
        # What belongs to one frame, and is used again for the next.
        self._target, self._source = Frames.empty(), Frames.empty()
        self._spine = 1.0
        self._used: NDArray[np.int64] | None = None
        self._slots = self._order = np.arange(COUNT)
        self._points = np.empty((COUNT, cells + 1, cells + 1, 2), np.float32)
        self._slide = np.empty((cells + 1, cells + 1, 2), np.float32)
        self._candidates = np.empty((cells, cells, COUNT), np.int8)
        self._found = np.empty((cells, cells), np.int8)
        self._picture = np.empty((size, size, 4), np.uint8)
        self._painted_in = np.empty((size, size), np.uint8)
        takes, gives = painter_shapes(size)
        if painter is not None:
            takes, gives = painter.input_spec.shape, painter.output_spec.shape
        self._features = np.empty(takes[1:], np.uint8)
        self._maps = np.empty(gives[1:], np.uint8)
        self._keep = np.zeros((1, 1), np.uint8)
        self._small: dict[int, tuple[U8, U8, U8]] = {}

    @property
    def name(self) -> str:
        """What draws."""
        return "puppet" if self._painter is None else f"puppet, painted by {self._painter.name}"

    @property
    def ready(self) -> bool:
        """Whether it could draw at once."""
        return self._painter is None or is_ready(self._painter)

    def prepare(self) -> None:
        """Begin to load the painter, if its room was needed."""
        if self._painter is not None:
            prepare(self._painter)

    def close(self) -> None:
        """Close the painter."""
        if self._painter is not None:
            self._painter.close()

    def draw(self, joints: NDArray[np.float32], pose_image: U8, out: U8) -> None:
        """See `engine.generator.Generator.draw`."""
        if self._painter is None:
            self.carry(joints, out)
            return
        self.look(joints, pose_image, self._features)
        self._painter.run(self._features, self._maps)
        self.finish(self._maps, out)

    def carry(self, joints: NDArray[np.float32], out: U8) -> None:
        """Draw the character, unpainted.

        Args:
            joints: (20, 4) x, y, z px and score; parts whose joints are not finite are left out.
            out: (S, S, 4) premultiplied RGBA, C-contiguous; all of it is overwritten.

        Raises:
            ValueError: `out` is not such a buffer.
        """
        self._check(out)
        self._pose(joints)
        self._compose(out, self._painted_in)

    def look(self, joints: NDArray[np.float32], pose_image: U8, features: U8) -> None:
        """What the painter is shown of a pose.

        Args:
            joints: see `carry`.
            pose_image: (S, S, 3), see `draw`.
            features: (H, H, FEATURES), see `painter_shapes`; all of it is overwritten.

        Raises:
            ValueError: they are for a painter that looks at too small a picture.
        """
        self._pose(joints)
        picture, painted_in, _ = self._at(2 * self._checked(len(features)))
        self._compose(picture, painted_in)
        painting.unshuffle(picture, painted_in, pose_image, features)
        self._keep = solid(picture[..., 3], painted_in)
        with np.errstate(invalid="ignore", over="ignore"):
            depth = (self._target.depth / self._spine).astype(np.float32)
            features[..., ALPHAS + COUNT + 1 :] = turns(self._target, self._source)
        carrying.look(
            self._pixels, self.size, self._slots, self._candidates, self._found, self._points,
            np.nan_to_num(depth), features, ALPHAS,
        )  # fmt: skip

    def finish(self, maps: U8, out: U8) -> None:
        """The pose that `look` was last given, as the painter's maps change it.

        Args:
            maps: (H, H, MAPS) of the painter.
            out: see `carry`.

        Raises:
            ValueError: `out` is not such a buffer, or the maps are those of too small a picture.
        """
        self._check(out)
        self._checked(len(maps))
        self._compose(self._picture, self._painted_in, maps)
        within = reachable(self._picture[..., 3], self.size)
        near = within_reach(self._found, maps)
        *_, paint = self._at(2 * len(maps))
        painting.spread(maps, PAINT, near, paint)
        reach = np.float32(FLOW * self.size)
        held = self._painted_in  # what `compose` has made of it
        painting.finish(self._picture, held, maps, paint, within, self._keep, near, reach, out)

    def _check(self, out: U8) -> None:
        if out.shape != (self.size, self.size, 4) or not out.flags.c_contiguous:
            raise ValueError(f"expected a C-contiguous (S, S, 4) with S {self.size}: {out.shape}")

    def _checked(self, half: int) -> int:
        """`half`, if the painter's features and maps can be so large."""
        cells = len(self._found)
        if half % cells or self.size % (2 * half):
            raise ValueError(
                f"a painter for pictures of {self.size} pixels looks at half of that or a part of "
                f"it, a multiple of {cells}: not at {half}"
            )
        return half

    def _at(self, size: int) -> tuple[U8, U8, U8]:
        """Of the size that the painter looks at: the picture, what is painted in, and the paint."""
        if size not in self._small:
            picture, painted_in = self._picture, self._painted_in
            if size != self.size:
                picture = np.empty((size, size, 4), np.uint8)
                painted_in = np.empty((size, size), np.uint8)
            paint = np.zeros((size, size, PAINTS), np.uint8)
            self._small[size] = picture, painted_in, paint
        return self._small[size]

    def _compose(self, out: U8, painted_in: U8, maps: U8 | None = None) -> None:
        carrying.compose(
            self._pixels, self.size, self._slots, self._candidates, self._found, self._points,
            self._slide, self._maps if maps is None else maps, self._keep, maps is not None, out,
            painted_in,
        )  # fmt: skip

    def _pose(self, joints: NDArray[np.float32]) -> None:
        """Set the maps for these joints, which parts to use, and their order."""
        target, source = self._target, self._source
        step = self.size / (self._points.shape[1] - 1)
        with np.errstate(invalid="ignore", over="ignore"):  # joints need not be finite
            target.update(joints)
            chosen = nearest(target, self._drawn, self._seen, self._used)
            self._used = chosen
            for part, drawing in enumerate(chosen):
                source.table[part] = self._drawn[drawing].table[part]
            source.turn[:] = self._drawn[chosen[0]].turn
            map_grid(target, source, 0.0, step, self._points, self._slide)
            self._spine = spine_length(joints)
            self._order = depth_order(target, self._spine)
        self._slots = chosen * COUNT + np.arange(COUNT)
        finding.find(
            self._points, self._counts, self._slots, self._order, self.size, self._candidates,
            self._found,
        )  # fmt: skip

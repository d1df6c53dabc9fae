"""The puppet: a character's drawings, cut into parts that follow the joints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Backend
from engine.generator import is_ready, prepare
from engine.puppet import _kernels_fade as fading
from engine.puppet import _kernels_paint as painting
from engine.puppet.drawing import DRAWN, CutDrawing
from engine.puppet.frames import Frames, depth_order, nearest, spine_length
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
from engine.puppet.placed import Atlas, Placed

FADE: Final = 4
"""Pictures in which what changes to another drawing, or goes behind another part, is both."""
JUMP: Final = 0.22
"""Spines that joints move on the average, to right and down, from one picture to the next: more is
no motion (a dance at 30 pictures a second has 0.15), and what changes does so at once."""
TURN: Final = 0.9962
"""Cosine of 5 degrees, likewise of a turn: a drawing does not fit what has turned away from it."""

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Canvas:
    """What pictures of one size are made in, one after the other.

    Attributes:
        picture: (T, T, 4) premultiplied RGBA.
        painted_in: (T, T), see `engine.puppet._kernels_carry.compose`.
        other, other_in: likewise, of what fades.
        paint: (T, T, PAINTS) of the painter, nothing at first.
    """

    picture: U8
    painted_in: U8
    other: U8
    other_in: U8
    paint: U8

    @classmethod
    def of(cls, size: int) -> "Canvas":
        """A canvas of `size` pixels."""
        rgba, one = (size, size, 4), (size, size)
        return cls(
            np.empty(rgba, np.uint8),
            np.empty(one, np.uint8),
            np.empty(rgba, np.uint8),
            np.empty(one, np.uint8),
            np.zeros((size, size, PAINTS), np.uint8),
        )


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
        atlas = Atlas(drawings)
        size = self.size = atlas.size
        self._painter = painter
        self._drawn = atlas.frames
        area = np.stack([drawing.pixels[..., DRAWN].mean((1, 2)) for drawing in drawings])
        self._seen = area / np.maximum(area.max(0), 1e-4)
        # What belongs to one frame, and is used again for the next.
        self._target = Frames.empty()
        self._spine = 1.0
        self._joints: NDArray[np.float32] | None = None  # of the frame before
        self._placed, self._leaving = Placed(atlas), Placed(atlas)
        self._fading = 0  # pictures that are still to show both
        self._canvas = Canvas.of(size)
        self._canvases = {size: self._canvas}
        takes, gives = painter_shapes(size)
        if painter is not None:
            takes, gives = painter.input_spec.shape, painter.output_spec.shape
        self._features = np.empty(takes[1:], np.uint8)
        self._maps = np.empty(gives[1:], np.uint8)
        self._keep = np.zeros((1, 1), np.uint8)

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

    def forget(self) -> None:
        """See `engine.generator.Generator.forget`."""
        self._joints, self._fading = None, 0

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
        self._compose(out, self._canvas)

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
        canvas = self._at(2 * self._checked(len(features)))
        self._compose(canvas.picture, canvas)
        painting.unshuffle(canvas.picture, canvas.painted_in, pose_image, features)
        self._keep = solid(canvas.picture[..., 3], canvas.painted_in)
        with np.errstate(invalid="ignore", over="ignore"):
            depth = (self._target.depth / self._spine).astype(np.float32)
            features[..., ALPHAS + COUNT + 1 :] = turns(self._target, self._placed.source)
        self._placed.look(np.nan_to_num(depth), features, ALPHAS)

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
        picture = self._canvas.picture
        self._compose(picture, self._canvas, maps)
        within = reachable(picture[..., 3], self.size)
        near = within_reach(self._found(), maps)
        paint = self._at(2 * len(maps)).paint
        painting.spread(maps, PAINT, near, paint)
        reach = np.float32(FLOW * self.size)
        held = self._canvas.painted_in  # what `compose` has made of it
        painting.finish(picture, held, maps, paint, within, self._keep, near, reach, out)

    def _check(self, out: U8) -> None:
        if out.shape != (self.size, self.size, 4) or not out.flags.c_contiguous:
            raise ValueError(f"expected a C-contiguous (S, S, 4) with S {self.size}: {out.shape}")

    def _checked(self, half: int) -> int:
        """`half`, if the painter's features and maps can be so large."""
        cells = len(self._placed.found)
        if half % cells or self.size % (2 * half):
            raise ValueError(
                f"a painter for pictures of {self.size} pixels looks at half of that or a part of "
                f"it, a multiple of {cells}: not at {half}"
            )
        return half

    def _at(self, size: int) -> Canvas:
        """Buffers of the size that the painter looks at, which may be the puppet's own."""
        if size not in self._canvases:
            self._canvases[size] = Canvas.of(size)
        return self._canvases[size]

    def _compose(self, out: U8, canvas: Canvas, maps: U8 | None = None) -> None:
        """Compose into `out`, of the canvas's size, and into `canvas.painted_in`."""
        given, hiding = self._maps if maps is None else maps, maps is not None
        self._placed.compose(given, self._keep, hiding, out, canvas.painted_in)
        if not self._fading:
            return
        self._leaving.compose(given, self._keep, hiding, canvas.other, canvas.other_in)
        share, found = np.float32(self._fading / (FADE + 1)), self._leaving.found
        fading.fade(found, canvas.other, share, out)
        fading.fade(found, canvas.other_in[..., None], share, canvas.painted_in[..., None])

    def _found(self) -> NDArray[np.int8]:
        """(C, C), how many parts each square of the picture may have."""
        found = self._placed.found
        return np.maximum(found, self._leaving.found) if self._fading else found

    def _pose(self, joints: NDArray[np.float32]) -> None:
        """Set the maps for these joints, which parts to use, and their order.

        While a change fades there is no other.
        """
        target, placed = self._target, self._placed
        view = target.view.copy()
        with np.errstate(invalid="ignore", over="ignore"):  # joints need not be finite
            target.update(joints)
            self._spine = spine_length(joints)
            steady = self._is_steady(joints, view)
            self._fading = max(self._fading - 1, 0) if steady else 0
            if not self._fading:
                first = self._joints is None
                chosen = nearest(target, self._drawn, self._seen, None if first else placed.chosen)
                order = depth_order(target, self._spine, placed.order if steady else None)
                if steady and not placed.shows_as(chosen, order):
                    self._placed, self._leaving = self._leaving, placed
                    self._fading = FADE
                self._placed.choose(chosen, order)
            self._joints = joints.copy()
            self._placed.move(target)
            if self._fading:
                self._leaving.move(target, beside=self._placed)

    def _is_steady(self, joints: NDArray[np.float32], view: NDArray[np.float64]) -> bool:
        """Whether this goes on from the frame before, whose parts faced to `view` (L, 3)."""
        if self._joints is None:
            return False
        moved = np.abs(joints[:, :2] - self._joints[:, :2]).sum(1).mean()
        turned = (self._target.view * view).sum(1).min()
        return bool(moved < JUMP * self._spine and turned > TURN)

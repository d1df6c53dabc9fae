"""The puppet: a character's drawings, cut into parts that follow the joints."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.puppet import _kernels_carry as carry
from engine.puppet import _kernels_frames as maps
from engine.puppet.drawing import DRAWN, CutDrawing
from engine.puppet.frames import Frames, depth_order, nearest, spine_length
from engine.puppet.parts import COUNT

CELLS: Final = 64
"""The parts' maps are taken as bilinear between this many squares a side."""


class Puppet:
    """Draws a character in any pose, from one drawing or several, without any training.

    It is an `engine.generator.Generator`.

    Args:
        drawings: at least one, all of the same size, a multiple of 16 pixels.

    Raises:
        ValueError: none, or sizes that cannot be used.
    """

    name = "puppet"
    ready = True

    def __init__(self, drawings: Sequence[CutDrawing]) -> None:
        sizes = {drawing.size for drawing in drawings}
        if len(sizes) != 1:
            raise ValueError(f"a puppet needs drawings of one size, not of {sorted(sizes)}")
        self.size = sizes.pop()
        cells = next((n for n in (CELLS, 32, 16) if self.size % n == 0), 0)
        if not cells:
            raise ValueError(f"a drawing's size must be a multiple of 16, not {self.size}")
        # One drawing is used as it is, without a copy.
        parts = [drawing.pixels for drawing in drawings]
        pixels = parts[0] if len(parts) == 1 else np.concatenate(parts)
        pixels = np.ascontiguousarray(pixels)
        self._pixels = pixels.reshape(-1)
        self._counts = np.zeros((len(pixels), cells + 1, cells + 1), np.int32)
        carry.count_used(pixels, self.size // cells, self._counts)
        self._drawn = [Frames.of(drawing.joints) for drawing in drawings]
        area = np.stack([part[..., DRAWN].mean((1, 2)) for part in parts])
        self._seen = area / np.maximum(area.max(0), 1e-4)
        self._target, self._source = Frames.empty(), Frames.empty()
        self._points = np.empty((COUNT, cells + 1, cells + 1, 2), np.float32)
        self._slide = np.empty((cells + 1, cells + 1, 2), np.float32)
        self._painted_in = np.empty((self.size, self.size), np.uint8)
        self._no_maps = np.zeros((1, 1, 1), np.uint8)

    def prepare(self) -> None:
        """It always is."""

    def close(self) -> None:
        """Nothing to release."""

    def draw(
        self, joints: NDArray[np.float32], pose_image: NDArray[np.uint8], out: NDArray[np.uint8]
    ) -> None:
        """See `engine.generator.Generator.draw`; without a painter the pose image is not read."""
        self.carry(joints, out)

    def carry(self, joints: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
        """Draw the character, unpainted.

        Args:
            joints: (20, 4) x, y, z px and score; parts whose joints are not finite are left out.
            out: (S, S, 4) premultiplied RGBA, C-contiguous; all of it is overwritten.

        Raises:
            ValueError: `out` is not such a buffer.
        """
        if out.shape != (self.size, self.size, 4) or not out.flags.c_contiguous:
            raise ValueError(f"expected a C-contiguous (S, S, 4) with S {self.size}: {out.shape}")
        with np.errstate(invalid="ignore", over="ignore"):  # joints need not be finite
            slots, order = self._pose(joints)
        carry.compose(
            self._pixels, self.size, slots, order, self._points, self._slide, self._counts,
            self._no_maps, False, out, self._painted_in,
        )  # fmt: skip

    def _pose(self, joints: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Set the maps for these joints; which parts to use (L,), and their order."""
        target, source = self._target, self._source
        target.update(joints)
        chosen = nearest(target, self._drawn, self._seen)
        for part, drawing in enumerate(chosen):
            source.table[part] = self._drawn[drawing].table[part]
        source.turn[:] = self._drawn[chosen[0]].turn
        step = self.size / (self._points.shape[1] - 1)
        maps.map_grid(
            target.table, source.table, target.turn, source.turn, float(target.radius[0]),
            0.0, step, self._points, self._slide,
        )  # fmt: skip
        order = depth_order(target, spine_length(joints))
        return chosen * COUNT + np.arange(COUNT), order

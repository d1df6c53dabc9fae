"""The parts that a frame takes of a character's drawings, where its pose has them."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.puppet import _kernels_carry as carrying
from engine.puppet import _kernels_fade as fading
from engine.puppet import _kernels_find as finding
from engine.puppet.drawing import CutDrawing
from engine.puppet.frames import ARMS, Frames, map_grid
from engine.puppet.parts import COUNT, HEAD

CELLS: Final = 64
"""The parts' maps are taken as bilinear in squares, about so many a side."""
CELLS_PX: Final = (2, 4, 8, 16)
"""How large these may be: even, since the painter looks at every second pixel."""

U8 = NDArray[np.uint8]


class Atlas:
    """All parts of all drawings of a character, and where each of them has anything.

    Args:
        drawings: at least one, all of the same size, a multiple of 16 pixels.

    Raises:
        ValueError: no drawing, or sizes that cannot be used.
    """

    def __init__(self, drawings: Sequence[CutDrawing]) -> None:
        sizes = {drawing.size for drawing in drawings}
        if len(sizes) != 1:
            raise ValueError(f"a puppet needs drawings of one size, not of {sorted(sizes)}")
        self.size = sizes.pop()
        if self.size % CELLS_PX[-1]:
            raise ValueError(
                f"a drawing's size must be a multiple of {CELLS_PX[-1]}, not {self.size}"
            )
        cell = next((px for px in CELLS_PX if self.size <= CELLS * px), CELLS_PX[-1])
        self.cells = self.size // cell
        # One drawing is used as it is, without a copy.
        parts = [drawing.pixels for drawing in drawings]
        pixels = np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts))
        self.pixels = pixels.reshape(-1)
        self.counts = np.zeros((len(pixels), self.cells + 1, self.cells + 1), np.int32)
        finding.count_used(pixels, cell, self.counts)
        detail = np.empty(pixels.shape[:3], np.int8)
        carrying.find_detail(pixels, detail)
        self.detail = detail.reshape(-1)
        self.frames = [Frames.of(drawing.joints) for drawing in drawings]


class Placed:
    """Which drawing each part is taken from, in which order they lie, and their maps.

    What belongs to one frame is used again for the next.

    Attributes:
        chosen: (L,) drawing of each part.
        slots: (L,) the same in the atlas.
        order: (L,) parts from front to back.
        source: the frames of what is chosen.
        points, slide: see `engine.puppet.frames.map_grid`.
        candidates, found: see `engine.puppet._kernels_find.find`.
    """

    def __init__(self, atlas: Atlas) -> None:
        cells = atlas.cells
        self._atlas = atlas
        self.source = Frames.empty()
        self.chosen = self.slots = self.order = np.arange(COUNT)
        self.points = np.empty((COUNT, cells + 1, cells + 1, 2), np.float32)
        self.slide = np.empty((cells + 1, cells + 1, 2), np.float32)
        self.candidates = np.empty((cells, cells, COUNT), np.int8)
        self.found = np.empty((cells, cells), np.int8)

    def choose(self, chosen: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        """Take each part from the drawing `chosen` (L,), in the `order` (L,)."""
        self.chosen, self.order = chosen, order
        self.slots = chosen * COUNT + np.arange(COUNT)
        for part, drawing in enumerate(chosen):
            self.source.table[part] = self._atlas.frames[drawing].table[part]
        self.source.turn[:] = self._atlas.frames[chosen[HEAD]].turn

    def shows_as(self, chosen: NDArray[np.int64], order: NDArray[np.int64]) -> bool:
        """Whether that looks the same: the same drawings, the same arms before the head."""
        return bool((self.chosen == chosen).all()) and _arms(self.order) == _arms(order)

    def move(self, target: Frames, beside: "Placed | None" = None) -> None:
        """Set the maps for a pose.

        Args:
            target: its frames.
            beside: what was just moved to the same pose; cells that look alike in both are left to
                it.
        """
        step = self._atlas.size / self._atlas.cells
        if beside is not None and (beside.slots == self.slots).all():
            self.points[:], self.slide[:] = beside.points, beside.slide
        else:
            map_grid(target, self.source, 0.0, step, self.points, self.slide)
        finding.find(
            self.points, self._atlas.counts, self.slots, self.order, self._atlas.size,
            self.candidates, self.found,
        )  # fmt: skip
        if beside is not None:
            fading.leave_same(
                beside.slots, beside.points, beside.candidates, beside.found,
                self.slots, self.points, self.candidates, self.found,
            )  # fmt: skip

    def compose(self, maps: U8, keep: U8, hiding: bool, out: U8, painted_in: U8) -> None:
        """See `engine.puppet._kernels_carry.compose`."""
        carrying.compose(
            self._atlas.pixels, self._atlas.detail, self._atlas.size, self.slots,
            self.candidates, self.found, self.points, self.slide, maps, keep, hiding, out,
            painted_in,
        )  # fmt: skip

    def look(self, depth: NDArray[np.float32], features: U8, first: int) -> None:
        """See `engine.puppet._kernels_carry.look`."""
        carrying.look(
            self._atlas.pixels, self._atlas.size, self.slots, self.candidates, self.found,
            self.points, depth, features, first,
        )  # fmt: skip


def _arms(order: NDArray[np.int64]) -> tuple[bool, ...]:
    """For each part of an arm whether it is before the head."""
    place = np.argsort(order)
    return tuple(bool(place[part] < place[HEAD]) for arm in ARMS for part in arm)

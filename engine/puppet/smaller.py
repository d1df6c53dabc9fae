"""The puppet at half its size: a quarter of the pixels to carry, for a machine that is busy."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.placed import CELLS_PX
from engine.puppet.puppet import Puppet

LEAST_PX: Final = 128
"""No puppet is drawn smaller than that."""


def fits(drawings: Sequence[CutDrawing]) -> bool:
    """Whether there is a puppet of half the size of these drawings."""
    half, odd = divmod(drawings[0].size, 2)
    return not odd and half >= LEAST_PX and half % CELLS_PX[-1] == 0


class SmallerPuppet:
    """Draws as an unpainted `Puppet` of half the size would, and enlarges that; a `Generator`.

    Args:
        drawings: those of the puppet; see `fits`.
    """

    name = "puppet at half its size"
    ready = True

    def __init__(self, drawings: Sequence[CutDrawing]) -> None:
        self._puppet = Puppet([halved(drawing) for drawing in drawings])
        size = self._puppet.size
        self._picture = np.empty((size, size, 4), np.uint8)

    def prepare(self) -> None:
        """It is ready."""

    def draw(
        self, joints: NDArray[np.float32], pose_image: NDArray[np.uint8], out: NDArray[np.uint8]
    ) -> None:
        """See `engine.generator.Generator.draw`."""
        smaller = joints.copy()
        smaller[:, :3] *= 0.5
        self._puppet.carry(smaller, self._picture)
        cv2.resize(self._picture, out.shape[1::-1], dst=out, interpolation=cv2.INTER_LINEAR)

    def forget(self) -> None:
        """See `engine.generator.Generator.forget`."""
        self._puppet.forget()

    def close(self) -> None:
        """Nothing to release."""


def halved(drawing: CutDrawing) -> CutDrawing:
    """The same drawing at half its size; each colour counts by how much of it is there."""
    pixels = drawing.pixels.astype(np.float32)
    count, size = len(pixels), drawing.size
    # Colours beside a part have a little weight, so that its rim bleeds into nothing.
    weight = pixels[..., WHOLE:] + 1.0
    pixels[..., :DRAWN] *= weight
    blocks = np.concatenate([pixels, weight], 3).reshape(count, size // 2, 2, size // 2, 2, 6)
    mean = blocks.mean((2, 4))
    mean[..., :DRAWN] /= mean[..., 5:]
    small = np.rint(mean[..., :5]).astype(np.uint8)
    for edge in (small[:, 0], small[:, -1], small[:, :, 0], small[:, :, -1]):
        edge[..., DRAWN:] = 0  # as every drawing's outermost pixels are
    joints = drawing.joints.copy()
    joints[:, :3] *= 0.5
    return CutDrawing(small, joints, drawing.name)

"""The painter that ships, for one character: what its int8 form costs that one's pictures."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.enrol.clip import dance, drawn
from engine.likeness import ssim
from engine.manifest import PrecisionManifest
from engine.motion.proportions import CharacterSkeleton
from engine.puppet.drawing import CutDrawing
from engine.puppet.puppet import Puppet
from engine.puppet.shipped import shipped_painter

JUDGED: Final = (60, 180, 330, 450)
"""Poses of the standard dance."""


def painter_for(
    drawings: Sequence[CutDrawing], skeleton: CharacterSkeleton, shrink: int | None = None
) -> tuple[bytes, tuple[bytes, PrecisionManifest]]:
    """The painter in fp32; in int8, and how like fp32's its pictures of this character are.

    Args:
        drawings: of the character, cut.
        skeleton: its proportions.
        shrink: see `engine.puppet.shipped.shipped_painter`.

    Raises:
        ValueError: a size that the painter cannot draw, see `shipped_painter`.
        BackendError: ONNX Runtime cannot run it.
    """
    size = drawings[0].size
    models = (
        shipped_painter(size, shrink=shrink),
        shipped_painter(size, "int8", shrink=shrink),
    )
    track = dance(skeleton, size)
    sets = []
    for model in models:
        painted = Puppet(drawings, OnnxRuntimeBackend(model))
        sets.append(np.stack([drawn(painted, track[frame], size) for frame in JUDGED]))
        painted.close()
    scores = [ssim(made, truth) for made, truth in zip(sets[1], sets[0], strict=True)]
    errors = np.abs(sets[1].astype(np.int16) - sets[0])
    likeness = PrecisionManifest(
        file="painter.int8.onnx",
        ssim=round(float(np.mean(scores)), 5),
        ssim_min=round(min(scores), 5),
        mean_error=round(float(errors.mean()), 5),
        max_error=int(errors.max()),
    )
    return models[0], (models[1], likeness)

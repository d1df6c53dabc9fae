"""What travels through the pipeline."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from engine.pose.pose import Pose


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8 RGB, C-contiguous; nobody writes to it.
        sequence: 0, 1, 2, ... as the source numbers its pictures; a gap is a picture that the
            source itself had to drop.
        captured_ns: on the engine's clock, when the picture was taken (live), was due (paced) or
            was read (as fast as possible).
        pts, time_base: the source's own time stamp, where it has one.
    """

    image: NDArray[np.uint8]
    sequence: int
    captured_ns: int
    pts: int | None = None
    time_base: Fraction | None = None

    @property
    def seconds(self) -> float | None:
        """The time stamp in seconds, or None where the source has none."""
        if self.pts is None or self.time_base is None:
            return None
        return float(self.pts * self.time_base)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stage's work on one packet, on the engine's clock."""

    stage: str
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """A frame and what the stages have learnt from it; copied by `dataclasses.replace`.

    Attributes:
        frame: where it began.
        stamps: one for each stage that it has passed, in order.
        pose: the person; None where nobody is there.
        joints: (20, 4) float32, character pixels, normalised and smoothed.
        pose_image: (S, S, 3) uint8, what the generator is shown.
        picture: (S, S, 4) uint8, premultiplied RGBA from the generator.
        output: (H, W, 3) RGB or (H, W, 4) premultiplied RGBA, what the sink takes.
    """

    frame: Frame
    stamps: tuple[Stamp, ...] = ()
    pose: Pose | None = None
    joints: NDArray[np.float32] | None = None
    pose_image: NDArray[np.uint8] | None = None
    picture: NDArray[np.uint8] | None = None
    output: NDArray[np.uint8] | None = None

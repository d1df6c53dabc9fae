"""An open loop: frames come when they are due, whatever the pipeline does, as from a camera."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.clock import Clock
from engine.frame import Frame
from engine.io.file import FileSource


class CameraSource:
    """Pictures from memory, back and forth, each at its time; nothing is decoded meanwhile.

    A thread that wakes late does not move the schedule: the frame was due when it was due, and so
    were those that are due by now.

    Args:
        images: (H, W, 3) RGB; they play forwards and backwards, so that no motion jumps.
        fps: the schedule's.
        count: frames in all.
        clock: the pipeline's.
    """

    name, live = "camera", True

    def __init__(
        self, images: Sequence[NDArray[np.uint8]], fps: float, count: int, clock: Clock
    ) -> None:
        if not images or count < 1:
            raise ValueError(f"a camera needs pictures to show, not {len(images)} x {count}")
        self.fps: float | None = fps
        self.size_wh = images[0].shape[1], images[0].shape[0]
        self.due_ns = np.empty(0, np.int64)
        """(N,) the schedule, once `frames` has begun."""
        self._images = [*images, *images[-2:0:-1]]
        self._period_ns, self._count, self._clock = 1e9 / fps, count, clock
        self._stop = threading.Event()

    def frames(self) -> Iterator[Frame]:
        """See `engine.pipeline.Source`."""
        steps = np.round(np.arange(1, self._count + 1) * self._period_ns).astype(np.int64)
        self.due_ns = self._clock.now_ns() + steps
        for sequence, due in enumerate(self.due_ns.tolist()):
            if not self._clock.sleep_until_ns(due, self._stop):
                self.due_ns = self.due_ns[:sequence]
                return
            yield Frame(self._images[sequence % len(self._images)], sequence, due)

    def stop(self) -> None:
        """See `engine.pipeline.Source`."""
        self._stop.set()

    def close(self) -> None:
        """Nothing to release."""


def pictures_of(clip: Path, count: int) -> list[NDArray[np.uint8]]:
    """The first pictures of a video, in memory."""
    return [frame.image for frame in frames_of(clip, count)]


def frames_of(clip: Path, count: int | None = None) -> list[Frame]:
    """The first frames of a video, or all, in memory: each with pixels of its own."""
    source = FileSource(clip)
    try:
        return [replace(f, image=f.image.copy()) for f in islice(source.frames(), count)]
    finally:
        source.close()

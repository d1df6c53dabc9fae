"""Pictures in a folder, played as a video."""

import glob
import re
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from engine.clock import Clock, MonotonicClock, PtsClock
from engine.errors import EmptyVideo, MediaError, NotAVideo, UnsupportedSize
from engine.frame import Frame

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class ImageSequenceSource:
    """The pictures of a folder, or of a pattern with wildcards, in the order of their names,
    numbers by their value: 2.png comes before 10.png.

    Args:
        location: a folder or a pattern ("shots/*.png").
        fps: how fast they are played.
        realtime: pace them as a camera does.
        clock: the pipeline's.

    Raises:
        MediaError: there is no such folder.
        EmptyVideo: it has no pictures.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        fps: float = 30.0,
        realtime: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.name = str(location)
        self.live = realtime
        self.fps: float | None = fps
        self._clock = MonotonicClock() if clock is None else clock
        self._time_base = 1 / Fraction(fps).limit_denominator(1001)
        self._stop = threading.Event()
        folder = Path(location)
        if folder.is_dir():
            found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES]
        elif glob.has_magic(self.name):
            found = [Path(path) for path in glob.glob(self.name)]  # noqa: PTH207  any pattern
        else:
            raise MediaError(f"there is no folder {location}")
        if not found:
            raise EmptyVideo(f"there are no pictures in {location} ({', '.join(SUFFIXES)})")
        self._paths = found = sorted(found, key=_by_number)
        self.frames_total: int | None = len(found)
        height, width = self._read(found[0]).shape[:2]
        self.size_wh = (width, height)

    def frames(self) -> Iterator[Frame]:
        """The pictures; see `engine.pipeline.Source`.

        Raises:
            NotAVideo: a file cannot be read as a picture.
            UnsupportedSize: a picture has another size than the first.
        """
        paced = PtsClock(self._clock)
        for sequence, path in enumerate(self._paths):
            image = self._read(path)
            if image.shape[1::-1] != self.size_wh:
                raise UnsupportedSize(
                    f"{path} is {image.shape[1]} x {image.shape[0]}, but the first picture is "
                    f"{self.size_wh[0]} x {self.size_wh[1]}; make them equal"
                )
            captured_ns = self._clock.now_ns()
            if self.live:
                captured_ns = paced.due_ns(float(sequence * self._time_base))
                self._clock.sleep_until_ns(captured_ns, self._stop)
            if self._stop.is_set():
                return
            yield Frame(image, sequence, captured_ns, sequence, self._time_base)

    def stop(self) -> None:
        """See `engine.pipeline.Source`."""
        self._stop.set()

    def close(self) -> None:
        """Nothing is held open."""

    def _read(self, path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise NotAVideo(f"{path} cannot be read as a picture")
        return np.ascontiguousarray(picture[..., ::-1], np.uint8)


def _by_number(path: Path) -> tuple[list[tuple[int, str]], str]:
    parts = re.split(r"(\d+)", path.name)  # every other one is a number
    key = [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)]
    return key, path.name

"""Video files and network streams, through PyAV: any container, any codec that FFmpeg reads."""

import errno
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.buffers import BufferPool
from engine.clock import Clock, MonotonicClock, PtsClock
from engine.errors import (
    EmptyVideo,
    MediaError,
    NotAVideo,
    StreamStalled,
    TruncatedVideo,
    UnsupportedSize,
)
from engine.frame import Frame

MAX_SIDE_PX = 16_384
"""A larger picture is taken for damage or malice."""

_TAIL_S = 0.5
"""A file that ends so much before its own duration is truncated."""


def is_url(location: str) -> bool:
    """Whether a location is a network stream rather than a file."""
    return "://" in location


class FileSource:
    """The pictures of a video, turned upright and with square pixels.

    Args:
        location: a file, or a URL that FFmpeg can open.
        realtime: pace the video as a camera is, and count as live: frames are due at their time
            stamps, however late the engine runs. A network stream is live in any case.
        loop: begin again at the end, for ever.
        max_side_px: larger pictures are scaled down to this longer side.
        timeout_s: a network stream that sends nothing for so long has stalled.
        clock: the pipeline's.

    Raises:
        MediaError: there is no such file; see also NotAVideo, EmptyVideo, UnsupportedSize.
        StreamStalled: the stream does not answer.
    """

    def __init__(
        self,
        location: str | Path,
        *,
        realtime: bool = False,
        loop: bool = False,
        max_side_px: int = 1280,
        timeout_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        import av.video.reformatter

        self.location = str(location)
        self.name = self.location
        self.live = realtime or is_url(self.location)
        self._paced = realtime
        self._loop = loop
        self._timeout_s = timeout_s
        self._clock = MonotonicClock() if clock is None else clock
        self._stop = threading.Event()
        self._container: Any = self._open()
        try:
            self._stream: Any = self._container.streams.video[0]
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.thread_count = 2
            rate = self._stream.average_rate or self._stream.guessed_rate
            self.fps = float(rate) if rate else None
            self.frames_total: int | None = self._count()
            self._decoded = self._decode()
            self._first: Any = next(self._decoded, None)
            if self._first is None:
                raise EmptyVideo(f"{self.location} has a video stream without a single picture")
            self._mirrored, self._turns = _orientation(self._first)
            self._scaled_wh, self.size_wh = self._sizes(max_side_px)
        except BaseException:
            self._container.close()
            raise
        # One for good: every new one keeps memory of FFmpeg's.
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._pool = BufferPool((self.size_wh[1], self.size_wh[0], 3))

    def frames(self) -> Iterator[Frame]:
        """The pictures; see `engine.pipeline.Source`.

        Raises:
            TruncatedVideo: after the last picture, if there should have been more.
            StreamStalled: a network stream stopped sending.
        """
        paced = PtsClock(self._clock)
        sequence = 0
        loop_offset = 0
        while True:
            pts = 0
            for picture in self._upright():
                time_base = picture.time_base or self._time_base()
                pts = loop_offset + (
                    picture.pts if picture.pts is not None else sequence * self._step(time_base)
                )
                captured_ns = self._clock.now_ns()
                if self._paced:
                    captured_ns = paced.due_ns(float(pts * time_base))
                    if not self._clock.sleep_until_ns(captured_ns, self._stop):
                        return
                if self._stop.is_set():
                    return
                yield Frame(self.to_rgb(picture), sequence, captured_ns, pts, time_base)
                sequence += 1
            if not self._loop:
                return
            loop_offset = pts + self._step(time_base)
            self._container.seek(0)
            self._decoded = self._decode()

    def stop(self) -> None:
        """See `engine.pipeline.Source`."""
        self._stop.set()

    def close(self) -> None:
        """Close the file; idempotent."""
        self._container.close()

    def _open(self) -> Any:
        import av

        if not is_url(self.location):
            path = Path(self.location)
            if not path.exists():
                raise MediaError(f"there is no file {path}")
            if path.is_dir():
                raise NotAVideo(f"{path} is a folder; for pictures in it use images:{path}")
            if path.stat().st_size == 0:
                raise EmptyVideo(f"{path} is empty (0 bytes)")
        try:
            container = av.open(
                self.location, timeout=self._timeout_s if is_url(self.location) else None
            )
        except av.error.FFmpegError as error:
            raise self._translated(error) from error
        if not container.streams.video:
            container.close()
            raise NotAVideo(f"{self.location} has no video stream")
        return container

    def _translated(self, error: Exception) -> Exception:
        import av

        if isinstance(error, av.error.ExitError) or getattr(error, "errno", 0) in (
            errno.ETIMEDOUT,
            errno.EAGAIN,
        ):
            return StreamStalled(f"{self.location} sent nothing for {self._timeout_s:g} s")
        if isinstance(error, av.error.PermissionError):
            return MediaError(f"{self.location} may not be read: {error}")
        if is_url(self.location) and not isinstance(error, av.error.InvalidDataError):
            return StreamStalled(f"{self.location} cannot be reached: {error}")
        reason = getattr(error, "strerror", None) or error  # without FFmpeg's number
        return NotAVideo(f"{self.location} is not a video that can be read: {reason}")

    def _decode(self) -> Iterator[Any]:
        import av

        last = None
        try:
            for picture in self._container.decode(self._stream):
                last = picture
                yield picture
        except av.error.FFmpegError as error:
            if last is None or is_url(self.location):
                raise self._translated(error) from error
            raise TruncatedVideo(
                f"{self.location} is damaged after {last.time or 0:.1f} s ({error}); "
                "what came before was used"
            ) from error
        if last is not None and self._duration_s is not None and last.time is not None:
            missing_s = self._duration_s - (last.time - self._start_s)
            if missing_s > max(_TAIL_S, 2 * float(self._step(last.time_base) * last.time_base)):
                raise TruncatedVideo(
                    f"{self.location} should last {self._duration_s:.1f} s, but its pictures end "
                    f"{missing_s:.1f} s earlier; what is there was used"
                )

    @property
    def _start_s(self) -> float:
        start = self._stream.start_time
        return 0.0 if start is None else float(start * self._stream.time_base)

    @property
    def _duration_s(self) -> float | None:
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration is not None and not self._container.streams.audio:
            return float(self._container.duration / 1_000_000)
        return None

    def _count(self) -> int | None:
        if self._loop or (self.live and not self._paced):
            return None
        if self._stream.frames:
            return int(self._stream.frames)
        duration_s = self._duration_s
        return round(duration_s * self.fps) if duration_s is not None and self.fps else None

    def _upright(self) -> Iterator[Any]:
        if self._first is not None:
            first, self._first = self._first, None
            yield first
        yield from self._decoded

    def _time_base(self) -> Fraction:
        return Fraction(self._stream.time_base or Fraction(1, 1000))

    def _step(self, time_base: Fraction) -> int:
        return max(round(1 / ((self.fps or 30.0) * time_base)), 1)

    def _sizes(self, max_side_px: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Size to scale to, and the size after turning; (width, height)."""
        width, height = self._first.width, self._first.height
        if max(width, height) > MAX_SIDE_PX or min(width, height) < 1:
            raise UnsupportedSize(
                f"{self.location} is {width} x {height}; at most {MAX_SIDE_PX} pixels a side"
            )
        aspect = self._stream.sample_aspect_ratio
        if aspect and aspect != 1:
            width = max(round(width * float(aspect)), 1)
        shrink = max(max(width, height) / max_side_px, 1.0)
        scaled = max(round(width / shrink), 1), max(round(height / shrink), 1)
        return scaled, scaled[::-1] if self._turns % 2 else scaled

    def to_rgb(self, picture: Any) -> NDArray[np.uint8]:
        """A decoded picture of PyAV's as upright RGB (H, W, 3), in a buffer that is used again."""
        width, height = self._scaled_wh
        plane: Any = self._reformatter.reformat(picture, width, height, "rgb24").planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)
        rgb = rows[:, : 3 * width].reshape(height, width, 3)
        if self._mirrored:
            rgb = rgb[:, ::-1]
        out = self._pool.take()
        np.copyto(out, np.rot90(rgb, -self._turns))
        return out


def _orientation(picture: Any) -> tuple[bool, int]:
    """Whether to mirror a picture left to right, and then how many quarters to turn it clockwise.

    Cameras of telephones store what the sensor saw, and how to show it in a matrix (ISO/IEC
    14496-12, section 6.2.2): x' = a x + c y, y' = b x + d y.
    """
    turns = round(-picture.rotation / 90)
    stored = picture.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return False, turns % 4
    a, b, _, c, d = np.frombuffer(bytes(stored), np.int32)[:5].astype(np.float64)
    mirrored = bool(a * d - b * c < 0)
    # FFmpeg tells where the x axis goes, and mirroring has turned that about already.
    return mirrored, (turns + 2 * mirrored) % 4

"""Video files, through PyAV: mp4 for everybody, WebM and ProRes with true alpha."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import NO_SPACE, DiskFull, SinkError
from engine.frame import Packet
from engine.io._kernels_composite import straighten
from engine.io.folders import needs_folder

_TIME_BASE = Fraction(1, 90_000)
_BT709 = 1  # the number of BT.709 in every colour table of FFmpeg
_TV_RANGE = 1


@dataclass(frozen=True, slots=True)
class _Format:
    """How one kind of file is encoded."""

    codec: str
    pixels: str
    alpha: bool
    options: dict[str, str]
    container: dict[str, str]
    copied_audio: tuple[str, ...]  # goes into the container as it is; other codecs are encoded
    audio_codec: str


_FORMATS = {
    ".mp4": _Format(
        "libx264", "yuv420p", False,
        {"preset": "veryfast", "crf": "18"},
        # Playable however the program ends, and an ordinary mp4 once it is closed. The header
        # waits for the first fragment, so that it can say how far pictures are stored out of order:
        # else they begin two pictures late. A fragment is a second, and goes to the disk at once.
        {"movflags": "+hybrid_fragmented+delay_moov", "frag_duration": "1000000",
         "flush_packets": "1"},
        ("aac", "mp3", "ac3"), "aac",
    ),
    ".mov": _Format(
        "prores_ks", "yuva444p10le", True, {"profile": "4"}, {},
        ("aac", "mp3", "pcm_s16le"), "aac",
    ),
    ".webm": _Format(
        "libvpx-vp9", "yuva420p", True,
        {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "24", "b": "0",
         "auto-alt-ref": "0"},
        {}, ("opus", "vorbis"), "libopus",
    ),
}  # fmt: skip
SUFFIXES = tuple(_FORMATS)


def has_alpha(path: Path) -> bool:
    """Whether a video file of this name carries alpha."""
    return _FORMATS[path.suffix.lower()].alpha


class VideoSink:
    """Writes outputs to a video file.

    The pictures keep the source's time stamps, so a variable frame rate stays one and sound stays
    in sync. The file grows under a temporary name beside `path` and takes its place at the end;
    an end by error or Ctrl-C finishes it too.

    Args:
        path: .mp4 (H.264), .webm (VP9 with alpha) or .mov (ProRes 4444 with alpha).
        audio_from: a file whose first audio stream goes along; silent if it has none.

    Raises:
        SinkError: another suffix, or a folder that cannot be written to.
    """

    def __init__(self, path: str | Path, *, audio_from: str | None = None) -> None:
        self.path = Path(path)
        self.name = self.path.suffix.lower().lstrip(".")
        if self.path.suffix.lower() not in _FORMATS:
            raise SinkError(
                f"{self.path.name} is no kind of video that can be written; "
                f"use {', '.join(SUFFIXES)} or a folder for PNG"
            )
        needs_folder(self.path)
        self._format = _FORMATS[self.path.suffix.lower()]
        self._partial = self.path.with_name(f".{self.path.stem}.partial{self.path.suffix.lower()}")
        self._audio_from = audio_from
        self._container: Any = None
        self._stream: Any = None
        self._audio: _Audio | None = None
        self._size_wh = (0, 0)
        self._start_s = 0.0
        self._last_pts = -1
        self._closed = False

    def write(self, packet: Packet) -> None:
        """Encode one packet's output.

        Raises:
            DiskFull: there is no space left; what was written stays.
            SinkError: the picture has another size than the first, or the encoder failed.
        """
        picture = packet.output
        if picture is None:
            raise SinkError("there is no output to write: put the composite stage before the sink")
        with _writing(self.path):
            if self._container is None:
                self._open(picture, packet)
            seconds = _seconds(packet) - self._start_s
            frame = self._encoded_form(picture)
            self._last_pts = frame.pts = max(round(seconds / _TIME_BASE), self._last_pts + 1)
            frame.time_base = _TIME_BASE
            self._container.mux(self._stream.encode(frame))
            if self._audio is not None:
                self._audio.copy_until(seconds)

    def close(self) -> None:
        """Finish the file; idempotent. Nothing is left behind if nothing was written."""
        if self._closed:
            return
        self._closed = True
        if self._container is None:
            return
        try:
            with _writing(self.path):
                self._container.mux(self._stream.encode(None))
                if self._audio is not None:
                    self._audio.copy_until(float((self._last_pts + 1) * _TIME_BASE))
                    self._audio.finish()
        finally:
            try:
                with _writing(self.path):
                    self._container.close()
            finally:
                self._partial.replace(self.path)

    def _open(self, picture: NDArray[np.uint8], packet: Packet) -> None:
        import av

        height, width = picture.shape[:2]
        self._size_wh = (width, height)
        container = av.open(str(self._partial), "w", options=self._format.container)
        try:
            self._set_up(container, width, height, packet)
        except BaseException:
            # Without a stream there is no file: what was at `path` stays.
            with contextlib.suppress(Exception):
                if self._audio is not None:
                    self._audio.release()
                container.close()
            self._audio = None
            self._partial.unlink(missing_ok=True)
            raise
        self._container = container

    def _set_up(self, container: Any, width: int, height: int, packet: Packet) -> None:
        import av.video.reformatter

        stream: Any = container.add_stream(self._format.codec, options=self._format.options)
        # Chroma is stored for two by two pixels: the last row or column is repeated if it is odd.
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = self._format.pixels
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 2
        stream.codec_context.color_primaries = _BT709
        stream.codec_context.color_trc = _BT709
        stream.codec_context.colorspace = _BT709
        stream.codec_context.color_range = _TV_RANGE
        self._stream = stream
        self._reformatter = av.video.reformatter.VideoReformatter()
        self._start_s = _seconds(packet)
        if self._audio_from is not None:
            self._audio = _Audio.of(self._audio_from, container, self._format)
            if self._audio is not None:
                self._start_s = self._audio.start_s

    def _encoded_form(self, picture: NDArray[np.uint8]) -> Any:
        import av
        from av.video.reformatter import ColorRange, Colorspace

        height, width = picture.shape[:2]
        if (width, height) != self._size_wh:
            raise SinkError(
                f"{self.path.name} has pictures of {self._size_wh[0]} x {self._size_wh[1]}, "
                f"but this one is {width} x {height}"
            )
        if picture.shape[2] == 4:
            straight = np.empty_like(picture)
            straighten(picture, straight)
            picture = straight
        if width % 2 or height % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(
            picture, format="rgba" if picture.shape[2] == 4 else "rgb24"
        )
        return self._reformatter.reformat(
            frame,
            format=self._format.pixels,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )


class _Audio:
    """Carries the audio of one file into another, up to the pictures written so far.

    Args:
        source: an open container with audio; closed at the end.
        target: the container that is written.
        form: how.
    """

    def __init__(self, source: Any, target: Any, form: _Format) -> None:
        import av

        stream = source.streams.audio[0]
        # Both streams of the new file count from where the old file began.
        self.start_s = (source.start_time or 0) / av.time_base
        self._source = source
        self._target = target
        self._copied = stream.codec_context.name in form.copied_audio
        self._output: Any = (
            target.add_stream_from_template(stream)
            if self._copied
            else target.add_stream(form.audio_codec, rate=48_000)
        )
        self._packets: Iterator[Any] = source.demux(stream)
        self._waiting: Any = next(self._packets, None)

    @classmethod
    def of(cls, location: str, target: Any, form: _Format) -> "_Audio | None":
        """The audio of a file; None if it has none."""
        import av

        source = av.open(location)
        if not source.streams.audio:
            source.close()
            return None
        try:
            return cls(source, target, form)
        except BaseException:
            source.close()
            raise

    def copy_until(self, seconds: float) -> None:
        """Everything up to a moment, counted from the start of the file."""
        while (packet := self._waiting) is not None:
            if packet.pts is not None:
                if float(packet.pts * packet.time_base) - self.start_s > seconds:
                    return
                self._carry(packet)
            self._waiting = next(self._packets, None)

    def finish(self) -> None:
        """Flush the encoder and close the source."""
        if not self._copied:
            self._target.mux(self._output.encode(None))
        self.release()

    def release(self) -> None:
        """Close the source."""
        self._source.close()

    def _carry(self, packet: Any) -> None:
        shift = round(self.start_s / packet.time_base)
        if self._copied:
            packet.pts -= shift
            if packet.dts is not None:
                packet.dts -= shift
            packet.stream = self._output
            self._target.mux(packet)
            return
        for frame in packet.decode():
            if frame.pts is not None:
                frame.pts -= shift
            self._target.mux(self._output.encode(frame))


def _seconds(packet: Packet) -> float:
    seconds = packet.frame.seconds
    return packet.frame.captured_ns * 1e-9 if seconds is None else seconds


class _writing:  # noqa: N801  reads as a statement: `with _writing(path):`
    """Turns the errors of FFmpeg and the file system into the engine's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, OSError):  # FFmpeg's errors are OSErrors too, in PyAV
            if error is not None and type(error).__module__.startswith("av."):
                raise SinkError(f"{self._path} cannot be encoded: {error}") from error
            return
        if error.errno in NO_SPACE:
            raise DiskFull(
                f"there is no space left for {self._path}; what was written so far is kept"
            ) from error
        raise SinkError(f"{self._path} cannot be written: {error}") from error

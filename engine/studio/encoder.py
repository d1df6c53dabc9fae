"""Pictures to H.264 or VP8, each one as soon as it comes."""

from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

Encoded: TypeAlias = "av.Packet[av.VideoStream]"  # a generic for type checkers only

TIME_BASE = Fraction(1, 90_000)
"""Of every time stamp: RTP's clock for video."""

_KEY_EVERY = 600
"""Frames between key frames that nobody asked for; viewers ask when they need one."""

_LIBRARY = {"H264": "libx264", "VP8": "libvpx"}
_OPTIONS = {
    # Constrained baseline is what every browser decodes; `superfast` costs a third of the default.
    "H264": {"preset": "superfast", "tune": "zerolatency", "level": "31", "profile": "baseline"},
    "VP8": {
        "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0",
        "error-resilient": "default", "auto-alt-ref": "0",
    },
}  # fmt: skip


class Stamps:
    """Time stamps in units of `TIME_BASE`, from 0 on, each greater than the last."""

    def __init__(self) -> None:
        self._first_ns: int | None = None
        self._last = -1

    def of(self, now_ns: int) -> int:
        """The time stamp of a moment in ns."""
        if self._first_ns is None:
            self._first_ns = now_ns
        self._last = max((now_ns - self._first_ns) * 9 // 100_000, self._last + 1)
        return self._last


class Encoder:
    """One stream of packets, one for each picture, without delay. Belongs to one thread.

    Args:
        codec: "H264" or "VP8".
        size_wh: even numbers.
        bitrate: bits per second, on average.
    """

    def __init__(self, codec: str, size_wh: tuple[int, int], bitrate: int) -> None:
        self.size_wh = size_wh
        context = av.CodecContext.create(_LIBRARY[codec], "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = size_wh
        context.pix_fmt = "yuv420p"
        context.bit_rate = bitrate
        context.framerate = Fraction(30)
        context.time_base = TIME_BASE
        context.gop_size = _KEY_EVERY
        context.thread_count = 1
        context.options = _OPTIONS[codec]
        self._context = context

    def encode(self, image: NDArray[np.uint8], pts: int, *, key: bool) -> "Encoded | None":
        """The packet of an (H, W, 3) RGB picture, or None if the encoder leaves it out.

        Args:
            image: of this encoder's size.
            pts: in units of `TIME_BASE`; each greater than the last.
            key: let the picture be decoded without those before it.
        """
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, TIME_BASE
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._context.encode(frame)
        if not packets:
            return None
        assert len(packets) == 1, "an encoder without delay gives one packet a picture"
        packets[0].time_base = TIME_BASE
        return packets[0]

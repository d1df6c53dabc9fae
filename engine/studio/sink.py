"""Pictures out of a pipeline to any number of viewers, encoded once for all of them."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.channel import ChannelClosed, ChannelStatistics
from engine.clock import Clock
from engine.errors import SinkError
from engine.frame import Packet
from engine.studio.encoder import Encoded, Encoder

_SMOOTHING = 0.1  # share of the newest measurement in the latency that the sound follows

_KEY_GAP_NS = 300_000_000
"""At least so long between key frames that viewers ask for: one of them cannot spend the bits of
all. Who needs one waits as long."""


class Feed:
    """One viewer's place: a bounded queue from the pipeline's thread to a task of the event loop.

    A video packet is worth nothing without those before it. So a viewer who falls behind loses
    all that waits and goes on at the next key frame, which the sink is then asked for.

    Args:
        codec: "H264" or "VP8".
        capacity: packets that may wait.
    """

    def __init__(self, codec: str, *, capacity: int = 8) -> None:
        self.codec = codec
        self.wants_key = True
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._lock = threading.Lock()
        self._packets: deque[Encoded] = deque()
        self._told = self._closed = False
        self._sent = self._delivered = self._dropped = 0

    def put(self, packet: Encoded) -> None:
        """Send a packet; on the sink's thread, and never waits."""
        with self._lock:
            if self._closed:
                return
            self._sent += 1
            if len(self._packets) == self._capacity:
                self._dropped += len(self._packets)
                self._packets.clear()
                self.wants_key = True
            if self.wants_key and not packet.is_keyframe:
                self._dropped += 1
                return
            self.wants_key = False
            self._packets.append(packet)
            self._tell()

    async def get(self) -> Encoded:
        """The next packet; waits for one.

        Raises:
            ChannelClosed: there will be none.
        """
        while True:
            with self._lock:
                if self._packets:
                    self._delivered += 1
                    return self._packets.popleft()
                if self._closed:
                    raise ChannelClosed("feed")
                self._told = False
                self._ready.clear()
            await self._ready.wait()

    def request_key(self) -> None:
        """The viewer cannot go on without a key frame."""
        with self._lock:
            self._dropped += len(self._packets)
            self._packets.clear()
            self.wants_key = True

    def close(self) -> None:
        """Nothing more will come or be taken; idempotent, from any thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._dropped += len(self._packets)
                self._packets.clear()
                self._tell()

    def statistics(self) -> ChannelStatistics:
        """A consistent count at this moment."""
        with self._lock:
            waiting = len(self._packets)
            return ChannelStatistics("feed", self._sent, self._delivered, self._dropped, waiting)

    def _tell(self) -> None:
        # Once until the task has looked: the loop's own queue of calls has no bound.
        if not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self._ready.set)


class WebRtcSink:
    """Encodes each picture once for each codec that somebody watches, and hands it to all feeds.

    Args:
        clock: the pipeline's.
        bitrate: of the video, bits per second.
        on_close: called, on the sink's thread, when the pipeline has ended.
    """

    name = "webrtc"

    def __init__(
        self,
        clock: Clock,
        *,
        bitrate: int = 2_000_000,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock
        self._bitrate = bitrate
        self._on_close = on_close
        self._lock = threading.Lock()
        self._feeds: tuple[Feed, ...] = ()
        self._encoders: dict[str, Encoder] = {}
        self._keyed_ns: dict[str, int] = {}
        self._first_ns: int | None = None
        self._last_pts = -1
        self._latency_ns = 0.0
        self._closed = False

    @property
    def latency_ns(self) -> int:
        """From the arrival of a picture to its character's, of late."""
        return round(self._latency_ns)

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """Whoever watches now."""
        return self._feeds

    def attach(self, feed: Feed) -> None:
        """Begin to fill a feed; from any thread."""
        with self._lock:
            self._feeds = (*self._feeds, feed)
            closed = self._closed
        if closed:
            feed.close()

    def detach(self, feed: Feed) -> None:
        """Let a feed go, and close it; from any thread, idempotent."""
        with self._lock:
            self._feeds = tuple(other for other in self._feeds if other is not feed)
        feed.close()

    def write(self, packet: Packet) -> None:
        """Encode and hand out one picture.

        Raises:
            SinkError: the picture is no RGB.
        """
        picture = packet.output
        if picture is None or picture.shape[2] != 3:
            raise SinkError("WebRTC carries RGB: choose a background that is not transparent")
        feeds = self._feeds
        watched = {feed.codec for feed in feeds}
        for codec in self._encoders.keys() - watched:
            del self._encoders[codec]
        pts = self._pts()
        for codec in watched:
            self._send(codec, picture, pts, [feed for feed in feeds if feed.codec == codec])
        latency_ns = self._clock.now_ns() - packet.frame.captured_ns
        share = _SMOOTHING if self._latency_ns else 1.0
        self._latency_ns += share * (latency_ns - self._latency_ns)

    def close(self) -> None:
        """End every feed; idempotent."""
        with self._lock:
            first, self._closed = not self._closed, True
        self._encoders.clear()
        for feed in self._feeds:
            feed.close()
        if first:
            self._on_close()

    def _send(self, codec: str, picture: NDArray[np.uint8], pts: int, feeds: list[Feed]) -> None:
        # Half the rows and columns of colour: an odd last one is left out.
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        encoder = self._encoders.get(codec)
        now_ns = self._clock.now_ns()
        key = any(feed.wants_key for feed in feeds)
        key &= now_ns - self._keyed_ns.get(codec, now_ns - _KEY_GAP_NS) >= _KEY_GAP_NS
        if encoder is None or encoder.size_wh != (width, height):
            encoder = self._encoders[codec] = Encoder(codec, (width, height), self._bitrate)
            key = True
        image = np.ascontiguousarray(picture[:height, :width])
        made = encoder.encode(image, pts, key=key)
        if made is not None:
            if made.is_keyframe:
                self._keyed_ns[codec] = now_ns
            for feed in feeds:
                feed.put(made)

    def _pts(self) -> int:
        now_ns = self._clock.now_ns()
        if self._first_ns is None:
            self._first_ns = now_ns
        self._last_pts = max((now_ns - self._first_ns) * 9 // 100_000, self._last_pts + 1)
        return self._last_pts

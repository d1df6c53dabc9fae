"""What aiortc sends: the character, already encoded, and the performer's voice in sync with it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from engine.channel import ChannelClosed, ChannelStatistics
from engine.clock import Clock
from engine.studio.encoder import Encoded
from engine.studio.feed import Facts, Feed
from engine.studio.sink import WebRtcSink

JITTER_NS: Final = 80_000_000
"""Sound that aiortc's receiver has held back already: four packets of 20 ms. Video it does not."""


class CharacterTrack(MediaStreamTrack):
    """The packets of one feed, which joins the sink when the connection first asks for one.

    Args:
        sink: of the session.
        codec: set before the connection is made; see `engine.studio.sdp.video_codec`.
        packed: with the alpha below the colour.
        capacity: packets that may wait.
    """

    kind = "video"

    def __init__(
        self, sink: WebRtcSink, codec: str = "VP8", *, packed: bool = False, capacity: int = 8
    ) -> None:
        super().__init__()
        self.codec = codec
        self.packed = packed
        self.feed: Feed | None = None
        self.on_sent: Callable[[Facts], None] = lambda facts: None
        """Told of every picture when the connection has handed it to the network."""
        self._sink = sink
        self._capacity = capacity
        self._handed_out: Facts | None = None

    async def recv(self) -> Encoded:
        """The next packet; see `MediaStreamTrack`."""
        if self.readyState != "live":
            raise MediaStreamError
        if self.feed is None:
            self.feed = Feed(self.codec, packed=self.packed, capacity=self._capacity)
            self._sink.attach(self.feed)
        if self._handed_out is not None:  # who asks for the next picture has sent the last
            self.on_sent(self._handed_out)
        try:
            packet = await self.feed.get()
            facts = packet.opaque
            self._handed_out = facts if isinstance(facts, Facts) else None
            return packet
        except ChannelClosed:
            self.stop()
            raise MediaStreamError from None

    def statistics(self) -> ChannelStatistics:
        """What became of the packets."""
        if self.feed is None:
            return ChannelStatistics("feed", 0, 0, 0, 0)
        return self.feed.statistics()

    def request_key(self) -> None:
        """The other side has lost something and cannot go on without a key frame."""
        if self.feed is not None:
            self.feed.request_key()

    def stop(self) -> None:
        """Leave the sink; idempotent."""
        if self.feed is not None:
            self._sink.detach(self.feed)
        super().stop()


class SoundTrack(MediaStreamTrack):
    """Sound, later by what the pictures take, so that lips and hands stay together.

    Args:
        clock: the pipeline's.
        latency_ns: asked for every piece; how long the pictures take.
        capacity: pieces of 20 ms that may wait: two seconds by default.
    """

    kind = "audio"

    def __init__(self, clock: Clock, latency_ns: Callable[[], int], *, capacity: int = 100) -> None:
        super().__init__()
        self._clock = clock
        self._latency_ns = latency_ns
        self._capacity = capacity
        self._sleep = asyncio.sleep
        self._pieces: deque[tuple[int, av.AudioFrame]] = deque()
        self._arrival = asyncio.Event()
        self._sent = self._delivered = self._dropped = 0

    def put(self, piece: av.AudioFrame) -> None:
        """Take a piece that has just arrived; on the event loop."""
        if self.readyState != "live":
            return
        self._sent += 1
        if len(self._pieces) == self._capacity:
            self._pieces.popleft()
            self._dropped += 1
        self._pieces.append((self._clock.now_ns(), piece))
        self._arrival.set()

    async def recv(self) -> av.AudioFrame:
        """The next piece, when its pictures are due; see `MediaStreamTrack`."""
        while not self._pieces:
            if self.readyState != "live":
                raise MediaStreamError
            self._arrival.clear()
            await self._arrival.wait()
        arrived_ns, piece = self._pieces.popleft()
        self._delivered += 1
        due_ns = arrived_ns + max(self._latency_ns() - JITTER_NS, 0)
        await self._sleep(max(due_ns - self._clock.now_ns(), 0) * 1e-9)
        return piece

    def stop(self) -> None:
        """Drop what waits; idempotent."""
        super().stop()
        self._dropped += len(self._pieces)
        self._pieces.clear()
        self._arrival.set()

    def statistics(self) -> ChannelStatistics:
        """What became of the pieces."""
        waiting = len(self._pieces)
        return ChannelStatistics("sound", self._sent, self._delivered, self._dropped, waiting)

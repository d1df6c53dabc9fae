"""One viewer's place at a sink."""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from engine.channel import ChannelClosed, ChannelStatistics
from engine.studio.encoder import Encoded
from engine.studio.streams import Link, Stream


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a picture when it is encoded: its packet's `opaque`.

    Attributes:
        sequence: of the frame that it was made from.
        character: who is shown.
        captured_ns: when the frame was taken.
        present: whether somebody is in the picture.
        stages: name, begin and end of all that was done, ns on the pipeline's clock.
    """

    sequence: int
    character: str | None
    captured_ns: int
    present: bool
    stages: tuple[tuple[str, int, int], ...]


class Outlet(Protocol):
    """Somebody whom a sink hands packets to; called on the sink's thread."""

    link: Link

    @property
    def stream(self) -> Stream:
        """What to send now."""
        ...

    def wants_key(self, pts: int) -> bool:
        """Whether the picture of this time stamp should be a key frame."""
        ...

    def judge(self, sent_rate: int, now_ns: int) -> None:
        """Once a second: decide what to send; see `Link.judge`."""
        ...

    def put(self, packet: Encoded) -> None:
        """Send a packet; never waits."""
        ...

    def close(self) -> None:
        """Nothing more will come; idempotent, from any thread."""
        ...


class Feed:
    """One viewer's place: a bounded queue from the pipeline's thread to a task of the event loop.

    A video packet is worth nothing without those before it. So a viewer who falls behind loses
    all that waits and goes on at the next key frame, which the sink is then asked for.

    Attributes:
        link: what is known of the viewer's network.

    Args:
        codec: "H264" or "VP8".
        packed: with the alpha below the colour.
        capacity: packets that may wait.
    """

    def __init__(self, codec: str, *, packed: bool = False, capacity: int = 8) -> None:
        self.link = Link()
        self._needs_key = True  # nothing but a key frame is of use
        self._full = Stream(codec, packed)
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._lock = threading.Lock()
        self._packets: deque[Encoded] = deque()
        self._told = self._closed = False
        self._sent = self._delivered = self._dropped = 0

    @property
    def stream(self) -> Stream:
        """What the viewer is sent now."""
        return self._full._replace(thin=self.link.thin)

    def wants_key(self, pts: int = 0) -> bool:
        """Whether the viewer waits for one; the time does not matter."""
        return self._needs_key

    def judge(self, sent_rate: int, now_ns: int) -> None:
        """Decide between the full stream and the thin one; see `Link.judge`."""
        before = self.link.thin
        if self.link.judge(sent_rate, now_ns) != before:
            self.request_key()  # packets of two encoders do not go together

    def put(self, packet: Encoded) -> None:
        """Send a packet; on the sink's thread, and never waits."""
        with self._lock:
            if self._closed:
                return
            self._sent += 1
            if len(self._packets) == self._capacity:
                self._dropped += len(self._packets)
                self._packets.clear()
                self._needs_key = True
            if self._needs_key and not packet.is_keyframe:
                self._dropped += 1
                return
            self._needs_key = False
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
            self._needs_key = True

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

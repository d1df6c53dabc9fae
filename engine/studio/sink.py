"""Pictures out of a pipeline to any number of viewers, encoded once for all of them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.clock import Clock
from engine.errors import SinkError
from engine.frame import Packet
from engine.studio.encoder import Encoder, Stamps
from engine.studio.feed import Facts, Outlet
from engine.studio.packed_alpha import pack
from engine.studio.streams import NS, Ladder, Rate, Stream

_SMOOTHING = 0.1  # share of the newest measurement in the latency that the sound follows

_KEY_GAP_NS = 300_000_000
"""At least so long between key frames that viewers ask for: one of them cannot spend the bits of
all. Who needs one waits as long."""

_LOOK_NS = NS
"""How often bit rates are looked at, and the time that the rate of a stream is measured over."""


@dataclass(slots=True)
class _Line:
    """One stream that is being made."""

    rate: Rate
    encoder: Encoder | None = None
    keyed_ns: int | None = None
    pictures: int = 0
    bits: int = 0  # since the last look
    sent_rate: int = 0  # bits a second, as measured at the last look


@dataclass(slots=True)
class _Totals:
    """What the sink has done in all."""

    pictures: int = 0
    bytes: int = 0
    keys: int = 0
    encoders: int = 0


class WebRtcSink:
    """Encodes each picture once for each stream that somebody watches, and hands it to all feeds.

    Args:
        clock: the pipeline's.
        ladder: the limits of the bit rates; see `engine.studio.streams`.
        character: asked for every picture: who is shown.
        on_close: called, on the sink's thread, when the pipeline has ended.
    """

    name = "webrtc"

    watch: Callable[[NDArray[np.uint8]], None] | None = None
    """Shown every picture before it is encoded, to keep as it is; on the sink's thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        ladder: Ladder | None = None,
        character: Callable[[], str | None] = lambda: None,
        on_close: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock
        self._ladder = Ladder() if ladder is None else ladder
        self._character = character
        self._on_close = on_close
        self._lock = threading.Lock()
        self._feeds: tuple[Outlet, ...] = ()
        self._lines: dict[Stream, _Line] = {}
        self._totals = _Totals()
        self._stamps = Stamps()
        self._looked_ns: int | None = None
        self._latency_ns = 0.0
        self._closed = False

    @property
    def latency_ns(self) -> int:
        """From the arrival of a picture to its character's, of late."""
        return round(self._latency_ns)

    @property
    def feeds(self) -> tuple[Outlet, ...]:
        """Whoever watches now."""
        return self._feeds

    @property
    def totals(self) -> dict[str, int]:
        """Pictures and bytes encoded, key frames among them, and encoders begun."""
        made = self._totals
        return {
            "pictures": made.pictures, "bytes": made.bytes, "keys": made.keys,
            "encoders": made.encoders,
        }  # fmt: skip

    @property
    def rates(self) -> list[dict[str, object]]:
        """The streams that are made now: what they are, and their rates in bits a second."""
        return [
            {
                **stream._asdict(),
                "target": self._ladder.thin if stream.thin else line.rate.bitrate,
                "measured": line.sent_rate,
            }
            for stream, line in list(self._lines.items())
        ]

    def attach(self, feed: Outlet) -> None:
        """Begin to fill a feed; from any thread."""
        with self._lock:
            self._feeds = (*self._feeds, feed)
            closed = self._closed
        if closed:
            feed.close()

    def detach(self, feed: Outlet) -> None:
        """Let a feed go, and close it; from any thread, idempotent."""
        with self._lock:
            self._feeds = tuple(other for other in self._feeds if other is not feed)
        feed.close()

    def write(self, packet: Packet) -> None:
        """Encode and hand out one picture.

        Raises:
            SinkError: the picture is no RGB, or has no alpha beside it where one is asked for.
        """
        picture = packet.output
        if picture is None or picture.shape[2] != 3:
            raise SinkError("WebRTC carries RGB: choose a background that is not transparent")
        if (watch := self.watch) is not None:
            watch(picture)
        feeds = self._feeds
        now_ns = self._clock.now_ns()
        self._look(feeds, now_ns)
        watched = {feed.stream for feed in feeds}
        for stream in self._lines.keys() - watched:
            del self._lines[stream]
        pts = self._stamps.of(now_ns)
        for stream in watched:
            line = self._lines.setdefault(stream, _Line(Rate(self._ladder)))
            line.pictures += 1
            of_stream = [feed for feed in feeds if feed.stream == stream]
            if stream.thin and line.pictures % 2 == 0:
                continue
            if not stream.packed:
                image = picture
            elif packet.picture is not None:
                image = pack(packet.picture)
            else:
                raise SinkError("there is no picture with alpha: put a generator before the sink")
            self._send(stream, line, image, pts, packet, of_stream)
        latency_ns = self._clock.now_ns() - packet.frame.captured_ns
        share = _SMOOTHING if self._latency_ns else 1.0
        self._latency_ns += share * (latency_ns - self._latency_ns)

    def close(self) -> None:
        """End every feed; idempotent."""
        with self._lock:
            first, self._closed = not self._closed, True
        self._lines.clear()
        for feed in self._feeds:
            feed.close()
        if first:
            self._on_close()

    def _look(self, feeds: tuple[Outlet, ...], now_ns: int) -> None:
        """Once a second: measure the streams, and decide about rates and who gets which."""
        if self._looked_ns is None:
            self._looked_ns = now_ns
        passed_ns = now_ns - self._looked_ns
        if passed_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        for stream, line in self._lines.items():
            line.sent_rate, line.bits = line.bits * NS // passed_ns, 0
            links = [feed.link for feed in feeds if feed.stream == stream]
            if not stream.thin and line.rate.follow(links, line.sent_rate, now_ns):
                line.encoder = None  # the next one has the new rate
        for feed in feeds:
            watched = self._lines.get(feed.stream)
            if watched is not None:
                feed.judge(watched.sent_rate, now_ns)

    def _send(
        self, stream: Stream, line: _Line, picture: NDArray[np.uint8], pts: int,
        packet: Packet, feeds: list[Outlet],
    ) -> None:  # fmt: skip
        # Half the rows and columns of colour: an odd last one is left out.
        height, width = (side // 2 * 2 for side in picture.shape[:2])
        start_ns = self._clock.now_ns()
        key = any(feed.wants_key(pts) for feed in feeds)
        key &= line.keyed_ns is None or start_ns - line.keyed_ns >= _KEY_GAP_NS
        if line.encoder is None or line.encoder.size_wh != (width, height):
            bitrate = self._ladder.thin if stream.thin else line.rate.bitrate
            line.encoder = Encoder(stream.codec, (width, height), bitrate)
            self._totals.encoders += 1
            key = True
        image = np.ascontiguousarray(picture[:height, :width])
        made = line.encoder.encode(image, pts, key=key)
        if made is None:
            return
        self._totals.pictures += 1
        self._totals.bytes += made.size
        line.bits += 8 * made.size
        if made.is_keyframe:
            self._totals.keys += 1
            line.keyed_ns = start_ns
        made.opaque = Facts(
            packet.frame.sequence,
            self._character(),
            packet.frame.captured_ns,
            packet.pose is not None,
            (
                *((stamp.stage, stamp.start_ns, stamp.end_ns) for stamp in packet.stamps),
                ("encode", start_ns, self._clock.now_ns()),
            ),
        )
        for feed in feeds:
            feed.put(made)

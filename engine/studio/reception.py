"""Packets that come over RTP, put together to pictures: what is asked for again, and waited for.

aiortc 1.16 is made to lose nothing: it waits for a packet until 512 others have come, asks for it
again only when one more is lost, hands on one picture for each packet that comes, however many are
ready, and takes a picture for complete when the next one begins. So a picture is always one late,
and on a network that loses packets the pictures are seconds late. A live puppet had rather lose
pictures: here

*   a picture goes on as soon as its last packet, which is marked, is there;
*   what is missing is asked for again every 25 ms;
*   what has not come after 250 ms is given up; a key frame is asked for, and what comes before it
    is left out.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

from engine.clock import Clock
from engine.errors import StudioError

PATIENCE_NS: Final = 250_000_000
"""For a missing packet: several round trips of most networks."""
_ASK_EVERY_NS: Final = 25_000_000
_KEY_EVERY_NS: Final = 300_000_000  # a request may be lost, too
_MOST_PACKETS: Final = 2048  # that wait; a second of a fast camera has 400
_MOST_ASKED: Final = 256  # in one request; more than a picture has
_TURN: Final = 1 << 16  # of sequence numbers


class Counter:
    """Sequence numbers of 16 bits, counted on."""

    def __init__(self) -> None:
        self._last: int | None = None

    def count(self, number: int) -> int:
        """The number without a turn: the one nearest to the last."""
        if self._last is None:
            self._last = number
        self._last += (number - self._last + _TURN // 2) % _TURN - _TURN // 2
        return self._last


class Missing:
    """Which packets to ask for again; in the place of aiortc's `NackGenerator`.

    Args:
        clock: tells when they were found to be missing.
        recovered: told of each that has come after all, when it was asked for.
    """

    def __init__(
        self, clock: Clock, recovered: Callable[[RtpPacket], None] = lambda packet: None
    ) -> None:
        self._clock = clock
        self._recovered = recovered
        self._counter = Counter()
        self._next: int | None = None
        self._since_ns: dict[int, int] = {}
        self._asked_ns: dict[int, int] = {}
        self._due: list[int] = []

    @property
    def missing(self) -> list[int]:
        """The packets to ask for now, by their numbers of 16 bits."""
        return self._due

    def add(self, packet: RtpPacket) -> bool:
        """Take note of a packet that has come; whether to ask for some now."""
        now_ns = self._clock.now_ns()
        number = self._counter.count(packet.sequence_number)
        if self._next is None or number < self._next - _MOST_PACKETS:  # a new beginning
            self._next = number
            self._since_ns.clear()
        new = range(max(self._next, number - _MOST_ASKED), number)
        self._since_ns |= dict.fromkeys(new, now_ns)
        self._next = max(self._next, number + 1)
        if self._since_ns.pop(number, None) is not None:
            self._recovered(packet)
        self._since_ns = {
            n: since for n, since in self._since_ns.items() if now_ns - since <= PATIENCE_NS
        }
        self._asked_ns = {n: ns for n, ns in self._asked_ns.items() if n in self._since_ns}
        due = [
            n for n in self._since_ns
            if n not in self._asked_ns or now_ns - self._asked_ns[n] >= _ASK_EVERY_NS
        ][-_MOST_ASKED:]  # fmt: skip
        self._asked_ns |= dict.fromkeys(due, now_ns)
        self._due = sorted(n % _TURN for n in due)
        return bool(due)


class _Held(NamedTuple):
    """A packet that waits."""

    packet: RtpPacket
    came_ns: int
    key: bool  # whether a key frame begins with it


class Assembly:
    """Puts pictures together; in the place of aiortc's `JitterBuffer`.

    Args:
        clock: tells how long a packet has waited.
        deliver: told of each picture, in order: one of its packets, and its bytes.
    """

    def __init__(self, clock: Clock, deliver: Callable[[RtpPacket, bytes], None]) -> None:
        self._clock = clock
        self._deliver = deliver
        self._counter = Counter()
        self._held: dict[int, _Held] = {}  # in the order in which they came
        self._next: int | None = None  # where the next picture begins; None: any key frame does
        self._asked_ns: int | None = None  # when a key frame was asked for

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take a packet; whether a key frame must be asked for."""
        now_ns = self._clock.now_ns()
        number = self._counter.count(packet.sequence_number)
        if self._next is not None and number < self._next - _MOST_PACKETS:  # a new beginning
            self._next = None
            self._held.clear()
        if (self._next is None or number >= self._next) and number not in self._held:
            self._held[number] = _Held(packet, now_ns, begins_key(packet))
        self._go_on()
        oldest = next(iter(self._held.values()), None)
        late = oldest is not None and now_ns - oldest.came_ns > PATIENCE_NS
        if late or len(self._held) > _MOST_PACKETS:
            self._next = None
            self._give_up(now_ns)
        elif self._next is not None or self._asked_ns is None:
            return False, None
        if self._asked_ns is not None and now_ns - self._asked_ns < _KEY_EVERY_NS:
            return False, None
        self._asked_ns = now_ns
        return True, None

    def _go_on(self) -> None:
        """Hand on all pictures that are whole."""
        while True:
            end = None if self._next is None else self._end(self._next)
            if end is None:
                # A whole key frame needs nothing of what came before it.
                keys = sorted(number for number, held in self._held.items() if held.key)
                self._next = next((n for n in keys if self._end(n) is not None), self._next)
                end = None if self._next is None else self._end(self._next)
                if end is None:
                    return
            assert self._next is not None
            self._asked_ns = None
            whole = [self._held[number].packet for number in range(self._next, end)]
            data = b"".join(taken(packet) for packet in whole)
            if data:  # else it is padding
                self._deliver(whole[0], data)
            self._next = end
            self._held = {number: held for number, held in self._held.items() if number >= end}

    def _end(self, start: int) -> int | None:
        """The number after the last packet of the picture that begins there, if it is whole."""
        first = held = self._held.get(start)
        number = start
        while first and held and held.packet.timestamp == first.packet.timestamp:
            number += 1
            if held.packet.marker:
                return number
            held = self._held.get(number)
        # One without a mark ends where the next begins.
        return number if held else None

    def _give_up(self, now_ns: int) -> None:
        """Forget what waits for what will not come, but nothing of a key frame that is coming."""
        keys = [n for n, held in self._held.items() if held.key]
        young = [n for n in keys if now_ns - self._held[n].came_ns <= PATIENCE_NS]
        since_ns = now_ns - PATIENCE_NS // 2  # of one whose beginning is missing
        crowded = len(self._held) > _MOST_PACKETS
        self._held = {
            number: held
            for number, held in self._held.items()
            if not crowded and (number >= min(young) if young else held.came_ns > since_ns)
        }


def taken(packet: RtpPacket) -> bytes:
    """What aiortc has taken out of a packet before it comes here."""
    data: bytes = packet._data  # type: ignore[attr-defined]
    return data


def begins_key(packet: RtpPacket) -> bool:
    """Whether a packet, taken out of RTP, is the first of a picture that needs no other."""
    data, start_code = taken(packet), b"\0\0\0\1"
    if data.startswith(start_code):  # H.264: aiortc puts start codes before its units
        return any(unit[0] & 31 in (5, 7) for unit in data.split(start_code) if unit)
    # VP8: the first of the first partition (RFC 7741, 4.2), and a frame's first bit (RFC 6386, 9.1)
    first = bool(packet.payload) and packet.payload[0] & 0x1F == 0x10
    return first and bool(data) and not data[0] & 1


def receive_live(receiver: RTCRtpReceiver, clock: Clock) -> None:
    """Put these in the place of a video receiver's own parts, before anything has come.

    aiortc has no door for that: its parts are private.

    Raises:
        StudioError: this aiortc has other parts.
    """

    def part(name: str) -> Any:
        try:
            return getattr(receiver, f"_RTCRtpReceiver__{name}")
        except AttributeError:
            raise StudioError(
                f"this aiortc's receiver has no {name}: pip install 'aiortc>=1.16,<1.17'"
            ) from None

    codecs, stamps, decoder = part("codecs"), part("timestamp_mapper"), part("decoder_queue")
    streams = part("remote_streams")
    for name in ("jitter_buffer", "nack_generator"):
        part(name)

    def deliver(packet: RtpPacket, data: bytes) -> None:
        picture = JitterFrame(data, stamps.map(packet.timestamp))
        decoder.put((codecs[packet.payload_type], picture))

    def recovered(packet: RtpPacket) -> None:
        # Chromium takes loss for a full network, and goes down to 30 kbit/s. How full it is, aiortc
        # tells by the packets' times (REMB): what is reported as lost is what stays lost.
        if packet.ssrc in streams:
            streams[packet.ssrc].packets_received += 1

    receiver._RTCRtpReceiver__jitter_buffer = Assembly(clock, deliver)  # type: ignore[attr-defined]
    receiver._RTCRtpReceiver__nack_generator = Missing(clock, recovered)  # type: ignore[attr-defined]

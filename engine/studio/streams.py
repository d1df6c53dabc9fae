"""The streams that a picture is encoded into, and which of them each viewer is sent.

A picture is encoded once for each stream that is watched, not once for each viewer. There are two
of each kind: the full one, and a thin one (half the pictures, few bits) for those whose network
does not carry it. So a slow viewer costs the others nothing but the time of one small encoding:

*   The full stream has the bit rate that at least half of those who watch it can take, by their own
    estimates (REMB of RTCP), within the limits of `Ladder`.
*   A viewer whose estimate stays below what is sent for four seconds, or who loses a fifth of the
    packets for as long, goes to the thin stream. After a while without trouble the full one is
    tried again, later each time that this fails.
*   Those who report nothing are taken to be well.

A receiver never reports much more than it is sent, and begins lower. So an estimate is a limit only
once it has fallen, as it does when packets begin to queue, and while it is below what is sent. Any
other says how far a rate may grow, and nothing against one that a quiet scene does not use up.

An encoder takes its rate once. A new one begins with a key frame, which is large: rates follow
downwards every 2 s at most, upwards every 8 s, and not for less than a fifth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

NS: Final = 1_000_000_000
_LOSSY, _LOSSLESS = 0.2, 0.05  # share of packets
_THIN_AFTER_NS = 4 * NS
_FULL_AFTER_NS, _FULL_AFTER_MOST_NS = 6 * NS, 60 * NS
_WELL_AFTER_NS = 30 * NS  # on the full stream: its next trouble is a new one
_DOWN_AFTER_NS, _UP_AFTER_NS = 2 * NS, 8 * NS
_SMALLEST_STEP = 0.2


class Stream(NamedTuple):
    """One way to encode a picture.

    Attributes:
        codec: "H264" or "VP8".
        packed: the colour, premultiplied, above, the alpha as grey below.
        thin: every other picture, at the lowest rate.
    """

    codec: str
    packed: bool = False
    thin: bool = False


class Link:
    """What is known of one viewer's network, and the decision between full and thin.

    Attributes:
        estimate: bits a second that the viewer reports to be possible; None: it has said nothing.
        fallen: whether it has reported less than before, and not yet enough since.
        loss: share of the packets that were lost of late.
        thin: what the viewer is sent.
    """

    def __init__(self) -> None:
        self.estimate: int | None = None
        self.fallen = False
        self.loss = 0.0
        self.thin = False
        self._since_ns: int | None = None  # since when all speaks for a change
        self._changed_ns = 0
        self._patience_ns = _FULL_AFTER_NS

    def report(self, estimate: int) -> None:
        """Take note of what the viewer says."""
        self.fallen |= self.estimate is not None and estimate < self.estimate
        self.estimate = estimate

    def limit(self, sent_rate: int) -> int | None:
        """What the network carries, where that is less than the viewer is sent; else None."""
        if self.estimate is None or self.estimate >= sent_rate:
            self.fallen = False
        return self.estimate if self.fallen else None

    def judge(self, sent_rate: int, now_ns: int) -> bool:
        """Look at the network again; whether the viewer is to be sent the thin stream.

        Args:
            sent_rate: bits a second of the stream that the viewer is sent, as measured.
            now_ns: the present moment.
        """
        short = self.limit(sent_rate) is not None
        if self.thin:
            wishes, patience_ns = not short and self.loss <= _LOSSLESS, self._patience_ns
        else:
            wishes, patience_ns = short or self.loss >= _LOSSY, _THIN_AFTER_NS
        if not wishes:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = now_ns
        elif now_ns - self._since_ns >= patience_ns:
            if not self.thin:
                well = now_ns - self._changed_ns >= _WELL_AFTER_NS
                longer_ns = min(2 * self._patience_ns, _FULL_AFTER_MOST_NS)
                self._patience_ns = _FULL_AFTER_NS if well else longer_ns
            self.thin = not self.thin
            self._since_ns, self._changed_ns = None, now_ns
        return self.thin


@dataclass(frozen=True, slots=True)
class Ladder:
    """The limits of the bit rates, in bits a second."""

    full: int = 2_000_000
    least: int = 250_000
    thin: int = 150_000

    def wanted(self, links: Iterable[Link], rate: int, sent_rate: int) -> int:
        """What the full stream should have, by those who watch it.

        Args:
            links: of those.
            rate: what it has.
            sent_rate: what of this is used, as measured.
        """
        wishes = sorted(self._wish(link, rate, sent_rate) for link in links)
        return min(max(wishes[len(wishes) // 2], self.least), self.full) if wishes else self.full

    def _wish(self, link: Link, rate: int, sent_rate: int) -> int:
        limit = link.limit(sent_rate)
        if limit is not None:
            return limit
        return self.full if link.estimate is None else max(rate, link.estimate)


class Rate:
    """The bit rate of one full stream over time.

    Args:
        ladder: its limits.
    """

    def __init__(self, ladder: Ladder) -> None:
        self.bitrate = ladder.full
        self._ladder = ladder
        self._changed_ns: int | None = None

    def follow(self, links: Sequence[Link], sent_rate: int, now_ns: int) -> bool:
        """Look at the viewers again; whether the rate has changed."""
        wanted = self._ladder.wanted(links, self.bitrate, sent_rate)
        patience_ns = _DOWN_AFTER_NS if wanted < self.bitrate else _UP_AFTER_NS
        if self._changed_ns is None:
            self._changed_ns = now_ns
        if (
            abs(wanted - self.bitrate) < _SMALLEST_STEP * self.bitrate
            or now_ns - self._changed_ns < patience_ns
        ):
            return False
        self.bitrate, self._changed_ns = wanted, now_ns
        return True

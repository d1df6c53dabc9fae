"""The data channel beside the pictures: what became of each, and whose clock says what.

The page opens a channel labelled `ayatsuri`. For each picture that was handed to the network:

    {"type": "frame", "rtp_timestamp", "source_rtp_timestamp", "sequence", "character",
     "captured_ms", "present", "stages": {name: [start, end]}, "sent_ms"}

The first time stamp is that of the picture as sent, which a browser finds with it again; the second
that of the picture it was made from, as the performer's browser sent it (null for other viewers);
`present` tells whether somebody is in it. Times are milliseconds on the server's clock. To map them
to one's own:

    {"type": "ping", "t0": any number}  ->  {"type": "pong", "t0", "t1": received, "t2": answered}
"""

import json
import logging
from collections.abc import Callable
from typing import Final

from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

from engine.clock import Clock
from engine.studio.feed import Facts

log = logging.getLogger(__name__)

LABEL: Final = "ayatsuri"
MAX_MESSAGE: Final = 512
"""Longer messages are not looked at."""
_MOST_WAITING: Final = 16 * 1024  # bytes; a channel that is slower than the pictures loses some


class Telemetry:
    """One connection's channel. Belongs to the event loop.

    Args:
        clock: the pipeline's.
        rtp_timestamp: of the picture that was sent last.
        source_rtp_timestamp: of the picture of this number, as the other side sent it; None where
            it did not.
    """

    def __init__(
        self,
        clock: Clock,
        rtp_timestamp: Callable[[], int],
        source_rtp_timestamp: Callable[[int], int | None] = lambda sequence: None,
    ) -> None:
        self.sent = self.dropped = 0
        self._clock = clock
        self._rtp_timestamp = rtp_timestamp
        self._source_rtp_timestamp = source_rtp_timestamp
        self._channel: RTCDataChannel | None = None

    def adopt(self, channel: RTCDataChannel) -> None:
        """Use a channel that the other side has opened; any but the first of our label is shut."""
        if channel.label != LABEL or self._channel is not None:
            channel.close()
            return
        self._channel = channel
        channel.on("message", self._hear)

    def picture_sent(self, facts: Facts) -> None:
        """Tell of the picture that has just been handed to the network."""
        now_ns = self._clock.now_ns()
        if self._channel is None:
            return
        self._say(
            {
                "type": "frame",
                "rtp_timestamp": self._rtp_timestamp(),
                "source_rtp_timestamp": self._source_rtp_timestamp(facts.sequence),
                "sequence": facts.sequence,
                "character": facts.character,
                "captured_ms": _ms(facts.captured_ns),
                "present": facts.present,
                "stages": {name: [_ms(start), _ms(end)] for name, start, end in facts.stages},
                "sent_ms": _ms(now_ns),
            }
        )

    def _hear(self, message: str | bytes) -> None:
        received_ns = self._clock.now_ns()
        if not isinstance(message, str) or len(message) > MAX_MESSAGE:
            return
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return
        if isinstance(said, dict) and said.get("type") == "ping":
            t0 = said.get("t0")
            if isinstance(t0, int | float):
                t1, t2 = _ms(received_ns), _ms(self._clock.now_ns())
                self._say({"type": "pong", "t0": t0, "t1": t1, "t2": t2})

    def _say(self, what: dict[str, object]) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return
        if channel.bufferedAmount > _MOST_WAITING:
            self.dropped += 1
            return
        try:
            channel.send(json.dumps(what, separators=(",", ":")))
        except (InvalidStateError, ConnectionError) as error:  # it closes at this moment
            log.debug("telemetry: %r", error)
            return
        self.sent += 1


def _ms(ns: int) -> float:
    return round(ns * 1e-6, 3)

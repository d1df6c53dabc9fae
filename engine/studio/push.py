"""A session's show to a streaming service: one more viewer, whose pictures are encoded already."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from aiortc.mediastreams import MediaStreamError

from engine.push.address import Address
from engine.push.publisher import Publisher, PushStatistics
from engine.studio.encoder import Encoded
from engine.studio.sink import WebRtcSink
from engine.studio.streams import Link, Stream
from engine.studio.tracks import SoundTrack
from engine.studio.whip import WhipPush

log = logging.getLogger(__name__)


class Push(Protocol):
    """A push under way. Belongs to the event loop."""

    def report(self) -> dict[str, Any]:
        """How it does."""
        ...

    async def close(self) -> None:
        """Hang up; idempotent."""
        ...


def begin(
    address: Address, sink: WebRtcSink, sound: Callable[[], SoundTrack], token: str | None
) -> Push:
    """Push to an address from here on.

    Args:
        address: where to.
        sink: whose pictures.
        sound: makes a track of the session's sound.
        token: for WHIP: what the service calls the bearer token.
    """
    if address.kind == "whip":
        return _Whip(address, sink, sound, token)
    return _Published(address, sink, sound())


def report_of(to: str, counts: PushStatistics) -> dict[str, Any]:
    """What is told of a push: no secret of its address."""
    return {
        "to": to, "state": counts.state, "error": counts.error,
        "connections": counts.connections, "sent": counts.sent,
        "delivered": counts.delivered, "dropped": counts.dropped,
    }  # fmt: skip


class _Outlet:
    """Hands a sink's packets to a publisher."""

    stream: Final = Stream("H264")

    def __init__(self, publisher: Publisher) -> None:
        self.link = Link()
        self.put: Callable[[Encoded], None] = publisher.put
        self.wants_key: Callable[[int], bool] = publisher.wants_key

    def judge(self, sent_rate: int, now_ns: int) -> None:
        """A service gets the full stream; what it does not take is dropped by the publisher."""

    def close(self) -> None:
        """The publisher is closed by who made it."""


class _Published:
    def __init__(self, address: Address, sink: WebRtcSink, sound: SoundTrack) -> None:
        self._address = address
        self._sink = sink
        self._sound = sound
        self._publisher = Publisher(address)
        self._outlet = _Outlet(self._publisher)
        sink.attach(self._outlet)
        self._error: str | None = None  # of the sound
        self._pump = asyncio.create_task(self._take_sound(), name="push sound")

    def report(self) -> dict[str, Any]:
        report = report_of(str(self._address), self._publisher.statistics())
        return report | {"error": report["error"] or self._error}

    async def close(self) -> None:
        self._sink.detach(self._outlet)
        self._sound.stop()
        self._pump.cancel()
        await asyncio.gather(self._pump, return_exceptions=True)
        await asyncio.to_thread(self._publisher.close)

    async def _take_sound(self) -> None:
        try:
            while True:
                self._publisher.put_sound(await self._sound.recv())
        except MediaStreamError:
            return
        except Exception as error:  # the pictures go on, with silence
            self._error = f"no sound any more: {error!r}"
            log.exception("push to %s: no sound any more", self._address)


class _Whip:
    def __init__(
        self, address: Address, sink: WebRtcSink, sound: Callable[[], SoundTrack], token: str | None
    ) -> None:
        self._address = address
        self._push = WhipPush(address, sink, sound, token=token)
        self._task = asyncio.create_task(self._push.run(), name="push by WHIP")

    def report(self) -> dict[str, Any]:
        return {
            "to": str(self._address), "state": self._push.state, "error": self._push.error,
            "connections": self._push.connections,
        }  # fmt: skip

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

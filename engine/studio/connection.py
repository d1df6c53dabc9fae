"""aiortc's connection, with an end."""

import asyncio
from typing import Any

from aiortc import RTCPeerConnection


class Connection(RTCPeerConnection):
    """An `RTCPeerConnection` that can be closed in the middle of connecting.

    aiortc 1.16 connects in tasks of its own, which it neither keeps nor ends, and which go on after
    a close: they begin to send, and ask the other side for consent for ever; or they find what they
    want to begin closed, and raise that where nobody hears it. Here they are ended first.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connecting: set[asyncio.Task[Any]] = set()
        self._ended = False

    async def close(self) -> None:
        """End it, and all that it has begun; idempotent."""
        self._ended = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        await super().close()

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802
        if self._ended:  # it was still to begin
            return
        task = asyncio.current_task()
        assert task is not None
        self._connecting.add(task)
        try:
            await super()._RTCPeerConnection__connect()  # type: ignore[misc]
        finally:
            self._connecting.discard(task)

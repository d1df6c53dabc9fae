"""What happens on the server, told to everybody who listens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_MOST_WAITING: Final = 64

Event = dict[str, Any]


class Events:
    """Hands each event to all listeners. Belongs to the event loop."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Event | None]] = set()

    def tell(self, event: Event) -> None:
        """Hand it to all; whoever has not taken the last 64 is let go."""
        for queue in tuple(self._queues):
            if queue.full():
                self._queues.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    @contextmanager
    def listen(self) -> Iterator["asyncio.Queue[Event | None]"]:
        """A queue of all events from now on; None: the listener was too slow, none will follow."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_WAITING)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

"""A bounded channel between two threads."""

import threading
from collections import deque
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

Policy = Literal["block", "latest"]


class ChannelClosed(Exception):
    """Nothing more will come out of the channel."""


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """What became of the items that were put in: sent = delivered + dropped + waiting."""

    name: str
    sent: int
    delivered: int
    dropped: int
    waiting: int


class Channel(Generic[T]):
    """A queue of at most `capacity` items.

    A full "block" channel makes the sender wait, so that nothing is lost; a full "latest" channel
    drops its oldest item, so that what comes out is always fresh.
    """

    def __init__(self, name: str, *, capacity: int = 1, policy: Policy = "block") -> None:
        if capacity < 1:
            raise ValueError(f"a channel holds at least one item, but capacity is {capacity}")
        self.name = name
        self._capacity = capacity
        self._policy = policy
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._aborted = False
        self._sent = self._delivered = self._dropped = 0

    def put(self, item: T) -> bool:
        """Send an item; False if nobody will ever take it.

        Raises:
            ValueError: the channel was closed by its sender.
        """
        with self._changed:
            if self._closed:
                raise ValueError(f"channel {self.name} was closed by its sender")
            self._sent += 1
            if self._policy == "block":
                self._changed.wait_for(lambda: len(self._items) < self._capacity or self._aborted)
            if self._aborted:
                self._dropped += 1
                return False
            if len(self._items) == self._capacity:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> T:
        """Take the next item; waits for one.

        Raises:
            ChannelClosed: the sender has closed the channel and it is empty, or it was aborted.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed or self._aborted)
            if not self._items:
                raise ChannelClosed(self.name)
            self._delivered += 1
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """The sender's end: what waits is still delivered; idempotent."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """The receiver's end: what waits is dropped, and every later item too; idempotent."""
        with self._changed:
            self._aborted = True
            self._dropped += len(self._items)
            self._items.clear()
            self._changed.notify_all()

    def statistics(self) -> ChannelStatistics:
        """A consistent count at this moment."""
        with self._changed:
            waiting = self._sent - self._delivered - self._dropped
            return ChannelStatistics(self.name, self._sent, self._delivered, self._dropped, waiting)

"""Picture buffers that are used again as soon as nobody looks at them any more."""

import sys

import numpy as np
from numpy.typing import NDArray


class BufferPool:
    """Hands out uint8 arrays of one shape, and hands each out again once everybody has let it go.

    How long a picture is needed depends on what comes after: a queue, an encoder, a window, a
    caller's own list. So nobody has to give a buffer back: one that only the pool still refers to
    is free. Views keep their array alive, and so count. The pool grows until it holds as many
    buffers as are ever in use at once, and allocates nothing after that.

    Belongs to one thread; the buffers may go to any.

    Args:
        shape: of every buffer.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._buffers: list[NDArray[np.uint8]] = [np.empty(shape, np.uint8)]
        self._idle = self._references(0)  # measured, as it depends on the interpreter

    def __len__(self) -> int:
        return len(self._buffers)

    def take(self) -> NDArray[np.uint8]:
        """A buffer that nobody else holds, with whatever was in it last."""
        for index in range(len(self._buffers)):
            if self._references(index) <= self._idle:
                # Least recently used last: a fresh search rarely looks at a busy one first.
                self._buffers.append(self._buffers.pop(index))
                return self._buffers[-1]
        self._buffers.append(np.empty(self.shape, np.uint8))
        return self._buffers[-1]

    def _references(self, index: int) -> int:
        return sys.getrefcount(self._buffers[index])


class SquarePools:
    """Buffers of squares, a pool for each size that is asked for. Belongs to one thread.

    Args:
        channels: of every buffer.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._pools: dict[int, BufferPool] = {}

    def take(self, size: int) -> NDArray[np.uint8]:
        """A buffer (size, size, channels) that nobody else holds, with whatever was in it last."""
        if size not in self._pools:
            self._pools[size] = BufferPool((size, size, self._channels))
        return self._pools[size].take()

"""The engine's one clock, and maps from other clocks to it."""

import threading
import time
from collections import deque
from typing import Protocol


class Clock(Protocol):
    """Nanoseconds that never go back. Tests bring one of their own."""

    def now_ns(self) -> int:
        """The present moment."""
        ...

    def sleep_until_ns(self, deadline_ns: int, stop: threading.Event) -> bool:
        """Wait for a moment, or until `stop` is set; True if the moment came."""
        ...


class MonotonicClock:
    """The operating system's monotonic clock."""

    def now_ns(self) -> int:
        """Nanoseconds since some moment in the past."""
        return time.monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int, stop: threading.Event) -> bool:
        """See `Clock`. A moment that has passed returns at once."""
        wait_ns = deadline_ns - self.now_ns()
        return not (stop.wait(wait_ns * 1e-9) if wait_ns > 0 else stop.is_set())


class PtsClock:
    """Maps a file's time stamps to the engine's clock: the first one is now, the rest follow.

    It is how a file is paced as a camera is: frames are due at these times, however late the
    engine runs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._origin: tuple[int, float] | None = None

    def due_ns(self, seconds: float) -> int:
        """When the frame of this time stamp is due."""
        if self._origin is None:
            self._origin = (self._clock.now_ns(), seconds)
        start_ns, first = self._origin
        return start_ns + round((seconds - first) * 1e9)


class DeviceClock:
    """Maps a camera's own clock to the engine's, through the frames that arrive.

    A frame arrives a transfer time after it was taken, and sometimes much later. The quickest of
    the last `window` transfers is the best estimate of the difference of the clocks; a window
    follows their drift. A camera's clock that goes back has begun anew, and so does the estimate.
    """

    def __init__(self, window: int = 300) -> None:
        self._offsets: deque[int] = deque(maxlen=window)
        self._last_ns: tuple[int, int] | None = None  # device, captured

    def captured_ns(self, device_ns: int, arrived_ns: int) -> int:
        """When a frame was taken, on the engine's clock.

        Never later than it arrived, and never before the frame that came before it, even if a
        quicker transfer shows that one to have been estimated too late.

        Args:
            device_ns: the camera's time stamp of the frame.
            arrived_ns: the engine's time at which it was read.
        """
        if self._last_ns is not None and device_ns < self._last_ns[0]:
            self._offsets.clear()
        self._offsets.append(arrived_ns - device_ns)
        captured_ns = device_ns + min(self._offsets)
        if self._last_ns is not None:
            captured_ns = max(captured_ns, self._last_ns[1])
        self._last_ns = device_ns, captured_ns
        return captured_ns

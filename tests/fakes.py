"""Stand-ins for time, cameras and displays."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np

from engine.frame import Frame, Packet


class FakeClock:
    """Time that passes only when somebody sleeps, and then a little more than asked for."""

    def __init__(self, now_ns: int = 0, overshoot_ns: int = 0) -> None:
        self.time_ns = now_ns
        self.overshoot_ns = overshoot_ns

    def now_ns(self) -> int:
        return self.time_ns

    def sleep_until_ns(self, deadline_ns: int, stop: threading.Event) -> bool:
        if stop.is_set():
            return False
        if deadline_ns > self.time_ns:
            self.time_ns = deadline_ns + self.overshoot_ns
        return True


def frame(sequence: int = 0, *, captured_ns: int | None = None, side: int = 8) -> Frame:
    """A small grey picture at 30 fps."""
    return Frame(
        np.full((side, side, 3), sequence % 256, np.uint8),
        sequence,
        time.monotonic_ns() if captured_ns is None else captured_ns,
        pts=sequence,
        time_base=Fraction(1, 30),
    )


class FakeSource:
    """So many frames, `period_s` apart; `before` may raise at a frame, `after` at the end.

    One that `hangs` waits after its last frame until it is stopped, as a camera without light does.
    """

    name = "fake"
    fps = 30.0
    size_wh = (8, 8)

    def __init__(
        self,
        count: int,
        *,
        live: bool = False,
        period_s: float = 0.0,
        gaps: Iterable[int] = (),
        before: Callable[[int], None] = lambda sequence: None,
        after: Callable[[], None] = lambda: None,
        hangs: bool = False,
    ) -> None:
        self.live = live
        self.closed = 0
        self.stops = 0
        self._hangs = hangs
        self._count, self._period_s, self._gaps = count, period_s, set(gaps)
        self._before, self._after = before, after
        self._stop = threading.Event()

    def frames(self) -> Iterator[Frame]:
        for sequence in range(self._count):
            if self._stop.wait(self._period_s):
                return
            self._before(sequence)
            if sequence not in self._gaps:
                yield frame(sequence)
        if self._hangs:
            assert self._stop.wait(30), "nobody stopped the source"
        self._after()

    def stop(self) -> None:
        self.stops += 1
        self._stop.set()

    def close(self) -> None:
        self.closed += 1


class FakeStage:
    """Passes packets on after `work_s`; holds `delay` of them back; may fail at one."""

    def __init__(
        self, name: str = "stage", *, work_s: float = 0.0, delay: int = 0, fail_at: int = -1
    ) -> None:
        self.name = name
        self.closed = 0
        self.seen: list[int] = []
        self._work_s, self._delay, self._fail_at = work_s, delay, fail_at
        self._held: list[Packet] = []

    def process(self, packet: Packet) -> Iterable[Packet]:
        self.seen.append(packet.frame.sequence)
        if 0 <= self._fail_at <= packet.frame.sequence:  # live, that one may be dropped
            raise ValueError(f"{self.name} failed at {self._fail_at}")
        time.sleep(self._work_s)
        self._held.append(packet)
        if len(self._held) > self._delay:
            yield self._held.pop(0)

    def flush(self) -> Iterable[Packet]:
        yield from self._held

    def close(self) -> None:
        self.closed += 1


class FakeSink:
    """Keeps the numbers of the frames that it is given; may be slow, may fail."""

    def __init__(self, name: str = "sink", *, work_s: float = 0.0, fail_at: int = -1) -> None:
        self.name = name
        self.closed = 0
        self.written: list[int] = []
        self.packets: list[Packet] = []
        self._work_s, self._fail_at = work_s, fail_at

    def write(self, packet: Packet) -> None:
        if 0 <= self._fail_at <= packet.frame.sequence:  # live, that one may be dropped
            raise ValueError(f"{self.name} failed at {self._fail_at}")
        time.sleep(self._work_s)
        self.written.append(packet.frame.sequence)
        self.packets.append(packet)

    def close(self) -> None:
        self.closed += 1


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for what another thread does; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)

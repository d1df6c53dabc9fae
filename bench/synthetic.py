"""Stages whose latency is known, to try the measuring on."""

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from engine.frame import Frame, Packet
from engine.pipeline import Stage

_SPIN_NS = 300_000  # sleeps overshoot by less than this on most machines


class Pass:
    """A stage without work of its own."""

    def __init__(self, name: str = "pass") -> None:
        self.name = name

    def process(self, packet: Packet) -> Iterable[Packet]:
        """The packet, copied as every stage does."""
        yield replace(packet)

    def flush(self) -> Iterable[Packet]:
        """Nothing."""
        return ()

    def close(self) -> None:
        """Nothing."""


class Hold(Pass):
    """Takes so many milliseconds for every frame, and now and then much longer.

    Args:
        ms: for every frame.
        stall_ms, every: frame `every`, `2 * every` and so on of those that it sees take so long.
    """

    def __init__(self, ms: float, *, stall_ms: float = 0.0, every: int = 0) -> None:
        super().__init__("hold")
        self._ms, self._stall_ms, self._every = ms, stall_ms, every
        self.seen = self.stalls = 0
        self.truth_ms: list[float] = []
        """From when each frame was due to when this stage was done with it, by its own clock."""

    def process(self, packet: Packet) -> Iterable[Packet]:
        """The packet, later."""
        begin = time.monotonic_ns()
        self.seen += 1
        stalls = self._every > 0 and self.seen % self._every == 0
        self.stalls += stalls
        hold_until(begin + round((self._stall_ms if stalls else self._ms) * 1e6))
        self.truth_ms.append((time.monotonic_ns() - packet.frame.captured_ns) * 1e-6)
        yield packet


class Leak(Pass):
    """Keeps memory, for a soak that must find it.

    Args:
        kb: of memory for each frame.
    """

    def __init__(self, kb: int) -> None:
        super().__init__("leak")
        self._kb = kb
        self._kept: list[np.ndarray] = []

    def process(self, packet: Packet) -> Iterable[Packet]:
        """The packet; something stays behind."""
        self._kept.append(np.ones(self._kb * 1024, np.uint8))
        yield packet


def hold_until(end_ns: int) -> None:
    """Sleep for most of the time, and look at the clock for the rest: exact to microseconds."""
    wait_ns = end_ns - time.monotonic_ns() - _SPIN_NS
    if wait_ns > 0:
        time.sleep(wait_ns * 1e-9)
    while time.monotonic_ns() < end_ns:
        pass


def black(side: int = 8) -> list[np.ndarray]:
    """One small picture, for cameras of which nobody looks at the pictures."""
    return [np.zeros((side, side, 3), np.uint8)]


def closed_loop_ms(stage: Stage, count: int) -> list[float]:
    """What a loop measures that asks for the next frame when the last one is done."""
    spent = []
    for i in range(count):
        begin = time.monotonic_ns()
        list(stage.process(Packet(Frame(black()[0], i, begin))))
        spent.append((time.monotonic_ns() - begin) * 1e-6)
    return spent

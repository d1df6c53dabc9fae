"""From the numbers that were seen at the camera, in the server and on the screen to a timeline.

Numbers come round again with the camera's film. What is shown is taken for the latest frame of its
number that the camera had seen by then: right as long as nothing is later than the film is long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.blockcode import carry, number_of
from bench.clocks import ClockMap
from bench.statistics import Floats
from bench.timeline import Ints, Timeline
from engine.clock import Clock
from engine.frame import Packet
from engine.pipeline import Sink

ARRIVAL: Final = "to the server"
ENCODE: Final = "encode"
SCREEN: Final = "to the screen"
_NS: Final = 1e6  # of a millisecond


@dataclass(slots=True)
class Passed:
    """A picture that the server is done with; ns on the engine's clock."""

    number: int
    captured_ns: int
    starts_ns: list[int]
    ends_ns: list[int]


@dataclass(slots=True)
class Ledger:
    """What the server saw."""

    stages: tuple[str, ...] = ()
    passed: list[Passed] = field(default_factory=list)
    unread: int = 0
    keep_every: int = 0
    """Of how many numbers the picture of one is kept, with the time (ns); 0: of none."""
    pictures: list[tuple[int, int, NDArray[np.uint8]]] = field(default_factory=list)


class CodedSink:
    """A sink that carries each frame's code over to the character's picture, and keeps a ledger.

    Everything else is the inner sink's own.
    """

    def __init__(self, inner: Sink, clock: Clock, ledger: Ledger) -> None:
        self._inner, self._clock, self._ledger = inner, clock, ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, packet: Packet) -> None:
        """See `engine.pipeline.Sink`."""
        from dataclasses import replace

        number = number_of(packet.frame.image)
        if packet.output is not None:
            output = packet.output.copy()
            carry(packet.frame.image, output)
            packet = replace(packet, output=output)
        begin_ns = self._clock.now_ns()
        self._inner.write(packet)
        end_ns = self._clock.now_ns()
        if number is None:
            self._ledger.unread += 1
            return
        every = self._ledger.keep_every
        if every and number % every == 0 and packet.output is not None:
            self._ledger.pictures.append((number, begin_ns, packet.output))
        self._ledger.stages = (*(stamp.stage for stamp in packet.stamps), ENCODE)
        self._ledger.passed.append(
            Passed(
                number, packet.frame.captured_ns,
                [*(stamp.start_ns for stamp in packet.stamps), begin_ns],
                [*(stamp.end_ns for stamp in packet.stamps), end_ns],
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Film:
    """When the camera took each frame.

    Attributes:
        length: numbers until they come round again.
        due_ms: (N,) on the page's clock, by the frame's number as if it never came round.
        fps: at which it goes on when the page looks no more.
    """

    length: int
    due_ms: Floats
    fps: float

    @classmethod
    def of(
        cls, numbers: Sequence[int], times_ms: Sequence[float], length: int, fps: float = 30.0
    ) -> "Film":
        """From what the page saw of the camera; frames that it missed are between their neighbours.

        Which turn of the film a number belongs to is told by the time since the last one: a page
        that is busy for seconds misses much of a turn.

        Raises:
            ValueError: too little was seen.
        """
        seen: dict[int, float] = {}
        last: tuple[int, float] | None = None  # frame, ms
        for number, time_ms in zip(numbers, times_ms, strict=True):
            if number < 0:
                continue
            turn = 0
            if last is not None:
                expected = last[0] + 1e-3 * fps * (time_ms - last[1])
                turn = max(round((expected - number) / length), 0)
            last = turn * length + number, time_ms
            seen.setdefault(last[0], time_ms)
        if len(seen) < 2:
            raise ValueError(f"the page read {len(seen)} numbers off its camera; it takes two")
        known = np.array(sorted(seen))
        first = int(known[0])
        due = np.full(known[-1] + 1, -np.inf)  # those before the first one were never seen
        due[first:] = np.interp(np.arange(first, known[-1] + 1), known, [seen[k] for k in known])
        return cls(length, due, fps)

    @property
    def first(self) -> int:
        """The first frame that was seen."""
        return int(np.argmax(np.isfinite(self.due_ms)))

    def frame(self, number: int, at_ms: float) -> int | None:
        """The latest frame of a number that was taken by a time; None: the page did not see it.

        The camera goes on after the page's last look: what it takes then is of no turn before.
        """
        latest = int(np.searchsorted(self.due_ms, at_ms, side="right")) - 1
        latest += int(1e-3 * self.fps * max(at_ms - self.due_ms[-1], 0.0))
        found = latest - (latest - number) % self.length
        return found if self.first <= found < len(self.due_ms) else None


def timelines(
    film: Film, shown: Sequence[tuple[int, float]], ledger: Ledger, clocks: ClockMap, skip_s: float
) -> tuple[Timeline, Timeline]:
    """The whole way of every frame; and its parts, for those that the server's ledger has.

    Args:
        film: of the camera.
        shown: (number, ms on the page's clock) of every picture that came to the screen.
        ledger: of the server.
        clocks: from the server's clock to the page's, ms.
        skip_s: at the beginning, left out.
    """
    begin_ms = film.due_ms[film.first] + 1e3 * skip_s
    first = int(np.searchsorted(film.due_ms, begin_ms))
    on_screen: dict[int, float] = {}
    for number, at_ms in shown:
        frame = None if number < 0 else film.frame(number, at_ms)
        if frame is not None and frame >= first:
            on_screen.setdefault(frame, at_ms)
    frames = sorted(on_screen)
    # A screen never shows an older picture after a newer one, but a number read wrong may say so.
    kept = [f for i, f in enumerate(frames) if i == 0 or on_screen[f] > on_screen[frames[i - 1]]]
    in_server: dict[int, Passed] = {}
    for one in ledger.passed:
        captured = float(clocks.there(np.array([one.ends_ns[0] / _NS]))[0])
        frame = film.frame(one.number, captured)
        if frame is not None:
            in_server.setdefault(frame, one)
    due_ns = _ns(film.due_ms[first:])
    whole = _timeline(due_ns, first, kept, on_screen, (), [], [])
    told = [frame for frame in kept if frame in in_server]
    starts, ends = [], []
    for frame in told:
        one = in_server[frame]
        there = clocks.there(np.array([one.captured_ns, *one.starts_ns, *one.ends_ns]) / _NS)
        count = len(one.starts_ns)
        starts.append([film.due_ms[frame], *there[1 : 1 + count]])
        ends.append([max(there[0], film.due_ms[frame]), *there[1 + count :]])
    parts = _timeline(due_ns, first, told, on_screen, (ARRIVAL, *ledger.stages), starts, ends)
    return whole, parts


def _timeline(
    due_ns: Ints, first: int, frames: Sequence[int], on_screen: dict[int, float],
    stages: tuple[str, ...], starts: Sequence[Any], ends: Sequence[Any],
) -> Timeline:  # fmt: skip
    shape = (len(frames), len(stages))
    return Timeline(
        due_ns, first, np.array(frames, np.int64), _ns([on_screen[frame] for frame in frames]),
        stages, _ns(starts).reshape(shape), _ns(ends).reshape(shape),
    )  # fmt: skip


def _ns(ms: Any) -> Ints:
    return np.round(np.asarray(ms, np.float64) * _NS).astype(np.int64)

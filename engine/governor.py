"""How much work a live show may be: the decisions of the budget governor, and nothing else.

A ladder of settings leads from the best, level 0, to the cheapest. What a show costs is told by one
number, its *load*: how many times the budget it takes, the worst of all targets. Over 1 for a
second, and the governor takes the next cheaper level. It takes the better one only when that would
have left clear room for long, as far as is known from what it cost last time; and a level that
failed is tried again after pauses that double. So it follows a change within seconds and does not
swing. `engine.governing` has the show that obeys.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.frame import Packet, Stamp

_MOST_GROWTH: Final = 64.0
_GAINS: Final = (1.0, 10.0)
"""A level costs at least what the next cheaper one does, and never is more believed than that."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a show is to keep to; None: no matter.

    Attributes:
        fps: pictures a second; a source that gives fewer asks for no more than it gives.
        latency_ms: from capture to the end of the write, for nine frames in ten.
        cpu: share of the processor cores that this process may use, (0, 1].
        gpu: share of the time in which the graphics card may draw for this show, (0, 1].
    """

    fps: float | None = None
    latency_ms: float | None = None
    cpu: float | None = None
    gpu: float | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return any(each is not None for each in (self.fps, self.latency_ms, self.cpu, self.gpu))


@dataclass(frozen=True, slots=True)
class Load:
    """What a show costs: `value` times its budget, and in words what of it is worst."""

    value: float
    why: str


@dataclass(frozen=True, slots=True)
class Paces:
    """How quick the governor is.

    Attributes:
        over_s: so long over budget, and it steps down.
        clear_s: so long with clear room even for the better level, and it steps up.
        doubtful_s: so long with clear room, but none for what the better level cost last time: the
            other program may be gone.
        trial_s: a level that is given up so soon after it was taken has failed; the next pause
            before it is twice as long.
        clear: what load is clear room.
    """

    over_s: float = 1.0
    clear_s: float = 10.0
    doubtful_s: float = 60.0
    trial_s: float = 30.0
    clear: float = 0.85


PACES: Final = Paces()


class Governor:
    """Chooses the level from what is measured.

    Args:
        gains: for each level but the last, how many times the next cheaper level's load its own is
            expected to be; what is seen takes the place of these.
        level: the one to begin with.
        paces: how quick it is.
    """

    def __init__(self, gains: Sequence[float], level: int = 0, paces: Paces = PACES) -> None:
        self.level = level
        self.gains = list(gains)
        self._paces = paces
        self._growth = [1.0] * len(gains)  # of the pauses before each level
        self._rose_s = [-np.inf] * len(gains)
        self._before: tuple[int, float] | None = None  # level and load before the last change
        self._seen: deque[tuple[float, float]] = deque()
        self._held: dict[str, float] = {}
        self._began_s: float = np.inf

    def look(self, now_s: float, load: float | None) -> int:
        """The level that the show should be at from now on.

        Args:
            now_s: never goes back.
            load: measured at the present level alone; None while that is not known.
        """
        if load is None:
            self._forget()
            return self.level
        paces = self._paces
        self._seen.append((now_s, load))
        while self._seen[-1][0] - self._seen[0][0] > paces.over_s:
            self._seen.popleft()
        self._began_s = min(self._began_s, now_s)
        if now_s - self._began_s >= paces.over_s:
            self._learn()
        growth = self._growth[self.level - 1] if self.level else np.inf
        better = load * self.gains[self.level - 1] if self.level else np.inf
        if self._since("over", load > 1.0, now_s) >= paces.over_s:
            if self.level < len(self.gains):
                self._down(now_s)
        elif (
            self._since("clear", better < paces.clear, now_s) >= paces.clear_s * growth
            or self._since("light", load < paces.clear, now_s) >= paces.doubtful_s * growth
        ):
            self._rose_s[self.level - 1] = now_s
            self._move(self.level - 1)
        return self.level

    def _down(self, now_s: float) -> None:
        level, paces = self.level, self._paces
        tried_s = max(paces.trial_s, paces.clear_s * self._growth[level])
        failed = now_s - self._rose_s[level] < tried_s
        growth = self._growth[level] * (2.0 if failed else 0.5)
        self._growth[level] = min(max(growth, 1.0), _MOST_GROWTH)
        self._move(level + 1)

    def _move(self, level: int) -> None:
        self._before = self.level, self._load()
        self.level = level
        self._forget()

    def _learn(self) -> None:
        """What a change of level was worth, when the new level has been seen for long enough."""
        if self._before is not None:
            level, load = self._before
            better, worse = (load, self._load()) if level < self.level else (self._load(), load)
            self.gains[min(level, self.level)] = float(np.clip(better / max(worse, 1e-6), *_GAINS))
            self._before = None

    def _load(self) -> float:
        return float(np.mean([load for _, load in self._seen]))

    def _since(self, what: str, holds: bool, now_s: float) -> float:
        """For how long something has held without a break."""
        if not holds:
            self._held.pop(what, None)
            return -1.0
        return now_s - self._held.setdefault(what, now_s)

    def _forget(self) -> None:
        self._seen.clear()
        self._held.clear()
        self._began_s = np.inf


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is kept of a packet: none of its pictures, whose buffers are used again."""

    shown_ns: int
    captured_ns: int
    sequence: int
    stamps: tuple[Stamp, ...]


class Window:
    """What the last second of a show cost. `note` is called on one thread, the rest on another.

    Args:
        targets: what that is compared with.
        cores: that this process may use.
        span_s: how long a second is.
    """

    LEAST: Final = 3
    """Frames, without which nothing is said."""

    def __init__(self, targets: Targets, cores: int, span_s: float = 1.0) -> None:
        self._targets, self._cores, self._span_ns = targets, cores, round(span_s * 1e9)
        self._lock = threading.Lock()
        self._frames: deque[_Shown] = deque()
        self._cpu: deque[tuple[int, float]] = deque()
        self._since_ns: int | None = None
        self._card_share = 0.0  # when the card last drew

    def note(self, packet: Packet, shown_ns: int) -> None:
        """A frame has been shown."""
        frame, oldest_ns = packet.frame, shown_ns - self._span_ns
        with self._lock:
            self._frames.append(_Shown(shown_ns, frame.captured_ns, frame.sequence, packet.stamps))
            while len(self._frames) > self.LEAST and self._frames[0].shown_ns < oldest_ns:
                self._frames.popleft()

    def begin(self, now_ns: int) -> None:
        """Forget all frames captured before now: something was changed."""
        with self._lock:
            self._since_ns = now_ns
            self._frames.clear()
            self._cpu.clear()

    def look(self, now_ns: int, cpu_s: float, on_card: str | None = None) -> Load | None:
        """What the show costs now; None while too little was seen.

        Args:
            now_ns: on the clock of the frames.
            cpu_s: processor time of this process so far.
            on_card: the stage whose network the graphics card runs, if it runs one. All of the
                stage's time counts as the card's: more it cannot be.
        """
        with self._lock:
            if self._since_ns is None:
                self._since_ns = now_ns
            since_ns = self._since_ns
            frames = [
                each
                for each in self._frames
                if each.captured_ns >= since_ns and each.shown_ns > now_ns - 3 * self._span_ns
            ]
        self._cpu.append((now_ns, cpu_s))
        while len(self._cpu) > 2 and self._cpu[1][0] <= now_ns - self._span_ns:
            self._cpu.popleft()
        if len(frames) < self.LEAST or now_ns - since_ns < self._span_ns:
            return None
        targets, loads = self._targets, []
        if targets.fps is not None:
            loads += _pace(frames, targets.fps)
        if targets.latency_ms is not None:
            late = np.percentile([each.shown_ns - each.captured_ns for each in frames], 90) * 1e-6
            loads.append(
                Load(float(late) / targets.latency_ms, f"latency {late:.0f} ms at 9 in 10")
            )
        elapsed_s = (self._cpu[-1][0] - self._cpu[0][0]) * 1e-9
        if targets.cpu is not None and elapsed_s > 0:
            share = (self._cpu[-1][1] - self._cpu[0][1]) / elapsed_s / self._cores
            loads.append(Load(share / targets.cpu, f"{100 * share:.0f}% of the processor"))
        if targets.gpu is not None:
            loads.append(self._card(frames, targets.gpu, on_card))
        return max(loads, key=lambda load: load.value, default=None)

    def _card(self, frames: Sequence[_Shown], target: float, stage: str | None) -> Load:
        """Against a share of the graphics card.

        Where it draws nothing, what it would take is not seen. So that is as much below what it
        took as the governor believes: it tries the card again after a while, not at once.
        """
        if stage is None:
            return Load(self._card_share / _GAINS[1] / target, "the graphics card draws nothing")
        share = self._card_share = _busy(frames, stage)
        return Load(share / target, f"{100 * share:.0f}% of the graphics card")


def _busy(frames: Sequence[_Shown], stage: str) -> float:
    """The share of the time in which a stage worked."""
    seconds = max(frames[-1].captured_ns - frames[0].captured_ns, 1) * 1e-9
    works_ns = [s.end_ns - s.start_ns for each in frames for s in each.stamps if s.stage == stage]
    return sum(works_ns) * 1e-9 / len(frames) * (len(frames) - 1) / seconds


def _pace(frames: Sequence[_Shown], fps: float) -> list[Load]:
    """Against a rate: the busiest stage, and the pictures that were shown."""
    first, last = frames[0], frames[-1]
    seconds = max(last.captured_ns - first.captured_ns, 1) * 1e-9
    wanted = min(fps, (last.sequence - first.sequence) / seconds)
    shown = (len(frames) - 1) / seconds
    loads = []
    works: dict[str, list[int]] = {}
    for each in frames:
        for stamp in each.stamps:
            works.setdefault(stamp.stage, []).append(stamp.end_ns - stamp.start_ns)
    for stage, durations in works.items():
        work_ms = float(np.mean(durations)) * 1e-6
        loads.append(Load(work_ms * wanted * 1e-3, f"{stage} takes {work_ms:.0f} ms a frame"))
    if shown < 0.9 * wanted:  # one in ten may be lost: a stage that is a little late loses some
        loads.append(Load(0.9 * wanted / shown, f"{shown:.0f} of {wanted:.0f} frames a second"))
    return loads

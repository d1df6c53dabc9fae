"""What became of every frame that was due, and the figures that follow from it.

Time counts from when a frame was *due*, not from when somebody found the time to take it. A loop
that asks for the next frame only after the last one is done leaves out just those frames that would
have waited: coordinated omission (Tene, *How NOT to Measure Latency*, 2013).
"""

import threading
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.statistics import Floats, Measure
from engine.clock import Clock
from engine.frame import Packet

Ints = NDArray[np.int64]

_MS = 1e-6
_AGE_STEP_NS = 1_000_000
_MOST_AGES = 1_000_000  # of a run of hours, further apart
_LEAST_ROWS = 1024


class Recorder:
    """Notes every packet that a sink has written; give `note` to `Pipeline.run(on_progress=...)`.

    Its memory is taken at the first packet, so that what is measured grows by none of it.

    Args:
        clock: the pipeline's.
        expect: packets; more are noted as well.
    """

    def __init__(self, clock: Clock, expect: int = 0) -> None:
        self._clock, self._expect = clock, expect
        self._rows = np.empty((0, 3), np.int64)
        self._names: tuple[str, ...] = ()
        self.shown = 0
        """Packets so far."""

    def note(self, packet: Packet) -> None:
        """One packet has been shown, just now."""
        now_ns = self._clock.now_ns()
        if self.shown == len(self._rows):
            self._names = tuple(stamp.stage for stamp in packet.stamps)
            more = max(self._expect, len(self._rows), _LEAST_ROWS)
            # Filled: memory that was never written to is not taken yet.
            new = np.full((more, 3 + 2 * len(packet.stamps)), -1, np.int64)
            self._rows = np.concatenate([self._rows, new]) if self.shown else new
        row = [packet.frame.sequence, packet.frame.captured_ns, now_ns]
        for stamp in packet.stamps:
            row += (stamp.start_ns, stamp.end_ns)
        self._rows[self.shown] = row
        self.shown += 1

    def due_ns(self, fps: float) -> Ints:
        """When each frame was due, for a source without a schedule: evenly between those shown."""
        table = self._rows[: self.shown]
        if not len(table):
            return np.empty(0, np.int64)
        first, last = table[0], table[-1]
        numbers = np.arange(last[0] + 1)
        found = np.interp(numbers, table[:, 0], table[:, 1] - first[1])
        before = numbers < first[0]
        found[before] = (numbers[before] - first[0]) * 1e9 / fps
        return np.asarray(first[1] + np.round(found).astype(np.int64))

    def timeline(self, due_ns: Ints, *, skip_s: float = 0.0) -> "Timeline":
        """Everything after the first `skip_s` seconds, which warm up.

        Args:
            due_ns: when each frame was due, by its sequence number.
            skip_s: frames due in so many first seconds are left out.
        """
        table = self._rows[: self.shown]
        first = int(np.searchsorted(due_ns, due_ns[0] + round(skip_s * 1e9))) if len(due_ns) else 0
        table = table[table[:, 0] >= first]
        return Timeline(
            due_ns=due_ns[first:],
            first=first,
            sequence=table[:, 0],
            shown_ns=table[:, 2],
            stages=self._names,
            starts_ns=table[:, 3::2],
            ends_ns=table[:, 4::2],
        )


@dataclass(frozen=True, slots=True)
class Timeline:
    """Frames due and frames shown.

    Attributes:
        due_ns: (N,) when each frame was due, on the engine's clock.
        first: sequence number of the first of them.
        sequence: (M,) numbers of the frames that were shown, in their order.
        shown_ns: (M,) when the sink was done with each.
        stages: names of the S stages.
        starts_ns, ends_ns: (M, S) each stage's work on each shown frame.
    """

    due_ns: Ints
    first: int
    sequence: Ints
    shown_ns: Ints
    stages: tuple[str, ...]
    starts_ns: Ints
    ends_ns: Ints

    @property
    def period_ns(self) -> float:
        """Between two frames that are due."""
        return float(np.diff(self.due_ns).mean())

    @property
    def captured_ns(self) -> Ints:
        """(M,) when the shown frames were due."""
        return self.due_ns[self.sequence - self.first]

    def missed(self) -> NDArray[np.bool_]:
        """Whether each frame that was due was never shown; up to the last one that was."""
        if not len(self.sequence):
            return np.ones(len(self.due_ns), np.bool_)
        missed = np.ones(int(self.sequence[-1]) - self.first + 1, np.bool_)
        missed[self.sequence - self.first] = False
        return missed

    def latency_ms(self) -> Floats:
        """(M,) of the frames that were shown: due to shown."""
        return np.asarray((self.shown_ns - self.captured_ns) * _MS)

    def answered_ms(self) -> Floats:
        """For every frame that was due, shown or not: until it, or a later one, was to be seen.

        A dropped frame is no excuse: what the performer did then was seen as late as the next frame
        was. Frames after the last one that was shown wait still: they count, with their wait so
        far, only where they have waited longer than any other; how long the rest will is not known.
        Where none was shown at all, so do all.

        Returns:
            Of the first frames that were due, without a gap.
        """
        if not len(self.sequence):
            return np.asarray((self.due_ns[-1:] - self.due_ns) * _MS)
        position = np.searchsorted(self.sequence, self.first + np.arange(len(self.due_ns)))
        seen = position < len(self.sequence)
        over_ns = max(self.shown_ns[-1], self.due_ns[-1])
        waited = (np.append(self.shown_ns, over_ns)[position] - self.due_ns) * _MS
        return np.asarray(waited[seen | (waited > waited[seen].max())])

    def ages_ms(self) -> Floats:
        """How old the picture before the viewer's eyes was, at every millisecond.

        Of runs over a quarter of an hour: at a million moments, evenly.
        """
        if len(self.shown_ns) < 2:
            return np.empty(0)
        first, last = int(self.shown_ns[0]), int(self.shown_ns[-1])
        ticks = np.arange(first, last, max(_AGE_STEP_NS, (last - first) // _MOST_AGES))
        newest = np.searchsorted(self.shown_ns, ticks, side="right") - 1
        return np.asarray((ticks - self.captured_ns[newest]) * _MS)

    def pacing_ms(self) -> Floats:
        """Between two pictures: how much longer or shorter the wait was than between the moments
        that they show. Zero throughout is a steady show, however late it is."""
        return np.abs(np.diff(self.shown_ns) - np.diff(self.captured_ns)) * _MS

    def duplicates(self) -> NDArray[np.bool_]:
        """Whether each refresh of a display at the camera's rate found no new picture.

        The display's phase is the best one for these pictures: half a period from when most come.
        """
        if len(self.shown_ns) < 2:
            return np.empty(0, np.bool_)
        period = self.period_ns
        turn = np.exp(2j * np.pi * (self.shown_ns - self.shown_ns[0]) / period).mean()
        phase = (np.angle(turn) / (2 * np.pi) + 0.5) * period
        slots = np.floor((self.shown_ns - self.shown_ns[0] - phase) / period).astype(int)
        empty = np.ones(slots[-1] - slots[0] + 1, np.bool_)
        empty[slots - slots[0]] = False
        return empty

    def stale(self, limit_ms: float) -> NDArray[np.bool_]:
        """(M,) whether each picture was older than the limit when it was shown."""
        return np.asarray(self.latency_ms() > limit_ms)

    def waits_ms(self) -> Floats:
        """(M, S + 1) what each frame waited for each stage, and for the sink to be done with it.

        The last column has the sink's work in it: a sink has no stamps.
        """
        ready = np.column_stack([self.captured_ns, self.ends_ns])
        return np.asarray((np.column_stack([self.starts_ns, self.shown_ns]) - ready) * _MS)

    def works_ms(self) -> Floats:
        """(M, S) what each stage worked on each frame."""
        return np.asarray((self.ends_ns - self.starts_ns) * _MS)

    def _fps(self) -> Measure:
        rate = 1e9 / self.period_ns if len(self.due_ns) > 1 else np.nan
        shown = Measure.share(~self.missed(), "higher")
        return shown.scaled(0.01 * rate, "fps", "higher")

    def measures(self, stale_ms: float) -> dict[str, Measure]:
        """All of the above, as a row of a result has it."""
        found = {
            "every frame due": Measure.of(self.answered_ms()),
            "frames shown": Measure.of(self.latency_ms()),
            "age on screen": Measure.of(self.ages_ms()),
            "pacing error": Measure.of(self.pacing_ms()),
            "fps shown": self._fps(),
            "never shown": Measure.share(self.missed()),
        }
        if len(self.sequence) > 1:
            found["duplicates"] = Measure.share(self.duplicates())
            found[f"stale, over {stale_ms:g} ms"] = Measure.share(self.stale(stale_ms))
        return found


@dataclass(frozen=True, slots=True)
class Usage:
    """What the process held, over time.

    Attributes:
        at_s: (N,) since the beginning.
        memory_mb, threads, descriptors: (N,) resident memory, threads, open files.
    """

    at_s: Floats
    memory_mb: Floats
    threads: Floats
    descriptors: Floats

    def until(self, seconds: float) -> "Usage":
        """What was seen in the first so many seconds."""
        kept = self.at_s < seconds
        return Usage(
            self.at_s[kept], self.memory_mb[kept], self.threads[kept], self.descriptors[kept]
        )


class Watch:
    """Looks at the process now and then, on a thread of its own; a context manager."""

    def __init__(self, clock: Clock, every_s: float = 0.1) -> None:
        self._clock, self._every_s = clock, every_s
        self._over = threading.Event()
        self._rows = array("d")
        self._thread = threading.Thread(target=self._look, name="bench-watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def usage(self) -> Usage:
        """What was seen so far."""
        table = np.array(self._rows).reshape(-1, 4)
        return Usage(*(np.ascontiguousarray(column) for column in table.T))

    def _look(self) -> None:
        import psutil

        process = psutil.Process()
        descriptors = getattr(process, "num_fds", None) or process.num_handles
        begin_ns = self._clock.now_ns()
        while not self._over.wait(self._every_s):
            at_s = (self._clock.now_ns() - begin_ns) * 1e-9
            memory = process.memory_info().rss * 1e-6
            self._rows.extend((at_s, memory, process.num_threads(), descriptors()))

"""`Source -> Stage... -> Sink`, every part on a thread of its own.

Stages overlap: the pose of frame n + 1 is found while frame n is drawn. So the throughput is that
of the slowest stage, and the latency the sum of all.

How a run ends, whatever ends it: a part that stops aborts the channel before it, whose sender then
stops too, and closes the channel after it, whose receiver finishes what waits there. An error, a
stop and the end of a file so take the same way, and every sink gets to finish its file. After an
error the source is told to stop as well, since it may be waiting for a picture for long.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from engine.channel import Channel, ChannelClosed
from engine.clock import Clock, MonotonicClock
from engine.frame import Frame, Packet, Stamp
from engine.report import ChannelReport, Histogram, Report, StageReport, machine


class Source(Protocol):
    """Where frames come from. `frames` and `close` are called on one thread."""

    name: str
    live: bool
    """Whether the latest frame wins; otherwise no frame may be lost."""
    fps: float | None
    size_wh: tuple[int, int]

    def frames(self) -> Iterator[Frame]:
        """The frames; ends at the end of the stream. Called once."""
        ...

    def stop(self) -> None:
        """Make `frames` end soon; from any thread, at any time, and more than once."""
        ...

    def close(self) -> None:
        """Release the file or device; idempotent."""
        ...


class Stage(Protocol):
    """One step of the work. All of it runs on one thread."""

    name: str

    def process(self, packet: Packet) -> Iterable[Packet]:
        """What comes of a packet: usually one; a filter that looks ahead gives none or several.

        Either a generator or a collection: the time until each packet comes is measured.
        """
        ...

    def flush(self) -> Iterable[Packet]:
        """What is still held back at the end of the stream."""
        ...

    def close(self) -> None:
        """Release what the stage holds; idempotent."""
        ...


class Sink(Protocol):
    """Where pictures go. All of it runs on one thread."""

    name: str

    def write(self, packet: Packet) -> None:
        """Show or store one packet's output."""
        ...

    def close(self) -> None:
        """Finish the file or release the device; idempotent."""
        ...


class _Meter:
    """How long packets waited for a part (held back in it included), and how long it worked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wait = Histogram()
        self.work = Histogram()

    def record(self, packet: Packet, start_ns: int, end_ns: int) -> None:
        """Count one packet, which is still as the stage before left it."""
        ready_ns = packet.stamps[-1].end_ns if packet.stamps else packet.frame.captured_ns
        self.wait.record(max(start_ns - ready_ns, 0))
        self.work.record(end_ns - start_ns)

    def report(self) -> StageReport:
        """The percentiles so far."""
        return StageReport(self.name, self.wait.latency(), self.work.latency())


class Pipeline:
    """Runs a source through stages into sinks.

    Args:
        source, stages, sinks: used by this pipeline alone; it closes all of them.
        clock: stamps every stage's work; the source must use the same one.
        capacity: packets that wait between two stages of a source that is not live. Live sources
            have one slot in which the latest packet wins.
    """

    def __init__(
        self,
        source: Source,
        stages: Sequence[Stage],
        sinks: Sequence[Sink],
        *,
        clock: Clock | None = None,
        capacity: int = 2,
    ) -> None:
        if not sinks:
            raise ValueError("a pipeline needs at least one sink; NullSink throws pictures away")
        self._source = source
        self._stages = tuple(stages)
        self._sinks = tuple(sinks)
        self._clock = MonotonicClock() if clock is None else clock
        parts: tuple[Stage | Sink, ...] = (*self._stages, *self._sinks)
        self._channels: list[Channel[Packet]] = [
            Channel(part.name, capacity=1, policy="latest")
            if source.live
            else Channel(part.name, capacity=capacity)
            for part in parts
        ]
        self._meters = [_Meter(part.name) for part in parts]
        self._capture_to_sink = Histogram()
        self._machine = machine()
        self._on_progress: Callable[[Packet], None] = lambda packet: None
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._failure_lock = threading.Lock()
        self._frames_in = self._missed = 0
        self._first_ns: int | None = None
        self._last_ns: int | None = None

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What is between the source and the sinks, to be looked at or measured."""
        return self._stages

    def run(
        self,
        *,
        on_progress: Callable[[Packet], None] | None = None,
        duration_s: float | None = None,
    ) -> Report:
        """Run to the end of the stream, or for so many seconds; blocks.

        Args:
            on_progress: called for every packet that the first sink has written, on its thread.
            duration_s: stop, in order, after so long.

        Raises:
            Exception: whatever ended the run early, with a note of where, once all files are
                finished; `snapshot` still says what was done.
            KeyboardInterrupt: Ctrl-C, once all files are finished. A second Ctrl-C does not wait.
        """
        self.start(on_progress=on_progress)
        try:
            return self.join(duration_s)
        except KeyboardInterrupt:
            self.stop()
            try:
                self.join()
            except KeyboardInterrupt:
                for channel in self._channels:
                    channel.abort()
            except Exception as error:
                raise KeyboardInterrupt from error
            raise

    def start(self, *, on_progress: Callable[[Packet], None] | None = None) -> None:
        """Start all threads and return."""
        if self._threads:
            raise RuntimeError("a pipeline runs once; make a new one")
        if on_progress is not None:
            self._on_progress = on_progress
        count = len(self._stages)
        after = [*([channel] for channel in self._channels[1:count]), self._channels[count:]]
        work: list[tuple[str, Callable[[], None]]] = [("source", self._run_source)]
        for stage, inlet, outlets, meter in zip(
            self._stages, self._channels, after, self._meters, strict=False
        ):
            work.append((stage.name, self._stage_runner(stage, inlet, outlets, meter)))
        for i, sink in enumerate(self._sinks):
            inlet, meter = self._channels[count + i], self._meters[count + i]
            work.append((sink.name, self._sink_runner(sink, inlet, meter, first=i == 0)))
        self._threads = [
            threading.Thread(target=target, name=f"ayatsuri-{name}", daemon=True)
            for name, target in work
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End in order: the source stops, what is under way is finished. From any thread."""
        self._source.stop()

    def join(self, timeout_s: float | None = None) -> Report:
        """Wait for the end; after `timeout_s` seconds, stop and then wait. See `run` for errors."""
        deadline_ns = None if timeout_s is None else self._clock.now_ns() + round(timeout_s * 1e9)
        for thread in self._threads:
            # A join without a timeout cannot be interrupted by Ctrl-C on every platform.
            while thread.is_alive():
                thread.join(0.05)
                if deadline_ns is not None and self._clock.now_ns() >= deadline_ns:
                    deadline_ns = None
                    self.stop()
        report = self.snapshot()
        if self._failures:
            first, *others = self._failures
            for other in others:
                first.add_note(f"then, {' '.join(other.__notes__)}: {other!r}")
            raise first
        return report

    def snapshot(self) -> Report:
        """The report as of now; from any thread."""
        channels = [channel.statistics() for channel in self._channels]
        first_ns, last_ns = self._first_ns, self._last_ns
        duration_s = 0.0 if first_ns is None or last_ns is None else (last_ns - first_ns) * 1e-9
        capture_to_sink = self._capture_to_sink.latency()
        return Report(
            source=self._source.name,
            live=self._source.live,
            duration_s=duration_s,
            frames_in=self._frames_in,
            frames_out=capture_to_sink.count,
            missed_by_source=self._missed,
            dropped=sum(channel.dropped for channel in channels),
            fps=capture_to_sink.count / duration_s if duration_s > 0 else 0.0,
            capture_to_sink=capture_to_sink,
            stages=tuple(meter.report() for meter in self._meters),
            channels=tuple(ChannelReport(c.name, c.sent, c.delivered, c.dropped) for c in channels),
            machine=self._machine,
            error=repr(self._failures[0]) if self._failures else None,
        )

    def _run_source(self) -> None:
        outlets = self._channels[:1] if self._stages else self._channels
        expected = 0
        try:
            for frame in self._source.frames():
                self._missed += max(frame.sequence - expected, 0)
                expected = frame.sequence + 1
                self._frames_in += 1
                if self._first_ns is None:
                    self._first_ns = self._clock.now_ns()
                if not _send(Packet(frame), outlets):
                    self._source.stop()
                    break
        except BaseException as error:  # noqa: BLE001  kept, and raised by join()
            self._fail("source", error)
        finally:
            self._finish("source", self._source.close, outlets)

    def _stage_runner(
        self, stage: Stage, inlet: Channel[Packet], outlets: list[Channel[Packet]], meter: _Meter
    ) -> Callable[[], None]:
        def deliver(work: Callable[[], Iterable[Packet]]) -> bool:
            start_ns = self._clock.now_ns()
            for packet in work():
                end_ns = self._clock.now_ns()
                meter.record(packet, start_ns, end_ns)
                stamp = Stamp(stage.name, start_ns, end_ns)
                if not _send(replace(packet, stamps=(*packet.stamps, stamp)), outlets):
                    return False
                start_ns = self._clock.now_ns()
            return True

        def run() -> None:
            try:
                while True:
                    try:
                        packet = inlet.get()
                    except ChannelClosed:
                        deliver(stage.flush)
                        break
                    if not deliver(partial(stage.process, packet)):
                        break
            except BaseException as error:  # noqa: BLE001  kept, and raised by join()
                self._fail(stage.name, error)
            finally:
                inlet.abort()
                self._finish(stage.name, stage.close, outlets)

        return run

    def _sink_runner(
        self, sink: Sink, inlet: Channel[Packet], meter: _Meter, *, first: bool
    ) -> Callable[[], None]:
        def run() -> None:
            try:
                while True:
                    try:
                        packet = inlet.get()
                    except ChannelClosed:
                        break
                    start_ns = self._clock.now_ns()
                    sink.write(packet)
                    end_ns = self._clock.now_ns()
                    meter.record(packet, start_ns, end_ns)
                    if first:
                        self._capture_to_sink.record(end_ns - packet.frame.captured_ns)
                        self._last_ns = end_ns
                        self._on_progress(packet)
            except BaseException as error:  # noqa: BLE001  kept, and raised by join()
                self._fail(sink.name, error)
            finally:
                inlet.abort()
                self._finish(sink.name, sink.close, ())

        return run

    def _fail(self, part: str, error: BaseException) -> None:
        error.add_note(f"in the {part} of the pipeline")
        with self._failure_lock:
            self._failures.append(error)
        self._source.stop()

    def _finish(
        self, part: str, close: Callable[[], None], outlets: Iterable[Channel[Packet]]
    ) -> None:
        for channel in outlets:
            channel.close()
        try:
            close()
        except BaseException as error:  # noqa: BLE001  kept, and raised by join()
            self._fail(part, error)


def _send(packet: Packet, outlets: Sequence[Channel[Packet]]) -> bool:
    # Every sink gets the packet, even if another one is gone: that one ends the run.
    taken = [channel.put(packet) for channel in outlets]
    return all(taken)

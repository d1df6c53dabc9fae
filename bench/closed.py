"""`python -m bench.closed`: how fast is a video puppeteered, as fast as the machine can?

Stages overlap, so that a pipeline can be as fast as its slowest stage is alone, as long as there
are cores enough for all of them. Each part is first run by itself over the packets that the parts
before it made, then the whole pipeline runs over the same video. Processor time is measured as well
as time: what all parts need of it together, over the number of cores, bounds the rate too.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer
from rich.table import Table

from bench.report import Bench, Goal, Timing
from engine.app import DEFAULT_CHARACTER, PERFORMER, Character, Options, build, load_cast
from engine.character import CharacterBundle
from engine.frame import Frame, Packet
from engine.io.file import FileSource
from engine.io.null import NullSink
from engine.io.sinks import open_sink, takes_alpha
from engine.pipeline import Sink
from engine.report import Report

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Alone:
    """One part run by itself: its rate, the processor's seconds for a frame, the time of a call."""

    name: str
    fps: float
    cpu_ms: float
    timing: Timing


class FirstFrames:
    """A source that ends after so many frames of another one."""

    def __init__(self, source: FileSource, count: int) -> None:
        self._source, self._count = source, count
        self.name, self.live = source.name, source.live
        self.fps, self.size_wh = source.fps, source.size_wh

    def frames(self) -> Iterator[Frame]:
        """See `engine.pipeline.Source`."""
        return islice(self._source.frames(), self._count)

    def stop(self) -> None:
        """See `engine.pipeline.Source`."""
        self._source.stop()

    def close(self) -> None:
        """See `engine.pipeline.Source`."""
        self._source.close()


class _Watch:
    """Adds up the time of calls, and the processor time of the whole process meanwhile."""

    def __init__(self) -> None:
        self.calls_ns: list[int] = []
        self._cpu_s = 0.0

    def time(self, call: Callable[[], T]) -> T:
        """Do it, and count it."""
        cpu_s, start_ns = time.process_time(), time.perf_counter_ns()
        result = call()
        self.calls_ns.append(time.perf_counter_ns() - start_ns)
        self._cpu_s += time.process_time() - cpu_s
        return result

    def alone(self, name: str, frames: int) -> Alone:
        """The rate of so many frames."""
        seconds = sum(self.calls_ns) * 1e-9
        return Alone(name, frames / seconds, 1e3 * self._cpu_s / frames, Timing.of(self.calls_ns))


def _own(packet: Packet) -> Packet:
    """A packet that holds no buffer of a stage's: the stage may use its few again, as it does."""
    copies = {
        name: None if (array := getattr(packet, name)) is None else array.copy()
        for name in ("pose_image", "picture", "output")
    }
    return replace(packet, **copies)


def parts_alone(
    clip: Path, cast_of: Character, options: Options, frames: int, output: Path | None
) -> list[Alone]:
    """Every part of the pipeline, one after the other."""
    results = []
    with ExitStack() as cleanup:
        source = FileSource(clip)
        cleanup.callback(source.close)
        show = build(
            source, NullSink(), load_cast([cast_of], options.threads), options, alpha=False
        )
        for stage in show.pipeline.stages:
            cleanup.callback(stage.close)
        watch, decoding = _Watch(), source.frames()
        packets: list[Packet] = []
        while len(packets) < frames:
            frame = watch.time(lambda: next(decoding, None))
            if frame is None:
                break
            packets.append(Packet(replace(frame, image=frame.image.copy())))
        results.append(watch.alone("decode", len(packets)))
        for stage in show.pipeline.stages:
            watch, made = _Watch(), []

            def collect(step: Callable[[], Iterable[Packet]]) -> list[Packet]:
                return list(step())

            for packet in packets:
                made += map(_own, watch.time(lambda: list(stage.process(packet))))  # noqa: B023
            made += map(_own, watch.time(lambda: list(stage.flush())))  # noqa: B023
            packets = made
            results.append(watch.alone(stage.name, len(packets)))
        if output is not None:
            sink = open_sink(output, fps=source.fps)
            cleanup.callback(sink.close)
            watch = _Watch()
            for packet in packets:
                watch.time(lambda: sink.write(packet))  # noqa: B023
            watch.time(sink.close)
            results.append(watch.alone(sink.name, len(packets)))
    return results

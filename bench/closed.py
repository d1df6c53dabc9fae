"""`ayatsuri bench closed`: how fast is a video puppeteered, as fast as the machine can?

Stages overlap, so that a pipeline can be as fast as its slowest stage is alone, as long as there
are cores enough for all of them. Each part is first run by itself over the packets that the parts
before it made, then the whole pipeline runs over the same video. Processor time is measured as
well as time: what all parts need of it together, over the number of cores, bounds the rate too. And
cores that all work at once may each be slower, as they share caches, memory and more: so each part
is also run while other programs keep all cores but one busy.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import numpy as np
import typer
from rich.table import Table

from bench.charts import Chart, Series
from bench.load import OtherPrograms
from bench.quality import likeness_of, pose_errors, told
from bench.report import Bench, Goal, Timing, drawings, singles_table
from bench.statistics import Measure, of_runs
from bench.timeline import Ints
from bench.ways import CharactersOption, DrawName, DrawsOption, Way, ways
from engine.app import DEFAULT_CHARACTER, PERFORMER, Character, Options, build, load_cast
from engine.cast import Actor
from engine.commands.options import (
    PoseModel,
    PoseRuntimeName,
    PoseRuntimeOption,
    ThreadsOption,
)
from engine.frame import Frame, Packet, Stamp
from engine.io.file import FileSource
from engine.io.null import NullSink
from engine.io.sinks import open_sink
from engine.pipeline import Sink, Stage
from engine.report import Report, cores

T = TypeVar("T")

ALL: Final = "whole pipeline"
_BUSY_S: Final = 600.0  # at most; they end with what they are beside


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
    return replace(
        packet,
        pose_image=None if packet.pose_image is None else packet.pose_image.copy(),
        picture=None if packet.picture is None else packet.picture.copy(),
        output=None if packet.output is None else packet.output.copy(),
    )


def _step(stage: Stage, packet: Packet | None) -> list[Packet]:
    return list(stage.flush() if packet is None else stage.process(packet))


def parts_alone(
    clip: Path, character: Character, options: Options, frames: int, output: Path | None
) -> tuple[list[Alone], Actor]:
    """Every part of the pipeline, one after the other, from the source to a sink that works.

    And who was drawn, and by what: closed by now.
    """
    results = []
    with ExitStack() as cleanup:
        source = FileSource(clip)
        cleanup.callback(source.close)
        cast = load_cast([character], options)
        actor = cast.actors[0]
        show = build(source, NullSink(), cast, options)  # not run: only its stages are
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
            watch = _Watch()
            made = [_own(out) for p in packets for out in watch.time(partial(_step, stage, p))]
            packets = made + [_own(out) for out in watch.time(partial(_step, stage, None))]
            results.append(watch.alone(stage.name, len(packets)))
        if output is not None:
            sink = open_sink(output, fps=source.fps)
            cleanup.callback(sink.close)
            watch = _Watch()
            for packet in packets:
                watch.time(partial(sink.write, packet))
            watch.time(sink.close)
            results.append(watch.alone(sink.name, len(packets)))
    return results, actor


@dataclass(frozen=True, slots=True)
class Whole:
    """One run of the pipeline, and when each stage was done with each frame: (N, S) ns."""

    report: Report
    stages: tuple[str, ...]
    ends_ns: Ints

    def steady_fps(self, stage: str) -> float:
        """The rate of one stage, from its first frame to its last; NaN for the decoder's.

        How long the first frame takes to come through all parts, and the last one, is latency:
        the longer the video, the less it is of the time.
        """
        if stage not in self.stages or len(self.ends_ns) < 2:
            return float("nan")
        ends = self.ends_ns[:, self.stages.index(stage)]
        return 1e9 * (len(ends) - 1) / float(ends[-1] - ends[0])


def whole(
    clip: Path, character: Character, options: Options, frames: int, output: Path | None
) -> Whole:
    """The pipeline, all of its parts at once."""
    stamps: list[tuple[Stamp, ...]] = []
    with ExitStack() as cleanup:
        source = FirstFrames(FileSource(clip), frames)
        cleanup.callback(source.close)
        sink: Sink = NullSink() if output is None else open_sink(output, fps=source.fps)
        cast = load_cast([character], options)
        cleanup.pop_all()
    pipeline = build(source, sink, cast, options).pipeline
    report = pipeline.run(on_progress=lambda packet: stamps.append(packet.stamps))
    names = tuple(stamp.stage for stamp in stamps[0]) if stamps else ()
    ends = [[stamp.end_ns for stamp in one] for one in stamps]
    return Whole(report, names, np.array(ends, np.int64).reshape(len(ends), len(names)))


@dataclass(frozen=True, slots=True)
class Measured:
    """One way to draw, measured.

    Attributes:
        parts: each alone.
        beside: the same while other programs keep all cores but one busy: two cores that work at
            once may each be slower than one that works alone, and no program can help that.
        runs: of the whole, the slowest first.
        actor: who was drawn, and by what: closed by now.
    """

    parts: list[Alone]
    beside: list[Alone]
    runs: list[Whole]
    actor: Actor

    @property
    def slowest(self) -> Alone:
        """The part that bounds the rate."""
        return min(self.parts, key=lambda part: part.fps)

    @property
    def cpu_ms(self) -> float:
        """What all parts together take of the processor, for a frame."""
        return sum(part.cpu_ms for part in self.parts)

    @property
    def report(self) -> Report:
        """Of the median run: the slower one of two in the middle."""
        return self._median.report

    @property
    def share(self) -> float:
        """The rate of the slowest part among all others, of what it can do alone."""
        return self._median.steady_fps(self.slowest.name) / self.slowest.fps

    @property
    def shared(self) -> float:
        """What the slowest part can do beside busy cores, of what it can do alone."""
        one = next(part for part in self.beside if part.name == self.slowest.name)
        return one.fps / self.slowest.fps

    @property
    def _median(self) -> Whole:
        return self.runs[(len(self.runs) - 1) // 2]


def measure(
    clip: Path, way: Way, frames: int, alone: int, runs: int, output: Path | None
) -> Measured:
    """The parts, the parts beside busy cores, and the whole."""
    count = min(alone, frames)
    parts, actor = parts_alone(clip, way.bundle, way.options, count, output)
    with OtherPrograms(max(cores() - 1, 1), 0.0, _BUSY_S):
        beside, _ = parts_alone(clip, way.bundle, way.options, count, output)
    made = [whole(clip, way.bundle, way.options, frames, output) for _ in range(runs)]
    return Measured(parts, beside, sorted(made, key=lambda one: one.report.fps), actor)


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: CharactersOption = None,
    draw: DrawsOption = DrawName.ALL,
    video: Annotated[
        Path | None, typer.Option(help="Write the result there; thrown away if not named.")
    ] = None,
    threads: ThreadsOption = 1,
    pose: Annotated[PoseModel, typer.Option(help="MediaPipe's model.")] = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
    frames: Annotated[int, typer.Option(help="At most so many of the video.")] = 600,
    alone: Annotated[int, typer.Option(help="So many of them for each part alone.")] = 300,
    runs: Annotated[int, typer.Option(help="Of the whole; the median one counts.")] = 3,
    with_quality: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Rate the pictures; a clip with truth.")
    ] = True,
) -> None:
    """Measure it."""
    bench = Bench(
        "closed",
        "How fast is a video puppeteered, as fast as the machine can?",
        "the slowest part alone, or what the processor's cores have time for",
        models=character or [DEFAULT_CHARACTER],
    )
    options = Options(
        threads=threads, pose_model=pose.value, pose_runtime=pose_runtime.value
    )  # fmt: skip
    figures: dict[str, Any] = {}
    goals: list[Goal] = []
    for way in ways(character, draw, options):
        found = measure(clip, way, frames, alone, runs, video)
        rates = [run.report.fps for run in found.runs]
        row = {"rate": Measure({"value": of_runs(rates)}, "fps", "higher",
                               runs * found.report.frames_out, runs)}  # fmt: skip
        drawn_by = told(found.actor, way.options)
        if with_quality:
            row |= likeness_of(found.actor.bundle, way.options, drawn_by, clip)
            row |= pose_errors(clip, options, None, smoothing="savitzky-golay")
        show(bench, way.prefix, found)
        bench.add(f"{way.prefix}{ALL}", row, drawn_by=drawn_by)
        figures[way.prefix.removesuffix(": ") or "whole"] = {
            "fps": found.report.fps,
            "fps_of_runs": rates,
            "fps_alone": {part.name: part.fps for part in found.parts},
            "processor_ms_alone": {part.name: part.cpu_ms for part in found.parts},
            "slowest": found.slowest.name,
            "share_of_slowest": found.share,
            "share_beside_busy_cores": found.shared,
            "fps_by_cores": 1e3 * cores() / found.cpu_ms,
            "lost": found.report.frames_in - found.report.frames_out,
        }
        goals += [
            Goal(f"{way.prefix}whole pipeline", found.report.fps, 35.0, True, "fps"),
            Goal(
                f"{way.prefix}of what {found.slowest.name} can do alone", 100 * found.share, 90.0,
                True,
                "%",
            ),
        ]  # fmt: skip
    bench.console.print(singles_table("All of it", [r for r in bench.rows if r.name.endswith(ALL)]))
    bench.finish(
        sum(row.measures["rate"].count for row in bench.rows if row.name.endswith(ALL)), figures,
        goals, clip=clip.name, output="null" if video is None else video.suffix, threads=threads,
        pose_model=options.pose_model, pose_runtime=options.pose_runtime,
        smoothing="savitzky-golay", frames_alone=min(alone, frames), runs=runs,
        drawn=drawings([row for row in bench.rows if row.name.endswith(ALL)]),
    )  # fmt: skip


def show(bench: Bench, prefix: str, found: Measured) -> None:
    """Take one way into the result, and print it."""
    table = Table(
        title=f"{prefix}each part alone",
        caption="core: processor time of a frame; beside: while others keep the other cores busy",
    )
    table.add_column("part")
    for column in ("fps alone", "p50 ms", "p95 ms", "core ms", "fps beside"):
        table.add_column(column, justify="right")
    for part, busy in zip(found.parts, found.beside, strict=True):
        table.add_row(
            part.name, f"{part.fps:.1f}", f"{part.timing.p50_ms:.2f}", f"{part.timing.p95_ms:.2f}",
            f"{part.cpu_ms:.2f}", f"{busy.fps:.1f}",
        )  # fmt: skip
        alone_fps = Measure.single(part.fps, "fps", "higher", count=part.timing.count)
        bench.add(f"{prefix}{part.name}, alone", {
            "work": part.timing.measure(), "rate": alone_fps,
            "processor": Measure.single(part.cpu_ms, "ms", count=part.timing.count),
            "rate beside busy cores": Measure.single(busy.fps, "fps", "higher", count=len(
                busy.timing.durations_ns)),
        })  # fmt: skip
    cores_fps = 1e3 * cores() / found.cpu_ms
    bench.console.print(table)
    bench.console.print(
        f"ceilings: {found.slowest.fps:.1f} fps by the slowest part, {found.slowest.name}; "
        f"{cores_fps:.1f} fps by {found.cpu_ms:.1f} ms of {cores()} cores for every frame; beside "
        f"busy cores {found.slowest.name} has {100 * found.shared:.1f} % of its rate, and in the "
        f"pipeline {100 * found.share:.1f} %"
    )
    bench.console.print(found.report.table())
    names = [part.name for part in found.parts]
    of = f": {prefix.removesuffix(': ')}" if prefix else ""
    walls, processor = [1e3 / p.fps for p in found.parts], [p.cpu_ms for p in found.parts]
    bench.charts.append(
        Chart(
            "bars", f"What each part takes alone, and all of them together{of}",
            "Of a pipeline whose parts overlap a frame takes as long as of its slowest part, if "
            "the processor's cores have time for all of them.",
            "ms of a frame", "",
            [
                Series("time", [0.0] * (len(names) + 1), [*walls, 1e3 / found.report.fps],
                       [*names, "whole"]),
                Series("processor", [0.0] * len(names), processor, names),
            ],
            limits=[("by the cores", 1e3 / cores_fps)],
        )
    )  # fmt: skip

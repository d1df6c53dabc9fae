"""`ayatsuri bench closed`: how fast is a video puppeteered, as fast as the machine can?

Stages overlap, so that a pipeline can be as fast as its slowest stage is alone, as long as there
are cores enough for all of them. Each part is first run by itself over the packets that the parts
before it made, then the whole pipeline runs over the same video. Processor time is measured as well
as time: what all parts need of it together, over the number of cores, bounds the rate too.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from bench.charts import Chart, Series
from bench.report import Bench, Goal, Timing
from bench.statistics import Measure, of_runs
from engine.app import DEFAULT_CHARACTER, PERFORMER, Character, Options, build, load_cast
from engine.character import CharacterBundle
from engine.frame import Frame, Packet
from engine.io.file import FileSource
from engine.io.null import NullSink
from engine.io.sinks import open_sink
from engine.pipeline import Sink, Stage
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
) -> list[Alone]:
    """Every part of the pipeline, one after the other, from the source to a sink that works."""
    results = []
    with ExitStack() as cleanup:
        source = FileSource(clip)
        cleanup.callback(source.close)
        cast = load_cast([character], options)
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
    return results


def whole(
    clip: Path, character: Character, options: Options, frames: int, output: Path | None
) -> Report:
    """The pipeline, all of its parts at once."""
    with ExitStack() as cleanup:
        source = FirstFrames(FileSource(clip), frames)
        cleanup.callback(source.close)
        sink: Sink = NullSink() if output is None else open_sink(output, fps=source.fps)
        cast = load_cast([character], options)
        cleanup.pop_all()
    return build(source, sink, cast, options).pipeline.run()


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    video: Annotated[
        Path | None, typer.Option(help="Write the result there; thrown away if not named.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Of ONNX Runtime.")] = Options().threads,
    pose: Annotated[str, typer.Option(help="MediaPipe's model.")] = "full",
    frames: Annotated[int, typer.Option(help="At most so many of the video.")] = 600,
    alone: Annotated[int, typer.Option(help="So many of them for each part alone.")] = 300,
    runs: Annotated[int, typer.Option(help="Of the whole; the median one counts.")] = 3,
) -> None:
    """Measure it."""
    bench = Bench(
        "closed",
        "How fast is a video puppeteered, as fast as the machine can?",
        "the slowest part alone, or what the processor's cores have time for",
        models=[character],
    )
    bundle = CharacterBundle.load(character)
    options = Options(threads=threads, pose_model=pose)  # type: ignore[arg-type]
    parts = parts_alone(clip, bundle, options, min(alone, frames), video)
    slowest = min(parts, key=lambda part: part.fps)
    cpu_ms = sum(part.cpu_ms for part in parts)
    cores = int(bench.machine["cores"])
    cores_fps = 1e3 * cores / cpu_ms

    table = Table(title=f"Each part alone, {bundle.name}, threads {threads}")
    table.add_column("part")
    for column in ("fps alone", "p50 ms", "p95 ms", "processor ms a frame"):
        table.add_column(column, justify="right")
    for part in parts:
        table.add_row(
            part.name, f"{part.fps:.1f}", f"{part.timing.p50_ms:.2f}", f"{part.timing.p95_ms:.2f}",
            f"{part.cpu_ms:.2f}",
        )  # fmt: skip
    bench.console.print(table)
    bench.console.print(
        f"ceilings: {slowest.fps:.1f} fps by the slowest part, {slowest.name}; "
        f"{cores_fps:.1f} fps by {cpu_ms:.1f} ms of {cores} cores for every frame"
    )

    for part in parts:
        alone_fps = Measure.single(part.fps, "fps", "higher", count=part.timing.count)
        bench.add(f"{part.name}, alone", {"work": part.timing.measure(), "rate": alone_fps})
    reports = sorted(
        (whole(clip, bundle, options, frames, video) for _ in range(runs)), key=lambda r: r.fps
    )
    report = reports[(len(reports) - 1) // 2]  # the slower one of two in the middle
    bench.console.print(report.table())
    rates = of_runs([r.fps for r in reports])
    bench.add(
        "whole pipeline",
        {"rate": Measure({"value": rates}, "fps", "higher", runs * report.frames_out, runs)},
    )
    names, fps_alone = [part.name for part in parts], [part.fps for part in parts]
    bench.charts.append(
        Chart(
            "bars", "What each part can do alone, and all of them together",
            "A pipeline whose parts overlap can be as fast as its slowest part, or as the "
            "processor's cores allow.",
            "frames a second", "",
            [Series("fps", [0.0] * (len(parts) + 1), [*fps_alone, report.fps], [*names, "whole"])],
            limits=[("by the cores", cores_fps)],
        )
    )  # fmt: skip
    share = report.fps / slowest.fps
    bench.finish(
        report.frames_out,
        {
            "fps": report.fps,
            "fps_of_runs": [r.fps for r in reports],
            "fps_alone": {part.name: part.fps for part in parts},
            "processor_ms_alone": {part.name: part.cpu_ms for part in parts},
            "slowest": slowest.name,
            "share_of_slowest": share,
            "fps_by_cores": cores_fps,
            "lost": report.frames_in - report.frames_out,
        },
        [
            Goal("whole pipeline", report.fps, 35.0, True, "fps"),
            Goal(f"of what {slowest.name} can do alone", 100 * share, 90.0, True, "%"),
        ],
        clip=clip.name,
        character=bundle.name,
        output="null" if video is None else video.suffix,
        threads=threads,
        pose=pose,
        frames_alone=min(alone, frames),
        runs=runs,
    )

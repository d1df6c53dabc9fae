"""`ayatsuri bench peers`: how do other ways to build it do, side by side?

One camera at 30 frames a second, one clip, one clock, one after the other on one machine, each
judged by the same figures. Beside Ayatsuri there are the loop that most projects have (read, infer
in eager PyTorch, show), once with the newest frame and once with a queue that nobody bounds; and
programs of others, as far as their public parts can be installed: see `bench.rivals` for how to add
one. What is not installed is said to be missing, and not claimed about.

A rival draws another character, another part of the body, in another size: what each does is said
beside its figures, and they compare latency, not art. So likeness is to each one's own pictures at
its best: 1 of those that calculate in fp32 alone. The joints' error when they are shown is of those
whose picture follows the body's joints.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from bench.camera import CameraSource, pictures_of
from bench.quality import SAME, Smoothing, likeness_of, pose_errors
from bench.report import Bench, Goal, drawings, measures_table, singles_table
from bench.rivals import RIVALS, Rival
from bench.show import STALE_MS, Run, files_of, latency_charts, play, watch
from bench.statistics import Measure
from bench.synthetic import Pass
from bench.timeline import Timeline
from engine.app import DEFAULT_CHARACTER, LIVE_FPS, PERFORMER, Options
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.commands.options import Draw, DrawOption, ThreadsOption
from engine.errors import MissingDependency
from engine.frame import Packet
from engine.io.null import NullSink
from engine.pipeline import Pipeline

PICTURES: Final = 300
UNBOUNDED: Final = 1_000_000


class Loop(Pass):
    """A rival's whole loop as the only stage.

    Args:
        rival: does all the work on a frame.
        clock: the pipeline's.
        end_ns: frames that are taken after it are left where they are: a queue may be long.
    """

    def __init__(self, rival: Rival, clock: MonotonicClock, end_ns: int) -> None:
        super().__init__("loop")
        self._rival, self._clock, self._end_ns = rival, clock, end_ns
        self.left = 0

    def process(self, packet: Packet) -> Iterable[Packet]:
        """The picture."""
        if self._clock.now_ns() > self._end_ns:
            self.left += 1
            return
        frame = packet.frame
        yield replace(packet, output=self._rival.draw(frame.image, frame.captured_ns))

    def close(self) -> None:
        """Let the rival go."""
        self._rival.close()


def run_rival(
    rival: Rival, pictures: list[NDArray[np.uint8]], seconds: float, skip_s: float
) -> tuple[Run, int]:
    """One rival behind the camera, and how many frames still waited in the end."""
    clock = MonotonicClock()
    rival.open()
    for image in pictures[:3]:  # allocates, compiles, fills caches
        rival.draw(image, clock.now_ns())
    total_s = seconds + skip_s
    camera = CameraSource(pictures, LIVE_FPS, round(total_s * LIVE_FPS), clock)
    camera.live = rival.newest
    loop = Loop(rival, clock, clock.now_ns() + round(1e9 * total_s))
    pipeline = Pipeline(camera, [loop], [NullSink()], clock=clock, capacity=UNBOUNDED)
    return watch(pipeline, camera, clock, total_s + 1.0, skip_s), loop.left


def judged(
    run: Run, clip: Path, options: Options, *, smoothing: Smoothing | None
) -> dict[str, Measure]:
    """A run's figures, and the error of the joints when they are shown, where there are any."""
    measures = run.timeline.measures(STALE_MS)
    if smoothing is not None:
        late_ms = measures["every frame due"]["p50"]
        measures |= pose_errors(clip, options, late_ms, smoothing=smoothing)
    return measures | {"cores used": Measure.single(run.cores_used, "cores", "lower")}


def main(
    clip: Annotated[Path, typer.Argument(help="What the camera sees.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    rivals: Annotated[str, typer.Option(help="By name, or all.")] = "all",
    seconds: Annotated[float, typer.Option(help="For each.")] = 30.0,
    warm_up: Annotated[float, typer.Option(help="Seconds before that, not counted.")] = 3.0,
    draw: DrawOption = Draw.AUTO,
    threads: ThreadsOption = 1,
    rival_threads: Annotated[
        int | None, typer.Option(min=1, help="Of PyTorch; by itself it takes all cores.")
    ] = None,
) -> None:
    """Measure it."""
    bench = Bench(
        "peers", "How do other ways to build it do, side by side?",
        warm_up=f"{warm_up:g} s", models=[character],
    )  # fmt: skip
    bundle, pictures = CharacterBundle.load(character), pictures_of(clip, PICTURES)
    clock, options = MonotonicClock(), Options(threads=threads, draw=draw.value)
    camera = CameraSource(pictures, LIVE_FPS, round((seconds + warm_up) * LIVE_FPS), clock)
    ours = play(
        camera, NullSink(), bundle, options, clock, seconds=seconds + warm_up + 1, skip_s=warm_up
    )  # fmt: skip
    measures = judged(ours, clip, options, smoothing="one-euro")
    bench.add(
        "Ayatsuri", measures | likeness_of(ours.bundle, options, ours.drawn_by, clip),
        what="whole body, {resolution} px, One Euro; MediaPipe, {name}".format(**ours.drawn_by),
        drawn_by=ours.drawn_by,
    )  # fmt: skip
    timelines: list[tuple[str, Timeline]] = [("Ayatsuri", ours.timeline)]
    missing = {}
    wanted = RIVALS if rivals == "all" else {name: RIVALS[name] for name in rivals.split(",")}
    for name, make in wanted.items():
        rival = make(rival_threads or int(bench.machine["cores"]))
        try:
            run, left = run_rival(rival, pictures, seconds, warm_up)
        except MissingDependency as error:
            missing[name] = str(error)
            bench.console.print(f"[yellow]missing[/] {name}: {error}")
            rival.close()
            continue
        measures = judged(run, clip, options, smoothing="none" if rival.tracks else None)
        if rival.exact:
            measures |= SAME.measures()
        measures["waiting in the end"] = Measure.single(left, "frames", "lower")
        bench.add(rival.name, measures, what=rival.about)
        timelines.append((rival.name, run.timeline))
    bench.console.print(measures_table("Latency from when a frame was due", bench.rows))
    bench.console.print(singles_table("At the sink", bench.rows))
    for row in bench.rows:
        bench.console.print(f"[bold]{row.name}[/]: {row.about['what']}")
    bench.charts = latency_charts(timelines, STALE_MS)
    bench.extras = files_of(bench.name, timelines)
    by_name = {row.name: row.measures["every frame due"]["p50"] for row in bench.rows}
    bench.finish(
        sum(len(timeline.due_ns) for _, timeline in timelines), {"missing": missing},
        [
            Goal(f"latency of {name}, over ours", p50 / by_name["Ayatsuri"], 1.0, True, "x")
            for name, p50 in by_name.items() if name != "Ayatsuri"
        ],
        clip=clip.name, character=bundle.name, seconds=seconds, threads=threads, fps=LIVE_FPS,
        drawn=drawings(bench.rows),
    )  # fmt: skip

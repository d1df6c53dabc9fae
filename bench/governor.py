"""`ayatsuri bench governor`: what becomes of a show when another program takes the machine?

As `open`, at one rate; but after some seconds other processes keep the processor busy, for some
seconds, and end. The same show is played twice: as it is set, and with the budget governor
(`ayatsuri live --target-fps ...`), and what was to be seen is told for the time before, during and
after. What the governor did is told as well: it draws worse to be on time.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from bench.camera import CameraSource, pictures_of
from bench.levels import Quality, Seen
from bench.load import OtherPrograms
from bench.quality import told
from bench.report import Bench, Goal, drawings, number
from bench.show import STALE_MS, Played, Run, charts_of, files_of, watch
from bench.statistics import Measure
from bench.timeline import Timeline
from engine.app import DEFAULT_CHARACTER, PERFORMER, Options, Targets, build, load_cast
from engine.character import CharacterBundle
from engine.clock import MonotonicClock
from engine.commands.options import Draw as DrawName
from engine.commands.options import (
    DrawOption,
    PoseModel,
    PoseModelOption,
    PoseRuntimeName,
    PoseRuntimeOption,
    TargetCpuOption,
    TargetGpuOption,
    TargetLatencyOption,
    ThreadsOption,
)
from engine.governing import Governing, Level, present
from engine.io.null import NullSink
from engine.ways import Way

PICTURES: Final = 300
LEAST: Final = 0.95
"""Of the other show's rate a governed one has to keep: where nothing is lost it can win nothing."""
PHASES: Final = ("before", "during", "after")
SETTINGS: Final = ("as it is", "governed")


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds: to warm up, before the other program, with it, and after it; how many there are."""

    warm_up_s: float
    before_s: float
    during_s: float
    after_s: float
    programs: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.warm_up_s + self.before_s + self.during_s + self.after_s

    def ends_s(self) -> list[float]:
        """Where each phase begins and the last one ends, since the end of the warm-up."""
        return [0.0, *np.cumsum([self.before_s, self.during_s, self.after_s]).tolist()]


def play(
    clip: Path, bundle: CharacterBundle, options: Options, fps: float, plan: Plan,
    targets: Targets | None,
) -> tuple[Played, Seen, dict[str, Any] | None, tuple[Way, ...]]:  # fmt: skip
    """One show: its run, its levels, what the governor said, if there was one; and its ways."""
    clock = MonotonicClock()
    source = CameraSource(pictures_of(clip, PICTURES), fps, round(plan.seconds * fps), clock)
    cast = load_cast([bundle], options, fps=fps)
    show = build(source, NullSink(), cast, options, clock=clock)
    actor = cast.actors[0]
    drawn_by = told(actor, options)
    begins = Level(options.pose_model, present(actor), SETTINGS[0])
    began_ns = clock.now_ns()
    governing = Governing(show, targets, options, clock) if targets else None
    others = OtherPrograms(plan.programs, plan.warm_up_s + plan.before_s, plan.during_s)
    with others, governing or nullcontext():
        run = watch(
            show.pipeline, source, clock, plan.seconds + 1.0, plan.warm_up_s,
            also=governing.note if governing else None,
        )  # fmt: skip
    due_ns = run.timeline.due_ns
    ahead_s = (due_ns[0] - began_ns) * 1e-9 if len(due_ns) else 0.0
    changes = governing.changes if governing else []
    levels = governing.levels if governing else [begins]
    if governing is not None:
        first = changes[0].before if changes else governing.level.name
        begins = next(level for level in levels if level.name == first)
    seen = Seen(levels, begins, changes, ahead_s)
    return (
        Played.of(run, actor, drawn_by),
        seen,
        governing.to_dict() if governing else None,
        actor.ways,
    )


def part(timeline: Timeline, begin_s: float, end_s: float) -> Timeline:
    """The frames that were due in a stretch of time."""
    at_s = (timeline.due_ns - timeline.due_ns[0]) * 1e-9
    begin, end = (int(i) for i in np.searchsorted(at_s, [begin_s, end_s]))
    numbers = timeline.sequence - timeline.first
    kept = (numbers >= begin) & (numbers < end)
    return replace(
        timeline, due_ns=timeline.due_ns[begin:end], first=timeline.first + begin,
        **{name: getattr(timeline, name)[kept]
           for name in ("sequence", "shown_ns", "starts_ns", "ends_ns")},
    )  # fmt: skip


def main(
    clip: Annotated[Path, typer.Argument(help="The video.")] = PERFORMER,
    character: Annotated[Path, typer.Option(help="The bundle.")] = DEFAULT_CHARACTER,
    fps: Annotated[float, typer.Option(help="The camera's rate, and the target.")] = 30.0,
    before: Annotated[float, typer.Option(help="Seconds alone.")] = 20.0,
    during: Annotated[float, typer.Option(help="Seconds with the other programs.")] = 30.0,
    after: Annotated[float, typer.Option(help="Seconds alone again.")] = 60.0,
    warm_up: Annotated[float, typer.Option(help="Seconds before, not counted.")] = 3.0,
    programs: Annotated[
        int | None, typer.Option(min=1, help="How many other programs; else one a core.")
    ] = None,
    with_quality: Annotated[
        bool, typer.Option("--quality/--no-quality", help="Rate the pictures, too.")
    ] = True,
    target_latency: TargetLatencyOption = None,
    target_cpu: TargetCpuOption = None,
    target_gpu: TargetGpuOption = None,
    threads: ThreadsOption = 1,
    draw: DrawOption = DrawName.AUTO,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
) -> None:
    """Measure it."""
    bench = Bench(
        "governor",
        "What becomes of a show when another program takes the machine?",
        "the camera's rate; of a machine that is shared, what the others leave",
        warm_up=f"{warm_up:g} s",
        models=[character],
    )
    plan = Plan(warm_up, before, during, after, programs or bench.machine["cores"])
    options = Options(
        threads=threads, draw=draw.value, pose_model=pose_model.value,
        pose_runtime=pose_runtime.value,
    )  # fmt: skip
    targets = Targets(fps, target_latency, target_cpu, target_gpu)
    bundle = CharacterBundle.load(character)
    runs: list[tuple[str, Run]] = []
    did: dict[str, Any] | None = None
    quality: Quality | None = None
    for setting in SETTINGS:
        run, seen, said, ways = play(
            clip, bundle, options, fps, plan, targets if setting != SETTINGS[0] else None
        )
        did = said or did
        runs.append((setting, run))
        if with_quality and quality is None:
            quality = Quality(clip, run.bundle, options, ways)
        for phase, (begin_s, end_s) in zip(PHASES, pairwise(plan.ends_s()), strict=True):
            measures = part(run.timeline, begin_s, end_s).measures(STALE_MS)
            had = seen.shares(begin_s, end_s)
            if quality is not None:
                measures |= quality.measures(had, measures["every frame due"]["p50"])
            bench.add(
                f"{setting}, {phase}", measures, drawn_by=run.drawn_by,
                levels={level.name: round(share, 3) for level, share in had.items()},
            )  # fmt: skip
    bench.console.print(_table(bench))
    for change in did["changes"] if did else ():
        bench.console.print(
            f"  {change['at_s']:.1f} s: {change['before']} -> {change['after']} "
            f"({escape(change['why'])})"
        )
    shown = [_value(bench, f"{setting}, during", "fps shown") for setting in reversed(SETTINGS)]
    ratio = shown[0] / shown[1] if shown[1] else float("nan")
    bench.charts = charts_of(runs, 1e3 / fps)
    bench.extras = files_of(bench.name, [(name, run.timeline) for name, run in runs])
    bench.finish(
        sum(len(run.timeline.due_ns) for _, run in runs),
        {"governor": did, "fps_governed_over_not": ratio},
        [Goal("during, fps shown, governed over not", ratio, LEAST, True)],
        clip=clip.name, character=bundle.name, drawn=drawings(bench.rows), threads=threads, fps=fps,
        before_s=before, during_s=during, after_s=after, programs=plan.programs,
        pose_model=options.pose_model, pose_runtime=options.pose_runtime, stale_ms=STALE_MS,
    )  # fmt: skip


def _value(bench: Bench, row: str, measure: str, figure: str = "value") -> float:
    measures = next(each for each in bench.rows if each.name == row).measures
    found = measures.get(measure, Measure({}))
    return found.figures[figure].value if figure in found.figures else float("nan")


def _table(bench: Bench) -> Table:
    table = Table(
        title="What was to be seen",
        caption="p50, p95: of every frame due, ms; SSIM: to the best level; "
        "error: of the joints, when shown, % of the torso",
    )
    for column in ("", "fps", "lost, %", "p50", "p95", "SSIM", "error"):
        table.add_column(column, justify="right" if column else "left")
    names = ("fps shown", "never shown", "SSIM to the best level", "pose error, when shown")
    for row in bench.rows:
        fps, lost, ssim, error = (_value(bench, row.name, name) for name in names)
        late = [_value(bench, row.name, "every frame due", name) for name in ("p50", "p95")]
        values = (number(value) for value in (fps, lost, *late))
        table.add_row(row.name, *values, f"{ssim:.3f}", number(error))
    return table

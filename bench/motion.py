"""`ayatsuri bench motion FILES`: do feet slide when motions of any format play on any rig?

Every motion is read, brought to 30 frames a second, planted on the proportions of the default
character, and measured. *Standing* are the feet that stood in the source, on its own skeleton;
those are the steps that must stay short. *Dragged* asks nobody: of all steps of soles that touch
the floor, the share that is longer than 2% of the leg, which includes performers that drag their
feet and walks that stay in place.
"""

import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from bench.report import Bench, Goal
from engine.mocap.feet import Sliding, foot_sliding, plant_feet
from engine.mocap.rotations import Array
from training.characters.ito_design import ANATOMY
from training.motion.dance import dance
from training.motion.errors import MotionError
from training.motion.load import read_sources
from training.motion.retarget import clip_on_floor, to_clip

FPS = 30.0
LIMIT = 0.02  # leg lengths a frame


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="Motions; none: a dance.")] = None,
) -> None:
    """Measure them."""
    bench = Bench("motion", "Do feet slide when motions of any format play on any rig?")
    rest = ANATOMY.rest_joints()
    before: dict[str, list[Sliding]] = defaultdict(list)
    after: dict[str, list[Sliding]] = defaultdict(list)
    frames: dict[str, int] = defaultdict(int)
    spent_s: dict[str, float] = defaultdict(float)
    if not files:
        clip = clip_on_floor(dance(20.0, FPS), FPS, "dance")
        before["procedural"].append(foot_sliding(clip, rest))
        after["procedural"].append(foot_sliding(plant_feet(clip, rest), rest))
        frames["procedural"] = len(clip)
    for file in files or []:
        kind = file.suffix.lower().removeprefix(".") or file.name
        start = time.perf_counter()
        try:
            clips = [to_clip(source) for source in read_sources(file)]
        except MotionError as error:
            bench.console.print(f"[red]{error}[/]")
            continue
        spent_s[kind] += time.perf_counter() - start
        for clip in clips:
            frames[kind] += len(clip)
            clip = clip.resampled(FPS)
            before[kind].append(foot_sliding(clip, rest))
            after[kind].append(foot_sliding(plant_feet(clip, rest), rest))
    table = Table(title="feet on the default character, per cent of the leg a frame")
    for column in (
        "format", "motions", "frames", "standing steps", "worst before", "worst", "p99",
        "dragged before", "dragged", "sunk", "hovers", "read frames/s",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "format" else "right")
    figures = {}
    for kind, measured in after.items():
        steps = np.concatenate([m.standing for m in measured])
        figures[kind] = {
            "motions": len(measured),
            "frames": frames[kind],
            "standing_steps": len(steps),
            "worst_before": max(m.worst for m in before[kind]),
            "worst": max(m.worst for m in measured),
            "p99": float(np.quantile(steps, 0.99)) if len(steps) else 0.0,
            "dragged_before": _dragged(before[kind]),
            "dragged": _dragged(measured),
            "sunk": max(m.sunk for m in measured),
            "hovers": max(m.hovers for m in measured),
            "read_fps": frames[kind] / spent_s[kind] if spent_s[kind] else 0.0,
        }
        values = list(figures[kind].values())
        cells = [f"{v:d}" if isinstance(v, int) else f"{100 * v:.2f}" for v in values[:-1]]
        table.add_row(kind, *cells, f"{values[-1]:.0f}")
    bench.console.print(table)
    worst = max((f["worst"] for f in figures.values()), default=np.inf)
    goals = [Goal("worst step of a standing foot", float(worst), LIMIT, False, "leg lengths")]
    bench.finish(sum(frames.values()), figures, goals, fps=FPS)


def _dragged(measured: list[Sliding]) -> float:
    steps: Array = np.concatenate([m.touching for m in measured])
    return float(np.mean(steps > LIMIT)) if len(steps) else 0.0

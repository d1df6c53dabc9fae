"""`ayatsuri bench puppet`: how fast is a drawing a puppet, and how fast does the puppet move?

The default character in an A-pose is cut out as a user's drawing would be, and drawn in random
poses, at several sizes, on one thread. *Carry* is all of the plain puppet: the parts' maps, and the
parts laid over each other. With a painter a frame takes *look* and *finish* in place of it, and the
painter's network between them: *painted* is all three, with the painter that ships in ONNX Runtime,
in fp32 and int8, for each size that it may look at (1/2: a picture of half the size), in the
columns that are not empty. *Core* is the processor time, which a busy machine changes little.
"""

import time
from collections.abc import Callable
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal, Timing
from engine.backends.columns import open_columns
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.motion.draw import draw_pose
from engine.puppet.cut import cut
from engine.puppet.painter import PAINT, painter_shapes, shrinks
from engine.puppet.puppet import Puppet
from engine.puppet.shipped import shipped_painter, usual_shrink
from training.characters import ito
from training.characters.character import picture_joints, render_sample
from training.characters.proportions import standing_pose
from training.motion.poses import random_pose

_GOALS_MS = {256: 4.0, 512: 15.0}  # of carry
_PAINT_GOAL_MS = 5.0  # of look and finish together, at 256 px
PRECISIONS: Final = ("fp32", "int8")
_SEED = 1_000_011
_NEW = 4 * 4 + 4  # maps of what is new: 0 is nothing of it


def timed(call: Callable[[int], object], count: int) -> tuple[Timing, float]:
    """Wall-clock times of `call(i)`, and the median of the processor time, ms."""
    call(0)
    wall_ns, core_ns = [], []
    for i in range(count):
        wall, core = time.perf_counter_ns(), time.thread_time_ns()
        call(i)
        core_ns.append(time.thread_time_ns() - core)
        wall_ns.append(time.perf_counter_ns() - wall)
    return Timing.of(wall_ns), 1e-6 * float(np.median(core_ns))


def answers(size: int) -> NDArray[np.uint8]:
    """Maps as a painter gives them: everything moves a little, nothing is new."""
    maps = np.full(painter_shapes(size, usual_shrink(size))[1][1:], 128, np.uint8)
    maps[..., PAINT : PAINT + _NEW] = 0
    maps[..., :2] += np.random.default_rng(_SEED).integers(0, 9, (*maps.shape[:2], 2), np.uint8)
    return maps


def pieces(size: int, count: int) -> dict[str, tuple[Timing, float]]:
    """What each piece takes at this size."""
    character = ito.build()
    picture, joints = render_sample(character, standing_pose(character, "a pose"), size)
    cutting = timed(lambda i: cut(picture, joints), 2)
    doll = cut(picture, joints)
    puppet = Puppet([doll])
    poses, images = [], np.empty((count, size, size, 3), np.uint8)
    for i in range(count):
        pose = random_pose(np.random.default_rng([_SEED, i]), character.rest)
        poses.append(picture_joints(character.keypoints(pose), character.camera, size))
        draw_pose(poses[-1], images[i])
    maps, out = answers(size), np.empty((size, size, 4), np.uint8)
    features = np.empty(painter_shapes(size, usual_shrink(size))[0][1:], np.uint8)
    found = {
        "cut": cutting,
        "carry": timed(lambda i: puppet.carry(poses[i], out), count),
        "look": timed(lambda i: puppet.look(poses[i], images[i], features), count),
        "finish": timed(lambda i: puppet.finish(maps, out), count),
    }
    for shrink in shrinks(size):
        for precision in PRECISIONS:
            model = shipped_painter(size, precision, shrink=shrink)
            painter = open_columns(model, OnnxRuntimeBackend)
            whole = Puppet([doll], painter)
            draw = whole.draw
            found[f"painted 1/{shrink} {precision}"] = timed(
                lambda i, draw=draw: draw(poses[i], images[i], out),  # type: ignore[misc]
                count,
            )
            whole.close()
    return found


def main(
    sizes: Annotated[str, typer.Option(help="Of the pictures, px.")] = "256,512",
    poses: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
) -> None:
    """Measure it."""
    bench = Bench("puppet", "How fast is the puppet?")
    table = Table(title="the puppet, one thread", caption="ms")
    for column in ("px", "piece", "p50", "p95", "core p50"):
        table.add_column(column, justify="left" if column == "piece" else "right")
    goals, samples = [], 0
    for size in map(int, sizes.split(",")):
        measured = pieces(size, poses)
        for name, (timing, core_ms) in measured.items():
            table.add_row(
                str(size), name, *(f"{ms:.2f}" for ms in (timing.p50_ms, timing.p95_ms, core_ms))
            )
            bench.add(f"{name} {size}", {"work": timing.measure()}, size=size, core_ms=core_ms)
            samples += timing.count
        if size in _GOALS_MS:
            carry = measured["carry"][0].p50_ms
            goals.append(Goal(f"carry at {size} px", carry, _GOALS_MS[size], False, "ms"))
        if size == min(_GOALS_MS):
            both = measured["look"][0].p50_ms + measured["finish"][0].p50_ms
            goals.append(Goal(f"look and finish at {size} px", both, _PAINT_GOAL_MS, False, "ms"))
    bench.console.print(table)
    bench.finish(samples, {}, goals, poses=poses)

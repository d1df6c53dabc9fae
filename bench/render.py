"""`ayatsuri bench render`: how many pictures a second does the renderer draw?

A data set is drawn by it, so it sets how long one waits for that. Characters of the generator are
posed and drawn at two sizes, as they are (about 40,000 triangles) and with their vertices merged
until about 20,000 triangles are left. *Truth* is all of a training sample: posing, drawing,
visible keypoints, parts. The kernels release the GIL, so two cores are two threads. *Core* is the
processor time of a picture, which a busy machine changes little.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from threading import Barrier
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal, Timing
from bench.statistics import Measure
from engine.mocap.rig import RigPose
from training.characters.character import RiggedCharacter
from training.characters.observe import observe
from training.characters.procedural.build import build
from training.motion.poses import random_pose
from training.render.scene import F32, Mesh, render

_GOALS_FPS = {256: 100.0, 512: 30.0}  # at 20,000 triangles, with two cores
_TRIANGLES = 20_000
_GOAL = "draw 20,000"
_SUPERSAMPLE = 2
_WARM_UP = 5


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture to draw."""

    character: RiggedCharacter
    pose: RigPose
    whole: Mesh  # posed
    merged: Mesh  # posed, about `_TRIANGLES`


@dataclass(frozen=True, slots=True)
class Merging:
    """Fewer triangles for a mesh: vertices that share a cell of a grid become one."""

    used: NDArray[np.intp]  # vertices that are left
    kept: NDArray[np.intp]  # triangles that are left
    triangles: NDArray[np.int32]

    @classmethod
    def of(cls, mesh: Mesh, cell: float) -> "Merging":
        """Merge within cells of so many world units."""
        cells = np.floor(mesh.vertices / cell).astype(np.int64)
        _, first, group = np.unique(cells, axis=0, return_index=True, return_inverse=True)
        merged = first[group.reshape(-1)][mesh.triangles]
        a, b, c = merged.T
        kept = np.flatnonzero((a != b) & (b != c) & (c != a))
        used, corners = np.unique(merged[kept], return_inverse=True)
        return cls(used, kept, corners.reshape(-1, 3).astype(np.int32))

    @classmethod
    def to(cls, mesh: Mesh, triangles: int) -> "Merging":
        """The finest merging that leaves at most so many triangles."""
        low, high = 0.0, 0.1
        for _ in range(12):
            middle = 0.5 * (low + high)
            many = len(cls.of(mesh, middle).kept) > triangles
            low, high = (middle, high) if many else (low, middle)
        return cls.of(mesh, high)

    def __call__(self, mesh: Mesh) -> Mesh:
        """The mesh with fewer triangles; it may be posed."""

        def left(values: F32) -> F32:
            return np.ascontiguousarray(values[self.used])

        return Mesh(
            vertices=left(mesh.vertices), normals=left(mesh.normals), triangles=self.triangles,
            lit=left(mesh.lit), shade=left(mesh.shade), ink=left(mesh.ink),
            outline=left(mesh.outline), bias=left(mesh.bias), uv=left(mesh.uv),
            textured=mesh.textured[self.kept], texture=mesh.texture,
        )  # fmt: skip


def scenes(characters: int, poses: int) -> list[Scene]:
    """The first characters of the generator, each in so many random poses."""
    made = []
    for seed in range(characters):
        character = build(seed, 0.5)
        merge = Merging.to(character.mesh, _TRIANGLES)
        for k in range(poses):
            pose = random_pose(np.random.default_rng([seed, k]), character.rest)
            whole = character.pose(pose)
            made.append(Scene(character, pose, whole, merge(whole)))
    return made


@dataclass(frozen=True, slots=True)
class Speed:
    """Of some threads together, by the clock, and of each call."""

    fps: float
    timing: Timing
    core_ms: float  # processor time of a call, the mean

    @classmethod
    def of(cls, call: Callable[[int], object], count: int, threads: int) -> "Speed":
        """Measure `call(i)` for i in range(count), after a few calls that are not counted."""
        started = Barrier(threads + 1)

        def work(first: int) -> list[tuple[int, int]]:
            for i in range(_WARM_UP):
                call(i)
            started.wait()
            spent = []
            for i in range(first, count, threads):
                begin, begin_core = time.perf_counter_ns(), time.thread_time_ns()
                call(i)
                core = time.thread_time_ns() - begin_core
                spent.append((time.perf_counter_ns() - begin, core))
            return spent

        with ThreadPoolExecutor(threads) as pool:
            jobs = [pool.submit(work, first) for first in range(threads)]
            started.wait()
            begin = time.perf_counter()
            clock, core = zip(*(pair for job in jobs for pair in job.result()), strict=True)
            fps = count / (time.perf_counter() - begin)
        return cls(fps, Timing.of(clock), 1e-6 * float(np.mean(core)))


def works(drawn: Sequence[Scene], size: int) -> dict[str, Callable[[int], object]]:
    """What is timed at a size, by name."""

    def draw(i: int) -> object:
        scene = drawn[i % len(drawn)]
        return render(scene.merged, scene.character.camera, size, _SUPERSAMPLE)

    def draw_whole(i: int) -> object:
        scene = drawn[i % len(drawn)]
        return render(scene.whole, scene.character.camera, size, _SUPERSAMPLE)

    def truth(i: int) -> object:
        scene = drawn[i % len(drawn)]
        return observe(scene.character, scene.pose, size, _SUPERSAMPLE)

    return {_GOAL: draw, "draw 40,000": draw_whole, "truth, 40,000": truth}


def main(
    count: Annotated[int, typer.Option(help="Pictures of each kind.")] = 600,
    characters: Annotated[int, typer.Option(help="Different characters.")] = 4,
    poses: Annotated[int, typer.Option(help="Different poses of each.")] = 15,
    sizes: Annotated[list[int] | None, typer.Option("--size", help="Pixels.")] = None,
) -> None:
    """Measure it."""
    sizes = sizes or list(_GOALS_FPS)
    bench = Bench("render", "How many pictures a second does the renderer draw?")
    drawn = scenes(characters, poses)
    triangles = {
        name: sorted({len(getattr(scene, name).triangles) for scene in drawn})
        for name in ("merged", "whole")
    }
    table = Table(
        title=f"{_SUPERSAMPLE} x {_SUPERSAMPLE} samples a pixel",
        caption="times in ms; triangles: "
        + ", ".join(f"{name} {many[0]} to {many[-1]}" for name, many in triangles.items()),
    )
    table.add_column("what")
    for column in ("px", "threads", "fps", "wanted", "p50", "p95", "p99", "core"):
        table.add_column(column, justify="right")

    def pose(i: int) -> object:
        scene = drawn[i % len(drawn)]
        return scene.character.pose(scene.pose)

    kinds: list[tuple[str, int, Callable[[int], object]]] = [("pose, 40,000", 0, pose)]
    kinds += [(name, size, call) for size in sizes for name, call in works(drawn, size).items()]
    figures, goals = [], []
    for (name, size, call), threads in product(kinds, (1, 2)):
        speed = Speed.of(call, count, threads)
        wanted = _GOALS_FPS.get(size) if name == _GOAL and threads == 2 else None
        t = speed.timing
        beside = f"{wanted:g}" if wanted else ""
        table.add_row(
            name, str(size or ""), str(threads), f"{speed.fps:.0f}", beside,
            *(f"{ms:.1f}" for ms in (t.p50_ms, t.p95_ms, t.p99_ms, speed.core_ms)),
        )  # fmt: skip
        figures.append(
            {"what": name, "px": size, "threads": threads, "fps": speed.fps}
            | {"core_ms": speed.core_ms} | t.to_dict()
        )  # fmt: skip
        where = f", {size} px" if size else ""
        bench.add(
            f"{name}{where}, {threads} threads",
            {"a picture": t.measure(), "rate": Measure.single(speed.fps, "fps", "higher")},
        )
        if wanted:
            goals.append(Goal(f"{name} at {size} px, two cores", speed.fps, wanted, True, "fps"))
    bench.console.print(table)
    bench.finish(
        count * len(figures), {"figures": figures}, goals, characters=characters, poses=poses,
        supersample=_SUPERSAMPLE, triangles=triangles,
    )  # fmt: skip

"""`ayatsuri bench models`: how fast are the networks, and how like fp32's are their pictures?

Ito's generator, which is trained, in every precision and runtime that is here; and the larger
presets, which are not trained here, for their speed alone; each of whole pictures, and of the
columns alone that a dance needs (`engine.backends.columns`). Beside them the same networks in eager
PyTorch, as training runs them, and in ONNX Runtime in fp32: all in one run, turn by turn, so that
whatever else the machine does hits them all. And the pose networks that are in the cache, as
`--pose-runtime onnx` runs them, and the others that come with the engine. Beside each is its floor,
see `bench.floor`.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from bench.charts import Chart, Series
from bench.contenders import (
    IN_A_TURN,
    SEED,
    Contender,
    by_torch,
    contenders,
    pose_contenders,
    shipped_contenders,
    untrained,
)
from bench.floor import Ceiling, Work, ceiling, work_of
from bench.report import Bench, Goal, Timing
from engine.app import DEFAULT_CHARACTER
from engine.character import CharacterBundle
from engine.motion.draw import draw_pose

GATE: Final = 0.985
DANCED: Final = 20
"""Frames in a row that flicker is over."""
DANCE_S: Final = 10
RACED: Final = 32
"""Frames of a dance of so many seconds that are drawn in turn."""
OTHERS: Final = {"pose": pose_contenders, "shipped": shipped_contenders}
GOALS_MS: Final = {"live": 6.0, "base": 16.0, "paper": 60.0}


def rate(group: list[Contender], images: NDArray[np.uint8], moving: NDArray[np.uint8]) -> None:
    """Compare every contender's pictures with those of ONNX Runtime in fp32.

    Args:
        group: of a trained network.
        images: pose images that have nothing to do with each other.
        moving: pose images that follow each other, for the flicker.
    """
    from export.precision import Likeness
    from training.metrics.flicker import flicker

    def pictures(contender: Contender, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.stack([contender.draw(image).copy() for image in images])

    exact = next(c for c in group if (c.runtime, c.precision) == ("ONNX Runtime", "fp32"))
    truth, danced = pictures(exact, images), pictures(exact, moving)
    for contender in group:
        found = Likeness.of(pictures(contender, images), truth)
        contender.ssim, contender.ssim_min = found.ssim, found.ssim_min
        contender.mean_error, contender.max_error = found.mean_error, found.max_error
        contender.flicker = flicker(pictures(contender, moving), danced).error


def race(group: list[Contender], images: NDArray[np.uint8], seconds: float) -> None:
    """Turn by turn, until each has had its share of time, and two turns at least."""
    for contender in group:
        contender.draw(images[0])  # the first frame of all allocates
    turn, going = 0, list(group)
    while going:
        for contender in going:
            contender.turn(images, turn * (IN_A_TURN + 1))
        turn += 1
        going = [c for c in going if turn < 2 or sum(c.wall_ns) * 1e-9 < seconds / len(group)]


def table(title: str, group: list[Contender], note: str) -> Table:
    """One preset's contenders, the quickest first."""
    found = Table(
        title=title,
        caption=f"ms of a frame; {note}",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    found.add_column("", no_wrap=True)
    for name in ("threads", "p50", "p95", "core", "floor", "SSIM", "flicker"):
        found.add_column(name, justify="right", no_wrap=True)
    for c in sorted(group, key=lambda c: c.p50_ms):
        wall = Timing.of(c.wall_ns)
        found.add_row(
            c.told if c.preset in GOALS_MS else c.preset,
            str(c.threads),
            *(_ms(v) for v in (wall.p50_ms, wall.p95_ms, c.cpu_ms, c.floor_ms)),
            "" if c.ssim is None else f"{c.ssim:.3f}",
            "" if c.flicker is None else f"{c.flicker:.2f}",
        )
    return found


def _ms(value: float | None) -> str:
    """Five characters, so that a table fits 80 columns."""
    return "" if value is None else f"{value:.{1 if value < 1000 else 0}f}"


class Floors:
    """Floors by what was measured here, each ceiling once."""

    def __init__(self) -> None:
        self.ceilings: dict[str, Ceiling] = {}

    def find(self, contender: Contender, model: bytes) -> None:
        """As `set`, where the network's work can be counted: its shapes have to be known."""
        try:
            work = work_of(model)
        except ValueError:
            return
        self.set(contender, work)

    def set(self, contender: Contender, work: Work) -> None:
        """Find a contender's floor; eager PyTorch is held to ONNX Runtime's."""
        runtime = contender.runtime if contender.runtime == "OpenVINO" else "ONNX Runtime"
        precision = contender.precision.removesuffix(", eager")
        name = f"{runtime} {precision}, threads {contender.threads}"
        if name not in self.ceilings:
            self.ceilings[name] = ceiling(runtime, precision, contender.threads)
        contender.floor_ms = work.floor_ms(self.ceilings[name])


def goals(preset: str, group: list[Contender], threads: int) -> list[Goal]:
    """The figures asked for, by the quickest whose pictures are like enough to fp32's."""
    here = [c for c in group if c.threads == threads]
    allowed = [c for c in here if c.runtime != "PyTorch" and (c.ssim is None or c.ssim >= GATE)]
    best = min(allowed, key=lambda c: c.p50_ms)
    who = f"{preset}, {best.told}, {threads} threads"
    found = [Goal(f"{who}, p50", best.p50_ms, GOALS_MS[preset], False, "ms")]
    fp32 = next(c for c in here if (c.runtime, c.precision) == ("ONNX Runtime", "fp32"))
    found.append(Goal(f"{who}, over ONNX Runtime fp32", fp32.p50_ms / best.p50_ms, 2.5, True, "x"))
    found += [
        Goal(f"{who}, over eager PyTorch", eager.p50_ms / best.p50_ms, 6.0, True, "x")
        for eager in here
        if eager.runtime == "PyTorch"
    ]
    return found


def pose_images(bundle: CharacterBundle, count: int) -> NDArray[np.uint8]:
    """Pose images of the default character's own distribution, (N, S, S, 3)."""
    from training.characters import ito
    from training.characters.character import render_sample
    from training.motion.poses import random_pose

    rig, size = ito.build(), bundle.resolution
    images = np.empty((count, size, size, 3), np.uint8)
    for i, image in enumerate(images):
        rng = np.random.default_rng([SEED, i])
        _, joints = render_sample(rig, random_pose(rng, rig.rest), size)
        draw_pose(joints, image)
    return images


def danced_images(bundle: CharacterBundle, count: int) -> NDArray[np.uint8]:
    """Pose images of a dance, one camera's frame after the other, (N, S, S, 3)."""
    from training.characters import ito
    from training.characters.character import picture_joints
    from training.motion.dance import dance

    rig, size = ito.build(), bundle.resolution
    images = np.empty((count, size, size, 3), np.uint8)
    for pose, image in zip(dance(count / 30, 30.0, SEED, rig.rest), images, strict=True):
        draw_pose(picture_joints(rig.keypoints(pose), rig.camera, size), image)
    return images


def floor_chart(group: list[Contender]) -> Chart:
    """Every contender's time beside its floor, at the most threads."""
    most = max(c.threads for c in group)
    here = sorted((c for c in group if c.threads == most and not c.columns), key=lambda c: c.p50_ms)
    names = [c.told.replace("ONNX Runtime", "ORT") for c in here]
    floors, times = [c.floor_ms or 0.0 for c in here], [c.p50_ms for c in here]
    zeros = [0.0] * len(here)
    return Chart(
        "bars", f"Time and floor: {here[0].preset}, {most} threads",
        "The floor is what the arithmetic, or the memory, would take at the speed of a large "
        "matrix product on this machine, in this precision.",
        "ms of a frame", "",
        [Series("floor", zeros, floors, names), Series("p50", zeros, times, names)],
    )  # fmt: skip


def main(
    character: Annotated[Path, typer.Option(help="A bundle of preset live.")] = DEFAULT_CHARACTER,
    presets: Annotated[
        str, typer.Option(help="Generators; pose, shipped: the networks beside them.")
    ] = "live,base,paper,pose,shipped",
    threads: Annotated[str, typer.Option(help="Processor threads.")] = "1,2",
    seconds: Annotated[float, typer.Option(help="For each preset and count of threads.")] = 20.0,
    poses: Annotated[int, typer.Option(help="Different frames, and those SSIM is over.")] = 32,
    eager: Annotated[bool, typer.Option(help="Measure PyTorch too.")] = True,
) -> None:
    """Measure it."""
    bench = Bench(
        "models", "How fast are the networks, and how good are their pictures?",
        "each network's floor: its arithmetic and memory at the speeds measured in this run",
        seed=SEED, warm_up="each network's first frame, and the first of every turn",
        models=[character],
    )  # fmt: skip
    bundle = CharacterBundle.load(character)
    images, danced = pose_images(bundle, poses), danced_images(bundle, DANCE_S * 30)
    counts = [int(count) for count in threads.split(",")]
    floors = Floors()
    asked: list[Goal] = []
    for preset in presets.split(","):
        group: list[Contender] = []
        for count in counts:
            with ExitStack() as cleanup:
                if preset in OTHERS:
                    here = []
                    for one, model in OTHERS[preset](count):
                        floors.find(one, model)
                        here.append(one)
                else:
                    here = generators(preset, bundle, images, danced, count, eager, floors, cleanup)
                race(here, danced[:: len(danced) // RACED], seconds)
            group += here
        if not group:
            bench.console.print(
                f"none of {preset} is here: `ayatsuri models` fetches the pose networks"
            )
            continue
        note = (
            f"SSIM and flicker (of 255 levels) beside fp32, {poses} poses and {DANCED} frames"
            if preset == "live"
            else "speed alone"
        )
        bench.console.print(table(f"{preset}, 256 px", group, note))
        if preset not in OTHERS:
            bench.charts.append(floor_chart(group))
            asked += goals(preset, group, counts[-1])
        for one in group:
            bench.add(one.name, one.measures())
    for name, found in floors.ceilings.items():
        bench.console.print(f"ceiling, {name}: {found}")
    bench.finish(
        sum(row.measures["a frame"].count for row in bench.rows),
        {"ceilings": {n: [c.operations_per_s, c.bytes_per_s] for n, c in floors.ceilings.items()}},
        asked,
        character=bundle.name,
        presets=presets,
        threads=threads,
        poses=poses,
        seconds=seconds,
    )


def generators(
    preset: str, bundle: CharacterBundle, images: NDArray[np.uint8], danced: NDArray[np.uint8],
    threads: int, eager: bool, floors: Floors, cleanup: ExitStack,
) -> list[Contender]:  # fmt: skip
    """One preset in all runtimes and precisions, with floors, and rated where it is trained."""
    network = bundle.generator
    trained = preset == "live" and network is not None
    if network is not None and trained:
        models = {"fp32": network.model, **network.variants}
    else:
        models = untrained(preset, images)
    models.pop("fp16", None)  # no processor here calculates in it
    here = [*contenders(preset, models, threads, cleanup)]
    if trained:
        rate(here, images, danced[:DANCED])
    if eager:
        draw = by_torch(preset, threads)
        here.append(Contender(preset, "PyTorch", "fp32, eager", threads, draw))
    work = {precision: work_of(model) for precision, model in models.items()}
    for one in (one for one in here if not one.columns):  # the others' work is that of the pose
        floors.set(one, work.get(one.precision, work["fp32"]))
    return here

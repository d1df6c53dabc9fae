"""`python -m bench.models`: how fast is a generator, and how like fp32's are its pictures?

Ito's generator, which is trained, in every precision and runtime that is here; and the larger
presets, which are not trained here, for their speed alone. Beside them the same networks in eager
PyTorch, as training runs them, and in ONNX Runtime in fp32: all in one run, turn by turn, so that
whatever else the machine does hits them all.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal, Timing
from engine.app import DEFAULT_CHARACTER
from engine.backends.base import Backend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.character import CharacterBundle
from engine.errors import MissingDependency
from engine.motion.draw import draw_pose

GATE: Final = 0.985
GOALS_MS: Final = {"live": 6.0, "base": 16.0, "paper": 60.0}
_IN_A_TURN: Final = 4
_SEED: Final = 1_000_009  # neither trained nor calibrated on


@dataclass(slots=True)
class Contender:
    """One network in one runtime: how to draw with it, and the times it took."""

    preset: str
    runtime: str
    precision: str
    threads: int
    draw: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    ssim: float | None = None
    ssim_min: float | None = None
    mean_error: float | None = None
    max_error: int | None = None
    wall_ns: list[int] = field(default_factory=list)
    cpu_ns: list[int] = field(default_factory=list)

    @property
    def p50_ms(self) -> float:
        """Median time of a frame."""
        return Timing.of(self.wall_ns).p50_ms

    @property
    def cpu_ms(self) -> float:
        """Median of processor time, over all threads: hardly depends on others' load."""
        return Timing.of(self.cpu_ns).p50_ms

    def turn(self, images: NDArray[np.uint8], first: int) -> None:
        """Draw some frames; the first finds other contenders' data in the caches and is free."""
        for i in range(first, first + _IN_A_TURN + 1):
            wall, cpu = time.perf_counter_ns(), time.process_time_ns()
            self.draw(images[i % len(images)])
            if i > first:
                self.wall_ns.append(time.perf_counter_ns() - wall)
                self.cpu_ns.append(time.process_time_ns() - cpu)

    def to_dict(self) -> dict[str, object]:
        """For the JSON line."""
        wall = Timing.of(self.wall_ns)
        return {
            "preset": self.preset, "runtime": self.runtime, "precision": self.precision,
            "threads": self.threads, **wall.to_dict(), "cpu_ms": self.cpu_ms,
            "samples": len(self.wall_ns), "ssim": self.ssim, "ssim_min": self.ssim_min,
            "mean_error": self.mean_error, "max_error": self.max_error,
        }  # fmt: skip


def by_backend(backend: Backend) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """A backend as a contender draws."""
    out = np.empty(backend.output_spec.shape[1:], np.uint8)

    def draw(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        backend.run(image, out)
        return out

    return draw


def by_torch(preset: str, threads: int) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Eager PyTorch with both branches, as the paper's own programs run it."""
    import torch

    from training.fit import pose_tensor
    from training.networks.generator import Generator
    from training.networks.generator import preset as configuration

    torch.manual_seed(0)
    config = configuration(preset, spectral=False)
    generator = Generator(config).eval()
    reference = torch.rand(1, 4, config.size, config.size)

    @torch.inference_mode()
    def draw(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        torch.set_num_threads(threads)
        made = generator(pose_tensor(image[None]), reference)
        return (made[0].permute(1, 2, 0) * 255).round().byte().numpy()

    return draw


def untrained(preset: str, images: NDArray[np.uint8]) -> dict[str, bytes]:
    """A preset with random weights in fp32 and int8: its speed is that of trained ones."""
    import torch

    from export.onnx import export_generator
    from export.precision import Quantiser
    from training.networks.generator import Generator
    from training.networks.generator import preset as configuration

    torch.manual_seed(0)
    config = configuration(preset, spectral=False)
    model = export_generator(Generator(config), torch.rand(1, 4, config.size, config.size))
    with Quantiser(model, images[:2]) as make:
        return {"fp32": model, "int8": make(())}


def contenders(
    preset: str, models: dict[str, bytes], threads: int, cleanup: ExitStack
) -> Iterator[Contender]:
    """The models in every runtime that is here."""

    def one(runtime: str, precision: str, backend: Backend) -> Contender:
        cleanup.callback(backend.close)
        return Contender(preset, runtime, precision, threads, by_backend(backend))

    for precision, model in models.items():
        yield one("ONNX Runtime", precision, OnnxRuntimeBackend(model, threads=threads))
    try:
        from engine.backends.openvino import OpenVinoBackend, Precision, precisions

        able = precisions()
    except MissingDependency:
        return
    for calculates in able:
        name = "fp32" if calculates == "f32" else calculates
        backend = OpenVinoBackend(models["fp32"], threads=threads, precision=calculates)
        yield one("OpenVINO", name, backend)
    if "int8" in models:
        rest: Precision = "bf16" if "bf16" in able else "f32"
        backend = OpenVinoBackend(models["int8"], threads=threads, precision=rest)
        yield one("OpenVINO", "int8", backend)


def rate(group: list[Contender], images: NDArray[np.uint8]) -> None:
    """Compare every contender's pictures with those of ONNX Runtime in fp32."""
    from export.precision import Likeness

    def pictures(contender: Contender) -> NDArray[np.uint8]:
        return np.stack([contender.draw(image).copy() for image in images])

    truth = pictures(next(c for c in group if (c.runtime, c.precision) == ("ONNX Runtime", "fp32")))
    for contender in group:
        found = Likeness.of(pictures(contender), truth)
        contender.ssim, contender.ssim_min = found.ssim, found.ssim_min
        contender.mean_error, contender.max_error = found.mean_error, found.max_error


def race(group: list[Contender], images: NDArray[np.uint8], seconds: float) -> None:
    """Turn by turn, until each has had its share of time, and two turns at least."""
    for contender in group:
        contender.draw(images[0])  # the first frame of all allocates
    turn, going = 0, list(group)
    while going:
        for contender in going:
            contender.turn(images, turn * (_IN_A_TURN + 1))
        turn += 1
        going = [c for c in going if turn < 2 or sum(c.wall_ns) * 1e-9 < seconds / len(group)]


def table(preset: str, group: list[Contender], note: str) -> Table:
    """One preset's contenders, the quickest first."""
    found = Table(title=f"{preset}, 256 x 256", caption=f"ms of a frame; {note}")
    found.add_column("runtime")
    found.add_column("precision")
    for name in ("threads", "p50", "p95", "p99", "processor", "SSIM", "worst", "mean error",
                 "largest", "frames"):  # fmt: skip
        found.add_column(name, justify="right")
    for c in sorted(group, key=lambda c: c.p50_ms):
        wall = Timing.of(c.wall_ns)
        found.add_row(
            c.runtime, c.precision, str(c.threads),
            *(f"{v:.2f}" for v in (wall.p50_ms, wall.p95_ms, wall.p99_ms, c.cpu_ms)),
            *("" if v is None else f"{v:.4f}" for v in (c.ssim, c.ssim_min)),
            "" if c.mean_error is None else f"{c.mean_error:.3f}",
            "" if c.max_error is None else str(c.max_error),
            str(len(c.wall_ns)),
        )  # fmt: skip
    return found


def goals(preset: str, group: list[Contender], threads: int) -> list[Goal]:
    """The figures asked for, by the quickest whose pictures are like enough to fp32's."""
    here = [c for c in group if c.threads == threads]
    allowed = [c for c in here if c.runtime != "PyTorch" and (c.ssim is None or c.ssim >= GATE)]
    best = min(allowed, key=lambda c: c.p50_ms)
    who = f"{preset}, {best.runtime} {best.precision}, {threads} threads"
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
        rng = np.random.default_rng([_SEED, i])
        _, joints = render_sample(rig, random_pose(rng, rig.rest), size)
        draw_pose(joints, image)
    return images


def main(
    character: Annotated[Path, typer.Option(help="A bundle of preset live.")] = DEFAULT_CHARACTER,
    presets: Annotated[str, typer.Option(help="Which ones.")] = "live,base,paper",
    threads: Annotated[str, typer.Option(help="Processor threads.")] = "1,2",
    seconds: Annotated[float, typer.Option(help="For each preset and count of threads.")] = 20.0,
    poses: Annotated[int, typer.Option(help="Different frames, and those SSIM is over.")] = 32,
    eager: Annotated[bool, typer.Option(help="Measure PyTorch too.")] = True,
) -> None:
    """Measure it."""
    bench = Bench("models", "How fast is a generator, and how like fp32's are its pictures?")
    bundle = CharacterBundle.load(character)
    images = pose_images(bundle, poses)
    counts = [int(count) for count in threads.split(",")]
    everybody: list[Contender] = []
    asked: list[Goal] = []
    for preset in presets.split(","):
        trained = preset == "live"
        network = bundle.need_generator()
        own = {"fp32": network.model, **network.variants}
        models = own if trained else untrained(preset, images)
        models.pop("fp16", None)  # no processor here calculates in it
        group: list[Contender] = []
        for count in counts:
            with ExitStack() as cleanup:
                here = [*contenders(preset, models, count, cleanup)]
                if trained:
                    rate(here, images)
                if eager:
                    draw = by_torch(preset, count)
                    here.append(Contender(preset, "PyTorch", "fp32, eager", count, draw))
                race(here, images, seconds)
            group += here
        note = f"SSIM against fp32, {poses} poses" if trained else "untrained: speed alone"
        bench.console.print(table(preset, group, note))
        asked += goals(preset, group, counts[-1])
        everybody += group
    bench.finish(
        sum(len(c.wall_ns) for c in everybody),
        {"models": [c.to_dict() for c in everybody]},
        asked,
        character=bundle.name,
        poses=poses,
        seconds=seconds,
    )


if __name__ == "__main__":
    typer.run(main)

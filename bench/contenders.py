"""Networks in every runtime that is here, each as something that draws: see `bench.models`."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.report import Timing
from bench.statistics import Measure
from engine.backends.base import Backend
from engine.backends.columns import open_columns
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import MissingDependency

IN_A_TURN: Final = 4
"""Frames that each contender draws before the next one's turn."""

SIDE_PX: Final = 256
SEED: Final = 1_000_009
"""Of the poses: neither trained nor calibrated on."""


@dataclass(slots=True)
class Contender:
    """One network in one runtime: how to draw with it, and the times it took."""

    preset: str
    runtime: str
    precision: str
    threads: int
    draw: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    columns: bool = False
    ssim: float | None = None
    ssim_min: float | None = None
    mean_error: float | None = None
    max_error: int | None = None
    flicker: float | None = None
    floor_ms: float | None = None
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
        for i in range(first, first + IN_A_TURN + 1):
            wall, cpu = time.perf_counter_ns(), time.process_time_ns()
            self.draw(images[i % len(images)])
            if i > first:
                self.wall_ns.append(time.perf_counter_ns() - wall)
                self.cpu_ns.append(time.process_time_ns() - cpu)

    @property
    def name(self) -> str:
        """As a row of the result."""
        return f"{self.preset}, {self.told}, threads {self.threads}"

    @property
    def told(self) -> str:
        """The runtime and precision, and whether only the columns are drawn that are not empty."""
        return f"{self.runtime} {self.precision}" + ", columns" * self.columns

    def measures(self) -> dict[str, Measure]:
        """For a row of the result."""
        found = {
            "a frame": Timing.of(self.wall_ns).measure(),
            "processor": Measure.of(np.array(self.cpu_ns) * 1e-6),
        }
        for name, value, unit, better in (
            ("floor", self.floor_ms, "ms", "neither"),
            ("SSIM to fp32", self.ssim, "", "higher"),
            ("worst SSIM", self.ssim_min, "", "higher"),
            ("flicker to fp32", self.flicker, "levels", "lower"),
            ("mean error", self.mean_error, "levels", "lower"),
            ("largest error", self.max_error, "levels", "lower"),
        ):
            if value is not None:
                found[name] = Measure.single(value, unit, better)  # type: ignore[arg-type]
        return found


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
    generator = Generator(config)
    with torch.no_grad():  # transparent, as trained ones are beside the figure
        torch.nn.init.constant_(generator.get_parameter("out.bias"), -10)
    model = export_generator(generator, torch.rand(1, 4, config.size, config.size))
    with Quantiser(model, images[:2]) as make:
        return {"fp32": model, "int8": make(())}


def contenders(
    preset: str, models: dict[str, bytes], threads: int, cleanup: ExitStack
) -> Iterator[Contender]:
    """The models in every runtime that is here: whole pictures, and the columns that are needed."""

    def both(
        runtime: str, precision: str, model: bytes, opened: Callable[[bytes], Backend]
    ) -> Iterator[Contender]:
        for columns in (False, True):
            backend = open_columns(model, opened) if columns else opened(model)
            cleanup.callback(backend.close)
            yield Contender(preset, runtime, precision, threads, by_backend(backend), columns)

    for precision, model in models.items():
        opened: Callable[[bytes], Backend] = partial(OnnxRuntimeBackend, threads=threads)
        yield from both("ONNX Runtime", precision, model, opened)
    try:
        from engine.backends.openvino import OpenVinoBackend, Precision, precisions

        able = precisions()
    except MissingDependency:
        return
    for calculates in able:
        name = "fp32" if calculates == "f32" else calculates
        opened = partial(OpenVinoBackend, threads=threads, precision=calculates)
        yield from both("OpenVINO", name, models["fp32"], opened)
    if "int8" in models:
        rest: Precision = "bf16" if "bf16" in able else "f32"
        opened = partial(OpenVinoBackend, threads=threads, precision=rest)
        yield from both("OpenVINO", "int8", models["int8"], opened)


def pose_contenders(threads: int) -> Iterator[tuple[Contender, bytes]]:
    """The pose networks in the cache."""
    from engine import models
    from engine.pose import networks

    for size in ("lite", "full", "heavy"):
        if not models.get(f"pose-{size}").path.is_file():
            continue
        both = networks.load(f"pose-{size}")
        if size == "full":  # the three have the same one
            yield over_noise("pose detector", both.detector, threads)
        yield over_noise(f"pose landmarks, {size}", both.landmarks, threads)


def shipped_contenders(threads: int) -> Iterator[tuple[Contender, bytes]]:
    """The other networks that come with the engine: drawings' poses, cutting, lifting to 3D."""
    from engine.app import ASSETS

    for path in sorted(ASSETS.glob("*.onnx")):
        yield over_noise(path.stem.replace("_", " "), path.read_bytes(), threads)


def over_noise(name: str, model: bytes, threads: int) -> tuple[Contender, bytes]:
    """A network in ONNX Runtime over noise, as its work does not depend on the picture.

    Returns:
        Something that draws, and the network with sizes of its inputs that are fixed.
    """
    from engine.backends.onnxruntime import load

    model = with_sizes(model, {"N": 1, "size": SIDE_PX})
    runtime, rng = load(), np.random.default_rng(SEED)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given: dict[str, NDArray[Any]] = {}
    for put in session.get_inputs():
        noise = rng.integers(0, 255, put.shape, np.uint8)
        whole = put.type == "tensor(uint8)"
        given[put.name] = noise if whole else noise.astype(np.float32) / np.float32(255)

    def look(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        session.run(None, given)
        return image

    return Contender(name, "ONNX Runtime", "fp32", threads, look), model


def with_sizes(model: bytes, sizes: dict[str, int]) -> bytes:
    """A model whose inputs' named sizes are fixed."""
    import onnx

    loaded = onnx.load_from_string(model)
    for value in loaded.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in sizes:
                dim.dim_value = sizes[dim.dim_param]
    del loaded.graph.value_info[:]
    for value in loaded.graph.output:
        value.type.tensor_type.ClearField("shape")
    return bytes(loaded.SerializeToString())

"""Ways to run a network on an NVIDIA GPU, each as a backend: see `bench.gpu`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.floor import Work, work_of
from engine.backends.base import Backend, TensorSpec
from engine.files import write_whole
from engine.half import to_fp16
from export.onnx import export_generator
from export.torch_backend import TorchBackend, of_onnx
from training.networks.generator import Generator
from training.networks.generator import preset as configuration

SEED: Final = 1_000_013
METHODS: Final = (
    ("torch, CUDA graph", "fp16"),
    ("torch, CUDA graph, tuned", "fp16"),
    ("torch, CUDA graph", "bf16"),
    ("torch, CUDA graph", "fp32"),
    ("torch, CUDA graph, copies outside", "fp16"),
    ("torch, CUDA graph, composited", "fp16"),
    ("whole frame, one graph", "fp16"),
    ("whole frame, one graph", "fp32"),
    ("whole frame, eager", "fp16"),
    ("torch, eager", "fp16"),
    ("torch, eager", "fp32"),
    ("torch, eager, both branches", "fp32"),
    ("ONNX Runtime CUDA", "fp32"),
    ("ONNX Runtime CUDA", "fp16"),
    ("TensorRT", "fp16"),
    ("TensorRT for RTX", "fp16"),
    ("whole frame, fused, one graph", "fp16"),
    ("torch, compiled, CUDA graph", "fp16"),
    ("torch, compiled", "fp16"),
)
"""In this order: what takes long comes last."""
LATE: Final = ("whole frame, fused, one graph", "torch, compiled, CUDA graph", "torch, compiled")
WHOLE: Final = "whole frame"
"""How those begin that are the frame from the camera to the output: `bench.gpu_frame`."""
_ALIKE: Final = 4  # pictures that are compared
_WARM_UP_S: Final = 0.2


@dataclass(slots=True)
class Row:
    """One network in one way, and what came of it.

    Attributes:
        device_ms: times of frames by the GPU's own clock, upload and download counted: p50 and p99;
            none where the way does not tell.
        end_to_end_ms: the same by the caller's clock, from its buffer to its buffer.
        start_s: from the ONNX file to the first picture; with an engine that was kept, where there
            is such a thing.
        memory_mb: of the GPU, by the way's own word.
        mean_error, max_error: in levels of 255, against eager PyTorch in fp32.
        beside: of a whole frame, operations and bytes of what is in it beside the generator.
        moved: of a whole frame, bytes up and down.
        joints_px: of a whole frame, the most by which joints of its first frames differ, on any
            axis, from those of the same code on the processor.
        detections: of a whole frame, how often somebody had to be found anew: once is the least.
        failed: why there are no figures.
    """

    preset: str
    size: int
    method: str
    precision: str
    device_ms: tuple[float, float] | None = None
    end_to_end_ms: tuple[float, float] | None = None
    frames: int = 0
    start_s: float | None = None
    memory_mb: float | None = None
    mean_error: float | None = None
    max_error: int | None = None
    beside: tuple[float, float] | None = None
    moved: tuple[int, int] | None = None
    joints_px: float | None = None
    detections: int | None = None
    name: str = ""
    failed: str | None = None

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What it is, without what came of it."""
        return self.preset, self.size, self.method, self.precision


class Composited(nn.Module):
    """A network and what comes after it: its picture laid over a background, as RGB."""

    background: Tensor

    def __init__(self, network: Callable[[Tensor], Tensor], size: int) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("background", torch.full((1, size, size, 3), 96.0))

    def forward(self, pose: Tensor) -> Tensor:
        """(1, S, S, 3) uint8 of (1, S, S, 3) uint8."""
        picture = self.network(pose).float()
        shown = picture[..., :3] + (1 - picture[..., 3:] / 255) * self.background
        return shown.round().clamp(0, 255).to(torch.uint8)


class BothBranches(nn.Module):
    """A generator that draws its texture branch anew for every frame, as the paper's program."""

    reference: Tensor

    def __init__(self, generator: Generator, reference: Tensor) -> None:
        super().__init__()
        self.generator = generator
        self.register_buffer("reference", reference)

    def forward(self, pose: Tensor) -> Tensor:
        """(1, S, S, 4) uint8 of (1, S, S, 3) uint8."""
        pose_image = 1 - pose.permute(0, 3, 1, 2).float() / 255
        picture = self.generator(pose_image, self.reference)
        return (picture * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


class Networks:
    """The presets with random weights; their ONNX files are kept, as making one takes seconds.

    Args:
        folder: for them.
        pose: the pose networks of a whole frame: see `engine.pose.networks.read`.
    """

    def __init__(self, folder: Path, pose: Path | None = None) -> None:
        self._folder, self.pose = folder, pose

    def generator(self, preset: str, size: int) -> tuple[Generator, Tensor]:
        """The same every time."""
        torch.manual_seed(0)
        generator = Generator(configuration(preset, size, spectral=False)).eval()
        return generator, torch.rand(1, 4, size, size)

    def onnx(self, preset: str, size: int, precision: str = "fp32") -> bytes:
        """Its file."""
        path = self._folder / f"{preset}-{size}-{precision}.onnx"
        if not path.exists():
            if precision == "fp16":
                model = to_fp16(self.onnx(preset, size))
            else:
                model = export_generator(*self.generator(preset, size))
            write_whole(path, model)
        return path.read_bytes()


def specs(size: int, channels: int = 4) -> tuple[TensorSpec, TensorSpec]:
    """What a generator takes and gives."""
    byte = np.dtype(np.uint8)
    return (
        TensorSpec("pose", byte, (1, size, size, 3)),
        TensorSpec("picture", byte, (1, size, size, channels)),
    )


def open_method(row: Row, networks: Networks, device: str) -> Backend:
    """Start a network in one way; whatever is missing is an error of that way's own."""
    if row.method == "torch, eager, both branches":
        module = BothBranches(*networks.generator(row.preset, row.size))
        return TorchBackend(module, *specs(row.size), device=device, graphed=False)
    if row.method.startswith("torch"):
        half = None if row.precision == "fp32" else networks.onnx(row.preset, row.size, "fp16")
        model = networks.onnx(row.preset, row.size)
        graphed = "CUDA graph" in row.method
        if row.method.endswith("composited"):
            return _composited(model, row, half, device)
        wrap: Callable[[nn.Module], Callable[[Tensor], Tensor]] = lambda module: module  # noqa: E731
        if "compiled" in row.method:
            # Its own graphs would not hold the copies.
            wrap = lambda module: torch.compile(module, dynamic=False)  # noqa: E731
        return of_onnx(
            model, row.precision, device=device, half_model=half, graphed=graphed,
            copies="copies outside" not in row.method, tuned="tuned" in row.method, wrap=wrap,
        )  # fmt: skip
    model = networks.onnx(row.preset, row.size, row.precision)
    if row.method == "ONNX Runtime CUDA":
        from engine.backends.onnxruntime import OnnxRuntimeBackend

        return OnnxRuntimeBackend(model, provider="CUDAExecutionProvider")
    from engine.backends.tensorrt import TensorRtBackend

    kind = "tensorrt" if row.method == "TensorRT" else "tensorrt-rtx"
    return TensorRtBackend(model, kind=kind)  # type: ignore[arg-type]


def _composited(model: bytes, row: Row, half: bytes | None, device: str) -> Backend:
    from export.torch_graph import TorchGraph

    network = TorchGraph(half if half is not None else model).eval()
    takes, gives = specs(row.size, 3)
    return TorchBackend(
        Composited(network, row.size), takes, gives, device=device, precision=row.precision
    )


def pictures(size: int) -> NDArray[np.uint8]:
    """(N, S, S, 3): white with coloured bars, something like pose images."""
    rng = np.random.default_rng(SEED)
    made = np.full((_ALIKE, size, size, 3), 255, np.uint8)
    for image in made:
        for _ in range(12):
            x, y = rng.integers(0, size - size // 4, 2)
            wide, high = rng.integers(size // 64 + 1, size // 4, 2)
            image[y : y + high, x : x + wide] = rng.integers(0, 256, 3)
    return made


def measure(
    row: Row, networks: Networks, device: str, truth: NDArray[np.uint8], seconds: float
) -> None:
    """Fill a row in.

    Args:
        row: what to measure.
        networks: makes them.
        device: "cuda" or "cpu".
        truth: the pictures of fp32, (N, S, S, 4).
        seconds: for each of the two clocks.
    """
    if row.method.startswith(WHOLE):
        from bench.gpu_frame import measure_frame

        measure_frame(row, networks, device, seconds)
        return
    images = pictures(row.size)
    if row.method.startswith("TensorRT"):
        open_method(row, networks, device).close()  # builds the engine, and keeps it
    begun = time.perf_counter()
    backend = open_method(row, networks, device)
    try:
        out = np.empty(backend.output_spec.shape[1:], np.uint8)
        backend.run(images[0], out)
        row.start_s = time.perf_counter() - begun
        row.name, row.memory_mb = backend.name, getattr(backend, "memory_mb", None)
        if out.shape == truth.shape[1:]:
            errors = []
            for image, wanted in zip(images, truth, strict=True):
                backend.run(image, out)
                errors.append(np.abs(out.astype(np.int16) - wanted))
            row.mean_error = float(np.mean(errors))
            row.max_error = int(np.max(errors))
        for _ in until(_WARM_UP_S):
            backend.run(images[0], out)
        spent = []
        for i in until(seconds):
            begun = time.perf_counter()
            backend.run(images[i % len(images)], out)
            spent.append(1e3 * (time.perf_counter() - begun))
        row.end_to_end_ms, row.frames = percentiles(spent), len(spent)
        clock: Callable[[], float] | None = None
        if hasattr(backend, "frame"):
            clock = backend.frame.time_ms
        elif device == "cuda" and hasattr(backend, "time_ms"):
            clock = backend.time_ms
        if clock is not None:
            row.device_ms = percentiles([clock() for _ in until(seconds)])
    finally:
        backend.close()


def truth_of(preset: str, size: int, networks: Networks, device: str) -> NDArray[np.uint8]:
    """The pictures of `pictures` by eager PyTorch in fp32."""
    backend = of_onnx(networks.onnx(preset, size), device=device, graphed=False)
    made = np.empty((_ALIKE, *backend.output_spec.shape[1:]), np.uint8)
    try:
        for image, out in zip(pictures(size), made, strict=True):
            backend.run(image, out)
    finally:
        backend.close()
    return made


def work(preset: str, size: int, networks: Networks) -> Work:
    """What a network has to do."""
    return work_of(networks.onnx(preset, size))


def until(seconds: float) -> Iterator[int]:
    """Numbers, two at least, for so long."""
    end, i = time.perf_counter() + seconds, 0
    while i < 2 or time.perf_counter() < end:
        yield i
        i += 1


def percentiles(times_ms: list[float]) -> tuple[float, float]:
    """p50 and p99."""
    p50, p99 = np.percentile(times_ms, (50, 99))
    return float(p50), float(p99)

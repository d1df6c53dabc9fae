"""A generator in other numbers than fp32: fp16 and int8, each measured against what it came from.

int8 is post-training quantisation by ONNX Runtime's own tool, in the one form that is fast in both
runtimes: QDQ, U8 activations, S8 weights with a scale for every output channel. The ranges of the
activations are those seen while the character takes poses of its own training distribution.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from engine.backends.base import Backend
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.onnxruntime import load as load_onnxruntime
from engine.half import after_last_conv, drop_unused, to_fp16
from training.metrics import ssim

__all__ = [
    "AIM",
    "GATE",
    "Likeness",
    "Quantised",
    "Quantiser",
    "draw_all",
    "draw_by",
    "quantise",
    "to_fp16",
]

GATE = 0.985
"""Mean SSIM against fp32 below which a precision is not shipped."""

AIM = 0.995
"""Mean SSIM that layers are kept in float for, the worst first, while there are any."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like another precision's pictures are to fp32's: SSIM, and levels of 255."""

    ssim: float
    ssim_min: float
    mean_error: float
    max_error: int

    @classmethod
    def of(cls, made: NDArray[np.uint8], truth: NDArray[np.uint8]) -> "Likeness":
        """Compare pictures (N, S, S, 4), pair by pair."""
        scores = [ssim(a, b) for a, b in zip(made, truth, strict=True)]
        errors = np.abs(made.astype(np.int16) - truth)
        return cls(float(np.mean(scores)), min(scores), float(errors.mean()), int(errors.max()))

    def to_dict(self) -> dict[str, float]:
        """For a manifest or a line of JSON."""
        return {key: round(value, 5) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Quantised:
    """An int8 generator and what was learnt on the way.

    Attributes:
        model: the QDQ file.
        likeness: to fp32, on poses that were not calibrated on.
        sensitivity: for every layer, the mean SSIM that is won when it alone stays in float; the
            worst layers first.
        kept: the layers that were left in float.
    """

    model: bytes
    likeness: Likeness
    sensitivity: dict[str, float]
    kept: tuple[str, ...]


def draw_all(backend: Backend, pose_images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pictures (N, S, S, 4) of the pose images (N, S, S, 3)."""
    pictures = np.empty((len(pose_images), *backend.output_spec.shape[1:]), np.uint8)
    for pose_image, picture in zip(pose_images, pictures, strict=True):
        backend.run(np.ascontiguousarray(pose_image), picture)
    return pictures


def draw_by(model: bytes, pose_images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same, by ONNX Runtime, for a model that is needed once."""
    backend = OnnxRuntimeBackend(model)
    try:
        return draw_all(backend, pose_images)
    finally:
        backend.close()


def quantise(
    model: bytes,
    calibration: NDArray[np.uint8],
    held_out: NDArray[np.uint8],
    *,
    aim: float = AIM,
    draw: Callable[[bytes, NDArray[np.uint8]], NDArray[np.uint8]] = draw_by,
    on_progress: Callable[[str], None] = lambda text: None,
) -> Quantised:
    """Convert to int8, keeping in float what hurts.

    Every layer's sensitivity is measured: what is won when it alone stays in float. While the
    pictures are less like fp32's than `aim`, the worst layer is left in float too.

    Args:
        model: fp32, as `export.onnx.export_generator` makes it.
        calibration: pose images (N, S, S, 3), or what else the model is given, whose activations
            set the ranges.
        held_out: others, on which SSIM is measured.
        aim: mean SSIM to reach, if it takes all layers.
        draw: makes pictures (N, S, S, 4) of a model and what it is given.
        on_progress: told what was measured.

    Raises:
        ValueError: no network to quantise, or one that stays under `GATE` whatever is kept.
    """
    truth = draw(model, held_out)
    with Quantiser(model, calibration) as make:
        if not make.layers:
            raise ValueError("there is no convolution to quantise")
        best = make(())
        likeness = Likeness.of(draw(best, held_out), truth)
        on_progress(f"all {len(make.layers)} layers in int8: SSIM {likeness.ssim:.4f}")
        gains: dict[str, float] = {}
        for layer in make.layers:
            alone = Likeness.of(draw(make((layer,)), held_out), truth)
            gains[layer] = alone.ssim - likeness.ssim
            on_progress(f"{layer} in float: SSIM {gains[layer]:+.5f}")
        ranked = sorted(gains, key=lambda name: -gains[name])
        kept: tuple[str, ...] = ()
        while likeness.ssim < aim and len(kept) < len(ranked):
            kept = (*kept, ranked[len(kept)])
            best = make(kept)
            likeness = Likeness.of(draw(best, held_out), truth)
            on_progress(f"{len(kept)} layers in float: SSIM {likeness.ssim:.4f}")
    if likeness.ssim < GATE:
        raise ValueError(f"SSIM {likeness.ssim:.4f} against fp32 in int8; at least {GATE} is asked")
    return Quantised(best, likeness, {name: gains[name] for name in ranked}, kept)


class Quantiser:
    """Quantises one network again and again, having calibrated it once."""

    def __init__(self, model: bytes, calibration: NDArray[np.uint8]) -> None:
        load_onnxruntime()  # as above
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self._folder = tempfile.TemporaryDirectory(prefix="ayatsuri-int8-")
        self._calibration = calibration
        given = Path(self._folder.name) / "fp32.onnx"
        given.write_bytes(model)
        self._prepared = Path(self._folder.name) / "prepared.onnx"
        quant_pre_process(given, self._prepared, skip_symbolic_shape=True)
        proto = onnx.load(self._prepared)
        self._input = proto.graph.input[0].name
        self._about = dict(_metadata(model), precision="int8")
        self._tail = tuple(node.name for node in after_last_conv(proto))
        self.layers = tuple(
            node.name
            for node in proto.graph.node
            if node.op_type == "Conv" and node.name not in self._tail
        )

    def __enter__(self) -> "Quantiser":
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def __call__(self, in_float: Sequence[str]) -> bytes:
        """The network in int8, but for the layers of these names."""
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        output = Path(self._folder.name) / "int8.onnx"
        logger = logging.getLogger()
        level = logger.level
        logger.setLevel(logging.ERROR)  # it advises what has been done
        try:
            quantize_static(
                self._prepared,
                output,
                _Reader(self._input, self._calibration),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=[*in_float, *self._tail],
                calibration_cache_path=Path(self._folder.name) / "ranges.json",
            )
        finally:
            logger.setLevel(level)
        proto = onnx.load(output)
        _leave_result_in_float(proto, self.layers[-1])
        del proto.metadata_props[:]
        onnx.helper.set_model_props(proto, self._about)
        onnx.checker.check_model(proto, full_check=True)
        return proto.SerializeToString()


def _metadata(model: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load_model_from_string(model).metadata_props}


class _Reader:
    """Pose images, one at a time, as the tool wants them."""

    def __init__(self, name: str, pose_images: NDArray[np.uint8]) -> None:
        self._name = name
        self._images: Iterator[NDArray[np.uint8]] = iter(pose_images)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next input, or None after the last."""
        image = next(self._images, None)
        return None if image is None else {self._name: np.ascontiguousarray(image[None])}


def _leave_result_in_float(proto: onnx.ModelProto, layer: str) -> None:
    """Drop the rounding of the last convolution's result to int8.

    It has 256 steps from one end of the logits to the other, few of them where the sigmoid is
    steep: three quarters of the error of a generator in int8 come from there. No convolution reads
    it, so nothing is gained by it.
    """
    graph = proto.graph
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    last = next(node for node in graph.node if node.name == layer)
    after = readers.get(last.output[0], [])
    if [node.op_type for node in after] != ["QuantizeLinear"]:
        return  # it is in float already
    quantise_node = after[0]
    for dequantise_node in readers.get(quantise_node.output[0], []):
        for reader in readers.get(dequantise_node.output[0], []):
            for i, name in enumerate(reader.input):
                if name == dequantise_node.output[0]:
                    reader.input[i] = last.output[0]
        graph.node.remove(dequantise_node)
    graph.node.remove(quantise_node)
    drop_unused(proto)

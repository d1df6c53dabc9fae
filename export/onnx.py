"""A trained generator to ONNX: texture folded into constants, pixels in and pixels out."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.backends.onnxruntime import OnnxRuntimeBackend
from export.cells import in_cells
from training.networks.generator import Generator, remove_spectral_norm

OPSET = 20
_LARGE = 256  # numbers in a tensor that is worth storing in fp16


class BakedGenerator(nn.Module):
    """One character's generator: the texture branch is a constant, the tensors are bytes.

    Maps `pose` (1, S, S, 3) uint8, a pose image, to `picture` (1, S, S, 4) uint8, premultiplied
    RGBA.
    """

    def __init__(self, generator: Generator, reference: Tensor) -> None:
        super().__init__()
        self.generator = generator.eval()
        remove_spectral_norm(self.generator)
        with torch.no_grad():
            for i, texture in enumerate(self.generator.texture(reference)):
                self.register_buffer(f"texture_{i}", texture.contiguous())

    def forward(self, pose: Tensor) -> Tensor:
        """See the class."""
        pose_image = 1 - pose.permute(0, 3, 1, 2).float() / 255
        picture = self.generator.draw(
            pose_image, [self.get_buffer(f"texture_{i}") for i in range(len(self.generator.fusion))]
        )
        return (picture * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def export_generator(generator: Generator, reference: Tensor) -> bytes:
    """The baked generator as an ONNX file of fixed shapes, checked by onnx; see `export.cells`."""
    size = generator.config.size
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    model = export_module(
        BakedGenerator(generator, reference), (example,), inputs=["pose"], output="picture"
    )
    return in_cells(model)


def export_module(
    module: nn.Module,
    example: tuple[Tensor, ...],
    *,
    inputs: Sequence[str],
    output: str,
    dynamic: Mapping[str, Any] | None = None,
) -> bytes:
    """A module of one output as an ONNX file, checked by onnx.

    Args:
        module: what to export, in evaluation mode afterwards.
        example: its arguments; the shapes are fixed to theirs.
        inputs: names of the arguments; those of `forward`.
        output: name of the result.
        dynamic: for arguments by name, the axes whose size stays open, see `torch.export.Dim`.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
            program = torch.onnx.export(
                module.eval(), example, dynamo=True, opset_version=OPSET, verbose=False,
                input_names=list(inputs), output_names=[output],
                dynamic_shapes=None if dynamic is None else dict(dynamic),
            )  # fmt: skip
        if program is None:
            raise RuntimeError("torch.onnx.export returned no program")
    finally:
        logger.setLevel(level)
    proto = program.model_proto
    del proto.metadata_props[:]
    for node in proto.graph.node:  # names of source files and lines are nobody's business
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


def store_half(model: bytes) -> bytes:
    """The same network with its weights stored in fp16: half the file, the same work.

    They are cast to fp32 when the file is loaded, and nothing else is rounded.
    """
    proto = onnx.load_model_from_string(model)
    large = [
        tensor
        for tensor in proto.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= _LARGE
    ]
    casts = []
    for tensor in large:
        name = tensor.name
        half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.fp16"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}.fp16"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString()


@dataclass(frozen=True, slots=True)
class Parity:
    """Difference between PyTorch's and ONNX Runtime's pictures, in levels of 255."""

    max_error: int
    mean_error: float


@torch.no_grad()
def compare(
    generator: Generator, reference: Tensor, model: bytes, pose_images: NDArray[np.uint8]
) -> Parity:
    """Run both on the pose images (N, S, S, 3)."""
    baked = BakedGenerator(generator, reference).eval()
    backend = OnnxRuntimeBackend(model)
    size = generator.config.size
    out = np.empty((size, size, 4), np.uint8)
    errors = []
    for pose_image in pose_images:
        backend.run(np.ascontiguousarray(pose_image), out)
        truth = baked(torch.from_numpy(pose_image[None].copy()))[0].numpy()
        errors.append(np.abs(truth.astype(np.int16) - out))
    backend.close()
    stacked = np.stack(errors)
    return Parity(int(stacked.max()), float(stacked.mean()))

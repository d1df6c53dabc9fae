"""The trained estimator as the ONNX file that the engine ships."""

import logging
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from training.estimator.network import PoseNetwork

OPSET = 18
_SIZE = 256


class FromBytes(nn.Module):
    """Pictures (1, 256, 256, 3) of RGB bytes to heatmaps (1, 20, 32, 32)."""

    def __init__(self, network: PoseNetwork) -> None:
        super().__init__()
        self.network = network.eval()

    def forward(self, picture: Tensor) -> Tensor:
        heatmaps: Tensor = self.network(picture.permute(0, 3, 1, 2).float() / 255)
        return heatmaps


def export(network: PoseNetwork, path: Path, note: str) -> None:
    """Write it as `write_onnx` does."""
    network = network.to(memory_format=torch.contiguous_format)
    example = torch.zeros(1, _SIZE, _SIZE, 3, dtype=torch.uint8)
    write_onnx(FromBytes(network), {"picture": example}, "heatmaps", path, note)


def write_onnx(
    module: nn.Module, inputs: dict[str, Tensor], output: str, path: Path, note: str
) -> None:
    """Write a module with batch norms folded and weights halved to float16; it computes in float32.

    Args:
        module: of one output.
        inputs: examples of its arguments, in order, under the names they get.
        output: its name.
        path: of the ONNX file.
        note: its documentation.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
            program = torch.onnx.export(
                module, tuple(inputs.values()), dynamo=True, opset_version=OPSET, verbose=False,
                input_names=list(inputs), output_names=[output],
            )  # fmt: skip
    finally:
        logger.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model_proto
    del model.metadata_props[:]
    for node in model.graph.node:  # names of source files and lines are nobody's business
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    _halve(model)
    model.producer_name, model.doc_string = "ayatsuri", note
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def _halve(model: onnx.ModelProto) -> None:
    """Large weights as float16, each with a cast that a runtime folds when it loads the file."""
    casts = []
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.size < 64:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])

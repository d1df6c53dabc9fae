"""A trained module to an ONNX file: one way for every network of the project.

`torch.export` traces it with shapes that are fixed, but for axes that are asked to stay open. The
exporter folds batch norms into convolutions, and constants. The file says what is in it: a note,
and in its metadata who made it, the hash of the weights, and the tensors.
"""

import logging
import warnings
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from engine import __version__

OPSET = 20
"""Of ONNX's operators; every runtime that is used here has them."""

_LARGE = 64  # numbers in a tensor that is worth storing in fp16


def to_onnx(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    output: str,
    *,
    half: bool = False,
    dynamic: Mapping[str, Any] | None = None,
    note: str = "",
    about: Mapping[str, str] | None = None,
) -> bytes:
    """A module of one output as an ONNX file, checked by onnx.

    Args:
        module: what to export, in evaluation mode afterwards.
        inputs: its arguments by their names, in order; the shapes are fixed to theirs.
        output: name of the result.
        half: store large weights in fp16: half the file, the same work, see `store_half`.
        dynamic: for arguments by name, the axes whose size stays open, see `torch.export.Dim`.
        note: its documentation.
        about: further metadata.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
            program = torch.onnx.export(
                module.eval(), tuple(inputs.values()), dynamo=True, opset_version=OPSET,
                verbose=False, input_names=list(inputs), output_names=[output],
                dynamic_shapes=None if dynamic is None else dict(dynamic),
            )  # fmt: skip
    finally:
        logger.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    proto = program.model_proto
    for node in proto.graph.node:  # names of source files and lines are nobody's business
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output):
        del value.metadata_props[:]
    if half:
        store_half(proto)
    proto.producer_name, proto.producer_version = "ayatsuri", __version__
    proto.doc_string = note
    del proto.metadata_props[:]
    onnx.helper.set_model_props(
        proto,
        {
            "weights_sha256": weights_hash(module),
            "inputs": ", ".join(map(_told, proto.graph.input)),
            "outputs": ", ".join(map(_told, proto.graph.output)),
            **(about or {}),
        },
    )
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def weights_hash(module: nn.Module) -> str:
    """SHA-256 of a module's parameters and buffers, by name."""
    digest = sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def store_half(proto: onnx.ModelProto) -> None:
    """Store a network's large weights in fp16, in place.

    They are cast to fp32 when the file is loaded, and nothing else is rounded.
    """
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < _LARGE:
            continue
        name = tensor.name
        half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.fp16"))
        casts.append(
            onnx.helper.make_node("Cast", [f"{name}.fp16"], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    del proto.graph.value_info[:]
    proto.graph.node.extend(nodes)


def _told(value: onnx.ValueInfoProto) -> str:
    """As "pose: uint8 1x256x256x3"."""
    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    sizes = (dim.dim_param or str(dim.dim_value) for dim in kind.shape.dim)
    return f"{value.name}: {dtype} {'x'.join(sizes)}"

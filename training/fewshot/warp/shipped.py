"""Weights of `warp` as they ship: safetensors in half precision, with what made them."""

import json
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import save
from torch import nn

from training.fewshot.errors import CheckpointError
from training.fewshot.tensors import read_tensors
from training.fewshot.warp.cutter import Cutter
from training.files import write_whole

CUTTER = Path(__file__).with_name("cutter.safetensors")
M = TypeVar("M", bound=nn.Module)


def write(path: Path, module: nn.Module, about: dict[str, Any]) -> None:
    """Write a module's weights in half precision; `about` says how they were made."""
    tensors = {name: t.detach().half().contiguous() for name, t in module.state_dict().items()}
    kind = type(module).__name__
    write_whole(path, save(tensors, {"module": kind, "about": json.dumps(about)}))


def read(path: Path, module: M) -> tuple[M, dict[str, Any]]:
    """Fill a module with weights, in single precision, and evaluation mode; CheckpointError."""
    kind = type(module).__name__
    tensors, header = read_tensors(path)
    if header.get("module") != kind:
        raise CheckpointError(
            f"{path} holds {header.get('module', 'weights of something else')}, expected {kind}"
        )
    try:
        module.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} holds a {kind} of another size: {error}") from error
    return module.eval(), json.loads(header["about"])


def shipped_cutter() -> Cutter:
    """The trained cutter, which is not trained any further."""
    cutter, _ = read(CUTTER, Cutter())
    return cutter.requires_grad_(False)

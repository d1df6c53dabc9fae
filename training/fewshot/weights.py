"""Meta-learned weights as they ship: safetensors, with what made them in the header."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from training.fewshot.errors import CheckpointError
from training.fewshot.recipe import Recipe, build
from training.fewshot.tensors import read_tensors
from training.files import write_whole
from training.networks.spectral import settle

FORMAT = "ayatsuri few-shot weights 1"
SHIPPED = Path(__file__).parents[1] / "weights" / "live.safetensors"
"""Meta-learned, at 64 and 128 px: see docs/few-shot.md."""


def write(path: Path, state: dict[str, Any], *, half: bool = True) -> int:
    """Write the averaged method of a checkpoint's state; returns the size in bytes.

    In half precision a file is half as long, and adaptation begins 0.0005 from where it would.
    """
    tensors = {
        name: t.half().contiguous() if half and t.dtype == torch.float32 else t.contiguous()
        for name, t in state["average"].items()
    }
    about = {"config": state["config"], "steps_done": state["step"], **state["about"]}
    content = save(tensors, {"format": FORMAT, "about": json.dumps(about)})
    write_whole(path, content)
    return len(content)


def read(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The method, in single precision and evaluation mode, and what made it; CheckpointError."""
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} holds {header.get('format', 'weights of something else')}, expected {FORMAT}"
        )
    try:
        about = json.loads(header["about"])
        recipe = Recipe.from_dict({**about["recipe"], "perceptual": False, "gan": False})
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} does not say what made it: {error}") from error
    method, _ = build(recipe)
    try:
        method.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not hold what it says, {recipe.method} {recipe.preset}: "
            f"{str(error)[:300]}"
        ) from error
    settle(method)
    return method.eval(), about

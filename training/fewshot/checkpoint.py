"""Checkpoints of a run: written whole or not at all, refused where they are not ours."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from training.fewshot.errors import CheckpointError
from training.files import write_whole

KIND = "ayatsuri few-shot training"
VERSION = 1


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint: `state` holds tensors, numbers, strings, and lists and dicts of them."""
    content = io.BytesIO()
    torch.save({"kind": KIND, "version": VERSION, **state}, content)
    write_whole(path, content.getvalue())


def load(path: Path) -> dict[str, Any]:
    """The state that `save` wrote, on the CPU; CheckpointError where there is none."""
    if not path.exists():
        raise CheckpointError(f"there is no checkpoint {path}")
    useless = f"{path} is damaged or no checkpoint: restore a copy, or begin in another folder"
    if not zipfile.is_zipfile(path):  # the unpickler of old files stumbles in many ways
        raise CheckpointError(useless)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, ValueError) as error:
        raise CheckpointError(useless) from error
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise CheckpointError(f"{path} is a file of torch, but no checkpoint of {KIND}")
    if state.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is a checkpoint of version {state.get('version')}; this program reads "
            f"version {VERSION}"
        )
    return state

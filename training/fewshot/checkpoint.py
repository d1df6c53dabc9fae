"""Checkpoints of a run: written whole or not at all, refused where they are not ours."""

import io
import os
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from engine.errors import NO_SPACE
from training.fewshot.errors import CheckpointError, DiskFullError, UnwritableError

KIND = "ayatsuri few-shot training"
VERSION = 1


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash, a kill or a full disk leaves the old one whole."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):  # what cannot be written may not be there to be removed, either
            partial.unlink(missing_ok=True)
        if error.errno in NO_SPACE:
            raise DiskFullError(
                f"no room for {path} ({len(content) / 1e6:.0f} MB): free some and start again; "
                f"{'the last one is whole' if path.exists() else 'nothing was written'}"
            ) from error
        raise UnwritableError(f"{path} cannot be written: {error}") from error


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

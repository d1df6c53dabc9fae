"""Compiled engines, kept in a private folder.

A compiled engine is native code: one is loaded only if this program has put it there itself, for
this very network, these options, this library and this device, and nobody else could have touched
it since. Everything else is compiled again.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from engine.errors import BackendError
from engine.models import cache_folder

_SCHEMA: Final = 2
"""Of a key; one more whenever the same file is compiled in another way."""


class PlanCache:
    """The engines compiled so far.

    Args:
        folder: made with mode 0700, if it is not there; None: in the user's cache.

    Raises:
        BackendError: others may write to the folder, or it cannot be made.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = cache_folder() / "plans" if folder is None else folder
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self.folder.stat()
        except OSError as error:
            raise BackendError(
                f"no folder for compiled engines at {self.folder}: {error}"
            ) from error
        if not _private(status):
            raise BackendError(
                f"{self.folder} belongs to, or can be written by, somebody else: compiled engines "
                f"are native code, so nothing is loaded from it; remove it, or `chmod 700` it"
            )

    def path(self, key: str) -> Path:
        """Where the engine of a key is kept."""
        return self.folder / f"{key}.plan"

    def get(self, key: str) -> bytes | None:
        """The engine of that key, or None: not there, damaged, or not put there by us."""
        path = self.path(key)
        try:
            if not (_private(path.lstat()) and stat.S_ISREG(path.lstat().st_mode)):
                return None
            plan = path.read_bytes()
            told = json.loads(path.with_suffix(".json").read_text("utf-8"))
            whole = told["sha256"] == sha256(plan).hexdigest() and told["key"] == key
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return plan if whole else None

    def put(self, key: str, plan: bytes, about: Mapping[str, object]) -> Path:
        """Keep an engine; whole or not at all.

        Args:
            key: see `plan_key`.
            plan: the engine.
            about: what it was made of, for people to read.

        Raises:
            BackendError: it cannot be written.
        """
        text = json.dumps({**about, "key": key, "sha256": sha256(plan).hexdigest()}, indent=1)
        path = self.path(key)
        try:
            # The description last: an engine without one does not count.
            path.with_suffix(".json").unlink(missing_ok=True)
            _write(path, plan)
            _write(path.with_suffix(".json"), text.encode())
        except OSError as error:
            raise BackendError(f"the compiled engine cannot be kept: {error}") from error
        return path


def plan_key(model: bytes, **options: object) -> str:
    """A name that changes with all that an engine depends on.

    Args:
        model: the ONNX file.
        options: target, library version, compute capabilities, driver ...: plain values.
    """
    parts = {"schema": _SCHEMA, "model": sha256(model).hexdigest(), **options}
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _private(status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # the user's own folder, by its access list
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.getuid() and not shared


def _write(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

"""Disks that are full."""

import errno

import pytest


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing that is written whole has room; see `engine.files`."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.files.os.fsync", full)

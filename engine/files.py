"""Files that are there whole or not at all."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash, a kill or a full disk leaves the old one whole.

    Raises:
        OSError: it cannot be written; nothing of it is kept.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):  # what cannot be written may not be there to be removed, either
            partial.unlink(missing_ok=True)
        raise

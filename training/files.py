"""Files and folders of a training, and what to do where they cannot be written."""

from pathlib import Path

from engine import files
from engine.errors import NO_SPACE
from training.errors import NoRoom, Unwritable


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a crash, a kill or a full disk leaves the old one whole.

    Raises:
        Unwritable: it cannot be written; NoRoom: the disk is full.
    """
    try:
        files.write_whole(path, content)
    except OSError as error:
        if error.errno in NO_SPACE:
            kept = "the last one is whole" if path.exists() else "nothing was written"
            raise NoRoom(
                f"no room for {path} ({len(content) / 1e6:.0f} MB): free some and run the same "
                f"command again; {kept}"
            ) from error
        raise Unwritable(f"{path} cannot be written: {error}") from error


def make_folder(folder: Path) -> None:
    """Make a folder, and those that it lies in, where they are not there; raises Unwritable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unwritable(f"the folder {folder} cannot be made: {error}") from error

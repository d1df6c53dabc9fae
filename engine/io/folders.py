"""Whether files can be put where they are wanted, before the work for them begins."""

import re
from pathlib import Path

from engine.errors import SinkError


def needs_folder(path: str | Path) -> None:
    """Pass if the folder is there that a file is to be written to.

    Raises:
        SinkError: it is not, or is no folder.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise SinkError(f"there is no folder {path.parent} to write {path.name} to: make it first")


def frame_name(number: int) -> str:
    """The file of a picture that is one of many: `000000.png`, `000001.png`, ..."""
    return f"{number:06d}.png"


def needs_no_frames(folder: str | Path) -> None:
    """Pass if no pictures of these names are in a folder, or there is no folder yet.

    They may be an earlier run's, and a shorter one would leave the rest of them behind its own; or
    another program's, or the ones that are just read. They are not ours to delete.

    Raises:
        SinkError: there are some, or the folder cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return
    try:
        count = sum(bool(re.fullmatch(r"\d{6,}\.png", path.name)) for path in folder.iterdir())
    except OSError as error:
        raise SinkError(f"the folder {folder} cannot be read: {error}") from error
    if count:
        raise SinkError(
            f"expected a folder without pictures such as {frame_name(0)}, and {folder} has "
            f"{count}: name another one, or delete them"
        )

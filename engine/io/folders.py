"""Whether a file can be put where it is wanted, before the work for it begins."""

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

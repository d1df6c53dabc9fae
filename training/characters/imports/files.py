"""Finding the files that a character file names, without leaving its folder."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from training.characters.imports.errors import fail

MAX_FILE = 512 << 20  # bytes


def read_bytes(path: Path) -> bytes:
    """A whole file, unless it is larger than any character is."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise fail(f"a file of at most {MAX_FILE >> 20} MB", f"{path.name} of {size >> 20} MB")
        return path.read_bytes()
    except OSError as error:
        raise fail(
            f"a readable file {path.name}", str(error.strerror or error), "check the path"
        ) from error


def find_beside(folder: Path, name: str, *, percent: bool = False) -> Path | None:
    """The file that a model in `folder` calls `name`, or None if there is none.

    Backslashes are slashes, case does not matter, and a file that was unpacked without its
    subfolder is found beside the model, as MikuMikuDance's users expect. A name that leads out
    of the folder, by "..", as an absolute path or through a link, is refused.
    """
    plain = (unquote(name) if percent else name).replace("\\", "/").strip().strip("\0")
    parts = [part for part in PurePosixPath(plain).parts if part != "."]
    if not parts:
        return None
    if (
        plain.startswith("/") or re.match(r"^[A-Za-z]:", plain) or ".." in parts or "\0" in plain
        or re.match(r"^[a-z][a-z0-9+.\-]+:", plain)
    ):  # fmt: skip
        raise fail(
            "names of files inside the model's own folder", repr(name[:200]),
            "put the file beside the model and name it without a path",
        )  # fmt: skip
    found = _walk(folder, parts)
    if found is None and len(parts) > 1:
        found = _walk(folder, parts[-1:])
    if found is None:
        return None
    if not found.resolve().is_relative_to(folder.resolve()):
        raise fail("files inside the model's own folder", f"a link out of it: {name[:200]!r}")
    return found


def _walk(folder: Path, parts: list[str]) -> Path | None:
    here = folder
    for i, part in enumerate(parts):
        try:
            exact = here / part
            if not exact.exists():
                names = sorted(p.name for p in here.iterdir() if p.name.lower() == part.lower())
                if not names:
                    return None
                exact = here / names[0]
        except (OSError, ValueError):  # too long a name, or one that no file can have
            return None
        here = exact
        if (i == len(parts) - 1) != here.is_file():
            return None
    return here

"""What needs torch and lies in a folder beside the engine: found by name, as an entry point."""

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from engine.errors import MissingDependency


def installed(group: str, missing: str) -> EntryPoint:
    """The first of a group, not loaded: that takes seconds, and memory that a show needs.

    Raises:
        MissingDependency: there is none, or no torch; with the message `missing`.
    """
    entries = list(entry_points(group=group))
    if not entries or find_spec("torch") is None:
        raise MissingDependency(missing)
    return entries[0]


def loaded(group: str, missing: str) -> Any:
    """The same, loaded.

    Raises:
        MissingDependency: likewise, or something that it imports is missing.
    """
    try:
        return installed(group, missing).load()
    except ModuleNotFoundError as error:
        raise MissingDependency(f"{missing} ({error})") from error

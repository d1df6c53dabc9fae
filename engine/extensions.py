"""Commands of other packages: entry points of the group `ayatsuri.commands`.

The engine imports none of the folders beside it, so that whatever they add to `ayatsuri` it finds
by name. Each entry point is a `typer.Typer`; it is imported when it is asked for, and for the list
of all commands.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup

GROUP: Final = "ayatsuri.commands"


class WithExtensions(TyperGroup):
    """A group that has the commands of other packages, too."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands, the engine's first."""
        return [*super().list_commands(ctx), *sorted(_entries())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if there is none."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        entry = _entries().get(cmd_name)
        if entry is None:
            return None
        command = typer.main.get_command(entry.load())
        command.name = cmd_name
        return command


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}

"""What the command line shows: errors in one message, progress, the table at the end."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from engine.errors import AyatsuriError

EXIT_EXPLAINED = 1
"""The command failed for a reason that it explained."""

EXIT_BUG = 3
"""The command failed for a reason that nobody foresaw."""

EXIT_INTERRUPTED = 130
"""Ctrl-C, as shells have it: 128 + SIGINT."""

P = ParamSpec("P")
T = TypeVar("T")


class Settings:
    """What was said before the command's name."""

    debug: bool = False


def errors() -> Console:
    """A console on standard error; made anew, as tests and redirections replace the stream."""
    return Console(stderr=True, highlight=False)


def say(text: str = "") -> None:
    """Print a line of rich markup on standard output."""
    Console(highlight=False).print(text, soft_wrap=True)


def show(table: Table) -> None:
    """Print a table on standard output."""
    Console().print(table)


def explains(command: Callable[P, T]) -> Callable[P, T]:
    """A command whose errors become one message and an exit code; see the constants above.

    With --debug before the command's name the traceback is shown instead. What a KeyboardInterrupt
    carries is told: see `plays_so_far`.
    """

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except AyatsuriError as error:
            if Settings.debug:
                raise
            _complain("error", str(error))
            raise typer.Exit(EXIT_EXPLAINED) from None
        except KeyboardInterrupt as stop:
            _complain("stopped", str(stop) or "by Ctrl-C", style="yellow")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # the last place where anything can be said
            if Settings.debug:
                raise
            _complain(
                "unexpected error",
                f"{type(error).__name__}: {error}\n"
                "This is a bug. --debug before the command's name shows where; please report it.",
            )
            raise typer.Exit(EXIT_BUG) from None

    return wrapper


def run(command: Callable[P, T]) -> None:
    """Run what `python -m` names; its errors become one message, a bug keeps its traceback."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except AyatsuriError as error:
            _complain("error", str(error))
            raise typer.Exit(EXIT_EXPLAINED) from None

    typer.run(wrapper)


@contextmanager
def plays_so_far(output: str | Path) -> Iterator[None]:
    """Within it Ctrl-C says that what is written plays, where anything is."""
    try:
        yield
    except KeyboardInterrupt:
        if not Path(output).exists():
            raise
        raise KeyboardInterrupt(f"what was written to {output} is complete and plays") from None


def _complain(kind: str, message: str, style: str = "bold red") -> None:
    text = Text.assemble((f"{kind}: ", style), message)
    errors().print(text, soft_wrap=True)


class _Rate(ProgressColumn):
    """Frames per second over the last seconds."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} fps", style="cyan")


def progress_bar() -> Progress:
    """Frames done and the rate; where the length is known, how much and how long is left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=errors(),
    )


def download_bar() -> Progress:
    """Bytes done, how fast, and how long is left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=errors(),
    )

"""How a video that is being made is shown."""

from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from engine import console
from engine.report import Report

OnProgress = Callable[[int, int | None], None]
OnMessage = Callable[[str], None]


def behind_a_bar(video: str, output: Path, run: Callable[[OnProgress, OnMessage], Report]) -> None:
    """Run it behind a progress bar, then show its table and what was written.

    Args:
        video: what the bar is named for.
        output: what is written.
        run: told of frames done and in all, and of what to say.
    """
    with console.plays_so_far(output), console.progress_bar() as bar:
        task = bar.add_task(escape(Path(video).name), total=None)
        result = run(
            lambda done, total: bar.update(task, completed=done, total=total),
            lambda text: bar.console.print(f"[cyan]{escape(text)}[/]"),
        )
    console.show(result.table())
    console.say(f"wrote [bold]{escape(str(output))}[/]")

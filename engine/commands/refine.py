"""`ayatsuri refine`: what paints over a puppet is adapted to it, and takes over if it is better."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from engine import console
from engine.errors import AyatsuriError
from engine.report import cores

if TYPE_CHECKING:
    from engine.refining import Progress as Refining

FpsOption = Annotated[
    float,
    typer.Option(
        min=1, max=240, metavar="FPS", help="Frames a second that the result holds on this machine."
    ),
]
MinutesOption = Annotated[
    float, typer.Option(min=0.01, max=600, metavar="MINUTES", help="How long it learns at most.")
]


@console.explains
def refine(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A puppet: what `ayatsuri adapt` wrote.")
    ],
    fps: FpsOption = 30.0,
    minutes: MinutesOption = 5.0,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Processor threads; else as many as there are."),
    ] = None,
    gently: Annotated[
        bool, typer.Option("--gently", help="At low priority, one thread: beside a show.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Lines of JSON instead of a progress bar.")
    ] = False,
) -> None:
    """Let a small network learn to mend a puppet: a minute or two, needs the extra `train`.

    It learns from the drawing itself. The bundle is replaced at the end, and only if held-out
    pictures are better than the puppet's; a show that plays it takes over at once.
    """
    if gently:
        _low_priority()
    threads = threads or (1 if gently else cores())
    if as_json:
        _in_json(bundle, fps, minutes, threads)
    else:
        with_a_bar(bundle, fps, minutes, threads)


def with_a_bar(bundle: Path, fps: float, minutes: float, threads: int) -> None:
    """Refine a bundle behind a progress bar."""
    from engine.refining import refine

    with Progress(
        SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"),
        TimeElapsedColumn(), console=console.errors(),
    ) as bar:  # fmt: skip
        task = bar.add_task("timing painters on this machine", total=1)

        def progress(at: "Refining") -> None:
            bar.update(task, description=at.told, completed=at.share)

        outcome = refine(
            bundle, fps=fps, minutes=minutes, threads=threads, on_progress=progress,
            say=lambda text: bar.console.print(f"[cyan]{escape(text)}[/]"),
        )  # fmt: skip
    console.say(escape(outcome.told))


def _in_json(bundle: Path, fps: float, minutes: float, threads: int) -> None:
    """Refine a bundle, and write a line for every look at the held-out pictures, and the end."""
    from engine.refining import refine

    def tell(line: object) -> None:
        typer.echo(json.dumps(line))

    try:
        outcome = refine(
            bundle, fps=fps, minutes=minutes, threads=threads,
            on_progress=lambda at: tell(at.to_line()),
        )  # fmt: skip
    except AyatsuriError as error:
        tell({"error": str(error)})
        raise
    tell({"replaced": outcome.replaced, "told": outcome.told, "scores": outcome.scores})


def _low_priority() -> None:
    if hasattr(os, "nice"):
        os.nice(15)

"""`python -m training.performer -o engine/assets/performer.mp4`: make the performer's clip."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from engine import console
from training.performer.clip import ClipSettings, write_clip


def main(
    output: Annotated[Path, typer.Option("-o", "--output", help="The mp4 to write.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of the dance.")] = 20.0,
    fps: Annotated[int, typer.Option(min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Which choreography; 0 is the show.")] = 0,
    width: Annotated[int, typer.Option(min=16)] = 640,
    height: Annotated[int, typer.Option(min=16)] = 480,
    supersample: Annotated[int, typer.Option(min=1, max=4, help="Samples across a pixel.")] = 3,
    crf: Annotated[int, typer.Option(min=0, max=51, help="x264's quality, lower is better.")] = 22,
) -> None:
    """Render a dressed human body that dances, with music and its true joints beside it."""
    settings = ClipSettings(seconds, fps, (width, height), seed, supersample, crf)
    columns = ("rendering", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("", total=None)
        beside = write_clip(
            output, settings, lambda done, total: bar.update(task, completed=done, total=total)
        )
    typer.echo(f"wrote {output} ({output.stat().st_size / 1e6:.2f} MB) and {beside}")


if __name__ == "__main__":
    console.run(main)

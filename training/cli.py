"""`ayatsuri-train`: the commands that make data and weights."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

HELD_OUT_SEED = 1_000_003
"""Poses of this seed are never trained on."""


@app.callback()
def main_options() -> None:
    """Keeps typer from turning a single command into the whole program."""


@app.command()
def fit(
    folder: Annotated[Path, typer.Option(help="Where renders and checkpoints are kept.")] = Path(
        "runs/ito"
    ),
    poses: Annotated[int, typer.Option(help="Rendered poses to train on.")] = 12_000,
    preset: Annotated[str, typer.Option(help="live, base or paper.")] = "live",
    steps: Annotated[int, typer.Option(help="Batches in all.")] = 20_000,
    batch: Annotated[int, typer.Option(help="Pictures in a batch.")] = 8,
    minutes: Annotated[float | None, typer.Option(help="Stop (resumably) after so long.")] = None,
    size: Annotated[int, typer.Option(help="Width and height of the pictures.")] = 256,
    workers: Annotated[int, typer.Option(help="Processes that render.")] = 2,
    seed: int = 0,
) -> None:
    """Fit a generator to the default character; continues from `folder`'s checkpoint."""
    from training.characters import ito
    from training.characters.proportions import reference_picture
    from training.data import PosedPictures, render_poses
    from training.fit import Fit, FitConfig, run

    with Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    ) as bar:

        def rendered(name: str, count: int, seed: int) -> PosedPictures:
            task = bar.add_task(f"rendering {name}", total=count)
            return render_poses(
                folder / name, count, size=size, seed=seed, workers=workers,
                on_progress=lambda done: bar.update(task, completed=done),
            )  # fmt: skip

        held_out = rendered("held_out", 50, HELD_OUT_SEED)
        data = rendered("train", poses, seed)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        state = Fit.load(checkpoint, steps=steps)
        print(f"continuing from step {state.step} of {checkpoint}")
    else:
        config = FitConfig(preset=preset, size=size, steps=steps, batch=batch, seed=seed)
        state = Fit.new(config, reference_picture(ito.build(), size))
    print(json.dumps(asdict(state.config)))
    print(json.dumps(run(state, data, held_out, folder, minutes=minutes)))


def main() -> None:
    """Entry point of `ayatsuri-train`."""
    app()


if __name__ == "__main__":
    main()

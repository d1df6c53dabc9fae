"""`ayatsuri-train`: the commands that make data and weights."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from training.dataset import commands as data_commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.add_typer(data_commands.app, name="data")

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


@app.command()
def lifter(
    folder: Annotated[Path, typer.Option(help="Where network and curve are written.")] = Path(
        "runs/lifter"
    ),
    captures: Annotated[
        Path | None, typer.Option(help="A folder of BVH captures; without, procedural motion only.")
    ] = None,
    poses: Annotated[int, typer.Option(help="Procedural poses to train on.")] = 16_000,
    width: Annotated[int, typer.Option(help="Of the layers; the paper's is 1024.")] = 512,
    steps: Annotated[int, typer.Option(help="Batches in all.")] = 10_000,
    minutes: Annotated[float | None, typer.Option(help="Anneal and stop after so long.")] = None,
    seed: int = 0,
) -> None:
    """Train the lifter of `ayatsuri motion` (Martinez et al. 2017): about eight minutes."""
    import torch

    from training.lifter import data
    from training.lifter.network import Lifter, LifterConfig
    from training.lifter.train import TrainConfig, export, train

    torch.set_num_threads(1)  # the network is small
    with Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    ) as bar:
        task = bar.add_task("posing", total=poses)
        clips = data.procedural(
            poses, seed, lambda done, total: bar.update(task, completed=done, total=total)
        )
    held_out = data.procedural(400, HELD_OUT_SEED)
    if captures is not None:
        # Twice: they are few beside the procedural poses, and more like what people do.
        captured, held_out = data.captures(captures)
        clips += 2 * captured
    network = Lifter(LifterConfig(width=width))
    config = TrainConfig(steps=steps, seed=seed)
    score = train(
        network, data.bodies(clips, 12, seed), data.bodies(held_out, 2, HELD_OUT_SEED), config,
        folder, minutes=minutes,
    )  # fmt: skip
    export(network, folder / "lifter.onnx", f"ayatsuri-train lifter, {json.dumps(score)}")
    print(f"wrote {folder / 'lifter.onnx'}")


@app.command()
def lifters(
    model: Annotated[
        Path | None, typer.Option(help="A network instead of the one that ships.")
    ] = None,
    captures: Annotated[
        Path | None, typer.Option(help="A folder of BVH captures, of which some are held out.")
    ] = None,
    field_of_view: Annotated[float, typer.Option(help="Of the performer's clip.")] = 33.9,
) -> None:
    """The errors of both lifters, in millimetres, and of the root, in centimetres."""
    from training.lifter.evaluate import held_out, performer

    for line in performer(model, field_of_view):
        print(json.dumps(line))
    if captures is not None:
        for line in held_out(model, captures):
            print(json.dumps(line))


def main() -> None:
    """Entry point of `ayatsuri-train`."""
    app()


if __name__ == "__main__":
    main()

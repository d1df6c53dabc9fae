"""`ayatsuri-train`: the commands that make data and weights."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from engine import console
from training.dataset import commands as data_commands
from training.fewshot.tables import commands as table_commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.add_typer(data_commands.app, name="data")
table_commands.register(app)

N = TypeVar("N", int, float)

HELD_OUT_SEED = 1_000_003
"""Poses of this seed are never trained on."""


@app.callback()
def _before_every_command(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    console.Settings.debug = debug


@app.command()
@console.explains
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
@console.explains
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
@console.explains
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


def _numbers(text: str, kind: type[N]) -> tuple[N, ...]:
    """Numbers with commas between; none of an empty text."""
    try:
        return tuple(kind(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise typer.BadParameter(f"expected numbers as in 64,128, found {text!r}") from None


@app.command()
@console.explains
def meta(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Made by `data make`.")],
    folder: Annotated[Path, typer.Option(help="Where checkpoint, curve and samples are kept.")],
    method: Annotated[
        str, typer.Option(help="fewshot, warp, pix2pix, pg2, patn or xinggan.")
    ] = "fewshot",
    preset: Annotated[str, typer.Option(help="live, base or paper.")] = "live",
    sizes: Annotated[str, typer.Option(help="Of the pictures; growing, as in 64,128,256.")] = "256",
    grow_at: Annotated[str, typer.Option(help="Shares of the steps, as in 0.3,0.6.")] = "",
    steps: Annotated[int, typer.Option(help="Batches in all.")] = 20_000,
    tasks: Annotated[int, typer.Option(help="Characters in a batch.")] = 4,
    plain: Annotated[bool, typer.Option("--plain", help="Without meta-learning.")] = False,
    shots: Annotated[int, typer.Option(help="Pictures of a support set, K.")] = 4,
    queries: Annotated[int, typer.Option(help="Pictures of a query set; the paper has 1.")] = 4,
    support: Annotated[str, typer.Option(help="views, random, shifts or mixed.")] = "views",
    source: Annotated[str, typer.Option(help="front, support, any, few or view.")] = "front",
    drawings: Annotated[
        int, typer.Option(help="Known of a character in training, 1 to so many (for warp).")
    ] = 1,
    inner_steps: Annotated[int, typer.Option(help="Steps of adaptation in training.")] = 4,
    inner_rate: Annotated[float, typer.Option(help="Their rate.")] = 1e-3,
    second_order: Annotated[bool, typer.Option("--second-order")] = False,
    multi_step: Annotated[
        float, typer.Option(help="Share of the steps with the multi-step loss (then K is 2).")
    ] = 0.0,
    rate: Annotated[float, typer.Option(help="Of the generator, at first.")] = 2e-4,
    rate_end: Annotated[float, typer.Option(help="Of the generator, in the last third.")] = 5e-5,
    white: Annotated[bool, typer.Option("--white", help="RGB on white, as the paper.")] = False,
    spectral: Annotated[bool, typer.Option(help="Spectral normalisation.")] = True,
    fusion: Annotated[str, typer.Option(help="product; join is the ablation.")] = "product",
    perceptual: Annotated[bool, typer.Option(help="The perceptual loss.")] = True,
    gan: Annotated[bool, typer.Option(help="The discriminator.")] = True,
    gan_from: Annotated[float, typer.Option(help="Share of the steps before it joins.")] = 0.0,
    critic_width: Annotated[int, typer.Option(help="Of its first layer; 64 is the paper's.")] = 64,
    gpus: Annotated[int, typer.Option(help="Processes, a GPU each; 0: this one.")] = 0,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Mixed precision.")] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="By torch.compile.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Stop (resumably) after so long.")] = None,
    every: Annotated[int, typer.Option(help="Steps between checkpoints and samples.")] = 500,
    held_out: Annotated[int, typer.Option(help="Characters to look at then.")] = 4,
    adapt_rate: Annotated[float, typer.Option(help="Of adapting to those.")] = 5e-4,
    adapt_steps: Annotated[int, typer.Option(help="At most.")] = 40,
    loaders: Annotated[int, typer.Option(help="Threads that make batches.")] = 2,
    keep: Annotated[bool, typer.Option(help="Keep what was read in memory.")] = True,
    start: Annotated[
        Path | None, typer.Option(help="Weights to begin with, as `weights` writes them.")
    ] = None,
    most: Annotated[int | None, typer.Option(help="Characters at most, where kept.")] = None,
    seed: int = 0,
) -> None:
    """Train a few-shot method on many characters; goes on from FOLDER's checkpoint."""
    from training.fewshot import commands
    from training.fewshot.adapt import AdaptConfig
    from training.fewshot.config import TrainConfig
    from training.fewshot.episodes import EpisodeConfig
    from training.fewshot.meta import InnerConfig
    from training.fewshot.recipe import Recipe
    from training.fewshot.workers import launch

    if gpus and launch(gpus):
        return
    pixels = _numbers(sizes, int)
    config = TrainConfig(
        "plain" if plain else "meta", steps, tasks,
        EpisodeConfig(shots, queries, support, source, drawings),
        InnerConfig(inner_steps, inner_rate, second_order), multi_step, rate, rate_end,
        sizes=pixels, grow_at=_numbers(grow_at, float), seed=seed, bf16=bf16,
        compile=compiled,
    )  # fmt: skip
    recipe = Recipe(
        method, preset, pixels[-1], 3 if white else 4, spectral, fusion, critic_width, perceptual,
        gan, gan_from,
    )  # fmt: skip
    adaptation = AdaptConfig(steps=adapt_steps, rate=adapt_rate, bf16=bf16)
    line = commands.train(
        data, folder, config, recipe, adaptation=adaptation, held_out=held_out, device=device,
        minutes=minutes, every=every, loaders=loaders, keep=keep, start=start, most=most,
    )  # fmt: skip
    if not line:
        print(f"no step was left to do in {folder}: for more, give more --steps than {steps}")
        return
    print(json.dumps(line))


@app.command()
@console.explains
def adapt_check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Made by `data make`.")],
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="Of `meta`, or weights that ship.")
    ],
    shots: Annotated[str, typer.Option(help="Shifts of the one drawing.")] = "1,4,10",
    steps: Annotated[int, typer.Option(help="At most.")] = 60,
    rate: Annotated[float, typer.Option(help="Of each step; the paper's is 0.03.")] = 5e-4,
    optimiser: Annotated[str, typer.Option(help="adam, or sgd as in the paper.")] = "adam",
    characters: Annotated[int, typer.Option(min=1, help="Of the test split.")] = 4,
    queries: Annotated[int, typer.Option(min=1, help="Poses asked of each.")] = 8,
    drawings: Annotated[int, typer.Option(min=1, max=4, help="Known of each: basic views.")] = 1,
    size: Annotated[
        int | None, typer.Option(help="Of the pictures; else the last trained with.")
    ] = None,
    frames: Annotated[
        int, typer.Option(help="Of a dance, in a row, in place of the poses: for flicker.")
    ] = 0,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.")] = None,
    output: Annotated[Path | None, typer.Option("-o", help="A .png of samples.")] = None,
) -> None:
    """Adapt to characters never seen, from their front views; measures before and after."""
    from training.fewshot import commands
    from training.fewshot.adapt import AdaptConfig

    config = AdaptConfig(steps=steps, rate=rate, optimiser=optimiser)
    for line in commands.adapt_check(
        data, checkpoint, config, shots=_numbers(shots, int), characters=characters,
        queries=queries, device=device, output=output, drawings=drawings, size=size,
        frames=frames,
    ):  # fmt: skip
        print(json.dumps(line), flush=True)


@app.command()
@console.explains
def weights(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Of `meta`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help=".safetensors")],
    half: Annotated[bool, typer.Option(help="In half precision.")] = True,
) -> None:
    """Write a checkpoint's averaged weights as they ship."""
    from training.fewshot import commands

    print(json.dumps(commands.ship(checkpoint, output, half=half)))


@app.command()
@console.explains
def measure(
    made: Annotated[Path, typer.Argument(help="A folder of PNG files with alpha.")],
    truth: Annotated[Path, typer.Argument(help="The true ones, under the same names.")],
    joints: Annotated[
        Path | None, typer.Option(help="A .npy file of the joints asked for: (N, 20, 3) or more.")
    ] = None,
    sequence: Annotated[bool, typer.Option(help="The pictures follow each other in time.")] = False,
    fid: Annotated[bool, typer.Option(help="FID and KID too (a download of 25 MB, once).")] = True,
) -> None:
    """Measure generated pictures against true ones; see training.metrics.evaluate."""
    import torch

    from training.metrics.evaluate import BETTER, Networks, evaluate
    from training.metrics.folders import read_joints, read_pair

    torch.set_num_threads(1)
    pictures, wanted = read_pair(made, truth)
    asked = None if joints is None else read_joints(joints)
    networks = Networks(lambda text: typer.echo(text, err=True))
    found = evaluate(pictures, wanted, asked, sequence=sequence, fid=fid, networks=networks)
    for name, value in found.items():
        typer.echo(f"{name:20} {value:10.4f}  {BETTER.get(name, '')}", err=True)
    print(json.dumps(found))


@app.command()
@console.explains
def estimator(
    folder: Annotated[Path, typer.Option(help="Where renders and checkpoints are kept.")] = Path(
        "runs/estimator"
    ),
    data: Annotated[
        Path | None, typer.Option(help="A data set of `data make`; without, random poses.")
    ] = None,
    poses: Annotated[int, typer.Option(help="Pictures of each training character.")] = 48,
    steps: Annotated[int, typer.Option(help="Batches in all.")] = 1_000_000,
    minutes: Annotated[float, typer.Option(help="Anneal and stop after so long in all.")] = 60.0,
    test: Annotated[
        bool, typer.Option(help="Only measure FOLDER's network, or the engine's.")
    ] = False,
    seed: int = 0,
) -> None:
    """Train the estimator of drawn characters' poses; continues from FOLDER's checkpoint."""
    from training.estimator.command import test as test_it
    from training.estimator.command import train

    if test:
        test_it(folder, print)
    else:
        train(folder, data, poses, steps, minutes, seed, print)


@app.command()
@console.explains
def estimators(
    videos: Annotated[
        list[Path] | None, typer.Argument(help="Of people, beside the performer's clip.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where all is kept.")] = Path("runs/estimators"),
    data: Annotated[
        Path | None, typer.Option(help="A data set of `data make`; without, random poses.")
    ] = None,
    poses: Annotated[int, typer.Option(help="Pictures of each training character.")] = 48,
    steps: Annotated[int, typer.Option(help="Batches of drawings, for each.")] = 400,
    output: Annotated[Path | None, typer.Option("-o", help="Write the figures here: .json")] = None,
    seed: int = 0,
) -> None:
    """Train the estimator from four starts on one budget: Table 1 of the first paper in kind."""
    from training.estimator.starts import as_markdown, compare

    found = compare(folder, data, videos or [], poses, steps, seed, print)
    print(as_markdown(found))
    if output is not None:
        output.write_text(json.dumps(found, indent=1) + "\n")


@app.command()
@console.explains
def cutout(
    folder: Annotated[Path, typer.Option(help="Where renders and checkpoints are kept.")] = Path(
        "runs/cutout"
    ),
    data: Annotated[
        Path | None, typer.Option(help="A data set of `data make`; without, random poses.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="An estimator's checkpoint, for its features of drawings.")
    ] = None,
    photographs: Annotated[
        Path | None, typer.Option(help="A folder of them, to put behind figures, beside others.")
    ] = None,
    poses: Annotated[int, typer.Option(help="Pictures of each training character.")] = 48,
    steps: Annotated[int, typer.Option(help="Batches in all.")] = 1_000_000,
    minutes: Annotated[float, typer.Option(help="Anneal and stop after so long in all.")] = 25.0,
    test: Annotated[
        bool, typer.Option("--test", help="Only measure FOLDER's network, or the engine's.")
    ] = False,
    drawing: Annotated[
        list[Path] | None, typer.Option(help="Measure on drawings with alpha; repeatable.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", help="Write its lines here: .jsonl")] = None,
    seed: int = 0,
) -> None:
    """Train the network that cuts figures out; continues from FOLDER's checkpoint."""
    from training.cutout.command import test as test_it
    from training.cutout.command import train

    if test:
        test_it(folder, drawing or [], output, print)
        return
    train(folder, data, start, photographs, poses, steps, minutes, seed, print)


def main() -> None:
    """Entry point of `ayatsuri-train`."""
    app()


if __name__ == "__main__":
    main()

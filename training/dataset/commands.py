"""`ayatsuri-train data ...`: make data sets, look at them, count what is in them."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import cv2
import typer
from numpy.typing import NDArray
from rich.markup import escape

from engine import console
from training.dataset.errors import DatasetError

app = typer.Typer(no_args_is_help=True, help=__doc__)


class BackgroundName(StrEnum):
    """What is behind the character."""

    TRANSPARENT = "transparent"
    WHITE = "white"
    SCENES = "scenes"


class SplitName(StrEnum):
    """The two halves that share nothing."""

    TRAIN = "train"
    TEST = "test"


Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the data set is.")]


@app.command()
@console.explains
def make(
    folder: Folder,
    train: Annotated[int, typer.Option(help="Procedural characters to train on.")] = 214,
    test: Annotated[int, typer.Option(help="Procedural characters to test on.")] = 46,
    samples: Annotated[int, typer.Option(help="Pictures of each character.")] = 175,
    still: Annotated[float, typer.Option(help="Share of single poses, not from motions.")] = 0.3,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 256,
    supersample: Annotated[int, typer.Option(help="Samples of a pixel along each side.")] = 2,
    background: BackgroundName = BackgroundName.TRANSPARENT,
    vary_camera: Annotated[
        bool, typer.Option("--vary-camera", help="Pitch, zoom, place and perspective at random.")
    ] = False,
    vary_light: Annotated[bool, typer.Option("--vary-light", help="Light at random.")] = False,
    model: Annotated[
        list[Path] | None, typer.Option(help="A PMX, PMD, VRM or glTF file as a character, too.")
    ] = None,
    motion: Annotated[
        list[Path] | None, typer.Option(help="A motion file, or a video of a dance, to be danced.")
    ] = None,
    seed: int = 0,
    workers: Annotated[int, typer.Option(help="Processes that render.")] = os.cpu_count() or 1,
    ray: Annotated[bool, typer.Option("--ray", help="Render on a Ray cluster.")] = False,
) -> None:
    """Make a data set, or go on with one that was begun."""
    from training.dataset.make import make as make_all
    from training.dataset.plan import Plan, with_files
    from training.dataset.stage_one import as_motion_files

    with console.progress_bar() as bar:
        motions = as_motion_files(motion or [], folder.with_name(f"{folder.name}-motions"))
        plan = with_files(
            Plan(
                train, test, samples, still, size, supersample, background.value, vary_camera,
                vary_light, seed,
            ),
            model or [], motions,
        )  # fmt: skip
        task = bar.add_task(escape(folder.name), total=None)
        manifest = make_all(
            plan, folder, workers=workers, ray=ray,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    counts = ", ".join(f"{n:,} to {split} on" for split, n in manifest["samples"].items())
    size_mb = sum(shard["bytes"] for shard in manifest["shards"]) / 1e6
    console.say(f"{escape(str(folder))}: {counts}; {size_mb:,.0f} MB")


@app.command()
@console.explains
def show(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", help=".png or .jpg")],
    split: SplitName = SplitName.TRAIN,
    characters: Annotated[int, typer.Option(min=1, help="Rows.")] = 8,
    samples: Annotated[int, typer.Option(min=1, help="Pictures in a row.")] = 12,
    seed: Annotated[int, typer.Option(help="Another seed, other samples.")] = 0,
) -> None:
    """Write a contact sheet of random samples, the skeletons drawn on."""
    from training.dataset.reader import Dataset
    from training.dataset.sheet import contact_sheet

    dataset = Dataset.open(folder, split.value)
    if not len(dataset):
        raise DatasetError(f"{folder} has no characters to {split.value} on: choose another split")
    _write_picture(output, contact_sheet(dataset, characters, samples, seed))
    console.say(f"wrote {escape(str(output))}")


@app.command()
@console.explains
def verify(folder: Folder) -> None:
    """Compare every shard with the manifest's checksum."""
    from training.dataset.reader import verify as wrong_shards

    wrong = wrong_shards(folder)
    if wrong:
        raise DatasetError(
            f"{len(wrong)} shards are missing or damaged: {', '.join(wrong[:10])}: run the same "
            "`ayatsuri-train data make` again, which makes them anew"
        )
    console.say(f"[green]ok[/] {escape(str(folder))}")


@app.command()
@console.explains
def stats(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder of documents.")],
    command: Annotated[
        str, typer.Option(help="What made the data set, for the page.")
    ] = "ayatsuri-train data make FOLDER",
) -> None:
    """Write dataset.md: what is in a data set, beside the papers' figures."""
    from training.dataset.page import write_page
    from training.dataset.plan import Split
    from training.dataset.reader import Dataset
    from training.dataset.sheet import contact_sheet
    from training.dataset.statistics import Statistics, joint_density, measure

    with console.progress_bar() as bar:

        def measured(split: Split) -> Statistics:
            task = bar.add_task(f"reading {split}", total=None)
            return measure(
                Dataset.open(folder, split),
                lambda done, total: bar.update(task, completed=done, total=total),
            )

        train, test = measured("train"), measured("test")
    sheet = output / "pictures" / "dataset.jpg"
    sheet.parent.mkdir(parents=True, exist_ok=True)
    _write_picture(sheet, contact_sheet(Dataset.open(folder, "test", 160), 6, 10))
    _write_picture(output / "pictures" / "dataset-joints.png", joint_density(train))
    path = write_page(output, train, test, command)
    console.say(f"wrote {escape(str(path))}")


@app.command()
@console.explains
def video(
    source: Annotated[Path, typer.Argument(metavar="VIDEO", help="Of a person, or a motion file.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=".mp4, .webm or .mov, or a folder of PNG")
    ],
    character: Annotated[
        str, typer.Option("--character", "-c", help="PMX, PMD, VRM, glTF, procedural:SEED or ito.")
    ] = "ito",
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 512,
) -> None:
    """Stage One of the first paper: the same dance, danced by a model, with its true joints."""
    from training.characters.choose import open_character
    from training.dataset.stage_one import motion_of, stage_one

    dancer = open_character(character)
    with console.progress_bar() as bar:
        task = bar.add_task(f"watching {escape(source.name)}", total=None)
        clip = motion_of(source, lambda done, total: bar.update(task, completed=done, total=total))
        task = bar.add_task("rendering", total=len(clip))
        made = stage_one(
            clip, dancer, output, size=size,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    console.say(
        f"wrote {made.frames} frames to {escape(str(made.video))} and their joints to "
        f"{escape(str(made.truth))}"
    )


def _write_picture(path: Path, picture: NDArray) -> None:
    flags = {
        ".png": [cv2.IMWRITE_PNG_COMPRESSION, 9],
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 88],
    }.get(path.suffix.lower())
    if flags is None:
        raise DatasetError(f"expected a .png or .jpg to write, found {path.name}: rename it")
    written = False
    if path.absolute().parent.is_dir():
        written = cv2.imwrite(str(path), picture[..., ::-1], flags)
    if not written:
        raise DatasetError(f"{path} cannot be written: check that its folder exists")

"""`ayatsuri adapt`: a user's own drawing becomes a character."""

import json
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine import console
from engine.commands.refine import FpsOption, MinutesOption, with_a_bar
from engine.report import cores

if TYPE_CHECKING:
    from engine.enrol.enrol import Character, Wish
    from engine.generator import Generator

_STEPS_EACH = 3  # reading, finding, cutting


@console.explains
def adapt(
    drawings: Annotated[
        list[Path],
        typer.Argument(
            metavar="DRAWING...", help="Pictures of one character; the first from the front."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="BUNDLE", help="Else the drawing's name."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The character's name.")] = None,
    author: Annotated[str, typer.Option(help="Who drew it, kept in the bundle.")] = "",
    licence: Annotated[str, typer.Option(help="Of the drawing, kept in the bundle.")] = "",
    size: Annotated[
        int,
        typer.Option(
            min=128,
            max=1024,
            metavar="PX",
            help="Width and height of the live picture, a multiple of 16; smaller is faster.",
        ),
    ] = 512,
    edit: Annotated[
        bool, typer.Option("--edit", help="Correct the joints in your browser first.")
    ] = False,
    keypoints: Annotated[
        list[Path] | None,
        typer.Option(metavar="JSON", help="Joints that you know, a file for each drawing."),
    ] = None,
    save_keypoints: Annotated[
        Path | None,
        typer.Option("--save-keypoints", metavar="JSON", help="Write the joints found."),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="A picture of joints, parts and a pose."),
    ] = None,
    clip: Annotated[
        Path | None, typer.Option(metavar="MP4", help="A video of the character's dance, 20 s.")
    ] = None,
    paint: Annotated[
        bool | None,
        typer.Option(
            "--paint/--plain",
            help="Let a small network redraw seams, specks and edges, or do not; else it does "
            "where this machine then holds --fps, timed after the puppet was written.",
        ),
    ] = None,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine",
            help="Then let the small network learn to mend this character, a minute or two: see "
            "`ayatsuri refine`. The puppet is written first, and is live meanwhile.",
        ),
    ] = False,
    generator: Annotated[
        bool,
        typer.Option(
            "--generator",
            help="Then also adapt the few-shot generator to the drawings, less than a minute; "
            "`--draw generator` shows it. Needs the extra `train`.",
        ),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="SAFETENSORS",
            help="For --generator: as `ayatsuri-train weights` writes them, else those that ship.",
        ),
    ] = None,
    fps: FpsOption = 30.0,
    minutes: MinutesOption = 5.0,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Also a photograph, or the largest of several figures."),
    ] = False,
) -> None:
    """Make a live character of a drawing, in seconds. Then: ayatsuri live -c BUNDLE"""
    if size % 16:
        raise typer.BadParameter("the size must be a multiple of 16", param_hint="--size")
    if (paint or refine) and size % 32:
        raise typer.BadParameter(
            "with --paint or --refine it must be a multiple of 32", param_hint="--size"
        )
    if refine and paint is False:
        raise typer.BadParameter("a puppet that stays --plain cannot be refined")
    if weights is not None and not generator:
        raise typer.BadParameter("--weights are for --generator")
    from engine.enrol.enrol import Wish, enrol, save_png, write
    from engine.enrol.enrol import preview as picture_of
    from engine.io.folders import needs_folder
    from engine.refining import find_refiner
    from engine.tuning import find_tuner

    if refine:
        find_refiner()  # what is missing is told at once
    if generator:
        find_tuner()

    wish = Wish(
        name=name, author=author, licence=licence, size=size, keypoints=tuple(keypoints or ()),
        by_hand=edit, anyway=anyway, paint=bool(paint),
    )  # fmt: skip
    output = output or Path(f"{drawings[0].stem}.character")
    for wanted in (output, save_keypoints, preview, clip):
        if wanted is not None:
            needs_folder(wanted)  # not told when the work is done
    began = time.perf_counter()
    with _bar() as bar:
        task = bar.add_task("", total=_STEPS_EACH * len(drawings) + 1)

        def step(text: str) -> None:
            done = bar.tasks[task].fields.get("begun", 0)
            bar.update(task, description=escape(text), completed=done, begun=done + 1)

        def show_page(address: str) -> None:
            bar.console.print(f"drag the joints here: [bold cyan]{escape(address)}[/]")
            webbrowser.open(address)

        character = enrol(
            drawings, wish, step=step, show_page=show_page,
            say=lambda text: bar.console.print(f"[cyan]{escape(text)}[/]"),
        )  # fmt: skip
        step("writing the character")
        write(character, output, wish)
        bar.update(task, completed=bar.tasks[task].total)
    seconds = time.perf_counter() - began
    if save_keypoints is not None:
        _save_keypoints(character, save_keypoints)
    console.show(_table(character, wish))
    console.say(
        f"wrote [bold]{escape(str(output))}[/] in {seconds:.1f} s; see it move: "
        f"[bold]ayatsuri live -c {escape(str(output))}[/]"
    )
    if paint is None:
        _paint(output, fps)
    if refine:
        with_a_bar(output, fps, minutes, cores())
    if generator:
        _tune(output, weights)
    if preview is not None or clip is not None:
        from engine.casting import load_cast

        cast = load_cast([output], fps=fps)
        try:
            if preview is not None:
                save_png(picture_of(character, cast.actors[0].generator), preview)
            if clip is not None:
                _write_clip(character, clip, cast.actors[0].generator)
        finally:
            cast.close()


def _paint(output: Path, fps: float) -> None:
    """Let the painter that ships take over, if it is quick enough here."""
    from engine.errors import NotInBundle, RefinementFailed
    from engine.painted import paint

    with _bar() as bar:
        bar.add_task("timing the painter on this machine", total=None)
        try:
            shrink = paint(output, fps, lambda text: bar.console.print(f"[cyan]{escape(text)}[/]"))
        except (NotInBundle, RefinementFailed) as error:
            bar.console.print(f"[cyan]it stays a plain puppet: {escape(str(error))}[/]")
            return
    if shrink is not None:
        console.say(f"{escape(str(output))} is painted over now")


def _tune(output: Path, weights: Path | None) -> None:
    """Adapt the few-shot generator, and put it beside the puppet."""
    from engine.tuning import tune

    with _bar() as bar:
        task = bar.add_task("", total=1)
        tuned = tune(
            output, weights=weights,
            on_progress=lambda stage, share: bar.update(
                task, description=escape(stage), completed=share
            ),
        )  # fmt: skip
    console.say(
        f"{escape(str(output))} has a generator of {tuned.size} px too, adapted in "
        f"{tuned.record.get('seconds', 0)} s: [bold]ayatsuri live -c {escape(str(output))} "
        "--draw generator[/]"
    )


def _bar() -> Progress:
    return Progress(
        SpinnerColumn(),
        BarColumn(bar_width=24),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console.errors(),
    )


def _table(character: "Character", wish: "Wish") -> Table:
    table = Table(title=f"{character.name}, {wish.size} x {wish.size}", title_justify="left")
    for heading in ("view", "drawing", "cut out by", "evidence", "inferred"):
        table.add_column(heading)
    for view in character.views:
        doubtful = ", ".join(view.doubtful) or "nothing"
        table.add_row(
            view.name, escape(view.picture.name), view.figure.cut.how,
            f"{view.figure.evidence:.2f}",
            doubtful + (" (cut above the feet)" if view.is_cut else ""),
        )  # fmt: skip
    return table


def _save_keypoints(character: "Character", path: Path) -> None:
    from engine.enrol.enrol import file_joints
    from engine.enrol.keypoints import keypoints_json
    from engine.errors import SinkError

    several = len(character.views) > 1
    for view in character.views:
        content = keypoints_json(file_joints(view), view.picture.name, view.picture.size_wh)
        target = path.with_stem(f"{path.stem}.{view.name}") if several else path
        try:
            target.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{target} cannot be written: {error}") from error


def _write_clip(character: "Character", path: Path, generator: "Generator") -> None:
    from engine.enrol.enrol import clip as write_clip

    with console.progress_bar() as bar:
        task = bar.add_task(escape(path.name), total=None)
        write_clip(
            character, path, generator,
            lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip

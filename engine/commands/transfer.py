"""`ayatsuri transfer`: a person's video and a drawing in, the drawing's video out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine import console
from engine.commands.options import ReportOption, shows
from engine.commands.running import behind_a_bar

if TYPE_CHECKING:
    from engine.options import Options


@console.explains
@shows(without=("show_pose",))
def transfer(
    person: Annotated[
        str, typer.Argument(metavar="PERSON.mp4", help="A person's video, head to foot.")
    ],
    drawing: Annotated[
        list[Path],
        typer.Argument(
            metavar="DRAWING...",
            help="Pictures of one character, the first from the front; or a character bundle.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="OUT.mp4; with alpha: OUT.webm, OUT.mov or a folder of PNG."
        ),
    ],
    save_stages: Annotated[
        Path | None,
        typer.Option(
            "--save-stages",
            metavar="FOLDER",
            help="Keep poses, normalised poses, pose images, the character and a contact sheet.",
        ),
    ] = None,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Also a photograph, or the largest of several figures."),
    ] = False,
    keypoints: Annotated[
        list[Path] | None,
        typer.Option(metavar="JSON", help="Joints that you know, a file for each drawing."),
    ] = None,
    report: ReportOption = None,
    *,
    options: "Options",
) -> None:
    """Let a drawing do what a person does in a video, in one go."""
    from engine.character import is_bundle
    from engine.enrol.enrol import Wish
    from engine.transfer import transfer as run

    if keypoints and any(map(is_bundle, drawing)):
        raise typer.BadParameter("a bundle has its joints already", param_hint="--keypoints")
    wish = Wish(keypoints=tuple(keypoints or ()), anyway=anyway)
    behind_a_bar(
        person,
        output,
        lambda on_progress, on_message: run(
            person, drawing, output, wish=wish, stages=save_stages, report=report,
            options=options, on_progress=on_progress, on_message=on_message,
        ),
    )  # fmt: skip
    if save_stages is not None:
        console.say(f"what every stage made is in [bold]{save_stages}[/]")

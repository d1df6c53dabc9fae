"""`ayatsuri live`: the webcam puppet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from engine import console
from engine.commands.options import (
    PushOption,
    PushTokenOption,
    ReportOption,
    TargetCpuOption,
    TargetFpsOption,
    TargetLatencyOption,
    shows,
)

if TYPE_CHECKING:
    from engine.options import Options


@shows()
def live(
    source: Annotated[
        str, typer.Option(help="webcam:N, or a video file or stream URL paced as a camera is.")
    ] = "webcam:0",
    sink: Annotated[str, typer.Option(help="window, virtualcam, null, or a file to write.")] = (
        "window"
    ),
    character: Annotated[
        list[Path] | None,
        typer.Option(
            "--character",
            "-c",
            metavar="BUNDLE",
            help="A character bundle; name several to switch between them. Else Ito.",
        ),
    ] = None,
    report: ReportOption = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after so many seconds.")
    ] = None,
    push: PushOption = None,
    push_token: PushTokenOption = None,
    *,
    options: "Options",
    target_fps: TargetFpsOption = None,
    target_latency: TargetLatencyOption = None,
    target_cpu: TargetCpuOption = None,
) -> None:
    """The webcam puppet. Keys: m mirror, c recalibrate, n/p switch character, s pose, q quit."""
    from engine.app import KEYS, Targets
    from engine.app import live as run_live

    console.say("[bold]keys[/]  " + "   ".join(f"[bold cyan]{k}[/] {v}" for k, v in KEYS.items()))
    result = run_live(
        source, sink, character or None, report=report, seconds=seconds, push=push or (),
        push_token=push_token, options=options,
        targets=Targets(target_fps, target_latency, target_cpu),
        on_message=lambda text: console.say(f"[cyan]{escape(text)}[/]"),
    )  # fmt: skip
    console.show(result.table())

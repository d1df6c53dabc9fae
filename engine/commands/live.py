"""`ayatsuri live`: the webcam puppet."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from engine import console
from engine.commands.options import (
    PushOption,
    PushTokenOption,
    ReportOption,
    TargetCpuOption,
    TargetFpsOption,
    TargetGpuOption,
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
    target_gpu: TargetGpuOption = None,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine",
            help="Meanwhile let a small network learn to mend the first character, a puppet: see "
            "`ayatsuri refine`. It takes over when it is better.",
        ),
    ] = False,
) -> None:
    """The webcam puppet. Keys: m mirror, c recalibrate, n/p switch character, s pose, q quit."""
    from engine.app import KEYS, LIVE_FPS, Targets
    from engine.app import live as run_live

    console.say("[bold]keys[/]  " + "   ".join(f"[bold cyan]{k}[/] {v}" for k, v in KEYS.items()))

    def say(text: str) -> None:
        console.say(f"[cyan]{escape(text)}[/]")

    def progress(line: dict[str, Any]) -> None:
        if said := line.get("told") or line.get("error"):
            say(f"refine: {said}")
        elif stage := line.get("stage"):
            left = f", {line['left_s']:.0f} s left" if "left_s" in line else ""
            say(f"refine: {stage}, {100 * line['share']:.0f} %{left}")

    if refine and not character:
        raise typer.BadParameter("name a puppet's bundle with -c", param_hint="--refine")
    with console.plays_so_far(sink), ExitStack() as cleanup:
        refining = None
        if refine and character:
            from engine.refining import Background

            fps = target_fps or LIVE_FPS
            refining = cleanup.enter_context(Background(character[0], progress, fps=fps))
            say("refine: begins beside the show, at low priority; it takes some minutes")
        result = run_live(
            source, sink, character or None, report=report, seconds=seconds, push=push or (),
            push_token=push_token, options=options,
            targets=Targets(target_fps, target_latency, target_cpu, target_gpu), on_message=say,
        )  # fmt: skip
        if refining is not None and refining.wait(0) is None:
            say("refine: the show ended first, the puppet stays as it was; try `ayatsuri refine`")
    console.show(result.table())

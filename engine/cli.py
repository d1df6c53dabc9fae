"""The command line: `ayatsuri puppet`, `live`, `adapt`, `motion`, `compile`, `doctor`, `models` ...

Exit codes: 0 done; 1 an error, explained in one message; 2 a wrong option; 3 a bug; 130 Ctrl-C.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from engine import console
from engine._version import __version__
from engine.commands.adapt import adapt
from engine.commands.live import live
from engine.commands.options import (
    CharacterOption,
    LifterName,
    PoseModel,
    PoseModelOption,
    PoseRuntimeName,
    PoseRuntimeOption,
    PrecisionName,
    ReportOption,
    ThreadsOption,
    shows,
)
from engine.commands.refine import refine
from engine.commands.running import behind_a_bar
from engine.commands.serve import serve
from engine.commands.transfer import transfer
from engine.extensions import WithExtensions

if TYPE_CHECKING:
    from engine.options import Options

app = typer.Typer(
    cls=WithExtensions,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Puppeteer a full-body 2D anime character live, from a webcam or any video.",
    epilog="Exit codes: 0 done, 1 an explained error, 2 a wrong option, 3 a bug, 130 Ctrl-C.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        console.say(__version__)
        raise typer.Exit


@app.callback()
def _before_every_command(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    console.Settings.debug = debug


@app.command()
@console.explains
@shows()
def puppet(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="A video file or stream URL.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="OUT.mp4; with alpha: OUT.webm, OUT.mov or a folder of PNG."
        ),
    ],
    character: CharacterOption = None,
    report: ReportOption = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Pace the video as a camera is; late frames drop.")
    ] = False,
    *,
    options: "Options",
) -> None:
    """Puppet a video: as fast as this machine can, or as a camera would with --realtime."""
    _puppet(video, output, character, report, realtime, options)


@app.command()
@console.explains
def demo(
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("demo/ayatsuri.mp4"),
    report: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="Counts, drops and latencies; else beside the output."),
    ] = None,
    threads: ThreadsOption = 1,
) -> None:
    """Puppet the clip that ships with Ayatsuri; performer and character side by side."""
    from engine.app import PERFORMER, Options

    output.parent.mkdir(parents=True, exist_ok=True)
    options = Options(layout="side-by-side", threads=threads)
    _puppet(str(PERFORMER), output, None, report or output.parent / "report.json", False, options)


app.command()(console.explains(live))
app.command()(console.explains(serve))


@app.command()
@console.explains
def motion(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="One person, head to foot.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="DANCE.vmd for MikuMikuDance, or DANCE.bvh.")
    ],
    lifter: Annotated[
        LifterName, typer.Option(help="Martinez's baseline network, or MediaPipe's own 3D.")
    ] = LifterName.BASELINE,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
    field_of_view: Annotated[
        float, typer.Option(min=5, max=150, help="The camera's, degrees along the longer side.")
    ] = 55.0,
) -> None:
    """Turn a video of a dance into a motion file, 30 frames a second."""
    from engine.mocap.video import motion as recover_motion

    with console.progress_bar() as bar:
        task = bar.add_task(escape(Path(video).name), total=None)
        found = recover_motion(
            video, output, lifter=lifter.value, pose_model=pose_model.value,
            pose_runtime=pose_runtime.value, field_of_view_deg=field_of_view,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
    console.say(f"wrote {len(found.clip)} frames to [bold]{escape(str(output))}[/]")


class Target(StrEnum):
    """What a character can be compiled for."""

    RTX = "rtx"
    GPU = "gpu"


@app.command("compile")
@console.explains
def compile_character(
    character: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A character bundle.")],
    target: Annotated[
        Target,
        typer.Option(
            help="rtx: TensorRT for RTX, for any card; gpu: TensorRT, for this machine's."
        ),
    ] = Target.RTX,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(metavar="X.Y", help="Of the card: 8.6 Ampere, 8.9 Ada, 12.0 Blackwell ..."),
    ] = None,
    precision: Annotated[
        PrecisionName, typer.Option(help="fp32, fp16 or int8.")
    ] = PrecisionName.FP16,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the engine here too.")
    ] = None,
) -> None:
    """Compile a character for a graphics card, which need not be in this machine."""
    from engine.backends.cuda import why_not
    from engine.backends.tensorrt_build import compile_rtx
    from engine.character import CharacterBundle
    from engine.errors import BackendError, SinkError

    bundle = CharacterBundle.load(character)
    if target is Target.GPU:
        from engine.backends.tensorrt import compile_here

        if compute_capability or output:
            raise BackendError(
                "TensorRT compiles for the GPU that is here, into the cache: --compute-capability "
                "and --output are for --target rtx"
            )
        name = compile_here(bundle, precision.value, on_progress=console.say)
        console.say(f"[green]ok[/] {escape(bundle.name)} compiled for {escape(name)}")
        return
    capabilities = tuple(compute_capability or ["8.9"])
    plan, kept = compile_rtx(bundle, capabilities, precision.value, on_progress=console.say)
    how = "was compiled already" if kept else "compiled"
    console.say(
        f"[green]ok[/] {escape(bundle.name)} {how} for {target.value} {', '.join(capabilities)} "
        f"in {precision.value}: {len(plan) / 1e6:.1f} MB"
    )
    if output is not None:
        try:
            output.write_bytes(plan)
        except OSError as error:
            raise SinkError(f"{output} cannot be written: {error}") from error
        console.say(f"wrote [bold]{escape(str(output))}[/]")
    if reason := why_not():
        console.say(f"[yellow]note[/] it cannot run on this machine: {escape(reason)}")


@app.command()
@console.explains
def doctor(
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only what is missing.")] = False,
) -> None:
    """What this machine has, what is missing, and the exact command that mends it."""
    from engine import doctor as looks

    checks = looks.diagnose()
    if quiet:
        checks = [check for check in checks if check.status == "missing"]
    if checks:
        console.show(looks.table(checks))
    if ailing := [check for check in checks if check.remedy]:
        console.say("to mend it:")
    for check in ailing:  # each on a line of its own, so that it can be copied
        console.say(f"  [bold]{escape(check.name)}[/]: {escape(check.remedy)}")
    if any(check.status == "missing" for check in checks):
        raise typer.Exit(console.EXIT_EXPLAINED)


@app.command()
@console.explains
def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="pose-lite, pose-full or pose-heavy."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch even what is there.")] = False,
) -> None:
    """Fetch model files into your cache and check their SHA-256; without a name, pose-full.

    Each is also converted to ONNX, which is what is run.
    """
    from engine import models as store
    from engine.pose import networks

    wanted = names or ["pose-full"]
    for name in wanted:
        store.get(name)  # a wrong name is told before anything is fetched
    for name in wanted:
        path = _fetch(name, force)
        console.say(f"[green]ok[/] {name}: {escape(str(path))}")
        networks.load(name)
        console.say(f"[green]ok[/] {name} as ONNX: {escape(str(networks.path_of(name)))}")


app.command()(adapt)
app.command()(refine)
app.command()(transfer)


@app.command()
def version() -> None:
    """Print the version."""
    console.say(__version__)


def _puppet(
    video: str,
    output: Path,
    character: Path | None,
    report: Path | None,
    realtime: bool,
    options: "Options",
) -> None:
    """Run `engine.app.puppeteer` behind a progress bar, then show the table."""
    from engine.app import puppeteer

    behind_a_bar(
        video,
        output,
        lambda on_progress, on_message: puppeteer(
            video, output, character, report=report, realtime=realtime, options=options,
            on_progress=on_progress, on_message=on_message,
        ),
    )  # fmt: skip


def _fetch(name: str, force: bool) -> Path:
    """Run `engine.models.fetch` behind a progress bar."""
    from engine.models import fetch

    with console.download_bar() as bar:
        task = bar.add_task(name, total=None)
        path = fetch(
            name, force=force, say=bar.console.print,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip
        size = path.stat().st_size
        bar.update(task, completed=size, total=size)
    return path


def main() -> None:
    """Run the command line; `engine.__main__` does, and answers a Ctrl-C before any command."""
    app()

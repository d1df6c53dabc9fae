"""`ayatsuri bench NAME`: every benchmark by its own name; each imports only what it needs."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from engine import console
from engine.errors import MissingDependency, pip_install


@dataclass(frozen=True, slots=True)
class Command:
    """A benchmark's module, whose `main` is the command, and the question that it answers."""

    module: str
    question: str
    measures: bool = True
    """Whether it makes a result, and so takes --output and --json."""


COMMANDS: Final = {
    "all": Command(
        "bench.everything", "Every benchmark, one after the other, on one page.", measures=False
    ),
    "open": Command("bench.open", "How late is the picture when a camera dictates the pace?"),
    "closed": Command("bench.closed", "How fast is a video puppeteered, as fast as can be?"),
    "live": Command("bench.live", "Does the live puppet keep up, minute after minute?"),
    "webrtc": Command("bench.webrtc", "How late is the puppet in a browser, glass to glass?"),
    "governor": Command("bench.governor", "What becomes of a show when the machine gets busy?"),
    "soak": Command("bench.soak", "Does anything grow over the hours?"),
    "models": Command("bench.models", "How fast are the networks, and how good their pictures?"),
    "gpu": Command("bench.gpu", "How fast are the generators on an NVIDIA GPU?", measures=False),
    "puppet": Command("bench.puppet", "How fast is the puppet?"),
    "stages": Command("bench.stages", "What does everything cost that is no network?"),
    "peers": Command("bench.peers", "How do other ways to build it do, side by side?"),
    "smoothing": Command("bench.smoothing", "What lag does how much smoothing cost?"),
    "itself": Command("bench.itself", "Can the measuring be trusted?"),
    "compare": Command("bench.compare", "Is B slower than A, beyond the noise?", measures=False),
    "page": Command("bench.page", "Make a page of results that were kept.", measures=False),
    "publish": Command("bench.publish", "Bring the documents up to date.", measures=False),
    "character": Command("bench.character", "How good are pictures of poses never seen?"),
    "fidelity": Command("bench.fidelity", "How true are the joints that drive the character?"),
    "normalisation": Command(
        "bench.normalisation", "Does normalisation give the character's own pose?"
    ),
    "pose-agreement": Command("bench.pose_agreement", "Do our pose networks agree with MediaPipe?"),
    "motion": Command("bench.motion", "Do feet slide when any motion plays on any rig?"),
    "render": Command("bench.render", "How many pictures a second does the renderer draw?"),
}

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FOLDER", help="Keep the result there, and its page."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="End with the result as one JSON line.")]


class _Late(TyperCommand):
    """A command whose module is imported when it runs, or is asked for its options."""

    def __init__(self, name: str, command: Command) -> None:
        super().__init__(name, help=command.question)
        self._command = command

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        """The context of the real command."""
        return self._load().make_context(info_name, args, parent, **extra)

    def _load(self) -> Any:
        app = typer.Typer(add_completion=False)
        settings: dict[str, Any] = {}
        try:
            main = import_module(self._command.module).main
        except ModuleNotFoundError as error:
            # Whatever its options are: they cannot be known, and it is explained why.
            main = functools.partial(_explain, missing(error))
            settings = {"ignore_unknown_options": True, "allow_extra_args": True}
        else:
            main = kept(main) if self._command.measures else main
        app.command(self.name, help=self._command.question, context_settings=settings)(
            console.explains(main)
        )
        return typer.main.get_command(app)


def missing(error: ModuleNotFoundError) -> MissingDependency:
    """What to install for a package that is not here; a module of our own is a bug, and raised."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "bench", "engine", "export", "training"):
        raise error
    return MissingDependency(f"{package} is not installed: {pip_install('bench,studio,train')}")


def _explain(error: MissingDependency) -> None:
    raise error


class _Benches(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = COMMANDS.get(cmd_name)
        return None if command is None else _Late(cmd_name, command)


app = typer.Typer(
    cls=_Benches,
    no_args_is_help=True,
    add_completion=False,
    help="Measure: latency, speed, quality.",
)


@app.callback()
def _before_every_benchmark() -> None:
    """Measure: latency, speed, quality; each figure with its interval and its machine."""


def kept(main: Callable[..., None]) -> Callable[..., None]:
    """A benchmark with two more options: where its result goes."""

    @functools.wraps(main)
    def wrapper(*, output: Path | None, json_line: bool, **given: Any) -> None:
        try:
            from bench.report import Destination

            Destination.folder, Destination.json_line = output, json_line
            main(**given)
        except ModuleNotFoundError as error:
            raise missing(error) from error

    signature = inspect.signature(main)
    more = {"output": (OutputOption, None), "json_line": (JsonOption, False)}
    wrapper.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[
            *(p.replace(kind=p.KEYWORD_ONLY) for p in signature.parameters.values()),
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind
                )
                for name, (kind, default) in more.items()
            ),
        ]
    )
    wrapper.__annotations__ = dict(main.__annotations__) | {k: v for k, (v, _) in more.items()}
    return wrapper

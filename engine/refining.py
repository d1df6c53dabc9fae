"""Refinement: what paints over a puppet is adapted to one character, while the puppet plays.

Enrolment gives a puppet within seconds. Refinement takes minutes, needs torch, and is found by name
(an entry point of the group `ayatsuri.refiners`), since the engine imports none of the folders
beside it. It ends in a bundle that replaces the puppet's, whole or not at all; a show that plays it
takes over what is new between two frames (`engine.watching`).
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from engine.character import CharacterBundle, Network
from engine.errors import (
    BackendError,
    BundleNotFound,
    MissingDependency,
    NotInBundle,
    RefinementFailed,
)
from engine.manifest import PrecisionManifest

if TYPE_CHECKING:
    from engine.generator import Generator

GROUP: Final = "ayatsuri.refiners"
MINUTES: Final = 5.0
"""How long it adapts at most."""
FPS: Final = 30.0
SHARE: Final = 0.75
"""Of the time between two frames that a picture may take: every stage has a thread of its own."""
_ROUNDS: Final = 5
_MISSING: Final = "refining a character needs torch: pip install 'ayatsuri[train]'"
_COMMAND_LINE = (sys.executable, "-c", "from engine.cli import main; main()")

Scores = dict[str, dict[str, float]]
"""By what draws ("puppet", "shipped", "adapted"): its measures on held-out pictures."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far adaptation is.

    Attributes:
        step, steps: done, and at most.
        held_out: loss on pictures that it does not learn from.
        first: that loss before the first step.
        left_s: until the last step, if it does not end before.
    """

    step: int
    steps: int
    held_out: float
    first: float
    left_s: float


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
    """Adapts a painter to a character; `shrink` is how many times smaller a picture it looks at."""

    def __call__(
        self,
        bundle: CharacterBundle,
        *,
        shrink: int,
        minutes: float,
        threads: int,
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
    try:
        found: Refiner = installed().load()
    except ModuleNotFoundError as error:
        raise MissingDependency(f"{_MISSING} ({error})") from error
    return found


def installed() -> EntryPoint:
    """What refines here, not loaded: that takes seconds, and memory that a show needs.

    Raises:
        MissingDependency: nothing does.
    """
    entries = list(entry_points(group=GROUP))
    if not entries or find_spec("torch") is None:
        raise MissingDependency(_MISSING)
    return entries[0]


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
    digest = _digest(path)
    bundle = CharacterBundle.load(path)
    if not bundle.drawings:
        raise NotInBundle(f"{bundle.name} is no puppet: there are no cut drawings to paint over")
    bundle = bundle.drawn_by("puppet")
    width = choose_width(bundle, fps, say)
    if width is None:
        return Outcome(
            False,
            f"{bundle.name} stays a plain puppet: ask for less with --fps, or for a smaller "
            "picture with `ayatsuri adapt --size`",
        )
    refined = refiner(
        bundle, shrink=width, minutes=minutes, threads=threads, on_progress=on_progress
    )
    figures = ", ".join(f"{who} {score['perceptual']:.4f}" for who, score in refined.scores.items())
    if refined.painter is None:
        return Outcome(
            False,
            f"{bundle.name} stays a plain puppet: nothing drew held-out pictures better "
            f"(perceptual distance: {figures})",
            refined.scores,
        )
    painted = with_painter(bundle, refined.painter, refined.int8)
    generator, on_processor = _open(painted, fps)
    try:
        spent = drawing_ms(generator, painted, on_processor=on_processor)
        clip = moving(generator, bundle.skeleton, bundle.resolution)
    finally:
        generator.close()
    if spent > _budget_ms(fps):
        return Outcome(
            False,
            f"{bundle.name} stays a plain puppet: painted, a picture takes {spent:.0f} ms, and "
            f"{fps:g} frames a second leave {_budget_ms(fps):.0f} ms",
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
    return Outcome(
        True,
        f"{bundle.name} is painted by the {refined.winner} painter now, {spent:.0f} ms a picture "
        f"(perceptual distance of held-out pictures: {figures})",
        refined.scores,
    )


def choose_width(
    bundle: CharacterBundle, fps: float, say: Callable[[str], None] = lambda text: None
) -> int | None:
    """How many times smaller a picture the painter is to look at; None where none is quick enough.

    Time does not depend on the weights: the painter that ships is timed, in the runtime that a live
    show would choose. The finest that holds the rate is taken, from the one that is usual for this
    size on: figures should be about as large as those that it was trained on.
    """
    from engine.puppet.painter import shrinks
    from engine.puppet.shipped import shipped_painter, usual_shrink

    budget, size = _budget_ms(fps), bundle.resolution
    told = []
    for shrink in shrinks(size):
        if shrink < usual_shrink(size):
            continue
        try:
            models = [shipped_painter(size, p, shrink=shrink) for p in _PRECISIONS]
        except ValueError as error:
            raise NotInBundle(f"no painter can be made for {bundle.name}: {error}") from error
        likeness = PrecisionManifest(
            file="painter.int8.onnx", ssim=1, ssim_min=1, mean_error=0, max_error=0
        )
        painted = with_painter(bundle, models[0], (models[1], likeness))
        generator, on_processor = _open(painted, fps)
        try:
            spent = drawing_ms(generator, painted, on_processor=on_processor)
        finally:
            generator.close()
        told.append(f"1/{shrink} {spent:.1f} ms")
        if spent <= budget:
            say(f"width 1/{shrink}: {', '.join(told)}, of {budget:.0f} ms at {fps:g} a second")
            return shrink
    say(f"no painter holds {fps:g} a second: {', '.join(told)}, of {budget:.0f} ms")
    return None


_PRECISIONS: Final = ("fp32", "int8")


def with_painter(
    bundle: CharacterBundle, painter: bytes, int8: tuple[bytes, PrecisionManifest] | None
) -> CharacterBundle:
    """The bundle as it would be with this painter; not written."""
    from engine.backends.base import TensorSpec
    from engine.puppet.painter import shapes_of

    takes, gives = shapes_of(painter)
    network = Network(
        painter,
        TensorSpec("features", np.dtype(np.uint8), takes),
        TensorSpec("maps", np.dtype(np.uint8), gives),
        {} if int8 is None else {"int8": int8[0]},
    )
    return replace(bundle, painter=network)


def drawing_ms(
    generator: "Generator", bundle: CharacterBundle, *, on_processor: bool = True
) -> float:
    """Milliseconds that a picture takes: what other programs take meanwhile is not counted.

    The show itself is such a program, where this runs beside it at low priority. So what the
    processor draws is told by the processor's time, unless several threads draw; what an
    accelerator draws by the quickest of many pictures.
    """
    from engine.backends.probes import probe_poses, probes

    poses, images = probe_poses(bundle), probes(bundle)
    out = np.empty((bundle.resolution, bundle.resolution, 4), np.uint8)
    generator.draw(poses[0], images[0], out)
    times = []
    worked = time.process_time()
    for _ in range(_ROUNDS):
        for joints, image in zip(poses, images, strict=True):
            began = time.perf_counter()
            generator.draw(joints, image, out)
            times.append(1000 * (time.perf_counter() - began))
    mean = 1000 * (time.process_time() - worked) / len(times)
    return min(*times, mean) if on_processor else min(times)


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


def _open(bundle: CharacterBundle, fps: float) -> "tuple[Generator, bool]":
    """The puppet with its painter in the runtime that a live show would choose.

    And whether that runs on the processor.
    """
    from engine.backends.choose import ON_PROCESSOR, start
    from engine.puppet.puppet import Puppet
    from engine.puppet.trial import painter_of

    try:
        backend, choice = start(painter_of(bundle), fps=fps)
    except BackendError as error:
        raise RefinementFailed(f"the painter of {bundle.name} does not run: {error}") from error
    return Puppet(bundle.drawings, backend), choice.candidate.backend in ON_PROCESSOR


def _budget_ms(fps: float) -> float:
    return SHARE * 1000 / fps


def _digest(path: Path) -> bytes:
    if not path.is_file():
        raise BundleNotFound(f"{path} is no bundle's file: name what `ayatsuri adapt` wrote")
    return sha256(path.read_bytes()).digest()

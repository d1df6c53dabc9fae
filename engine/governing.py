"""A live show under the budget governor: its ladder of settings, and the thread that sets them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from engine import models
from engine.cast import Actor
from engine.clock import Clock
from engine.errors import AyatsuriError
from engine.frame import Packet
from engine.generator import warm_up
from engine.governor import Governor, Targets, Window
from engine.options import Options
from engine.pose.estimator import open_estimator
from engine.report import cores

if TYPE_CHECKING:
    from engine.app import Show
    from engine.ways import Way

LOOK_S: Final = 0.25
"""Between two looks at what the show costs."""

_POSES: Final = ("heavy", "full", "lite")
_EXPECTED_GAIN: Final = 1.5  # of a level over the next cheaper one, where nothing was measured
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Level:
    """One rung: a pose model, and a way to draw by its place in `Actor.ways`."""

    pose: str
    way: int
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """What the governor did: when, since the show began, from which level to which, and why."""

    at_s: float
    before: str
    after: str
    load: float
    why: str

    def __str__(self) -> str:
        return (
            f"governor, {self.at_s:.0f} s: {self.before} -> {self.after} "
            f"({100 * self.load:.0f}% of the budget: {self.why})"
        )


def ladder(
    pose_model: str, poses: Sequence[str], ways: "Sequence[Way]", *, spare_card: bool = False
) -> list[Level]:
    """The levels, the best first: other precisions, then quicker pose models, then less picture.

    Args:
        pose_model: the one of the best level.
        poses: pose models that are there.
        ways: to draw, the best first.
        spare_card: whether there is a target for the graphics card. What relieves it takes longer
            on the processor, so else it is no level.
    """
    quicker = [name for name in _POSES[_POSES.index(pose_model) + 1 :] if name in poses]
    taken = [i for i, way in enumerate(ways) if spare_card or not way.relief]
    pairs = [(pose_model, 0)]
    pairs += [(pose_model, i) for i in taken if i and ways[i].alike]
    alike = pairs[-1][1]
    pairs += [(pose, alike) for pose in quicker]
    pairs += [(pairs[-1][0], i) for i in taken if i > alike]
    drawn = [f"{way.name}, " for way in ways] or [""]
    return [Level(pose, way, f"{drawn[way]}pose {pose}") for pose, way in pairs]


def gains(levels: Sequence[Level], ways: "Sequence[Way]") -> list[float]:
    """How many times the next cheaper level's load each level's is expected to be."""
    expected = []
    for better, worse in pairwise(levels):
        gain = _EXPECTED_GAIN
        if better.way != worse.way:
            costs = ways[better.way].cost_ms, ways[worse.way].cost_ms
            if costs[0] is not None and costs[1] is not None:
                gain = costs[0] / costs[1]
        expected.append(gain)
    return expected


class Governing:
    """Keeps a show within its targets. A context manager: it governs while that is entered.

    The ladder is that of the character who begins, and a new one when what draws it has changed
    (`Actor.take_over`). One who has fewer ways to be drawn stays at the cheapest of them.

    Args:
        show: not yet running.
        targets: at least one.
        options: those of the show.
        clock: the show's.
        say: told what is done, in words.
    """

    def __init__(
        self,
        show: "Show",
        targets: Targets,
        options: Options,
        clock: Clock,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._show, self._targets, self._options = show, targets, options
        first = self._first = show.cast.wished
        self._poses = [name for name in _POSES if models.get(f"pose-{name}").path.is_file()]
        self.levels = self._ladder(options.pose_model, first.ways)
        self.changes: list[Change] = []
        self._clock, self._say = clock, say
        self._ways = {id(actor): present(actor) for actor in show.cast.actors}
        self._known = {id(actor): actor.ways for actor in show.cast.actors}
        start = min(self._ways[id(first)], len(self.levels) - 1)
        self._governor = Governor(gains(self.levels, first.ways), start)
        self._pose: str = options.pose_model
        self._window = Window(targets, cores())
        self._began_ns = clock.now_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ayatsuri-governor", daemon=True)

    @property
    def level(self) -> Level:
        """The one that is wanted now."""
        return self.levels[self._governor.level]

    def note(self, packet: Packet) -> None:
        """A packet has been shown, just now; to be called for every one, on one thread."""
        self._window.note(packet, self._clock.now_ns())

    def __enter__(self) -> "Governing":
        names = " > ".join(level.name for level in self.levels)
        self._say(f"governor: begins with {self.level.name}, of {names}")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE_S)  # it may be loading a network

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "targets": asdict(self._targets),
            "levels": [level.name for level in self.levels],
            "level": self.level.name,
            "changes": [asdict(change) for change in self.changes],
        }

    def look(self, now_ns: int, cpu_s: float) -> None:
        """Look at what the show costs, and change its level where that is called for."""
        self._renew()
        load = self._window.look(now_ns, cpu_s, "generate" if self._on_card() else None)
        before = self.level
        self._governor.look(now_ns * 1e-9, None if load is None else load.value)
        if load is not None and self.level is not before:
            at_s = (now_ns - self._began_ns) * 1e-9
            change = Change(at_s, before.name, self.level.name, load.value, load.why)
            self.changes.append(change)
            self._say(str(change))
        if self._set():
            self._window.begin(self._clock.now_ns())

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            self.look(self._clock.now_ns(), time.process_time())

    def _ladder(self, pose_model: str, ways: "Sequence[Way]") -> list[Level]:
        return ladder(pose_model, self._poses, ways, spare_card=self._targets.gpu is not None)

    def _on_card(self) -> bool:
        """Whether a graphics card draws whoever is on stage."""
        actor = self._show.cast.wished
        ways, way = actor.ways, self._ways.get(id(actor), 0)
        return way < len(ways) and ways[way].on_card

    def _renew(self) -> None:
        """Where an actor was taken over: what draws it now, and the ladder if it is the first.

        A show that had no need of less goes on with what took over; else it stays as simple as it
        was, where the new ladder has such a level.
        """
        for actor in self._show.cast.actors:
            ways = actor.ways
            before = self._known[id(actor)]
            if ways is before:
                continue
            self._known[id(actor)] = ways
            self._ways[id(actor)] = present(actor)
            if actor is not self._first or not ways:
                continue
            level, held = self.level, self._governor.level > 0
            wanted = ways[self._ways[id(actor)]].name
            if held and before[level.way].name in {way.name for way in ways}:
                wanted = before[level.way].name
            self.levels = self._ladder(self._options.pose_model, ways)
            alike = [i for i, each in enumerate(self.levels) if each.pose == level.pose]
            start = next((i for i in alike if ways[self.levels[i].way].name == wanted), alike[0])
            self._governor = Governor(gains(self.levels, ways), start)
            self._window.begin(self._clock.now_ns())
            names = " > ".join(each.name for each in self.levels)
            self._say(f"governor: goes on with {self.level.name}, of {names}")

    def _set(self) -> bool:
        """Bring the show to its level, between two frames; whether anything was changed.

        Something that cannot be started is told once; the show goes on as it is.
        """
        level, actor = self.level, self._show.cast.wished
        ways = self._known[id(actor)]
        way = min(level.way, len(ways) - 1)
        changed = False
        try:
            if way >= 0 and self._ways[id(actor)] != way:
                self._ways[id(actor)] = way
                changed = True
                generator, choice = ways[way].open()
                warm_up(generator, actor.bundle)
                actor.replace(generator, choice, of=ways)
            if self._pose != level.pose:
                self._pose = level.pose
                changed = True
                self._show.pose.replace(open_estimator(self._options.pose_runtime, level.pose))
        except AyatsuriError as error:
            self._say(f"governor: {level.name} cannot be had: {error}")
        return changed


def present(actor: Actor) -> int:
    """Which of its ways draws an actor now; the first where none is known to."""
    drawn = actor.choice.candidate if actor.choice else None
    return next((i for i, way in enumerate(actor.ways) if drawn and way.candidate == drawn), 0)

"""What a governed show looked like: how long it had which level, and how good each one's is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.quality import BEST, Likeness, dance, opened, pictures, pose_errors
from bench.statistics import Measure
from engine.casting import what_draws
from engine.character import CharacterBundle
from engine.governing import Change, Level
from engine.options import Options
from engine.ways import Way


def shares(
    levels: Sequence[Level], begins: Level, changes: Sequence[Change], begin_s: float, end_s: float
) -> dict[Level, float]:
    """The share of a stretch of time that each level had.

    Args:
        levels: all there are.
        begins: the one before the first change.
        changes: in their order, on the clock of the stretch.
        begin_s, end_s: the stretch.
    """
    by_name = {level.name: level for level in levels}
    had = [begins, *(by_name[change.after] for change in changes)]
    edges = [-np.inf, *(change.at_s for change in changes), np.inf]
    found: dict[Level, float] = {}
    for level, (begin, end) in zip(had, pairwise(edges), strict=True):
        within = min(end, end_s) - max(begin, begin_s)
        if within > 0:
            found[level] = found.get(level, 0.0) + within / (end_s - begin_s)
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """A run's levels, and how long before its timeline the governor's clock began."""

    levels: Sequence[Level]
    begins: Level
    changes: Sequence[Change]
    ahead_s: float

    def shares(self, begin_s: float, end_s: float) -> dict[Level, float]:
        """As the function, for a stretch of the timeline."""
        moved = [replace(change, at_s=change.at_s - self.ahead_s) for change in self.changes]
        return shares(self.levels, self.begins, moved, begin_s, end_s)


class Quality:
    """How good the pictures and the joints of levels are; each is looked at once.

    Pictures are compared with those of the best level in fp32, over the same joints: so a level
    that draws by other means, a puppet for a network, has its own likeness too.
    """

    def __init__(
        self, clip: Path, bundle: CharacterBundle, options: Options, ways: Sequence[Way]
    ) -> None:
        self._clip, self._bundle, self._options, self._ways = clip, bundle, options, ways
        self._joints = dance(bundle, clip, options)
        best = opened(bundle, what_draws(bundle, options.draw), BEST, options.threads)
        self._best = pictures(best, self._joints, bundle.resolution)
        self._known: dict[int, Likeness] = {}

    def likeness(self, way: int) -> Likeness:
        """Of a way to draw, by its place."""
        if way not in self._known:
            generator, _ = self._ways[way].open()
            made = pictures(generator, self._joints, self._bundle.resolution)
            self._known[way] = Likeness.of(made, self._best)
        return self._known[way]

    def measures(self, had: dict[Level, float], latency_ms: float) -> dict[str, Measure]:
        """Of a stretch in which each level had its share of the time, for a row of a result."""
        found = [(share, self.likeness(level.way)) for level, share in had.items()]
        measures = Likeness(
            sum(share * one.ssim for share, one in found),
            min(one.ssim_worst for _, one in found),
            sum(share * one.flicker for share, one in found),
        ).measures("the best level")
        errors: dict[str, float] = {}
        for level, share in had.items():
            options = replace(self._options, pose_model=level.pose)  # type: ignore[arg-type]
            for name, error in pose_errors(self._clip, options, latency_ms).items():
                errors[name] = errors.get(name, 0.0) + share * error["value"]
        return measures | {name: Measure.single(e, "% torso") for name, e in errors.items()}

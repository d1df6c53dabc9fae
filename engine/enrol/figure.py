"""Where a figure is in a drawing: its joints, by evidence and by what bodies are like.

Pictorial structures (Felzenszwalb and Huttenlocher 2005): every joint wants to be where the
estimator's heatmaps are high, bones want usual lengths and to lie within the outline, and the body
wants to fill the outline. The sum is minimised by block coordinate descent from several starts; the
two joints of a limb are moved together, by an exact search over pairs of candidates.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.looking import Seen
from engine.enrol.usual import EAR_HALF, Usual, usual

F64 = NDArray[np.float64]


_HEAT_FLOOR: Final = 0.03  # heat that is no evidence at all
_LONG, _SHORT = 0.16, 0.4  # spread of log lengths: drawn too long, and foreshortened
_COVER_POINTS: Final = 260


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of a picture.

    Attributes:
        seen: averaged heatmaps.
        solid: (H, W) the figure's outline, filled; None where it is not known yet.
        distance: (H', W') px to the outline, from outside positive and from within negative;
            padded by `pad` px.
        points: (N, 2) px of the outline's inside, thin limbs as densely as the trunk.
    """

    seen: Seen
    solid: NDArray[np.bool_] | None
    distance: NDArray[np.float32]
    pad: int
    points: F64

    @classmethod
    def of(cls, seen: Seen, solid: NDArray[np.bool_] | None) -> "Evidence":
        """Where the outline reaches the lower border, it is taken to go on below."""
        if solid is None or not solid.any():
            empty = np.zeros((1, 1), np.float32)
            return cls(seen, None, empty, 0, np.zeros((0, 2)))
        pad = max(solid.shape)
        wide = cv2.copyMakeBorder(
            solid.astype(np.uint8), pad, 0, pad, pad, cv2.BORDER_CONSTANT, value=0
        )
        wide = cv2.copyMakeBorder(wide, 0, pad, 0, 0, cv2.BORDER_REPLICATE)
        outer, inner = (cv2.distanceTransform(m, cv2.DIST_L2, 3) for m in (1 - wide, wide))
        distance = np.asarray(outer - inner, np.float32)
        rows, columns = np.nonzero(solid)
        # Thin limbs count as much as the trunk.
        inside = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 3)[rows, columns]
        weight = np.cumsum(1 / (inside + 0.004 * pad))
        draws = (np.arange(_COVER_POINTS) + 0.5) / _COVER_POINTS * weight[-1]
        some = np.searchsorted(weight, draws)
        points = np.stack([columns[some], rows[some]], axis=1) + 0.5
        return cls(seen, solid, distance, pad, points)

    def out(self, points: F64) -> F64:
        """(...,) px that points (..., 2) lie outside of the outline, or, negative, within."""
        if self.solid is None:
            return np.zeros(points.shape[:-1])
        at = np.clip(points, -1e6, 1e6).astype(np.int64) + self.pad
        x = np.clip(at[..., 0], 0, self.distance.shape[1] - 1)
        y = np.clip(at[..., 1], 0, self.distance.shape[0] - 1)
        return np.asarray(self.distance[y, x], np.float64)


@dataclass(slots=True, eq=False)
class Guess:
    """A figure as it is being fitted: joints (20, 2) px, the spine's length in px, proportions."""

    joints: F64
    spine: float
    body: Usual

    def copy(self) -> "Guess":
        """One that can be changed on its own."""
        return Guess(self.joints.copy(), self.spine, self.body)


def heat_cost(evidence: Evidence, joint: int, points: F64) -> F64:
    """0 at certainty, 3.5 where there is no evidence."""
    heat = evidence.seen.at(joint, points)
    return np.asarray(-np.log((heat + _HEAT_FLOOR) / (1 + _HEAT_FLOOR)))


def length_cost(length: F64, expected: float | F64, foreshortened: float = _SHORT) -> F64:
    """Of bones of some length where another is usual; bounded, drawings may be anything."""
    ratio = np.log(np.maximum(length, 0.02 * expected) / expected)
    square = 0.5 * (ratio / np.where(ratio < 0, foreshortened, _LONG)) ** 2
    return np.asarray(square / (1 + square / 5))


def bend_cost(before: F64, after: F64, spread: float) -> F64:
    """Of the angle between two directions (..., 2)."""
    cross = before[..., 0] * after[..., 1] - before[..., 1] * after[..., 0]
    angle = np.arctan2(cross, (before * after).sum(axis=-1))
    return np.asarray(0.5 * (angle / spread) ** 2)


def outside_cost(evidence: Evidence, start: F64, end: F64, spine: float) -> F64:
    """Of bones (..., 2) to (..., 2) that leave the outline, in [0, 3]."""
    total = np.zeros(np.broadcast_shapes(start.shape, end.shape)[:-1])
    for share in (0.25, 0.5, 0.75, 1.0):
        away = evidence.out(start + share * (end - start)) / (0.08 * spine)
        total += np.clip(away, 0.0, 3.0)
    return np.asarray(total / 4)


def rim_cost(evidence: Evidence, points: F64, radius: float) -> F64:
    """1 at the outline or outside, 0 at a limb's radius (px) within: joints are in the middle."""
    return np.asarray(np.clip(1 + evidence.out(points) / max(radius, 1e-6), 0, 1))


def reach(points: F64, start: F64, end: F64) -> F64:
    """(..., N) px from points (N, 2) to segments (..., 2) to (..., 2)."""
    start, bone = start[..., None, :], (end - start)[..., None, :]
    offset = points - start
    along = (offset * bone).sum(-1) / np.maximum((bone * bone).sum(-1), 1e-6)
    return np.asarray(np.linalg.norm(offset - np.clip(along, 0, 1)[..., None] * bone, axis=-1))


def default_guess(top: float, bottom: float, x: float) -> Guess:
    """A standing figure whose head and toes are at these heights."""
    body = usual(EAR_HALF)
    tall = body.rest[18, 1] - body.rest[14, 1] + 0.45  # hair above the eyes
    spine = (bottom - top) / tall
    joints = body.rest[:, :2] * spine + (x, top + (0.45 - body.rest[14, 1]) * spine)
    return Guess(joints, spine, body)


def similarity(source: F64, target: F64, weight: F64) -> tuple[F64, F64]:
    """The matrix (2, 2) and shift (2,) of scale and rotation that take points to others best."""
    total = weight.sum()
    a, b = (weight @ source) / total, (weight @ target) / total
    s, t = source - a, target - b
    norm = float((weight * (s * s).sum(1)).sum())
    cosine = float((weight * (s * t).sum(1)).sum()) / max(norm, 1e-9)
    sine = float((weight * (s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0])).sum()) / max(norm, 1e-9)
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    return matrix, b - matrix @ a

"""The descent of a figure's energy, joint by joint and limb by limb; see `engine.enrol.figure`."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.enrol.capsules import segments
from engine.enrol.figure import (
    Evidence,
    Guess,
    bend_cost,
    heat_cost,
    length_cost,
    outside_cost,
    reach,
    rim_cost,
    similarity,
)
from engine.enrol.usual import EAR_HALF, usual
from engine.pose.skeleton import PUPPET_20
from engine.puppet.parts import PARTS

F64 = NDArray[np.float64]

LIMBS: Final = ((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13))
HEAD: Final = (0, 14, 15, 16, 17)
_TORSO: Final = (1, 2, 5, 8, 11)
_TOES: Final = ((10, 18), (13, 19))
_ROUNDS: Final = 5
_SHORTLIST: Final = 120
_COVER: Final = (4.0, 16.0)  # where every joint is seen clearly, and where none is
_OUT: Final = (2.5, 0.9)  # likewise
_RIM: Final = (0.0, 2.0)

_ACROSS: Final = {4: 3, 7: -3, 10: 3, 13: -3}  # from a limb's joints to the other side's
_BONE: Final = {ends: i for i, ends in enumerate(PUPPET_20.bones)}
_RADII: Final = np.array([part.radius for part in PARTS])
_PART_OF: Final = {part.end: i for i, part in enumerate(PARTS) if i > 2}


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A fitted figure.

    Attributes:
        joints: (20, 3) x, y px and the heat there, the estimator's own confidence.
        spine: px, as long as it would be upright and from the front.
        ear_half: the proportions' one number, see `engine.enrol.usual`.
        cost: the energy; lower is better.
    """

    joints: F64
    spine: float
    ear_half: float
    cost: float


class Descent:
    """From one start; `run` it once."""

    def __init__(self, evidence: Evidence, guess: Guess) -> None:
        self.evidence = evidence
        self.guess = guess.copy()
        self.rng = np.random.default_rng(0)
        self.peaks = [evidence.seen.peaks(joint)[:, :2] for joint in range(20)]
        self.tips = self._tips()
        clear = float(evidence.seen.best()[:14, 2].mean())
        share = min(clear / 0.6, 1.0)
        self.cover = _COVER[1] + share * (_COVER[0] - _COVER[1])
        self.out = _OUT[1] + share * (_OUT[0] - _OUT[1])
        self.rim = _RIM[1] + share * (_RIM[0] - _RIM[1])

    def run(self) -> Fitted:
        """Go down, in ever smaller steps."""
        for number in range(_ROUNDS):
            step = 0.25 * 0.6**number
            self._measure()
            for joint in (*_TORSO, *HEAD):
                self._move(joint, step)
            for limb in LIMBS:
                self._move_limb(limb, step)
            for _, toe in _TOES:
                self._move(toe, step)
        self._measure()
        joints = self.guess.joints
        heat = [float(self.evidence.seen.at(j, joints[j])) for j in range(20)]
        return Fitted(
            np.column_stack([joints, heat]),
            self.guess.spine,
            self.guess.body.ear_half,
            self._total(),
        )

    def _tips(self) -> F64:
        """Where the outline reaches farthest, in 16 directions."""
        points = self.evidence.points
        if not len(points):
            return np.zeros((0, 2))
        angles = np.arange(16) * (np.pi / 8)
        far = (points @ np.stack([np.cos(angles), np.sin(angles)])).argmax(axis=0)
        return np.asarray(points[np.unique(far)], np.float64)

    def _measure(self) -> None:
        """The spine's length and the proportions of the joints as they are now."""
        joints = self.guess.joints
        heat = np.array([float(self.evidence.seen.at(j, joints[j])) for j in range(20)])
        spine = float(np.linalg.norm(0.5 * (joints[8] + joints[11]) - joints[1]))
        body = self.guess.body
        logs, weights = [], []
        for (a, b), i in _BONE.items():
            if a in HEAD or b in HEAD:
                continue
            length = float(np.linalg.norm(joints[b] - joints[a]))
            logs.append(np.log(max(length, 1e-3) / body.bones[i]))
            weights.append(0.05 + min(heat[a], heat[b]) * (2.0 if a == 1 else 1.0))
        order = np.argsort(logs)
        total = np.cumsum(np.array(weights)[order])
        typical = logs[order[int(np.searchsorted(total, 0.6 * total[-1]))]]
        sure = float(min(heat[1], max(heat[8], heat[11])))
        share = np.clip(0.3 + sure, 0, 0.9)
        self.guess.spine = float(
            np.exp(share * np.log(max(spine, 1e-3)) + (1 - share) * float(typical))
        )
        ears = float(np.linalg.norm(joints[17] - joints[16])) / 2 / self.guess.spine
        certain = float(np.clip(min(heat[16], heat[17]) * 1.5, 0, 1))
        ear = EAR_HALF * (max(ears, 1e-3) / EAR_HALF) ** (0.7 * certain)
        self.guess.body = usual(ear)

    def _bone(self, a: int, b: int) -> float:
        """The usual length of a bone, px."""
        return float(self.guess.body.bones[_BONE[a, b]]) * self.guess.spine

    def _nearby(self, point: F64, step: float) -> F64:
        """The point itself and two rings about it."""
        turn = self.rng.uniform(0, np.pi)
        angles = np.arange(8) * (np.pi / 4) + turn
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * (step * self.guess.spine)
        return np.concatenate([point[None], point + ring, point + 0.4 * ring])

    def _move(self, joint: int, step: float) -> None:
        options = np.concatenate(
            [self._nearby(self.guess.joints[joint], step), self.peaks[joint], self._by_rule(joint)]
        )
        cost = heat_cost(self.evidence, joint, options) + self._structure(joint, options)
        if joint in (18, 19):
            cost += self._cover(joint, self.guess.joints[10 if joint == 18 else 13], options)
        self.guess.joints[joint] = options[int(cost.argmin())]

    def _by_rule(self, joint: int) -> F64:
        """Where the others say that a joint should be."""
        joints, spine, body = self.guess.joints, self.guess.spine, self.guess.body
        hips = 0.5 * (joints[8] + joints[11])
        down = (hips - joints[1]) / max(float(np.linalg.norm(hips - joints[1])), 1e-6)
        side = np.array([down[1], -down[0]]) * self._facing()
        match joint:
            case 1:
                return np.stack([0.5 * (joints[2] + joints[5]), hips - down * spine])
            case 2 | 5:
                sign = -1 if joint == 2 else 1
                out = joints[1] + side * (sign * body.length["shoulder"] * spine)
                return np.stack([out, 2 * joints[1] - joints[7 - joint]])
            case 8 | 11:
                sign = -1 if joint == 8 else 1
                at = joints[1] + down * spine + side * (sign * body.length["hip"] * spine)
                other = joints[19 - joint] + side * (sign * 2 * body.length["hip"] * spine)
                return np.stack([at, other])
            case 18 | 19:
                knee, ankle = joints[9:11] if joint == 18 else joints[12:14]
                shin = (ankle - knee) / max(float(np.linalg.norm(ankle - knee)), 1e-6)
                drop = body.length["foot_drop"] * spine
                across = np.array([shin[1], -shin[0]]) * (0.9 * body.length["foot"] * spine)
                return np.stack([ankle + shin * drop, ankle + across, ankle - across])
        head = self._head()
        return np.asarray(head[HEAD.index(joint)][None])

    def _facing(self) -> float:
        joints = self.guess.joints
        hips = 0.5 * (joints[8] + joints[11])
        spine, across = hips - joints[1], joints[5] - joints[2]
        return 1.0 if across[0] * spine[1] - across[1] * spine[0] >= 0 else -1.0

    def _mirrored(self, points: F64) -> F64:
        """Points (N, 2) on the other side of the spine."""
        joints = self.guess.joints
        along = 0.5 * (joints[8] + joints[11]) - joints[1]
        along = along / max(float(np.linalg.norm(along)), 1e-6)
        offset = points - joints[1]
        return np.asarray(joints[1] + 2 * (offset @ along)[:, None] * along - offset)

    def _head(self) -> F64:
        """(5, 2) where a head of usual shape would have nose, eyes and ears."""
        joints = self.guess.joints
        template = self.guess.body.head[:, :2] * self.guess.spine
        template = template * np.array([self._facing(), 1.0])
        source = np.concatenate([np.zeros((1, 2)), template])
        target = np.concatenate([joints[1][None], joints[list(HEAD)]])
        heat = [float(self.evidence.seen.at(j, joints[j])) for j in HEAD]
        matrix, shift = similarity(source, target, np.array([0.5, *heat]) + 0.02)
        return np.asarray(template @ matrix.T + shift)

    def _structure(self, joint: int, at: F64) -> F64:
        joints, spine, body = self.guess.joints, self.guess.spine, self.guess.body
        cost = np.zeros(len(at))
        if joint in HEAD:
            expected = self._head()[HEAD.index(joint)]
            away = np.linalg.norm(at - expected, axis=-1) / (0.22 * body.ear_half / 0.35 * spine)
            square = 0.5 * away**2
            return np.asarray(square / (1 + square / 4))
        for a, b in _BONE:
            if joint not in (a, b) or a in HEAD or b in HEAD:
                continue
            other = joints[b if joint == a else a]
            length, expected = np.linalg.norm(at - other, axis=-1), self._bone(a, b)
            if (a, b) in _TOES:  # most feet point at the viewer, and then only their drop is seen
                expected = np.clip(length, body.length["foot_drop"] * spine, expected)
            cost += length_cost(length, expected)
            cost += 0.5 * self.out * outside_cost(self.evidence, other, at, spine)
        if joint in _TORSO:
            cost += self._torso_cost(joint, at)
        return cost

    def _torso_cost(self, joint: int, at: F64) -> F64:
        """The neck between the shoulders, shoulders and hips level and across the spine."""
        spine = self.guess.spine
        points = {j: at if j == joint else self.guess.joints[j] for j in _TORSO}
        hips = 0.5 * (points[8] + points[11])
        along = hips - points[1]
        gap = 0.5 * (points[2] + points[5]) - points[1]
        cost = 0.5 * ((gap * gap).sum(-1)) / (0.09 * spine) ** 2
        cost = cost + bend_cost(np.array([0.0, 1.0]), along, 0.45)
        cost = cost + length_cost(np.linalg.norm(along, axis=-1), spine, 0.25)
        for right, left, width in ((2, 5, "shoulder"), (8, 11, "hip")):
            across = points[left] - points[right]
            lean = (across * along).sum(-1) / np.maximum(np.linalg.norm(along, axis=-1), 1e-6)
            usual_px = 2 * self.guess.body.length[width] * spine
            cost = cost + 0.5 * (lean / (0.3 * usual_px)) ** 2
            cost = cost + length_cost(np.linalg.norm(across, axis=-1), usual_px, 0.35)
        # The hips are in the middle of the body.
        sideways = along[..., 0] * 0 + np.abs(
            (gap[..., 0] * along[..., 1] - gap[..., 1] * along[..., 0])
            / np.maximum(np.linalg.norm(along, axis=-1), 1e-6)
        )
        return np.asarray(cost + 0.5 * (sideways / (0.12 * spine)) ** 2)

    def _move_limb(self, limb: tuple[int, int, int], step: float) -> None:
        root, mid, end = limb
        joints = self.guess.joints
        first, second = self._bone(root, mid), self._bone(mid, end)
        round_first = joints[root] + _ring(16, first, (1.0, 0.6))
        other = self._mirrored(joints[[mid + _ACROSS[end], end + _ACROSS[end]]])
        mids = np.concatenate(
            [self._nearby(joints[mid], step), self.peaks[mid], other[:1], round_first]
        )
        ends = np.concatenate(
            [self._nearby(joints[end], step), self.peaks[end], other[1:], self.tips]
        )
        from_mid = mids[:, None] + _ring(16, second, (1.0, 0.6))[None]
        everywhere = np.broadcast_to(ends, (len(mids), *ends.shape))
        tried = np.concatenate([everywhere, from_mid], axis=1)  # (M, E, 2)
        cost = self._limb_cost(limb, mids[:, None], tried)
        flat = cost.ravel()
        few = np.argpartition(flat, min(_SHORTLIST, len(flat) - 1))[:_SHORTLIST]
        at_mid = mids[few // tried.shape[1]]
        at_end = tried.reshape(-1, 2)[few]
        full = flat[few] + self._cover_limb(limb, at_mid, at_end)
        best = int(full.argmin())
        moved = at_end[best] - joints[end]
        joints[mid], joints[end] = at_mid[best], at_end[best]
        for ankle, toe in _TOES:
            if ankle == end:
                joints[toe] += moved

    def _limb_cost(self, limb: tuple[int, int, int], mid: F64, end: F64) -> F64:
        """Of middle joints (..., 2) and ends (..., 2), without what they cover."""
        root_joint, mid_joint, end_joint = limb
        joints, spine = self.guess.joints, self.guess.spine
        root = joints[root_joint]
        upper, lower = mid - root, end - mid
        cost = heat_cost(self.evidence, mid_joint, mid) + heat_cost(self.evidence, end_joint, end)
        cost = cost + length_cost(np.linalg.norm(upper, axis=-1), self._bone(root_joint, mid_joint))
        cost = cost + length_cost(np.linalg.norm(lower, axis=-1), self._bone(mid_joint, end_joint))
        cost = cost + self.out * outside_cost(self.evidence, root, mid, spine)
        cost = cost + self.out * outside_cost(self.evidence, mid, end, spine)
        for joint, at in ((mid_joint, mid), (end_joint, end)):
            radius = 0.7 * float(_RADII[_PART_OF[joint]]) * spine
            cost = cost + self.rim * rim_cost(self.evidence, at, radius)
        if end_joint in (10, 13):
            down = 0.5 * (joints[8] + joints[11]) - joints[1]
            cost = cost + bend_cost(np.broadcast_to(down, upper.shape), upper, 0.5)
            cost = cost + bend_cost(np.broadcast_to(upper, lower.shape), lower, 0.5)
        else:
            cost = cost + bend_cost(np.broadcast_to(upper, lower.shape), lower, 1.1)
        # Both limbs of a pair want the same evidence.
        shift = _ACROSS[end_joint]
        apart = np.linalg.norm(end - joints[end_joint + shift], axis=-1)
        apart = apart + np.linalg.norm(mid - joints[mid_joint + shift], axis=-1)
        return np.asarray(cost + 3.0 * np.clip(1 - apart / (0.35 * spine), 0, 1))

    def _uncovered(self, without: tuple[int, ...]) -> F64:
        """(N,) how far the outline's points are from all parts but some, in radii, in [0, 2]."""
        points = self.evidence.points
        ends = segments(self.guess.joints)
        keep = [i for i in range(len(PARTS)) if i not in without]
        away = reach(points, ends[keep, 0], ends[keep, 1])
        away = away / (_RADII[keep] * self.guess.spine)[:, None]
        return np.asarray(np.clip(away - 1, 0, 2).min(axis=0))

    def _cover_limb(self, limb: tuple[int, int, int], mid: F64, end: F64) -> F64:
        if not len(self.evidence.points):
            return np.zeros(len(mid))
        root, mid_joint, end_joint = limb
        first, second = _PART_OF[mid_joint], _PART_OF[end_joint]
        rest = self._uncovered((first, second))
        points, spine = self.evidence.points, self.guess.spine
        upper = reach(points, np.broadcast_to(self.guess.joints[root], mid.shape), mid)
        # A hand reaches beyond the wrist.
        beyond = end + (0.35 if end_joint in (4, 7) else 0.0) * (end - mid)
        lower = reach(points, mid, beyond)
        away = np.minimum(upper / (_RADII[first] * spine), lower / (_RADII[second] * spine))
        return np.asarray(self.cover * np.minimum(rest, np.clip(away - 1, 0, 2)).mean(axis=-1))

    def _cover(self, joint: int, start: F64, at: F64) -> F64:
        if not len(self.evidence.points):
            return np.zeros(len(at))
        part = _PART_OF[joint]
        away = reach(self.evidence.points, np.broadcast_to(start, at.shape), at)
        away = np.clip(away / (_RADII[part] * self.guess.spine) - 1, 0, 2)
        return np.asarray(self.cover * np.minimum(self._uncovered((part,)), away).mean(axis=-1))

    def _total(self) -> float:
        joints = self.guess.joints
        total = 0.0
        for joint in (*_TORSO, *HEAD, 18, 19):
            at = joints[joint][None]
            total += float(heat_cost(self.evidence, joint, at)[0])
            total += 0.5 * float(self._structure(joint, at)[0])
        for limb in LIMBS:
            total += float(self._limb_cost(limb, joints[limb[1]], joints[limb[2]]))
        if len(self.evidence.points):
            total += self.cover * float(self._uncovered(()).mean())
        return total


def _ring(count: int, length: float, shares: tuple[float, ...]) -> F64:
    """(count * len(shares), 2) about the origin."""
    angles = np.arange(count) * (2 * np.pi / count)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([share * length * directions for share in shares])

"""Spring bones: hair, skirts, capes and tails that swing behind a moving body.

A chain hangs on one joint of the rig. Each of its links is drawn toward its modelled direction, as
turned by the link above it, and toward the ground; its tip is a point mass on a stick (a damped
pendulum, Verlet integration), kept out of a few capsules of the body. The modelled shape is where
an upright character's chains rest. Everything is deterministic: fixed substeps, no clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.characters import _kernels_springs
from training.characters.shapes import F64

_SUBSTEP_S = 1.0 / 120.0
_CLEARANCE = 1e-3  # a link that rests nearer a capsule than this may stay where it rests


@dataclass(frozen=True, slots=True)
class Chain:
    """Links from point to point, the first fixed to `joint`.

    `stiffness` (back to the modelled shape) and `gravity` are accelerations in units/s^2: their
    ratio says how it hangs, their size how fast it swings. `drag` is the rate in 1/s at which speed
    dies away; `radius` keeps the links off the body.
    """

    joint: int
    points: tuple[tuple[float, float, float], ...]  # in the T-pose, at least two
    stiffness: float
    gravity: float
    drag: float
    radius: float = 0.0

    @property
    def links(self) -> int:
        """How many bones the chain has."""
        return len(self.points) - 1


@dataclass(frozen=True, slots=True)
class Capsule:
    """A part of the body that chains may not enter, between two points fixed to a joint."""

    joint: int
    low: tuple[float, float, float]  # in the T-pose
    high: tuple[float, float, float]
    radius: float


class Springs:
    """The state of all chains of one character; `rest` (19, 3) are its joints in the T-pose."""

    def __init__(self, chains: Sequence[Chain], capsules: Sequence[Capsule], rest: F64) -> None:
        self._chains, self._capsules, self._rest = tuple(chains), tuple(capsules), rest
        counts = [chain.links for chain in self._chains]
        if min(counts, default=1) < 1:
            raise ValueError("expected chains of at least two points, found a shorter one")
        self._starts = np.cumsum([0, *counts]).astype(np.int32)
        self._joints = np.array([chain.joint for chain in self._chains], np.intp)
        points = [np.asarray(chain.points, np.float64) for chain in self._chains]
        empty = np.zeros((0, 3))
        self._roots = np.array([p[0] for p in points]).reshape(-1, 3)
        self._heads = np.concatenate([p[:-1] for p in points]) if points else empty
        ends = np.concatenate([p[1:] for p in points]) if points else empty
        links = ends - self._heads
        self._lengths = np.maximum(np.linalg.norm(links, axis=1), 1e-6)
        self._axes = links / self._lengths[:, None]
        self._settings = np.array(
            [(c.stiffness, c.gravity, c.drag) for c in self._chains], np.float64
        ).reshape(-1, 3)
        self._reach = self._clearances(ends)
        self._tips, self._before = ends.copy(), ends.copy()
        self._turns = np.tile(np.eye(3), (len(ends), 1, 1))
        self._settled, self._settled_turns = ends.copy(), self._turns.copy()
        self._ready = False

    def _clearances(self, tips: F64) -> F64:
        """(L, K) distance that each tip keeps from each capsule's axis."""
        reach = np.zeros((len(tips), len(self._capsules)))
        radius = np.repeat([c.radius for c in self._chains], np.diff(self._starts))
        for k, capsule in enumerate(self._capsules):
            low, high = np.asarray(capsule.low), np.asarray(capsule.high)
            span = high - low
            along = np.clip((tips - low) @ span / max(float(span @ span), 1e-12), 0.0, 1.0)
            apart = np.linalg.norm(tips - low - along[:, None] * span, axis=1)
            reach[:, k] = np.clip(
                np.minimum(capsule.radius + radius, apart - _CLEARANCE), 0.0, None
            )
        return reach

    def reset(self, rotations: F64, positions: F64) -> None:
        """Hang still in a pose: joints' global `rotations` (19, 3, 3) and `positions` (19, 3)."""
        self._advance(rotations, positions, 0.0, self._tips, self._before, self._turns)
        self._settled[:] = self._tips
        self._ready = True

    def step(self, rotations: F64, positions: F64, dt: float) -> None:
        """Follow the body to a pose `dt` seconds later; the first step hangs still."""
        if dt < 0.0:
            raise ValueError(f"expected a step of 0 s or more, found {dt}")
        if not self._ready:
            self.reset(rotations, positions)
            return
        count = int(np.ceil(dt / _SUBSTEP_S - 1e-9))
        for _ in range(count):
            self._advance(rotations, positions, dt / count, self._tips, self._before, self._turns)
        self._advance(
            rotations, positions, 0.0, self._settled, self._settled.copy(), self._settled_turns
        )

    def _advance(
        self, rotations: F64, positions: F64, dt: float, tips: F64, before: F64, turns: F64
    ) -> None:
        bases = np.ascontiguousarray(rotations[self._joints])
        offsets = self._roots - self._rest[self._joints]
        roots = positions[self._joints] + np.einsum("cab,cb->ca", bases, offsets)
        ends = np.zeros((2, len(self._capsules), 3))
        for k, capsule in enumerate(self._capsules):
            turn, origin = rotations[capsule.joint], self._rest[capsule.joint]
            for row, point in ((0, capsule.low), (1, capsule.high)):
                ends[row, k] = positions[capsule.joint] + turn @ (np.asarray(point) - origin)
        _kernels_springs.advance(
            self._starts, bases, roots, self._axes, self._lengths, self._settings,
            ends[0], ends[1], self._reach, dt, tips, before, turns,
        )  # fmt: skip

    def bones(self) -> tuple[F64, F64]:
        """Rotations (L, 3, 3) and shifts (L, 3) that take each link from the T-pose to now."""
        heads = (
            self._tips - np.einsum("lab,lb->la", self._turns, self._axes) * (self._lengths[:, None])
        )
        return self._turns, heads - np.einsum("lab,lb->la", self._turns, self._heads)

    def lag(self) -> NDArray[np.float64]:
        """(C, 3) how far the tip of each chain is from where it would settle."""
        last = self._starts[1:] - 1
        return np.asarray(self._tips[last] - self._settled[last])

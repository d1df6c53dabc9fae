"""What grows with a character as it is built: spring chains, and the bones that they add."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from training.characters.procedural.body import BONES
from training.characters.shapes import F64, Part, chain
from training.characters.springs import Chain


@dataclass(slots=True)
class Rigging:
    """The chains so far. Their links are bones after those of the rig, in order."""

    chains: list[Chain] = field(default_factory=list)

    @property
    def bones(self) -> int:
        """Joints of the rig and links of all chains so far."""
        return BONES + sum(one.links for one in self.chains)

    def add(
        self,
        joint: int,
        points: ArrayLike,
        *,
        stiffness: float = 14.0,
        gravity: float = 9.8,
        drag: float = 5.0,
        radius: float = 0.02,
    ) -> tuple[int, int]:
        """A new chain through points (N, 3): its first bone and how many it has."""
        first = self.bones
        rows = tuple((float(x), float(y), float(z)) for x, y, z in np.asarray(points))
        self.chains.append(Chain(joint, rows, stiffness, gravity, drag, radius))
        return first, len(rows) - 1

    def along(self, t: F64, joint: int, bones: tuple[int, int]) -> F64:
        """(V, B) weights of vertices at `t` (V,) along one chain: 0 its root, 1 its end."""
        first, count = bones
        links = [(joint, 0.0, 0.0), (first, 0.0, 0.10)]
        links += [(first + k, float(k), 0.40) for k in range(1, count)]
        return chain(np.asarray(t) * count, links, self.bones)

    def between(self, t: F64, place: F64, joint: int, all_bones: Sequence[tuple[int, int]]) -> F64:
        """As `along`, between neighbouring chains: `place` (V,) counts chains, 0 the first."""
        place = np.clip(place, 0.0, len(all_bones) - 1.0)
        weights = np.zeros((len(t), self.bones))
        for k, bones in enumerate(all_bones):
            share = np.clip(1.0 - np.abs(place - k), 0.0, 1.0)
            near = share > 0
            weights[near] += share[near, None] * self.along(t[near], joint, bones)
        return weights

    def padded(self, parts: Sequence[Part]) -> list[Part]:
        """The parts with weights for all bones."""
        total = self.bones
        out = []
        for part in parts:
            weights = np.zeros((len(part.weights), total))
            weights[:, : part.weights.shape[1]] = part.weights
            out.append(replace(part, weights=weights))
        return out

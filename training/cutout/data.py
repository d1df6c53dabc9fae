"""Samples for the network that cuts figures out, and the pictures that it is tested on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.enrol.segment import MARGIN, guide
from training.cutout.grounds import any_ground, shadowed
from training.estimator.augment import U8, developed, placed
from training.estimator.data import Renders

Rng = np.random.Generator
_TORSO = (1, 8, 11)


def sample(
    picture: U8, points: NDArray[np.floating], size: int, rng: Rng, real: Sequence[U8] = ()
) -> tuple[U8, U8, NDArray[np.uint8]]:
    """A picture (size, size, 3) RGB, the guide (size, size) an estimator would lead to, the alpha.

    Args:
        picture: (S, S, 4) premultiplied RGBA of a figure.
        points: (20, 2+) px: x and y.
        size: of the sample.
        rng: its draws decide everything.
        real: photographs (H, W, 3) that it may stand before.
    """
    figure, moved = placed(picture, points[:, :2], size, rng, plain=rng.random() < 0.3)
    made = over_ground(figure, any_ground(size, rng, real), rng)
    if rng.random() < 0.8:
        made = developed(made, rng)
    alpha = figure[..., 3].copy()
    if rng.random() < 0.3:
        _border(made, alpha, rng)
    return np.ascontiguousarray(made), noisy_guide(moved, size, rng), alpha


def over_ground(figure: U8, behind: U8, rng: Rng, shadow: float = 0.4) -> U8:
    """(S, S, 3) RGB: premultiplied RGBA before a ground, on a share of which its shadow falls."""
    if rng.random() < shadow:
        behind = shadowed(behind, figure[..., 3], rng)
    alpha = figure[..., 3:].astype(np.float32) / 255
    return np.clip(figure[..., :3] + behind * (1 - alpha) + 0.5, 0, 255).astype(np.uint8)


def noisy_guide(points: NDArray[np.floating], size: int, rng: Rng) -> U8:
    """The guide of keypoints as an estimator finds them: some off, some missing, sometimes all."""
    if rng.random() < 0.08:
        return np.zeros((size, size), np.uint8)
    inside = ((points > 0) & (points < size)).all(axis=1)
    torso = np.linalg.norm(0.5 * (points[_TORSO[1]] + points[_TORSO[2]]) - points[_TORSO[0]])
    found = inside & (rng.random(len(points)) > 0.08)
    off = rng.normal(0, 1, points.shape) * torso * rng.uniform(0.01, 0.06)
    wrong = rng.random((len(points), 1)) < 0.04
    off += wrong * rng.normal(0, 0.3 * torso, points.shape)
    return guide(points + off, found.astype(np.float32), size)


def _border(made: U8, alpha: U8, rng: Rng) -> None:
    """The picture ends before the square does, at two sides that face each other or at one."""
    size = len(alpha)
    low, high = (int(rng.uniform(0, 0.25) * size * (rng.random() < 0.7)) for _ in range(2))
    outside = np.zeros(size, np.bool_)
    outside[:low] = True
    outside[size - high :] = True
    if rng.random() < 0.5:
        made[outside], alpha[outside] = MARGIN, 0
    else:
        made[:, outside], alpha[:, outside] = MARGIN, 0


@dataclass(frozen=True, slots=True)
class Scenes:
    """What a training draws from: figures, and photographs (H, W, 3) to put behind some."""

    renders: Renders
    real: Sequence[U8]

    def __len__(self) -> int:
        return len(self.renders)

    def batch(self, count: int, size: int, rng: Rng) -> tuple[U8, U8, U8]:
        """Pictures (B, size, size, 3), guides (B, size, size) and alphas (B, size, size)."""
        picks = rng.integers(len(self), size=count)
        return self._samples(picks, size, rng)

    def each(self, size: int, rng: Rng) -> tuple[U8, U8, U8]:
        """The same of every figure once."""
        return self._samples(np.arange(len(self)), size, rng)

    def _samples(self, picks: NDArray[np.int64], size: int, rng: Rng) -> tuple[U8, U8, U8]:
        renders = self.renders
        made = [sample(renders.picture(i), renders.joints[i], size, rng, self.real) for i in picks]
        pictures, guides, alphas = (np.stack(column) for column in zip(*made, strict=True))
        return pictures, guides, alphas

"""Characters, networks and episodes small enough to be learnt in a test."""

import dataclasses

import numpy as np
from torch import Tensor, nn

from tests.bundles import standing_rest
from training.dataset.samples import CharacterPictures
from training.fewshot.episodes import Episode, Samples
from training.fewshot.inputs import Inputs
from training.networks.generator import GeneratorConfig

TINY = GeneratorConfig(16, (2, 3, 3, 3, 3), (1, 2, 2, 2, 1), (3, 2, 2), 2)
SMALL = GeneratorConfig(32, (8, 16, 16, 16, 16), (1, 2, 2, 2, 1), (16, 8, 8), 8, spectral=False)


def blob(seed: int, size: int = 32, count: int = 12) -> CharacterPictures:
    """A character of discs at its joints, in two colours of its own."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (2, 3))
    joints = np.zeros((count, 20, 4), np.float32)
    joints[..., :3] = standing_rest(size)
    joints[..., :2] += rng.normal(0, size / 24, (count, 20, 2))
    joints[..., 3] = 1
    y, x = np.mgrid[:size, :size] + 0.5
    pictures = np.zeros((count, size, size, 4), np.uint8)
    for picture, pose in zip(pictures, joints, strict=True):
        for i, (u, v) in enumerate(pose[:, :2]):
            inside = (x - u) ** 2 + (y - v) ** 2 < (size / 14) ** 2
            picture[inside] = (*colours[i % 2], 255)
    return CharacterPictures(f"blob-{seed}", pictures, joints, np.ones((count, 20), np.bool_))


def blobs(count: int, size: int = 32, first: int = 0) -> list[CharacterPictures]:
    """Several such characters."""
    return [blob(first + i, size) for i in range(count)]


def double(episode: Episode) -> Episode:
    """The same in float64."""

    def of(samples: Samples) -> Samples:
        inputs = [getattr(samples.inputs, f.name).double() for f in dataclasses.fields(Inputs)]
        return Samples(Inputs(*inputs), samples.truth.double(), samples.background.double())

    return Episode(of(episode.support), of(episode.query))


def equal_states(a: nn.Module, b: nn.Module) -> bool:
    """Whether two modules hold the same numbers, bit for bit."""
    mine, theirs = a.state_dict(), b.state_dict()
    same: list[Tensor | bool] = [(mine[name] == theirs[name]).all() for name in mine]
    return mine.keys() == theirs.keys() and all(bool(s) for s in same)

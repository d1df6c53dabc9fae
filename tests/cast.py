"""Two small characters in a few poses, for tests of methods that transfer poses."""

from functools import cache

import numpy as np
from torch import Tensor

from training.characters.character import render_sample
from training.characters.procedural.build import build
from training.dataset.samples import CharacterPictures
from training.fewshot.inputs import Inputs
from training.motion.poses import random_pose


@cache
def tiny_cast(size: int = 64, poses: int = 8) -> tuple[CharacterPictures, ...]:
    """Two procedural characters in random poses; the views at the front are no views."""
    characters = []
    for seed in (0, 1):
        character, rng = build(seed, 0.5), np.random.default_rng(seed)
        samples = [
            render_sample(character, random_pose(rng, character.rest), size) for _ in range(poses)
        ]
        characters.append(
            CharacterPictures(
                f"procedural-{seed}",
                np.stack([picture for picture, _ in samples]),
                np.stack([np.c_[joints[:, :3], np.ones(20)] for _, joints in samples]).astype("f4"),
                np.ones((poses, 20), bool),
            )
        )
    return tuple(characters)


def a_batch(size: int = 64) -> tuple[Inputs, Tensor]:
    """Two pairs of the first character and their true pictures."""
    return Inputs.of(tiny_cast(size)[0], np.array([0, 1]), np.array([2, 3]))

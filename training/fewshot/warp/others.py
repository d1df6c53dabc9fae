"""Characters that are not the user's: what a pose really looks like, of which no drawing can tell.

A cycle's truth is a drawing in the one pose that it has. A painter that learns from cycles alone
forgets what it knew of others: outlines of limbs that have turned, closed shoulders. So it learns
from true renders of procedural characters beside, from the front to a pose, as it was trained.
"""

from typing import Final

import numpy as np

from training.characters.character import render_sample
from training.characters.procedural.build import build
from training.characters.proportions import standing_pose
from training.fewshot.warp.cycles import Cutting, Cycle
from training.motion.poses import random_pose

SEEDS: Final = 214
"""Characters from this one on are of the test split (`training.dataset.plan.Plan`)."""


def others(count: int, size: int, cutting: Cutting, rng: np.random.Generator) -> list[Cycle]:
    """So many different characters, each cut from its front view, with a picture in another pose.

    Args:
        count: of characters, at most `SEEDS`.
        size: of the pictures.
        cutting: cuts a picture by its joints.
        rng: of characters and poses.
    """
    made = []
    for seed in rng.choice(SEEDS, count, replace=False):
        character = build(int(seed))
        front, joints = render_sample(character, standing_pose(character, "a pose"), size)
        truth, there = render_sample(character, random_pose(rng, character.rest), size)
        made.append(Cycle(front, cutting(front, joints), truth, there))
    return made

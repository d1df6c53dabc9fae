"""A user's own character as training has its characters: the drawings of an enrolled bundle."""

import numpy as np
from numpy.typing import NDArray

from engine.character import CharacterBundle
from engine.enrol.clip import dance
from training.dataset.reader import resized
from training.dataset.samples import CharacterPictures
from training.fewshot.warp.refine import known_of


def drawings_of(bundle: CharacterBundle, size: int) -> CharacterPictures:
    """A puppet's drawings, whole again, with their joints, at `size` px."""
    known, _ = known_of(bundle)
    pictures = np.stack([each.picture for each in known])
    joints = np.stack([each.drawing.joints for each in known]).astype(np.float32)
    joints[..., 3] = 1  # as in training: what was inferred is drawn in the pose image too
    seen = np.ones(joints.shape[:2], np.bool_)
    whole = CharacterPictures(bundle.name, pictures, joints, seen)
    return whole if whole.size == size else resized(whole, size)


def dancing(bundle: CharacterBundle, size: int, frames: tuple[int, ...]) -> NDArray[np.float32]:
    """(N, 20, 4) joints of the character in some frames of the standard dance, at `size` px."""
    track = dance(bundle.skeleton.scaled(size / bundle.resolution), size)
    return track[[frame % len(track) for frame in frames]]

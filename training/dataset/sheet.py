"""Contact sheets of a data set, the skeletons drawn on."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.motion.draw import draw_overlay
from training.dataset.reader import Dataset
from training.dataset.samples import VIEWS, CharacterPictures
from training.metrics import on_white


def contact_sheet(
    dataset: Dataset, characters: int = 8, samples: int = 12, seed: int = 0
) -> NDArray[np.uint8]:
    """(characters * S, samples * S, 3) RGB: a row for each of some characters.

    A row begins with the four basic views; the others are drawn at random. Joints that the z test
    calls hidden are ringed in white.
    """
    rng = np.random.default_rng(seed)
    picks = np.sort(rng.permutation(len(dataset))[:characters])
    return np.concatenate([_row(dataset[int(pick)], samples, rng) for pick in picks])


def _row(character: CharacterPictures, samples: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    others = len(VIEWS) + rng.permutation(len(character) - len(VIEWS))
    some = np.sort(others[: max(samples - len(VIEWS), 0)])
    chosen = character[np.concatenate([np.arange(len(VIEWS)), some])[:samples]]
    cells = [
        with_skeleton(on_white(picture), joints, visible)
        for picture, joints, visible in zip(
            chosen.pictures, chosen.joints, chosen.visible, strict=True
        )
    ]
    blank = np.full_like(cells[0], 255)
    return np.concatenate(cells + [blank] * (samples - len(cells)), axis=1)


def with_skeleton(
    picture: NDArray[np.uint8], joints: NDArray[np.float32], visible: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """A copy of an RGB picture (S, S, 3) with its joints (20, 4); hidden ones are ringed."""
    drawn = np.ascontiguousarray(picture).copy()
    draw_overlay(drawn, np.ascontiguousarray(joints))
    radius = max(2, round(len(drawn) / 90))
    for (x, y), seen in zip(joints[:, :2], visible, strict=True):
        if not seen:
            centre = (round(float(x)), round(float(y)))
            cv2.circle(drawn, centre, radius, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(drawn, centre, radius, (60, 60, 60), 1, cv2.LINE_AA)
    return drawn

"""Rendered characters with true keypoints, kept compressed in memory, and batches of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from training.characters.observe import observe
from training.characters.procedural.build import build
from training.dataset.samples import CharacterPictures
from training.errors import BadInput
from training.estimator.augment import F32, U8, augmented
from training.estimator.targets import encode, in_picture
from training.motion.poses import random_pose

TRAIN_SEEDS = range(214)
TEST_SEEDS = range(214, 260)
HIDDEN_WEIGHT = 0.4
"""A keypoint behind something must be guessed; it counts less."""


@dataclass(frozen=True, slots=True)
class Renders:
    """N renders as PNG files in memory: `joints` (N, 20, 4), `visible` (N, 20)."""

    files: list[bytes]
    joints: F32
    visible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.files)

    def picture(self, index: int) -> U8:
        """(S, S, 4) premultiplied RGBA."""
        return np.asarray(
            cv2.imdecode(np.frombuffer(self.files[index], np.uint8), cv2.IMREAD_UNCHANGED)
        )

    @classmethod
    def of(cls, characters: Iterable[CharacterPictures]) -> Self:
        """All samples of some characters, which may be made as they are asked for.

        Raises ValueError where there is none.
        """
        files: list[bytes] = []
        joints, visible = [], []
        for character in characters:
            files += [
                cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
                for picture in character.pictures
            ]
            joints.append(character.joints)
            visible.append(character.visible)
        if not files:
            raise BadInput("expected pictures of at least one character, found none")
        return cls(files, np.concatenate(joints), np.concatenate(visible))

    def save(self, path: Path) -> None:
        """Write one NumPy file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        lengths = np.array([len(file) for file in self.files])
        content = np.frombuffer(b"".join(self.files), np.uint8)
        np.savez(path, lengths=lengths, content=content, joints=self.joints, visible=self.visible)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as archive:
            content = archive["content"].tobytes()
            ends = np.cumsum(archive["lengths"])
            files = [
                content[end - length : end]
                for end, length in zip(ends, archive["lengths"], strict=True)
            ]
            return cls(files, archive["joints"], archive["visible"])


def render_characters(
    seeds: Iterable[int],
    poses: int,
    size: int = 256,
    seed: int = 0,
    on_character: Callable[[], None] = lambda: None,
) -> Iterator[CharacterPictures]:
    """Procedural characters in random poses."""
    for number in seeds:
        character = build(number, 0.5)
        rng = np.random.default_rng([seed, number])
        seen = [observe(character, random_pose(rng, character.rest), size) for _ in range(poses)]
        yield CharacterPictures(
            character.name,
            np.stack([one.picture for one in seen]),
            np.stack([one.joints for one in seen]),
            np.stack([one.visible for one in seen]),
        )
        on_character()


def sample_batch(
    renders: Renders, count: int, size: int, rng: np.random.Generator
) -> tuple[U8, F32, F32]:
    """Pictures (B, size, size, 3), heatmaps (B, 20, size/8, size/8) and weights (B, 20)."""
    pictures = np.empty((count, size, size, 3), np.uint8)
    heatmaps, weights = [], []
    for i, pick in enumerate(rng.integers(len(renders), size=count)):
        points = np.column_stack([renders.joints[pick, :, :2], renders.visible[pick]])
        pictures[i], points = augmented(renders.picture(pick), points, size, rng)
        heatmaps.append(encode(points[:, :2], (size, size)))
        seen = (points[:, 2] > 0.5) | ~in_picture(points[:, :2], (size, size))
        weights.append(np.where(seen, 1.0, HIDDEN_WEIGHT))
    return pictures, np.stack(heatmaps), np.stack(weights).astype(np.float32)

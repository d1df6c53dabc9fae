"""The pictures of one character in many poses: what a shard holds and what training takes."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

VIEWS = ("front", "back", "left", "right")
"""The basic poses that begin every character's samples (Wang 2024, section 4)."""


@dataclass(frozen=True, slots=True)
class CharacterPictures:
    """N pictures of a character with the truth about each; the first four are its `VIEWS`.

    `joints` are x, y and z in pixels of the picture (z away from the camera, relative to the neck)
    and a score of 1, as the engine's pose images take them.
    """

    name: str
    pictures: NDArray[np.uint8]  # (N, S, S, 4) premultiplied RGBA
    joints: NDArray[np.float32]  # (N, 20, 4)
    visible: NDArray[np.bool_]  # (N, 20), by z test

    def __post_init__(self) -> None:
        count, size = self.pictures.shape[:2]
        shapes = (self.pictures.shape, self.joints.shape, self.visible.shape)
        if shapes != ((count, size, size, 4), (count, 20, 4), (count, 20)):
            raise ValueError(
                f"{self.name}: expected pictures (N, S, S, 4), joints (N, 20, 4) and visible "
                f"(N, 20), found {', '.join(map(str, shapes))}"
            )

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def size(self) -> int:
        """Width and height of the pictures in pixels."""
        return int(self.pictures.shape[1])

    def __getitem__(self, picks: NDArray[np.integer] | slice | list[int]) -> Self:
        """Some of the samples."""
        return type(self)(self.name, self.pictures[picks], self.joints[picks], self.visible[picks])

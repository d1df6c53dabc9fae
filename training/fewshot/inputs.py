"""What a method of pose transfer is given: one type, so that every method meets the same data."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from training.dataset.samples import CharacterPictures
from training.fit import pose_images, pose_tensor, to_tensor


@dataclass(frozen=True, slots=True)
class Inputs:
    """B pairs of a source picture, which is known, and a target pose, which is asked for.

    A method is an `nn.Module` whose `forward(inputs)` gives (B, 4, S, S) premultiplied RGBA in
    [0, 1] (or RGB on white, (B, 3, S, S), for the papers' tables). It takes what it needs: the
    papers' methods know one source, `warp` also the R further drawings of the character.
    """

    pose: Tensor  # (B, 3, S, S) drawn target pose in [0, 1], 0 is the background
    joints: Tensor  # (B, 20, 4) target joints: x, y, z px, score
    source: Tensor  # (B, 4, S, S) premultiplied RGBA in [0, 1]
    source_pose: Tensor  # (B, 3, S, S) drawn pose of the source
    source_joints: Tensor  # (B, 20, 4)
    more: Tensor  # (B, R, 4, S, S) further drawings, as the source
    more_joints: Tensor  # (B, R, 20, 4)

    @classmethod
    def of(
        cls,
        character: CharacterPictures,
        source: np.ndarray,
        target: np.ndarray,
        more: np.ndarray | None = None,
    ) -> tuple[Self, Tensor]:
        """The inputs for sample indices `source` and `target`, both (B,), and the true pictures.

        `more`, (B, R), are the indices of further drawings; none without.
        """
        size = character.size
        if more is None:
            more = np.zeros((len(source), 0), np.intp)
        here, there = character.joints[source], character.joints[target]
        inputs = cls(
            pose_tensor(pose_images(there, size)),
            torch.from_numpy(there.copy()),
            to_tensor(character.pictures[source]),
            pose_tensor(pose_images(here, size)),
            torch.from_numpy(here.copy()),
            to_tensor(character.pictures[more.ravel()]).unflatten(0, more.shape),
            torch.from_numpy(character.joints[more]),
        )
        return inputs, to_tensor(character.pictures[target])

    def __getitem__(self, picks: slice) -> Self:
        """Some of the pairs, as views."""
        return type(self)(*(getattr(self, field.name)[picks] for field in fields(self)))

    def to(self, device: torch.device | str) -> Self:
        """The same on a device; from pinned memory the copy does not wait."""
        return type(self)(
            *(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self))
        )

    def pinned(self) -> Self:
        """The same in page-locked memory."""
        return type(self)(*(getattr(self, field.name).pin_memory() for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All pairs of several inputs, one after the other."""
        return cls(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(cls)))

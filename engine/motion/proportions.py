"""The proportions of a character: all that the motion code knows of who is puppeteered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class CharacterSkeleton:
    """A character's body in pixels of its own picture, on the joints and bones of `PUPPET_20`.

    Arrays are copied to read-only C-contiguous float32.

    Attributes:
        rest: (20, 4) joints at rest: x, y px, z px relative to the neck (away from the camera is
            positive), score. What the character does when nobody drives a joint.
        bone_lengths: (19,) px, true lengths in 3D.
        head: (5, 3) px: nose, right eye, left eye, right ear, left ear relative to the neck, when
            the head is upright and faces the camera (x right, y down, z away).
        floor_y: px, where the lowest foot stands.

    Raises:
        ValueError: an array of another shape, a number that is not finite, a bone without length.
    """

    rest: NDArray[np.float32]
    bone_lengths: NDArray[np.float32]
    head: NDArray[np.float32]
    floor_y: float

    def __post_init__(self) -> None:
        for name, shape in (("rest", (20, 4)), ("bone_lengths", (19,)), ("head", (5, 3))):
            array = np.array(getattr(self, name), dtype=np.float32, order="C")
            if array.shape != shape:
                raise ValueError(f"{name} must have the shape {shape}, but it has {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} must be finite, but it holds NaN or infinity")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if (self.bone_lengths <= 0).any():
            raise ValueError(f"bone lengths must be positive, but one is {self.bone_lengths.min()}")
        if not np.isfinite(self.floor_y):
            raise ValueError(f"floor_y must be finite, but it is {self.floor_y}")

    def scaled(self, factor: float) -> "CharacterSkeleton":
        """The same body in pictures `factor` times as large."""
        rest = self.rest.copy()
        rest[:, :3] *= factor
        return CharacterSkeleton(
            rest, factor * self.bone_lengths, factor * self.head, factor * self.floor_y
        )

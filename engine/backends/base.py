"""The one protocol behind which every runtime draws pictures."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, type and shape of a network's input or output."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype} {'x'.join(map(str, self.shape))}"


class Backend(Protocol):
    """Runs a generator on one device.

    A backend belongs to one thread at a time. It keeps nothing of the buffers that it is given:
    the caller owns both, and may hand over other ones in every call.
    """

    name: str
    input_spec: TensorSpec
    output_spec: TensorSpec

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Draw the character in a pose.

        Args:
            pose_image: (S, S, 3) RGB, C-contiguous, as `engine.motion.draw.draw_pose` makes it.
            out: (S, S, 4) premultiplied RGBA, C-contiguous; all of it is overwritten.

        Raises:
            BackendError: the runtime failed, or a buffer does not fit the network.
        """
        ...

    def close(self) -> None:
        """Release the runtime's memory; idempotent."""
        ...

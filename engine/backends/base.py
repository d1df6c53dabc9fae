"""The one protocol behind which every runtime draws pictures."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import BackendError


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


def check_buffers(
    input_spec: TensorSpec,
    pose_image: NDArray[np.uint8],
    output_spec: TensorSpec,
    out: NDArray[np.uint8],
) -> None:
    """Refuse buffers that do not fit: a runtime reads and writes them by their address alone.

    Raises:
        BackendError: another shape or type than the network's, or not C-contiguous.
    """
    for spec, array in ((input_spec, pose_image), (output_spec, out)):
        fits = array.shape == spec.shape[1:] and array.dtype == spec.dtype
        if not fits or not array.flags.c_contiguous:
            raise BackendError(
                f"expected a C-contiguous buffer of shape {spec.shape[1:]} for {spec.name}, "
                f"found {array.dtype} {array.shape}"
            )
    if not out.flags.writeable:
        raise BackendError(f"the buffer for {output_spec.name} is read-only")

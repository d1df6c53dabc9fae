"""What draws a character: a network of its own, or the puppet (`engine.puppet.puppet`)."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Backend
from engine.backends.shelf import ShelvedBackend
from engine.character import CharacterBundle
from engine.errors import AyatsuriError


class Generator(Protocol):
    """Draws one character. It belongs to one thread at a time, but for `ready` and `prepare`."""

    @property
    def name(self) -> str:
        """What draws, in words."""
        ...

    @property
    def ready(self) -> bool:
        """Whether it could draw at once."""
        ...

    def prepare(self) -> None:
        """Begin to get ready, on a thread of its own."""
        ...

    def draw(
        self, joints: NDArray[np.float32], pose_image: NDArray[np.uint8], out: NDArray[np.uint8]
    ) -> None:
        """Draw the character in a pose, which may go on from the pose before (see `forget`).

        Args:
            joints: (20, 4) in pixels of the character's picture: x, y, z, score.
            pose_image: (S, S, 3) RGB, C-contiguous, the same joints by
                `engine.motion.draw.draw_pose`.
            out: (S, S, 4) premultiplied RGBA, C-contiguous; all of it is overwritten.

        Raises:
            BackendError: a network failed, or a buffer does not fit.
        """
        ...

    def forget(self) -> None:
        """The next pose has nothing to do with those before: it is drawn as by a new generator.

        For whoever draws single pictures, and for a character that comes on stage; a show's own
        goes on from picture to picture.
        """
        ...

    def close(self) -> None:
        """Release memory; idempotent."""
        ...


class NetworkGenerator:
    """The network that a character was trained into: it needs the pose image alone."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def name(self) -> str:
        """The runtime's."""
        return self._backend.name

    @property
    def ready(self) -> bool:
        """Whether it could draw at once."""
        return is_ready(self._backend)

    def prepare(self) -> None:
        """Begin to load it, if its room was needed."""
        prepare(self._backend)

    def draw(
        self, joints: NDArray[np.float32], pose_image: NDArray[np.uint8], out: NDArray[np.uint8]
    ) -> None:
        """See `Generator.draw`."""
        self._backend.run(pose_image, out)

    def forget(self) -> None:
        """It remembers nothing."""

    def close(self) -> None:
        """Close the runtime."""
        self._backend.close()


def warm_up(generator: Generator, bundle: CharacterBundle) -> None:
    """Draw a picture that nobody sees: the first one takes longest.

    Args:
        generator: closed if it cannot draw.
        bundle: whose pictures it draws.

    Raises:
        BackendError: it cannot be drawn.
    """
    size = bundle.resolution
    white, out = np.full((size, size, 3), 255, np.uint8), np.empty((size, size, 4), np.uint8)
    try:
        generator.draw(bundle.skeleton.rest, white, out)
    except AyatsuriError:
        generator.close()
        raise


def is_ready(backend: Backend) -> bool:
    """Whether a backend could run at once: only those of a shelf may have been put away."""
    return not isinstance(backend, ShelvedBackend) or backend.ready


def prepare(backend: Backend) -> None:
    """Begin to load a backend that was put away."""
    if isinstance(backend, ShelvedBackend):
        backend.prepare()

"""Backends of many characters within a bound of memory: the least recently used make room."""

import logging
import threading
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import Backend
from engine.backends.columns import ColumnsBackend
from engine.errors import AyatsuriError

log = logging.getLogger(__name__)

DEFAULT_MB: Final = 2048.0


@runtime_checkable
class Sized(Protocol):
    """A backend that knows what it takes: those on GPUs, whose memory ends soonest."""

    memory_mb: float


def taken_mb(backend: Backend, model: bytes, resolution: int) -> float:
    """What a running backend takes: by its own word, of its GPU's memory, or by `estimate_mb`."""
    if isinstance(backend, Sized):
        return backend.memory_mb
    runtimes = backend.runtimes if isinstance(backend, ColumnsBackend) else 1
    return runtimes * estimate_mb(model, resolution)


def estimate_mb(model: bytes, resolution: int) -> float:
    """Roughly what a running generator takes: its weights twice, and its widest feature maps."""
    return (2 * len(model) + resolution**2 * 4 * 128) / 2**20


class Shelf:
    """Keeps backends running as long as they fit in memory together.

    Safe to use from any thread. At least one backend stays, however large it is.

    Args:
        cap_mb: how much memory they may take in all, the GPU's counted; see `taken_mb`.
    """

    def __init__(self, cap_mb: float = DEFAULT_MB) -> None:
        self.cap_mb = cap_mb
        self._lock = threading.RLock()
        self._running: list[ShelvedBackend] = []  # the least recently used first

    @property
    def running(self) -> tuple["ShelvedBackend", ...]:
        """Those that run now, the least recently used first."""
        with self._lock:
            return tuple(self._running)

    def add(self, backend: Backend, reopen: Callable[[], Backend], mb: float) -> "ShelvedBackend":
        """Take a running backend in.

        Args:
            backend: it; closed from here on whenever its room is needed.
            reopen: starts it again.
            mb: what it takes; see `taken_mb`.
        """
        shelved = ShelvedBackend(self, backend, reopen, mb)
        self.used(shelved)
        return shelved

    def used(self, backend: "ShelvedBackend") -> None:
        """Note that a running backend is wanted, and make room for it."""
        while True:
            with self._lock:
                if backend in self._running:
                    self._running.remove(backend)
                self._running.append(backend)
                if len(self._running) == 1 or sum(b.mb for b in self._running) <= self.cap_mb:
                    return
                oldest = self._running.pop(0)
            oldest.put_away()  # waits for the frame that it draws, if it does

    def forget(self, backend: "ShelvedBackend") -> None:
        """It is closed for good."""
        with self._lock:
            if backend in self._running:
                self._running.remove(backend)


class ShelvedBackend:
    """A backend that is put away while others need its room, and comes back when it is wanted.

    `prepare` brings it back on a thread of its own, `ready` says when it is there: who waits for
    that switches without a stall. A frame that comes all the same is drawn, after a wait.
    """

    def __init__(
        self, shelf: Shelf, backend: Backend, reopen: Callable[[], Backend], mb: float
    ) -> None:
        self.name = backend.name
        self.input_spec, self.output_spec = backend.input_spec, backend.output_spec
        self.mb = mb
        self._shelf = shelf
        self._backend: Backend | None = backend
        self._reopen = reopen
        self._lock = threading.Lock()  # held while drawing, opening and closing
        self._loader: threading.Thread | None = None
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether it can draw at once."""
        return self._backend is not None

    def prepare(self) -> None:
        """Begin to bring it back, if it was put away."""
        if self.ready or (self._loader is not None and self._loader.is_alive()):
            return
        self._loader = threading.Thread(target=self._load_ahead, name=f"load {self.name}")
        self._loader.start()

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """See `engine.backends.base.Backend.run`."""
        with self._lock:
            self._open().run(pose_image, out)
        self._shelf.used(self)

    def put_away(self) -> None:
        """Give its memory back, for now."""
        with self._lock:
            if self._backend is not None:
                self._backend.close()
                self._backend = None

    def close(self) -> None:
        """Give its memory back for good; idempotent."""
        self._closed = True
        if self._loader is not None:
            self._loader.join()
        self.put_away()
        self._shelf.forget(self)

    def _open(self) -> Backend:
        if self._backend is None:
            self._backend = self._reopen()
        return self._backend

    def _load_ahead(self) -> None:
        try:
            with self._lock:
                if self._closed:
                    return
                self._open()
        except AyatsuriError as error:
            # In a live show nobody draws with it before it is ready: nobody else would tell.
            log.warning("%s cannot be loaded again, so another stays: %s", self.name, error)
            return
        except Exception:
            log.exception("%s cannot be loaded again, so another stays", self.name)
            return
        self._shelf.used(self)

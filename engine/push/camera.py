"""The pictures of a show, to a virtual camera: what programs for calls take for a webcam."""

import logging
import threading
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.io.virtualcam import VirtualCameraSink
from engine.push.publisher import PushStatistics, State
from engine.push.waits import Waits

log = logging.getLogger(__name__)

_AGAIN_S: Final = 0.5
"""The last picture is shown again, so that a program that looks only now sees one."""
_GOODBYE_S: Final = 2.0


class CameraPublisher:
    """A thread that gives a virtual camera the newest picture.

    Nobody waits for it: of the pictures that come while the device is busy the last one counts. A
    device that cannot be opened, or is lost, is tried again after 1 s, then 2, up to 30.

    Args:
        fps: told to the programs that look.
        sleep: waits for so many seconds, or until the event is set.

    Raises:
        MissingDependency: pyvirtualcam is not installed.
    """

    def __init__(
        self,
        *,
        fps: float = 30.0,
        sleep: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self._sink = VirtualCameraSink(fps=fps)
        self._sleep = sleep
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._newest: NDArray[np.uint8] | None = None  # that has not been shown yet
        self._shown: NDArray[np.uint8] | None = None
        self._state: State = "connecting"
        self._sent = self._delivered = self._dropped = self._connections = 0
        self._in_hand = 0  # a picture that is being shown
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="ayatsuri-camera", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What the report calls it: with the device, once that is open."""
        return f"virtual camera {self._sink.device}".rstrip()

    def put(self, picture: NDArray[np.uint8]) -> None:
        """Show an (H, W, 3) RGB picture, which stays as it is; never waits."""
        with self._changed:
            if self._stop.is_set():
                return
            self._sent += 1
            self._dropped += self._newest is not None
            self._newest = picture
            self._changed.notify_all()

    def blank(self) -> None:
        """Show nothing: the show is over."""
        with self._changed:
            last = self._shown if self._newest is None else self._newest
        if last is not None:
            self.put(np.zeros_like(last))

    def statistics(self) -> PushStatistics:
        """A consistent count at this moment."""
        with self._changed:
            waiting = self._in_hand + (self._newest is not None)
            return PushStatistics(
                self._state, self._sent, self._delivered, self._dropped, waiting,
                self._connections, self._error,
            )  # fmt: skip

    def close(self) -> None:
        """Let the device go; idempotent. One that hangs is left alone with its thread."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        self._thread.join(_GOODBYE_S)
        with self._changed:
            self._dropped += self._in_hand + (self._newest is not None)
            self._newest, self._in_hand, self._state = None, 0, "closed"

    def _run(self) -> None:
        waits = Waits()
        while not self._stop.is_set():
            before = self._connections
            try:
                try:
                    while (picture := self._take()) is not None:
                        self._sink.send(picture)
                        self._sent_on()
                finally:
                    self._sink.close()
            except SinkError as error:
                self._lose(str(error))
            except Exception as error:  # a live show goes on trying, and whoever looks is told
                log.exception("the virtual camera: unexpected")
                self._lose(f"unexpected: {error!r}")
            if self._stop.is_set():
                return
            if self._connections > before:
                waits.begin_anew()
            wait_s = waits.next_s()
            log.warning("%s; again in %.0f s", self._error, wait_s)
            self._sleep(self._stop, wait_s)

    def _lose(self, why: str) -> None:
        with self._changed:
            self._dropped, self._in_hand = self._dropped + self._in_hand, 0
            self._state, self._error = "waiting", why

    def _take(self) -> NDArray[np.uint8] | None:
        """The newest picture, or after a while the last one again; None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._newest is not None or self._stop.is_set(), _AGAIN_S
            )
            while self._newest is None and self._shown is None and not self._stop.is_set():
                self._changed.wait()
            if self._stop.is_set():
                return None
            if self._newest is not None:
                self._shown, self._newest, self._in_hand = self._newest, None, 1
            return self._shown

    def _sent_on(self) -> None:
        with self._changed:
            self._delivered, self._in_hand = self._delivered + self._in_hand, 0
            if self._state == "closed":
                return
            if self._state != "live":
                self._connections += 1
                log.info("%s: open", self.name)
            self._state, self._error = "live", None

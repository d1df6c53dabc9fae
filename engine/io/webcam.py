"""Webcams, through OpenCV, on a thread that never lets old pictures pile up."""

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.channel import Channel, ChannelClosed
from engine.clock import Clock, DeviceClock, MonotonicClock
from engine.errors import CameraBusy, CameraLost, CameraNotFound
from engine.frame import Frame
from engine.io.cameras import cameras

_RETRY_S = 0.5


def _quietly(index: int) -> cv2.VideoCapture:
    """A camera, by OpenCV without its page of warnings about one that is not there."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(index)
    finally:
        logging.setLogLevel(before)


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`."""

    def isOpened(self) -> bool: ...  # noqa: N802, D102
    def read(self) -> tuple[bool, NDArray[np.uint8] | None]: ...  # noqa: D102
    def set(self, prop: int, value: float) -> bool: ...  # noqa: D102
    def get(self, prop: int) -> float: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


class WebcamSource:
    """A webcam. A driver keeps some old pictures; here only the newest waits.

    Args:
        index: the camera's number, 0 for the first.
        size_wh, fps: asked of the camera, which may give another.
        replug_s: how long an unplugged camera may stay away.
        clock: the pipeline's.
        open_capture: opens a camera, OpenCV's by default; tests bring cameras of their own.

    Raises:
        CameraNotFound: there is no such camera; the message lists those there are.
        CameraBusy: it is there, but cannot be opened or gives no picture.
    """

    live = True

    def __init__(
        self,
        index: int = 0,
        *,
        size_wh: tuple[int, int] = (640, 480),
        fps: float = 30.0,
        replug_s: float = 10.0,
        clock: Clock | None = None,
        open_capture: Callable[[int], Capture] | None = None,
    ) -> None:
        self.name = f"webcam:{index}"
        self._index = index
        self._wanted = (size_wh, fps)
        self._replug_s = replug_s
        self._clock = MonotonicClock() if clock is None else clock
        self._open_capture: Callable[[int], Any] = open_capture or _quietly
        self._stop = threading.Event()
        self._slot: Channel[Frame] = Channel("webcam", policy="latest")
        self._error: BaseException | None = None
        capture = self._open()
        if capture is None:
            raise self._not_opened()
        ok, picture = capture.read()
        if not ok or picture is None:
            capture.release()
            raise CameraBusy(
                f"{self.name} opens but gives no picture: another program probably holds it; "
                "close that, or choose another camera"
            )
        self._capture: Capture | None = capture
        height, width = picture.shape[:2]
        self.size_wh = (width, height)
        self.fps: float | None = capture.get(cv2.CAP_PROP_FPS) or None
        self._reader: threading.Thread | None = None

    def frames(self) -> Iterator[Frame]:
        """The newest picture, whenever there is one; see `engine.pipeline.Source`.

        Raises:
            CameraLost: the camera was unplugged and did not come back in time.
        """
        self._reader = threading.Thread(target=self._read, name="ayatsuri-webcam", daemon=True)
        self._reader.start()
        while True:
            try:
                yield self._slot.get()
            except ChannelClosed:
                break
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """See `engine.pipeline.Source`."""
        self._stop.set()

    def close(self) -> None:
        """Release the camera; idempotent."""
        self._stop.set()
        if self._reader is not None:
            self._reader.join()
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open(self) -> Capture | None:
        capture: Capture = self._open_capture(self._index)
        if not capture.isOpened():
            capture.release()
            return None
        (width, height), fps = self._wanted
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    def _not_opened(self) -> CameraNotFound | CameraBusy:
        listed = cameras()
        if sys.platform == "linux" and Path(f"/dev/video{self._index}").exists():
            return CameraBusy(
                f"/dev/video{self._index} is there but cannot be opened: another program holds it, "
                "or you are not in the group `video` (sudo usermod -aG video $USER)"
            )
        there = ", ".join(listed) if listed else "none"
        return CameraNotFound(
            f"there is no camera {self._index}; cameras found: {there}. Without a camera, try a "
            "video: ayatsuri live --source VIDEO.mp4"
        )

    def _read(self) -> None:
        sequence = 0
        device, device_ns = DeviceClock(), 0
        # Only a picture ends an absence: a camera may come back, open, and stay black.
        lost_ns: int | None = None
        try:
            while not self._stop.is_set():
                assert self._capture is not None
                ok, picture = self._capture.read()
                arrived_ns = self._clock.now_ns()
                if not ok or picture is None:
                    lost_ns = arrived_ns if lost_ns is None else lost_ns
                    self._replug(lost_ns + round(self._replug_s * 1e9))
                    device, device_ns = DeviceClock(), 0
                    continue
                lost_ns = None
                # Some drivers say when a picture was taken; of others its arrival is all there is.
                before_ns, device_ns = device_ns, self._device_ns()
                captured_ns = arrived_ns
                if device_ns > before_ns:
                    captured_ns = device.captured_ns(device_ns, arrived_ns)
                rgb = np.ascontiguousarray(picture[..., ::-1])
                self._slot.put(Frame(rgb, sequence, captured_ns))
                sequence += 1
        except BaseException as error:  # noqa: BLE001  raised again by frames()
            self._error = error
        finally:
            self._slot.close()

    def _device_ns(self) -> int:
        """The driver's time stamp of the picture read last; 0 where it gives none."""
        assert self._capture is not None
        stamp_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return round(stamp_ms * 1e6) if np.isfinite(stamp_ms) and stamp_ms > 0 else 0

    def _replug(self, deadline_ns: int) -> None:
        assert self._capture is not None
        self._capture.release()
        while self._clock.now_ns() < deadline_ns:
            if not self._clock.sleep_until_ns(
                self._clock.now_ns() + round(_RETRY_S * 1e9), self._stop
            ):
                return
            capture = self._open()
            if capture is not None:
                self._capture = capture
                return
        raise CameraLost(
            f"{self.name} was unplugged and did not come back within {self._replug_s:g} s"
        )

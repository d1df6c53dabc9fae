"""A preview window, by OpenCV."""

import contextlib
import os
import sys
from collections.abc import Callable

import cv2
import numpy as np

from engine.errors import SinkError, WindowUnavailable
from engine.frame import Packet
from engine.io._kernels_composite import over

_CHECKER_PX = 16


class WindowSink:
    """Shows every output in a window; keys go to `on_key`, closing it to `on_close`.

    Transparent outputs are shown over a chequerboard.

    Raises:
        WindowUnavailable: there is no display, or OpenCV was built without windows.
    """

    name = "window"

    def __init__(
        self,
        title: str = "Ayatsuri",
        *,
        on_key: Callable[[str], object] = lambda key: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        if sys.platform == "linux" and not (
            os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        ):
            raise WindowUnavailable(
                "there is no display for a window (DISPLAY is not set): use "
                "--sink virtualcam, --sink OUT.mp4 or --sink null, or run on a desktop"
            )
        self._title = title
        self._on_key = on_key
        self._on_close = on_close
        self._open = False
        self._shown = np.empty((0, 0, 3), np.uint8)
        self._checker = np.empty((0, 0, 3), np.uint8)

    def write(self, packet: Packet) -> None:
        """Show one output and hand on the key that was pressed, if one was."""
        picture = packet.output
        if picture is None:
            raise SinkError("there is no output to show: put the composite stage before the sink")
        height, width = picture.shape[:2]
        if self._shown.shape[:2] != (height, width):
            self._shown = np.empty((height, width, 3), np.uint8)
            rows, columns = np.indices((height, width)) // _CHECKER_PX
            light = np.where((rows + columns) % 2, 200, 240).astype(np.uint8)
            self._checker = np.repeat(light[..., None], 3, axis=2)
        if picture.shape[2] == 4:
            over(picture, self._checker, self._shown)
            cv2.cvtColor(self._shown, cv2.COLOR_RGB2BGR, dst=self._shown)
        else:
            cv2.cvtColor(picture, cv2.COLOR_RGB2BGR, dst=self._shown)
        try:
            if not self._open:
                cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
                self._open = True
            elif cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
                self._on_close()
                return
            cv2.imshow(self._title, self._shown)
            key = cv2.waitKey(1)
        except cv2.error as error:
            raise WindowUnavailable(
                f"OpenCV cannot show a window ({error.err or error}): use --sink virtualcam or "
                "--sink OUT.mp4, or install opencv-contrib-python (not the headless build)"
            ) from error
        if key >= 0:
            self._on_key(chr(key & 0xFF))

    def close(self) -> None:
        """Close the window; idempotent."""
        if self._open:
            self._open = False
            with contextlib.suppress(cv2.error):  # the user has closed it already
                cv2.destroyWindow(self._title)
                cv2.waitKey(1)

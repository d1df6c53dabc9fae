"""A virtual camera that other programs see, by pyvirtualcam."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingDependency, SinkError, VirtualCameraMissing, pip_install
from engine.frame import Packet

REMEDY = {  # by sys.platform
    "linux": "sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback devices=1 "
    'card_label="Ayatsuri" exclusive_caps=1',
    "darwin": "install OBS 30 or later, start its virtual camera once and stop it again",
    "win32": "install OBS (it brings the virtual camera), or Unity Capture",
}


class VirtualCameraSink:
    """Sends outputs to a virtual camera. It has no alpha: choose a background to key out.

    It has the size of its first picture, since programs that look at it cannot follow another: a
    picture of another size is fitted in, with black beside it.

    Args:
        fps: told to the programs that look; pictures go out when they come.

    Raises:
        MissingDependency: pyvirtualcam is not installed.
    """

    name = "virtualcam"

    def __init__(self, *, fps: float = 30.0) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise MissingDependency(
                f"the virtual camera needs pyvirtualcam: {pip_install('virtualcam')}"
            ) from error
        self._make: Any = pyvirtualcam.Camera
        self._fps = fps
        self._camera: Any = None
        self._size_wh = (0, 0)

    @property
    def device(self) -> str:
        """What other programs call it; empty while it is not open."""
        name = str(getattr(self._camera, "device", ""))
        label = (
            Path("/sys/class/video4linux") / Path(name).name / "name"
        )  # v4l2loopback's card_label
        return label.read_text("utf-8").strip() if name and label.is_file() else name

    def write(self, packet: Packet) -> None:
        """Send one picture.

        Raises:
            VirtualCameraMissing: no device; the message has the command that makes one.
            SinkError: there is no RGB picture, or the device was lost.
        """
        if packet.output is None or packet.output.shape[2] != 3:
            raise SinkError(
                "a virtual camera takes RGB: choose a background that is not transparent"
            )
        self.send(packet.output)

    def send(self, picture: NDArray[np.uint8]) -> None:
        """Send an (H, W, 3) RGB picture.

        Raises:
            VirtualCameraMissing: no device; the message has the command that makes one.
            SinkError: the device was lost.
        """
        if self._camera is None:
            height, width = picture.shape[:2]
            self._open(width, height)
        try:
            self._camera.send(_fitted(picture, self._size_wh))
        except (RuntimeError, OSError) as error:
            raise SinkError(f"the virtual camera was lost ({str(error).strip()})") from error

    def look(self) -> None:
        """Open a device and close it again.

        Raises:
            VirtualCameraMissing: there is none; the message has the command that makes one.
        """
        self._open(640, 480)
        self.close()

    def _open(self, width: int, height: int) -> None:
        try:
            self._camera = self._make(width, height, self._fps)
        except RuntimeError as error:
            remedy = REMEDY.get(sys.platform, "see the README of pyvirtualcam")
            raise VirtualCameraMissing(
                f"no virtual camera can be opened ({str(error).strip()}); to get one: {remedy}"
            ) from error
        self._size_wh = (width, height)

    def close(self) -> None:
        """Release the device; idempotent."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None


def _fitted(picture: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """The whole picture, in the middle of black where its shape is another."""
    height, width = picture.shape[:2]
    if (width, height) == size_wh:
        return np.ascontiguousarray(picture)
    import cv2

    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner = (max(round(width * scale), 1), max(round(height * scale), 1))
    left, top = (size_wh[0] - inner[0]) // 2, (size_wh[1] - inner[1]) // 2
    whole = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        picture, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return whole

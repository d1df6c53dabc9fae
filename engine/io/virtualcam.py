"""A virtual camera that other programs see, by pyvirtualcam."""

import sys
from typing import Any

import numpy as np

from engine.errors import MissingDependency, SinkError, VirtualCameraMissing
from engine.frame import Packet

REMEDY = {  # by sys.platform
    "linux": "sudo apt install v4l2loopback-dkms && sudo modprobe v4l2loopback devices=1 "
    'card_label="Ayatsuri" exclusive_caps=1',
    "darwin": "install OBS 30 or later, start its virtual camera once and stop it again",
    "win32": "install OBS (it brings the virtual camera), or Unity Capture",
}


class VirtualCameraSink:
    """Sends outputs to a virtual camera. It has no alpha: choose a background to key out.

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
                "the virtual camera needs pyvirtualcam: pip install 'ayatsuri[virtualcam]'"
            ) from error
        self._make: Any = pyvirtualcam.Camera
        self._fps = fps
        self._camera: Any = None

    def write(self, packet: Packet) -> None:
        """Send one picture.

        Raises:
            VirtualCameraMissing: no device; the message has the command that makes one.
        """
        picture = packet.output
        if picture is None or picture.shape[2] != 3:
            raise SinkError(
                "a virtual camera takes RGB: choose a background that is not transparent"
            )
        if self._camera is None:
            height, width = picture.shape[:2]
            try:
                self._camera = self._make(width, height, self._fps)
            except RuntimeError as error:
                remedy = REMEDY.get(sys.platform, "see the README of pyvirtualcam")
                raise VirtualCameraMissing(
                    f"no virtual camera can be opened ({str(error).strip()}); to get one: {remedy}"
                ) from error
        self._camera.send(np.ascontiguousarray(picture))

    def close(self) -> None:
        """Release the device; idempotent."""
        if self._camera is not None:
            self._camera.close()
            self._camera = None

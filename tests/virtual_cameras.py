"""A pretended virtual camera, in the place of pyvirtualcam's."""

import sys
import time
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray


class FakeCamera:
    """What is used of `pyvirtualcam.Camera`.

    Attributes:
        missing: no device can be opened.
        lost: the device is gone: sending fails.
        slow_s: a picture takes so long.
    """

    made: ClassVar[list["FakeCamera"]]
    missing = False
    lost = False
    slow_s = 0.0
    device = "/dev/video9"

    def __init__(self, width: int, height: int, fps: float) -> None:
        if FakeCamera.missing:
            raise RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found\n")
        self.asked = (width, height, fps)
        self.sent: list[NDArray[np.uint8]] = []
        self.closed = 0
        self.made.append(self)

    def send(self, image: NDArray[np.uint8]) -> None:
        if FakeCamera.lost:
            raise RuntimeError("the device was removed\n")
        assert image.flags.c_contiguous
        assert image.shape == (self.asked[1], self.asked[0], 3)
        time.sleep(self.slow_s)
        self.sent.append(image)

    def close(self) -> None:
        self.closed += 1


def pretend(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    """Have pyvirtualcam; the cameras that are opened, in their order."""
    FakeCamera.made = []
    for name in ("missing", "lost", "slow_s"):
        monkeypatch.setattr(FakeCamera, name, getattr(FakeCamera, name))
    module = ModuleType("pyvirtualcam")
    module.Camera = FakeCamera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return FakeCamera.made

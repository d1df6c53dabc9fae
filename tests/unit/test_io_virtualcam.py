"""The virtual camera, on a machine that has a pretended one."""

import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import MissingDependency, SinkError, VirtualCameraMissing
from engine.frame import Packet
from engine.io.virtualcam import REMEDY, VirtualCameraSink
from tests.fakes import frame
from tests.videos import output, picture


class FakeCamera:
    """What is used of `pyvirtualcam.Camera`."""

    made: ClassVar[list["FakeCamera"]]

    def __init__(self, width: int, height: int, fps: float) -> None:
        self.asked = (width, height, fps)
        self.sent: list[NDArray[np.uint8]] = []
        self.closed = 0
        self.made.append(self)

    def send(self, image: NDArray[np.uint8]) -> None:
        assert image.flags.c_contiguous
        self.sent.append(image)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    FakeCamera.made = []
    module = ModuleType("pyvirtualcam")
    module.Camera = FakeCamera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return FakeCamera.made


def test_pictures_go_out_as_rgb(made: list[FakeCamera]) -> None:
    sink = VirtualCameraSink(fps=24.0)
    assert made == []  # the size is not known yet
    images = [picture(0), picture(1)[:, ::-1]]
    for i, image in enumerate(images):
        sink.write(output(i, image))
    sink.close()
    sink.close()  # idempotent
    (camera,) = made
    assert camera.asked == (64, 48, 24.0)
    assert all((a == b).all() for a, b in zip(camera.sent, images, strict=True))
    assert camera.closed == 1


def test_alpha_and_nothing_are_refused(made: list[FakeCamera]) -> None:
    sink = VirtualCameraSink()
    for packet in (output(0, np.zeros((8, 8, 4), np.uint8)), Packet(frame())):
        with pytest.raises(SinkError, match="background that is not transparent"):
            sink.write(packet)
    sink.close()
    assert made == []


@pytest.mark.parametrize("platform", [*REMEDY, "plan9"])
def test_no_device_says_how_to_get_one(
    made: list[FakeCamera], monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    def refuse(self: FakeCamera, width: int, height: int, fps: float) -> None:
        raise RuntimeError("'v4l2loopback' backend: No v4l2 loopback device found\n")

    monkeypatch.setattr(FakeCamera, "__init__", refuse)
    monkeypatch.setattr("engine.io.virtualcam.sys.platform", platform)
    sink = VirtualCameraSink()
    with pytest.raises(VirtualCameraMissing, match=r"loopback device found\); to get one") as told:
        sink.write(output(0, picture(0)))
    assert str(told.value).endswith(REMEDY.get(platform, "see the README of pyvirtualcam"))
    sink.close()


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)  # makes the import fail
    with pytest.raises(MissingDependency, match=r"pip install 'ayatsuri\[virtualcam\]'"):
        VirtualCameraSink()

"""The virtual camera, on a machine that has a pretended one."""

import sys

import numpy as np
import pytest

from engine.errors import MissingDependency, SinkError, VirtualCameraMissing
from engine.frame import Packet
from engine.io.virtualcam import REMEDY, VirtualCameraSink
from tests.fakes import frame
from tests.videos import output, picture
from tests.virtual_cameras import FakeCamera, pretend


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeCamera]:
    return pretend(monkeypatch)


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
    monkeypatch.setattr(FakeCamera, "missing", True)
    monkeypatch.setattr("engine.io.virtualcam.sys.platform", platform)
    sink = VirtualCameraSink()
    with pytest.raises(VirtualCameraMissing, match=r"loopback device found\); to get one") as told:
        sink.write(output(0, picture(0)))
    assert str(told.value).endswith(REMEDY.get(platform, "see the README of pyvirtualcam"))
    with pytest.raises(VirtualCameraMissing):
        sink.look()
    sink.close()
    assert made == []


def test_a_device_is_looked_for_before_there_is_a_picture(made: list[FakeCamera]) -> None:
    sink = VirtualCameraSink()
    sink.look()
    assert [camera.closed for camera in made] == [1]
    assert sink.device == ""
    sink.write(output(0, picture(0)))
    assert sink.device == "/dev/video9"
    assert len(made) == 2


@pytest.mark.parametrize(("height", "width"), [(20, 30), (40, 20), (90, 90), (48, 64), (1, 200)])
def test_a_picture_of_another_size_is_fitted_in(
    made: list[FakeCamera], height: int, width: int
) -> None:
    sink = VirtualCameraSink()
    sink.write(output(0, np.zeros((48, 64, 3), np.uint8)))
    sink.write(output(1, np.full((height, width, 3), 200, np.uint8)))
    (camera,) = made
    rows, columns = np.nonzero(camera.sent[1][..., 0])
    inner = (np.ptp(rows) + 1, np.ptp(columns) + 1)
    scale = min(48 / height, 64 / width)
    assert inner == pytest.approx((height * scale, width * scale), abs=1)
    assert abs(int(rows.min()) - int(47 - rows.max())) <= 1  # in the middle
    assert abs(int(columns.min()) - int(63 - columns.max())) <= 1
    sink.close()


def test_a_lost_device_is_told(made: list[FakeCamera], monkeypatch: pytest.MonkeyPatch) -> None:
    sink = VirtualCameraSink()
    sink.write(output(0, picture(0)))
    monkeypatch.setattr(FakeCamera, "lost", True)
    with pytest.raises(SinkError, match=r"was lost \(the device was removed\)"):
        sink.write(output(1, picture(1)))
    sink.close()
    assert made[0].closed == 1


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)  # makes the import fail
    with pytest.raises(MissingDependency, match=r"-e '\.\[virtualcam\]'"):
        VirtualCameraSink()

"""The show to a virtual camera, on a machine that has a pretended one."""

import threading
import time

import numpy as np
import pytest

from engine.errors import MissingDependency
from engine.push.camera import CameraPublisher
from tests.unit.test_push import until
from tests.virtual_cameras import FakeCamera, pretend


@pytest.fixture
def made(monkeypatch):
    return pretend(monkeypatch)


def grey(level, side=16):
    return np.full((side, side, 3), level, np.uint8)


def test_the_newest_picture_is_shown_and_nobody_waits_for_a_slow_device(made, monkeypatch):
    monkeypatch.setattr(FakeCamera, "slow_s", 0.05)
    camera = CameraPublisher()
    slowest = 0.0
    for level in range(200):
        before = time.monotonic()
        camera.put(grey(level))
        slowest = max(slowest, time.monotonic() - before)
        assert camera.statistics().waiting <= 2  # one in hand, and the newest
        time.sleep(0.002)
    until(lambda: camera.statistics().waiting == 0, "the last picture")
    counts = camera.statistics()
    levels = [int(image[0, 0, 0]) for image in made[0].sent]
    assert levels == sorted(levels)
    assert levels[-1] == 199
    assert slowest < 0.05
    assert counts.dropped > 100
    assert counts.sent == counts.delivered + counts.dropped
    assert (counts.state, camera.name) == ("live", "virtual camera /dev/video9")
    camera.close()
    camera.close()
    assert made[0].closed == 1
    camera.put(grey(0))  # is not taken any more
    assert camera.statistics().sent == 200


def test_the_last_picture_is_shown_again_and_black_when_the_show_is_over(made, monkeypatch):
    monkeypatch.setattr("engine.push.camera._AGAIN_S", 0.02)
    camera = CameraPublisher()
    camera.blank()  # nothing was shown yet
    time.sleep(0.05)
    assert made == []
    camera.put(grey(7))
    until(lambda: bool(made) and len(made[0].sent) > 3, "the picture again")
    assert {int(image.max()) for image in made[0].sent} == {7}
    camera.blank()
    until(lambda: int(made[0].sent[-1].max()) == 0, "black")
    assert camera.statistics().delivered == 2
    camera.close()


def test_a_lost_device_is_opened_again(made, monkeypatch):
    waits = []

    def sleep(stop, seconds):
        waits.append(seconds)
        stop.wait(0.01)

    camera = CameraPublisher(sleep=sleep)
    camera.put(grey(1))
    until(lambda: camera.statistics().state == "live", "the device")
    monkeypatch.setattr(FakeCamera, "lost", True)
    camera.put(grey(2))
    until(lambda: camera.statistics().state == "waiting", "the loss")
    assert "was removed" in camera.statistics().error
    monkeypatch.setattr(FakeCamera, "missing", True)
    until(lambda: "to get one" in camera.statistics().error, "no device at all")
    until(lambda: len(waits) >= 7, "waits", meanwhile=lambda: camera.put(grey(3)))
    assert waits[:2] == [1, 2]
    assert max(waits) <= 30
    monkeypatch.setattr(FakeCamera, "missing", False)
    monkeypatch.setattr(FakeCamera, "lost", False)
    camera.put(grey(4))
    until(lambda: camera.statistics().state == "live", "the device again")
    until(lambda: int(made[-1].sent[-1].max()) == 4, "the newest picture")
    counts = camera.statistics()
    assert (counts.connections, counts.error) == (2, None)
    assert all(each.closed == 1 for each in made[:-1])
    camera.close()
    counts = camera.statistics()
    assert counts.sent == counts.delivered + counts.dropped


def test_a_fault_of_ours_is_told_and_the_device_is_opened_again(made, monkeypatch, caplog):
    def fails(self, image):
        raise ZeroDivisionError("by zero")

    camera = CameraPublisher(sleep=lambda stop, seconds: stop.wait(0.01))
    with monkeypatch.context() as broken:
        broken.setattr(FakeCamera, "send", fails)
        camera.put(grey(1))
        until(lambda: camera.statistics().state == "waiting", "the fault")
        assert "ZeroDivisionError('by zero')" in camera.statistics().error
    camera.put(grey(2))
    until(lambda: camera.statistics().state == "live", "the device again")
    camera.close()
    assert any(record.exc_info for record in caplog.records)


def test_a_device_that_hangs_is_left_alone(made, monkeypatch):
    monkeypatch.setattr("engine.push.camera._GOODBYE_S", 0.1)
    free = threading.Event()
    monkeypatch.setattr(FakeCamera, "send", lambda self, image: free.wait(20))
    camera = CameraPublisher()
    camera.put(grey(1))
    until(lambda: bool(made), "the device")
    before = time.monotonic()
    camera.close()
    assert time.monotonic() - before < 5
    counts = camera.statistics()
    assert (counts.state, counts.sent, counts.delivered + counts.dropped) == ("closed", 1, 1)
    free.set()
    camera._thread.join(5)
    counts = camera.statistics()
    assert (counts.state, counts.delivered + counts.dropped) == ("closed", 1)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyvirtualcam", None)
    with pytest.raises(MissingDependency, match="virtualcam"):
        CameraPublisher()

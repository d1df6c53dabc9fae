"""Webcams: those that are missing, busy, unplugged and too quick for the engine."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import engine.io.webcam
from engine.errors import CameraBusy, CameraLost, CameraNotFound
from engine.io.webcam import WebcamSource
from tests.fakes import FakeClock

_PATIENCE_S = 10.0


class FakeCapture:
    """A camera that gives blue-tinted BGR pictures with these numbers; None is a failed read."""

    def __init__(
        self,
        numbers: Iterator[int | None],
        *,
        opens: bool = True,
        fps: float = 30.0,
        before: Callable[[int | None], None] = lambda number: None,
        stamp_ms: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.opens, self.fps, self.stamp_ms = opens, fps, stamp_ms
        self.released = 0
        self.wishes: dict[int, float] = {}
        self._numbers, self._before = numbers, before

    def isOpened(self) -> bool:
        return self.opens

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        assert not self.released, "read after release"
        number = next(self._numbers, None)
        self._before(number)
        if number is None:
            return False, None
        picture = np.zeros((6, 8, 3), np.uint8)
        picture[...] = (200, 100, number % 256)  # BGR
        return True, picture

    def set(self, prop: int, value: float) -> bool:
        self.wishes[prop] = value
        return True

    def get(self, prop: int) -> float:
        if prop == cv2.CAP_PROP_POS_MSEC:
            return self.stamp_ms()
        return self.fps if prop == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released += 1


class Cameras:
    """Opens one fake camera after another; the last is one that is not there."""

    def __init__(self, *captures: FakeCapture) -> None:
        self.waiting = list(captures)
        self.opened: list[FakeCapture] = []

    def __call__(self, index: int) -> FakeCapture:
        self.opened.append(
            self.waiting.pop(0) if self.waiting else FakeCapture(iter(()), opens=False)
        )
        return self.opened[-1]


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def paced(every_s: float = 0.001) -> Callable[[int | None], None]:
    def wait(number: int | None) -> None:
        time.sleep(every_s)

    return wait


def webcam(opener: Cameras, clock: FakeClock | None = None, **options: float) -> WebcamSource:
    return WebcamSource(3, open_capture=opener, clock=clock or FakeClock(), **options)


@pytest.fixture
def no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.io.webcam, "cameras", lambda: ["/dev/video7 (Desk camera)"])
    monkeypatch.setattr(engine.io.webcam.Path, "exists", lambda path: False)


@pytest.mark.usefixtures("no_devices")
def test_a_camera_that_is_not_there_names_those_that_are() -> None:
    opener = Cameras()
    with pytest.raises(CameraNotFound, match=r"no camera 3; cameras found: .*Desk camera"):
        webcam(opener)
    assert [c.released for c in opener.opened] == [1]


@pytest.mark.usefixtures("no_devices")
def test_no_camera_at_all_points_to_a_video(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.io.webcam, "cameras", list)
    with pytest.raises(CameraNotFound, match=r"cameras found: none.*--source VIDEO.mp4"):
        webcam(Cameras())


def test_a_device_that_will_not_open_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.io.webcam.sys, "platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/dev/video3")
    with pytest.raises(CameraBusy, match=r"another program holds it.*group `video`"):
        webcam(Cameras())


def test_a_camera_without_pictures_is_busy() -> None:
    opener = Cameras(FakeCapture(iter(())))
    with pytest.raises(CameraBusy, match="opens but gives no picture"):
        webcam(opener)
    assert opener.opened[0].released == 1


def test_what_is_asked_of_the_camera_and_what_it_is() -> None:
    opener = Cameras(FakeCapture(endless(), fps=0.0))
    source = webcam(opener, size_wh=(1280, 720), fps=60.0)
    assert (source.size_wh, source.fps, source.live) == ((8, 6), None, True)
    assert opener.opened[0].wishes == {
        cv2.CAP_PROP_FRAME_WIDTH: 1280,
        cv2.CAP_PROP_FRAME_HEIGHT: 720,
        cv2.CAP_PROP_FPS: 60.0,
        cv2.CAP_PROP_BUFFERSIZE: 1,
    }
    source.close()
    source.close()  # idempotent
    assert opener.opened[0].released == 1


def test_pictures_are_rgb_and_stamped_when_they_are_read() -> None:
    clock = FakeClock(now_ns=1_000)

    def pass_time(number: int | None) -> None:
        clock.time_ns += 10

    source = webcam(Cameras(FakeCapture(iter(range(5)), before=pass_time)), clock, replug_s=0)
    frames = source.frames()
    with pytest.raises(CameraLost):  # noqa: PT012  at the end of the loop
        for frame in frames:
            assert frame.image.shape == (6, 8, 3)
            assert frame.image.flags.c_contiguous
            # The camera's picture 0 was the first look at it, so that frame 0 is picture 1.
            assert frame.image[0, 0].tolist() == [frame.sequence + 1, 100, 200]
            assert frame.captured_ns == 1_000 + 10 * (frame.sequence + 2)
    source.close()


def test_the_driver_s_time_stamps_are_mapped_to_the_engine_s_clock() -> None:
    clock = FakeClock(now_ns=5_000_000_000)
    taken_ms = [0.0]
    late_ms = {3: 40, 4: 9}  # transfers that took longer than the others' 2 ms

    def arrive(number: int | None) -> None:
        taken_ms[0] = 100.0 + 33 * (number or 0)  # on the camera's own clock
        clock.time_ns = 5_000_000_000 + 33_000_000 * (number or 0)
        clock.time_ns += 1_000_000 * late_ms.get(number or 0, 2)

    capture = FakeCapture(iter(range(6)), before=arrive, stamp_ms=lambda: taken_ms[0])
    source = webcam(Cameras(capture), clock, replug_s=0)
    seen = {}
    with pytest.raises(CameraLost):  # noqa: PT012  at the end of the loop
        for frame in source.frames():
            seen[frame.sequence] = frame.captured_ns
    source.close()
    assert seen
    for sequence, captured_ns in seen.items():
        assert captured_ns == 5_002_000_000 + 33_000_000 * (sequence + 1)


@pytest.mark.parametrize("stamp_ms", [0.0, -1.0, float("nan"), 1234.5])
def test_time_stamps_that_say_nothing_are_not_believed(stamp_ms: float) -> None:
    clock = FakeClock(now_ns=0)

    def pass_time(number: int | None) -> None:
        clock.time_ns += 1_000_000_000

    capture = FakeCapture(iter(range(5)), before=pass_time, stamp_ms=lambda: stamp_ms)
    source = webcam(Cameras(capture), clock, replug_s=0)
    with pytest.raises(CameraLost):  # noqa: PT012  at the end of the loop
        for frame in source.frames():
            assert frame.captured_ns == 1_000_000_000 * (frame.sequence + 2)
    source.close()


def test_only_the_newest_picture_waits() -> None:
    read_to = threading.Event()
    go_on = threading.Event()

    def before(number: int | None) -> None:
        if number == 7:  # 1 to 6, frames 0 to 5, have been put into the slot
            read_to.set()
            assert go_on.wait(_PATIENCE_S)

    source = webcam(Cameras(FakeCapture(iter(range(10)), before=before)), replug_s=0)
    frames = source.frames()
    taken = []
    first = threading.Thread(target=lambda: taken.append(next(frames)))
    first.start()  # starts the reader, and may get any of the first pictures
    first.join(_PATIENCE_S)
    assert read_to.wait(_PATIENCE_S)
    if taken[0].sequence < 5:
        taken.append(next(frames))
    assert taken[-1].sequence == 5  # the gap says how many were skipped
    go_on.set()
    with pytest.raises(CameraLost):
        taken.extend(frames)
    assert taken[-1].sequence == 8
    assert [f.sequence for f in taken] == sorted({f.sequence for f in taken})
    source.close()


def test_a_camera_that_is_plugged_in_again_goes_on() -> None:
    away = [FakeCapture(iter(()), opens=False) for _ in range(3)]
    first = FakeCapture(iter(range(4)))
    second = FakeCapture(endless(), before=paced())
    opener = Cameras(first, *away, second)
    source = webcam(opener)
    seen = []
    for frame in source.frames():
        seen.append(frame.sequence)
        if frame.sequence >= 5:  # 3 frames came from the first
            source.stop()
    source.close()
    assert seen == sorted(set(seen))
    assert [c.released for c in opener.opened] == [1] * 5
    assert second.wishes == first.wishes  # asked again


def test_a_camera_that_stays_away_is_lost() -> None:
    clock = FakeClock(overshoot_ns=1_000_000)
    opener = Cameras(FakeCapture(iter(range(3))))
    source = webcam(opener, clock, replug_s=4)
    with pytest.raises(CameraLost, match="did not come back within 4 s"):
        list(source.frames())
    assert 4e9 <= clock.time_ns < 5e9
    source.close()
    assert all(c.released for c in opener.opened)


def test_a_camera_that_comes_back_black_is_lost_too() -> None:
    clock = FakeClock()
    opener = Cameras(FakeCapture(iter(range(3))), *(FakeCapture(iter(())) for _ in range(100)))
    source = webcam(opener, clock, replug_s=4)
    with pytest.raises(CameraLost):
        list(source.frames())
    assert clock.time_ns < 5e9
    source.close()
    assert all(c.released for c in opener.opened)


def test_every_absence_has_its_own_deadline() -> None:
    clock = FakeClock()

    def away(times: int) -> list[FakeCapture]:
        return [FakeCapture(iter(()), opens=False) for _ in range(times)]

    captures = [FakeCapture(iter(range(2)))]
    for _ in range(4):  # 2 s each, 8 s together
        captures += [*away(3), FakeCapture(iter(range(2)))]
    source = webcam(Cameras(*captures), clock, replug_s=4)
    with pytest.raises(CameraLost):
        list(source.frames())
    assert 12e9 <= clock.time_ns < 13e9
    source.close()


def test_what_the_driver_raises_is_raised_again() -> None:
    def fail(number: int | None) -> None:
        if number == 2:
            raise RuntimeError("the driver is gone")

    source = webcam(Cameras(FakeCapture(endless(), before=fail)))
    with pytest.raises(RuntimeError, match="the driver is gone"):
        list(source.frames())
    source.close()


def test_stop_ends_the_frames_and_close_the_thread() -> None:
    source = webcam(Cameras(FakeCapture(endless(), before=paced())))
    frames = source.frames()
    next(frames)
    source.stop()
    assert len(list(frames)) <= 2  # what waited, and what was being read
    source.close()
    assert "ayatsuri-webcam" not in {thread.name for thread in threading.enumerate()}


def test_close_alone_ends_the_thread_too() -> None:
    opener = Cameras(FakeCapture(endless(), before=paced()))
    source = webcam(opener)
    next(source.frames())
    source.close()
    assert opener.opened[0].released == 1


def test_a_camera_that_is_not_there_is_told_in_our_words_alone(capfd: pytest.CaptureFixture[str]):
    before = cv2.utils.logging.getLogLevel()
    with pytest.raises(CameraNotFound):
        WebcamSource(97)
    assert capfd.readouterr() == ("", "")
    assert cv2.utils.logging.getLogLevel() == before


def test_an_unplugged_camera_can_be_stopped_while_it_is_waited_for() -> None:
    waiting = threading.Event()

    class Patient(FakeClock):
        def sleep_until_ns(self, deadline_ns: int, stop: threading.Event) -> bool:
            waiting.set()
            return not stop.wait(_PATIENCE_S)

    source = webcam(Cameras(FakeCapture(iter(range(2)))), Patient())
    frames = source.frames()
    assert next(frames).sequence == 0
    assert waiting.wait(_PATIENCE_S)
    source.stop()
    assert list(frames) == []  # and no CameraLost: the user wanted it
    source.close()

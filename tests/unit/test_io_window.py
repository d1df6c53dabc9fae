"""The preview window: colours, keys, its end, and machines that have none."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import SinkError, WindowUnavailable
from engine.frame import Packet
from engine.io.window import WindowSink
from tests.fakes import frame
from tests.videos import output


class Desktop:
    """Stands in for OpenCV's windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.windows: list[str] = []
        self.shown: list[NDArray[np.uint8]] = []
        self.keys: list[int] = []
        self.visible = 1.0
        self.headless = False
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr(cv2, "namedWindow", self.open)
        monkeypatch.setattr(cv2, "imshow", lambda title, image: self.shown.append(image.copy()))
        monkeypatch.setattr(cv2, "waitKey", lambda ms: self.keys.pop(0) if self.keys else -1)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda title, prop: self.visible)
        monkeypatch.setattr(cv2, "destroyWindow", self.destroy)

    def open(self, title: str, flags: int) -> None:
        if self.headless:
            raise cv2.error("The function is not implemented")
        self.windows.append(title)

    def destroy(self, title: str) -> None:
        if title not in self.windows or self.visible < 1:
            raise cv2.error("NULL guiReceiver: 'destroyWindow'")
        self.windows.remove(title)


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Desktop:
    return Desktop(monkeypatch)


def red(size_wh: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    width, height = size_wh
    return np.full((height, width, 3), (250, 20, 10), np.uint8)


def test_colours_are_shown_as_opencv_wants_them(desktop: Desktop) -> None:
    sink = WindowSink("puppet")
    image = red()
    sink.write(output(0, image))
    sink.write(output(1, red((20, 10))))  # another size is fine
    assert desktop.windows == ["puppet"]
    assert desktop.shown[0].shape == (48, 64, 3)
    assert (desktop.shown[0] == (10, 20, 250)).all()
    assert desktop.shown[1].shape == (10, 20, 3)
    assert (image == (250, 20, 10)).all()  # others have the same picture
    sink.close()
    sink.close()  # idempotent
    assert desktop.windows == []


def test_transparent_outputs_lie_on_a_chequerboard(desktop: Desktop) -> None:
    sink = WindowSink()
    image = np.zeros((48, 64, 4), np.uint8)
    image[20:, :] = (250, 20, 10, 255)
    sink.write(output(0, image))
    shown = desktop.shown[0]
    assert (shown[20:] == (10, 20, 250)).all()
    assert (shown[:16, :16] == 240).all()
    assert (shown[:16, 16:32] == 200).all()
    assert (shown[16:20, :16] == 200).all()
    sink.close()


def test_keys_reach_who_listens(desktop: Desktop) -> None:
    keys: list[str] = []
    sink = WindowSink(on_key=keys.append)
    desktop.keys = [ord("m"), -1, 0x100000 + ord("q")]  # some desktops add bits of their own
    for i in range(4):
        sink.write(output(i, red()))
    assert keys == ["m", "q"]
    sink.close()


def test_closing_the_window_is_told_and_is_no_error(desktop: Desktop) -> None:
    closed: list[bool] = []
    sink = WindowSink(on_close=lambda: closed.append(True))
    sink.write(output(0, red()))
    desktop.visible = 0.0
    sink.write(output(1, red()))
    assert closed == [True]
    assert len(desktop.shown) == 1
    sink.close()  # there is no window to destroy any more


def test_a_window_that_was_never_shown_closes(desktop: Desktop) -> None:
    WindowSink().close()


def test_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.io.window.sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(WindowUnavailable, match=r"DISPLAY is not set.*--sink virtualcam"):
        WindowSink()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    WindowSink().close()


def test_opencv_without_windows(desktop: Desktop) -> None:
    desktop.headless = True
    sink = WindowSink()
    with pytest.raises(WindowUnavailable, match=r"not implemented.*not the headless build"):
        sink.write(output(0, red()))
    sink.close()


def test_an_output_is_needed(desktop: Desktop) -> None:
    sink = WindowSink()
    with pytest.raises(SinkError, match="composite stage"):
        sink.write(Packet(frame()))
    sink.close()

"""Folders of pictures, played as a video."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import EmptyVideo, MediaError, NotAVideo, UnsupportedSize
from engine.io.images import ImageSequenceSource
from tests.fakes import FakeClock


def save(path: Path, red: int, size_wh: tuple[int, int] = (8, 6)) -> None:
    width, height = size_wh
    picture = np.full((height, width, 3), (200, 100, red), np.uint8)  # BGR
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())


def test_a_folder_plays_in_the_order_of_its_names(tmp_path: Path) -> None:
    for red, name in ((3, "c.png"), (1, "a.png"), (2, "b.PNG")):
        save(tmp_path / name, red)
    (tmp_path / "notes.txt").write_text("no picture")
    source = ImageSequenceSource(tmp_path, fps=25)
    assert (source.size_wh, source.frames_total, source.live) == ((8, 6), 3, False)
    frames = list(source.frames())
    assert [f.image[0, 0].tolist() for f in frames] == [[r, 100, 200] for r in (1, 2, 3)]
    assert [f.sequence for f in frames] == [0, 1, 2]
    assert [f.pts * f.time_base for f in frames if f.pts is not None and f.time_base] == [
        Fraction(i, 25) for i in range(3)
    ]
    source.close()


def test_numbers_in_names_are_numbers(tmp_path: Path) -> None:
    names = ["shot2-9.png", "shot2-10.png", "shot10-1.png"]
    for i, name in reversed(list(enumerate(names))):
        save(tmp_path / name, i)
    frames = ImageSequenceSource(tmp_path).frames()
    assert [frame.image[0, 0, 0] for frame in frames] == [0, 1, 2]


def test_a_pattern_chooses(tmp_path: Path) -> None:
    for name in ("a1.png", "a2.png", "b1.png"):
        save(tmp_path / name, 1)
    assert len(list(ImageSequenceSource(f"{tmp_path}/a*.png").frames())) == 2


def test_what_cannot_be_played_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no folder"):
        ImageSequenceSource(tmp_path / "missing")
    with pytest.raises(EmptyVideo, match="there are no pictures"):
        ImageSequenceSource(tmp_path)
    save(tmp_path / "0.png", 1)
    save(tmp_path / "1.png", 1, (4, 4))
    with pytest.raises(UnsupportedSize, match=r"1\.png is 4 x 4, but the first picture is 8 x 6"):
        list(ImageSequenceSource(tmp_path).frames())
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(NotAVideo, match=r"1\.png cannot be read"):
        list(ImageSequenceSource(tmp_path).frames())


def test_pacing_and_stop(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"{i}.png", i)
    source = ImageSequenceSource(tmp_path, fps=10, realtime=True, clock=FakeClock(now_ns=500))
    frames = source.frames()
    assert [next(frames).captured_ns for _ in range(3)] == [500, 100_000_500, 200_000_500]
    source.stop()
    assert list(frames) == []

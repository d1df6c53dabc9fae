"""Folders of PNG that are written."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import DiskFull, SinkError
from engine.frame import Packet
from engine.io.image_writer import ImageSequenceSink
from tests.fakes import frame
from tests.videos import output, picture


def test_alpha_is_straight_and_opaque_pictures_have_none(tmp_path: Path) -> None:
    sink = ImageSequenceSink(tmp_path / "new" / "folder")
    image = np.zeros((6, 8, 4), np.uint8)
    image[:, 4:] = (60, 100, 20, 128)  # premultiplied
    sink.write(output(0, image))
    sink.write(output(1, picture(1)))
    sink.close()
    assert sorted(p.name for p in sink.path.iterdir()) == ["000000.png", "000001.png"]
    first = cv2.imread(str(sink.path / "000000.png"), cv2.IMREAD_UNCHANGED)
    second = cv2.imread(str(sink.path / "000001.png"), cv2.IMREAD_UNCHANGED)
    assert first is not None
    assert second is not None
    assert np.abs(first[0, 6].astype(int) - (40, 199, 120, 128)).max() <= 1  # BGRA
    assert (first[:, :4, 3] == 0).all()
    assert (second[..., ::-1] == picture(1)).all()


@pytest.mark.parametrize(
    ("number", "kind", "said"),
    [
        (errno.ENOSPC, DiskFull, "no space left .*; 1 pictures were written"),
        (errno.EACCES, SinkError, "cannot be written"),
    ],
)
def test_a_failure_keeps_the_pictures_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[SinkError],
    said: str,
) -> None:
    def fail(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(number, "it fails")

    sink = ImageSequenceSink(tmp_path)
    sink.write(output(0, picture(0)))
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(kind, match=said):
        sink.write(output(1, picture(1)))
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["000000.png"]


@pytest.mark.parametrize("there", ["000000.png", "000007.png", "1000000.png"])
def test_pictures_that_are_there_are_not_mixed_with_others(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"of an earlier run")
    with pytest.raises(SinkError, match="has 1: name another one, or delete them"):
        ImageSequenceSink(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [there]


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    others = {"7.png", "000000.jpg", "notes.txt", "a000000.png"}
    for name in others:
        (tmp_path / name).touch()
    ImageSequenceSink(tmp_path).write(output(0, picture(0)))
    assert {p.name for p in tmp_path.iterdir()} == {*others, "000000.png"}


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkError, match="cannot be made"):
        ImageSequenceSink(tmp_path / "file")
    with pytest.raises(SinkError, match="composite stage"):
        ImageSequenceSink(tmp_path).write(Packet(frame()))

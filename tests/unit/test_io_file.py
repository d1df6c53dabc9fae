"""Video files as people have them, and bad ones: a clear error, and nothing lost before it."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from engine.errors import (
    EmptyVideo,
    MediaError,
    NotAVideo,
    StreamStalled,
    TruncatedVideo,
    UnsupportedSize,
)
from engine.frame import Frame
from engine.io import file
from engine.io.file import FileSource
from tests.fakes import FakeClock
from tests.videos import make_video, picture


def read(path: Path | str, **options: object) -> list[Frame]:
    with closing(FileSource(path, **options)) as source:  # type: ignore[arg-type]
        return list(source.frames())


def test_every_picture_comes_in_order(tmp_path: Path) -> None:
    frames = read(make_video(tmp_path / "a.mp4", count=12))
    assert [f.sequence for f in frames] == list(range(12))
    assert [f.seconds for f in frames] == pytest.approx([i / 30 for i in range(12)])
    for i, f in enumerate(frames):
        assert f.image.shape == (48, 64, 3)
        assert f.image.flags.c_contiguous
        assert np.abs(f.image.astype(int) - picture(i)).mean() < 8


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0, 10, 90, 100, 250, 400]
    path = make_video(tmp_path / "v.mkv", count=6, pts_ms=times)
    assert [f.seconds for f in read(path)] == pytest.approx([t / 1000 for t in times], abs=2e-3)


@pytest.mark.parametrize("size_wh", [(48, 80), (65, 49), (2, 2)])
def test_portrait_odd_and_tiny_sizes(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    path = make_video(tmp_path / "a.mkv", count=3, size_wh=size_wh)
    with closing(FileSource(path)) as source:
        assert source.size_wh == size_wh
        assert [f.image.shape[1::-1] for f in source.frames()] == [size_wh] * 3


def test_large_pictures_shrink_and_huge_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_video(tmp_path / "a.mkv", count=2, size_wh=(200, 100))
    assert read(path, max_side_px=50)[0].image.shape == (25, 50, 3)
    monkeypatch.setattr(file, "MAX_SIDE_PX", 150)
    with pytest.raises(UnsupportedSize, match="200 x 100; at most 150"):
        FileSource(path)


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Have a player show an mp4 by x' = a x + c y, y' = b x + d y, with y down.

    It is in the track header box: ISO/IEC 14496-12, section 8.3.2. PyAV can write only rotations.
    """
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    at = header + 4 + (32 if data[header] == 1 else 20) + 16  # times and numbers, layer and volume
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # clockwise: a telephone held upright
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), np.fliplr),  # the camera that faces its owner
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
    ],
)
def test_pictures_are_turned_upright(
    tmp_path: Path,
    matrix: tuple[int, int, int, int],
    shown: Callable[[np.ndarray], np.ndarray],
) -> None:
    path = set_matrix(make_video(tmp_path / "a.mp4", count=3), *matrix)
    expected = shown(picture(0))
    with closing(FileSource(path)) as source:
        images = [f.image for f in source.frames()]
        assert source.size_wh == expected.shape[1::-1]
    for i, image in enumerate(images):
        assert image.flags.c_contiguous
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - shown(picture(i))).mean() < 8


def test_a_turned_picture_shrinks_by_its_longer_side(tmp_path: Path) -> None:
    path = set_matrix(make_video(tmp_path / "a.mp4", count=2), 0, 1, -1, 0)
    assert read(path, max_side_px=32)[0].image.shape == (32, 24, 3)


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", count=3, pixel_aspect=Fraction(3, 2))
    image = read(path)[0].image
    assert image.shape == (48, 96, 3)
    assert np.abs(image[8:16, 8:40].astype(int) - (220, 20, 20)).mean() < 12, "red up to a half"
    assert read(set_matrix(path, 0, 1, -1, 0))[0].image.shape == (96, 48, 3)


def test_pacing_takes_the_times_of_the_file(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", count=5)
    clock = FakeClock(7_000, overshoot_ns=3_000_000)
    frames = read(path, realtime=True, clock=clock)
    due = [7_000 + round(i / 30 * 1e9) for i in range(5)]
    assert [f.captured_ns for f in frames] == pytest.approx(due, abs=2)


def test_stop_ends_the_pictures(tmp_path: Path) -> None:
    with closing(FileSource(make_video(tmp_path / "a.mp4"), loop=True)) as source:
        frames = source.frames()
        times = [next(frames).seconds for _ in range(25)]  # twice round, and half
        assert times == sorted(set(times))
        source.stop()
        assert list(frames) == []


def test_files_that_are_no_videos(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no file"):
        FileSource(tmp_path / "missing.mp4")
    with pytest.raises(NotAVideo, match="is a folder"):
        FileSource(tmp_path)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(EmptyVideo, match="0 bytes"):
        FileSource(empty)
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 50)
    with pytest.raises(NotAVideo):
        FileSource(text)


def test_a_truncated_file_gives_what_it_has(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", count=90).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) // 2])
    frames = []
    with closing(FileSource(cut)) as source, pytest.raises(TruncatedVideo):  # noqa: PT012
        for f in source.frames():
            frames.append(f.sequence)  # noqa: PERF401  it raises in the middle
    assert 10 < len(frames) < 80
    assert frames == list(range(len(frames)))


@pytest.fixture
def stalling_server(tmp_path: Path) -> Iterator[str]:
    """Sends half of a video over HTTP, and then nothing, without hanging up."""
    data = make_video(tmp_path / "a.ts", count=60, codec="mpeg2video").read_bytes()
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n"
                connection.sendall(head.encode() + data[: len(data) // 2])
                done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        done.set()
        thread.join()


def test_a_stream_that_stalls_is_told(stalling_server: str) -> None:
    with pytest.raises(StreamStalled, match="sent nothing for"):
        read(stalling_server, timeout_s=0.5)


@pytest.mark.parametrize("name", ["a.ts", "a.mkv"])
def test_a_stream_that_is_served_plays_to_its_end(tmp_path: Path, name: str) -> None:
    make_video(tmp_path / name, count=20, codec="mpeg2video")
    handler = partial(QuietHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/{name}"
            frames = read(url, timeout_s=5)
        finally:
            server.shutdown()
            thread.join()
    assert [f.sequence for f in frames] == list(range(20))
    local = read(tmp_path / name)
    for streamed, stored in zip(frames, local, strict=True):
        np.testing.assert_array_equal(streamed.image, stored.image)


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder's files and says nothing of it."""

    def log_message(self, *said: object) -> None: ...


def test_a_stream_that_nobody_serves() -> None:
    with pytest.raises(StreamStalled, match="cannot be reached"):
        FileSource("http://127.0.0.1:9/nothing.mp4", timeout_s=2)

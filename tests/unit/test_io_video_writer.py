"""Video files that are written: pictures, alpha, sound, and what is left after a failure."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DiskFull, SinkError
from engine.io.video_writer import _FORMATS, VideoSink, _Audio
from tests.videos import decoded, make_video, output, picture, tone_start_s


def write(path: Path, images: list[np.ndarray], audio_from: Path | None = None) -> None:
    sink = VideoSink(path, audio_from=None if audio_from is None else str(audio_from))
    try:
        for i, image in enumerate(images):
            sink.write(output(i, image))
    finally:
        sink.close()
    sink.close()  # idempotent


def premultiplied() -> np.ndarray:
    image = np.zeros((48, 64, 4), np.uint8)
    image[8:40, 8:32] = (200, 80, 40, 255)
    image[8:40, 32:56] = (60, 100, 20, 128)
    return image


def test_mp4_has_every_picture_and_time(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    write(path, [picture(i) for i in range(12)])
    images, times = decoded(path)
    assert times == pytest.approx([i / 30 for i in range(12)], abs=1e-3)
    for i, image in enumerate(images):
        assert np.abs(image.astype(int) - picture(i)).mean() < 6
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mov"])
def test_odd_sizes_are_written_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    write(path, [picture(i, (63, 47)) for i in range(3)])
    images, _ = decoded(path)
    assert [image.shape for image in images] == [(48, 64, 3)] * 3


def test_prores_keeps_alpha(tmp_path: Path) -> None:
    path = tmp_path / "out.mov"
    write(path, [premultiplied()] * 3)
    images, _ = decoded(path, "rgba")
    assert len(images) == 3
    assert abs(int(images[0][24, 20, 3]) - 255) <= 2
    assert abs(int(images[0][24, 44, 3]) - 128) <= 3
    assert images[0][2, 2, 3] <= 2
    assert np.abs(images[0][24, 20, :3].astype(int) - (200, 80, 40)).max() < 12
    assert np.abs(images[0][24, 44, :3].astype(int) - (120, 199, 40)).max() < 14  # straight


def test_webm_keeps_alpha(tmp_path: Path) -> None:
    import av

    path = tmp_path / "out.webm"
    write(path, [premultiplied()] * 3)
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        decoder = av.CodecContext.create("libvpx-vp9", "r")  # FFmpeg's own drops the alpha
        image = next(f for p in packets for f in decoder.decode(p)).to_ndarray(format="rgba")
    assert image[24, 20, 3] >= 250
    assert abs(int(image[24, 44, 3]) - 128) <= 8
    assert image[2, 2, 3] <= 5


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mov"])
def test_sound_stays_in_sync(tmp_path: Path, suffix: str) -> None:
    source = make_video(tmp_path / "in.mp4", count=30, sound=True)
    path = tmp_path / f"out.{suffix}"
    write(path, [picture(i) for i in range(30)], audio_from=source)
    images, times = decoded(path)
    assert len(images) == 30
    assert times[0] == pytest.approx(0, abs=1e-3)
    assert tone_start_s(path) == pytest.approx(tone_start_s(source), abs=0.025)


@pytest.mark.parametrize("suffix", ["mp4", "webm", "mov"])
def test_a_full_disk_is_told_and_the_file_so_far_plays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    sink = VideoSink(path)
    for i in range(10):
        sink.write(output(i, picture(i)))

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def mux(self, packets: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    real, sink._container = sink._container, Full()
    with pytest.raises(DiskFull, match="no space left"):  # noqa: PT012  some picture, any
        for i in range(10, 60):
            sink.write(output(i, picture(i)))
    sink._container = real
    sink.close()
    images, _ = decoded(path)
    assert len(images) >= 10


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no kind of video"):
        VideoSink(tmp_path / "a.avi")
    with pytest.raises(SinkError, match="there is no folder"):
        VideoSink(tmp_path / "missing" / "a.mp4")
    path = tmp_path / "a.mp4"
    sink = VideoSink(path)
    sink.write(output(0, picture(0)))
    with pytest.raises(SinkError, match="64 x 48, but this one is 32 x 32"):
        sink.write(output(1, picture(1, (32, 32))))
    sink.close()
    assert len(decoded(path)[0]) == 1


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mp4")
    sink.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sound", [False, True])
def test_an_encoder_that_fails_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: bool
) -> None:
    source = make_video(tmp_path / "in.mp4", sound=True)
    path = tmp_path / "out.mp4"
    path.write_bytes(b"an older film")
    if sound:  # the pictures' encoder opens, but the sound's does not

        def refuse(*_: object) -> None:
            raise OSError(errno.EINVAL, "no such audio")

        monkeypatch.setattr(_Audio, "__init__", refuse)
    else:
        broken = replace(_FORMATS[".mp4"], pixels="no such pixels")
        monkeypatch.setitem(_FORMATS, ".mp4", broken)
    sink = VideoSink(path, audio_from=str(source))
    with pytest.raises((SinkError, ValueError)):
        sink.write(output(0, picture(0)))
    sink.close()
    assert path.read_bytes() == b"an older film"
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", "out.mp4"}


def test_an_mp4_that_is_cut_off_plays_from_the_start(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4")
    for i in range(240):  # the encoder looks ahead, and a fragment is a second
        sink.write(output(i, picture(i, (32, 32))))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(sink._partial.read_bytes())
    sink.close()
    images, times = decoded(cut)
    assert len(images) >= 120
    assert times[0] == pytest.approx(0, abs=1e-3)

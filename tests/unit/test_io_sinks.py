"""What a user's words open, and what is said about words that open nothing."""

from pathlib import Path

import pytest

from engine.errors import SinkError, SourceError
from engine.io.image_writer import ImageSequenceSink
from engine.io.null import NullSink
from engine.io.sinks import open_sink, takes_alpha
from engine.io.sources import open_source
from engine.io.video_writer import VideoSink


def test_words_open_sinks(tmp_path: Path) -> None:
    assert isinstance(open_sink("null"), NullSink)
    assert isinstance(open_sink(tmp_path / "folder"), ImageSequenceSink)
    for suffix in ("mp4", "webm", "mov"):
        assert isinstance(open_sink(tmp_path / f"a.{suffix}"), VideoSink)
    with pytest.raises(SinkError, match="no kind of file"):
        open_sink(tmp_path / "a.avi")


def test_which_sinks_take_alpha() -> None:
    for wish in ("a.webm", "A.MOV", "folder"):
        assert takes_alpha(wish)
    for wish in ("a.mp4", "window", "virtualcam"):
        assert not takes_alpha(wish)


def test_words_that_open_no_source(tmp_path: Path) -> None:
    for wish, said in (("webcam:x", "webcam:0"), (f"images:{tmp_path}/no", "there is no folder")):
        with pytest.raises(SourceError, match=said):
            open_source(wish)

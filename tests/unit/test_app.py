"""Whole shows: the real clip, codecs and pose model; a small character made in the test."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

import engine
from engine import app
from engine.app import PERFORMER, Options
from engine.errors import BundleDamaged, NotAVideo, SinkError
from tests.bundles import write_bundle
from tests.marks import needs_pose_model

FRAMES = 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the performer's clip, with their sound."""
    path = tmp_path_factory.mktemp("clip") / "short.mp4"
    with av.open(PERFORMER) as whole, av.open(path, "w") as short:
        streams = {s.index: short.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None and packet.dts * packet.time_base < FRAMES / 30:
                packet.stream = streams[packet.stream.index]
                short.mux(packet)
    return path


@pytest.fixture(scope="module")
def character(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "stick.character")


def pictures(path: Path) -> Iterator[np.ndarray]:
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


@needs_pose_model
@pytest.mark.parametrize("pose_runtime", ["mediapipe", "onnx"])
def test_a_video_is_puppeted_without_losing_a_frame(clip, character, tmp_path, pose_runtime):
    out, kept, seen = tmp_path / "out.mp4", tmp_path / "report.json", []
    report = engine.puppeteer(
        clip,
        out,
        character,
        report=kept,
        options=engine.Options(pose_runtime=pose_runtime),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    made = list(pictures(out))
    count = sum(1 for _ in pictures(clip))
    assert len(made) == count
    assert made[0].shape == (64, 64, 3)
    assert seen[-1] == (count, count)
    assert np.ptp(made[-1]) > 100, "nothing is drawn"
    moved = np.abs(made[-1].astype(int) - made[0]).max()
    assert moved > 100, "the character stands still"
    with av.open(out) as container:
        assert container.streams.audio, "the sound was not carried along"
    written = json.loads(kept.read_text())
    assert written == json.loads(report.to_json())
    for channel in written["channels"]:
        assert channel["sent"] == channel["delivered"] == count
        assert channel["dropped"] == 0


@needs_pose_model
def test_the_performer_stands_beside_the_character(clip, character, tmp_path):
    out = tmp_path / "both.mp4"
    engine.puppeteer(clip, out, character, options=Options(layout="side-by-side", show_pose=True))
    first, truth = next(pictures(out)), next(pictures(clip))
    height, width = truth.shape[:2]
    assert first.shape[0] == height
    assert first.shape[1] > width
    error = np.abs(first[:, :width].astype(int) - truth).mean()
    assert error < 6, "the left half is not the performer"


@needs_pose_model
def test_alpha_reaches_the_file(clip, character, tmp_path):
    folder = tmp_path / "pictures"
    engine.puppeteer(clip, folder, character)
    import cv2

    files = sorted(folder.glob("*.png"))
    assert len(files) == sum(1 for _ in pictures(clip))
    alpha = cv2.imread(str(files[-1]), cv2.IMREAD_UNCHANGED)[..., 3]
    assert alpha.min() == 0
    assert alpha.max() == 255


def _difference(a: Path, b: Path) -> float:
    pairs = zip(pictures(a), pictures(b), strict=True)
    return float(np.mean([np.abs(x.astype(int) - y).mean() for x, y in pairs]))


@needs_pose_model
def test_smoothing_and_mirroring_change_the_picture(clip, character, tmp_path):
    made = {}
    for name, options in {
        "plain": Options(smoothing="none"),
        "again": Options(smoothing="none"),
        "mirrored": Options(smoothing="none", mirror=True),
        "one-euro": Options(smoothing="one-euro"),
    }.items():
        made[name] = tmp_path / f"{name}.mp4"
        engine.puppeteer(clip, made[name], character, options=options)
    assert _difference(made["plain"], made["again"]) == 0, "not deterministic"
    assert _difference(made["plain"], made["mirrored"]) > 0.1
    assert _difference(made["plain"], made["one-euro"]) > 0.001


def test_a_number_smooths_from_quick_to_calm():
    noise = np.random.default_rng(1).normal(0, 2, (60, 20, 4)).astype(np.float32) + 100
    left = []
    for pace in (0.0, 0.5, 1.0):
        smoother = app.make_smoother(pace, live=True)(256)
        track = [
            one for i, joints in enumerate(noise) for one in smoother.push(joints, i * 33_333_333)
        ]
        left.append(float(np.std(np.stack(track)[10:, :, :2])))
    assert left == sorted(left, reverse=True)
    assert left[0] > 1.5 * left[2]
    as_it_is = app.make_smoother("one-euro", live=True)(256)
    again = [one for i, joints in enumerate(noise) for one in as_it_is.push(joints, i * 33_333_333)]
    assert float(np.std(np.stack(again)[10:, :, :2])) == left[1]
    for kind in (-0.1, 1.1, float("nan"), "butter"):
        with pytest.raises(ValueError, match="a number from 0 to 1"):
            app.make_smoother(kind, live=True)


@needs_pose_model
def test_a_paced_video_takes_its_time_and_counts_what_is_late(clip, character, tmp_path):
    began = time.monotonic()
    report = engine.puppeteer(clip, "null", character, realtime=True)
    assert time.monotonic() - began > 0.5 * FRAMES / 30
    for channel in json.loads(report.to_json())["channels"]:
        assert channel["sent"] == channel["delivered"] + channel["dropped"]


@needs_pose_model
def test_live_ends_when_its_time_is_over(clip, character):
    report = engine.live(str(clip), "null", [character], seconds=0.5)
    assert json.loads(report.to_json())["channels"]


@needs_pose_model
def test_the_keys_work_while_a_show_runs(clip, character):
    from engine.io.file import FileSource
    from engine.io.null import NullSink

    said: list[str] = []
    cast = app.load_cast([character, character])
    source = FileSource(clip, realtime=True, loop=True)
    show = app.build(source, NullSink(), cast, alpha=True, on_message=said.append)
    threading.Timer(0.4, lambda: [show.controls.press(k) for k in "msnq"]).start()
    show.pipeline.run(duration_s=30)
    assert said[:2] == ["mirror on", "pose shown"]
    assert said[2].startswith("character: ")


def test_a_wrong_character_leaves_nothing_open(clip, tmp_path):
    wrong = tmp_path / "wrong.character"
    wrong.write_bytes(b"no bundle")
    with pytest.raises(BundleDamaged):
        engine.puppeteer(clip, tmp_path / "out.mp4", wrong)
    assert not (tmp_path / "out.mp4").exists()


def test_a_wrong_video_leaves_nothing_open(character, tmp_path):
    wrong = tmp_path / "text.mp4"
    wrong.write_text("no video")
    with pytest.raises(NotAVideo):
        engine.puppeteer(wrong, tmp_path / "out.mp4", character)
    assert not (tmp_path / "out.mp4").exists()


@needs_pose_model
def test_a_missing_background_is_told_before_anything_runs(clip, character, tmp_path):
    with pytest.raises(SinkError, match="background"):
        engine.puppeteer(
            clip,
            tmp_path / "o.mp4",
            character,
            options=Options(background=str(tmp_path / "no.png")),
        )


def test_transparent_mp4_is_refused(clip, character, tmp_path):
    with pytest.raises(SinkError, match="carries no transparency"):
        engine.puppeteer(
            clip, tmp_path / "o.mp4", character, options=Options(background="transparent")
        )


@needs_pose_model
def test_a_report_that_cannot_be_written_is_told(clip, character, tmp_path):
    with pytest.raises(SinkError, match="report"):
        engine.puppeteer(clip, "null", character, report=tmp_path / "no" / "r.json")

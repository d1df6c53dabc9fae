"""`ayatsuri motion` from the video's file to the motion's."""

import itertools

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.app import PERFORMER
from engine.cli import app
from engine.errors import MediaError, NobodyInVideo, SinkError
from engine.io.file import FileSource
from engine.mocap import video
from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.clip import clip_of
from engine.mocap.joints import from_mediapipe, mid_hip
from engine.mocap.lift import LIFTERS, open_lifter
from engine.mocap.recover import recover
from engine.mocap.track import FPS, Track, observe
from engine.pose.mediapipe import MediaPipeEstimator
from tests.fakes import FakeSource
from tests.marks import needs_pose_model
from tests.mocap import filmed, joints_of, parse_vmd
from training.lifter.evaluate import lift_17
from training.motion.dance import dance


@pytest.fixture
def seen(monkeypatch) -> Track:
    """What is seen of every video: a second of a dance."""
    clip = clip_of(dance(1.0, FPS, 0, REFERENCE_REST), FPS, "dance")
    poses = filmed(joints_of(clip, REFERENCE_REST))
    track = Track(
        np.array([p.keypoints for p in poses], np.float64),
        np.array([p.scores for p in poses], np.float64),
        np.array([p.world for p in poses], np.float64),
        np.ones(len(poses), bool),
        (640, 480),
    )
    monkeypatch.setattr(video, "watch", lambda *args: track)
    return track


@pytest.mark.parametrize("lifter", LIFTERS)
def test_a_video_becomes_a_file_that_mmd_reads(seen, tmp_path, lifter):
    found = video.motion("dance.mp4", tmp_path / "dance.VMD", lifter=lifter)
    data = (tmp_path / "dance.VMD").read_bytes()
    keys = parse_vmd(data).keys
    assert len(found.clip) == len(keys["センター"]) == 30
    assert [p.name for p in tmp_path.iterdir()] == ["dance.VMD"]
    video.motion("dance.mp4", tmp_path / "again.vmd", lifter=lifter)
    assert (tmp_path / "again.vmd").read_bytes() == data


def test_a_video_becomes_a_bvh_file(seen, tmp_path):
    video.motion("dance.mp4", tmp_path / "dance.bvh")
    text = (tmp_path / "dance.bvh").read_text("ascii")
    assert text.startswith("HIERARCHY\nROOT hips\n")
    assert "Frames: 30\n" in text


@pytest.mark.parametrize("name", ["dance.fbx", "dance", "dance.vmd.gz"])
def test_another_suffix_is_refused_before_anything_is_done(tmp_path, name):
    with pytest.raises(SinkError, match=r"\.vmd.*\.bvh"):
        video.motion("never opened.mp4", tmp_path / name)


def test_a_place_that_cannot_be_written_is_told_at_once(tmp_path):
    with pytest.raises(SinkError, match="folder"):
        video.motion("never opened.mp4", tmp_path / "nowhere" / "dance.vmd")
    (tmp_path / "taken.vmd").mkdir()
    with pytest.raises(SinkError, match="folder"):
        video.motion("never opened.mp4", tmp_path / "taken.vmd")


@pytest.mark.parametrize("degrees", [0.0, 180.0, float("nan")])
def test_an_impossible_camera_is_refused(tmp_path, degrees):
    with pytest.raises(ValueError, match="field of view"):
        video.motion("x.mp4", tmp_path / "x.vmd", field_of_view_deg=degrees)


def test_a_missing_video_is_told(tmp_path):
    with pytest.raises(MediaError, match=r"none\.mp4"):
        video.motion(tmp_path / "none.mp4", tmp_path / "x.vmd")


def test_a_stream_that_never_ends_is_refused(monkeypatch):
    source = FakeSource(3, live=True)
    source.close = lambda: None  # type: ignore[method-assign]
    monkeypatch.setattr("engine.io.sources.open_source", lambda location: source)
    with pytest.raises(MediaError, match="never ends"):
        video.watch("webcam:0")


# --- the command ---------------------------------------------------------------------------------


def run(*args: str):
    return CliRunner().invoke(app, list(args))


def test_the_command_says_what_it_wrote(seen, tmp_path):
    result = run("motion", "dance.mp4", "-o", str(tmp_path / "d.vmd"), "--lifter", "mediapipe")
    assert result.exit_code == 0, result.output
    assert "30 frames" in result.output
    assert (tmp_path / "d.vmd").stat().st_size > 50_000


def test_the_command_explains_itself(monkeypatch, tmp_path):
    result = run("motion", "dance.mp4", "-o", str(tmp_path / "d.mp4"))
    assert result.exit_code == 1
    assert ".vmd" in result.output

    def nobody(*args):
        raise NobodyInVideo("shows a person in 0 of 9 pictures")

    monkeypatch.setattr(video, "watch", nobody)
    result = run("motion", "dance.mp4", "-o", str(tmp_path / "d.vmd"))
    assert result.exit_code == 1
    assert "0 of 9" in result.output
    assert not list(tmp_path.iterdir())
    assert run("motion", "d.mp4", "-o", "d.vmd", "--lifter", "magic").exit_code == 2


# --- the real estimator --------------------------------------------------------------------------


class Beginning(FileSource):
    """The first pictures of a video."""

    def frames(self):
        return itertools.islice(super().frames(), 45)


@needs_pose_model
def test_the_performer_s_first_steps_come_back():
    source, estimator = Beginning(PERFORMER), MediaPipeEstimator()
    try:
        track = observe(source, estimator)
    finally:
        estimator.close()
        source.close()
    truth = lift_17(np.load(PERFORMER.with_suffix(".joints.npz"))["joints3d"])[: len(track)]
    truth = (truth - mid_hip(truth)) * (1.0, -1.0, -1.0)
    errors = {}
    for name in LIFTERS:
        joints = recover(track, open_lifter(name), name, 33.9).placed.joints
        made = (joints - mid_hip(joints)) * 1.30
        errors[name] = np.linalg.norm(made - truth, axis=-1).mean()
    assert errors["baseline"] < 0.08
    assert errors["mediapipe"] < 0.12
    assert np.isfinite(from_mediapipe(track.keypoints)).all()

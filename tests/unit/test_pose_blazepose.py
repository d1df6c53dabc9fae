"""The estimator of our own beside MediaPipe, on the clip that ships."""

from itertools import islice

import numpy as np
import pytest

from engine.errors import PoseError
from engine.frame import Frame
from engine.pose.estimator import open_estimator
from engine.stages import media_time_ns
from tests.marks import needs_openvino, needs_pose_model

pytestmark = [pytest.mark.model, needs_pose_model]


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    from engine.app import PERFORMER
    from engine.io.file import FileSource

    if not PERFORMER.exists():
        pytest.skip(f"{PERFORMER} is not there")
    source = FileSource(PERFORMER)
    first = list(islice(source.frames(), 24))
    source.close()
    return first


def test_poses_are_those_of_mediapipe(frames: list[Frame]) -> None:
    from bench.pose_agreement import Agreement

    theirs, ours = (open_estimator(runtime, "full") for runtime in ("mediapipe", "onnx"))
    agreement = Agreement()
    for frame in frames:
        time_ns = media_time_ns(frame)
        a, b = (one.estimate(frame.image, time_ns) for one in (theirs, ours))
        agreement.add(a, b)
        assert a is not None
        assert b is not None
    for pose in (a, b):
        assert (pose.keypoints.shape, pose.world.shape) == ((33, 2), (33, 3))
        assert pose.keypoints.dtype == pose.world.dtype == pose.scores.dtype == np.float32
    np.testing.assert_allclose(a.scores, b.scores, atol=0.05)
    np.testing.assert_allclose(a.world, b.world, atol=0.05)
    theirs.close()
    ours.close()
    assert agreement.pictures == len(frames)
    assert agreement.share > 0.97  # 0.997 over the whole clip


def test_several_people_may_be_looked_for(frames: list[Frame]) -> None:
    from engine.pose.blazepose import BlazePoseEstimator

    estimator = BlazePoseEstimator("full", people=2)
    poses = [estimator.estimate(frame.image, media_time_ns(frame)) for frame in frames[:3]]
    assert all(pose is not None for pose in poses)
    estimator.close()


def test_who_leaves_is_nobody_and_may_come_back(frames: list[Frame]) -> None:
    estimator = open_estimator("onnx", "full")
    empty = np.zeros_like(frames[0].image)
    seen = [
        estimator.estimate(image, i * 33_000_000) is not None
        for i, image in enumerate([frames[0].image, empty, empty, frames[1].image])
    ]
    assert seen == [True, False, False, True]
    estimator.close()
    estimator.close()


def test_nobody_is_a_value_and_any_time_and_size_go() -> None:
    estimator = open_estimator("onnx", "full")
    rng = np.random.default_rng(0)
    for time_ns in (0, 0, 1, 500_000_000, 100):  # from zero, equal, backwards
        noise = rng.integers(0, 256, (120, 90, 3), dtype=np.uint8)
        assert estimator.estimate(noise, time_ns) is None
    for size in ((1, 1), (1, 900), (2000, 3)):
        assert estimator.estimate(np.zeros((*size, 3), np.uint8), 0) is None
    estimator.close()


def test_views_of_pictures_are_read_as_they_are(frames: list[Frame]) -> None:
    mirrored = frames[0].image[:, ::-1]
    poses = []
    for image in (mirrored, np.ascontiguousarray(mirrored)):
        estimator = open_estimator("onnx", "full")
        poses.append(estimator.estimate(image, 0))
        estimator.close()
    np.testing.assert_array_equal(poses[0].keypoints, poses[1].keypoints)


@needs_openvino
def test_openvino_finds_the_same_poses(frames: list[Frame]) -> None:
    poses = {}
    for runtime in ("onnx", "openvino"):
        estimator = open_estimator(runtime, "full")  # type: ignore[arg-type]
        poses[runtime] = [estimator.estimate(f.image, media_time_ns(f)) for f in frames[:12]]
        estimator.close()
    for ours, theirs in zip(poses["openvino"], poses["onnx"], strict=True):
        assert ours is not None
        assert theirs is not None
        np.testing.assert_allclose(ours.keypoints, theirs.keypoints, atol=0.5)
        np.testing.assert_allclose(ours.world, theirs.world, atol=0.01)


def test_a_failing_network_is_an_error_and_not_an_empty_room(
    frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.pose.blazepose import BlazePoseEstimator

    class Broken:
        def run(self, names: object, feeds: object) -> None:
            raise RuntimeError("out of memory")

    estimator = BlazePoseEstimator("full")
    monkeypatch.setattr(estimator._networks._detector, "_session", Broken())
    with pytest.raises(PoseError, match="out of memory"):
        estimator.estimate(frames[0].image, 0)
    estimator.close()

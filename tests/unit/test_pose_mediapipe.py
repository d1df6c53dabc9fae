from pathlib import Path

import numpy as np
import pytest

from engine import models
from engine.errors import ModelCorrupt, ModelMissing
from engine.pose.estimator import PoseRuntime, open_estimator
from engine.pose.mediapipe import MediaPipeEstimator
from tests.marks import needs_pose_model


@pytest.mark.model
@needs_pose_model
def test_nobody_is_a_value_and_any_time_goes() -> None:
    estimator = MediaPipeEstimator("full")
    noise = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    try:
        for time_ns in (0, 0, 1, 500_000_000, 100):  # from zero, equal, backwards
            assert estimator.estimate(noise, time_ns) is None
    finally:
        estimator.close()
        estimator.close()


@pytest.mark.model
@needs_pose_model
@pytest.mark.parametrize("runtime", ["mediapipe", "onnx"])
def test_large_pictures_are_scaled_and_keypoints_are_not(runtime: PoseRuntime) -> None:
    from engine.app import PERFORMER
    from engine.io.file import FileSource

    if not PERFORMER.exists():
        pytest.skip(f"{PERFORMER} is not there")
    source = FileSource(PERFORMER)
    image = next(source.frames()).image
    source.close()
    found = []
    for picture in (image, np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)):
        estimator = open_estimator(runtime, "full")
        found.append(estimator.estimate(picture, 0))
        estimator.close()
    small, large = found
    assert small is not None
    assert large is not None
    torso_px = np.linalg.norm(small.keypoints[11] - small.keypoints[23])
    error_px = np.linalg.norm(large.keypoints / 2 - small.keypoints, axis=1)
    assert np.median(error_px) < 0.1 * torso_px
    assert small.keypoints.shape == (33, 2)
    assert small.world.shape == (33, 3)
    assert (small.scores >= 0).all()
    assert (small.scores <= 1).all()


def test_a_missing_model_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    with pytest.raises(ModelMissing, match="ayatsuri models pose-full"):
        MediaPipeEstimator("full")
    path = models.get("pose-full").path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    with pytest.raises(ModelCorrupt, match="--force"):
        MediaPipeEstimator("full")

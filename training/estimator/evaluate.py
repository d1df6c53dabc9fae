"""PCKh of the estimator on characters never seen, beside MediaPipe's, which knows photographs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import models
from engine.pose.anime import AnimePose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, convert
from training.estimator.data import TEST_SEEDS, Renders, render_characters
from training.estimator.measure import GROUPS, pckh
from training.estimator.train import Trials

SIZE = 256
POSES = 3  # of each test character
_SEED = 1


def test_renders() -> Renders:
    """The pictures of the table: characters and poses that are never trained on."""
    return Renders.of(render_characters(TEST_SEEDS, POSES, SIZE, _SEED))


def measured(model: bytes | None) -> Iterator[dict[str, object]]:
    """Lines of the table: each way of finding keypoints, on plain and on restyled pictures.

    `visible` counts the keypoints that can be seen, `all` those within the picture too that are
    hidden, each part of the body the visible ones.
    """
    renders = test_renders()
    estimator = AnimePose(model)
    for kind, clean in (("plain", True), ("restyled", False)):
        trials = Trials.of(renders, SIZE, 2, clean)
        for name, found in (
            ("one look", [estimator.estimate(p, careful=False) for p in trials.pictures]),
            ("six looks", [estimator.estimate(p) for p in trials.pictures]),
            ("mediapipe full", mediapipe_keypoints(list(trials.pictures))),
        ):
            yield {"pictures": kind, "by": name, **scores(np.stack(found), trials)}


def scores(found: NDArray[np.float32], trials: Trials) -> dict[str, float]:
    """PCKh@0.5 of keypoints (N, 20, 3), whole and by part, and PCKh@0.2, in percent."""

    def percent(counted: NDArray[np.bool_], share: float = 0.5) -> float:
        return round(100 * pckh(found, trials.truth, trials.head, counted, share), 1)

    parts = {}
    for part, joints in GROUPS.items():
        of_part = np.zeros(len(PUPPET_20.joints), np.bool_)
        of_part[list(joints)] = True
        parts[part] = percent(trials.visible & of_part)
    return {
        "visible": percent(trials.visible),
        "visible_0.2": percent(trials.visible, 0.2),
        "all": percent(trials.inside),
        **parts,
    }


def mediapipe_keypoints(pictures: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
    """(20, 3) keypoints of each RGB picture, NaN where nobody was found; each picture on its own.

    Raises ModelMissing where MediaPipe's network is not in the cache.
    """
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(models.verified("pose-full"))),
        running_mode=vision.RunningMode.IMAGE,
    )
    made = []
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        for picture in pictures:
            whole = np.ascontiguousarray(picture)
            image: Any = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=whole)
            people = landmarker.detect(image).pose_landmarks
            keypoints = np.full((33, 3), np.nan, np.float32)
            if people:
                height, width = picture.shape[:2]
                keypoints[:] = [(p.x * width, p.y * height, p.visibility) for p in people[0]]
            made.append(convert(keypoints, MEDIAPIPE_33, PUPPET_20))
    return made


def model_of(folder: Path) -> bytes | None:
    """The network of a folder of training, or None for the one that ships."""
    path = folder / "anime_pose.onnx"
    return path.read_bytes() if path.is_file() else None

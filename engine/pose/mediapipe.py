"""MediaPipe's PoseLandmarker (Tasks 1.x): 33 landmarks and their 3D world landmarks."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import models
from engine.errors import MissingDependency, PoseError
from engine.pose.follow import Follower
from engine.pose.pose import Pose
from engine.pose.shrink import Shrinker

USAGE_NOTICE = (
    "MediaPipe, which estimates the pose, reports usage statistics to Google (its Tasks library "
    "1.x does; no pictures are sent). By itself Ayatsuri finds the same poses without it."
)


class MediaPipeEstimator:
    """Finds one person in pictures that follow each other in time.

    Args:
        model: "lite", "full" or "heavy".
        people: how many people to look for; one of them is followed. More than one makes the
            detector run on every picture that shows fewer.

    Raises:
        ModelMissing, ModelCorrupt: see `engine.models.verified`.
        MissingDependency: mediapipe or a system library that it needs is not there.
    """

    def __init__(self, model: str = "full", *, people: int = 1) -> None:
        path = models.verified(f"pose-{model}")
        try:
            import cv2
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            raise MissingDependency(
                f"MediaPipe or OpenCV cannot be loaded ({error}): `ayatsuri doctor` says what to do"
            ) from error
        options = vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(path)),
            running_mode=vision.RunningMode.VIDEO,
            num_poses=people,
        )
        self._cv2: Any = cv2
        self._image_class: Any = mediapipe.Image
        self._rgb: Any = mediapipe.ImageFormat.SRGB
        self._follower = Follower()
        self._last_ms = -1
        self._shrink = Shrinker(cv2)
        self._landmarker: Any = None
        try:
            with _hushed():
                self._landmarker = vision.PoseLandmarker.create_from_options(options)
                self._warm_up()
        except OSError as error:
            raise MissingDependency(
                f"MediaPipe lacks a system library ({error}); on Debian or Ubuntu: "
                "sudo apt install libegl1 libgles2 libgl1 libglib2.0-0"
            ) from error
        except (RuntimeError, ValueError) as error:
            raise PoseError(f"MediaPipe cannot start: {error}") from error

    def estimate(self, image: NDArray[np.uint8], time_ns: int) -> Pose | None:
        """The person in an (H, W, 3) RGB picture, or None where nobody is there.

        Raises:
            PoseError: MediaPipe failed.
        """
        try:
            result = self._detect(image, time_ns)
        except (RuntimeError, ValueError) as error:
            raise PoseError(f"MediaPipe failed: {error}") from error
        height, width = image.shape[:2]
        people = [
            to_pose(landmarks, world, width, height)
            for landmarks, world in zip(
                result.pose_landmarks, result.pose_world_landmarks, strict=True
            )
        ]
        return self._follower.choose(people, time_ns)

    def close(self) -> None:
        """Release the networks; idempotent."""
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None

    def _detect(self, image: NDArray[np.uint8], time_ns: int) -> Any:
        # MediaPipe wants whole milliseconds that increase strictly, whatever the clock does.
        self._last_ms = max(time_ns // 1_000_000, self._last_ms + 1)
        picture = self._image_class(image_format=self._rgb, data=self._shrink(image))
        return self._landmarker.detect_for_video(picture, self._last_ms)

    def _warm_up(self) -> None:
        """Run both networks, which is slow the first time, and end with nobody followed."""
        data = np.frombuffer((files("engine") / "assets" / "person.jpg").read_bytes(), np.uint8)
        person = self._cv2.imdecode(data, self._cv2.IMREAD_COLOR_RGB)
        self._detect(person, 0)
        self._detect(np.zeros_like(person), 0)


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what MediaPipe's C++ side writes to standard error, unless it ends in an exception.

    It warns of its own matters at each start, and no setting of the package keeps it from that.
    """
    if sys.stderr is None:  # a Windows program without a console has no such descriptor
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        try:
            os.dup2(kept.fileno(), 2)
            yield
        except Exception:
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


def to_pose(landmarks: Any, world: Any, width: int, height: int) -> Pose:
    """One person's landmarks and world landmarks, in a picture of this size, as a `Pose`."""
    image = np.array([(p.x, p.y, p.visibility) for p in landmarks], np.float32)
    return Pose(
        keypoints=image[:, :2] * np.array([width, height], np.float32),
        scores=np.clip(image[:, 2], 0, 1),
        world=np.array([(p.x, p.y, p.z) for p in world], np.float32),
    )

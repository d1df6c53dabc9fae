"""MediaPipe's pose networks without MediaPipe: see `engine.pose.runners`; all else is done here.

BlazePose (Bazarevsky et al. 2020): a detector finds a person once, by the middle of the hips and a
circle around the whole body; from then on the landmarks of one picture say where to look in the
next, and the detector rests until the person is lost. Nothing is reported to anybody, and no system
library for graphics is needed.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine import opencv
from engine.pose import detect, networks
from engine.pose._kernels_crop import crop
from engine.pose._kernels_refine import refine
from engine.pose.follow import Follower
from engine.pose.pose import Pose
from engine.pose.region import Region
from engine.pose.runners import Runner, open_runner
from engine.pose.settle import Settler
from engine.pose.shrink import Shrinker

_CROP_SIZE = 256
_LANDMARKS = 33
_HIPS, _TOP = 33, 34
"""Landmarks that are no joints: they say where to look in the next picture."""
_REACH = 3
_CONFIDENT = 0.5
_SHORTEST_STEP_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """One person in one picture, before any smoothing.

    Attributes:
        keypoints: (33, 2) px of the picture that was looked at.
        visibility: (33,) in [0, 1].
        world: (33, 3) metres about the middle of the hips.
        region: where to look in the next picture.
    """

    keypoints: NDArray[np.float64]
    visibility: NDArray[np.float64]
    world: NDArray[np.float64]
    region: Region


class BlazePose:
    """The two networks, and what their numbers mean.

    Args:
        model: "lite", "full" or "heavy".
        threads: processor threads of one inference.
        runner: what runs them, one of `engine.pose.runners.RUNNERS`.

    Raises:
        ModelMissing, ModelCorrupt: see `engine.models.verified`.
        ProviderMissing, BackendError, MissingDependency: see `engine.pose.runners.open_runner`.
    """

    def __init__(self, model: str = "full", *, threads: int = 1, runner: str = "onnx") -> None:
        found = networks.load(f"pose-{model}")
        self._detector: Runner | None = open_runner(runner, found.detector, threads)
        self._landmarks: Runner | None = open_runner(runner, found.landmarks, threads)
        self._letterbox = np.empty((1, detect.INPUT_SIZE, detect.INPUT_SIZE, 3), np.uint8)
        self._crop = np.empty((1, _CROP_SIZE, _CROP_SIZE, 3), np.uint8)

    def people(self, image: NDArray[np.uint8]) -> list[Region]:
        """Where people are in an (H, W, 3) RGB picture, the most certain first."""
        height, width = image.shape[:2]
        whole = Region.whole(width, height)
        crop(image, whole.from_crop(detect.INPUT_SIZE), False, self._letterbox[0])
        assert self._detector is not None, "it was closed"
        boxes, scores = self._detector(self._letterbox)
        regions = [
            Region.around(*whole.to_picture(points)[:2])
            for points in detect.people(boxes[0], scores[0, :, 0])
        ]
        return [region for region in regions if region.valid]

    def look(self, image: NDArray[np.uint8], region: Region) -> Found | None:
        """The person in a region of the picture, or None where nobody is."""
        crop(image, region.from_crop(_CROP_SIZE), True, self._crop[0])
        assert self._landmarks is not None, "it was closed"
        landmarks, presence, heatmap, world = self._landmarks(self._crop)
        if not presence[0, 0] > _CONFIDENT:
            return None
        raw = landmarks.reshape(-1, 5)
        points = np.ascontiguousarray(raw[:, :2] / np.float32(_CROP_SIZE))
        refine(points, heatmap[0], _REACH, _CONFIDENT)
        keypoints = region.to_picture(points)
        following = Region.around(keypoints[_HIPS], keypoints[_TOP])
        if not (following.valid and np.isfinite(keypoints).all()):
            return None
        return Found(
            keypoints[:_LANDMARKS],
            1 / (1 + np.exp(-raw[:_LANDMARKS, 3].astype(np.float64))),
            region.turned(world.reshape(-1, 3)[:_LANDMARKS]),
            following,
        )

    def close(self) -> None:
        """Release the networks; idempotent."""
        self._detector = self._landmarks = None


class BlazePoseEstimator:
    """Finds one person in pictures that follow each other in time.

    A drop-in for `engine.pose.mediapipe.MediaPipeEstimator`, with the same tracking and smoothing.

    Args:
        model: "lite", "full" or "heavy".
        people: how many people to look for; one of them is followed. More than one makes the
            detector run on every picture that shows fewer, and leaves the smoothing out.
        threads: processor threads of one inference.
        runner: what runs the networks, one of `engine.pose.runners.RUNNERS`.

    Raises:
        ModelMissing, ModelCorrupt, ProviderMissing, BackendError: see `BlazePose`.
        MissingDependency: OpenCV or the runtime cannot be loaded.
    """

    def __init__(
        self,
        model: str = "full",
        *,
        people: int = 1,
        threads: int = 1,
        runner: str = "onnx",
    ) -> None:
        opencv.check()
        import cv2

        self._networks = BlazePose(model, threads=threads, runner=runner)
        self._cv2: Any = cv2
        self._shrink = Shrinker(cv2)
        self._people = people
        self._regions: list[Region] = []
        self._settler = Settler()
        self._follower = Follower()
        self._last_ns: int | None = None
        self._warm_up()

    def estimate(self, image: NDArray[np.uint8], time_ns: int) -> Pose | None:
        """The person in an (H, W, 3) RGB picture, or None where nobody is there.

        Raises:
            PoseError: the runtime failed.
        """
        if self._last_ns is not None:  # whatever the clock does, time goes on
            time_ns = max(time_ns, self._last_ns + _SHORTEST_STEP_NS)
        self._last_ns = time_ns
        small = self._shrink(image)
        found = self._track(small)
        scale = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        people = [self._pose(person, np.array(scale), time_ns) for person in found]
        if not people:
            self._settler.reset()
        return self._follower.choose(people, time_ns)

    def close(self) -> None:
        """Release the networks; idempotent."""
        self._networks.close()

    def _track(self, image: NDArray[np.uint8]) -> list[Found]:
        """Who is where those of the last picture were, and, if that is too few, elsewhere."""
        regions = self._regions
        if len(regions) < self._people:
            # A new sight of somebody replaces where they were expected.
            for seen in self._networks.people(image):
                regions = [old for old in regions if old.overlap(seen) <= _CONFIDENT]
                regions.append(seen)
        looks = (self._networks.look(image, region) for region in regions[: self._people])
        found = [person for person in looks if person is not None]
        self._regions = [person.region for person in found]
        return found

    def _pose(self, found: Found, scale: NDArray[np.float64], time_ns: int) -> Pose:
        keypoints, visibility, world = found.keypoints, found.visibility, found.world
        if self._people == 1:
            keypoints, visibility, world = self._settler(
                keypoints, visibility, world, found.region.side, time_ns
            )
        return Pose(
            keypoints=(keypoints * scale).astype(np.float32),
            scores=visibility.astype(np.float32),
            world=world.astype(np.float32),
        )

    def _warm_up(self) -> None:
        """Run both networks, which is slow the first time, and end with nobody followed."""
        data = np.frombuffer((files("engine") / "assets" / "person.jpg").read_bytes(), np.uint8)
        self._track(self._cv2.imdecode(data, self._cv2.IMREAD_COLOR_RGB))
        self._regions = []

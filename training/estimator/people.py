"""Real people for the estimator: pictures of videos with the keypoints that MediaPipe finds.

The performer's clip is no real person, but its keypoints are true ones, and it ships.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.app import PERFORMER
from engine.io.file import FileSource
from engine.pose.estimator import DEFAULT_RUNTIME, PoseRuntime, open_estimator
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, convert
from engine.stages import media_time_ns
from training.estimator.data import Renders

Sample = tuple[NDArray[np.uint8], NDArray[np.float64]]  # a picture, keypoints (20, 3)

_SURE = 0.5
_SEEN_SHARE = 0.7  # of the keypoints: pictures of people in half are left out
_ROOM = 1.5  # the square around a person, over their keypoints' extent


def people(
    videos: Iterable[Path], every: int, size: int, runtime: PoseRuntime = DEFAULT_RUNTIME
) -> Renders:
    """Every so many pictures of the performer and of some videos, a person in a square of `size`.

    Raises MediaError for what is no video.
    """
    files: list[bytes] = []
    joints, visible = [], []
    for found in (_performer(), *(_filmed(video, runtime) for video in videos)):
        for image, points in islice(found, 0, None, every):
            seen = points[:, 2] > _SURE
            if seen.mean() < _SEEN_SHARE:
                continue
            picture, moved = _square(image, points, size)
            files.append(cv2.imencode(".png", picture)[1].tobytes())
            joints.append(moved)
            visible.append(seen)
    return Renders(files, np.stack(joints), np.stack(visible))


def _performer() -> Iterator[Sample]:
    truth = np.load(PERFORMER.with_suffix(".joints.npz"))["joints"]
    with closing(FileSource(PERFORMER)) as source:
        for frame in source.frames():
            yield frame.image, np.column_stack([truth[frame.sequence], np.ones(20)])


def _filmed(video: Path, runtime: PoseRuntime) -> Iterator[Sample]:
    """Followed from picture to picture, though few are taken; nobody has scores of 0."""
    with closing(FileSource(video)) as source, closing(open_estimator(runtime, "full")) as looks:
        for frame in source.frames():
            pose = looks.estimate(frame.image, media_time_ns(frame))
            points = np.zeros((20, 3))
            if pose is not None:
                scored = np.column_stack([pose.keypoints, pose.scores])
                points = convert(scored, MEDIAPIPE_33, PUPPET_20).astype(np.float64)
            yield frame.image, points


def _square(
    image: NDArray[np.uint8], points: NDArray[np.floating], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The person's square as opaque RGBA, and its joints (20, 4)."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    side = _ROOM * float((high - low).max())
    scale = size / side
    shift = 0.5 * size - scale * 0.5 * (low + high)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    placed = matrix.copy()
    placed[:, 2] += scale * 0.5 - 0.5  # cv2 counts from pixel centres
    soft = image if scale > 0.7 else cv2.GaussianBlur(image, (0, 0), 0.35 / scale)
    cut = cv2.warpAffine(soft, placed, (size, size), borderMode=cv2.BORDER_REPLICATE)
    joints = np.ones((20, 4), np.float32)
    joints[:, :2] = points[:, :2] * scale + shift
    joints[:, 2] = 0
    return np.dstack([cut, np.full((size, size), 255, np.uint8)]), joints


def together(drawings: Renders, persons: Renders) -> Renders:
    """Both, the persons repeated until they are as many as the drawings."""
    picks = np.arange(len(drawings)) % len(persons)
    return Renders(
        drawings.files + [persons.files[i] for i in picks],
        np.concatenate([drawings.joints, persons.joints[picks]]),
        np.concatenate([drawings.visible, persons.visible[picks]]),
    )

"""What is seen of a person through a video: keypoints at an even rate, without gaps, smoothed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import NobodyInVideo
from engine.mocap.rotations import Array
from engine.motion.smooth import savgol_weights
from engine.pipeline import Source
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33
from engine.stages import PoseEstimator, media_time_ns

FPS: Final = 30.0
"""Of every track, whatever the video's: MMD's rate."""

LONGEST_S: Final = 30 * 60.0
"""A longer video is refused: nobody dances so long, and all of it is kept in memory."""

_LEAST_S = 0.5
_CHANGE, _DOUBT = 0.10, 0.005  # torsos; see `swaps`
_MIRROR = MEDIAPIPE_33.mirror()
_TORSO = [MEDIAPIPE_33.index(n) for n in ("l_shoulder", "r_shoulder", "l_hip", "r_hip")]
_LIMBS = [
    MEDIAPIPE_33.index(f"{side}_{part}")
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in "lr"
]
_CROSSED = [i ^ 1 for i in range(len(_LIMBS))]


@dataclass(frozen=True, slots=True)
class Track:
    """One person through F frames at `FPS`.

    Attributes:
        keypoints: (F, 33, 2) pixels, MediaPipe's landmarks.
        scores: (F, 33) in [0, 1]; 0 in the frames of a gap.
        world: (F, 33, 3) metres about the middle of the hips; x right, y down, z away.
        seen: (F,) whether somebody was found; what is between is interpolated.
        size_wh: of the video's pictures, pixels.
    """

    keypoints: Array
    scores: Array
    world: Array
    seen: NDArray[np.bool_]
    size_wh: tuple[int, int]

    def __len__(self) -> int:
        return len(self.keypoints)


def observe(
    source: Source,
    estimator: PoseEstimator,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Track:
    """Watch a video to its end; neither source nor estimator is closed.

    Raises:
        NobodyInVideo: half a second of a person was not to be found.
        SourceError, PoseError: see `engine.errors`.
    """
    times: list[float] = []
    poses: list[Pose | None] = []
    for frame in source.frames():
        time_ns = media_time_ns(frame)
        if times and time_ns * 1e-9 <= times[-1]:
            continue
        times.append(time_ns * 1e-9)
        if times[-1] - times[0] > LONGEST_S:
            raise NobodyInVideo(
                f"{source.name} is longer than {LONGEST_S / 60:.0f} minutes: cut it first"
            )
        poses.append(estimator.estimate(frame.image, time_ns))
        on_progress(len(poses))
    return _evenly(np.array(times), poses, source)


def _evenly(times: Array, poses: list[Pose | None], source: Source) -> Track:
    """Resample to `FPS`, linear between the frames that show somebody."""
    found = np.array([pose is not None for pose in poses], bool)
    there = [pose for pose in poses if pose is not None]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    if len(there) * step < _LEAST_S:
        raise NobodyInVideo(
            f"{source.name} shows a person in {len(there)} of {len(poses)} pictures; at least half "
            "a second is needed of somebody seen from head to foot. Is it the right video?"
        )
    frames = int(np.floor((times[-1] - times[0]) * FPS + 1e-6)) + 1
    grid = times[0] + np.arange(frames) / FPS
    nearest = np.clip(np.searchsorted(times, grid - 0.5 * step), 0, len(times) - 1)
    seen = found[nearest]

    points = np.array([pose.keypoints for pose in there], np.float64)
    whole = ~collapsed(points)
    swapped = swaps(points[whole], times[found][whole])
    there = [pose for pose, good in zip(there, whole, strict=True) if good]
    there = [_swap(pose) if swap else pose for pose, swap in zip(there, swapped, strict=True)]
    found[np.flatnonzero(found)[~whole]] = False

    def resampled(values: Array) -> Array:
        flat = values.reshape(len(there), -1)
        columns = [np.interp(grid, times[found], column) for column in flat.T]
        return np.stack(columns, axis=1).reshape(frames, *values.shape[1:])

    scores = resampled(np.array([pose.scores for pose in there], np.float64))
    scores[~seen] = 0.0
    return Track(
        resampled(np.array([pose.keypoints for pose in there], np.float64)),
        scores,
        resampled(np.array([pose.world for pose in there], np.float64)),
        seen,
        source.size_wh,
    )


def collapsed(keypoints: Array) -> NDArray[np.bool_]:
    """(N,) pictures between a front and a back reading, where left and right fall together.

    The estimator smooths its own change of mind over one or two pictures; a body that really turns
    sideways takes longer to.
    """
    pairs = keypoints[:, _LIMBS].reshape(len(keypoints), -1, 2, 2)
    width = np.linalg.norm(pairs[:, :, 0] - pairs[:, :, 1], axis=-1).mean(axis=1)
    padded = np.pad(width, 2, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 5)
    return np.asarray(
        width < 0.5 * np.minimum(around[:, :2].max(axis=1), around[:, 3:].max(axis=1))
    )


def swaps(keypoints: Array, times: Array) -> NDArray[np.bool_]:
    """(N,) in which pictures left and right were taken for each other.

    By keypoints (N, 33, 2) at `times` (N,) in seconds. Estimators tell a front from a back by
    little, and change their mind from one picture to the next, at which every limb jumps to the
    other side. The cheapest way through all pictures is found (Viterbi): what a limb strays from
    going on as it did costs its length in torsos, a change of mind `_CHANGE`, and doubting a
    picture `_DOUBT`. Who really turns around goes on turning, and costs little.
    """
    limbs = keypoints[:, _LIMBS]
    if len(limbs) < 3:
        return np.zeros(len(limbs), bool)
    torso = keypoints[:, _TORSO[:2]].mean(axis=1) - keypoints[:, _TORSO[2:]].mean(axis=1)
    size = max(float(np.median(np.linalg.norm(torso, axis=-1))), 1.0)
    steps = np.diff(times)[:, None, None]
    ways = np.stack([limbs[1:] - limbs[:-1], limbs[1:] - limbs[:-1, _CROSSED]])
    shorter = np.linalg.norm(ways, axis=-1).mean(axis=-1).argmin(axis=0)
    speed = ways[shorter, np.arange(len(shorter))] / steps
    expected = limbs[:-1].copy()
    expected[1:] += speed[:-1] * steps[1:]
    same = np.linalg.norm(limbs[1:] - expected, axis=-1).mean(axis=1) / size
    crossed = np.linalg.norm(limbs[1:, _CROSSED] - expected, axis=-1).mean(axis=1) / size
    doubt = np.array([0.0, _DOUBT])
    cost = doubt.copy()
    came_from = np.zeros((len(keypoints), 2), np.int64)
    for i, (stay, change) in enumerate(zip(same, crossed, strict=True), 1):
        totals = cost[:, None] + np.array([[stay, change + _CHANGE], [change + _CHANGE, stay]])
        came_from[i] = totals.argmin(axis=0)
        cost = totals.min(axis=0) + doubt
    states = np.empty(len(keypoints), bool)
    state = int(cost.argmin())
    for i in range(len(keypoints) - 1, -1, -1):
        states[i] = state == 1
        state = int(came_from[i, state])
    return states


def _swap(pose: Pose) -> Pose:
    """The same picture read the other way round: who faced away faces the camera."""
    return Pose(
        pose.keypoints[_MIRROR], pose.scores[_MIRROR],
        pose.world[_MIRROR] * np.array([1, 1, -1], np.float32),
    )  # fmt: skip


def smoothed(values: Array, window: int = 9, order: int = 3) -> Array:
    """Savitzky-Golay along the first axis of (F, ...), ends as `engine.motion.smooth` has them."""
    frames = len(values)
    window = min(window, frames if frames % 2 else frames - 1)
    if window < 3:
        return np.array(values, np.float64)
    weights = savgol_weights(window, min(order, window - 1))
    flat = np.asarray(values, np.float64).reshape(frames, -1)
    half = window // 2
    windows = np.lib.stride_tricks.sliding_window_view(flat, window, axis=0)  # (F', C, window)
    out = np.empty_like(flat)
    out[half : frames - half] = windows @ weights[half]
    out[:half] = (weights @ flat[:window])[:half]
    out[frames - half :] = (weights @ flat[-window:])[half + 1 :]
    return out.reshape(np.shape(values))

"""How good the pictures of a setting are: what stands beside every latency.

Anybody can be quick by drawing worse, and steady by smoothing more. So a setting is also asked

- how like its pictures are to the same network's in fp32 (SSIM), and how they shimmer beside those;
- how far the joints that drive the character are from the true ones *at the moment when they are
  shown*: the estimator's errors, the smoothing's lag and the pipeline's latency in one figure.

The truth is the performer's clip, whose joints are known; see `bench.fidelity`.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.fidelity import OTHERS, SIZE_PX, Truth, from_neck
from bench.statistics import HIGHER, LOWER, Floats, Measure
from engine.backends.base import Backend
from engine.backends.choose import Candidate, open_candidate
from engine.character import CharacterBundle
from engine.likeness import ssim
from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.motion.smooth import OneEuro
from engine.options import Options
from engine.pose.pose import Pose

FRAMES: Final = 40
"""Of the clip in a row, that a generator's pictures are compared over."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """A generator's pictures beside fp32's: SSIM over white, and flicker in levels of 255."""

    ssim: float
    ssim_worst: float
    flicker: float

    def measures(self) -> dict[str, Measure]:
        """For a row of a result."""
        return {  # the same in every run: the interval is the value
            name: Measure.single(value, unit, better, low=value, high=value, count=FRAMES)
            for name, value, unit, better in (
                ("SSIM to fp32", self.ssim, "", HIGHER),
                ("worst SSIM", self.ssim_worst, "", HIGHER),
                ("flicker to fp32", self.flicker, "levels", LOWER),
            )
        }


def likeness(bundle: CharacterBundle, backend: Backend, joints: NDArray[np.float32]) -> Likeness:
    """Compare a backend's pictures of joints (T, 20, 4) with ONNX Runtime's in fp32."""
    from training.metrics.flicker import flicker

    exact = open_candidate(Candidate("onnxruntime", "fp32"), bundle.need_generator(), 1)
    try:
        truth = draw_all(exact, bundle.resolution, joints)
    finally:
        exact.close()
    made = draw_all(backend, bundle.resolution, joints)
    scores = [ssim(a, b) for a, b in zip(made, truth, strict=True)]
    return Likeness(float(np.mean(scores)), min(scores), flicker(made, truth).error)


def likeness_of(
    bundle: CharacterBundle, options: Options, drawn_by: dict[str, Any], clip: Path
) -> dict[str, Measure]:
    """The likeness of what drew a run, for a row of a result.

    Args:
        bundle: the character.
        options: of the run.
        drawn_by: `engine.backends.choose.Choice.to_dict` of the run.
        clip: whose first frames are drawn.
    """
    chosen = Candidate(str(drawn_by["backend"]), str(drawn_by["precision"]))
    backend = open_candidate(chosen, bundle.need_generator(), options.threads)
    try:
        return likeness(bundle, backend, dance(bundle, clip, options.pose_model)).measures()
    finally:
        backend.close()


def pose_errors(
    clip: Path, options: Options, latency_ms: float, *, smooth: bool = True
) -> dict[str, Measure]:
    """How far the joints are off, as found and when shown, for a row of a result.

    Args:
        clip: with its truth.
        options: which estimator.
        latency_ms: from a picture to its being shown; where it is longer than the clip, the second
            figure is left out.
        smooth: as live input is, or not at all.
    """
    truth = Truth.of(clip)
    poses = estimated(clip, options.pose_model, options.pose_runtime)
    places = live_track(truth, poses, OneEuro(size=SIZE_PX) if smooth else lambda joints, _: joints)
    found = {}
    for name, ms in (("pose error, as found", 0.0), ("pose error, when shown", latency_ms)):
        error = error_when_shown(places, truth, ms)
        if np.isfinite(error):
            found[name] = Measure.single(error, "% torso", count=len(poses))
    return found


def draw_all(backend: Backend, size: int, joints: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The generator's pictures (T, S, S, 4) of joints (T, 20, 4)."""
    pose_image = np.empty((size, size, 3), np.uint8)
    pictures = np.empty((len(joints), size, size, 4), np.uint8)
    for one, picture in zip(joints, pictures, strict=True):
        draw_pose(one, pose_image)
        backend.run(pose_image, picture)
    return pictures


def dance(bundle: CharacterBundle, clip: Path, model: str = "full") -> NDArray[np.float32]:
    """(T, 20, 4) joints of a character in a clip's first frames, smoothed as live input is."""
    truth = Truth.of(clip)
    poses = estimated(clip, model, "mediapipe")
    normalise = Normaliser(bundle.skeleton, size=bundle.resolution)
    smooth = OneEuro(size=bundle.resolution)
    track = []
    for pose, time_ns in zip(poses[:FRAMES], truth.times_ns[:FRAMES], strict=True):
        track.append(smooth(normalise(pose, truth.size_wh, time_ns), time_ns))
    return np.stack(track)


@functools.lru_cache(maxsize=8)
def estimated(clip: Path, model: str, runtime: str) -> tuple[Pose | None, ...]:
    """The poses in a clip; estimated once for all settings that share estimator and model."""
    from bench.fidelity import estimate

    return tuple(estimate(clip, model, runtime))


def error_when_shown(places: Floats, truth: Truth, latency_ms: float) -> float:
    """Mean distance of joints from where the performer is when they are shown: % of the torso.

    Args:
        places: (T, 20, 2) px relative to the neck, from the pictures of times 0 .. T - 1.
        truth: of the same clip.
        latency_ms: from a picture to its being shown.
    """
    later = truth.at(latency_ms)
    inside = np.isfinite(later).all(axis=(1, 2))
    if not inside.any():
        return float("nan")  # later than the clip is long
    distance = np.linalg.norm(places[inside] - later[inside], axis=2)
    return float(100 * distance[:, OTHERS].mean() / truth.torso_px)


def live_track(truth: Truth, poses: tuple[Pose | None, ...], smooth: Any) -> Floats:
    """(T, 20, 2) px relative to the neck: the performer's own proportions, smoothed by `smooth`."""
    normalise = Normaliser(truth.skeleton, size=SIZE_PX)
    track = [
        smooth(normalise(pose, truth.size_wh, time_ns), time_ns)
        for pose, time_ns in zip(poses, truth.times_ns, strict=True)
    ]
    return from_neck(np.stack(track))

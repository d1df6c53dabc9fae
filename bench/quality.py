"""How good the pictures of a setting are: what stands beside every latency.

Anybody can be quick by drawing worse, and steady by smoothing more. So a setting is also asked

- how like its pictures are to those of the best precision of what draws them, fp32 (SSIM), and how
  they shimmer beside those: of a character's own network, or of a puppet with a painter. A puppet
  without one has a single precision, and is its own best;
- how far the joints that drive the character are from the true ones *at the moment when they are
  shown*: the estimator's errors, the smoothing's lag and the pipeline's latency in one figure.

The truth is the performer's clip, whose joints are known; see `bench.fidelity`.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from bench.fidelity import OTHERS, SIZE_PX, Truth, from_neck
from bench.statistics import HIGHER, LOWER, Floats, Measure
from engine.backends.choose import Candidate, open_candidate
from engine.cast import Actor
from engine.casting import what_draws
from engine.character import CharacterBundle
from engine.generator import Generator, NetworkGenerator
from engine.likeness import ssim
from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.motion.smooth import OneEuro, savgol
from engine.options import Options
from engine.pose.pose import Pose

FRAMES: Final = 40
"""Of the clip in a row, that pictures are compared over."""

BEST: Final = Candidate("onnxruntime", "fp32")

Smoothing = Literal["one-euro", "savitzky-golay", "none"]
"""As live input is smoothed, as files are, or not at all."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Pictures beside the best ones: SSIM over white, and flicker in levels of 255."""

    ssim: float
    ssim_worst: float
    flicker: float

    @classmethod
    def of(cls, made: NDArray[np.uint8], truth: NDArray[np.uint8]) -> "Likeness":
        """Of two sequences of premultiplied RGBA pictures (T, S, S, 4)."""
        from training.metrics.flicker import flicker

        scores = [ssim(a, b) for a, b in zip(made, truth, strict=True)]
        return cls(float(np.mean(scores)), min(scores), flicker(made, truth).error)

    def measures(self, best: str = "fp32") -> dict[str, Measure]:
        """For a row of a result; `best` names what the pictures were compared with."""
        return {  # the same in every run: the interval is the value
            name: Measure.single(value, unit, better, low=value, high=value, count=FRAMES)
            for name, value, unit, better in (
                (f"SSIM to {best}", self.ssim, "", HIGHER),
                ("worst SSIM", self.ssim_worst, "", HIGHER),
                (f"flicker to {best}", self.flicker, "levels", LOWER),
            )
        }


SAME: Final = Likeness(1.0, 1.0, 0.0)


def is_known(clip: Path) -> bool:
    """Whether a clip has its truth beside it; likeness and errors of joints need one."""
    return clip.with_suffix(".joints.npz").is_file()


def told(actor: Actor, options: Options) -> dict[str, Any]:
    """What draws an actor.

    `draw`, "generator" or "puppet"; its `name`; the `resolution` of its pictures; and where a
    network does its `backend` and `precision`.
    """
    about: dict[str, Any] = {
        "draw": what_draws(actor.bundle, options.draw), "name": actor.generator.name,
        "resolution": actor.bundle.resolution,
    }  # fmt: skip
    if actor.choice is not None:
        about |= actor.choice.to_dict()
        about.pop("measured", None)
    return about


def likeness_of(
    bundle: CharacterBundle, options: Options, drawn_by: dict[str, Any], clip: Path
) -> dict[str, Measure]:
    """The likeness of what drew a run to its best precision, for a row of a result.

    Args:
        bundle: the character, as what draws needs it.
        options: of the run.
        drawn_by: what `told` says of the run.
        clip: whose first frames are drawn.
    """
    if "backend" not in drawn_by:
        return SAME.measures()
    chosen = Candidate(str(drawn_by["backend"]), str(drawn_by["precision"]))
    joints = dance(bundle, clip, options)
    made, truth = (
        pictures(
            opened(bundle, drawn_by["draw"], candidate, options.threads), joints, bundle.resolution
        )
        for candidate in (chosen, BEST)
    )
    return Likeness.of(made, truth).measures()


def opened(bundle: CharacterBundle, draws: str, candidate: Candidate, threads: int) -> Generator:
    """What draws a character by a network: its own, or the painter of its puppet."""
    from engine.puppet.puppet import Puppet

    if draws == "generator":
        return NetworkGenerator(open_candidate(candidate, bundle.need_generator(), threads))
    painter = bundle.painter
    if painter is None:
        return Puppet(bundle.drawings)
    return Puppet(bundle.drawings, open_candidate(candidate, painter, threads))


def pictures(generator: Generator, joints: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """The pictures (T, S, S, 4) of joints (T, 20, 4) by a generator, which is closed then."""
    pose_image = np.empty((size, size, 3), np.uint8)
    made = np.empty((len(joints), size, size, 4), np.uint8)
    try:
        for one, picture in zip(joints, made, strict=True):
            draw_pose(one, pose_image)
            generator.draw(one, pose_image, picture)
    finally:
        generator.close()
    return made


def pose_errors(
    clip: Path, options: Options, latency_ms: float | None, *, smoothing: Smoothing = "one-euro"
) -> dict[str, Measure]:
    """How far the joints are off, as found and when shown, for a row of a result.

    Args:
        clip: with its truth.
        options: which estimator.
        latency_ms: from a picture to its being shown; None: of a file, which is not shown at any
            time. Where it is longer than the clip, the second figure is left out.
        smoothing: of the joints.
    """
    truth = Truth.of(clip)
    places = live_track(truth, estimated(clip, options.pose_model, options.pose_runtime), smoothing)
    latencies = {"pose error, as found": 0.0}
    if latency_ms is not None:
        latencies["pose error, when shown"] = latency_ms
    found = {}
    for name, ms in latencies.items():
        error = error_when_shown(places, truth, ms)
        if np.isfinite(error):
            found[name] = Measure.single(error, "% torso", count=len(truth.times_ns))
    return found


def dance(bundle: CharacterBundle, clip: Path, options: Options) -> NDArray[np.float32]:
    """(T, 20, 4) joints of a character in a clip's first frames, smoothed as live input is."""
    truth = Truth.of(clip)
    poses = estimated(clip, options.pose_model, options.pose_runtime)
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


def live_track(truth: Truth, poses: tuple[Pose | None, ...], smooth: Smoothing | OneEuro) -> Floats:
    """(T, 20, 2) px relative to the neck: the performer's own proportions, smoothed."""
    normalise = Normaliser(truth.skeleton, size=SIZE_PX)
    times = zip(poses, truth.times_ns, strict=True)
    raw = np.stack([normalise(pose, truth.size_wh, time_ns) for pose, time_ns in times])
    if smooth == "none":
        return from_neck(raw)
    if smooth == "savitzky-golay":
        return from_neck(savgol(raw))
    euro = OneEuro(size=SIZE_PX) if smooth == "one-euro" else smooth
    steps = zip(raw, truth.times_ns, strict=True)
    return from_neck(np.stack([euro(joints, time_ns) for joints, time_ns in steps]))

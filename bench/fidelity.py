"""`ayatsuri bench fidelity`: how true are the joints that drive the character?

The performer clip comes with the true joints of its rendered performer. Her poses are estimated
from the pictures, normalised onto a character that has exactly her proportions, and smoothed; then
the true joints of the pictures are what should come out. Compared are places relative to the neck,
where the normalisation starts (where the figure as a whole stands is bounded on purpose, so that it
stays in the picture). The unit is the length of the torso, neck to the middle of the hips.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.report import Bench, Goal
from bench.statistics import Measure
from engine.app import PERFORMER
from engine.commands.options import PoseRuntimeName, PoseRuntimeOption
from engine.errors import MediaError
from engine.io.file import FileSource
from engine.motion.normalise import Normaliser
from engine.motion.proportions import CharacterSkeleton
from engine.motion.smooth import OneEuro, savgol
from engine.pose.estimator import DEFAULT_RUNTIME, open_estimator
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, convert
from engine.stages import media_time_ns

Floats = NDArray[np.float64]
Joints = NDArray[np.float32]

SIZE_PX = 256
_HEIGHT_SHARE = 0.75  # of the picture that the performer's body fills
_LAGS_MS = np.arange(-200.0, 201.0)
_FAST_M_PER_S = 1.5  # joints that never are so fast show no lag above the noise
OTHERS = np.arange(20) != 1
"""All joints but the neck, which is the origin."""


def performer_skeleton(joints3d: Floats) -> tuple[CharacterSkeleton, float]:
    """A character with the performer's own proportions, and its pixels per metre.

    Args:
        joints3d: (T, 20, 3) metres, x right, y down, z away; in the first frame she stands
            upright and looks at the camera.
    """
    first = joints3d[0]
    height_m = first[:, 1].max() - first[:, 1].min()
    scale = _HEIGHT_SHARE * SIZE_PX / height_m
    floor_y = 0.9 * SIZE_PX
    rest = np.ones((20, 4), np.float32)
    rest[:, :3] = (first - first[1]) * scale
    rest[:, 0] += SIZE_PX / 2
    rest[:, 1] += floor_y - rest[[18, 19], 1].max()
    lengths = [
        np.median(np.linalg.norm(joints3d[:, q] - joints3d[:, p], axis=1)) * scale
        for p, q in PUPPET_20.bones
    ]
    head = (first[[0, 14, 15, 16, 17]] - first[1]) * scale
    skeleton = CharacterSkeleton(
        rest, np.array(lengths, np.float32), head.astype(np.float32), floor_y
    )
    return skeleton, float(scale)


def from_neck(joints: Floats | Joints) -> Floats:
    """(T, 20, 2) places relative to the neck's."""
    return (joints[..., :2] - joints[:, 1:2, :2]).astype(np.float64)


def lag_ms(late: Floats, early: Floats, fps: float) -> float:
    """By how much one track of (T, K, 2) joints follows another: the peak of the cross-correlation
    of their velocities, to a millisecond."""
    times_ms = np.arange(len(early)) * 1e3 / fps
    a, b = (np.gradient(track, axis=0).reshape(len(track), -1) for track in (late, early))
    inside = (times_ms > -_LAGS_MS[0]) & (times_ms < times_ms[-1] - _LAGS_MS[-1])
    scores = []
    for lag in _LAGS_MS:
        moved = np.stack([np.interp(times_ms - lag, times_ms, column) for column in b.T], axis=1)
        scores.append(np.corrcoef(a[inside].ravel(), moved[inside].ravel())[0, 1])
    return float(_LAGS_MS[int(np.argmax(scores))])


def estimate(clip: Path, model: str, runtime: str = DEFAULT_RUNTIME) -> list[Pose | None]:
    """The pose in every picture of a clip."""
    source, estimator = FileSource(clip), open_estimator(runtime, model)  # type: ignore[arg-type]
    try:
        return [estimator.estimate(f.image, media_time_ns(f)) for f in source.frames()]
    finally:
        estimator.close()
        source.close()


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a clip of a rendered performer.

    Attributes:
        skeleton: a character with her proportions.
        places: (T, 20, 2) px of that character, relative to the neck: where her joints are.
        zoom: (T,) character pixels per pixel of each picture.
        torso_px: of that character.
        px_per_m: of that character.
        times_ns: of the pictures.
        size_wh: of the pictures.
        fps: of the clip.
    """

    skeleton: CharacterSkeleton
    places: Floats
    zoom: Floats
    torso_px: float
    px_per_m: float
    times_ns: tuple[int, ...]
    size_wh: tuple[int, int]
    fps: float

    @classmethod
    @functools.lru_cache(maxsize=2)
    def of(cls, clip: Path) -> "Truth":
        """Of a clip with STEM.joints.npz beside it."""
        stored = np.load(clip.with_suffix(".joints.npz"))
        joints3d, fps = stored["joints3d"].astype(np.float64), float(stored["fps"])
        skeleton, scale = performer_skeleton(joints3d)
        flat_m, in_picture = from_neck(joints3d), from_neck(stored["joints"].astype(np.float64))
        # How far she is from the camera scales away.
        zoom = scale * (flat_m**2).sum((1, 2)) / (in_picture * flat_m).sum((1, 2))
        middle_of_hips = 0.5 * (joints3d[:, 8] + joints3d[:, 11])
        torso_px = scale * np.linalg.norm(joints3d[:, 1] - middle_of_hips, axis=1).mean()
        source = FileSource(clip)
        try:
            times_ns, size_wh = tuple(map(media_time_ns, source.frames())), source.size_wh
        finally:
            source.close()
        if len(times_ns) != len(joints3d):
            raise MediaError(f"{clip} has {len(times_ns)} pictures, but joints of {len(joints3d)}")
        places = in_picture * zoom[:, None, None]
        return cls(skeleton, places, zoom, float(torso_px), scale, times_ns, size_wh, fps)

    def at(self, later_ms: float) -> Floats:
        """(T, 20, 2) where the joints are so much later than in each picture; NaN after the end."""
        frames = np.arange(len(self.places)) + later_ms * 1e-3 * self.fps
        flat = self.places.reshape(len(self.places), -1)
        columns = [
            np.interp(frames, np.arange(len(flat)), column, right=np.nan) for column in flat.T
        ]
        return np.stack(columns, axis=1).reshape(self.places.shape)

    def fast(self) -> NDArray[np.bool_]:
        """(20,) joints that move fast; the others show no lag above the noise."""
        speeds = np.linalg.norm(np.gradient(self.places, axis=0), axis=2) * self.fps / self.px_per_m
        return OTHERS & (np.percentile(speeds, 95, axis=0) > _FAST_M_PER_S)


def estimated_px(poses: list[Pose | None]) -> Floats:
    """(T, 20, 2) px in the picture, as estimated; NaN where nobody was found."""
    nobody = np.full((20, 2), np.nan)
    return np.stack(
        [
            nobody if pose is None else convert(pose.keypoints, MEDIAPIPE_33, PUPPET_20)
            for pose in poses
        ]
    ).astype(np.float64)


def normalised_tracks(
    skeleton: CharacterSkeleton,
    poses: list[Pose | None],
    times_ns: Sequence[int],
    size_wh: tuple[int, int],
) -> dict[str, Joints]:
    """(T, 20, 4) joints of the character, by how they are smoothed."""
    normalise, one_euro = Normaliser(skeleton, size=SIZE_PX), OneEuro(size=SIZE_PX)
    raw, live = [], []
    for pose, time_ns in zip(poses, times_ns, strict=True):
        raw.append(normalise(pose, size_wh, time_ns))
        live.append(one_euro(raw[-1], time_ns))
    return {
        "unsmoothed": np.stack(raw),
        "One Euro (live)": np.stack(live),
        "Savitzky-Golay": savgol(np.stack(raw)),
    }


def error_table(errors: dict[str, Floats]) -> Table:
    """Mean error of each joint, and of all; `errors` are (T, 20) in percent."""
    table = Table(
        title="Distance from the true joints, relative to the neck", caption="% of the torso"
    )
    table.add_column("joint")
    for name in errors:
        table.add_column(name, justify="right")
    for j in np.flatnonzero(OTHERS):
        table.add_row(PUPPET_20.joints[j], *(f"{e[:, j].mean():.1f}" for e in errors.values()))
    table.add_section()
    every = [e[:, OTHERS] for e in errors.values()]
    table.add_row("mean", *(f"{e.mean():.2f}" for e in every), style="bold")
    table.add_row("p95", *(f"{np.percentile(e, 95):.2f}" for e in every), style="bold")
    return table


def main(
    clip: Annotated[Path, typer.Argument(help="With STEM.joints.npz beside it.")] = PERFORMER,
    model: Annotated[str, typer.Option(help="MediaPipe's: lite, full or heavy.")] = "full",
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
) -> None:
    """Measure it."""
    bench = Bench("fidelity", "How true are the joints that drive the character?")
    truth = Truth.of(clip)
    true, fps, torso_px = truth.places, truth.fps, truth.torso_px
    poses = estimate(clip, model, pose_runtime.value)
    tracks = normalised_tracks(truth.skeleton, poses, truth.times_ns, truth.size_wh)
    places = {name: from_neck(track) for name, track in tracks.items()}
    # The estimator alone, in its own picture, to tell its errors from those of what follows.
    found = np.array([pose is not None for pose in poses])
    estimated = from_neck(estimated_px(poses)) * truth.zoom[:, None, None]
    errors: dict[str, Floats] = {
        "estimated": 100 * np.linalg.norm(estimated - true, axis=2)[found] / torso_px
    }
    for name, place in places.items():
        errors[name] = 100 * np.linalg.norm(place - true, axis=2) / torso_px
    bench.console.print(error_table(errors))

    fast = truth.fast()
    smoothing_ms = lag_ms(places["One Euro (live)"][:, fast], places["unsmoothed"][:, fast], fps)
    behind_ms = {name: lag_ms(place[:, fast], true[:, fast], fps) for name, place in places.items()}
    bench.console.print(
        f"lag of One Euro: {smoothing_ms:.0f} ms; behind the truth: "
        + ", ".join(f"{name} {ms:.0f} ms" for name, ms in behind_ms.items())
        + f" (the {np.count_nonzero(fast)} joints that move fast; "
        "Savitzky-Golay looks 4 frames ahead)"
    )
    means = {name: float(e[:, OTHERS].mean()) for name, e in errors.items()}
    for name, error in means.items():
        row = {"mean error": Measure.single(error, "% torso", count=len(poses))}
        if name in behind_ms:
            row["behind the truth"] = Measure.single(behind_ms[name], "ms", count=len(poses))
        bench.add(name, row)
    bench.finish(
        len(poses),
        {
            "mean_error_percent_of_torso": means,
            "per_joint": {
                PUPPET_20.joints[j]: {name: float(e[:, j].mean()) for name, e in errors.items()}
                for j in np.flatnonzero(OTHERS)
            },
            "lag_of_one_euro_ms": smoothing_ms,
            "behind_truth_ms": behind_ms,
            "detected_share": float(found.mean()),
        },
        [
            Goal(f"mean error, {name}", means[name], 5.0, False, "% of the torso")
            for name in ("One Euro (live)", "Savitzky-Golay")
        ],
        clip=clip.name,
        model=model,
        pose_runtime=pose_runtime.value,
    )

"""`python -m bench.arms [VIDEO...]`: do arms that keep off the head make the puppet less steady?

Arms are kept off the character's head where the performer's are off theirs, frame by frame and with
no memory (`engine.motion._kernels_clear`), so that what shakes before may shake more after. A video
is estimated once, and normalised onto Ito and smoothed by One Euro as in a live show, with it and
without. *Acceleration* is the mean second difference of elbows and wrists, which shows jitter;
*fastest* is the farthest that a wrist moves within a frame. A line of JSON for each video.
"""

import json
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from bench.quality import estimated
from bench.statistics import Floats
from engine import console
from engine.app import DEFAULT_CHARACTER, PERFORMER
from engine.character import CharacterBundle
from engine.commands.options import PoseModel, PoseModelOption, PoseRuntimeName, PoseRuntimeOption
from engine.io.file import FileSource
from engine.motion.normalise import Normaliser
from engine.motion.smooth import OneEuro
from engine.pose.pose import Pose
from engine.pose.skeleton import PUPPET_20
from engine.stages import media_time_ns

ELBOWS, WRISTS = (
    [PUPPET_20.joints.index(f"{side}_{joint}") for side in "rl"] for joint in ("elbow", "wrist")
)
_WAYS: Final = {"with": True, "without": False}


def track(
    poses: tuple[Pose | None, ...], times_ns: list[int], size_wh: tuple[int, int], *, clear: bool
) -> Floats:
    """(T, 20, 2) px of the character's picture, as a live show has them."""
    bundle = CharacterBundle.load(DEFAULT_CHARACTER)
    normalise = Normaliser(bundle.skeleton, size=bundle.resolution, clear_head=clear)
    smooth = OneEuro(size=bundle.resolution)
    joints = [
        smooth(normalise(pose, size_wh, time_ns), time_ns)
        for pose, time_ns in zip(poses, times_ns, strict=True)
    ]
    return np.stack(joints)[..., :2].astype(np.float64)


def acceleration(places: Floats) -> float:
    """Mean |x(t-1) - 2 x(t) + x(t+1)| of elbows and wrists, px a frame squared."""
    second = np.diff(places[:, ELBOWS + WRISTS], 2, axis=0)
    return float(np.linalg.norm(second, axis=2).mean())


def fastest(places: Floats) -> float:
    """The farthest that a wrist moves within a frame, px."""
    return float(np.linalg.norm(np.diff(places[:, WRISTS], axis=0), axis=2).max())


def main(
    videos: Annotated[list[Path] | None, typer.Argument(metavar="[VIDEO]...")] = None,
    pose_model: PoseModelOption = PoseModel.FULL,
    pose_runtime: PoseRuntimeOption = PoseRuntimeName.ONNX,
) -> None:
    """Do arms that keep off the head make the puppet less steady?"""
    for video in videos or [PERFORMER]:
        source = FileSource(video)
        try:
            times_ns, size_wh = [media_time_ns(frame) for frame in source.frames()], source.size_wh
        finally:
            source.close()
        poses = estimated(video, pose_model.value, pose_runtime.value)
        line: dict[str, object] = {"video": video.name, "frames": len(poses)}
        for name, clear in _WAYS.items():
            places = track(poses, times_ns, size_wh, clear=clear)
            line[f"acceleration_{name}"] = round(acceleration(places), 3)
            line[f"fastest_wrist_{name}"] = round(fastest(places), 1)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    console.run(main)

"""How wrong the lifters are: against the performer's true joints, and on held-out captures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.app import PERFORMER
from engine.mocap.batch import kinematics
from engine.mocap.joints import LIFT_17, body_size, mid_hip, of_rig
from engine.mocap.lift import BaselineLifter, Lifter, MediaPipeLifter
from engine.mocap.place import by_scale
from engine.mocap.recover import METRES, recover
from engine.mocap.rotations import Array
from engine.mocap.track import smoothed
from engine.mocap.video import watch
from engine.pose.skeleton import PUPPET_20
from training.lifter.data import bodies, captures, views
from training.performer.studio import View


def performer(model: Path | None, field_of_view_deg: float) -> Iterator[dict[str, object]]:
    """Both lifters on the performer's clip, through the whole way from the video.

    Errors are means over frames and joints (MPJPE), about the middle of the hips, in millimetres of
    the performer; each lifter's body is first scaled, once for the clip, to the performer's size.
    `lifted` is in the camera's frame, `levelled` after the camera's tilt was taken out, `played`
    the joints of the rig that plays the recovered clip. `root` is the standard deviation, in
    centimetres, of the hips' place from the true one (picture's x, up, towards the camera).

    The dance was made from the same phrases as those that the baseline learnt from (by another
    seed, on another body): here it is at home, and MediaPipe is not.
    """
    beside = np.load(PERFORMER.with_suffix(".joints.npz"))
    seen, truth = (lift_17(beside[name]) for name in ("joints", "joints3d"))
    truth = truth - mid_hip(truth)
    size = float(np.median(body_size(truth)))
    view = View((640, 480))
    lens = np.array(view.centre) * view.size_wh
    true_root = by_scale(truth, (seen - lens) / (view.scale * view.distance)) * (1.0, -1.0, -1.0)
    truth *= (1.0, -1.0, -1.0)
    track = watch(PERFORMER)
    frames = min(len(track), len(truth))
    calm = replace(track, keypoints=smoothed(track.keypoints), world=smoothed(track.world))

    def error(joints: Array) -> float:
        about = joints - mid_hip(joints)
        about = about * (size / float(np.median(body_size(about))))
        return round(1000 * float(_distance(about[:frames], truth[:frames])), 1)

    for lifter in _lifters(model):
        found = recover(track, lifter, "performer", field_of_view_deg)
        played = of_rig(*kinematics(found.clip.rotations, found.clip.root, found.rest))
        root = mid_hip(played)[:frames, 0] * size / float(np.median(body_size(played)))
        off = (root - true_root[:frames]).std(axis=0)
        yield {
            "on": "performer.mp4",
            "lifter": lifter.name,
            "frames": frames,
            "lifted_mm": error(lifter.lift(calm) * (1.0, -1.0, -1.0)),
            "levelled_mm": error(found.placed.joints),
            "played_mm": error(played),
            "root_cm": [round(100 * float(v), 1) for v in off],
            "field_of_view_deg": field_of_view_deg,
        }


def held_out(model: Path | None, folder: Path) -> Iterator[dict[str, object]]:
    """The baseline on captures that it never saw, true projections and noisy ones."""
    _, clips = captures(folder)
    data = bodies(clips, 2, 5)
    lifter = BaselineLifter(None if model is None else model.read_bytes())
    for noise in (0.0, 0.012):
        rng = np.random.default_rng(99)
        errors = []
        for _ in range(4):
            keypoints, truth = views(data.joints, rng, noise)
            made = lifter.lift_keypoints(keypoints.astype(np.float64))
            errors.append(1000 * METRES * _distance(made, truth.astype(np.float64)))
        yield {
            "on": f"{len(clips)} held-out captures",
            "lifter": lifter.name,
            "poses": 4 * len(data),
            "noise_spreads": noise,
            "lifted_mm": round(float(np.mean(errors)), 1),
        }


def lift_17(joints: Array) -> Array:
    """(F, 20, C) joints of the engine's skeleton as the 17 of the lifters."""
    names = [*PUPPET_20.joints, "head"]
    ears = 0.5 * (joints[:, PUPPET_20.index("r_ear")] + joints[:, PUPPET_20.index("l_ear")])
    both = np.concatenate([joints, ears[:, None]], axis=1).astype(np.float64)
    return np.asarray(both[:, [names.index(name) for name in LIFT_17.joints]])


def _lifters(model: Path | None) -> tuple[Lifter, Lifter]:
    return MediaPipeLifter(), BaselineLifter(None if model is None else model.read_bytes())


def _distance(a: Array, b: Array) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())

"""From a source's own skeleton to our rig, by bone direction."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.mocap.batch import (
    leg_length,
    localised,
    matrices,
    normalised,
    quaternions,
    slerp,
    turned,
)
from engine.mocap.clip import Clip, clip_of
from engine.mocap.feet import SOLE, find_contacts, soles_of
from engine.mocap.rig import INDEX, JOINTS, PARENTS, RigPose
from engine.mocap.rotations import Array
from training.motion.errors import MotionError
from training.motion.humanoid import find_joints, offsets_of
from training.motion.posture import NECK_SHARE, REFERENCE_REST, SPINE_SHARE
from training.motion.source import SourceMotion, check_finite

_THIGHS = [INDEX["l_thigh"], INDEX["r_thigh"]]
_ANKLE_HEIGHT = float(REFERENCE_REST[INDEX["l_foot"], 1]) / leg_length(REFERENCE_REST)

_PUSH_OFF = 0.06  # leg lengths by which the ball of a stiff foot goes below the floor


def to_clip(source: SourceMotion) -> Clip:
    """The motion on our rig, its floor at y = 0; raises MotionError for what is no humanoid.

    Bones point where the source's do, whatever its rest pose and proportions; the hips move by
    leg lengths. Joints that the source lacks share its neighbours' turns.
    """
    joints = find_joints(source)
    axes, offsets = offsets_of(source, joints)
    turns = _global_turns(source, joints, axes, offsets)
    places = source.positions @ axes.T
    leg = _leg_of(places, joints)
    if leg < 1e-6 or not np.isfinite(turns).all():
        raise MotionError(source.name, "legs of some length", "none", "export it with its offsets")
    places = places / leg
    ankles = places[:, [joints["l_foot"], joints["r_foot"]]]
    ankle_height = _ANKLE_HEIGHT
    rest_height = float(source.rest_positions[joints["l_foot"]] @ axes[1]) / leg
    if source.rest_stands and 0.02 < rest_height < 0.6:
        ankle_height = rest_height
    feet = turns[:, [INDEX["l_foot"], INDEX["r_foot"]]]
    soles = ankles[:, :, None] + np.einsum("fsab,pb->fspa", feet, SOLE * ankle_height)
    floor = np.zeros(len(places))
    if not source.rest_stands:
        others = [joints[name] for name in ("hips", "head", "l_hand", "r_hand") if name in joints]
        lowest = np.minimum(soles[..., 1].min(axis=(1, 2)), places[:, others, 1].min(axis=1))
        flattest = soles[..., 1].max(axis=2).min(axis=1)
        floor = _floor_under(lowest, flattest, source.fps)
    soles[..., 1] -= floor[:, None, None]
    contacts = find_contacts(soles, source.fps)

    hips = 0.5 * (places[:, joints["l_thigh"]] + places[:, joints["r_thigh"]])
    drop = (REFERENCE_REST[_THIGHS].mean(axis=0) - REFERENCE_REST[0]) / leg_length(REFERENCE_REST)
    root = hips - turned(turns[:, 0], drop) + drop  # rotating hips swing about the thighs
    root[:, 1] -= floor + ankle_height + 1.0
    if source.rest_stands:
        thighs = [joints["l_thigh"], joints["r_thigh"]]
        root -= (axes @ source.rest_positions[thighs].mean(axis=0)) / leg * (1.0, 0.0, 1.0)
    check_finite(source.name, "the motion of the hips", root)
    return Clip(source.name, source.fps, localised(turns), root, contacts)


def _floor_under(lowest: Array, flattest: Array, fps: float) -> Array:
    """The floor (F,) below a body, in leg lengths.

    What is lowest within a second and a half to either side stands on it: longer than people jump,
    and the recordings of inertial suits drift up and down. Best told by a foot that lies flat
    (`flattest` (F,) is its higher end): the toes of real feet bend, and where a stiff foot pushes
    itself off, its ball would be below the floor. `lowest` (F,) is the lowest point of the body.
    """
    half = min(round(1.5 * fps), len(lowest) - 1)
    kernel = np.hanning(2 * half + 3)[1:-1]

    def smallest(heights: Array) -> Array:
        padded = np.pad(heights, 2 * half, mode="reflect" if half else "edge")
        return np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).min(axis=1)

    level = np.minimum(smallest(flattest), smallest(lowest) + _PUSH_OFF)
    return np.convolve(level, kernel / kernel.sum(), mode="valid")


def _leg_of(places: Array, joints: dict[str, int]) -> float:
    """Thigh and shin of the two sides on average."""
    length = 0.0
    for side in "lr":
        for a, b in (("thigh", "shin"), ("shin", "foot")):
            bone = places[:, joints[f"{side}_{b}"]] - places[:, joints[f"{side}_{a}"]]
            length += 0.5 * float(np.median(np.linalg.norm(bone, axis=1)))
    return length


def _global_turns(
    source: SourceMotion, joints: dict[str, int], axes: Array, offsets: dict[str, Array]
) -> Array:
    """Global rotations (F, 19, 3, 3) of our joints; those that are missing go with others."""
    turns = np.empty((len(source.rotations), len(JOINTS), 3, 3))
    for i, name in enumerate(JOINTS):
        if name in offsets:  # a neck without a head has none
            turns[:, i] = axes @ source.rotations[:, joints[name]] @ offsets[name]
        elif PARENTS[i] >= 0:
            turns[:, i] = turns[:, PARENTS[i]]
    if "spine" not in joints and "chest" in joints:
        _between(turns, "hips", "spine", "chest", SPINE_SHARE)
    if "neck" not in joints and "head" in joints:
        _between(turns, "chest", "neck", "head", NECK_SHARE)
    return turns


def _between(turns: Array, below: str, joint: str, above: str, share: float) -> None:
    a, b = (quaternions(turns[:, INDEX[name]]) for name in (below, above))
    turns[:, INDEX[joint]] = matrices(slerp(a, b, np.full(len(a), share)))


def clip_on_floor(
    poses: Sequence[RigPose], fps: float, name: str, rest: Array = REFERENCE_REST
) -> Clip:
    """A clip of poses that were made for the proportions `rest` (19, 3), contacts found there."""
    clip = clip_of(poses, fps, name)
    return replace(clip, contacts=find_contacts(soles_of(clip, rest), fps))


def facing_viewer(clip: Clip) -> Clip:
    """The motion turned and moved: it faces the viewer (+z) on average and starts at the origin."""
    ahead = np.mean(normalised(clip.rotations[:, 0, :, 2] * (1.0, 0.0, 1.0)), axis=0)
    clip = clip.turned(-float(np.arctan2(ahead[0], ahead[2])))
    start = clip.root[0] * (1.0, 0.0, 1.0)
    return replace(clip, root=clip.root - start)

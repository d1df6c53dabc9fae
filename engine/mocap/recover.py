"""From a track to a clip of the rig: lift, place on the floor, solve, keep feet standing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.batch import kinematics, leg_length, localised, matrices, quaternions, slerp
from engine.mocap.clip import Clip
from engine.mocap.feet import find_contacts, plant_feet, runs, soles_of
from engine.mocap.joints import AT, from_mediapipe, mid_hip
from engine.mocap.lift import Lifter, bone_lengths, steadied
from engine.mocap.place import FIELD_OF_VIEW_DEG, Placed, place, towards_picture
from engine.mocap.rig import INDEX
from engine.mocap.rotations import Array
from engine.mocap.solve import framed, solve, toe_pitch_of
from engine.mocap.track import FPS, Track, smoothed

METRES: Final = 1.22
"""A body size of somebody 1.65 m tall: a picture does not tell how tall a person is."""

_WINDOW, _ORDER = 9, 3  # Savitzky-Golay, 0.3 s
_OFF_FLOOR, _LEAST_JUMP, _GRAVITY = 0.03, 0.06, 9.81  # metres, seconds
_FEET = [INDEX["l_foot"], INDEX["r_foot"]]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was recovered from a video.

    Attributes:
        clip: the motion on the rig, at 30 fps, feet on the floor at y = 0.
        rest: (19, 3) metres: the person's proportions, as the rig in its T-pose.
        placed: the joints that the clip follows, and the camera.
    """

    clip: Clip
    rest: Array
    placed: Placed


def recover(
    track: Track, lifter: Lifter, name: str, field_of_view_deg: float = FIELD_OF_VIEW_DEG
) -> Recovered:
    """The motion of a track."""
    calm = replace(
        track,
        keypoints=smoothed(track.keypoints, _WINDOW, _ORDER),
        world=smoothed(track.world, _WINDOW, _ORDER),
    )
    joints = steadied(smoothed(lifter.lift(calm), _WINDOW, _ORDER))
    keypoints = from_mediapipe(calm.keypoints)
    placed = place(joints, keypoints, track.size_wh, field_of_view_deg)
    for _ in range(2):
        joints = towards_picture(placed, keypoints, track.size_wh, field_of_view_deg)
        placed = place(steadied(joints), keypoints, track.size_wh, field_of_view_deg)
    rest = rest_of(placed.joints) * METRES
    rotations = solve(placed.joints, toe_pitch_of(placed.joints, _slow_feet(placed.joints)))
    leg = leg_length(rest)
    # The rig's hips are above the middle of the thighs, in the pelvis.
    thighs = 0.5 * (rest[INDEX["l_thigh"]] + rest[INDEX["r_thigh"]])
    middle = mid_hip(placed.joints)[:, 0] * METRES
    root = (middle + rotations[:, 0] @ (rest[0] - thighs) - rest[0]) / leg
    nothing = np.zeros((len(track), 2, 2), bool)
    clip = grounded(Clip(name, FPS, rotations, root, nothing), rest)
    clip = flattened(replace(clip, contacts=find_contacts(soles_of(clip, rest), FPS)))
    clip = grounded(clip, rest)
    clip = replace(clip, contacts=find_contacts(soles_of(clip, rest), FPS))
    return Recovered(plant_feet(clip, rest), rest, placed)


def rest_of(joints: Array) -> Array:
    """The rig's T-pose (19, 3) with the bone lengths of joints (F, 17, 3), standing on y = 0."""
    lengths = np.maximum(bone_lengths(joints - mid_hip(joints)), 0.02)
    rest = REFERENCE_REST
    at = {name: rest[i].copy() for name, i in INDEX.items()}
    ankle = rest[INDEX["l_foot"], 1] * lengths[AT["l_toe"]] / 0.19
    ankle = float(np.clip(ankle, 0.04, 0.09))
    knee = ankle + lengths[AT["l_ankle"]]
    hip = knee + lengths[AT["l_knee"]]
    torso = lengths[AT["neck"]] / (rest[INDEX["l_upper_arm"], 1] - rest[INDEX["l_thigh"], 1])
    for name in ("hips", "spine", "chest", "neck", "head"):
        at[name][1] = hip + torso * (at[name][1] - rest[INDEX["l_thigh"], 1])
    shoulder = hip + lengths[AT["neck"]]
    outwards = lengths[AT["l_shoulder"]]
    elbow = outwards + lengths[AT["l_elbow"]]
    half = lengths[AT["l_hip"]]
    for side, sign in (("l", 1.0), ("r", -1.0)):
        at[f"{side}_clavicle"] = np.array([0.18 * outwards * sign, shoulder, 0.0])
        for part, x in (
            ("upper_arm", outwards),
            ("forearm", elbow),
            ("hand", elbow + lengths[AT["l_wrist"]]),
        ):
            at[f"{side}_{part}"] = np.array([x * sign, shoulder, 0.0])
        for part, y in (("thigh", hip), ("shin", knee), ("foot", ankle)):
            at[f"{side}_{part}"] = np.array([half * sign, y, 0.0])
    return np.array([at[name] for name in INDEX])


def grounded(clip: Clip, rest: Array) -> Clip:
    """The clip with its lowest sole on the floor in every frame, but for jumps."""
    lowest = soles_of(clip, rest)[..., 1].min(axis=(1, 2))
    root = clip.root.copy()
    root[:, 1] += jumps(lowest * leg_length(rest), clip.fps) / leg_length(rest) - lowest
    return replace(clip, root=root)


def jumps(lowest: Array, fps: float) -> Array:
    """How high (F,) the feet are in jumps, 0 elsewhere; metres.

    `lowest` (F,) is how high the lowest sole seems to be. Whoever is in the air for a time T rises
    by g T^2 / 8, and may pull up the feet besides; a rise that lasts longer, or has no beginning or
    no end, is an error of depth.
    """
    half = round(0.6 * fps)
    floor = _extreme(_extreme(lowest, half, np.min), half, np.max)
    rise = lowest - floor
    lift = np.zeros_like(rise)
    for start, end in runs(rise > _OFF_FLOOR):
        ballistic = _GRAVITY * ((end - start) / fps) ** 2 / 8.0
        height = float(rise[start:end].max())
        inner = start > 0 and end < len(rise)
        if inner and max(0.4 * ballistic, _LEAST_JUMP) <= height <= 2.0 * ballistic + 0.1:
            lift[start:end] = rise[start:end] - _OFF_FLOOR
    return lift


def _extreme(values: Array, half: int, which: Callable[..., Array]) -> Array:
    """The least or greatest of the values (F,) up to `half` frames away."""
    padded = np.pad(values, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    return np.asarray(which(windows, axis=1))


def flattened(clip: Clip) -> Clip:
    """The clip with feet flat while both their heel and their ball stand."""
    turns, _ = kinematics(clip.rotations, clip.root, REFERENCE_REST)
    kernel = np.hanning(9)[1:-1]
    kernel /= kernel.sum()
    for side, joint in enumerate(_FEET):
        stands = clip.contacts[:, side].all(axis=1).astype(np.float64)
        weight = np.convolve(np.pad(stands, 3, mode="edge"), kernel, mode="valid")
        up = np.broadcast_to([0.0, 1.0, 0.0], (len(clip), 3))
        flat = framed(up, turns[:, joint, :, 0])
        turns[:, joint] = matrices(slerp(quaternions(turns[:, joint]), quaternions(flat), weight))
    return replace(clip, rotations=localised(turns))


def _slow_feet(joints: Array) -> NDArray[np.bool_]:
    """(F, 2) whether the left and the right ankle rest near their lowest."""
    columns = []
    for side in "lr":
        ankle = joints[:, AT[f"{side}_ankle"]]
        speed = np.linalg.norm(np.gradient(ankle, axis=0), axis=-1) * FPS if len(ankle) > 1 else 0.0
        low = ankle[:, 1] < np.quantile(ankle[:, 1], 0.5) + 0.02
        columns.append(low & (speed < 0.3))
    return np.stack(columns, axis=1)

"""Feet that stand stay: contacts found in a source, kept on any proportions, and measured.

A foot touches the floor with its heel or its ball. On other proportions than the source's (thigh to
shin, width of the hips, size of the foot) the same rotations move a standing foot: it slides, sinks
or hovers. Here each foot is moved back to where it stood, smoothly between steps, by two-bone
inverse kinematics, and the hips are lowered where legs do not reach.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.mocap.batch import kinematics, leg_length, localised, reach
from engine.mocap.clip import Clip
from engine.mocap.rig import INDEX
from engine.mocap.rotations import Array

SOLE = np.array([[0.0, -1.0, -0.6], [0.0, -1.0, 1.7]])
"""Heel and ball seen from the ankle, in ankle heights, as in `training.motion.posture`."""

_HEEL, _BALL = 0, 1

# In leg lengths and seconds.
_NEAR, _SLOW = 0.07, 0.45
_ON, _SLIDING = 0.03, 0.6  # a foot on the floor itself may be as fast as we let feet slide
_SHORTEST_S, _GAP_S = 0.10, 0.07
_BLEND_S = (0.25, 0.12, 0.25)  # sideways, up, ahead
_LONGEST_PULL, _GIVE, _DEEPEST = 0.3, 0.3, 0.5

_FEET = [INDEX["l_foot"], INDEX["r_foot"]]
_LEGS = [[INDEX[f"{s}_{part}"] for part in ("thigh", "shin", "foot")] for s in "lr"]
Bools = NDArray[np.bool_]


def find_contacts(soles: Array, fps: float) -> Bools:
    """Where points of soles (F, 2, 2, 3), in leg lengths above a floor at y = 0, stand: (F, 2, 2).

    A point stands while it is near the floor and slow, for a tenth of a second or longer.
    """
    frames = len(soles)
    if frames < 2:
        return soles[..., 1] < _NEAR
    reach_of = max(1, round(fps / 30.0))  # speed over at least a thirtieth of a second
    index = np.arange(frames)
    before, after = np.maximum(index - reach_of, 0), np.minimum(index + reach_of, frames - 1)
    way = np.linalg.norm(soles[after] - soles[before], axis=-1)
    speed = way * (fps / (after - before))[:, None, None]
    height = soles[..., 1]
    stands = ((height < _NEAR) & (speed < _SLOW)) | ((height < _ON) & (speed < _SLIDING))
    for side in range(2):
        for point in range(2):
            track = stands[:, side, point]
            _fill(track, False, round(_GAP_S * fps))
            _fill(track, True, round(_SHORTEST_S * fps))
    return np.asarray(stands)


def _fill(track: Bools, value: bool, longest: int) -> None:
    """Turn inner runs of `value` shorter than `longest` frames into their opposite, in place."""
    for start, end in runs(np.equal(track, value)):
        if start > 0 and end < len(track) and end - start < longest:
            track[start:end] = not value


def runs(track: Bools) -> list[tuple[int, int]]:
    """Half-open ranges in which a track is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], track, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def soles_of(clip: Clip, rest: Array) -> Array:
    """Heel and ball of both feet of a rig (F, 2, 2, 3), in its leg lengths, floor at y = 0."""
    turns, places = kinematics(clip.rotations, clip.root, rest)
    height = float(rest[_FEET[0], 1])
    offsets = np.einsum("fsab,pb->fspa", turns[:, _FEET], SOLE * height)
    return np.asarray((places[:, _FEET, None] + offsets) / leg_length(rest))


@dataclass(frozen=True, slots=True)
class Sliding:
    """How far feet on the floor move, in leg lengths from one frame to the next.

    A foot turns about one point, so its step is the horizontal way of the slower of its points that
    stand in both frames. `standing` (N,) are the steps in the clip's contacts. `touching` (M,) asks
    nobody: the steps of all soles within a hundredth of the leg length of the floor, those included
    that the performer drags. `sunk` is the deepest and `hovers` the highest place of a standing
    foot's lowest point.
    """

    standing: Array
    touching: Array
    sunk: float
    hovers: float

    @property
    def worst(self) -> float:
        """The longest step of a standing foot; 0 where nothing stands."""
        return float(self.standing.max(initial=0.0))

    @property
    def dragging(self) -> float:
        """The share of the steps of touching soles that are longer than a fiftieth of the leg."""
        return float(np.mean(self.touching > 0.02)) if len(self.touching) else 0.0


def foot_sliding(clip: Clip, rest: Array) -> Sliding:
    """Measure a clip on the proportions `rest` (19, 3)."""
    soles = soles_of(clip, rest)
    way = np.linalg.norm(np.diff(soles[..., 0::2], axis=0), axis=-1)  # (F - 1, 2, 2)

    def steps(down: Bools) -> Array:
        slowest = np.where(down[1:] & down[:-1], way, np.inf).min(axis=-1)
        return np.asarray(slowest[np.isfinite(slowest)])

    lowest = soles[..., 1].min(axis=-1)[clip.contacts.any(axis=-1)]
    return Sliding(
        steps(clip.contacts),
        steps(np.asarray(soles[..., 1] < 0.01)),
        float(-lowest.min(initial=0.0)),
        float(lowest.max(initial=0.0)),
    )


def plant_feet(clip: Clip, rest: Array) -> Clip:
    """The clip made for the proportions `rest` (19, 3): standing feet stand still on the floor."""
    turns, places = kinematics(clip.rotations, clip.root, rest)
    leg = leg_length(rest)
    soles = soles_of(clip, rest)
    ankles = places[:, _FEET] / leg
    for side in range(2):
        ankles[:, side] += _correction(soles[:, side], clip.contacts[:, side], clip.fps)
    # Hips are lowered by what the legs of standing feet do not reach.
    hips = places[:, [bones[0] for bones in _LEGS]] / leg
    longest = 0.999 * _long(rest) / leg
    aside = np.sum((hips - ankles)[..., 0::2] ** 2, axis=-1)
    highest = np.sqrt(np.maximum(longest**2 - aside, 0.0)) + ankles[..., 1]
    lack = np.where(clip.contacts.any(axis=-1), np.maximum(hips[..., 1] - highest, 0.0), 0.0)
    drop = _eased_maximum(np.minimum(lack.max(axis=1), _DEEPEST), clip.fps)
    places = places - np.array([0.0, leg, 0.0]) * drop[:, None, None]
    for side, (thigh, shin, foot) in enumerate(_LEGS):
        target = ankles[:, side] * leg - places[:, thigh]
        bones = (rest[shin] - rest[thigh], rest[foot] - rest[shin])
        solved = reach(turns[:, thigh], turns[:, shin], bones, target, (1.0, 0.0, 0.0))
        turns[:, thigh], turns[:, shin] = solved
    root = clip.root.copy()
    root[:, 1] -= drop
    return Clip(clip.name, clip.fps, localised(turns), root, clip.contacts)


def _long(rest: Array) -> float:
    thigh, shin, foot = _LEGS[0]
    a, b = np.linalg.norm(rest[shin] - rest[thigh]), np.linalg.norm(rest[foot] - rest[shin])
    return float(a + b)


def _correction(soles: Array, contacts: Bools, fps: float) -> Array:
    """How far one foot must move (F, 3): its sole (F, 2, 3) and which points of it stand (F, 2)."""
    frames = len(soles)
    moved = np.zeros((frames, 3))
    stands = np.asarray(contacts.any(axis=1))
    stances = runs(stands)
    for start, end in stances:
        stance = slice(start, end)
        moved[stance, 0::2] = _follow(soles[stance, :, 0::2], contacts[stance], fps)
    moved[stands, 1] = -soles[stands, :, 1].min(axis=1)
    _blend(moved, stances, fps)
    under = soles[:, :, 1].min(axis=1) + moved[:, 1]
    moved[:, 1] -= np.minimum(under, 0.0)
    return moved


def _follow(soles: Array, contacts: Bools, fps: float) -> Array:
    """The horizontal correction (S, 2) of one stance: soles (S, 2, 2) stay where they stand.

    The correction is small on average over the stance. A foot that is pulled far, because its
    source slides in fact, gives way slowly.
    """
    pulls = np.zeros((len(soles), 2))
    for frame in range(1, len(soles)):
        same = contacts[frame] & contacts[frame - 1]
        # Feet that stand flat turn on their balls.
        point = int((same if same.any() else contacts[frame])[_BALL])
        pull = pulls[frame - 1] + soles[frame - 1, point] - soles[frame, point]
        length = float(np.linalg.norm(pull))
        give = min(_GIVE / fps, max(length - _LONGEST_PULL, 0.0))
        pulls[frame] = pull * (1.0 - give / max(length, _LONGEST_PULL))
    return np.asarray(pulls - pulls.mean(axis=0))


def _blend(moved: Array, stances: list[tuple[int, int]], fps: float) -> None:
    """Ease the correction (F, 3) in and out between stances, in place."""
    edges = [0, *(edge for stance in stances for edge in stance), len(moved)]
    longest = np.maximum(1.0, np.array(_BLEND_S) * fps)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        inner = start > 0 and end < len(moved)
        short = inner & (end - start < 2 * longest)
        span = np.where(short, end - start + 1.0, longest)
        t = np.arange(start, end)[:, None]
        held = np.zeros((len(t), 3))
        if start > 0:
            held += _fading((t - start + 1) / span) * moved[start - 1]
        if end < len(moved):
            held += _fading((end - t) / span) * moved[end]
        moved[start:end] = held


def _fading(t: Array) -> Array:
    """From 1 at t = 0 smoothly to 0 from t = 1 on."""
    t = np.clip(t, 0.0, 1.0)
    return 1.0 - t * t * (3.0 - 2.0 * t)


def _eased_maximum(values: Array, fps: float) -> Array:
    """A smooth curve that is nowhere below `values` (F,)."""
    half = max(1, round(0.1 * fps))
    padded = np.pad(values, 2 * half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).max(axis=1)
    kernel = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(windows, kernel / kernel.sum(), mode="valid")

"""Procedural choreography: a J-pop idol's dance, put together from phrases of eight counts.

Keys on the counts become motion in three steps. Monotone cubics join the keys (no overshoot: what
stands, stands); feet that change place are lifted along an arc. Arms, torso and head then follow
through a damped spring, a little late and a little too far, as limbs with mass do. Last, knees and
head bounce on the beat.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.mocap.rig import RigPose
from engine.mocap.rotations import Array, about_y, from_quaternion
from training.motion.arms import ARMS
from training.motion.phrases import FINALE, LIBRARY, Key, Phrase
from training.motion.posture import REFERENCE_REST, Posture, pose_of

TEMPO_BPM = 120.0
COUNTS = 8
_STEPS_HZ = 240.0  # the spring is integrated on this grid

# Ranges of Posture.to_vector().
_JUMP, _SHIFT, _TORSO, _HEAD = 3, slice(4, 7), slice(10, 13), slice(13, 16)
_LEFT_ARM, _RIGHT_ARM = slice(20, 25), slice(27, 32)
_LEFT_WRIST, _RIGHT_WRIST = slice(25, 27), slice(32, 34)
_FEET = (34, 39)

# The show: what seed 0 dances, as many of these as fit before the finale.
_SHOW = ("step touch", "points", "spin", "knees", "body wave", "cute", "lunges", "sway", "squats")


def dance(
    seconds: float,
    fps: float,
    seed: int = 0,
    rest: Array = REFERENCE_REST,
    phrases: Sequence[str] | None = None,
) -> list[RigPose]:
    """`round(seconds * fps)` poses of a choreography at `TEMPO_BPM`, from standing still.

    Seed 0 is the show of the performer's clip; every other seed is a random sequence of phrases of
    the library, some mirrored. Each dance ends with its finale, unless it may only be made of the
    `phrases` named. Legs are solved on the proportions `rest` (19, 3).
    """
    vectors = dance_vectors(seconds, fps, seed, phrases)
    return [pose_of(Posture.from_vector(vector), rest) for vector in vectors]


def dance_vectors(
    seconds: float, fps: float, seed: int = 0, phrases: Sequence[str] | None = None
) -> Array:
    """The dance as posture vectors (N, 44), before legs are solved."""
    if seconds <= 0.0 or fps <= 0.0:
        raise ValueError(f"expected a positive length and rate, found {seconds} s at {fps} fps")
    keys = _keys(_sequence(seconds * TEMPO_BPM / 60.0, seed, phrases))
    times = np.arange(int(np.ceil(seconds * _STEPS_HZ)) + 2) / _STEPS_HZ
    counts = times * TEMPO_BPM / 60.0
    motion = _joined(keys, counts)
    for channels, frequency, damping in (
        (_LEFT_ARM, 3.2, 0.75), (_RIGHT_ARM, 3.2, 0.75), (_TORSO, 4.0, 0.8), (_HEAD, 3.5, 0.8),
        (_SHIFT, 6.0, 1.0),
    ):  # fmt: skip
        omega = 2.0 * np.pi * frequency
        # The spring is late by this much, so it is given the keys earlier and hits the beat.
        ahead = _joined(keys, counts + 2.0 * damping / omega * TEMPO_BPM / 60.0)
        motion[:, channels] = _spring(ahead[:, channels], omega, damping)
    _bounce(motion, counts)
    _drag_wrists(motion)
    frames = np.arange(round(seconds * fps)) / fps
    return np.column_stack([np.interp(frames, times, channel) for channel in motion.T])


def _sequence(total: float, seed: int, phrases: Sequence[str] | None) -> list[tuple[Phrase, bool]]:
    """Phrases, each with whether it is mirrored, to fill `total` counts; the last is the finale."""
    wanted = max(round(total / COUNTS), 1)
    if phrases is not None:
        wanted += 1  # one in the place of the finale
    if seed == 0 and phrases is None:
        names = [_SHOW[i % len(_SHOW)] for i in range(wanted - 1)]
        flips = [i >= len(_SHOW) for i in range(wanted - 1)]
    else:
        rng = np.random.default_rng(seed)
        names, flips = [], []
        while len(names) < wanted - 1:
            names += [str(name) for name in rng.permutation(list(phrases or LIBRARY))]
        names = names[: wanted - 1]
        flips = [bool(flip) for flip in rng.random(wanted - 1) < 0.5]
    sequence = [(LIBRARY[n], f) for n, f in zip(names, flips, strict=True)]
    return sequence if phrases is not None else [*sequence, (FINALE, False)]


def _keys(sequence: Sequence[tuple[Phrase, bool]]) -> list[Key]:
    """All keys on one time line in counts from 0, turns adding up, from standing to the end."""
    start = Posture(left_arm=ARMS["hang"], right_arm=ARMS["hang"])
    keys = [Key(0.0, start, 0.2)]
    facing = 0.0
    for number, (phrase, flip) in enumerate(sequence):
        last = facing
        for key in phrase():
            posture = key.posture.mirrored() if flip else key.posture
            posture = replace(posture, facing=posture.facing + facing)
            last = posture.facing
            # One count to set off: count 1 of the first phrase is reached half a second in.
            keys.append(Key(number * COUNTS + key.count, posture, key.hold))
        facing = last
    keys.sort(key=lambda key: key.count)
    return keys


def _joined(keys: Sequence[Key], counts: Array) -> Array:
    """Monotone cubics through the keys and their holds, feet on arcs: (N, 44)."""
    times: list[float] = []
    values: list[Array] = []
    lifts = np.zeros((len(counts), 2))
    for i, key in enumerate(keys):
        vector = key.posture.to_vector()
        until = keys[i + 1].count if i + 1 < len(keys) else np.inf
        hold = min(key.hold, 0.6 * (until - key.count))
        times.append(key.count)
        values.append(vector)
        if hold > 0.02:
            times.append(key.count + hold)
            values.append(vector)
        if i + 1 == len(keys):
            break
        following = keys[i + 1].posture.to_vector()
        progress = np.clip((counts - times[-1]) / (until - times[-1]), 0.0, 1.0)
        for side, at in enumerate(_FEET):
            change = following[at : at + 4] - vector[at : at + 4]
            way = float(np.hypot(change[0], change[2]) + 0.15 * abs(change[3]))
            if way > 0.02 and vector[at + 1] < 0.02 and following[at + 1] < 0.02:
                lifts[:, side] += (0.03 + 0.14 * way) * np.sin(np.pi * progress) ** 2
    motion = _monotone(np.array(times), np.array(values), counts)
    for side, at in enumerate(_FEET):
        motion[:, at + 1] += lifts[:, side]
    return motion


def _monotone(times: Array, values: Array, at: Array) -> Array:
    """Cubic Hermite interpolation with Fritsch and Butland's limited slopes (1984).

    `times` (K,) rise strictly, `values` (K, C); outside, the end values hold. No overshoot.
    """
    step = np.diff(times)[:, None]
    secant = np.diff(values, axis=0) / step
    slopes = np.zeros_like(values)
    before, after = secant[:-1], secant[1:]
    w1 = 2.0 * step[1:] + step[:-1]
    w2 = step[1:] + 2.0 * step[:-1]
    same = before * after > 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (w1 + w2) / (w1 / before + w2 / after)
    slopes[1:-1] = np.where(same, harmonic, 0.0)
    at = np.clip(at, times[0], times[-1])
    i = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    h = np.diff(times)[i][:, None]
    t = (at[:, None] - times[i][:, None]) / h
    return np.asarray(
        (1 + 2 * t) * (1 - t) ** 2 * values[i]
        + t * (1 - t) ** 2 * h * slopes[i]
        + t * t * (3 - 2 * t) * values[i + 1]
        + t * t * (t - 1) * h * slopes[i + 1]
    )


def _spring(target: Array, omega: float, damping: float) -> Array:
    """Each channel (N, C) follows its target as a damped mass (semi-implicit Euler)."""
    step = 1.0 / _STEPS_HZ
    place, speed = target[0].copy(), np.zeros(target.shape[1])
    followed = np.empty_like(target)
    for i, goal in enumerate(target):
        speed += step * (omega * omega * (goal - place) - 2.0 * damping * omega * speed)
        place += step * speed
        followed[i] = place
    return followed


def _bounce(motion: Array, counts: Array) -> None:
    """Knees give on every count while both feet stand, the head nods a little after."""
    fade = np.clip(counts - 0.5, 0.0, 1.0) * np.clip(counts[-1] - counts - 0.5, 0.0, 1.0)
    grounded = np.prod([np.clip(1.0 - motion[:, at + 1] / 0.1, 0.0, 1.0) for at in _FEET], axis=0)
    beat = 0.5 + 0.5 * np.cos(2.0 * np.pi * counts)
    late = 0.5 + 0.5 * np.cos(2.0 * np.pi * (counts - 0.12))
    motion[:, _SHIFT.start + 1] -= 0.030 * beat**1.5 * fade * (0.35 + 0.65 * grounded)
    motion[:, _TORSO.start] += 0.030 * late * fade
    motion[:, _HEAD.start] += 0.060 * late * fade


def _drag_wrists(motion: Array) -> None:
    """Hands trail behind moving forearms: wrists bend against the forearm's own velocity."""
    for arm, wrist in ((_LEFT_ARM, _LEFT_WRIST), (_RIGHT_ARM, _RIGHT_WRIST)):
        frames = [from_quaternion(row[:4]) @ about_y(-float(row[4])) for row in motion[:, arm]]
        turns = np.array(frames)
        velocity = np.gradient(turns[:, :, 0], 1.0 / _STEPS_HZ, axis=0)
        local = np.einsum("nji,nj->ni", turns, velocity)  # in the forearm's frame
        drag = np.clip(-0.05 * local[:, [1, 2]], -0.5, 0.5)
        motion[:, wrist] = _spring(drag, 2.0 * np.pi * 5.0, 0.8)

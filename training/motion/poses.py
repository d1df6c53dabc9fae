"""Random poses: what people do in front of a camera and in dances.

`random_pose` is the distribution on which a character's generator is trained. Poses are mixtures
of archetypes (arms, stances, torsos), interpolations between them, and noise; they obey the limits
of joints, keep hands out of the body and stand on the floor. Whatever the keypoints cannot see is a
function of what they can (training.motion.posture), hands stay in line with the forearm.
"""

from collections.abc import Callable

import numpy as np

from engine.mocap.rig import RigPose
from engine.mocap.rotations import Array
from training.motion.arms import ARMS, give_arms
from training.motion.collisions import penetrates
from training.motion.posture import (
    HEAD_LIMITS,
    REFERENCE_REST,
    Foot,
    Posture,
    mix,
    plant,
    pose_of,
)

MAX_JUMP = 0.35  # leg lengths
_ATTEMPTS = 30


def random_pose(rng: np.random.Generator, rest: Array = REFERENCE_REST) -> RigPose:
    """One pose of the training distribution, solved on the proportions `rest` (19, 3).

    The whole body is turned by N(0, 20 degrees) in 65% of the poses, uniformly within 75 degrees in
    20%, anywhere in the rest. The lowest sole stands on the floor, except in jumps of up to
    `MAX_JUMP` leg lengths.
    """
    for _ in range(_ATTEMPTS):
        posture = random_posture(rng)
        pose = plant(pose_of(posture, rest), posture.jump, rest)
        if not penetrates(pose, rest):
            return pose
    # Hanging arms are always free; the rest of the posture never makes arms collide.
    posture.left_arm = posture.right_arm = ARMS["a pose"]
    posture.torso = np.zeros(3)
    return plant(pose_of(posture, rest), posture.jump, rest)


def random_posture(rng: np.random.Generator) -> Posture:
    """One posture of the training distribution, before the check for collisions."""
    posture = _stance(rng)
    if rng.random() < 0.25:
        # On the way from one pose to another: what a moving person shows most of the time.
        posture = mix(posture, _stance(rng), rng.uniform(0.15, 0.85))
    posture.facing = random_facing(rng)
    posture.head = np.array(
        [
            np.clip(rng.normal(0.03, 0.2), -HEAD_LIMITS[0], HEAD_LIMITS[0]),
            np.clip(_long_tailed(rng, 0.28, 1.0), -HEAD_LIMITS[1], HEAD_LIMITS[1]),
            np.clip(rng.normal(0.0, 0.15), -HEAD_LIMITS[2], HEAD_LIMITS[2]),
        ]
    )
    give_arms(rng, posture)
    posture.travel = np.clip(rng.normal(0.0, 0.03, 2), -0.08, 0.08)
    return posture


def random_facing(rng: np.random.Generator) -> float:
    """Radians by which a whole body is turned to its left; mostly it faces the camera."""
    kind = rng.random()
    if kind < 0.65:
        return float(rng.normal(0.0, np.radians(20.0)))
    if kind < 0.85:
        return float(rng.uniform(-np.radians(75.0), np.radians(75.0)))
    return float(rng.uniform(-np.pi, np.pi))


def _long_tailed(rng: np.random.Generator, sigma: float, limit: float) -> float:
    """Mostly N(0, sigma), a fifth of the time anywhere up to the limit."""
    return float(rng.normal(0.0, sigma) if rng.random() < 0.8 else rng.uniform(-limit, limit))


def _stance(rng: np.random.Generator) -> Posture:
    stances, weights = zip(*_STANCES, strict=True)
    chosen = stances[rng.choice(len(stances), p=np.array(weights) / sum(weights))]
    posture: Posture = chosen(rng)
    return posture.mirrored() if rng.random() < 0.5 else posture


def _base(rng: np.random.Generator, width: float, depth: float = 0.03) -> Posture:
    """Both feet on the floor, `width` wider than the hips, with everyday irregularity."""
    n = rng.normal
    posture = Posture(
        shift=np.array([n(0, 0.02), -0.01 - abs(n(0, 0.012)), n(0, 0.015)]),
        hips=n(0.0, (0.04, 0.10, 0.03)),
        torso=n((0.02, 0.0, 0.0), (0.09, 0.12, 0.07)),
        left_foot=Foot(np.array([width + n(0, 0.02), 0, n(0, depth)]), n(0.15, 0.12)),
        right_foot=Foot(np.array([width + n(0, 0.02), 0, n(0, depth)]), n(0.15, 0.12)),
    )
    if rng.random() < 0.15:
        posture.torso = n((0.2, 0.0, 0.0), (0.3, 0.3, 0.2))
    return posture


def _standing(rng: np.random.Generator) -> Posture:
    return _base(rng, rng.uniform(-0.02, 0.08))


def _wide(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(0.1, 0.45), 0.06)
    posture.shift += (rng.normal(0, 0.08), -rng.exponential(0.05), 0.0)
    return posture


def _contrapposto(rng: np.random.Generator) -> Posture:
    """The weight on the left leg: hips out over it and up, the other knee loose, torso against."""
    posture = _base(rng, rng.uniform(0.0, 0.1))
    amount = rng.uniform(0.4, 1.2)
    posture.shift += (0.09 * amount, 0.0, 0.0)
    posture.hips[2] -= 0.13 * amount
    posture.torso[2] += 0.17 * amount
    posture.right_foot.place[2] += rng.uniform(-0.05, 0.16)
    posture.right_foot.pitch = rng.uniform(0.0, 0.5)
    posture.right_foot.turn += rng.uniform(0.0, 0.3)
    return posture


def _step(rng: np.random.Generator) -> Posture:
    """A step in any direction, one heel often off the floor."""
    posture = _base(rng, rng.uniform(-0.03, 0.1))
    stride = rng.uniform(-0.5, 0.5)
    posture.left_foot.place[2] += 0.5 * stride
    posture.right_foot.place[2] -= 0.5 * stride
    back = posture.right_foot if stride > 0 else posture.left_foot
    back.pitch = abs(stride) * rng.uniform(0.5, 1.6)
    posture.shift[1] -= 0.05 * abs(stride)
    posture.shift[2] += 0.3 * stride * rng.uniform(-0.5, 0.8)
    posture.hips[1] -= 0.4 * stride
    posture.torso[1] += 0.7 * stride
    return posture


def _side_step(rng: np.random.Generator) -> Posture:
    posture = _base(rng, 0.02)
    reach = rng.uniform(0.1, 0.55)
    posture.left_foot.place[0] += reach
    posture.left_foot.pitch = rng.uniform(0.0, 0.7) * (rng.random() < 0.6)
    posture.shift += (reach * rng.uniform(-0.1, 0.7), -0.12 * reach, 0.0)
    posture.torso[2] += rng.normal(0, 0.2)
    return posture


def _lunge(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(0.0, 0.1))
    stride = rng.uniform(0.5, 1.0)
    sideways = rng.random() < 0.4
    if sideways:
        posture.left_foot.place[0] += 0.8 * stride
        posture.left_foot.turn += 0.4
        posture.shift += (0.5 * stride, -0.28 * stride, 0.0)
    else:
        posture.left_foot.place[2] += 0.55 * stride
        posture.right_foot.place[2] -= 0.45 * stride
        posture.right_foot.pitch = rng.uniform(0.5, 1.0)
        posture.shift += (0.0, -0.3 * stride, 0.1 * stride)
    posture.torso[0] += rng.normal(0.05, 0.2)
    return posture


def _squat(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(0.02, 0.25))
    depth = 0.65 * rng.beta(1.2, 1.6)
    posture.shift += (0.0, -depth, -0.16 * depth)
    for foot in (posture.left_foot, posture.right_foot):
        foot.turn += rng.uniform(0.0, 0.5)
        foot.pitch = max(depth - 0.3, 0.0) * 2.0  # deep down, heels come off the floor
    posture.hips[0] += 0.5 * depth
    posture.torso[0] += rng.uniform(0.0, 0.8) * depth
    return posture


def _knee_lift(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(-0.03, 0.05))
    height = rng.uniform(0.08, 0.6)
    posture.left_foot.place += (rng.normal(0.02, 0.05), height, rng.uniform(-0.35, 0.35))
    if posture.left_foot.place[2] < 0.0:
        posture.left_foot.place[2] -= 0.3 * height  # flicked behind
    posture.shift += (-0.05, 0.0, 0.0)
    posture.hips += (-0.3 * height, 0.0, 0.15 * height)
    posture.torso[0] += rng.normal(0.1, 0.15)
    return posture


def _kick(rng: np.random.Generator) -> Posture:
    posture = _base(rng, 0.0)
    angle = rng.uniform(0.4, 1.5)  # of the leg from straight down
    way = rng.choice([0.0, 0.0, 0.5, 1.2, 2.9]) + rng.normal(0, 0.15)  # 0 forward, pi/2 outwards
    if way > 2.0:
        angle *= 0.5  # hips do not extend far
    sine = 0.97 * np.sin(angle)
    posture.left_foot.place = np.array(
        [sine * np.sin(way), 0.97 * (1 - np.cos(angle)) + 0.02, sine * np.cos(way)]
    )
    posture.shift += (-0.05 - 0.05 * angle, -0.01, 0.0)
    posture.hips += (-0.25 * angle * np.cos(way), 0.0, -0.25 * angle * np.sin(way))
    posture.torso += (0.2 * angle * np.cos(way), 0.0, 0.1 * angle * np.sin(way))
    return posture


def _jump(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(-0.02, 0.35), 0.06)
    tuck = 0.5 * rng.beta(1.0, 2.0)
    for foot in (posture.left_foot, posture.right_foot):
        foot.place[1] = max(tuck + rng.normal(0, 0.08), 0.0)
        foot.place[2] += rng.normal(-0.3 * tuck, 0.08)
        foot.pitch = rng.uniform(0.3, 0.8)
    posture.jump = rng.uniform(0.02, MAX_JUMP)
    return posture


def _bow(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(-0.03, 0.1))
    amount = rng.uniform(0.3, 1.2)
    posture.hips[0] += 0.55 * amount
    posture.torso[0] += 0.5 * amount
    posture.shift += (0.0, -0.03 * amount, -0.14 * amount)
    return posture


def _lean(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(0.02, 0.2))
    amount = rng.uniform(0.3, 1.0)
    posture.torso[2] += 0.5 * amount
    posture.hips[2] += 0.1 * amount
    posture.shift[0] -= 0.1 * amount
    return posture


def _twist(rng: np.random.Generator) -> Posture:
    posture = _base(rng, rng.uniform(0.0, 0.2))
    amount = rng.uniform(0.3, 1.0)
    posture.torso[1] += 0.6 * amount
    posture.hips[1] += 0.35 * amount
    posture.right_foot.pitch = rng.uniform(0.0, 0.8)
    return posture


def _crossed_legs(rng: np.random.Generator) -> Posture:
    posture = _base(rng, 0.0)
    posture.left_foot.place += (-rng.uniform(0.1, 0.3), 0.0, rng.choice([-1, 1]) * 0.2)
    posture.left_foot.pitch = rng.uniform(0.0, 0.8)
    posture.shift[0] += 0.04
    return posture


_STANCES: tuple[tuple[Callable[[np.random.Generator], Posture], float], ...] = (
    (_standing, 0.30),
    (_wide, 0.10),
    (_contrapposto, 0.12),
    (_step, 0.10),
    (_side_step, 0.08),
    (_lunge, 0.04),
    (_squat, 0.05),
    (_knee_lift, 0.06),
    (_kick, 0.03),
    (_jump, 0.03),
    (_bow, 0.03),
    (_lean, 0.03),
    (_twist, 0.02),
    (_crossed_legs, 0.01),
)

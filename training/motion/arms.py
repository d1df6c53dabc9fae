"""Random arms: the archetypes, and how they are mixed, paired and made irregular."""

import numpy as np

from engine.mocap.rotations import (
    Array,
    from_quaternion,
    from_vector,
    posture_rotation,
    smoothstep,
    to_quaternion,
)
from training.motion.posture import (
    ELBOW_LIMIT,
    SHOULDER_LIMITS,
    Arm,
    Posture,
    arm_along,
    arm_reaching,
    arm_towards,
    arm_twist,
    mix,
)

# Arms in the frame of the chest, told for the left: x outwards, y up, z forwards.
ARMS: dict[str, Arm] = {
    "hang": arm_towards((0.14, -1, 0.0), (0.08, -1, 0.18)),
    "hang loose": arm_towards((0.25, -1, -0.08), (0.12, -1, 0.25)),
    "a pose": arm_towards((0.7, -1, 0.0), (0.7, -1, 0.05)),
    "t pose": arm_along((1, 0, 0)),
    "v up": arm_along((0.55, 1, 0.0)),
    "straight up": arm_along((0.12, 1, 0.08)),
    "forward": arm_along((0.05, 0, 1)),
    "forward low": arm_along((0.2, -0.8, 0.7)),
    "forward high": arm_along((0.2, 0.7, 0.8)),
    "diagonal": arm_along((0.8, 0.1, 0.6)),
    "back": arm_along((0.25, -0.85, -0.5)),
    "point up": arm_along((0.5, 0.8, 0.3)),
    "point across": arm_along((-0.45, 0.1, 0.9)),
    "wave": arm_towards((0.9, -0.3, 0.2), (0.35, 1, 0.15)),
    "wave high": arm_towards((0.8, 0.6, 0.1), (0.15, 1, 0.1)),
    "goalpost": arm_towards((1, 0.05, 0.05), (0.1, 1, 0.05)),
    "scarecrow": arm_towards((1, 0.05, 0.0), (0.1, -1, 0.1)),
    "elbows out": arm_towards((1, -0.1, 0.1), (-0.9, -0.1, 0.5)),
    "run front": arm_towards((0.1, -1, 0.35), (-0.15, 0.5, 1)),
    "run back": arm_towards((0.2, -0.9, -0.6), (0.1, -0.3, 1)),
    "hold": arm_towards((0.2, -1, 0.1), (-0.1, 0.1, 1)),
    "hold out": arm_towards((0.35, -1, 0.0), (0.8, 0.1, 0.8)),
    "palms up": arm_towards((0.35, -1, 0.1), (0.7, 0.6, 0.6)),
    "curl": arm_towards((0.3, -1, 0.1), (0.1, 0.9, 0.5)),
    "dab": arm_towards((0.2, 0.5, 0.8), (-1, 0.3, 0.3)),
    "low across": arm_towards((-0.2, -1, 0.4), (-0.5, -0.5, 0.7)),
    "on hip": arm_reaching((0.04, -0.74, 0.08), (1, 0, -0.5)),
    "on hip forward": arm_reaching((0.02, -0.70, 0.24), (1, 0.1, 0.1)),
    "crossed": arm_reaching((-0.56, -0.40, 0.38), (0.7, -1, 0.2)),
    "crossed under": arm_reaching((-0.50, -0.50, 0.30), (0.7, -1, 0.1)),
    "on chest": arm_reaching((-0.30, -0.25, 0.36), (0.8, -1, 0.1)),
    "clap": arm_reaching((-0.24, -0.10, 0.55), (0.3, -1, 0.0)),
    "clap high": arm_reaching((0.02, 0.84, 0.28), (0.8, 0, 0.5)),
    "pray": arm_reaching((-0.30, -0.05, 0.42), (1, -0.8, 0)),
    "heart": arm_reaching((-0.16, -0.2, 0.46), (1, -0.4, 0)),
    "heart high": arm_reaching((-0.06, 0.84, 0.10), (1, 0.1, 0.1)),
    "cheek": arm_reaching((-0.10, 0.26, 0.30), (0.5, -1, 0.4)),
    "mouth": arm_reaching((-0.24, 0.16, 0.36), (0.7, -1, 0.3)),
    "peace": arm_reaching((0.02, 0.42, 0.28), (0.6, -1, 0.3)),
    "salute": arm_reaching((-0.02, 0.44, 0.20), (1, 0, 0.2)),
    "behind head": arm_reaching((-0.08, 0.50, -0.18), (1, 0.3, 0.2)),
    "behind back": arm_reaching((-0.22, -0.66, -0.34), (1, -0.2, -0.5)),
    "opposite shoulder": arm_reaching((-0.52, -0.02, 0.36), (0.4, -1, 0.6)),
    "belly": arm_reaching((-0.28, -0.55, 0.34), (1, -0.6, -0.1)),
    "thigh": arm_reaching((-0.02, -0.90, 0.30), (1, -0.4, -0.4)),
    "shade eyes": arm_reaching((-0.18, 0.40, 0.30), (1, 0.1, 0.4)),
    "lift skirt": arm_towards((0.5, -1, 0.05), (0.35, -1, 0.3)),
}
# Both arms the same is commonest for these.
_PAIRED = (
    "hang", "hang loose", "a pose", "t pose", "v up", "straight up", "forward", "wave high",
    "goalpost", "elbows out", "hold", "hold out", "palms up", "curl", "on hip", "crossed", "clap",
    "clap high", "pray", "heart", "heart high", "cheek", "peace", "behind head", "behind back",
    "belly", "thigh", "diagonal", "forward low", "back", "lift skirt",
)  # fmt: skip
_NAMES = tuple(ARMS)
# Hanging arms fill most of a stream, and reach every other pose through the air around them.
_WEIGHTS = np.array([4.0 if n.startswith("hang") else 1.5 if n == "on hip" else 1.0 for n in ARMS])
_PAIR_WEIGHTS = np.array([5.0 if n.startswith("hang") else 1.0 for n in _PAIRED])


def give_arms(rng: np.random.Generator, posture: Posture) -> None:
    """Both arms and collar bones of a posture, whose hips and torso are bent already."""
    if rng.random() < 0.4:
        name = _PAIRED[rng.choice(len(_PAIRED), p=_PAIR_WEIGHTS / _PAIR_WEIGHTS.sum())]
        left = right = ARMS[name]
        if name == "crossed":
            right = ARMS["crossed under"]
        elif rng.random() < 0.3:
            other = ARMS[_PAIRED[rng.integers(len(_PAIRED))]]
            left = right = _mixed(left, other, rng.uniform())
    else:
        left, right = _arm(rng), _arm(rng)
    spread = rng.choice([0.06, 0.14, 0.25])
    posture.left_arm = _noisy(rng, left, spread)
    posture.right_arm = _noisy(rng, right, spread)
    if posture.torso[0] + posture.hips[0] > 0.35 and rng.random() < 0.5:
        # Bent forward, arms hang from the shoulders towards the floor, not along the torso.
        down = posture_rotation(posture.hips) @ posture_rotation(posture.torso)
        posture.left_arm = _turned(posture.left_arm, down.T)
        flip = np.diag([-1.0, 1.0, 1.0])
        posture.right_arm = _turned(posture.right_arm, flip @ down.T @ flip)
    posture.left_clavicle = _clavicle(rng, posture.left_arm)
    posture.right_clavicle = _clavicle(rng, posture.right_arm)


def _arm(rng: np.random.Generator) -> Arm:
    kind = rng.random()
    first = ARMS[_NAMES[rng.choice(len(_NAMES), p=_WEIGHTS / _WEIGHTS.sum())]]
    if kind < 0.45:
        return first
    if kind < 0.75:
        return _mixed(first, ARMS[_NAMES[rng.integers(len(_NAMES))]], rng.uniform())
    # Anywhere a shoulder can go: not far behind the back, not far across the chest.
    while True:
        upper = rng.normal(size=3)
        upper /= np.linalg.norm(upper)
        if upper[2] > -0.6 and upper[0] > -0.45 and not (upper[0] < 0.0 and upper[2] < 0.3):
            break
    bend = ELBOW_LIMIT * rng.beta(1.1, 1.7)
    return arm_along(upper, float(rng.normal(0.25, 0.7)) * smoothstep(bend, 0.07, 0.44), bend)


def _mixed(a: Arm, b: Arm, amount: float) -> Arm:
    first, second = Posture(left_arm=a), Posture(left_arm=b)
    return mix(first, second, amount).left_arm


def _noisy(rng: np.random.Generator, arm: Arm, spread: float) -> Arm:
    rotation = from_vector(rng.normal(0.0, spread, 3)) @ from_quaternion(arm.shoulder)
    bend = float(np.clip(arm.bend + rng.normal(0.0, 1.5 * spread), 0.0, ELBOW_LIMIT))
    # A straight arm shows no twist, so it has none.
    noisy = Arm(to_quaternion(rotation), bend)
    twist = arm_twist(noisy) * smoothstep(bend, np.radians(4.0), np.radians(25.0))
    return arm_along(rotation[:, 0], twist, bend)


def _turned(arm: Arm, rotation: Array) -> Arm:
    turned = rotation @ from_quaternion(arm.shoulder)
    twist = arm_twist(Arm(to_quaternion(turned)))
    return arm_along(turned[:, 0], twist * smoothstep(arm.bend, 0.07, 0.44), arm.bend)


def _clavicle(rng: np.random.Generator, arm: Arm) -> Array:
    """The shoulder girdle follows the arm: up with a raised one, forward with a crossing one."""
    along = from_quaternion(arm.shoulder)[:, 0]
    up = 0.30 * smoothstep(along[1], 0.0, 1.0) + rng.normal(0.0, 0.05)
    forward = 0.22 * smoothstep(along[2], 0.3, 1.0) - 0.15 * smoothstep(-along[2], 0.2, 0.8)
    limits = SHOULDER_LIMITS
    return np.clip([up, forward + rng.normal(0.0, 0.04)], -limits, limits)

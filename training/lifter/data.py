"""What the lifter learns from: motions on bodies of many builds, seen by random cameras."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.batch import kinematics
from engine.mocap.clip import Clip, clip_of
from engine.mocap.joints import HIPS, LIFT_17, body_size, centred, mid_hip, of_rig
from engine.mocap.rig import INDEX, PARENTS
from engine.mocap.rotations import Array
from training.errors import BadInput
from training.motion.dance import dance
from training.motion.load import load_motion
from training.motion.poses import random_pose

F32 = NDArray[np.float32]

SAMPLES_HZ = 15.0
"""Motions are seen so often: neighbours in time teach nothing new."""

HELD_OUT = ("003", "005_06", "005_12", "005_19", "007")
"""Captures of which no frame is trained on: two whole subjects, and three dances of a third."""

_PITCH, _ROLL = np.radians([14.0, 4.0])  # standard deviations of the camera's
_LIMBS = (
    ("spine", "chest", "neck", "head"),
    ("upper_arm", "forearm", "hand"),
    ("shin", "foot"),
)


@dataclass(frozen=True, slots=True)
class Bodies:
    """Joints (N, 17, 3) of posed bodies: y up, facing +z at rest, in body sizes.

    See `engine.mocap.joints.body_size`; the middle of the hips is the origin.
    """

    joints: F32

    def __len__(self) -> int:
        return len(self.joints)


def random_rest(rng: np.random.Generator) -> tuple[Array, float]:
    """A random build: the rig at rest (19, 3), and the size of its head and feet."""
    bones = {"clavicle": rng.normal(1, 0.10), "thigh": rng.normal(1, 0.15)}
    for limb in _LIMBS:
        whole = rng.normal(1, 0.07)
        for part in limb:
            bones[part] = whole * rng.normal(1, 0.04)
    rest = REFERENCE_REST.copy()
    for name, joint in INDEX.items():
        part = name.partition("_")[2] if name[:2] in ("l_", "r_") else name
        parent = PARENTS[joint]
        if parent >= 0:
            bone = REFERENCE_REST[joint] - REFERENCE_REST[parent]
            rest[joint] = rest[parent] + bone * max(bones.get(part, 1.0), 0.6)
    return rest, float(np.clip(rng.normal(1, 0.12), 0.7, 1.5))


def procedural(
    poses: int, seed: int, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Clip]:
    """Motion without any download: random poses, and a dance for every 2,000 of them."""
    rng = np.random.default_rng(seed)
    dances = max(poses // 2000, 1)
    found = []
    for i in range(poses):
        found.append(random_pose(rng))
        if i % 100 == 0:
            on_progress(i, poses + 200 * dances)
    clips = [clip_of(found, SAMPLES_HZ, f"poses {seed}")]
    for number in range(dances):
        # Seed 0 is the performer's own dance, on which the lifters are measured.
        clips.append(
            clip_of(dance(40.0, SAMPLES_HZ, 1 + seed * 1000 + number), SAMPLES_HZ, "dance")
        )
        on_progress(poses + 200 * (number + 1), poses + 200 * dances)
    return clips


def captures(folder: Path) -> tuple[list[Clip], list[Clip]]:
    """The BVH files of a folder for training, and those held out (see `HELD_OUT`).

    Raises BadInput where there is none, MotionError for one that is damaged.
    """
    paths = sorted(folder.rglob("*.bvh"))
    if not paths:
        raise BadInput(f"expected .bvh files in {folder}, found none")
    train: list[Clip] = []
    held_out: list[Clip] = []
    for path in paths:
        clip = load_motion(path).resampled(SAMPLES_HZ)
        (held_out if path.stem.startswith(HELD_OUT) else train).append(clip)
    return train, held_out


def bodies(clips: Sequence[Clip], builds: int, seed: int) -> Bodies:
    """Every pose of the clips on so many random builds."""
    rng = np.random.default_rng([seed, 1])
    rotations = np.concatenate([clip.rotations for clip in clips])
    root = np.zeros((len(rotations), 3))
    parts = []
    for _ in range(builds):
        rest, scale = random_rest(rng)
        joints = of_rig(*kinematics(rotations, root, rest), scale)
        # Estimators and rigs do not agree on where joints are, least of all hips.
        hips = rng.normal(1.0, 0.15)
        middle = mid_hip(joints)
        for hip in HIPS:
            joints[:, hip] += (hips - 1.0) * (joints[:, hip] - middle[:, 0])
        parts.append(((joints - middle) / body_size(joints)[:, None, None]).astype(np.float32))
    return Bodies(np.concatenate(parts))


def views(joints: F32, rng: np.random.Generator, noise: float = 0.012) -> tuple[F32, F32]:
    """Random cameras' views: centred keypoints (N, 17, 2), and joints (N, 17, 3) as seen.

    The latter have x right, y down, z away from the camera, in body sizes about the middle of the
    hips. Cameras stand all around at 1.5 to 7 body sizes, look up or down by 14 degrees or so.
    `noise` is the estimator's error, in spreads of the body (about 0.4 m).
    """
    n = len(joints)
    yaw, pitch, roll = (
        rng.uniform(-np.pi, np.pi, n),
        np.clip(rng.normal(0.0, _PITCH, n), -0.6, 0.6),
        rng.normal(0.0, _ROLL, n),
    )
    mirrored = rng.random(n) < 0.5
    seen = joints.astype(np.float64)
    seen[mirrored] = seen[mirrored][:, list(LIFT_17.mirror())] * (-1.0, 1.0, 1.0)
    seen = _turned(seen, yaw, 0, 2)
    seen = _turned(seen, pitch, 1, 2)
    seen = _turned(seen, roll, 0, 1)
    seen = seen * (1.0, -1.0, -1.0)  # to the camera's axes
    distance = np.exp(rng.uniform(np.log(1.5), np.log(7.0), n))
    # Where in the picture, in distances: perspective shears a body at the picture's edge.
    place = np.stack([rng.normal(0, 0.15, n), rng.normal(0, 0.10, n), np.ones(n)], axis=1)
    at = seen + (place * distance[:, None])[:, None]
    keypoints = centred(at[..., :2] / np.maximum(at[..., 2:], 0.2))
    sigma = noise * np.exp(rng.normal(0.0, 0.5, (n, 1, 1)))
    keypoints += sigma * rng.normal(size=keypoints.shape)
    return centred(keypoints).astype(np.float32), seen.astype(np.float32)


def _turned(points: Array, angles: Array, a: int, b: int) -> Array:
    """Points (N, K, 3) turned by `angles` (N,) in the plane of the axes a and b."""
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    out = points.copy()
    out[..., a] = c * points[..., a] + s * points[..., b]
    out[..., b] = c * points[..., b] - s * points[..., a]
    return out

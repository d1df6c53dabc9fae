"""A motion as its file tells it: a skeleton of its own, before it becomes one of our rig."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.mocap.batch import turned
from engine.mocap.rotations import Array
from training.motion.errors import MotionError

MAX_FRAMES = 72_000  # ten minutes at 120 frames a second
MAX_SAMPLED_FRAMES = 36_000  # where two keys, a few bytes, make as many frames as they like
MAX_JOINTS = 4096
MAX_BYTES = 128 * 2**20


@dataclass(frozen=True, slots=True)
class SourceMotion:
    """A moving skeleton in its own axes and units.

    `rotations` (F, J, 3, 3) and `positions` (F, J, 3) are global. `rest_rotations` (J, 3, 3) and
    `rest_positions` (J, 3) are the pose in which the skeleton was made. `tips` (J, 3) is an end
    point of each joint's bone in the joint's own frame, NaN where the file has none.
    `rest_stands` says that the rest pose stands on the floor of the motion.
    """

    name: str
    fps: float
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    rotations: Array
    positions: Array
    rest_rotations: Array
    rest_positions: Array
    tips: Array
    rest_stands: bool

    def ancestors(self, joint: int) -> list[int]:
        """From the joint itself up to its root."""
        chain = [joint]
        while self.parents[chain[-1]] >= 0:
            chain.append(self.parents[chain[-1]])
        return chain


def check_frames(name: str, frames: int, most: int = MAX_FRAMES) -> None:
    """Raise MotionError for a count of frames that no file should have."""
    if not 1 <= frames <= most:
        raise MotionError(
            name, f"1 to {most} frames", f"{frames}",
            "cut the motion into shorter ones" if frames > 0 else "export it again with its motion",
        )  # fmt: skip


def check_rate(name: str, frame_time: float) -> float:
    """Frames a second of a frame time in seconds; raises MotionError for an absurd one."""
    if not (np.isfinite(frame_time) and 1e-4 <= frame_time <= 10.0):
        raise MotionError(
            name, "a frame time between 0.0001 s and 10 s", f"{frame_time}", "correct the file"
        )
    rate = 1.0 / frame_time
    # Files round their frame time: 0.033333 s is 30 frames a second, and 0.033367 is not.
    return float(round(rate)) if abs(rate - round(rate)) < 5e-5 * rate else rate


def check_finite(name: str, what: str, values: Array) -> Array:
    """The values, if every one is a finite number of a sane size."""
    if not (np.isfinite(values).all() and (np.abs(values) < 1e9).all()):
        raise MotionError(
            name, f"finite numbers in {what}", "a NaN, an infinity or a number beyond 1e9",
            "export the motion again",
        )  # fmt: skip
    return values


def widened(values: NDArray[Any]) -> Array:
    """The values as float64; the odder kinds of NaN among them stay NaN without a warning."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def check_tree(name: str, parents: Sequence[int]) -> tuple[int, ...]:
    """An order of joints in which each comes after its parent; raises MotionError for a cycle."""
    children: list[list[int]] = [[] for _ in parents]
    order: list[int] = []
    for joint, parent in enumerate(parents):
        (order if parent < 0 else children[parent]).append(joint)
    for joint in order:  # grows while it is walked
        order.extend(children[joint])
    if len(order) != len(parents):
        raise MotionError(
            name, "a tree of joints", "joints that are their own ancestors", "export it again"
        )
    return tuple(order)


def needed(parents: Sequence[int], joints: Sequence[int]) -> list[int]:
    """The joints and all of their ancestors, ascending."""
    keep = set()
    for joint in joints:
        while joint >= 0 and joint not in keep:
            keep.add(joint)
            joint = parents[joint]
    return sorted(keep)


def global_pose(
    parents: Sequence[int], order: Sequence[int], rotations: Array, offsets: Array
) -> tuple[Array, Array]:
    """Global rotations and positions of local ones: (..., J, 3, 3) and (..., J, 3)."""
    turns, places = np.empty_like(rotations), np.empty(rotations.shape[:-1])
    for joint in order:
        parent = parents[joint]
        if parent < 0:
            turns[..., joint, :, :] = rotations[..., joint, :, :]
            places[..., joint, :] = offsets[..., joint, :]
        else:
            above = turns[..., parent, :, :]
            turns[..., joint, :, :] = above @ rotations[..., joint, :, :]
            places[..., joint, :] = places[..., parent, :] + turned(above, offsets[..., joint, :])
    return turns, places

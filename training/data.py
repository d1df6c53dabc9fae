"""Renders of one character in many poses, kept as two NumPy files and a manifest."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.motion.draw import draw_pose

if TYPE_CHECKING:
    from training.characters.character import RiggedCharacter

CHUNK = 64


@dataclass(frozen=True, slots=True)
class PosedPictures:
    """Pictures of a character and the joints that they show.

    `pictures` is (N, S, S, 4) uint8, premultiplied RGBA; `joints` is (N, 20, 4) float32: x, y and
    z in pixels and a score, as the engine's pose images take them.
    """

    pictures: NDArray[np.uint8]
    joints: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def size(self) -> int:
        """Width and height of the pictures in pixels."""
        return int(self.pictures.shape[1])

    @classmethod
    def load(cls, folder: Path) -> "PosedPictures":
        """Open what `render_poses` wrote; the pictures stay on disk (memory-mapped)."""
        return cls(np.load(folder / "pictures.npy", mmap_mode="r"), np.load(folder / "joints.npy"))


@cache
def _character() -> "RiggedCharacter":
    from training.characters import ito

    return ito.build()


def _render_chunk(size: int, seed: int, first: int, count: int) -> tuple[NDArray, NDArray]:
    from training.characters.character import render_sample
    from training.motion.poses import random_pose

    character = _character()
    pictures = np.empty((count, size, size, 4), np.uint8)
    joints = np.empty((count, 20, 4), np.float32)
    for i in range(count):
        # One generator per sample: the data do not depend on how the work is divided.
        rng = np.random.default_rng([seed, first + i])
        pictures[i], joints[i] = render_sample(character, random_pose(rng, character.rest), size)
    return pictures, joints


def render_poses(
    folder: Path,
    count: int,
    *,
    size: int = 256,
    seed: int = 0,
    workers: int = 2,
    on_progress: Callable[[int], None] = lambda done: None,
) -> PosedPictures:
    """Render the default character in `count` random poses into `folder`, or reuse what is there.

    What is there is reused only if its manifest has the same arguments; it is written last, and
    taken away before anything is written over.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"character": "ito", "count": count, "size": size, "seed": seed}
    manifest_path = folder / "manifest.json"
    if manifest_path.exists():
        found = json.loads(manifest_path.read_text())
        if all(found.get(key) == value for key, value in wanted.items()):
            return PosedPictures.load(folder)
        manifest_path.unlink()
    pictures = np.lib.format.open_memmap(
        folder / "pictures.npy", "w+", np.uint8, (count, size, size, 4)
    )
    joints = np.empty((count, 20, 4), np.float32)
    starts = range(0, count, CHUNK)
    with ProcessPoolExecutor(workers) as pool:
        jobs = [
            (start, pool.submit(_render_chunk, size, seed, start, min(CHUNK, count - start)))
            for start in starts
        ]
        for start, job in jobs:
            chunk_pictures, chunk_joints = job.result()
            pictures[start : start + len(chunk_joints)] = chunk_pictures
            joints[start : start + len(chunk_joints)] = chunk_joints
            on_progress(start + len(chunk_joints))
    pictures.flush()
    np.save(folder / "joints.npy", joints)
    digest = sha256(joints.tobytes())
    for start in starts:
        digest.update(pictures[start : start + CHUNK].tobytes())
    manifest_path.write_text(json.dumps({**wanted, "sha256": digest.hexdigest()}, indent=2))
    return PosedPictures.load(folder)


def shift_picture(picture: NDArray[np.uint8], dx: int, dy: int) -> NDArray[np.uint8]:
    """The picture moved by whole pixels (right, down); what comes in is transparent."""
    height, width = picture.shape[:2]
    moved = np.zeros_like(picture)
    moved[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = picture[
        max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved


def free_shift(picture: NDArray[np.uint8], limit_xy: tuple[int, int]) -> tuple[range, range]:
    """The shifts (x, y) within `limit_xy` that cut nothing of the character off."""
    opaque = picture[..., 3] > 8
    columns, rows = np.flatnonzero(opaque.any(axis=0)), np.flatnonzero(opaque.any(axis=1))
    if not len(columns):
        return range(1), range(1)
    height, width = opaque.shape
    return (
        range(
            -min(limit_xy[0], int(columns[0])), min(limit_xy[0], width - 1 - int(columns[-1])) + 1
        ),
        range(-min(limit_xy[1], int(rows[0])), min(limit_xy[1], height - 1 - int(rows[-1])) + 1),
    )


def sample_batch(
    data: PosedPictures,
    rng: np.random.Generator,
    batch: int,
    *,
    shift_xy: tuple[int, int] = (24, 8),
    jitter_px: float = 0.6,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]:
    """A random batch: pose images (B, S, S, 3), pictures (B, S, S, 4) and joints (B, 20, 4).

    Each is moved within the picture, as people move in front of a camera, and half of the poses
    are jittered as an estimator's are.
    """
    size = data.size
    poses = np.empty((batch, size, size, 3), np.uint8)
    pictures = np.empty((batch, size, size, 4), np.uint8)
    joints = np.empty((batch, 20, 4), np.float32)
    for i, pick in enumerate(rng.integers(len(data), size=batch)):
        picture = np.asarray(data.pictures[pick])
        shifts_x, shifts_y = free_shift(picture, shift_xy)
        dx, dy = int(rng.choice(shifts_x)), int(rng.choice(shifts_y))
        pictures[i] = shift_picture(picture, dx, dy)
        joints[i] = data.joints[pick] + np.array([dx, dy, 0, 0], np.float32)
        seen = joints[i].copy()
        if rng.random() < 0.5:
            seen[:, :2] += rng.normal(0, jitter_px * size / 256, (20, 2))
        draw_pose(seen, poses[i])
    return poses, pictures, joints

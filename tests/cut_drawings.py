"""Cut drawings that are made in a test, without torch: capsules of a colour along the bones."""

import numpy as np

from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.parts import CHEST, COUNT, HEAD, HIPS, PARTS

# x, y, z of `PUPPET_20` in a square of 1: an A-pose, facing the camera.
_BODY = np.array([
    [24, 11, -4], [24, 15, 0], [20, 15, 0], [16, 20, 1], [14, 25, 0], [28, 15, 0], [32, 20, 1],
    [34, 25, 0], [22, 26, 0], [21, 34, 1], [21, 42, 0], [26, 26, 0], [27, 34, 1], [27, 42, 0],
    [22.5, 10, -3.5], [25.5, 10, -3.5], [21, 10.5, 0], [27, 10.5, 0], [20, 44, -4], [28, 44, -4],
]) / 48  # fmt: skip


def body(size: int, seed: int | None = None, noise: float = 0.02) -> np.ndarray:
    """(20, 4) joints of a standing body in a picture of `size` pixels, or near it."""
    joints = np.ones((20, 4), np.float32)
    joints[:, :3] = _BODY * size
    if seed is not None:
        joints[:, :3] += np.random.default_rng(seed).normal(0, noise * size, (20, 3))
    return joints


def cut_drawing(size: int = 64, seed: int = 0) -> CutDrawing:
    """Every part a textured capsule; where capsules meet, each is painted in below the next."""
    rng = np.random.default_rng(seed)
    joints = body(size)
    y, x = np.mgrid[:size, :size] + 0.5
    pixels = np.zeros((COUNT, size, size, 5), np.uint8)
    room = np.full((size, size), 255.0)
    room[[0, -1]] = room[:, [0, -1]] = 0
    inner = room.copy()
    for index, part in enumerate(PARTS):
        start, end = joints[part.start, :2], joints[part.end, :2]
        if index in (CHEST, HIPS):
            middle = 0.5 * (joints[8, :2] + joints[11, :2])
            start, end = (start, middle) if index == CHEST else (middle, middle)
        bone = end - start
        along = (x - start[0]) * bone[0] + (y - start[1]) * bone[1]
        along = np.clip(along / max(bone @ bone, 1e-6), 0, 1)
        distance = np.hypot(x - start[0] - along * bone[0], y - start[1] - along * bone[1])
        radius = size * (0.09 if index in (HEAD, CHEST, HIPS) else 0.045)
        whole = np.minimum(np.clip(radius - distance + 0.5, 0, 1) * 255, inner)
        drawn = np.minimum(whole, room)
        room -= drawn
        pixels[index, ..., :3] = (
            rng.integers(40, 256, (size // 4, size // 4, 3)).repeat(4, 0).repeat(4, 1)
        )
        pixels[index, ..., DRAWN] = drawn
        pixels[index, ..., WHOLE] = whole
    return CutDrawing(pixels, joints)

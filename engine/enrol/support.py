"""The support set: what a drawing shows, in a few more poses than it was drawn in.

Adaptation learns from it; it is saved in the bundle, for people to inspect. Everything is made from
the drawing itself: moved, mirrored where the character is symmetric, tilted, and with limbs turned
by the puppet.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.clip import drawn
from engine.generator import Generator
from engine.likeness import ssim
from engine.pose.skeleton import PUPPET_20
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

SYMMETRIC: Final = 0.85
"""A drawing that is so like its mirror image (SSIM) is used mirrored, too."""
_GLANCE_PX: Final = 96
_SHIFT: Final = 0.05  # of the picture's size
_TILT_DEG: Final = 8.0
_TURN: Final = (0.35, 0.3, 0.12, 0.12)  # radians: arm, forearm, thigh, shin
_MIRROR = PUPPET_20.mirror()
_LIMBS: Final = (
    (2, (3, 4), 0), (5, (6, 7), 0), (3, (4,), 1), (6, (7,), 1),
    (8, (9, 10, 18), 2), (11, (12, 13, 19), 2), (9, (10, 18), 3), (12, (13, 19), 3),
)  # fmt: skip
SHOWN: Final = 8
_TILE_PX: Final = 144


class Example(NamedTuple):
    """One of the set."""

    how: str
    picture: U8  # (S, S, 4) premultiplied RGBA
    joints: F32  # (20, 4)


def symmetry(picture: U8, joints: NDArray[np.floating]) -> float:
    """SSIM of a character (S, S, 4) and its mirror image about its middle, at most 1.

    Both are shrunk, so that what nobody sees at a glance does not count; the best axis near the
    neck is taken.
    """
    small = np.asarray(
        cv2.resize(picture, (_GLANCE_PX, _GLANCE_PX), interpolation=cv2.INTER_AREA), np.uint8
    )
    columns = np.nonzero(small[..., 3].any(axis=0))[0]
    rows = np.nonzero(small[..., 3].any(axis=1))[0]
    if len(rows) < 12:
        return 0.0
    neck = 2 * float(joints[1, 0]) * _GLANCE_PX / picture.shape[1] - 1
    best = -1.0
    for axis in range(round(neck) - 4, round(neck) + 5):
        matrix = np.array([[-1.0, 0.0, axis], [0.0, 1.0, 0.0]])
        mirrored = np.asarray(cv2.warpAffine(small, matrix, (_GLANCE_PX, _GLANCE_PX)), np.uint8)
        left = max(0, min(columns[0], axis - columns[-1]))
        right = max(columns[-1], axis - columns[0]) + 1
        window = slice(rows[0], rows[-1] + 1), slice(left, right)
        if mirrored[window].shape[1] >= 12:
            a, b = (np.ascontiguousarray(p[window]) for p in (small, mirrored))
            best = max(best, ssim(a, b))
    return best


def support_set(
    picture: U8, joints: F32, generator: Generator, *, warped: int = 4, seed: int = 0
) -> Iterator[Example]:
    """The drawing as it is, and what can be made of it.

    Args:
        picture: (S, S, 4) premultiplied RGBA.
        joints: (20, 4) in it.
        generator: draws the character.
        warped: how many with limbs turned by the puppet.
        seed: of the turns.
    """
    size = picture.shape[0]
    yield Example("as drawn", picture, joints)
    if symmetry(picture, joints) >= SYMMETRIC:
        yield _moved("mirrored", picture, joints, np.array([[-1.0, 0, size], [0, 1, 0]]))
    for side in (-1, 1):
        shift = side * _SHIFT * size
        yield _moved("shifted", picture, joints, np.array([[1.0, 0, shift], [0, 1, -abs(shift)]]))
    for side in (-1, 1):
        centre = (float(joints[1, 0]), float(joints[1, 1]))
        matrix = cv2.getRotationMatrix2D(centre, side * _TILT_DEG, 1.0)
        yield _moved("tilted", picture, joints, np.asarray(matrix, np.float64))
    rng = np.random.default_rng(seed)
    for _ in range(warped):
        turned = turned_limbs(joints, rng)
        yield Example("limbs turned", drawn(generator, turned, size), turned)


def turned_limbs(joints: F32, rng: np.random.Generator) -> F32:
    """Joints (20, 4) with every limb turned a little in the picture's plane."""
    turned = joints.copy()
    for root, carried, kind in _LIMBS:
        angle = float(rng.uniform(-1, 1)) * _TURN[kind]
        c, s = np.cos(angle), np.sin(angle)
        offset = turned[list(carried), :2] - turned[root, :2]
        turned[list(carried), :2] = turned[root, :2] + offset @ np.array([[c, s], [-s, c]])
    return turned


def sheet(examples: list[Example]) -> U8:
    """(H, W, 3) the first few of a set side by side, over white, small."""
    tiles = [
        cv2.resize(on_white(e.picture), (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
        for e in examples[:SHOWN]
    ]
    return np.asarray(np.concatenate(tiles, axis=1), np.uint8)


def _moved(how: str, picture: U8, joints: F32, matrix: NDArray[np.float64]) -> Example:
    """By an affine map of image coordinates (2, 3); a mirror image swaps left and right."""
    moved = joints.copy()
    moved[:, :2] = joints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    if np.linalg.det(matrix[:, :2]) < 0:
        moved = moved[_MIRROR]
    centred = matrix.copy()  # cv2 counts from pixel centres
    centred[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    shown = cv2.warpAffine(picture, centred, picture.shape[1::-1])
    return Example(how, np.asarray(shown, np.uint8), np.ascontiguousarray(moved, np.float32))

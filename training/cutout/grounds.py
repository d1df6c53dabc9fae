"""What drawings stand before: paper, rooms, patterns, photographs; and the shadows they cast."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.dataset.scenes import scene
from training.estimator.augment import U8, ground

Rng = np.random.Generator


def _bytes(values: Any) -> U8:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def white(size: int, rng: Rng) -> U8:
    """Nothing at all."""
    return np.full((size, size, 3), 255, np.uint8)


def flat(size: int, rng: Rng) -> U8:
    """One colour; every third is pale, as pages are."""
    low = 200 if rng.random() < 0.33 else 0
    return np.broadcast_to(rng.integers(low, 256, 3, np.uint8), (size, size, 3)).copy()


def paper(size: int, rng: Rng) -> U8:
    """Scanned or photographed paper: grain, stains, uneven light, sometimes ruled."""
    tint = np.array([248, 244, 236]) - rng.uniform(0, 30, 3)
    made = np.broadcast_to(tint, (size, size, 3)).astype(np.float32)
    light = _clouds(size, rng, 3)[..., None] * rng.uniform(4, 28)
    fibres = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), 0.8)
    made = made + light + fibres[..., None] * rng.uniform(1, 9)
    if rng.random() < 0.3:
        step = rng.uniform(0.04, 0.12) * size
        rows = np.arange(size) % step < max(size / 256, 1)
        made[rows] = made[rows] * 0.85 + np.array([90, 120, 200]) * 0.15
        if rng.random() < 0.5:
            made[:, rows] = made[:, rows] * 0.85 + np.array([90, 120, 200]) * 0.15
    return _bytes(made)


def gradient(size: int, rng: Rng) -> U8:
    """From one colour to another, straight or round."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        share = np.cos(angle) * x + np.sin(angle) * y
    else:
        share = np.hypot(x - rng.uniform(), y - rng.uniform())
    share = (share - share.min()) / np.ptp(share)
    a, b = rng.uniform(0, 255, (2, 3))
    return _bytes(a + (b - a) * share[..., None])


def clutter(size: int, rng: Rng) -> U8:
    """A crowd of shapes, lines and letters in colours that figures have too, some outlined."""
    made = ground(size, rng)
    for _ in range(int(rng.integers(12, 50))):
        colour = rng.integers(0, 256, 3).tolist()
        centre = rng.integers(0, size, 2)
        reach = float(size * np.exp(rng.uniform(np.log(0.02), np.log(0.22))))
        corners = int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        ring = centre + reach * rng.uniform(0.4, 1, (corners, 1)) * np.stack(
            [np.cos(angles), np.sin(angles)], axis=1
        )
        outline = ring.astype(np.int32)
        cv2.fillPoly(made, [outline], colour, cv2.LINE_AA)
        if rng.random() < 0.5:
            ink = (rng.integers(0, 80),) * 3
            width = int(rng.integers(1, max(size // 100, 2)))
            cv2.polylines(made, [outline], True, [int(c) for c in ink], width, cv2.LINE_AA)
    return made


def photograph(size: int, rng: Rng) -> U8:
    """What a photograph has of edges and tones: regions of a cloudy map, each with its texture."""
    levels = int(rng.integers(2, 7))
    labels = np.digitize(_clouds(size, rng, 6), np.linspace(-1.2, 1.2, levels))
    made = np.zeros((size, size, 3), np.float32)
    for label in range(levels + 1):
        texture = _clouds(size, rng, 8)[..., None] * rng.uniform(5, 45)
        tint = _clouds(size, rng, 3)[..., None] * rng.normal(0, 25, 3)
        made = np.where(labels[..., None] == label, rng.uniform(20, 235, 3) + texture + tint, made)
    soft = cv2.GaussianBlur(made, (0, 0), rng.uniform(0.4, 2.0) * size / 256)
    return _bytes(soft + rng.normal(0, rng.uniform(0, 5), (size, size, 1)))


GROUNDS: Final[dict[str, Callable[[int, Rng], U8]]] = {
    "white": white,
    "flat colour": flat,
    "paper": paper,
    "gradient": gradient,
    "patterns": lambda size, rng: scene(rng, size),
    "clutter": clutter,
    "photograph-like": photograph,
}
"""Each makes (size, size, 3) RGB; the names are those of the table."""

_OFTEN = np.array([3.0, 2.0, 2.0, 1.5, 1.5, 3.0, 3.0])
_REAL_SHARE = 0.25
_TRAINED_ON = (
    "chelsea",
    "coffee",
    "rocket",
    "immunohistochemistry",
    "retina",
    "coins",
    "camera",
    "moon",
)
HELD_OUT: Final = ("astronaut", "grass", "gravel", "brick", "hubble_deep_field")
"""Photographs of scikit-image that no training sees."""


def photographs(folder: Path | None) -> list[U8]:
    """Photographs to put behind figures: those that come with scikit-image, and a folder's own.

    Raises OSError where the folder cannot be read.
    """
    from skimage import data

    found = [_rgb(getattr(data, name)()) for name in _TRAINED_ON]
    for path in sorted(folder.iterdir()) if folder else ():
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            found.append(np.ascontiguousarray(picture[..., ::-1], np.uint8))
    return found


def held_out_photographs() -> list[U8]:
    """Those of `HELD_OUT`, (H, W, 3)."""
    from skimage import data

    return [_rgb(getattr(data, name)()) for name in HELD_OUT]


def part_of(whole: U8, size: int, rng: Rng) -> U8:
    """A part of a photograph, (size, size, 3), as it is or mirrored."""
    height, width = whole.shape[:2]
    side = int(min(height, width) * rng.uniform(0.4, 1))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    part = whole[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    made = np.asarray(cv2.resize(part, (size, size), interpolation=method), np.uint8)
    return np.ascontiguousarray(made[:, ::-1]) if rng.random() < 0.5 else made


def any_ground(size: int, rng: Rng, real: Sequence[U8] = ()) -> U8:
    """One of all these, the estimator's, or a part of a real photograph."""
    if real and rng.random() < _REAL_SHARE:
        made = part_of(real[int(rng.integers(len(real)))], size, rng)
        if rng.random() < 0.3:
            made = np.ascontiguousarray(made[..., rng.permutation(3)])
        return made
    if rng.random() < 0.1:
        return ground(size, rng)
    kind = rng.choice(list(GROUNDS), p=_OFTEN / _OFTEN.sum())
    return GROUNDS[str(kind)](size, rng)


def _rgb(picture: NDArray[np.uint8]) -> U8:
    if picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=2)
    return np.ascontiguousarray(picture[..., :3])


def shadowed(behind: U8, alpha: NDArray[np.uint8], rng: Rng) -> U8:
    """The ground with the figure's shadow or glow on it: dropped, at its feet, or all around.

    Args:
        behind: (S, S, 3) RGB.
        alpha: (S, S) of the figure.
        rng: decides which.
    """
    size = len(alpha)
    kind = rng.random()
    if kind < 0.45:  # dropped
        shift = rng.normal(0, 0.03 * size, 2)
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
        moved = cv2.warpAffine(alpha, move, (size, size))
        dark = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.3, 8) * size / 256)
    elif kind < 0.75:  # on the floor
        rows, columns = np.nonzero(alpha > 127)
        if len(rows) == 0:
            return behind
        disc = np.zeros((size, size), np.uint8)
        at = (int(columns.mean() + rng.normal(0, 0.03 * size)), int(rows.max()))
        width = 0.5 * np.ptp(columns) * rng.uniform(0.5, 1.2)
        axes = (int(width) + 1, int(width * rng.uniform(0.1, 0.35)) + 1)
        cv2.ellipse(disc, at, axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
        dark = cv2.GaussianBlur(disc, (0, 0), rng.uniform(0.3, 6) * size / 256)
    else:  # a glow
        dark = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(2, 12) * size / 256)
    strength = np.asarray(dark, np.float32)[..., None] / 255 * rng.uniform(0.15, 0.8)
    tint = 255.0 if kind >= 0.75 and rng.random() < 0.5 else rng.uniform(0, 60, 3)
    return _bytes(behind + (tint - behind.astype(np.float32)) * strength)


def _clouds(size: int, rng: Rng, octaves: int) -> NDArray[np.float32]:
    """(S, S), about normal, with the spectrum 1/f of natural pictures."""
    made = np.zeros((size, size), np.float32)
    for octave in range(1, octaves + 1):
        side = min(2**octave, size)
        grid = rng.normal(0, 1, (side, side)).astype(np.float32)
        layer = cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        made += np.asarray(layer, np.float32) / np.float32(1.6**octave)
    return np.asarray(made / max(float(made.std()), 1e-6), np.float32)

"""Painted backgrounds: for networks that must tell a character from what is behind it."""

import cv2
import numpy as np
from numpy.typing import NDArray


def scene(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """(S, S, 3) RGB: a flat colour, a gradient, stripes, checks, or clouds."""
    colours = rng.integers(0, 256, (2, 3)).astype(np.float32)
    kind = int(rng.integers(5))
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle = rng.uniform(0, np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y
    across = np.cos(angle) * y - np.sin(angle) * x
    if kind == 0:
        share = np.zeros((size, size), np.float32)
    elif kind == 1:
        share = (along - along.min()) / np.ptp(along)
    elif kind == 2:
        share = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * along * rng.uniform(3, 14)))
    elif kind == 3:
        tiles = rng.uniform(3, 10)
        share = ((np.floor(along * tiles) + np.floor(across * tiles)) % 2).astype(np.float32)
    else:
        coarse = rng.random((int(rng.integers(3, 24)),) * 2, dtype=np.float32)
        share = np.clip(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), 0, 1)
    mixed = colours[0] + (colours[1] - colours[0]) * np.asarray(share, np.float32)[..., None]
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def behind(picture: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Premultiplied RGBA before an RGB background of its size: opaque RGBA."""
    alpha = picture[..., 3:].astype(np.uint16)
    seen = (background.astype(np.uint16) * (255 - alpha) + 127) // 255
    colour = np.minimum(picture[..., :3] + seen, 255).astype(np.uint8)
    return np.concatenate([colour, np.full_like(picture[..., 3:], 255)], axis=2)

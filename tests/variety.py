"""How different characters look: a small descriptor of a picture, and distances between many."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.characters.character import RiggedCharacter
from training.characters.sheet import POSES, rig_pose
from training.render.scene import render

_SIDE = 24
_SHOWN = 48


def descriptor(character: RiggedCharacter) -> NDArray[np.float32]:
    """(24 * 24 * 4,) in [0, 1]: colours and silhouette of the character seen from the front.

    The picture is cut to the character's box, so that its size alone is no difference.
    """
    mesh = character.pose(rig_pose(POSES["stand"]))
    picture = render(mesh, character.camera, 2 * _SHOWN, 1).astype(np.float32) / 255
    rows = np.flatnonzero(picture[..., 3].any(axis=1))
    low, high = int(rows[0]), int(rows[-1]) + 1
    # Columns about the middle, as many as rows, resampled by area to a small square.
    middle, half = _SHOWN, (high - low) / 2
    edges_y = np.linspace(low, high, _SIDE + 1)
    edges_x = np.clip(np.linspace(middle - half, middle + half, _SIDE + 1), 0, 2 * _SHOWN)
    total = np.pad(picture.cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    at_y, at_x = edges_y.round().astype(int), edges_x.round().astype(int)
    corner = total[at_y][:, at_x]
    area = np.maximum(np.outer(np.diff(at_y), np.diff(at_x)), 1)[..., None]
    cells = corner[1:, 1:] - corner[:-1, 1:] - corner[1:, :-1] + corner[:-1, :-1]
    return np.asarray((cells / area).ravel(), np.float32)


def distances(descriptors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(N, N) mean differences of colour and cover over the cells that either figure fills.

    The diagonal is infinite, so that a row's least value is the distance to its nearest neighbour.
    """
    cells = np.stack(descriptors).reshape(len(descriptors), -1, 4)
    out = np.full((len(cells), len(cells)), np.inf, np.float32)
    for i, one in enumerate(cells[:-1]):
        rest = cells[i + 1 :]
        either = np.maximum(one[:, 3], rest[..., 3])
        gap = np.abs(rest - one).mean(axis=-1)
        out[i, i + 1 :] = gap.sum(axis=1) / np.maximum(either.sum(axis=1), 1e-6)
        out[i + 1 :, i] = out[i, i + 1 :]
    return out

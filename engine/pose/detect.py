"""What the pose detector's raw output means: anchors, scores and weighted suppression.

The detector is a single-shot detector (Liu et al. 2016) with fixed anchors, as in BlazeFace
(Bazarevsky et al. 2019): each of 2254 anchors says how likely a person's face is there, where its
box is, and where four points of the person are.
"""

import numpy as np
from numpy.typing import NDArray

INPUT_SIZE = 224
_ANCHORS = ((8, 2), (16, 2), (32, 6))
"""Cells of so many pixels, with so many anchors each."""
_CLIP = 100.0


def anchors() -> NDArray[np.float32]:
    """(2254, 2) centres of the anchors in [0, 1] of the input, row by row."""
    parts = []
    for stride, each in _ANCHORS:
        cells = INPUT_SIZE // stride
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        y, x = np.meshgrid(middle, middle, indexing="ij")
        parts.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), each, axis=0))
    return np.concatenate(parts)


_CENTRES = anchors()


def people(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    least_score: float = 0.5,
    least_overlap: float = 0.5,
) -> NDArray[np.float32]:
    """The people that the detector found, the most certain first.

    Args:
        boxes: (2254, 12) as it came: centre, size and four points, in pixels from the anchor.
        scores: (2254,) as it came.
        least_score: of those that are believed, in [0, 1].
        least_overlap: boxes that overlap more are the same person.

    Returns:
        (N, 4, 2) points of each in [0, 1] of the input: the middle of the hips, the top of the
        circle around the person, and the same two of the upper body.
    """
    likely = 1 / (1 + np.exp(-np.clip(scores.astype(np.float64), -_CLIP, _CLIP)))
    chosen = np.flatnonzero(
        (likely >= least_score) & (boxes[:, 2] >= 0) & (boxes[:, 3] >= 0)
    )  # fmt: skip
    chosen = chosen[np.argsort(-likely[chosen], kind="stable")]
    points = (boxes[chosen] / np.float32(INPUT_SIZE)).reshape(-1, 6, 2)
    centres, sizes = points[:, 0] + _CENTRES[chosen], points[:, 1]
    keypoints = points[:, 2:] + _CENTRES[chosen, None]
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return _suppress(corners, keypoints, likely[chosen], least_overlap)


def _suppress(
    corners: NDArray[np.float32],
    keypoints: NDArray[np.float32],
    weights: NDArray[np.float64],
    least_overlap: float,
) -> NDArray[np.float32]:
    """One set of points for each group of boxes that overlap: their mean, weighted by score.

    Blending instead of keeping the best is BlazeFace's (section 3.4): it takes away jitter. All
    arguments are in order of falling weight.
    """
    found = []
    left = np.arange(len(weights))
    while len(left):
        same = _overlaps(corners[left[0]], corners[left]) > least_overlap
        same[0] = True  # also where its box has no area
        group = left[same]
        found.append(np.average(keypoints[group], axis=0, weights=weights[group]))
        left = left[~same]
    return np.array(found, np.float32).reshape(-1, 4, 2)


def _overlaps(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one (4,) left, top, right, bottom and (N, 4) others."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.prod(np.maximum(shared, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - common
    shares: NDArray[np.float32] = np.zeros_like(common)
    np.divide(common, areas, out=shares, where=areas > 0)
    return shares

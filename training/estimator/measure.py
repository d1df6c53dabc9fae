"""PCKh: the share of keypoints found (Andriluka et al. 2014)."""

import numpy as np
from numpy.typing import NDArray

_NECK, _EARS = 1, (16, 17)

GROUPS = {
    "head": (0, 14, 15, 16, 17),
    "neck and shoulders": (1, 2, 5),
    "elbows": (3, 6),
    "wrists": (4, 7),
    "hips": (8, 11),
    "knees": (9, 12),
    "ankles": (10, 13),
    "toes": (18, 19),
}


def head_size(joints: NDArray[np.floating]) -> NDArray[np.float64]:
    """(...,) length of the head in pixels, of (..., 20, 3+) joints: the neck to between the ears.

    It is measured in 3D, so that it does not change as the head bows. MPII's, 0.6 times the
    diagonal of the head's box, is no shorter on drawn characters.
    """
    middle = 0.5 * (joints[..., _EARS[0], :3] + joints[..., _EARS[1], :3])
    return np.asarray(np.linalg.norm(middle - joints[..., _NECK, :3], axis=-1), np.float64)


def found(
    points: NDArray[np.floating],
    truth: NDArray[np.floating],
    head: NDArray[np.floating] | float,
    share: float = 0.5,
) -> NDArray[np.bool_]:
    """(..., 20) which keypoints lie within `share` head sizes of the truth.

    Args:
        points: (..., 20, 2+) px; a keypoint that is not a number was not found.
        truth: (..., 20, 2+) px.
        head: (...,) px, see `head_size`.
        share: of the head's size.
    """
    distance = np.linalg.norm(points[..., :2] - truth[..., :2], axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(distance <= share * np.asarray(head)[..., None])


def pckh(
    points: NDArray[np.floating],
    truth: NDArray[np.floating],
    head: NDArray[np.floating] | float,
    counted: NDArray[np.bool_] | None = None,
    share: float = 0.5,
) -> float:
    """The share of the counted keypoints (..., 20) that were found, in [0, 1]; NaN of none."""
    hits = found(points, truth, head, share)
    if counted is not None:
        hits = hits[counted]
    return float(hits.mean()) if hits.size else float("nan")

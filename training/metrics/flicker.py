"""How a sequence shimmers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics.pictures import on_white


@dataclass(frozen=True, slots=True)
class Flicker:
    """`error` in levels of 255, at least 0; `ratio` at least 0, NaN where the truth stands still.

    `error` is the mean of |e(t-1) - 2 e(t) + e(t+1)| over the figure, where e is made minus true:
    0 when whatever is wrong stays wrong, or changes evenly. `ratio` is the same mean of the made
    pictures over that of the true ones: more than 1 is flicker, less is motion that was lost.
    """

    error: float
    ratio: float


def flicker(made: NDArray[np.uint8], truth: NDArray[np.uint8]) -> Flicker:
    """Flicker of premultiplied RGBA pictures (T, H, W, 4), T at least 3, that follow each other.

    No picture is warped onto its neighbour: the truth's own change is what is to be expected.
    The figure is wherever either picture is not transparent at one of the three times.
    """
    if made.shape != truth.shape or len(made) < 3:
        raise ValueError(
            f"expected two sequences alike of at least 3 pictures, found {made.shape} and "
            f"{truth.shape}"
        )
    sums = np.zeros(3)
    count = 0
    for t in range(1, len(made) - 1):
        around = slice(t - 1, t + 2)
        figure = (made[around, ..., 3] > 0).any(axis=0) | (truth[around, ..., 3] > 0).any(axis=0)
        ours, wanted = (_second_difference(p[around])[figure] for p in (made, truth))
        sums += [np.abs(ours - wanted).sum(), np.abs(ours).sum(), np.abs(wanted).sum()]
        count += 3 * int(figure.sum())
    error, of_made, of_truth = sums / max(count, 1)
    return Flicker(float(error), float(of_made / of_truth) if of_truth > 0 else float("nan"))


def _second_difference(three: NDArray[np.uint8]) -> NDArray[np.float32]:
    before, now, after = (on_white(picture).astype(np.float32) for picture in three)
    return np.asarray(before - 2 * now + after)

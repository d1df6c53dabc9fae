"""Fitting a figure to the evidence of a picture; see `engine.enrol.figure` for the energy."""

from typing import Final

import numpy as np

from engine.enrol.descent import Descent, Fitted
from engine.enrol.figure import Evidence, Guess, default_guess, similarity

_CERTAIN: Final = 0.3


def fit(evidence: Evidence, box: tuple[float, float, float, float]) -> Fitted:
    """The best figure of several starts.

    Args:
        evidence: heatmaps and outline.
        box: left, top, right and bottom of the figure, px.
    """
    left, top, right, bottom = box
    standing = default_guess(top, bottom, 0.5 * (left + right))
    best: Fitted | None = None
    for guess in (_from_heat(evidence, standing), standing):
        found = Descent(evidence, guess).run()
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return best


def _from_heat(evidence: Evidence, standing: Guess) -> Guess:
    """The highest peaks where they are certain, a standing figure laid on those elsewhere."""
    best = evidence.seen.best()
    certain = best[:, 2] > _CERTAIN
    if certain.sum() < 4:
        return standing.copy()
    rest = standing.body.rest[:, :2].copy()
    if best[5, 0] < best[2, 0] and certain[2] and certain[5]:
        rest[:, 0] *= -1  # seen from behind
    weight = np.where(certain, best[:, 2], 0.0)
    weight[[3, 4, 6, 7]] = 0  # arms may be anywhere
    matrix, shift = similarity(rest, best[:, :2], weight)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not 0.2 * standing.spine < scale < 5 * standing.spine:
        return standing.copy()
    joints = rest @ matrix.T + shift
    joints[certain] = best[certain, :2]
    return Guess(joints, scale, standing.body)

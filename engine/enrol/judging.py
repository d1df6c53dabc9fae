"""What a picture must be to become a character: a drawing, of one figure.

The bounds are measured (docs/enrolment.md has the table, `python -m bench.enrolment` prints what
they bound for any pictures): figures as drawn by children have evidence from 0.11, anything else at
most 0.02; photographs have few flat areas and many colours.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.background import plain_background
from engine.enrol.cutout import has_alpha
from engine.enrol.finding import Figure
from engine.enrol.looking import look
from engine.enrol.reading import Picture
from engine.errors import APhotograph, NoFigure, SeveralFigures
from engine.pose.anime import AnimePose

LEAST_EVIDENCE: Final = 0.07
_SHOULDERS, _ARMS = (2, 5), (3, 4, 6, 7)
_NO_BODY: Final = (0.25, 0.2)  # heat of the lesser shoulder, mean heat of elbows and wrists
_A_HEAD: Final = 0.4  # and of a head that is surely one: of a child's drawing little is known
_LOOK_PX: Final = 640
_FLAT_LEVELS: Final = 2
_PHOTO_FLAT: Final = 0.3
_PHOTO_COLOURS: Final = 0.62
_COMMONEST: Final = 16
_CLEAR: Final = 0.45  # evidence of a figure that nobody needs to turn
_UPRIGHT: Final = (0.4, 1.5)  # evidence of one that was turned upright, and times what it had
_TURNS: Final = {1: "a quarter to the left", 2: "half round", 3: "a quarter to the right"}


def photographic(rgb: NDArray[np.uint8]) -> bool:
    """Whether an RGB picture (H, W, 3) looks like a photograph.

    Where a drawing is coloured, neighbours are alike: less than `_PHOTO_FLAT` of a photograph's
    3 x 3 neighbourhoods are flat, and its 16 commonest colours (of 4,096) fill less than
    `_PHOTO_COLOURS` of it. A drawing that was photographed on paper has few colours.
    """
    flat, common = flatness(rgb)
    return flat < _PHOTO_FLAT and common < _PHOTO_COLOURS


def flatness(rgb: NDArray[np.uint8]) -> tuple[float, float]:
    """Shares, [0, 1], of an RGB picture (H, W, 3): flat, and of its 16 commonest colours."""
    scale = min(1.0, _LOOK_PX / max(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    around = np.ones((3, 3), np.uint8)
    contrast = cv2.subtract(cv2.dilate(small, around), cv2.erode(small, around)).max(axis=2)
    coarse = small.astype(np.int64) >> 4
    counts = np.bincount((coarse @ np.array([256, 16, 1])).ravel())
    common = float(np.sort(counts)[-_COMMONEST:].sum() / counts.sum())
    return float((contrast <= _FLAT_LEVELS).mean()), common


def judge_picture(picture: Picture) -> None:
    """Refuse photographs; raises APhotograph."""
    if has_alpha(picture.pixels):
        return
    rgb = picture.on_white
    if photographic(rgb) and plain_background(rgb) is None:
        raise APhotograph(
            f"{picture.name} looks like a photograph, a drawing of one character is expected: "
            "if it is a drawing, cut it out (PNG with a transparent background) or use --anyway"
        )


def judge_figure(picture: Picture, figure: Figure) -> None:
    """Refuse a picture without a figure, with head and shoulders alone, or with several figures.

    Raises:
        NoFigure, SeveralFigures: see the messages.
    """
    if figure.evidence < LEAST_EVIDENCE:
        raise NoFigure(
            f"no character is found in {picture.name} (evidence {figure.evidence:.2f}, expected "
            f"from {LEAST_EVIDENCE}): one figure with head, arms and body is expected; crop the "
            "picture to it, or show the joints yourself with --edit"
        )
    heat = figure.fitted.joints[:, 2]
    shoulder, arms = heat[list(_SHOULDERS)].min(), heat[list(_ARMS)].mean()
    if figure.head > _A_HEAD and shoulder < _NO_BODY[0] and arms < _NO_BODY[1]:
        raise NoFigure(
            f"in {picture.name} a head is found, but neither shoulders nor arms, so that she would "
            "come apart: a figure that is drawn down to the thighs or feet is expected; show the "
            "joints yourself with --edit, or use --anyway"
        )
    if figure.others:
        raise SeveralFigures(
            f"{picture.name} shows {figure.others + 1} figures, one is expected: crop the picture "
            "to one character, or use --anyway to take the largest"
        )


def judge_upright(picture: Picture, figure: Figure, estimator: AnimePose) -> None:
    """Refuse a picture that lies on its side or its head, as scans and phones leave them.

    Raises:
        NoFigure: with the turn that brings the figure upright.
    """
    if figure.evidence >= _CLEAR:
        return
    seen = [_evidence(np.rot90(picture.on_white, turn), estimator) for turn in range(4)]
    best = int(np.argmax(seen))
    if best and seen[best] > _UPRIGHT[0] and seen[best] > _UPRIGHT[1] * seen[0]:
        raise NoFigure(
            f"the figure in {picture.name} does not stand upright: turn the picture "
            f"{_TURNS[best]} and try again, or use --anyway to take it as it is"
        )


def _evidence(rgb: NDArray[np.uint8], estimator: AnimePose) -> float:
    """Mean of the highest heat of all joints, at one look at the whole picture."""
    height, width = rgb.shape[:2]
    square = (0.5 * width, 0.5 * height, 1.05 * max(height, width))
    return float(look(estimator, np.ascontiguousarray(rgb), square, False).best()[:, 2].mean())

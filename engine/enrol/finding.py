"""Finding the one figure of a picture, or saying clearly why there is none to use."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.cutout import CutOut, cut_out
from engine.enrol.descent import Fitted
from engine.enrol.figure import Evidence
from engine.enrol.fit import fit
from engine.enrol.looking import Seen, look
from engine.enrol.proportions import below_the_cut, is_cut
from engine.enrol.reading import Picture
from engine.enrol.usual import usual
from engine.errors import NoFigure
from engine.pose.anime import AnimePose
from engine.pose.skeleton import PUPPET_20
from engine.premultiplied import on_white

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

_ROOM: Final = 1.14  # the square that is looked at, against the figure's longer side
_SURE: Final = 0.3
_HEAD: Final = (0, 1, 14, 15)  # nose, neck, eyes
_BODY: Final = tuple(range(2, 14))
_FAMILIAR: Final = 0.27  # children's drawings have 0.04 to 0.5, anime sprites from 0.3
_HALF: Final = 0.58  # of the picture's width
_A_FIGURE: Final = 0.4  # evidence that half a picture holds a whole one


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """The figure of a picture.

    Attributes:
        cut: the picture with nothing but the figure.
        fitted: its joints in pixels of the picture.
        evidence: how much the estimator saw of a figure: the mean heat at all joints.
        head: the same of nose, neck and eyes.
        others: how many more figures there may be.
    """

    cut: CutOut
    fitted: Fitted
    evidence: float
    head: float
    others: int

    @property
    def familiar(self) -> bool:
        """Whether the body, where it is in the picture, is like those that networks know here."""
        joints = self.fitted.joints
        height = self.cut.pixels.shape[0]
        shown = [j for j in _BODY if joints[j, 1] < height]
        return float(joints[shown, 2].mean()) > _FAMILIAR if shown else True


def find_figure(
    picture: Picture, estimator: AnimePose, given: dict[str, tuple[float, float]] | None = None
) -> Figure:
    """The largest figure of a picture; whether to use it, `engine.enrol.judging` says.

    Args:
        picture: as read.
        estimator: of drawn characters.
        given: joints that are known, px of `picture.pixels`.

    Raises:
        NoFigure: the picture shows nothing at all.
    """
    given = given or {}
    pixels = picture.pixels
    first = cut_out(pixels)
    others = 0
    if first is not None:
        if not first.solid.any():
            raise NoFigure(f"{picture.name} is empty: there is nothing but background in it")
        pixels, others = _largest(first.pixels, estimator)
        if not others:
            pixels, others = _one_half(pixels, estimator)
        solid = pixels[..., 3] > 127
        seen = _insert(look(estimator, on_white(pixels), _square(_box(solid)), True), given)
        fitted = fit(Evidence.of(seen, solid), _box(solid))
        cut = cut_out(_without(picture.pixels, first.pixels, pixels), fitted.joints)
        if cut is not None and cut.how != first.how and cut.solid.any():  # the outline was wrong
            fitted = fit(Evidence.of(seen, cut.solid), _box(cut.solid))
        elif cut is None or not cut.solid.any():
            cut = first
    else:
        pixels, others = _one_half(pixels, estimator)
        rgb = on_white(pixels)
        square = _search(rgb, estimator)
        seen = _insert(look(estimator, rgb, square, True), given)
        x, y, side = square
        half = 0.5 * side / _ROOM
        box = (x - half, y - half, x + half, y + half)
        fitted = fit(Evidence.of(seen, None), box)
        cut = cut_out(pixels, fitted.joints)
        if cut is not None and cut.solid.any():
            fitted = fit(Evidence.of(seen, cut.solid), _box(cut.solid))
            cut = cut_out(pixels, fitted.joints)
    if cut is None or not cut.solid.any():
        raise NoFigure(f"in {picture.name} no figure can be told from the background")
    joints = fitted.joints
    if is_cut(cut.solid, joints, fitted.spine):
        joints[:] = below_the_cut(joints, fitted.spine, usual(fitted.ear_half))
    for name, place in given.items():
        joints[PUPPET_20.index(name)] = (*place, 1.0)
    heat = joints[:, 2]
    return Figure(cut, fitted, float(heat.mean()), float(heat[list(_HEAD)].mean()), others)


def _without(original: U8, first: U8, kept: U8) -> U8:
    """The original picture where the figure was kept, and plain where another was dropped."""
    dropped = (first[..., 3] > 0) & (kept[..., 3] == 0)
    if not dropped.any():
        return original
    return kept


def _box(solid: Mask) -> Box:
    rows, columns = np.nonzero(solid.any(axis=1))[0], np.nonzero(solid.any(axis=0))[0]
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _square(box: Box) -> tuple[float, float, float]:
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2, _ROOM * max(right - left, bottom - top)


def _insert(seen: Seen, given: dict[str, tuple[float, float]]) -> Seen:
    """Joints that are known as certain peaks of the heatmaps."""
    if not given:
        return seen
    heat = seen.heat.copy()
    grid = np.arange(heat.shape[-1]) + 0.5
    for name, (x, y) in given.items():
        column, row = (x - seen.left) / seen.cell, (y - seen.top) / seen.cell
        square = (grid[None] - column) ** 2 + (grid[:, None] - row) ** 2
        heat[PUPPET_20.index(name)] = np.exp(-square / (2 * 1.5**2))
    return Seen(heat, seen.left, seen.top, seen.cell)


def _largest(pixels: U8, estimator: AnimePose) -> tuple[U8, int]:
    """The largest figure of those that lie apart, and how many others have a face."""
    alpha = pixels[..., 3]
    _, labels, stats, _ = cv2.connectedComponentsWithStats((alpha > 127).astype(np.uint8))
    area, tall = stats[:, cv2.CC_STAT_AREA].copy(), stats[:, cv2.CC_STAT_HEIGHT]
    area[0] = 0
    order = np.argsort(-area)
    first = int(order[0])
    large = [int(i) for i in order if area[i] > 0.2 * area[first] and tall[i] > 0.4 * tall[first]]
    if len(large) < 2:
        return pixels, 0
    figures = []
    for label in large[:6]:
        alone = np.where((labels == label)[..., None], pixels, 0).astype(np.uint8)
        seen = look(estimator, on_white(alone), _square(_box(alone[..., 3] > 127)), False)
        if seen.best()[list(_HEAD), 2].mean() > 0.45:
            figures.append(label)
    if len(figures) < 2:
        return pixels, 0
    keep = cv2.dilate((labels == figures[0]).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(keep[..., None], pixels, 0).astype(np.uint8), len(figures) - 1


def _one_half(pixels: U8, estimator: AnimePose) -> tuple[U8, int]:
    """The half of a picture with the clearer figure, where both have one of their own."""
    height, width = pixels.shape[:2]
    if width < 0.6 * height:
        return pixels, 0
    halves, found = [], []
    for right in (False, True):
        edge = round(_HALF * width)
        kept = pixels[:, width - edge :] if right else pixels[:, :edge]
        half = np.zeros_like(pixels)
        half[:, slice(width - edge, width) if right else slice(edge)] = kept
        box = (0.0 if not right else float(width - edge), 0.0)
        square = _square((*box, box[0] + edge, float(height)))
        halves.append(half)
        found.append(look(estimator, on_white(half), square, False).best())
    evidence = [float(joints[:, 2].mean()) for joints in found]
    apart = float(found[1][1, 0] - found[0][1, 0])  # of the necks
    spines = [float(np.linalg.norm(0.5 * (j[8, :2] + j[11, :2]) - j[1, :2])) for j in found]
    if min(evidence) < _A_FIGURE or apart < 0.8 * max(spines):
        return pixels, 0
    return halves[int(evidence[1] > evidence[0])], 1


def _search(rgb: U8, estimator: AnimePose) -> tuple[float, float, float]:
    """A square around the figure before a background."""
    height, width = rgb.shape[:2]
    square = (0.5 * width, 0.5 * height, 1.05 * max(height, width))
    seen = look(estimator, rgb, square, True)
    for _ in range(3):
        best = seen.best()
        sure = best[best[:, 2] > _SURE, :2]
        if len(sure) < 4:
            break
        low, high = sure.min(axis=0), sure.max(axis=0)
        side = 1.4 * float((high - low).max())
        # Hair is above the highest joint.
        x, y = 0.5 * (low + high) - (0.0, 0.04 * side)
        if side > 0.9 * square[2]:
            break
        nearer = look(estimator, rgb, (float(x), float(y), side), True)
        if nearer.best()[:, 2].sum() < 0.9 * best[:, 2].sum():
            break
        square, seen = (float(x), float(y), side), nearer
    return square

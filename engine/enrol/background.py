"""Plain backgrounds: paper, a white page, a gradient. What differs from them is the drawing."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.cielab import cielab

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

_FIT_PX: Final = 320
_ALIKE: Final = 7.0  # of CIELAB's units: seen as one colour side by side, barely
_PLAIN_SHARE: Final = 0.8  # of the border that follows the surface
_GAP: Final = 0.006  # of the picture's longer side: what a line may be open by


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """A background that is a smooth surface of colour.

    Attributes:
        colour: (H, W, 3) float32 RGB in [0, 255], everywhere, also behind the figure.
        differs: (H, W) float32, how much the picture differs from it, in tolerances: over 1 is ink.
    """

    colour: F32
    differs: F32


def plain_background(rgb: U8) -> Plain | None:
    """The background of an RGB picture (H, W, 3) if its border is plain, else None.

    A quadratic surface is fitted to the border's colours, robustly, so that uneven light on paper
    is no drawing and a figure that touches the border is no background.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, _FIT_PX / max(height, width))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lab = cielab(np.asarray(small, np.uint8))
    rows, columns = lab.shape[:2]
    band = max(2, round(0.015 * max(rows, columns)))
    border = np.ones((rows, columns), np.bool_)
    # Not below: there a figure that is cut off takes most of it.
    border[band:, band:-band] = False
    terms = _terms(rows, columns)
    a, b = terms[border], lab[border]
    surface, spread = _robust(a, b)
    residual = np.linalg.norm(b - a @ surface, axis=1)
    tolerance = max(_ALIKE, 4 * spread)
    if tolerance > 2.5 * _ALIKE or (residual < tolerance).mean() < _PLAIN_SHARE:
        return None
    full = _terms(height, width) @ surface.astype(np.float32)
    differs = np.linalg.norm(cielab(rgb) - full, axis=2) / tolerance
    clipped = np.clip(full, (0, -127, -127), (100, 127, 127)).astype(np.float32)
    colour = np.clip(cv2.cvtColor(clipped, cv2.COLOR_LAB2RGB), 0, 1) * 255
    return Plain(np.asarray(colour, np.float32), differs.astype(np.float32))


def outside_of(plain: Plain) -> NDArray[np.bool_]:
    """(H, W) of the background: what can be reached from the border without crossing ink."""
    ink = (plain.differs > 1).astype(np.uint8)
    height, width = ink.shape
    radius = max(1, round(_GAP * max(height, width)))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    room = cv2.copyMakeBorder(ink, *(2 * radius + 1,) * 4, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(room, cv2.MORPH_CLOSE, disc)
    _, labels = cv2.connectedComponents(1 - closed, connectivity=4)
    inner = slice(2 * radius + 1, -2 * radius - 1)
    # A sprite's legs cut the lower border into pieces; every piece is outside.
    return np.asarray((labels == labels[0, 0])[inner, inner], np.bool_)


def _terms(rows: int, columns: int) -> F32:
    """(rows, columns, 6): 1, x, y, x^2, x y, y^2 with x and y in [-1, 1]."""
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).astype(np.float32)


def _robust(a: F32, b: F32) -> tuple[NDArray[np.float64], float]:
    """Least squares a @ s = b, reweighted (Cauchy); and the median residual of the inliers."""
    start = np.median(b, axis=0)
    residual = np.linalg.norm(b - start, axis=1)
    surface = np.zeros((a.shape[1], b.shape[1]))
    for _ in range(12):
        scale = max(1.0, float(np.median(residual)))
        weight = 1 / (1 + (residual / (1.5 * scale)) ** 2)
        weighted = (a * weight[:, None]).astype(np.float64)
        # A little ridge: a border that is mostly hidden must not make the surface run away.
        ridge = np.diag([0, *(1e-3 * len(a),) * 5])
        surface = np.linalg.solve(weighted.T @ a + ridge, weighted.T @ b)
        residual = np.linalg.norm(b - a @ surface, axis=1)
    near = residual < max(_ALIKE, 3 * float(np.median(residual)))
    return surface, float(np.median(residual[near])) if near.any() else float("inf")

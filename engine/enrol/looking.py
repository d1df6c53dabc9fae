"""Where a drawing's joints may be: heatmaps of the estimator, averaged over many looks.

One look is one inference on a square of the picture. Test-time augmentation, that is looks that are
mirrored, nearer, farther and tilted, cancels much of what the estimator gets wrong by chance.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.pose.anime import SIZE, AnimePose
from engine.pose.skeleton import PUPPET_20

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

GRID: Final = 96
"""Cells of the averaged heatmaps along each side of the square."""
_FINE: Final = 2 * SIZE
_MIRROR = PUPPET_20.mirror()
# (scale, degrees); each is looked at as it is and mirrored.
_FEW: Final = ((1.0, 0.0),)
_MANY: Final = ((1.0, 0.0), (1.2, 0.0), (0.88, 0.0), (1.05, 9.0), (1.05, -9.0))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Averaged heatmaps of a square of the picture.

    Attributes:
        heat: (20, GRID, GRID) in [0, 1].
        left, top: of the square, px.
        cell: width of a cell, px.
    """

    heat: F32
    left: float
    top: float
    cell: float

    def at(self, joint: int, points: F64) -> F64:
        """Heat (...,) at points (..., 2) px, bilinear; 0 outside of the square."""
        grid = (points - (self.left, self.top)) / self.cell - 0.5
        low = np.floor(grid).astype(np.int64)
        part = grid - low
        total = np.zeros(points.shape[:-1])
        for dx in (0, 1):
            for dy in (0, 1):
                x, y = low[..., 0] + dx, low[..., 1] + dy
                inside = (x >= 0) & (x < GRID) & (y >= 0) & (y < GRID)
                value = self.heat[joint, np.clip(y, 0, GRID - 1), np.clip(x, 0, GRID - 1)]
                weight = np.abs(1 - dx - part[..., 0]) * np.abs(1 - dy - part[..., 1])
                total += np.where(inside, weight * value, 0.0)
        return total

    def peaks(self, joint: int, most: int = 5, least: float = 0.02) -> F64:
        """(n, 3) x, y px and height of the highest peaks, best first."""
        heat = self.heat[joint]
        around = cv2.dilate(heat, np.ones((5, 5), np.uint8))
        rows, columns = np.nonzero((heat >= around) & (heat > least))
        best = np.argsort(-heat[rows, columns])[:most]
        found = []
        for row, column in zip(rows[best], columns[best], strict=True):
            x = column + 0.5 + _vertex(heat[row], int(column))
            y = row + 0.5 + _vertex(heat[:, column], int(row))
            found.append(
                (self.left + x * self.cell, self.top + y * self.cell, float(heat[row, column]))
            )
        return np.array(found, np.float64).reshape(-1, 3)

    def best(self) -> F64:
        """(20, 3) the highest peak of every joint; height 0 at the square's middle if none."""
        middle = self.left + 0.5 * GRID * self.cell, self.top + 0.5 * GRID * self.cell
        joints = np.array([(*middle, 0.0)] * 20)
        for joint in range(20):
            peaks = self.peaks(joint, 1)
            if len(peaks):
                joints[joint] = peaks[0]
        return joints


def _vertex(line: F32, at: int) -> float:
    """Of the parabola through a peak and its neighbours, in cells from the peak."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = (float(v) for v in line[at - 1 : at + 2])
    curve = before + after - 2 * here
    return 0.0 if curve > -1e-9 else float(np.clip(0.5 * (before - after) / curve, -0.5, 0.5))


def look(estimator: AnimePose, rgb: U8, square: tuple[float, float, float], many: bool) -> Seen:
    """Look at a square (centre x, y, side in px) of an RGB picture; beyond the picture is white."""
    x, y, side = square
    to_fine = _FINE / side
    shrunk = rgb
    if to_fine < 0.75:  # warping alone would skip pixels
        shrunk = np.asarray(
            cv2.resize(rgb, None, fx=to_fine, fy=to_fine, interpolation=cv2.INTER_AREA), np.uint8
        )
    factor = np.array([shrunk.shape[1] / rgb.shape[1], shrunk.shape[0] / rgb.shape[0]])
    centre = np.array([x, y]) * factor
    cell = side / GRID
    total = np.zeros((20, GRID, GRID), np.float32)
    views = _MANY if many else _FEW
    for scale, degrees in views:
        # Picture (shrunk) to the network's square.
        zoom = SIZE / (side * factor[0] * scale)
        matrix = np.asarray(cv2.getRotationMatrix2D((0.0, 0.0), degrees, zoom), np.float64)
        matrix[:, 2] = 0.5 * SIZE - matrix[:, :2] @ centre
        # cv2 counts from pixel centres.
        matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
        cut = cv2.warpAffine(
            shrunk, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR, borderValue=(255, 255, 255)
        )
        squares = np.stack([cut, cut[:, ::-1]])
        plain, mirrored = estimator.heatmaps(np.ascontiguousarray(squares, np.uint8))
        heat = 0.5 * (plain + mirrored[_MIRROR, :, ::-1])
        total = total + _back(np.asarray(heat, np.float32), scale, degrees)
    return Seen((total / len(views)).astype(np.float32), x - 0.5 * side, y - 0.5 * side, cell)


def _back(heat: F32, scale: float, degrees: float) -> F32:
    """Heatmaps (20, h, h) of a look on the square's own grid."""
    cells = heat.shape[-1]
    matrix = cv2.getRotationMatrix2D((0.0, 0.0), degrees, cells / (GRID * scale))
    centre = matrix[:, :2] @ (0.5 * GRID - 0.5, 0.5 * GRID - 0.5)
    matrix[:, 2] = 0.5 * cells - 0.5 - centre
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    back = [cv2.warpAffine(one, matrix, (GRID, GRID), flags=flags) for one in heat]
    return np.clip(np.stack(back), 0, 1).astype(np.float32)

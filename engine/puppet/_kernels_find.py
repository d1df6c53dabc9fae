"""Numba kernels that tell which parts can be anywhere near a square of the picture.

Most are not, which a table of counts tells from where their maps take the square's four corners.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Counts = NDArray[np.int32]
Indices = NDArray[np.int8]
Integers = NDArray[np.int64]

FAR = 1e6  # px: maps that reach beyond find nothing (and cannot overflow an integer)


@njit("void(u1[:,:,:,::1], i8, i4[:,:,::1])", cache=True, nogil=True)
def count_used(pixels: Bytes, cell: int, counts: Counts) -> None:
    """Counts (N, C + 1, C + 1) of the cells with anything in them, above and left of each corner.

    `pixels` are (N, S, S, 5), S = C * cell.
    """
    cells = counts.shape[1] - 1
    for part in range(len(pixels)):
        for j in range(cells + 1):
            counts[part, j, 0] = counts[part, 0, j] = 0
        for j in range(cells):
            for i in range(cells):
                used = 0
                for y in range(j * cell, (j + 1) * cell):
                    for x in range(i * cell, (i + 1) * cell):
                        if pixels[part, y, x, 4] > 0:
                            used = 1
                counts[part, j + 1, i + 1] = (
                    used + counts[part, j, i + 1] + counts[part, j + 1, i] - counts[part, j, i]
                )


@njit("boolean(f4[:,:,::1], i8, i8, i4[:,::1], i8)", cache=True, nogil=True)
def _is_used(points: Floats, row: int, column: int, counts: Counts, size: int) -> bool:
    """Whether a part has anything where its map takes a cell's four corners."""
    left = top = FAR
    right = bottom = -FAR
    for j in range(row, row + 2):
        for i in range(column, column + 2):
            x, y = points[j, i, 0], points[j, i, 1]
            if not (abs(x) < FAR and abs(y) < FAR):
                return False
            left, right = min(left, x), max(right, x)
            top, bottom = min(top, y), max(bottom, y)
    # A sample takes in pixels up to one away.
    left, top, right, bottom = left - 1, top - 1, right + 1, bottom + 1
    if right <= 0 or bottom <= 0 or left >= size or top >= size:
        return False
    cells = counts.shape[0] - 1
    share = cells / size
    first, last = int(max(left, 0.0) * share), int(min(right * share + 1, float(cells)))
    upper, lower = int(max(top, 0.0) * share), int(min(bottom * share + 1, float(cells)))
    found = counts[lower, last] - counts[upper, last] - counts[lower, first] + counts[upper, first]
    return bool(found > 0)


@njit("UniTuple(f8, 4)(i4[:,::1], f8)", cache=True, nogil=True)
def _box(counts: Counts, cell: float) -> tuple[float, float, float, float]:
    """Left, right, top and bottom px of what a part has; a box turned inside out if nothing."""
    cells = len(counts) - 1
    left = top = FAR
    right = bottom = -FAR
    for i in range(cells):
        if counts[cells, i + 1] > counts[cells, i]:
            left, right = min(left, i * cell), (i + 1) * cell
        if counts[i + 1, cells] > counts[i, cells]:
            top, bottom = min(top, i * cell), (i + 1) * cell
    return left, right, top, bottom


@njit(
    "void(f4[:,:,:,::1], i4[:,:,::1], i8[::1], i8[::1], i8, i1[:,:,::1], i1[:,::1])",
    cache=True,
    nogil=True,
)
def find(
    points: Floats,
    counts: Counts,
    slots: Integers,
    order: Integers,
    size: int,
    who: Indices,
    found: Indices,
) -> None:
    """Which parts are to be looked for in each of C x C cells, see `compose` for the arguments.

    `who` (C, C, L) becomes their indices, front to back, and `found` (C, C) how many they are.
    """
    found[:] = 0
    cells = len(found)
    extent = np.empty((cells + 1, 4))  # of a row of corners: least and greatest x and y
    for part in order:
        grid, used = points[part], counts[slots[part]]
        left, right, top, bottom = _box(used, size / cells)
        for row in range(cells + 1):
            extent[row, 0] = extent[row, 2] = FAR
            extent[row, 1] = extent[row, 3] = -FAR
            for column in range(cells + 1):
                x, y = grid[row, column, 0], grid[row, column, 1]
                extent[row, 0], extent[row, 1] = min(extent[row, 0], x), max(extent[row, 1], x)
                extent[row, 2], extent[row, 3] = min(extent[row, 2], y), max(extent[row, 3], y)
        for row in range(cells):
            if (
                max(extent[row, 1], extent[row + 1, 1]) + 1 < left
                or min(extent[row, 0], extent[row + 1, 0]) - 1 > right
                or max(extent[row, 3], extent[row + 1, 3]) + 1 < top
                or min(extent[row, 2], extent[row + 1, 2]) - 1 > bottom
            ):
                continue
            for column in range(cells):
                if _is_used(grid, row, column, used, size):
                    who[row, column, found[row, column]] = part
                    found[row, column] += 1

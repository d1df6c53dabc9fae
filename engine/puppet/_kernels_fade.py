"""Numba kernels that let one way to place the parts fade into another, where they differ."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Indices = NDArray[np.int8]
Integers = NDArray[np.int64]
Single = Any  # float32, for which Python and NumPy have no type in common

SAME = -1  # in place of how many parts are found in a cell: it looks as the other way has it


@njit(
    "void(i8[::1], f4[:,:,:,::1], i1[:,:,::1], i1[:,::1], "
    "i8[::1], f4[:,:,:,::1], i1[:,:,::1], i1[:,::1])",
    cache=True,
    nogil=True,
)
def leave_same(
    slots: Integers,
    points: Floats,
    candidates: Indices,
    found: Indices,
    other_slots: Integers,
    other_points: Floats,
    other_candidates: Indices,
    other_found: Indices,
) -> None:
    """`other_found` becomes `SAME` in cells that look alike; see `compose` for the arguments.

    In these the same pixels are found at the same places, in the same order.
    """
    cells = len(found)
    for row in range(cells):
        for column in range(cells):
            count = found[row, column]
            same = count == other_found[row, column]
            for k in range(count if same else 0):
                part = candidates[row, column, k]
                if part != other_candidates[row, column, k] or slots[part] != other_slots[part]:
                    same = False
                    break
                for y in range(row, row + 2):
                    for x in range(column, column + 2):
                        for axis in range(2):
                            if points[part, y, x, axis] != other_points[part, y, x, axis]:
                                same = False
            if same:
                other_found[row, column] = SAME


@njit("void(i1[:,::1], u1[:,:,::1], f4, u1[:,:,::1])", cache=True, nogil=True)
def fade(other_found: Indices, other: Bytes, share: Single, out: Bytes) -> None:
    """Mix `share` of `other` (S, S, C) into `out`, but for cells that are the `SAME`."""
    size, channels = out.shape[0], out.shape[2]
    cells = len(other_found)
    cell = size // cells
    half: Single = np.float32(0.5)
    for row in range(cells):
        for column in range(cells):
            if other_found[row, column] == SAME:
                continue
            for y in range(row * cell, (row + 1) * cell):
                for x in range(column * cell, (column + 1) * cell):
                    for channel in range(channels):
                        new = np.float32(out[y, x, channel])
                        old = np.float32(other[y, x, channel])
                        out[y, x, channel] = np.uint8(new + share * (old - new) + half)

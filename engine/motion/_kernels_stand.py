"""Numba kernel of hips and legs that nobody drives: they turn with the shoulders.

Of who sits before a webcam neither is seen. Hips that always faced the camera had a back above them
as soon as the person turned round, and no picture of such a body can be right.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.motion._kernels_ease import smoothstep

Floats = NDArray[np.float64]

STANDING = (8, 9, 10, 11, 12, 13, 18, 19)  # hips, legs and toes
TWIST, GOES_ALONG = 0.5, 1.3  # rad: shoulders turn so far alone; so far, and hips go all along
LEVEL = (0.3, 0.6)  # of their width: of shoulders that are so steep, no direction is told


@njit("void(float64[:, ::1], float64[:, ::1], float64[:, ::1])", cache=True, nogil=True)
def turn_legs(rest_offsets: Floats, eased: Floats, standing: Floats) -> None:
    """`standing` (21, 3): the offsets at rest, those of hips and legs turned about the vertical.

    They turn as the shoulders of `eased` (21, 3) do, less what a trunk twists.
    """
    standing[:] = rest_offsets
    of_x, of_z = rest_offsets[5, 0] - rest_offsets[2, 0], rest_offsets[5, 2] - rest_offsets[2, 2]
    x, y, z = eased[5, 0] - eased[2, 0], eased[5, 1] - eased[2, 1], eased[5, 2] - eased[2, 2]
    turn = np.arctan2(z * of_x - x * of_z, x * of_x + z * of_z)
    turn *= smoothstep((abs(turn) - TWIST) / (GOES_ALONG - TWIST))
    level = np.sqrt((x * x + z * z) / (x * x + y * y + z * z + 1e-9))
    turn *= smoothstep((level - LEVEL[0]) / (LEVEL[1] - LEVEL[0]))
    cosine, sine = np.cos(turn), np.sin(turn)
    for j in STANDING:
        x, z = rest_offsets[j, 0], rest_offsets[j, 2]
        standing[j, 0] = cosine * x - sine * z
        standing[j, 2] = sine * x + cosine * z

"""Kernel that turns samples' triangles into pixels' parts. Serial, and it releases the GIL."""

import numpy as np
from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "fastmath": False}


@njit("void(i4[:,::1], u1[::1], i8, u1[:,::1])", **_OPTIONS)
def resolve_parts(labels, of_triangle, supersample, out):
    """The part that most samples of each pixel of `out` (S, S) show; of equals the highest.

    `labels` (n S, n S) are triangles t of T, or T + t, or -1 for part 0; `of_triangle` is (T,).
    """
    count = of_triangle.shape[0]
    n = supersample
    found = np.zeros(n * n, np.int64)
    votes = np.zeros(256, np.int64)
    for oy in range(out.shape[0]):
        for ox in range(out.shape[1]):
            k = 0
            mixed = False
            for y in range(oy * n, oy * n + n):
                for x in range(ox * n, ox * n + n):
                    label = labels[y, x]
                    if label >= count:
                        label -= count
                    found[k] = of_triangle[label] if label >= 0 else 0
                    mixed = mixed or found[k] != found[0]
                    k += 1
            best = found[0]
            if mixed:  # rare: most pixels are inside of a part
                for part in found:
                    votes[part] += 1
                    if votes[part] > votes[best] or (votes[part] == votes[best] and part > best):
                        best = part
                for part in found:
                    votes[part] = 0
            out[oy, ox] = best

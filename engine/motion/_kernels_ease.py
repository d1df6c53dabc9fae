"""A Numba kernel that the others of this folder ease with."""

from numba import njit


@njit("float64(float64)", cache=True, nogil=True)
def smoothstep(x: float) -> float:
    """From 0 to 1 with x, smooth at both."""
    x = min(1.0, max(0.0, x))
    return x * x * (3.0 - 2.0 * x)

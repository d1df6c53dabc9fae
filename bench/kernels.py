"""The engine's Numba kernels beside NumPy and plain Python, over the same values.

Plain Python is the very source of the kernel, run uncompiled. NumPy is what one would write
instead: whole arrays, temporaries as they come. All three have to agree, or nothing is said of
their speed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.report import Timing, time_calls
from engine.io._kernels_composite import clamp_to_alpha, over, straighten
from engine.motion._kernels_smooth import weigh_window
from engine.motion.smooth import savgol_weights

Picture = NDArray[np.uint8]
Given = tuple[Any, ...]

_PLAIN_CALLS = 3
_LARGE = 1000  # numbers in the output: that much takes plain Python a while
_WINDOW = 9


@dataclass(frozen=True, slots=True)
class Compared:
    """One kernel, three ways."""

    name: str
    numba: Timing
    numpy: Timing
    plain: Timing

    def times(self, other: str) -> float:
        """How many times as fast as NumPy or plain Python, by the medians."""
        return float(getattr(self, other).p50_ms) / self.numba.p50_ms


def over_numpy(picture: Picture, background: Picture, out: Picture) -> None:
    """As `over`."""
    rest = 255 - picture[..., 3:].astype(np.int64)
    behind = (background.astype(np.int64) * rest + 127) // 255
    out[:] = np.minimum(picture[..., :3] + behind, 255)


def straighten_numpy(picture: Picture, out: Picture) -> None:
    """As `straighten`."""
    alpha = picture[..., 3:].astype(np.int64)
    straight = (picture[..., :3].astype(np.int64) * 255 + alpha // 2) // np.maximum(alpha, 1)
    out[..., :3] = np.where(alpha > 0, np.minimum(straight, 255), 0)
    out[..., 3:] = alpha


def weigh_numpy(
    ring: NDArray[np.float32], start: int, weights: NDArray[np.float64], row: int, out: Any
) -> None:
    """As `weigh_window`."""
    window = np.arange(start, start + weights.shape[1]) % len(ring)
    out[:, :3] = np.einsum("k,kjc->jc", weights[row], ring[window, :, :3].astype(np.float64))
    out[:, 3] = ring[(start + row) % len(ring), :, 3]


def compare(size: int, count: int) -> list[Compared]:
    """Every kernel, over pictures of a size and tracks of twenty joints.

    Raises:
        AssertionError: two ways do not agree.
    """
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (size, size, 4), np.uint8)
    clamp_to_alpha(picture)
    behind = rng.integers(0, 256, (size, size, 3), np.uint8)
    ring = rng.standard_normal((_WINDOW, 20, 4)).astype(np.float32)
    weigh: Given = (ring, 2, savgol_weights(_WINDOW, 3), _WINDOW // 2)
    works: list[tuple[str, Any, Callable[..., None], Given, NDArray[Any]]] = [
        ("over a background", over, over_numpy, (picture, behind), np.empty_like(behind)),
        ("to straight alpha", straighten, straighten_numpy, (picture,), np.empty_like(picture)),
        ("Savitzky-Golay", weigh_window, weigh_numpy, weigh, np.empty((20, 4), np.float32)),
    ]
    found = []
    for name, kernel, numpy, given, out in works:
        in_numba = _time(kernel, given, out, count)
        made = out.copy()
        in_numpy = _time(numpy, given, out, count)
        np.testing.assert_allclose(out, made, rtol=1e-5, atol=1e-5, err_msg=name)
        # Numba counts in 64 bits, whatever the pixels have; NumPy's own scalars would overflow.
        wide = tuple(map(_wide, given))
        slow_out = _wide(out)
        in_python = _time(
            kernel.py_func, wide, slow_out, _PLAIN_CALLS if out.size > _LARGE else count
        )
        np.testing.assert_allclose(slow_out, made, rtol=1e-5, atol=1e-5, err_msg=name)
        found.append(Compared(name, in_numba, in_numpy, in_python))
    return found


def _time(work: Callable[..., None], given: Given, out: NDArray[Any], count: int) -> Timing:
    warm_up = min(count - 1, 20)
    return time_calls(lambda _: work(*given, out), count, warm_up=warm_up)


def _wide(value: Any) -> Any:
    pixels = isinstance(value, np.ndarray) and value.dtype == np.uint8
    return value.astype(np.int64) if pixels else value

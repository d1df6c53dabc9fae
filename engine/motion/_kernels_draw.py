"""Numba kernel of the pose image: antialiased capsules and discs, painted far to near."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit("boolean(float32[:, ::1], int64)", cache=True, nogil=True)
def _is_drawn(joints: NDArray[np.float32], joint: int) -> bool:
    """A joint is drawn when it was seen at all and lies somewhere."""
    x, y, score = joints[joint, 0], joints[joint, 1], joints[joint, 3]
    return bool(score >= 0.05 and np.isfinite(x) and np.isfinite(y))


@njit(
    "void(uint8[:, :, ::1], float64, float64, float64, float64, float64, uint8[::1])",
    cache=True,
    nogil=True,
)
def _paint_capsule(
    out: NDArray[np.uint8],
    ax: float,
    ay: float,
    bx: float,
    by: float,
    radius: float,
    colour: NDArray[np.uint8],
) -> None:
    """Paint all points within `radius` of the segment a-b; a disc is a segment of no length.

    A pixel's coverage is that of a half-plane at its centre's distance from the segment, clamped:
    exact along straight edges, and continuous under motion of the ends.
    """
    height, width = out.shape[0], out.shape[1]
    dx, dy = bx - ax, by - ay
    length_sq = dx * dx + dy * dy
    reach = radius + 0.5
    # Clamp as floats: a huge coordinate would overflow an integer.
    top = int(max(0.0, np.floor(min(ay, by) - reach)))
    bottom = int(min(float(height), np.ceil(max(ay, by) + reach)))
    box_left, box_right = min(ax, bx) - reach, max(ax, bx) + reach
    for y in range(top, bottom):
        py = y + 0.5 - ay
        left, right = box_left, box_right
        if dy != 0.0:
            # The strip |(p - a) x d| <= reach |d| cuts this row in one span.
            middle = ax + py * (dx / dy)
            half = reach * np.sqrt(length_sq) / abs(dy)
            left, right = max(left, middle - half), min(right, middle + half)
        first = int(max(0.0, min(float(width), np.floor(left - 0.5))))
        last = int(max(0.0, min(float(width), np.ceil(right + 0.5))))
        for x in range(first, last):
            px = x + 0.5 - ax
            along = 0.0
            if length_sq > 0.0:
                along = min(1.0, max(0.0, (px * dx + py * dy) / length_sq))
            ex, ey = px - along * dx, py - along * dy
            coverage = reach - np.sqrt(ex * ex + ey * ey)
            if coverage >= 1.0:
                out[y, x, 0] = colour[0]
                out[y, x, 1] = colour[1]
                out[y, x, 2] = colour[2]
            elif coverage > 0.0:
                for c in range(3):
                    below = float(out[y, x, c])
                    out[y, x, c] = np.uint8(below + (colour[c] - below) * coverage + 0.5)


@njit("void(float64[::1], int64[::1], int64)", cache=True, nogil=True)
def _sort_far_to_near(depth: NDArray[np.float64], order: NDArray[np.int64], count: int) -> None:
    """Insertion sort: stable, and quick for a dozen items that keep their order between frames."""
    for i in range(count):
        order[i] = i
        k = i
        while k > 0 and depth[order[k - 1]] < depth[i]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i


@njit(
    "void(float32[:, ::1], int64[:, ::1], uint8[:, ::1], uint8[:, ::1], float64, float64,"
    " uint8[:, :, ::1])",
    cache=True,
    nogil=True,
)
def paint_skeleton(
    joints: NDArray[np.float32],
    bones: NDArray[np.int64],
    bone_colours: NDArray[np.uint8],
    joint_colours: NDArray[np.uint8],
    half_width: float,
    disc_radius: float,
    out: NDArray[np.uint8],
) -> None:
    """Paint bones from far to near, then the joints from far to near over them, onto `out`.

    The sort is stable: equal depths, and depths that are not numbers, keep the skeleton's order.
    """
    order = np.empty(max(len(bones), len(joints)), np.int64)
    depth = np.empty(max(len(bones), len(joints)), np.float64)

    for b in range(len(bones)):
        mean = 0.5 * (joints[bones[b, 0], 2] + joints[bones[b, 1], 2])
        depth[b] = mean if np.isfinite(mean) else 0.0
    _sort_far_to_near(depth, order, len(bones))
    for i in range(len(bones)):
        b = order[i]
        p, q = bones[b, 0], bones[b, 1]
        if _is_drawn(joints, p) and _is_drawn(joints, q):
            _paint_capsule(
                out, joints[p, 0], joints[p, 1], joints[q, 0], joints[q, 1],
                half_width, bone_colours[b],
            )  # fmt: skip

    for j in range(len(joints)):
        depth[j] = joints[j, 2] if np.isfinite(joints[j, 2]) else 0.0
    _sort_far_to_near(depth, order, len(joints))
    for i in range(len(joints)):
        j = order[i]
        if _is_drawn(joints, j):
            x, y = joints[j, 0], joints[j, 1]
            _paint_capsule(out, x, y, x, y, disc_radius, joint_colours[j])

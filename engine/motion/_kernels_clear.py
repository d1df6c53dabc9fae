"""Numba kernels that keep a character's arms off its head where the person's are off theirs.

Eq. 9 keeps the directions of bones. Beside a head that is larger than the person's, and with arms
that are shorter, the same directions lead across the face. Kept as well is where the arms are as
seen from the head: no point of an arm comes nearer to its middle, in sizes of the head, than the
same point of the person's arm does, up to `CLEAR`. (To preserve such relations: Ho, Komura, Tai:
Spatial relationship preserving character motion adaptation, SIGGRAPH 2010; of a body with itself:
Villegas et al.: Contact-aware retargeting of skinned motion, ICCV 2021.)

All of it is in the picture's plane; depths stay. A function of one frame: nothing is remembered.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.motion._kernels_ease import smoothstep

Floats = NDArray[np.float64]

CLEAR = 1.05  # an arm that is so far from the middle of the head, in head sizes, is clear of it
# A person's arm that comes nearer than the second begins to cross the head, and at the first it
# does: then the character's may, too.
CROSSES, TOUCHES = 0.4, 1.0
FAR_SIDE = 0.5  # arms leave the head as seen from so far behind its middle
ROUNDS = 16
DAMPING = 0.5  # against turning far for little
FOLLOWS = 0.4  # of the turn of an upper arm, how much its forearm turns too
# Points of an arm: shares of the upper arm from the shoulder, and of the forearm from the elbow,
# where the last is the tip of the hand.
UPPER = np.array([0.7, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
FORE = np.array([0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.35])
POINTS = len(UPPER)


@njit("void(float64, float64, float64[:, ::1], float64[::1])", cache=True, nogil=True)
def head_metric(ears: float, neck: float, axes: Floats, metric: Floats) -> None:
    """xx, xy and yy of what makes head sizes of pixels from the middle of the ears.

    `ears` is half the ears' distance, `neck` the distance from the neck to their middle. The head
    is a spheroid, a tenth wider than the ears for its hair, and as high as is usual for both; its
    outline is the ellipse wide^2 I + (high^2 - wide^2) d d^T, d being its axis in the picture.
    """
    x, forward = axes[0], axes[1]
    down_x = x[1] * forward[2] - x[2] * forward[1]
    down_y = x[2] * forward[0] - x[0] * forward[2]
    wide, high = 1.1 * ears, 0.5 * ears + 0.4 * neck
    more = high * high - wide * wide
    along = np.sqrt(wide * wide + more * min(1.0, down_x * down_x + down_y * down_y))
    fall = more / ((along + wide) * along * wide)  # the inverse square root, without dividing by d
    metric[0] = 1.0 / wide - fall * down_x * down_x
    metric[1] = -fall * down_x * down_y
    metric[2] = 1.0 / wide - fall * down_y * down_y


@njit("void(float64[::1], float64[::1], float64, float64[::1])", cache=True, nogil=True)
def way_out(u: Floats, v: Floats, clear: float, out: Floats) -> None:
    """What brings v (2,) as far from 0 as u (2,) is, but not farther than `clear`.

    It leads straight away from a point behind the middle, as seen from u, so that v leaves on u's
    side. It is 0 where v is far enough, and continuous: v at that very point stays there.
    """
    out[0] = out[1] = 0.0
    far = np.sqrt(u[0] * u[0] + u[1] * u[1])
    radius = min(far, clear)
    inside = radius * radius - v[0] * v[0] - v[1] * v[1]
    if inside <= 0.0:
        return
    behind = FAR_SIDE * radius / far
    x, y = v[0] + behind * u[0], v[1] + behind * u[1]
    length = np.sqrt(x * x + y * y)
    if length < 1e-9 * radius:
        return
    x, y = x / length, y / length
    along = v[0] * x + v[1] * y
    step = np.sqrt(along * along + inside) - along
    step *= smoothstep(length / (0.3 * radius))
    out[0], out[1] = step * x, step * y


@njit("float64(float64[:, ::1], int64, float64[::1], float64[:, ::1])", cache=True, nogil=True)
def see_arm(body: Floats, shoulder: int, metric: Floats, u: Floats) -> float:
    """Fill `u` (POINTS, 2): the points of a person's arm from the head, in head sizes.

    Returns how much of the relation is to be kept: 0 where the arm crosses the head, or one of
    them is hardly seen, and 1 where it does not and both are.
    """
    s, e, w = shoulder, shoulder + 1, shoulder + 2
    nearest = np.inf
    for i in range(POINTS):
        ex, ey = body[e, 0] - body[s, 0], body[e, 1] - body[s, 1]
        wx, wy = body[w, 0] - body[e, 0], body[w, 1] - body[e, 1]
        x = body[s, 0] + UPPER[i] * ex + FORE[i] * wx - body[21, 0]
        y = body[s, 1] + UPPER[i] * ey + FORE[i] * wy - body[21, 1]
        u[i, 0] = metric[0] * x + metric[1] * y
        u[i, 1] = metric[1] * x + metric[2] * y
        nearest = min(nearest, u[i, 0] * u[i, 0] + u[i, 1] * u[i, 1])
    seen = min(body[21, 3], body[s, 3], body[e, 3], body[w, 3])
    kept = smoothstep((np.sqrt(nearest) - CROSSES) / (TOUCHES - CROSSES))
    return kept * smoothstep((seen - 0.3) / 0.4)


@njit("void(float64[::1], float64, float64, float64[::1])", cache=True, nogil=True)
def _turn(bone: Floats, angle: float, scale: float, offset: Floats) -> None:
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    offset[0] = cosine * bone[0] - sine * bone[1]
    offset[1] = sine * bone[0] + cosine * bone[1]


@njit(
    "void(float64[:, ::1], float64, float64, float64, float64[::1], float64[::1], float64[::1])",
    cache=True,
    nogil=True,
)
def clear_arm(
    u: Floats,
    clear: float,
    shoulder_x: float,
    shoulder_y: float,
    metric: Floats,
    elbow: Floats,
    wrist: Floats,
) -> None:
    """Move the offsets of elbow and wrist, so that each point is as far from the head as in `u`.

    The shoulder is at a place from the middle of the ears, and stays there. An arm has four ways
    to move: it turns about the shoulder, the forearm turns about the elbow, and both tilt out of
    the picture, which makes them shorter there. Tilted alone can an arm be that points straight at
    the head: to turn it this way or that would be a jump.

    Gradient steps on the squares of what lacks, each divided by the sum of its row of Gauss and
    Newton's matrix, so that none goes too far. Points weigh as much as they lack: who leaves the
    head, or enters it, does not make the others jump.
    """
    upper, fore = elbow[:2].copy(), wrist[:2].copy()
    v, out = np.empty(2), np.empty(2)
    way, gain, rise, row = np.zeros(4), np.empty(4), np.empty(4), np.empty(4)
    for _ in range(ROUNDS):
        rise[:] = 0.0
        row[:] = 0.0
        total = 0.0
        for i in range(POINTS):
            ex, ey = UPPER[i] * elbow[0], UPPER[i] * elbow[1]
            wx, wy = FORE[i] * wrist[0], FORE[i] * wrist[1]
            x, y = shoulder_x + ex + wx, shoulder_y + ey + wy
            v[0], v[1] = metric[0] * x + metric[1] * y, metric[1] * x + metric[2] * y
            way_out(u[i], v, clear, out)
            lacks = np.sqrt(out[0] * out[0] + out[1] * out[1])
            if lacks == 0.0:
                continue
            # How far each way brings this point along `out`.
            x = (metric[0] * out[0] + metric[1] * out[1]) / lacks
            y = (metric[1] * out[0] + metric[2] * out[1]) / lacks
            gain[1] = y * wx - x * wy
            gain[0] = y * ex - x * ey + FOLLOWS * gain[1]
            gain[2] = x * ex + y * ey
            gain[3] = x * wx + y * wy
            every = np.sum(np.abs(gain))
            for k in range(4):
                rise[k] += lacks * lacks * gain[k]
                row[k] += lacks * abs(gain[k]) * every
            total += lacks
        if total == 0.0:
            return
        for k in range(4):
            way[k] += rise[k] / (row[k] + DAMPING * total)
        way[2], way[3] = min(0.0, way[2]), min(0.0, way[3])
        _turn(upper, way[0], np.exp(way[2]), elbow)
        _turn(fore, FOLLOWS * way[0] + way[1], np.exp(way[3]), wrist)


@njit(
    "void(float64[:, ::1], float64, float64[::1], float64[:, ::1], float64[:, ::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
)
def clear_head(
    body: Floats,
    px_per_m: float,
    lengths_m: Floats,
    character_px: Floats,
    head_axes: Floats,
    offsets: Floats,
) -> None:
    """Move the rows of elbows and wrists in `offsets`, as `limb_offsets` made them."""
    metric, own, u = np.empty(3), np.empty(3), np.empty((POINTS, 2))
    head_metric(lengths_m[9] * px_per_m, lengths_m[8] * px_per_m, head_axes, metric)
    head_metric(character_px[9, 0], character_px[8, 0], head_axes, own)
    for shoulder in (2, 5):
        kept = see_arm(body, shoulder, metric, u)
        if kept == 0.0:
            continue
        x = offsets[shoulder, 0] - 0.5 * (offsets[16, 0] + offsets[17, 0])
        y = offsets[shoulder, 1] - 0.5 * (offsets[16, 1] + offsets[17, 1])
        # No arm can be farther from the head than the shoulder that it hangs from.
        far = np.hypot(own[0] * x + own[1] * y, own[1] * x + own[2] * y)
        clear = kept * min(CLEAR, far)
        for i in range(POINTS):
            u[i, 0] *= kept
            u[i, 1] *= kept
        clear_arm(u, clear, x, y, own, offsets[shoulder + 1], offsets[shoulder + 2])

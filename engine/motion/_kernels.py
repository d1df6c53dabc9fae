"""Numba kernels of the structure normalisation: a measured person onto a character.

First paper, section 3.3, eq. 9: from the neck outwards each limb is scaled about its parent joint
by the ratio of the character's bone to the person's. All kernels work on *offsets*: row j is joint
j relative to its parent in pixels of the character's picture, except for two rows of the root:
row 1 is the neck relative to its place at rest, for a person whose feet are not seen; row 20 is the
ground: x how far the feet have travelled, y how high they have jumped.

`body` is what `_kernels_person` makes: 22 rows of x, y, z px and score.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.motion._kernels_clear import clear_head
from engine.motion._kernels_ease import smoothstep
from engine.motion._kernels_stand import turn_legs

Floats = NDArray[np.float64]

# Indices into the scalars of the root.
FLOOR_Y, FEET_X, NECK_X, NECK_Y, HIPS_X, HIPS_Y = range(6)  # references, px of the source
LOW_Y, STILL_S, STANCE, ON_FLOOR, BY_HIPS, STARTED = range(6, 12)
SCALARS = 12

APPEAR, VANISH = 0.45, 0.3  # a joint's score must pass the first to be seen, the second to stay so
HOLD_S = 0.3  # a joint that vanishes stays as it was for this long,
REST_S = 0.5  # then eases to rest in this time;
RETURN_S = 0.25  # one that appears eases to where it is in this time
FLOOR_S = 0.4  # from standing on the feet to hanging from the neck, and back
STRETCH = 1.05  # perspective and noise may lengthen a bone's projection by no more

REFERENCE_TAU_S = 12.0  # where the person stands is forgotten over this time
LANDING_TAU_S, STANDING_TAU_S, FLYING_TAU_S = 0.05, 0.3, 3.0  # the floor follows the lowest foot
STANDING_M_PER_S = 0.25  # a foot that is slower than this for
STANDING_S = 0.25  # this long stands on the floor, however high: nobody hovers
# The neck and the ground, then all from the neck outwards.
ORDER = (1, 20, 0, 14, 15, 16, 17, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 11, 12, 13, 19)
ANKLE_M = 0.06  # the ankle is this much further from the floor than the toes
FLAT_M = 0.05  # jumps of this height and less are mostly noise


@njit("float64(float64, float64, float64)", cache=True, nogil=True)
def soft_limit(x: float, low: float, high: float) -> float:
    """x near 0, never beyond low (< 0) or high (> 0), smooth between."""
    bound = high if x >= 0.0 else -low
    return float(np.copysign(bound * np.tanh(abs(x) / bound), x)) if bound > 0.0 else 0.0


@njit("void(float64[:, ::1], int64, int64, float64, float64, float64[::1])", cache=True, nogil=True)
def scale_bone(body: Floats, p: int, q: int, ratio: float, length: float, offset: Floats) -> None:
    """Add q - p, scaled by `ratio`, to `offset`, no longer than `STRETCH` times `length`.

    Where it is too long, depth gives way before the picture does.
    """
    x, y = ratio * (body[q, 0] - body[p, 0]), ratio * (body[q, 1] - body[p, 1])
    z = ratio * (body[q, 2] - body[p, 2])
    longest = STRETCH * length
    flat = np.sqrt(x * x + y * y)
    if flat > longest:
        x, y, flat = x * longest / flat, y * longest / flat, longest
    deepest = np.sqrt(max(0.0, longest * longest - flat * flat))
    offset[0] += x
    offset[1] += y
    offset[2] += min(deepest, max(-deepest, z))


@njit(
    "void(float64[:, ::1], float64, float64[::1], float64[:, ::1], int64[:, :, ::1],"
    " float64[:, ::1], float64[:, ::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def limb_offsets(
    body: Floats,
    px_per_m: float,
    lengths_m: Floats,
    character_px: Floats,
    ends: NDArray[np.int64],
    head: Floats,
    head_axes: Floats,
    offsets: Floats,
) -> None:
    """Eq. 9: offsets of all joints but the neck.

    The torso and half the hips' width are scaled apart: the hips are as wide as the character's
    own, whatever its torso. The head is the character's own, `head` (5, 3) relative to the neck,
    turned by `head_axes` about the middle of its ears, which the neck segment carries.
    """
    offsets[:20] = 0.0
    for s in range(9):
        for side in range(2):
            length = character_px[s, side]
            ratio = length / (lengths_m[s] * px_per_m)
            p, q = ends[s, side, 0], ends[s, side, 1]
            if s == 1:  # both hips hang from the one torso
                scale_bone(body, p, q, ratio, length, offsets[8 + 3 * side])
            elif s == 8:
                if side == 0:
                    scale_bone(body, p, q, ratio, length, offsets[0])
            else:
                scale_bone(body, p, q, ratio, length, offsets[q])
    x, forward = head_axes[0], head_axes[1]
    down_x = x[1] * forward[2] - x[2] * forward[1]
    down_y = x[2] * forward[0] - x[0] * forward[2]
    down_z = x[0] * forward[1] - x[1] * forward[0]
    ears_x, ears_y, ears_z = offsets[0, 0], offsets[0, 1], offsets[0, 2]
    for k in range(5):
        j = 0 if k == 0 else 13 + k
        u = head[k, 0] - 0.5 * (head[3, 0] + head[4, 0])
        v = head[k, 1] - 0.5 * (head[3, 1] + head[4, 1])
        w = head[k, 2] - 0.5 * (head[3, 2] + head[4, 2])
        offsets[j, 0] = ears_x + u * x[0] + v * down_x - w * forward[0]
        offsets[j, 1] = ears_y + u * x[1] + v * down_y - w * forward[1]
        offsets[j, 2] = ears_z + u * x[2] + v * down_z - w * forward[2]


@njit("void(float64[:, ::1], int64[::1], boolean[::1])", cache=True, nogil=True)
def update_seen(body: Floats, parents: NDArray[np.int64], seen: NDArray[np.bool_]) -> None:
    """Which of the 21 offsets are measured: with hysteresis, and only if the parent is seen too."""
    feet = False
    for i in range(20):
        j = 1 if i == 0 else (0 if i == 1 else i)  # the neck first, since all hang from it
        limit = VANISH if seen[j] else APPEAR
        if j == 1:
            seen[j] = body[1, 3] >= limit
        elif j == 0 or 14 <= j <= 17:
            seen[j] = seen[1] and body[21, 3] >= limit
        elif j == 8 or j == 11:
            seen[j] = seen[1] and body[20, 3] >= limit
        else:
            seen[j] = seen[parents[j]] and body[j, 3] >= limit
        if (j == 10 or j == 13) and seen[j]:
            feet = True
    seen[20] = feet


@njit(
    "void(float64[:, ::1], float64, float64, boolean[::1], float64, float64, float64, float64,"
    " float64, float64[::1], float64[::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def root_offsets(
    body: Floats,
    px_per_m: float,
    dt: float,
    seen: NDArray[np.bool_],
    torso_scale: float,
    leg_scale: float,
    size: float,
    leg_px: float,
    settle: float,
    hips_at_rest: Floats,
    root: Floats,
    offsets: Floats,
) -> None:
    """Rows 1 and 20: where the person is, relative to where they have been of late.

    `torso_scale`, `leg_scale`: character pixels per metre of the person. `settle` > 0 makes the
    references forget within about that many seconds (while calibrating).

    Row 1 follows the hips where they are seen, so that who bows does so from the hips, and the
    neck otherwise. `root[BY_HIPS]` says which; the caller eases from one to the other.
    """
    tau = settle if settle > 0.0 else REFERENCE_TAU_S
    forget = 1.0 - np.exp(-dt / tau)
    if seen[1]:
        hips = seen[8]
        for anchor, at in ((1, NECK_X), (20, HIPS_X)):
            if anchor == 20 and not hips:
                continue
            if not np.isfinite(root[at]):
                root[at], root[at + 1] = body[anchor, 0], body[anchor, 1]
            root[at] += forget * (body[anchor, 0] - root[at])
            root[at + 1] += forget * (body[anchor, 1] - root[at + 1])
        anchor, at = (20, HIPS_X) if hips else (1, NECK_X)
        to_px = torso_scale / px_per_m
        offsets[1, 0] = soft_limit((body[anchor, 0] - root[at]) * to_px, -0.12 * size, 0.12 * size)
        # The feet stay on the floor: the legs cannot stretch, but they can bend.
        offsets[1, 1] = soft_limit(
            (body[anchor, 1] - root[at + 1]) * to_px, -0.03 * leg_px, 0.35 * leg_px
        )
        offsets[1, 2] = 0.0
        if hips:
            for c in range(2):
                offsets[1, c] -= 0.5 * (offsets[8, c] + offsets[11, c]) - hips_at_rest[c]
        root[BY_HIPS] = 1.0 if hips else 0.0
    if not seen[20]:
        root[STILL_S] = 0.0
        return

    low = -np.inf
    lows = np.full(2, -np.inf)
    for side in range(2):
        ankle, toe = 10 + 3 * side, 18 + side
        if seen[ankle]:
            lows[side] = body[ankle, 1] + ANKLE_M * px_per_m
            if seen[toe]:
                lows[side] = max(lows[side], body[toe, 1])
            low = max(low, lows[side])
    # Which foot carries the body: its travel is the body's.
    right = np.exp((lows[0] - low) / (0.06 * px_per_m))
    left = np.exp((lows[1] - low) / (0.06 * px_per_m))
    root[STANCE] = right / (right + left)
    feet_x = root[STANCE] * body[10, 0] + (1.0 - root[STANCE]) * body[13, 0]
    if not np.isfinite(root[FLOOR_Y]):
        root[FLOOR_Y], root[LOW_Y], root[FEET_X] = low, low, feet_x
    root[FEET_X] += forget * (feet_x - root[FEET_X])

    if dt > 0.0:
        slow = abs(low - root[LOW_Y]) < STANDING_M_PER_S * px_per_m * dt
        root[STILL_S] = root[STILL_S] + dt if slow else max(0.0, root[STILL_S] - 2.0 * dt)
        root[STILL_S] = min(root[STILL_S], 2.0 * STANDING_S)
    root[LOW_Y] = low
    if low >= root[FLOOR_Y]:
        tau = LANDING_TAU_S
    else:
        tau = STANDING_TAU_S if root[STILL_S] > STANDING_S else FLYING_TAU_S
    root[FLOOR_Y] += (1.0 - np.exp(-dt / tau)) * (low - root[FLOOR_Y])

    # In a jump the hips rise with the feet. From a raised camera a foot further back looks higher.
    rise = min(root[FLOOR_Y] - low, root[HIPS_Y] - body[20, 1])
    metres = max(0.0, rise / px_per_m)
    jump = metres * metres / (2.0 * FLAT_M) if metres < FLAT_M else metres - 0.5 * FLAT_M
    travel = (feet_x - root[FEET_X]) / px_per_m * leg_scale
    offsets[20, 0] = soft_limit(travel, -0.15 * size, 0.15 * size)
    offsets[20, 1] = soft_limit(jump * leg_scale, -0.12 * size, 0.12 * size)
    offsets[20, 2] = 0.0


@njit(
    "void(int64, float64[::1], float64[::1], boolean, float64, boolean, float64[::1],"
    " float64[:, ::1], float64[::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def ease_offset(
    j: int,
    measured: Floats,
    rest: Floats,
    seen: bool,
    dt: float,
    first: bool,
    unseen_s: Floats,
    held: Floats,
    seen_s: Floats,
    eased: Floats,
) -> None:
    """Row j of `eased`: what is measured, or held and then eased to rest, without a jump.

    A row that appears fades from where it was, `held`, to what is measured. It is always a mean of
    two offsets, so no bone grows.
    """
    if seen:
        if unseen_s[j] > 0.0:
            seen_s[j] = RETURN_S if first else 0.0
            for c in range(3):
                held[j, c] = eased[j, c]
            unseen_s[j] = 0.0
        else:
            seen_s[j] = min(RETURN_S, seen_s[j] + dt)
        arrived = smoothstep(seen_s[j] / RETURN_S)
        for c in range(3):
            eased[j, c] = held[j, c] + arrived * (measured[c] - held[j, c])
    else:
        if unseen_s[j] == 0.0:
            for c in range(3):
                held[j, c] = eased[j, c]
        unseen_s[j] = min(1e6, unseen_s[j] + max(dt, 1e-9))
        resting = smoothstep((unseen_s[j] - HOLD_S) / REST_S)
        for c in range(3):
            eased[j, c] = held[j, c] + resting * (rest[c] - held[j, c])


@njit("float64(float64, float64, float64)", cache=True, nogil=True)
def _into(x: float, low: float, high: float) -> float:
    """The nearest number to x in [low, high]; the middle where low is above high."""
    return 0.5 * (low + high) if low > high else min(high, max(low, x))


@njit(
    "void(float64[:, ::1], float64[:, ::1], int64[::1], float64, float64, float64[::1],"
    " float32[:, ::1])",
    cache=True,
    nogil=True,
)
def place(
    eased: Floats,
    rest: Floats,
    parents: NDArray[np.int64],
    floor_y: float,
    size: float,
    root: Floats,
    joints: NDArray[np.float32],
) -> None:
    """Add up the offsets into joints in the character's picture; all their scores are 1.

    `rest` is (20, 3). The root is mixed from two: the neck where row 1 puts it, and the neck from
    which the lowest foot comes to stand on the floor, row 20 above it. Then the figure is moved as
    little as brings it into the picture.
    """
    at = np.zeros((20, 3))
    for i in range(1, 20):
        j = i if i > 1 else 0
        p = parents[j]
        for c in range(3):
            at[j, c] = at[p, c] + eased[j, c]

    ankle_gap = floor_y - max(rest[10, 1], rest[13, 1])
    toe_gap = floor_y - max(rest[18, 1], rest[19, 1])
    lowest = max(
        max(at[10, 1], at[13, 1]) + ankle_gap,
        max(at[18, 1], at[19, 1]) + toe_gap,
    )
    stance = root[STANCE]
    feet = stance * at[10, 0] + (1.0 - stance) * at[13, 0]
    standing_x = 0.5 * (rest[10, 0] + rest[13, 0]) + eased[20, 0] - feet
    standing_y = floor_y - eased[20, 1] - lowest
    mix = smoothstep(root[ON_FLOOR])
    x = rest[1, 0] + eased[1, 0]
    y = rest[1, 1] + eased[1, 1]
    x += mix * (standing_x - x)
    y += mix * (standing_y - y)

    margin = 0.015 * size
    least_x = most_x = least_y = most_y = 0.0
    for j in range(20):
        least_x, most_x = min(least_x, at[j, 0]), max(most_x, at[j, 0])
        least_y, most_y = min(least_y, at[j, 1]), max(most_y, at[j, 1])
    x = _into(x, margin - least_x, size - margin - most_x)
    y = _into(y, margin - least_y, max(size - margin, floor_y) - most_y)
    for j in range(20):
        joints[j, 0] = x + at[j, 0]
        joints[j, 1] = y + at[j, 1]
        joints[j, 2] = at[j, 2]
        joints[j, 3] = 1.0


@njit(
    "void(float64[:, ::1], boolean, boolean, float64, float64, float64[::1], float64[:, ::1],"
    " int64[:, :, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1],"
    " int64[::1], float64, float64, float64, boolean[::1], float64[::1], float64[:, ::1],"
    " float64[::1], float64[:, ::1], float64[::1], float64[:, ::1], float32[:, ::1])",
    cache=True,
    nogil=True,
)
def retarget(
    body: Floats,
    somebody: bool,
    clear: bool,
    px_per_m: float,
    dt: float,
    lengths_m: Floats,
    character_px: Floats,
    ends: NDArray[np.int64],
    head: Floats,
    head_axes: Floats,
    rest: Floats,
    rest_offsets: Floats,
    parents: NDArray[np.int64],
    floor_y: float,
    size: float,
    settle: float,
    seen: NDArray[np.bool_],
    root: Floats,
    measured: Floats,
    unseen_s: Floats,
    held: Floats,
    seen_s: Floats,
    eased: Floats,
    joints: NDArray[np.float32],
) -> None:
    """One frame: a person, or nobody, to the character's joints. All but the inputs is state."""
    first = root[STARTED] == 0.0
    if somebody:
        if unseen_s[1] > 2.0:  # somebody new, perhaps: a new place to stand
            root[FLOOR_Y] = root[NECK_X] = root[HIPS_X] = np.nan
        update_seen(body, parents, seen)
        leg_px = 0.5 * (
            character_px[5, 0] + character_px[6, 0] + character_px[5, 1] + character_px[6, 1]
        )
        limb_offsets(body, px_per_m, lengths_m, character_px, ends, head, head_axes, measured)
        if clear:
            clear_head(body, px_per_m, lengths_m, character_px, head_axes, measured)
        hips_at_rest = 0.5 * (rest_offsets[8] + rest_offsets[11])
        by_hips = root[BY_HIPS]
        root_offsets(
            body, px_per_m, dt, seen,
            0.5 * (character_px[1, 0] + character_px[1, 1]) / lengths_m[1],
            leg_px / (lengths_m[5] + lengths_m[6]),
            size, leg_px, settle, hips_at_rest, root, measured,
        )  # fmt: skip
        if root[BY_HIPS] != by_hips:
            unseen_s[1] = max(unseen_s[1], 1e-9)  # as if it had just appeared
    else:
        seen[:] = False
    if seen[1]:
        goal = 1.0 if seen[20] else 0.0
        step = 1.0 if first else dt / FLOOR_S
        root[ON_FLOOR] += min(step, max(-step, goal - root[ON_FLOOR]))

    target = np.empty(3)
    standing = rest_offsets.copy()
    for j in ORDER:
        if j == 8:  # the shoulders are where they belong
            turn_legs(rest_offsets, eased, standing)
        target[:] = standing[j]
        if j == 9 or j == 10 or j == 12 or j == 13:
            # Legs that nobody drives stay planted and bend, wherever the hips go.
            hip = 8 if j < 11 else 11
            for c in range(2):
                target[c] -= 0.5 * (eased[1, c] + eased[hip, c] - standing[hip, c])
        ease_offset(j, measured[j], target, seen[j], dt, first, unseen_s, held, seen_s, eased)
    place(eased, rest, parents, floor_y, size, root, joints)
    root[STARTED] = 1.0

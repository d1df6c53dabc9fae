"""Numba kernels that measure a person: scale, bone lengths, what changes slowly of a posture.

Rows 0 to 19 of `body` are the joints of `PUPPET_20`; two more help: row 20 is the middle of the
hips, row 21 the middle of the ears. Columns are x px, y px, z px (away from the camera) and score.

The ten segments, in metres, both sides of the body alike: half the shoulders' width, torso (neck
to the middle of the hips), half the hips' width, upper arm, forearm, thigh, shin, foot (ankle to
toe), neck (neck to the middle of the ears), half the ears' distance.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.motion._kernels_axes import cross, face_axes, orthonormalise, torso_axes
from engine.motion._kernels_ease import smoothstep

Floats = NDArray[np.float64]

# Indices into the scalars of the person.
PX_PER_M, PITCH, LEAN, CALIBRATION_LEFT_S, SIZED, SWAPPED_S, TURNED = range(7)
SCALARS = 7
SEGMENTS = 10
COLLECTED = SEGMENTS + 2  # what a calibration collects: the segments, the pitch and the lean

SEEN = 0.6  # a joint with at least this score is good enough to measure with
MEMORY_S = 20.0  # bone lengths forget over this time
# The fitted scale wavers by some per cent with the pose, and a person's distance does not: small
# deviations are followed slowly, large ones (as shares) fast.
SCALE_TAU_S, SCALE_SLOW_TAU_S = 0.3, 5.0
SCALE_WAVERS, SCALE_MOVES = 0.04, 0.12
# Weight of a length above the estimate; that of one below it is 2 minus this. A bent leg's depth is
# mostly missed, so that legs look too short; a forearm's is exaggerated. From the performer's clip,
# whose lengths are known.
RISE = (1.7, 1.7, 1.4, 1.2, 0.8, 1.9, 1.9, 1.9, 1.7, 1.0)
POSTURE_TAU_S = 30.0
POSTURE_RANGE = 0.3  # rad about the prior: a person who looks down for long is not re-levelled
SWAP_S = 0.5  # an estimator that takes left for right is believed after this time
HEAD_TAU_S = 0.02  # flips are damped; what follows smooths, and every lag turns a head wrongly


@njit(
    "void(float32[:, ::1], float32[::1], float32[:, ::1], int64[:, ::1], float64, float64,"
    " boolean, float64[:, ::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def convert_pose(
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    world: NDArray[np.float32],
    pairs: NDArray[np.int64],
    width: float,
    height: float,
    flip: bool,
    body: Floats,
    metres: Floats,
) -> None:
    """Joint j is the mean of the landmarks pairs[j], and as well seen as the lesser of the two.

    What is not finite, or further outside of the picture than a fifth of its size, is not seen;
    no coordinate is further outside than that size, no score outside of [0, 1]. `metres` is NaN
    where the world landmarks are, or are over 10 m away. `flip` reflects the picture left to
    right; the caller gives the pairs of the other side with it. z is left 0: the scale is not
    known yet.
    """
    for j in range(22):
        a, b = pairs[j, 0], pairs[j, 1]
        x = 0.5 * (float(keypoints[a, 0]) + float(keypoints[b, 0]))
        y = 0.5 * (float(keypoints[a, 1]) + float(keypoints[b, 1]))
        score = 0.0
        if (
            -0.2 * width <= x <= 1.2 * width
            and -0.2 * height <= y <= 1.2 * height
            and np.isfinite(scores[a])
            and np.isfinite(scores[b])
        ):
            score = max(0.0, min(1.0, float(scores[a]), float(scores[b])))
        if np.isnan(x) or np.isnan(y):
            x, y = 0.5 * width, 0.5 * height
        x, y = min(2.0 * width, max(-width, x)), min(2.0 * height, max(-height, y))
        for c in range(3):
            m = 0.5 * (float(world[a, c]) + float(world[b, c]))
            metres[j, c] = m if abs(m) < 10.0 else np.nan
        if flip:
            x = width - x
            metres[j, 0] = -metres[j, 0]
        body[j, 0], body[j, 1], body[j, 2], body[j, 3] = x, y, 0.0, score
    # One ear is often hidden by the head, and then all the same well placed.
    eyes = (body[0, 3] + body[14, 3] + body[15, 3]) / 3.0
    body[21, 3] = max(0.5 * (body[16, 3] + body[17, 3]), eyes)


@njit("float64(float64[:, ::1], float64[:, ::1])", cache=True, nogil=True)
def fit_scale(body: Floats, metres: Floats) -> float:
    """Pixels per metre that bring the world landmarks' x, y nearest to the keypoints.

    Least squares over the torso and the limbs (joints 2 to 13), about their weighted means,
    reweighted three times by Cauchy's rule at 6 cm. NaN where too little is seen.
    """
    weight = np.zeros(14)
    trust = np.ones(14)
    scale = np.nan
    for _ in range(3):
        total = kx = ky = mx = my = 0.0
        for j in range(2, 14):
            w = 0.0
            if np.isfinite(metres[j, 0]) and np.isfinite(metres[j, 1]):
                w = trust[j] * smoothstep((body[j, 3] - 0.3) / 0.5)
                kx, ky = kx + w * body[j, 0], ky + w * body[j, 1]
                mx, my = mx + w * metres[j, 0], my + w * metres[j, 1]
            weight[j] = w
            total += w
        if total < 1.5:
            return np.nan
        kx, ky, mx, my = kx / total, ky / total, mx / total, my / total
        across = along = 0.0
        for j in range(2, 14):
            if weight[j] > 0.0:
                ux, uy = metres[j, 0] - mx, metres[j, 1] - my
                across += weight[j] * ((body[j, 0] - kx) * ux + (body[j, 1] - ky) * uy)
                along += weight[j] * (ux * ux + uy * uy)
        if along < 1e-4 or across <= 0.0:
            return np.nan
        scale = across / along
        for j in range(2, 14):
            if weight[j] > 0.0:
                ex = (body[j, 0] - kx) / scale - (metres[j, 0] - mx)
                ey = (body[j, 1] - ky) / scale - (metres[j, 1] - my)
                trust[j] = 1.0 / (1.0 + (ex * ex + ey * ey) / 0.06**2)
    return float(scale)


@njit("void(float64[:, ::1], float64, int64[:, :, ::1], float64[:, ::1])", cache=True, nogil=True)
def measure_segments(
    body: Floats, px_per_m: float, ends: NDArray[np.int64], lengths: Floats
) -> None:
    """Length in metres of the ten segments, per side; NaN where an end is not well seen.

    x, y come from the picture and z from the world: a foreshortened arm is not a short one.
    """
    for s in range(SEGMENTS):
        for side in range(2):
            p, q = ends[s, side, 0], ends[s, side, 1]
            lengths[s, side] = np.nan
            if body[p, 3] >= SEEN and body[q, 3] >= SEEN:
                dx, dy = body[p, 0] - body[q, 0], body[p, 1] - body[q, 1]
                dz = body[p, 2] - body[q, 2]
                lengths[s, side] = np.sqrt(dx * dx + dy * dy + dz * dz) / px_per_m


@njit(
    "void(float64[:, ::1], float64, float64[::1], float64[::1])",
    cache=True,
    nogil=True,
)
def update_lengths(measured: Floats, dt: float, lengths: Floats, evidence_s: Floats) -> None:
    """Running estimate of the segments' lengths, both sides together.

    An expectile, `RISE`, since depth is missed more often than invented, or less; each step is
    limited to half the estimate, so that one wild frame does little. The gain falls as
    1 / evidence and ends in a memory of `MEMORY_S`.
    """
    for s in range(SEGMENTS):
        total, count = 0.0, 0
        for side in range(2):
            if np.isfinite(measured[s, side]):
                total += measured[s, side]
                count += 1
        if count == 0:
            continue
        step = total / count - lengths[s]
        step = min(0.5 * lengths[s], max(-0.5 * lengths[s], step))
        evidence_s[s] = min(MEMORY_S, evidence_s[s] + dt)
        gain = min(0.5, dt / evidence_s[s]) if evidence_s[s] > 0.0 else 0.0
        lengths[s] += gain * (RISE[s] if step > 0.0 else 2.0 - RISE[s]) * step


@njit("boolean(float64[:, ::1], float64[:, ::1], float64)", cache=True, nogil=True)
def sides_swapped(body: Floats, before: Floats, px_per_m: float) -> bool:
    """Whether the estimator has taken left for right since the frame before.

    Nobody turns round between two frames: where the limbs moved over 8 cm on average, but less
    than half as far with their sides exchanged, the labels have jumped and not the person.
    """
    straight = crossed = 0.0
    count = 0
    for i in range(6):
        r = (2, 3, 4, 8, 9, 10)[i]
        k = r + 3
        if min(body[r, 3], body[k, 3], before[r, 3], before[k, 3]) >= 0.3:
            a = b = c = d = 0.0
            for axis in range(3):
                a += (body[r, axis] - before[r, axis]) ** 2
                b += (body[k, axis] - before[k, axis]) ** 2
                c += (body[r, axis] - before[k, axis]) ** 2
                d += (body[k, axis] - before[r, axis]) ** 2
            straight += np.sqrt(a) + np.sqrt(b)
            crossed += np.sqrt(c) + np.sqrt(d)
            count += 2
    return bool(straight > 0.08 * px_per_m * count and crossed < 0.5 * straight)


@njit("void(float64[:, ::1])", cache=True, nogil=True)
def _swap_sides(body: Floats) -> None:
    for i in range(9):
        r = (2, 3, 4, 8, 9, 10, 14, 16, 18)[i]
        k = r + (3 if r < 14 else 1)
        for c in range(4):
            body[r, c], body[k, c] = body[k, c], body[r, c]


@njit("float64(float64[:, ::1], float64[:, ::1], float64)", cache=True, nogil=True)
def straighten_neck(body: Floats, torso: Floats, lean: float) -> float:
    """Turn the middle of the ears (row 21) back about the neck by `lean`, in the torso's plane.

    People carry their heads before their shoulders, characters above them. Returns the lean that
    was seen (rad, positive is forward), NaN where the torso is not well seen.
    """
    x, forward = torso[0], torso[1]
    down = cross(x, forward)
    neck = body[21, :3] - body[1, :3]
    ahead, up = np.sum(neck * forward), -np.sum(neck * down)
    back = np.cos(lean) * ahead - np.sin(lean) * up
    high = np.sin(lean) * ahead + np.cos(lean) * up
    for c in range(3):
        body[21, c] += (back - ahead) * forward[c] - (high - up) * down[c]
    seen = min(body[1, 3], body[20, 3], body[21, 3]) >= SEEN
    return np.arctan2(ahead, up) if seen else np.nan


@njit("float64(float64, float64, float64, float64)", cache=True, nogil=True)
def _towards(old: float, seen: float, prior: float, dt: float) -> float:
    """A habit of posture after `dt`: slowly towards what is seen, never far from the prior."""
    if np.isnan(seen):
        return old
    bounded = min(prior + POSTURE_RANGE, max(prior - POSTURE_RANGE, seen))
    return old + min(1.0, dt / POSTURE_TAU_S) * (bounded - old)


@njit(
    "void(float32[:, ::1], float32[::1], float32[:, ::1], int64[:, ::1], float64, float64, boolean,"
    " float64, int64[:, :, ::1], float64[::1], float64, float64, float64[:, ::1], float64[::1],"
    " float64[::1], float64[::1], float64[:, ::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def observe(
    keypoints: NDArray[np.float32],
    scores: NDArray[np.float32],
    world: NDArray[np.float32],
    pairs: NDArray[np.int64],
    width: float,
    height: float,
    flip: bool,
    dt: float,
    ends: NDArray[np.int64],
    prior_m: Floats,
    prior_pitch: float,
    prior_lean: float,
    body: Floats,
    scalars: Floats,
    lengths: Floats,
    evidence_s: Floats,
    collected: Floats,
    axes: Floats,
) -> None:
    """One frame of a person: fill `body`, and update scale, lengths, neutral pitch and head.

    `scalars[PX_PER_M]` is NaN before the first person, and `scalars[SIZED]` 0 before one was seen
    well enough to measure. `collected` (12, 2) holds weighted sums and
    weights (s) of an asked-for calibration. `scalars[TURNED]` is 1 in a frame in which labels of
    left and right, that had jumped, are believed after all.
    """
    metres = np.empty((22, 3))
    before = body.copy()
    convert_pose(keypoints, scores, world, pairs, width, height, flip, body, metres)
    first = not np.isfinite(scalars[PX_PER_M])
    scale = fit_scale(body, metres)
    if np.isfinite(scale):
        old = scalars[PX_PER_M]
        if scalars[SIZED] == 0.0 or not 0.6 < scale / old < 1.6:
            scalars[PX_PER_M] = scale
        else:
            moved = (abs(scale / old - 1.0) - SCALE_WAVERS) / (SCALE_MOVES - SCALE_WAVERS)
            rate = 1.0 / SCALE_SLOW_TAU_S
            rate += smoothstep(moved) * (1.0 / SCALE_TAU_S - rate)
            scalars[PX_PER_M] = old + (1.0 - np.exp(-dt * rate)) * (scale - old)
    elif first:
        scalars[PX_PER_M] = 0.4 * height  # a person who fills 0.7 of the picture
    px_per_m = scalars[PX_PER_M]
    for j in range(22):
        body[j, 2] = metres[j, 2] * px_per_m if np.isfinite(metres[j, 2]) else 0.0
    scalars[TURNED] = 0.0
    if sides_swapped(body, before, px_per_m):
        scalars[SWAPPED_S] += dt
        if scalars[SWAPPED_S] < SWAP_S:
            _swap_sides(body)
        else:
            scalars[SWAPPED_S] = 0.0
            scalars[TURNED] = 1.0
    else:
        scalars[SWAPPED_S] = 0.0

    measured = np.empty((SEGMENTS, 2))
    if np.isfinite(scale):
        measure_segments(body, px_per_m, ends, measured)
    else:
        measured[:] = np.nan
    if scalars[SIZED] == 0.0 and np.isfinite(scale):
        # The prior's proportions at the size of this person, told by all but the head: a drawn
        # performer's may be far larger.
        ratios = np.empty(2 * SEGMENTS)
        count = 0
        for s in range(SEGMENTS - 1):
            for side in range(2):
                if np.isfinite(measured[s, side]):
                    ratios[count] = measured[s, side] / prior_m[s]
                    count += 1
        if count >= 3:
            scalars[SIZED] = 1.0
            size = min(1.6, max(0.5, np.median(ratios[:count])))
            for s in range(SEGMENTS):
                lengths[s] = prior_m[s] * size
    update_lengths(measured, max(dt, 1e-3), lengths, evidence_s)

    torso = np.empty((2, 3))
    target = np.empty((2, 3))
    torso_axes(body, torso)
    pitch = face_axes(body, torso, scalars[PITCH], target)
    scalars[PITCH] = _towards(scalars[PITCH], pitch, prior_pitch, dt)
    lean = straighten_neck(body, torso, scalars[LEAN])
    scalars[LEAN] = _towards(scalars[LEAN], lean, prior_lean, dt)
    if first:
        axes[:] = target
    else:
        step = 1.0 - np.exp(-dt / HEAD_TAU_S)
        x = axes[0] + step * (target[0] - axes[0])
        forward = axes[1] + step * (target[1] - axes[1])
        if orthonormalise(x, forward):
            axes[0], axes[1] = x, forward

    if scalars[CALIBRATION_LEFT_S] > 0.0 and body[1, 3] >= SEEN:
        for s in range(SEGMENTS):
            for side in range(2):
                if np.isfinite(measured[s, side]):
                    collected[s, 0] += dt * measured[s, side]
                    collected[s, 1] += dt
        for i, angle in ((SEGMENTS, pitch), (SEGMENTS + 1, lean)):
            if np.isfinite(angle):
                collected[i, 0] += dt * angle
                collected[i, 1] += dt
        scalars[CALIBRATION_LEFT_S] -= dt
        if scalars[CALIBRATION_LEFT_S] <= 0.0:
            scalars[CALIBRATION_LEFT_S] = 0.0
            for s in range(SEGMENTS):
                if collected[s, 1] > 0.2:
                    lengths[s] = collected[s, 0] / collected[s, 1]
                    evidence_s[s] = MEMORY_S
            for i, at in ((SEGMENTS, PITCH), (SEGMENTS + 1, LEAN)):
                if collected[i, 1] > 0.2:
                    scalars[at] = collected[i, 0] / collected[i, 1]

"""Numba kernel of what happens where parts meet: the twin of `training.fewshot.warp.bends`."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Floats = NDArray[np.float32]

_SMALL = 1e-6


@njit("f8(f8)", cache=True, nogil=True)
def _smooth(value: float) -> float:
    """From 0 to 1 without a kink at either."""
    value = min(max(value, 0.0), 1.0)
    return value * value * (3 - 2 * value)


@njit("UniTuple(f8, 2)(f8[::1], f8, f8)", cache=True, nogil=True, error_model="numpy")
def _local(row: Array, x: float, y: float) -> tuple[float, float]:
    """A pixel in the frame of a limb, whose axes are at right angles and equally long."""
    x, y = x - row[0], y - row[1]
    square = row[2] * row[2] + row[4] * row[4]
    return (x * row[2] + y * row[4]) / square, (x * row[3] + y * row[5]) / square


@njit("f8(f8[::1], f8[::1], f8)", cache=True, nogil=True)
def _bend(upper: Array, lower: Array, folded: float) -> float:
    """By how much a joint bends: 0 is straight."""
    along = lower[2] * upper[2] + lower[4] * upper[4]
    across = lower[2] * upper[3] + lower[4] * upper[5]
    angle = float(np.arctan2(across, along + _SMALL))
    return min(max(angle, -folded), folded)


@njit(
    "void(f8[:,::1], f8[:,::1], i8, i8, f8, f8[::1], f8, f8, f4[:,:,:,::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def open_fan(
    target: Array,
    source: Array,
    upper: int,
    lower: int,
    fan: float,
    limits: Array,
    first: float,
    step: float,
    points: Floats,
) -> None:
    """About the joint between two parts both take one map, a fan that opens as it bends.

    `limits` are FAN_END, SHORT, FOLDED, BEHIND, HALVES, TIGHT and CAP (two each) of
    `engine.puppet.bends`.
    """
    to = _bend(target[upper], target[lower], limits[2])
    of = _bend(source[upper], source[lower], limits[2])
    tight = _smooth((abs(to) - limits[7]) / (limits[8] - limits[7]))
    length = target[upper, 6]
    reach = min(limits[1] * min(length, target[lower, 6]), fan) + _SMALL
    size = np.sqrt(target[upper, 2] ** 2 + target[upper, 4] ** 2)
    s, origin_x, origin_y = source[upper], source[lower, 0], source[lower, 1]
    # Nothing changes farther from the joint.
    x0, y0, far = target[lower, 0], target[lower, 1], max(limits[0], limits[4]) * fan * size
    count = points.shape[1]
    if not (abs(x0) < 1e6 and abs(y0) < 1e6 and far < 1e6):
        return
    left, right = max(0, int((x0 - far - first) / step)), int((x0 + far - first) / step) + 1
    top, bottom = max(0, int((y0 - far - first) / step)), int((y0 + far - first) / step) + 1
    for row in range(top, min(bottom + 1, count)):
        for column in range(left, min(right + 1, count)):
            a, c = _local(target[upper], first + step * column, first + step * row)
            a -= length
            distance = np.sqrt(a * a + c * c + _SMALL * _SMALL)
            share = 1 - _smooth((distance / reach - 1) / (limits[0] - 1))
            behind = 1 - _smooth((distance / fan - limits[3]) / (limits[4] - limits[3]))
            if not (share > 0 or behind > 0):
                continue
            angle = np.arctan2(c, a + _SMALL)
            side = np.pi if angle >= to else -np.pi
            around = (angle - to) / (side - to)
            inside = (angle >= to) == (to >= 0)
            for part in (upper, lower):
                # From where the part itself is, this way around, to where the other is.
                away = 1 - around if part == upper else around
                still = tight * (1.0 if inside else _smooth(2 * away - 1))
                cap = 0.0 if inside else tight
                begins = limits[5] + cap * (limits[9] - limits[5])
                ends = limits[6] + cap * (limits[10] - limits[6])
                # At first, and where the part is still, as far as the part itself turns.
                own = still + cap * max(1 - 2 * away, 0.0)
                turned = away * (side - of + own * (of - to))
                turned = side - turned if part == upper else of + turned
                a, c = distance * np.cos(turned), distance * np.sin(turned)
                x, y = origin_x + s[2] * a + s[3] * c, origin_y + s[4] * a + s[5] * c
                other = _smooth((away - begins) / (ends - begins))
                mine = (1 - still) * (share + (1 - share) * behind * other)
                p = points[part, row, column]
                p[0] += mine * (x - p[0])
                p[1] += mine * (y - p[1])


@njit("f8(f8[::1], f8, f8[::1])", cache=True, nogil=True, error_model="numpy")
def _shows_shoulder(chest: Array, side: float, limits: Array) -> float:
    """From 0 to 1: whether a shoulder lies beside the chest, and neither on nor behind it."""
    shown = _smooth((abs(chest[10]) - limits[8]) / (limits[9] - limits[8]))
    wide = side * np.sqrt(chest[3] * chest[3] + chest[5] * chest[5])
    behind = (chest[8] * chest[3] + chest[9] * chest[5]) / wide
    behind = behind if chest[10] < 0 else -behind
    return float(shown * (1 - _smooth((behind - limits[12]) / (limits[13] - limits[12]))))


@njit(
    "void(f8[:,::1], f8[:,::1], i8, i8, f8, f8, f8[::1], f8, f8, f4[:,:,:,::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def open_shoulder(
    target: Array,
    source: Array,
    chest: int,
    arm: int,
    side: float,
    fan: float,
    limits: Array,
    first: float,
    step: float,
    points: Floats,
) -> None:
    """About a shoulder chest and arm take one map: between them it opens or closes.

    `side` is 1 for the left, -1 for the right. `limits` are ROOT_END, SHORT, BODY, RAISED,
    CROSSING, PROFILE, APART and BEYOND (two each but for the first two) of `engine.puppet.bends`.
    """
    t, s, tc, sc = target[arm], source[arm], target[chest], source[chest]
    # The chest's own map, of an offset and of the shoulder.
    scale = 1 / (tc[2] * tc[5] - tc[3] * tc[4])
    m00, m01 = (sc[2] * tc[5] - sc[3] * tc[4]) * scale, (sc[3] * tc[2] - sc[2] * tc[3]) * scale
    m10, m11 = (sc[4] * tc[5] - sc[5] * tc[4]) * scale, (sc[5] * tc[2] - sc[4] * tc[3]) * scale
    x, y = t[0] - tc[0], t[1] - tc[1]
    root_x, root_y = sc[0] + m00 * x + m01 * y, sc[1] + m10 * x + m11 * y
    apart_x, apart_y = s[0] - root_x, s[1] - root_y
    # Away from the body along the shoulders, and down at a right angle to that.
    wide = np.sqrt(sc[3] * sc[3] + sc[5] * sc[5])
    out_x, out_y = side * sc[3] / wide, side * sc[5] / wide
    down_x, down_y = -out_y, out_x
    if down_x * sc[2] + down_y * sc[4] < 0:
        down_x, down_y = -down_x, -down_y
    x, y = m00 * t[2] + m01 * t[4], m10 * t[2] + m11 * t[4]
    to = float(np.arctan2(down_x * x + down_y * y, out_x * x + out_y * y))
    of = float(np.arctan2(down_x * s[2] + down_y * s[4], out_x * s[2] + out_y * s[4]))
    size = np.sqrt(t[2] * t[2] + t[4] * t[4])
    size_of = np.sqrt(s[2] * s[2] + s[4] * s[4])
    apart = np.sqrt(apart_x * apart_x + apart_y * apart_y) / (fan * size_of)
    amount = 1 - _smooth((apart - limits[10]) / (limits[11] - limits[10]))
    for angle in (to, of):
        k = 4 if angle < 0 else 6
        amount *= 1 - _smooth((abs(angle) - limits[k]) / (limits[k + 1] - limits[k]))
    amount *= _shows_shoulder(tc, side, limits) * _shows_shoulder(sc, side, limits)
    reach = min(limits[1] * t[6], fan) + _SMALL
    far = limits[0] * reach * size
    count = points.shape[1]
    if not (amount > 0 and abs(t[0]) < 1e6 and abs(t[1]) < 1e6 and far < 1e6):
        return
    left, right = max(0, int((t[0] - far - first) / step)), int((t[0] + far - first) / step) + 1
    top, bottom = max(0, int((t[1] - far - first) / step)), int((t[1] + far - first) / step) + 1
    for row in range(top, min(bottom + 1, count)):
        for column in range(left, min(right + 1, count)):
            x, y = first + step * column - t[0], first + step * row - t[1]
            distance = np.sqrt(x * x + y * y) / size
            share = amount * (1 - _smooth((distance / reach - 1) / (limits[0] - 1)))
            if not share > 0:
                continue
            x, y = m00 * x + m01 * y, m10 * x + m11 * y
            angle = np.arctan2(down_x * x + down_y * y, out_x * x + out_y * y + _SMALL)
            # From the arm (1) to where the body begins (0), on either side.
            rim = limits[3] if angle >= to else -limits[2]
            near = max((rim - angle) / (rim - to), 0.0)
            turned = angle + near * (of - to)
            length = np.sqrt(x * x + y * y)
            length += near * (distance * size_of - length)
            a, c = length * np.cos(turned), length * np.sin(turned)
            x = root_x + near * apart_x + out_x * a + down_x * c
            y = root_y + near * apart_y + out_y * a + down_y * c
            for part in (chest, arm):
                p = points[part, row, column]
                p[0] += share * (x - p[0])
                p[1] += share * (y - p[1])


@njit("UniTuple(f8, 2)(f8[::1], f8[::1], f8, f8)", cache=True, nogil=True, error_model="numpy")
def _through(target: Array, source: Array, x: float, y: float) -> tuple[float, float]:
    """An offset in the target as the part's own map has it in the source."""
    scale = 1 / (target[2] * target[5] - target[3] * target[4])
    a = scale * (target[5] * x - target[3] * y)
    c = scale * (target[2] * y - target[4] * x)
    return source[2] * a + source[3] * c, source[4] * a + source[5] * c


@njit(
    "void(f8[:,::1], f8[:,::1], i8[::1], i8[::1], f8[::1], f8, f8, f4[:,:,:,::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def bend_torso(
    target: Array,
    source: Array,
    torso: Integers,
    thighs: Integers,
    limits: Array,
    first: float,
    step: float,
    points: Floats,
) -> None:
    """Chest and hips meet around the waist, and below it the hips hang from both thighs.

    `torso` are the indices of chest and hips; `limits` are WAIST (two), SPINE, HANG, HANG_LENGTH,
    SHORT, LIMIT and AGREE of `engine.puppet.bends`.
    """
    chest, hips = torso[0], torso[1]
    size = np.sqrt(target[thighs[0], 2] ** 2 + target[thighs[0], 4] ** 2 + _SMALL * _SMALL)
    neck_x, neck_y = target[chest, 0], target[chest, 1]
    hips_x, hips_y = target[hips, 0], target[hips, 1]
    spine_x, spine_y = hips_x - neck_x, hips_y - neck_y
    square = spine_x * spine_x + spine_y * spine_y + _SMALL * _SMALL
    bends = _smooth(np.sqrt(square) / size / limits[2])
    upper_x, upper_y = _through(target[chest], source[chest], -spine_y, spine_x)
    lower_x, lower_y = _through(target[hips], source[hips], -spine_y, spine_x)
    product = np.sqrt((upper_x**2 + upper_y**2) * (lower_x**2 + lower_y**2)) + _SMALL
    bends *= _smooth((upper_x * lower_x + upper_y * lower_y) / product / limits[7])
    along = np.sqrt(target[hips, 2] ** 2 + target[hips, 4] ** 2 + _SMALL * _SMALL)
    down_x, down_y = target[hips, 2] / along, target[hips, 4] / along
    reach = 0.5 * (source[thighs[0], 6] + source[thighs[1], 6])
    reach = max(limits[4] * reach, _SMALL) * size
    seen = np.empty(2)
    for i in range(2):
        of = max(source[thighs[i], 6], _SMALL)
        seen[i] = _smooth(target[thighs[i], 6] / of / limits[5])
    centre_x, centre_y = source[hips, 0], source[hips, 1]
    weight, away = np.empty(3), np.empty(2)
    who = np.array([hips, thighs[0], thighs[1]])
    count = points.shape[1]
    for row in range(count):
        for column in range(count):
            x, y = first + step * column, first + step * row
            p, q = points[chest, row, column], points[hips, row, column]
            down = ((x - neck_x) * spine_x + (y - neck_y) * spine_y) / square
            low = _smooth((down - limits[0]) / (limits[1] - limits[0]))
            for axis in range(2):
                above, below = p[axis], q[axis]
                p[axis] = above + bends * low * (below - above)
                q[axis] = below + bends * (1 - low) * (above - below)
            below = (x - hips_x) * down_x + (y - hips_y) * down_y
            if not below > 0:
                continue
            amount = limits[3] * _smooth(below / reach)
            for i in range(2):
                a, c = _local(target[thighs[i]], x, y)
                away[i] = c * c + min(a, 0.0) ** 2 + _SMALL
            for i in range(2):
                weight[i + 1] = amount * seen[i] * away[1 - i] / (away[0] + away[1])
            weight[0] = 1 - weight[1] - weight[2]
            mean_x = mean_y = length = 0.0
            for i in range(3):
                dx = points[who[i], row, column, 0] - centre_x
                dy = points[who[i], row, column, 1] - centre_y
                mean_x += weight[i] * dx
                mean_y += weight[i] * dy
                length += weight[i] * np.sqrt(dx * dx + dy * dy + _SMALL * _SMALL)
            ratio = length / np.sqrt(mean_x**2 + mean_y**2 + _SMALL * _SMALL)
            ratio = min(ratio, limits[6])
            q[0] = centre_x + mean_x * ratio
            q[1] = centre_y + mean_y * ratio

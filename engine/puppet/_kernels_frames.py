"""Numba kernels of the parts' frames and maps: twins of `training.fewshot.warp.maps`."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_SMALL = 1e-3


@njit("UniTuple(f8, 2)(f8, f8)", cache=True, nogil=True, error_model="numpy")
def _unit(x: float, y: float) -> tuple[float, float]:
    """Of length one; straight down where it is null."""
    length = np.sqrt(x * x + y * y)
    if length > _SMALL:
        return x / length, y / length
    return 0.0, 1.0


@njit("UniTuple(f8, 3)(f8, f8, f8)", cache=True, nogil=True, error_model="numpy")
def _unit3(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Of length one; away from the viewer where it is null."""
    length = np.sqrt(x * x + y * y + z * z)
    if length > _SMALL:
        return x / length, y / length, z / length
    return 0.0, 0.0, 1.0


@njit("UniTuple(f8, 3)(f8[:,::1], i8, i8)", cache=True, nogil=True, error_model="numpy")
def _forward(joints: Array, right: int, left: int) -> tuple[float, float, float]:
    """Where chest or hips face, from the joints of their two sides."""
    ax = 0.5 * (joints[8, 0] + joints[11, 0]) - joints[1, 0]
    ay = 0.5 * (joints[8, 1] + joints[11, 1]) - joints[1, 1]
    az = 0.5 * (joints[8, 2] + joints[11, 2]) - joints[1, 2]
    bx, by, bz = (
        joints[left, 0] - joints[right, 0],
        joints[left, 1] - joints[right, 1],
        joints[left, 2] - joints[right, 2],
    )
    return _unit3(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


@njit("f8(f8[:,::1], i8[:,::1])", cache=True, nogil=True, error_model="numpy")
def body_size(joints: Array, bones: Integers) -> float:
    """The true length in px of all bones below the head: the same in every pose."""
    total = 0.0
    for i in range(len(bones)):
        square = 0.0
        for axis in range(3):
            square += (joints[bones[i, 1], axis] - joints[bones[i, 0], axis]) ** 2
        total += np.sqrt(square)
    return max(total, _SMALL)


@njit(
    "void(f8[:,::1], f8, f8, f8[:,::1], f8[:,::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _head(
    joints: Array, scale: float, rise: float, table: Array, turn: Array, radius: Array
) -> None:
    ears = joints[17, :3] - joints[16, :3]
    middle = 0.5 * (joints[16, :3] + joints[17, :3])
    lx, ly, lz = _unit3(ears[0], ears[1], ears[2])
    looks = 0.5 * (joints[14, :3] + joints[15, :3]) - middle
    aside = looks[0] * lx + looks[1] * ly + looks[2] * lz
    fx, fy, fz = _unit3(looks[0] - aside * lx, looks[1] - aside * ly, looks[2] - aside * lz)
    # Facing the camera, left is +x and forward is -z, and down is +y = left x forward.
    dx, dy, dz = ly * fz - lz * fy, lz * fx - lx * fz, lx * fy - ly * fx
    # Eyes are above ears: level is below where they point.
    up, down = np.cos(rise), np.sin(rise)
    fx, fy, fz, dx, dy, dz = (
        up * fx + down * dx, up * fy + down * dy, up * fz + down * dz,
        up * dx - down * fx, up * dy - down * fy, up * dz - down * fz,
    )  # fmt: skip
    ax, ay = _unit(dx, dy)
    rx, ry = ay, -ax
    # Coordinates (a, c, depth): in these the head is upright whatever its roll.
    for column, (x, y, z) in enumerate(((lx, ly, lz), (dx, dy, dz), (fx, fy, fz))):
        turn[0, column] = ax * x + ay * y
        turn[1, column] = rx * x + ry * y
        turn[2, column] = z
    radius[0] = np.sqrt(ears[0] ** 2 + ears[1] ** 2 + ears[2] ** 2) / scale
    table[0, 0], table[0, 1] = middle[0], middle[1]
    table[0, 2], table[0, 3] = ax * scale, rx * scale
    table[0, 4], table[0, 5] = ay * scale, ry * scale
    table[0, 6], table[0, 7] = 0.0, middle[2]
    table[0, 8], table[0, 9], table[0, 10] = turn[0, 2], turn[1, 2], turn[2, 2]


@njit("void(f8[:,::1], i8, f8, f8[::1])", cache=True, nogil=True, error_model="numpy")
def _torso(joints: Array, kind: int, thickness: float, row: Array) -> None:
    """Along the spine, and across as wide as the body looks; `kind` 1 is the chest, 2 the hips."""
    right, left = (2, 5) if kind == 1 else (8, 11)
    hx, hy, hz = (
        0.5 * (joints[8, 0] + joints[11, 0]),
        0.5 * (joints[8, 1] + joints[11, 1]),
        0.5 * (joints[8, 2] + joints[11, 2]),
    )
    sx, sy, sz = hx - joints[1, 0], hy - joints[1, 1], hz - joints[1, 2]
    ax, ay = _unit(sx, sy)
    if kind == 2:  # a skirt hangs as much with the thighs as with the spine
        kx = 0.5 * (joints[9, 0] + joints[12, 0]) - hx
        ky = 0.5 * (joints[9, 1] + joints[12, 1]) - hy
        kx, ky = _unit(kx, ky)
        ax, ay = _unit(ax + kx, ay + ky)
    rx, ry = ay, -ax
    cx, cy, cz = (
        joints[left, 0] - joints[right, 0],
        joints[left, 1] - joints[right, 1],
        joints[left, 2] - joints[right, 2],
    )
    floor = 0.02 * np.sqrt(sx * sx + sy * sy + sz * sz)
    length = np.sqrt(sx * sx + sy * sy + (thickness * sz) ** 2 + floor * floor)
    straight = cx * rx + cy * ry
    width = np.sqrt(straight * straight + (thickness * cz) ** 2 + floor * floor)
    lean = cx * ax + cy * ay
    if straight < 0:
        width = -width
    row[0], row[1] = (joints[1, 0], joints[1, 1]) if kind == 1 else (hx, hy)
    row[2], row[3] = ax * length, rx * width + ax * lean
    row[4], row[5] = ay * length, ry * width + ay * lean
    row[6], row[7] = 0.0, 0.5 * (joints[right, 2] + joints[left, 2])


@njit("void(f8[:,::1], i8, i8, f8[::1], f8[::1])", cache=True, nogil=True, error_model="numpy")
def _foot(joints: Array, start: int, end: int, shape: Array, row: Array) -> None:
    """Down with the shin, and across as it looks; `shape` is its width, its height and how far down
    its toes are when it stands, all of its length."""
    fx, fy, fz = (
        joints[end, 0] - joints[start, 0],
        joints[end, 1] - joints[start, 1],
        joints[end, 2] - joints[start, 2],
    )
    flat = np.sqrt(fx * fx + fy * fy)
    length = max(np.sqrt(fx * fx + fy * fy + fz * fz), _SMALL)
    ax, ay = _unit(joints[start, 0] - joints[start - 1, 0], joints[start, 1] - joints[start - 1, 1])
    rx, ry = ay, -ax
    sideways, drop = fx * rx + fy * ry, fx * ax + fy * ay
    profile = abs(sideways) / (flat + 0.3 * length)
    width = np.sqrt(sideways * sideways + (shape[0] * length) ** 2)
    height = np.sqrt((shape[1] * length) ** 2 + ((1 - profile) * drop) ** 2)
    if sideways < 0:
        width = -width
    tilt = profile * (drop - shape[2] * length)
    row[0], row[1] = joints[start, 0] + 0.5 * fx, joints[start, 1] + 0.5 * fy
    row[2], row[3] = ax * height, rx * width + ax * tilt
    row[4], row[5] = ay * height, ry * width + ay * tilt
    row[6], row[7] = 0.0, 0.5 * (joints[start, 2] + joints[end, 2])


@njit(
    "void(f8[:,::1], i8[:,::1], i8[:,::1], f8[::1], f8[:,::1], f8[:,::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def frames_of(
    joints: Array,
    parts: Integers,
    bones: Integers,
    shape: Array,
    table: Array,
    turn: Array,
    radius: Array,
) -> None:
    """The frames of joints (20, 4), see `engine.puppet.frames.Frames`.

    `parts` rows are kind (0 head, 1 chest, 2 hips, 3 limb, 4 foot), first and last joint, and 1 for
    those that face as the chest does. `shape`: THICKNESS, FOOT_WIDTH, FOOT_HEIGHT,
    FOOT_DROP, HEAD_RADIUS, EYES.
    """
    scale = body_size(joints, bones)
    sx = 0.5 * (joints[8, 0] + joints[11, 0]) - joints[1, 0]
    sy = 0.5 * (joints[8, 1] + joints[11, 1]) - joints[1, 1]
    facing = np.empty(2)  # of legs and of arms
    for i in range(2):
        right, left = (8, 11) if i == 0 else (2, 5)
        across = (joints[left, 0] - joints[right, 0]) * sy
        across -= (joints[left, 1] - joints[right, 1]) * sx
        facing[i] = -1.0 if across < 0 else 1.0
    chest, hips = _forward(joints, 2, 5), _forward(joints, 8, 11)
    _head(joints, scale, shape[5], table, turn, radius)
    radius[0] *= shape[4]
    for part in range(1, len(parts)):
        kind, start, end = parts[part, 0], parts[part, 1], parts[part, 2]
        row = table[part]
        if kind < 3:
            _torso(joints, kind, shape[0], row)
        elif kind == 4:
            _foot(joints, start, end, shape[1:4], row)
        else:
            bx, by = joints[end, 0] - joints[start, 0], joints[end, 1] - joints[start, 1]
            ax, ay = _unit(bx, by)
            row[0], row[1] = joints[start, 0], joints[start, 1]
            side = facing[parts[part, 3]]
            row[2], row[3] = ax * scale, ay * side * scale
            row[4], row[5] = ay * scale, -ax * side * scale
            row[6] = np.sqrt(bx * bx + by * by) / scale
            row[7] = 0.5 * (joints[start, 2] + joints[end, 2])
        view = chest if parts[part, 3] == 1 else hips
        row[8], row[9], row[10] = view[0], view[1], view[2]


@njit("UniTuple(f8, 2)(f8, f8, f8, f8, f8[:,::1])", cache=True, nogil=True, error_model="numpy")
def _slide(a: float, c: float, radius: float, fade: float, relative: Array) -> tuple[float, float]:
    """How far a face turned by `relative` slides on its sphere; nothing moves at the outline."""
    u, v = a / radius, c / radius
    square = u * u + v * v
    if not square < 1.0:
        return 0.0, 0.0
    depth = -np.sqrt(1 - square)
    x = relative[0, 0] * u + relative[0, 1] * v + relative[0, 2] * depth
    y = relative[1, 0] * u + relative[1, 1] * v + relative[1, 2] * depth
    if relative[2, 0] * u + relative[2, 1] * v + relative[2, 2] * depth > 0:
        length = max(np.sqrt(x * x + y * y), _SMALL)
        x, y = x / length, y / length
    amount = (1 - square) * fade * radius
    return amount * (x - u), amount * (y - v)


@njit("void(f8[:,::1], f8[::1])", cache=True, nogil=True, error_model="numpy")
def hold(turn: Array, limits: Array) -> None:
    """Make a rotation (3, 3) one about the same axis that goes less far, in place.

    Up to the first of `limits`, rad, it stays as it is; it never goes as far as the second.
    """
    x, y, z = turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]
    sine = 0.5 * np.sqrt(x * x + y * y + z * z)
    angle = float(np.arctan2(sine, 0.5 * (turn[0, 0] + turn[1, 1] + turn[2, 2] - 1)))
    if not angle > limits[0]:
        return
    room = limits[1] - limits[0]
    held = limits[1] - room * np.exp((limits[0] - angle) / room)
    length = 2 * np.sqrt(sine * sine + _SMALL * _SMALL)
    axis = np.array([x / length, y / length, z / length])
    sine, cosine = np.sin(held), np.cos(held)
    for i in range(3):
        for j in range(3):
            turn[i, j] = (1 - cosine) * axis[i] * axis[j]
        turn[i, i] += cosine
    turn[0, 1], turn[1, 0] = turn[0, 1] - sine * axis[2], turn[1, 0] + sine * axis[2]
    turn[2, 0], turn[0, 2] = turn[2, 0] - sine * axis[1], turn[0, 2] + sine * axis[1]
    turn[1, 2], turn[2, 1] = turn[1, 2] - sine * axis[0], turn[2, 1] + sine * axis[0]


@njit(
    "void(f8[:,::1], f8[:,::1], f8[:,::1], f8[:,::1], f8, f8[::1], f8, f8, f4[:,:,:,::1],"
    " f4[:,:,::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def map_grid(
    target: Array,
    source: Array,
    target_turn: Array,
    source_turn: Array,
    target_radius: float,
    slides: Array,
    first: float,
    step: float,
    points: NDArray[np.float32],
    slide: NDArray[np.float32],
) -> None:
    """Where in the source each part alone has what the target has on a grid of pixels.

    Args:
        target, source: (L, 11) frames.
        target_turn, source_turn, target_radius: the head's.
        slides: SLIDES of `engine.puppet.frames`.
        first, step: px, of the first grid point and between grid points, in x and in y.
        points: (L, G, G, 2) x, y px.
        slide: (G, G, 2) px, how much farther the head's colours are.
    """
    count = points.shape[1]
    relative = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            relative[i, j] = (
                source_turn[i, 0] * target_turn[j, 0]
                + source_turn[i, 1] * target_turn[j, 1]
                + source_turn[i, 2] * target_turn[j, 2]
            )
    # Beyond a right angle less and less of a face is seen: it fades back to where it is drawn.
    fade = min(max((relative[2, 2] + 0.8) * 1.25, 0.0), 1.0)
    # A drawing from the side has its outline where the face would slide from.
    fade *= min(abs(source_turn[2, 2]) * 2.5, 1.0)
    hold(relative, slides)
    for part in range(len(target)):
        t, s = target[part], source[part]
        scale = 1 / (t[2] * t[5] - t[3] * t[4])
        i00, i01, i10, i11 = t[5] * scale, -t[3] * scale, -t[4] * scale, t[2] * scale
        to, of = t[6], s[6]
        stretch = of / max(to, _SMALL)
        for row in range(count):
            y = first + step * row - t[1]
            for column in range(count):
                x = first + step * column - t[0]
                a, c = i00 * x + i01 * y, i10 * x + i11 * y
                if part == 0:
                    du, dv = _slide(a, c, target_radius, fade, relative)
                    slide[row, column, 0] = s[2] * du + s[3] * dv
                    slide[row, column, 1] = s[4] * du + s[5] * dv
                elif a > 0:  # rigid before 0 and beyond the end, stretched between
                    share = min(a, max(to, _SMALL))
                    a = max(a - to, 0.0) + share * stretch
                points[part, row, column, 0] = s[2] * a + s[3] * c + s[0]
                points[part, row, column, 1] = s[4] * a + s[5] * c + s[1]

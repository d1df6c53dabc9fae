"""Shapes that characters are built of: parts, lofts, shells, and normals that shade well."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.mocap.rig import INDEX, JOINTS

F64 = NDArray[np.float64]
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


@dataclass(frozen=True, slots=True)
class Material:
    """A toon material: the colours in the light and in the shade, and of the outline; in [0, 1]."""

    lit: tuple[float, float, float]
    shade: tuple[float, float, float]
    ink: tuple[float, float, float]

    @classmethod
    def of(cls, lit: str, shade: str, ink: str) -> "Material":
        """From three #rrggbb strings."""
        return cls(hex_colour(lit), hex_colour(shade), hex_colour(ink))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a character in the T-pose. `weights` (V, B): the bones that move each vertex."""

    vertices: F64  # (V, 3)
    normals: F64  # (V, 3)
    triangles: NDArray[np.int32]  # (T, 3)
    lit: F64  # (V, 3)
    shade: F64  # (V, 3)
    ink: F64  # (V, 3)
    outline: F64  # (V,)
    bias: F64  # (V,)
    uv: F64  # (V, 2)
    weights: F64  # (V, B)
    textured: bool = False


def hex_colour(text: str) -> tuple[float, float, float]:
    """#rrggbb to three numbers in [0, 1]."""
    value = int(text.removeprefix("#"), 16)
    return (value >> 16) / 255.0, (value >> 8 & 255) / 255.0, (value & 255) / 255.0


def vec(*values: float) -> F64:
    """A small vector."""
    return np.array(values, np.float64)


def smoothstep(low: float, high: float, x: ArrayLike) -> F64:
    """Hermite step from 0 at `low` to 1 at `high`."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def curve(knots: Sequence[tuple[float, ...]], at: ArrayLike) -> F64:
    """Monotone cubic interpolation (Fritsch and Carlson 1980) of rows (position, value...).

    Returns (N,) for one value a row, (N, K) for more; constant beyond the ends.
    """
    table = np.asarray(knots, np.float64)
    x, y = table[:, 0], table[:, 1:]
    step = np.diff(x)[:, None]
    slope = np.diff(y, axis=0) / step
    tangent = np.zeros_like(y)
    same = slope[:-1] * slope[1:] > 0
    total = slope[:-1] + slope[1:]
    tangent[1:-1] = np.where(same, 2 * slope[:-1] * slope[1:] / np.where(same, total, 1.0), 0.0)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    at = np.clip(np.asarray(at, np.float64), x[0], x[-1])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h = step[i]
    t = ((at - x[i])[:, None]) / h
    value = (
        (2 * t**3 - 3 * t**2 + 1) * y[i]
        + (t**3 - 2 * t**2 + t) * h * tangent[i]
        + (3 * t**2 - 2 * t**3) * y[i + 1]
        + (t**3 - t**2) * h * tangent[i + 1]
    )
    return value[:, 0] if y.shape[1] == 1 else value


def bezier(points: ArrayLike, count: int) -> F64:
    """(count, 3) points of a Bezier curve of any degree."""
    level = np.repeat(np.asarray(points, np.float64)[:, None, :], count, axis=1)
    t = np.linspace(0.0, 1.0, count)[:, None]
    while len(level) > 1:
        level = level[:-1] * (1 - t) + level[1:] * t
    return level[0]


def vertex_normals(vertices: F64, triangles: NDArray[np.int32]) -> F64:
    """(V, 3) unit normals, area-weighted; vertices at one place share one normal."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    u, v = (b - a).T, (c - a).T
    face = np.stack(
        [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    )
    # Places are told apart by a 64-bit mixture of their coordinates in steps of 1e-7.
    steps = np.round(vertices * 1e7).astype(np.int64).view(np.uint64)
    _, weld = np.unique((steps * _MIX).sum(axis=1), return_inverse=True)
    corners = weld[triangles.T].ravel()
    total = np.stack([np.bincount(corners, np.tile(axis, 3), weld.max() + 1) for axis in face], 1)
    normals = total[weld]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def grid_triangles(rows: int, columns: int, *, wrap: bool, flip: bool = False) -> NDArray[np.int32]:
    """Triangles of a (rows, columns) grid; `wrap` joins the last column to the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns - (not wrap)), indexing="ij")
    right = (c + 1) % columns
    a, b = (r * columns + c).ravel(), (r * columns + right).ravel()
    d, e = ((r + 1) * columns + c).ravel(), ((r + 1) * columns + right).ravel()
    faces = np.concatenate([np.stack([a, d, b], 1), np.stack([b, d, e], 1)]).astype(np.int32)
    return faces[:, ::-1].copy() if flip else faces


def make_part(
    vertices: F64,
    triangles: NDArray[np.int32],
    material: Material,
    weights: F64,
    *,
    outline: float = 1.0,
    bias: float = 0.0,
    outward: bool = True,
) -> Part:
    """A part of one material; `outward` turns the faces of a closed surface to its outside."""
    if outward:
        a, b, c = (vertices[triangles[:, k]] - vertices.mean(0) for k in range(3))
        if np.einsum("ij,ij->", a, np.cross(b, c)) < 0:
            triangles = np.ascontiguousarray(triangles[:, ::-1])
    count = len(vertices)
    return Part(
        vertices=vertices, normals=vertex_normals(vertices, triangles), triangles=triangles,
        lit=np.tile(material.lit, (count, 1)), shade=np.tile(material.shade, (count, 1)),
        ink=np.tile(material.ink, (count, 1)), outline=np.full(count, outline),
        bias=np.full(count, bias), uv=np.zeros((count, 2)), weights=weights,
    )  # fmt: skip


def tube(
    centres: F64, side: F64, up: F64, segments: int = 16, *, power: float = 2.0
) -> tuple[F64, NDArray[np.int32]]:
    """A closed tube: ring i is centres[i] + side[i] cos + up[i] sin, a superellipse of `power`.

    `side` and `up` are (R, 3) half axes. The end rings are closed by a fan about their centre.
    """
    angle = np.linspace(0.0, 2 * np.pi, segments, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    cos = np.sign(cos) * np.abs(cos) ** (2.0 / power)
    sin = np.sign(sin) * np.abs(sin) ** (2.0 / power)
    rings = centres[:, None] + side[:, None] * cos[None, :, None] + up[:, None] * sin[None, :, None]
    rows = len(centres)
    vertices = np.concatenate([rings.reshape(-1, 3), centres[:1], centres[-1:]])
    body = grid_triangles(rows, segments, wrap=True)
    k = np.arange(segments)
    following = (k + 1) % segments
    first = np.stack([np.full(segments, rows * segments), k, following], 1)
    base = (rows - 1) * segments
    last = np.stack([np.full(segments, rows * segments + 1), base + following, base + k], 1)
    return vertices, np.concatenate([body, first, last]).astype(np.int32)


def limb(
    axis: int, knots: Sequence[tuple[float, ...]], at: ArrayLike, segments: int = 18
) -> tuple[F64, NDArray[np.int32]]:
    """A tube along world axis 0 (arms) or 1 (torso, legs).

    Knot rows are (position, half width, half depth, offset, offset): for axis 1 the width is along
    x, the depth along z and the offsets are x and z; for axis 0 along z and y, offsets z and y.
    """
    at = np.asarray(at, np.float64)
    values = curve(knots, at)
    zero = np.zeros(len(at))
    if axis == 1:
        centres = np.stack([values[:, 2], at, values[:, 3]], 1)
        side = np.stack([values[:, 0], zero, zero], 1)
        up = np.stack([zero, zero, values[:, 1]], 1)
    else:
        centres = np.stack([at, values[:, 3], values[:, 2]], 1)
        side = np.stack([zero, zero, values[:, 0]], 1)
        up = np.stack([zero, values[:, 1], zero], 1)
    return tube(centres, side, up, segments)


def lock(
    spine: F64, out: F64, width: ArrayLike, thickness: ArrayLike, segments: int = 8
) -> tuple[F64, NDArray[np.int32]]:
    """A tapered lock of hair or strip of cloth along `spine` (R, 3), flat against `out` (R, 3)."""
    tangent = np.gradient(spine, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, out)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = np.cross(side, tangent)
    return tube(
        spine, side * np.asarray(width)[:, None], up * np.asarray(thickness)[:, None], segments
    )


def shell(outer: F64, inner: F64, *, wrap: bool) -> tuple[F64, NDArray[np.int32]]:
    """A closed shell between two (R, C, 3) grids: both surfaces and the rim that joins them."""
    rows, columns = outer.shape[:2]
    count = rows * columns
    vertices = np.concatenate([outer.reshape(-1, 3), inner.reshape(-1, 3)])
    faces = [
        grid_triangles(rows, columns, wrap=wrap),
        grid_triangles(rows, columns, wrap=wrap, flip=True) + count,
    ]
    ids = np.arange(count).reshape(rows, columns)
    borders = [ids[0], ids[-1][::-1]]
    if wrap:
        borders = [np.append(edge, edge[0]) for edge in borders]
    else:
        borders += [ids[::-1, 0], ids[:, -1]]
    for edge in borders:
        a, b = edge[:-1], edge[1:]
        faces += [np.stack([a, b, a + count], 1), np.stack([b, b + count, a + count], 1)]
    return vertices, np.concatenate(faces).astype(np.int32)


def ellipsoid(
    centre: ArrayLike, radii: ArrayLike, rows: int = 12, columns: int = 16
) -> tuple[F64, NDArray[np.int32]]:
    """An ellipsoid about `centre` with half axes along the world's."""
    polar = np.linspace(0.02, np.pi - 0.02, rows)
    centre, radii = np.asarray(centre, np.float64), np.asarray(radii, np.float64)
    zero = np.zeros(rows)
    centres = centre + np.stack([zero, np.cos(polar) * radii[1], zero], 1)
    side = np.stack([np.sin(polar) * radii[0], zero, zero], 1)
    up = np.stack([zero, zero, np.sin(polar) * radii[2]], 1)
    return tube(centres, side, up, columns)


def rigid(count: int, bone: int, bones: int) -> F64:
    """(count, bones) weights of vertices that follow one bone."""
    weights = np.zeros((count, bones))
    weights[:, bone] = 1.0
    return weights


def chain(position: F64, links: Sequence[tuple[int, float, float]], bones: int) -> F64:
    """Weights along a chain of bones: each (bone, centre, half width) takes over at `centre`.

    The first link's centre and width are unused. `position` (V,) grows along the chain.
    """
    weights = rigid(len(position), links[0][0], bones)
    for bone, centre, half in links[1:]:
        step = smoothstep(centre - half, centre + half, position)
        weights *= (1.0 - step)[:, None]
        weights[:, bone] += step
    return weights


def mirrored(part: Part) -> Part:
    """The part on the character's other side: x is negated and left bones become right ones."""
    flip = np.array([-1.0, 1.0, 1.0])
    swap = np.arange(part.weights.shape[1])
    for name in JOINTS:
        if name.startswith("l_"):
            left, right = INDEX[name], INDEX["r_" + name[2:]]
            swap[left], swap[right] = right, left
    return replace(
        part,
        vertices=part.vertices * flip,
        normals=part.normals * flip,
        triangles=np.ascontiguousarray(part.triangles[:, ::-1]),
        weights=part.weights[:, swap],
    )


def recolour(part: Part, where: NDArray[np.bool_], material: Material) -> Part:
    """The part with another material on the vertices where `where` (V,) holds."""
    lit, shade, ink = part.lit.copy(), part.shade.copy(), part.ink.copy()
    lit[where], shade[where], ink[where] = material.lit, material.shade, material.ink
    return replace(part, lit=lit, shade=shade, ink=ink)


def loft(axis: int, knots: Sequence[tuple[float, ...]], at: ArrayLike, columns: int) -> F64:
    """The skin of `limb` as a grid (R, columns + 1, 3) that can be cut and textured.

    Columns run once around from behind, over the character's right (for axis 1), the front and the
    left, and back to where they began: the last column repeats the first.
    """
    at = np.asarray(at, np.float64)
    values = curve(knots, at)
    angle = np.linspace(-np.pi, np.pi, columns + 1)
    across = values[:, 2:3] + values[:, 0:1] * (np.sin(angle) if axis == 1 else np.cos(angle))
    deep = values[:, 3:4] + values[:, 1:2] * (np.cos(angle) if axis == 1 else -np.sin(angle))
    along = np.broadcast_to(at[:, None], across.shape)
    order = [across, along, deep] if axis == 1 else [along, deep, across]
    return np.stack(order, -1)


def capped(grid: F64, *, first: bool = True, last: bool = True) -> F64:
    """A grid of rings closed at its ends: each end gets one more row, all in its middle."""
    rows = [grid]
    if first:
        rows.insert(0, np.broadcast_to(grid[:1, :-1].mean(1, keepdims=True), grid[:1].shape))
    if last:
        rows.append(np.broadcast_to(grid[-1:, :-1].mean(1, keepdims=True), grid[:1].shape))
    return np.concatenate(rows)


def grid_part(
    grid: F64, material: Material, weights: F64, *, outline: float = 1.0, bias: float = 0.0
) -> Part:
    """A part of a (R, C, 3) grid whose uv is (column, row) in [0, 1]."""
    rows, columns = grid.shape[:2]
    part = make_part(
        np.ascontiguousarray(grid.reshape(-1, 3)),
        grid_triangles(rows, columns, wrap=False),
        material, weights, outline=outline, bias=bias,
    )  # fmt: skip
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    return replace(part, uv=np.stack([u.ravel(), v.ravel()], 1))

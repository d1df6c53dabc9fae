"""What sits on a head: hats, animal ears and horns."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from training.characters.procedural.body import BONES
from training.characters.procedural.colours import Palette, adjust, blend, lightness, toon
from training.characters.procedural.design import Design
from training.characters.procedural.head import HEAD, HeadFrame
from training.characters.procedural.rigging import Rigging
from training.characters.procedural.worn import (
    Shape,
    build_eyepatch,
    build_glasses,
    build_ornament,
    solid,
)
from training.characters.shapes import (
    F64,
    Part,
    bezier,
    capped,
    curve,
    ellipsoid,
    grid_part,
    lock,
    make_part,
    mirrored,
    recolour,
    rigid,
    shell,
    smoothstep,
    vec,
)


def build_headwear(design: Design, frame: HeadFrame, rig: Rigging) -> list[Part]:
    """All that the extras of a design put on the head."""
    extras, palette = design.extras, design.outfit.palette
    volume = design.hair.volume
    parts: list[Part] = []
    parts += _placed(frame, _HATS.get(extras.hat, _nothing)(palette, volume))
    parts += _beast_ears(design, frame, rig)
    parts += _placed(frame, _horns(extras.horns, palette))
    parts += _placed(frame, build_glasses(design))
    parts += _placed(frame, build_ornament(design))
    if extras.eyepatch:
        parts += _placed(frame, build_eyepatch())
    return parts


def _placed(frame: HeadFrame, parts: list[Part]) -> list[Part]:
    return [frame.placed(part) for part in parts]


def _nothing(palette: Palette, volume: float) -> list[Part]:
    return []


def _grid(grid: F64, colour: str, outline: float = 1.0) -> Part:
    return grid_part(
        grid, toon(colour), rigid(grid.shape[0] * grid.shape[1], HEAD, BONES), outline=outline
    )


def _rings(rows: ArrayLike, columns: int = 40, edge: float = 0.0) -> F64:
    """Rings about the head's axis: rows are (y, radius, shift in z, tilt).

    With `edge`, columns lie close about these azimuths, so that a change of colour is sharp there.
    """
    angle = np.linspace(-np.pi, np.pi, columns + 1)
    if edge:
        angle = np.unique(
            np.concatenate([angle, [s * edge + d for s in (-1, 1) for d in (-1e-3, 1e-3)]])
        )
    out = []
    for y, radius, z, tilt in np.asarray(rows, np.float64):
        lean = radius * np.cos(angle)
        out.append(np.stack([radius * np.sin(angle), y + tilt * lean, -0.016 + z + lean], -1))
    return np.array(out)


def _cap(palette: Palette, volume: float) -> list[Part]:
    r = 0.178 * volume
    rows = [(0.208, r - 0.006, 0, -0.10), (0.210, r + 0.003, 0, -0.10), (0.25, r, 0, -0.06),
            (0.30, 0.90 * r, 0, 0), (0.345, 0.70 * r, 0, 0), (0.375, 0.42 * r, 0, 0),
            (0.388, 0.08 * r, 0, 0)]  # fmt: skip
    crown = _grid(capped(_rings(rows, edge=0.62), first=False), palette.main)
    panel = np.abs(np.arctan2(crown.vertices[:, 0], crown.vertices[:, 2] + 0.016)) < 0.62
    if lightness(palette.main) < 0.9:
        crown = recolour(crown, panel & (crown.vertices[:, 1] < 0.36), toon(palette.pale))
    angle = np.linspace(-1.15, 1.15, 25)
    t = np.linspace(0, 1, 8)[:, None]
    reach = (r - 0.004) + 0.115 * t * np.cos(0.9 * angle) ** 0.7
    y = 0.196 + 0.0 * t + 0.018 * (1 - np.cos(angle)) * -1.0 - 0.022 * t**2 + 0 * angle
    outer = np.stack([reach * np.sin(angle), y + 0.014, -0.016 + reach * np.cos(angle)], -1)
    visor = solid(shell(outer, outer - [0, 0.008, 0], wrap=False), palette.accent)
    button = solid(ellipsoid((0, 0.390, -0.016), (0.014, 0.008, 0.014), 6, 8), palette.accent)
    return [crown, visor, button]


def _brimmed(
    palette: Palette,
    brim: float,
    rows: Sequence[tuple[float, float, float, float]],
    colour: str,
    wavy: float,
) -> list[Part]:
    angle = np.linspace(-np.pi, np.pi, 57)
    t = np.linspace(0, 1, 7)[:, None]
    inner = rows[0][1] - 0.01
    radius = inner + (brim - inner) * t
    y = 0.246 - 0.030 * t**1.5 + wavy * t**2 * np.sin(3 * angle + 0.6)
    lean = radius * np.cos(angle)
    y = y + rows[0][3] * lean
    outer = np.stack([radius * np.sin(angle), y, -0.016 + lean], -1)
    disc = shell(outer, outer - [0, 0.009, 0], wrap=False)
    crown = _grid(capped(_rings(rows), first=False), colour)
    band = crown.vertices[:, 1] - rows[0][3] * (crown.vertices[:, 2] + 0.016) < 0.282
    return [solid(disc, colour), recolour(crown, band, toon(palette.accent))]


def _witch(palette: Palette, volume: float) -> list[Part]:
    r = 0.172 * volume
    colour = palette.dark if lightness(palette.main) > 0.75 else palette.main
    rows = [(0.244, r, 0, -0.08), (0.281, 0.92 * r, 0, -0.08), (0.283, 0.92 * r, 0, -0.08),
            (0.34, 0.70 * r, -0.004, -0.10), (0.40, 0.47 * r, -0.014, -0.15),
            (0.45, 0.32 * r, -0.035, -0.3), (0.485, 0.20 * r, -0.068, -0.6),
            (0.500, 0.10 * r, -0.100, -1.0), (0.500, 0.02 * r, -0.125, -1.2)]  # fmt: skip
    parts = _brimmed(palette, 0.315, rows, colour, 0.012)
    centre = (0.0, 0.252, 0.004 + 0.97 * r)
    parts.append(solid(_frame(centre, 0.022, 0.006), palette.metal, 0.7))
    return parts


def _straw(palette: Palette, volume: float) -> list[Part]:
    r = 0.174 * volume
    rows = [(0.244, r, 0, -0.06), (0.281, 0.98 * r, 0, -0.06), (0.283, 0.98 * r, 0, -0.06),
            (0.33, 0.90 * r, 0, -0.03), (0.365, 0.70 * r, 0, 0), (0.382, 0.38 * r, 0, 0),
            (0.386, 0.05 * r, 0, 0)]  # fmt: skip
    return _brimmed(palette, 0.300, rows, "#f0d692", 0.006)


def _beret(palette: Palette, volume: float) -> list[Part]:
    rows = [(0.262, 0.150, 0, -0.05), (0.270, 0.165, 0, -0.05), (0.285, 0.192, -0.01, -0.08),
            (0.312, 0.215, -0.02, -0.1), (0.345, 0.200, -0.02, -0.1), (0.372, 0.140, -0.02, -0.08),
            (0.384, 0.06, -0.02, -0.05), (0.386, 0.008, -0.02, 0)]  # fmt: skip
    colour = palette.accent if lightness(palette.main) > 0.85 else palette.main
    grid = capped(_rings(np.array(rows) * [1, volume, 1, 1]))
    grid[..., 0] += 0.028 * smoothstep(0.28, 0.36, grid[..., 1])
    grid[..., 1] -= 0.22 * grid[..., 0]
    grid[..., 1] += 0.012
    stalk = bezier([(0.03, 0.38, -0.03), (0.03, 0.40, -0.03), (0.036, 0.412, -0.03)], 5)
    shape = lock(stalk, np.tile([0.0, 0, 1], (5, 1)), np.full(5, 0.006), np.full(5, 0.006), 6)
    return [_grid(grid, colour), solid(shape, colour)]


def _beanie(palette: Palette, volume: float) -> list[Part]:
    r = 0.180 * volume
    rows = [(0.19, r - 0.01, 0, -0.16), (0.192, r + 0.008, 0, -0.16), (0.215, r + 0.014, 0, -0.14),
            (0.238, r + 0.008, 0, -0.12), (0.240, r - 0.002, 0, -0.12),
            (0.241, r - 0.002, 0, -0.12), (0.29, 0.94 * r, 0, -0.05),
            (0.34, 0.74 * r, 0, 0), (0.378, 0.44 * r, 0, 0), (0.395, 0.05 * r, 0, 0)]  # fmt: skip
    knit = _grid(capped(_rings(rows), first=False), palette.main)
    fold = np.zeros((len(rows) + 1, 41), np.bool_)
    fold[:5] = True
    knit = recolour(knit, fold.ravel(), toon(palette.accent))
    ball = ellipsoid((0, 0, 0), (0.042, 0.040, 0.042), 10, 14)[0]
    faces = ellipsoid((0, 0, 0), (1, 1, 1), 10, 14)[1]
    ball *= 1 + 0.06 * np.sin(ball[:, :1] * 260) * np.sin(ball[:, 1:2] * 230)
    return [knit, solid((ball + vec(0, 0.420, -0.016), faces), palette.pale)]


def _top_hat(palette: Palette, volume: float) -> list[Part]:
    rows = [(0.0, 0.012), (0.0, 0.115), (0.010, 0.115), (0.010, 0.074), (0.035, 0.070),
            (0.036, 0.070), (0.095, 0.078), (0.10, 0.078), (0.10, 0.004)]  # fmt: skip
    angle = np.linspace(-np.pi, np.pi, 31)
    grid = np.array([
        np.stack([r * np.sin(angle), np.full(31, y), r * np.cos(angle)], -1) for y, r in rows
    ])  # fmt: skip
    hat = _grid(grid, palette.dark)
    hat = recolour(hat, (np.repeat(np.arange(9), 31) >= 3) & (np.repeat(np.arange(9), 31) <= 4),
                   toon(palette.accent))  # fmt: skip
    tilt = -0.34
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    place = np.array([0.062, 0.330 + 0.16 * (volume - 1), 0.030])
    return [_moved(hat, turn, place)]


def _crown(palette: Palette, volume: float) -> list[Part]:
    angle = np.linspace(-np.pi, np.pi, 81)
    spike = np.abs((angle * 8 / (2 * np.pi)) % 1.0 - 0.5) * 2
    rows = [np.stack([0.092 * np.sin(angle), np.zeros(81), 0.092 * np.cos(angle)], -1),
            np.stack([0.098 * np.sin(angle), np.full(81, 0.03), 0.098 * np.cos(angle)], -1),
            np.stack([0.108 * np.sin(angle), 0.034 + 0.048 * spike,
                      0.108 * np.cos(angle)], -1)]  # fmt: skip
    outer = np.array(rows)
    inner = outer * [0.93, 1.0, 0.93]
    ring = solid(shell(outer, inner, wrap=False), palette.metal)
    gem = solid(ellipsoid((0, 0.026, 0.100), (0.013, 0.015, 0.007), 7, 9), palette.accent, 0.7)
    place = np.array([0.0, 0.322 + 0.16 * (volume - 1), -0.016])
    return [_moved(part, np.eye(3), place) for part in (ring, gem)]


_HATS: dict[str, Callable[[Palette, float], list[Part]]] = {
    "cap": _cap, "witch": _witch, "straw": _straw, "beret": _beret, "beanie": _beanie,
    "top": _top_hat, "crown": _crown,
}  # fmt: skip


def _moved(part: Part, turn: F64, place: F64) -> Part:
    return replace(part, vertices=part.vertices @ turn.T + place, normals=part.normals @ turn.T)


def _frame(centre: tuple[float, float, float], size: float, thick: float) -> Shape:
    """A square buckle."""
    corners = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0), (-1, -1, 0)], np.float64)
    spine = np.array(centre) + size * np.concatenate(
        [corners[k] + (corners[k + 1] - corners[k]) * np.linspace(0.05, 0.95, 4)[:, None]
         for k in range(4)] + [corners[:1] * [0.95, 1, 1]]
    )  # fmt: skip
    fat = np.full(len(spine), thick)
    return lock(spine, np.tile([0.0, 0, 1.0], (len(spine), 1)), fat, fat, 6)


# -- born with


def _beast_ears(design: Design, frame: HeadFrame, rig: Rigging) -> list[Part]:
    kind, hair = design.extras.ears, design.hair
    inner = blend(design.face.skin, "#f7a3ad", 0.6)
    if kind in ("cat", "fox"):
        tall = 0.135 if kind == "cat" else 0.175
        wide = 0.062 if kind == "cat" else 0.068
        base = np.array([0.092, 0.285, -0.005])
        tip = base + vec(0.048, tall, -0.010)
        spine = bezier([base, base + vec(0.0, 0.5 * tall, 0.004), tip], 12)
        fat = wide * curve(((0, 1.0), (0.4, 0.80), (0.8, 0.34), (1.0, 0.03)), np.linspace(0, 1, 12))
        out = np.tile([0.32, 0.0, 1.0], (12, 1))
        outer = solid(lock(spine, out, fat, 0.36 * fat, 12), toon(hair.colour))
        if kind == "fox":
            dark = outer.vertices[:, 1] > base[1] + 0.66 * tall
            outer = recolour(outer, dark, toon(adjust(hair.colour, -0.28, 0.7, 0.3)))
        shift = np.array([0.006, -0.004, 0.36 * wide])
        slim = lock(spine[:10] + shift * np.linspace(1, 0.35, 10)[:, None], out[:10],
                    0.62 * fat[:10],
                    0.12 * fat[:10], 10)  # fmt: skip
        pink = solid(slim, inner, 0.0)
        left = [outer, pink]
        return _placed(frame, [*left, *(mirrored(part) for part in left)])
    if kind in ("bear", "mouse"):
        size = 0.052 if kind == "bear" else 0.082
        place = (0.115 if kind == "bear" else 0.135, 0.320 if kind == "bear" else 0.325, -0.02)
        outer = solid(ellipsoid(place, (size, size, 0.022), 10, 16), toon(hair.colour))
        middle = (place[0], place[1], place[2] + 0.014)
        pink = solid(ellipsoid(middle, (0.66 * size, 0.66 * size, 0.012), 8, 14), inner, 0.0)
        left = [outer, pink]
        return _placed(frame, [*left, *(mirrored(part) for part in left)])
    if kind in ("rabbit", "dog"):
        parts = []
        if kind == "rabbit":
            path = [(0.060, 0.320, -0.02), (0.075, 0.44, -0.03), (0.110, 0.53, -0.03),
                    (0.120, 0.575, -0.010)]  # fmt: skip
            wide, knots = 0.042, ((0, 0.55), (0.35, 0.9), (0.65, 1.0), (0.9, 0.6), (1.0, 0.08))
        else:
            path = [(0.105, 0.300, -0.01), (0.175, 0.345, -0.01), (0.222, 0.270, 0.0),
                    (0.212, 0.150, 0.012)]  # fmt: skip
            wide, knots = 0.050, ((0, 0.55), (0.35, 0.8), (0.7, 1.0), (0.92, 0.7), (1.0, 0.15))
        for sign in (1.0, -1.0):
            spine = frame.world(bezier(np.array(path) * [sign, 1, 1], 16))
            stiff = 60.0 if kind == "rabbit" else 16.0
            bones = rig.add(HEAD, spine[[0, 5, 10, 15]], stiffness=stiff, drag=6.0, radius=0.0)
            fat = wide * frame.size * curve(knots, np.linspace(0, 1, 16))
            out = np.tile(
                [0.25 * sign, 0.0, 1.0] if kind == "rabbit" else [sign, 0.2, 0.5], (16, 1)
            )
            for colour, grow, push, outline in (
                (hair.colour, 1.0, 0.0, 1.0),
                (inner, 0.58, 0.30, 0.0),
            ):
                if kind == "dog" and push:
                    continue
                shift = push * fat[:, None] * np.array([0.2 * sign, 0, 1.0])
                vertices, triangles = lock(spine + shift, out, grow * fat, 0.30 * grow * fat, 10)
                row = np.concatenate([np.repeat(np.linspace(0, 1, 16), 10), [0, 1.0]])
                weights = rig.along(row, HEAD, bones)
                parts.append(make_part(vertices, triangles, toon(colour), weights, outline=outline))
        return parts
    return []


def _horns(kind: str, palette: Palette) -> list[Part]:
    if kind == "none":
        return []
    dark = blend(palette.dark, "#2a2028", 0.5)
    paths = {
        "oni": [(0.066, 0.300, 0.075), (0.078, 0.365, 0.100), (0.080, 0.415, 0.100)],
        "devil": [(0.085, 0.305, 0.030), (0.150, 0.350, 0.050), (0.150, 0.430, 0.045),
                  (0.115, 0.455, 0.050)],
        "dragon": [(0.095, 0.290, 0.010), (0.160, 0.350, -0.030), (0.185, 0.400, -0.120),
                   (0.170, 0.470, -0.190)],
        "unicorn": [(0.0, 0.265, 0.120), (0.0, 0.345, 0.175), (0.0, 0.435, 0.215)],
    }  # fmt: skip
    colour = {"oni": "#f2e3c2", "unicorn": "#fff3d6", "devil": dark, "dragon": palette.accent,
              "ram": "#d8c3a0"}[kind]  # fmt: skip
    if kind == "ram":
        turn = np.linspace(0.3, 2 * np.pi * 0.98, 30)
        radius = 0.070 * (1 - 0.55 * turn / turn[-1])
        spine = np.stack([0.150 + 0.030 * turn / turn[-1], 0.245 + radius * np.sin(turn + 0.6),
                          -0.030 - radius * np.cos(turn + 0.6)], 1)  # fmt: skip
        fat = np.interp(np.linspace(0, 1, 30), (0, 1), (0.032, 0.006))
        out = np.tile([1.0, 0, 0], (30, 1))
    else:
        count = 14
        spine = bezier(paths[kind], count)
        size = {"oni": 0.026, "devil": 0.026, "dragon": 0.030, "unicorn": 0.024}[kind]
        fat = size * np.linspace(1, 0.06, count)
        if kind == "unicorn":
            fat = fat * (1 + 0.10 * np.sin(np.linspace(0, 22, count)))
        out = np.tile([0.0, 0.2, 1.0], (count, 1))
    horn = solid(lock(spine, out, fat, fat, 10), colour)
    if kind in ("oni", "dragon"):
        low = np.concatenate([np.repeat(np.arange(len(spine)), 10), [0, 0]]) < 0.25 * len(spine)
        horn = recolour(horn, low, toon(adjust(colour, -0.22, 1.1, 0.1)))
    return [horn] if kind == "unicorn" else [horn, mirrored(horn)]

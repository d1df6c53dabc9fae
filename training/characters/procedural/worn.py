"""Glasses, eyepatches and ornaments, modelled on the common head."""

import numpy as np

from training.characters.procedural.body import BONES
from training.characters.procedural.colours import Palette, lightness, toon
from training.characters.procedural.design import Design
from training.characters.procedural.hair_surfaces import CROWN, dome
from training.characters.procedural.hair_tied import bow_shapes
from training.characters.procedural.head import HEAD
from training.characters.shapes import (
    F64,
    Material,
    Part,
    ellipsoid,
    lock,
    make_part,
    mirrored,
    rigid,
    shell,
    tube,
    vec,
)

Shape = tuple[F64, np.ndarray]


def solid(shape: Shape, colour: str | Material, outline: float = 1.0) -> Part:
    """A part of one colour that is fixed to the head."""
    material = toon(colour) if isinstance(colour, str) else colour
    vertices, triangles = shape
    return make_part(
        vertices, triangles, material, rigid(len(vertices), HEAD, BONES), outline=outline
    )


def _face_z(x: F64, y: F64) -> F64:
    """About where the face's surface is."""
    inside = np.clip(1.0 - (np.abs(x) / 0.137) ** 2.15, 0.0, 1.0)
    return 0.121 * inside**0.465 + 0.0 * y


def build_glasses(design: Design) -> list[Part]:
    kind, p = design.extras.glasses, design.outfit.palette
    if kind == "none":
        return []
    x0 = 0.0625 * design.face.eye_gap
    y0 = float(np.interp(design.body.heads, (2.5, 4.0, 7.5), (0.110, 0.117, 0.127)))
    colour = {"round": p.metal, "square": p.dark, "half": p.accent, "shades": "#2a2630",
              "goggles": p.dark}[kind]  # fmt: skip
    angle = np.linspace(0, 2 * np.pi, 33)
    power, rx, ry = {"round": (2.0, 0.049, 0.047), "square": (4.0, 0.052, 0.038),
                     "half": (3.0, 0.050, 0.040), "shades": (4.0, 0.054, 0.036),
                     "goggles": (2.6, 0.056, 0.044)}[kind]  # fmt: skip
    grown = float(np.interp(design.body.heads, (2.5, 4, 7.5), (1.06, 1.0, 0.86)))
    rx, ry = rx * grown, ry * grown
    if kind == "half":
        angle = np.linspace(np.pi, 2 * np.pi, 21)
    cos, sin = np.cos(angle), np.sin(angle)
    px = x0 + rx * np.sign(cos) * np.abs(cos) ** (2 / power)
    py = y0 + ry * np.sign(sin) * np.abs(sin) ** (2 / power)
    lift = 0.019
    if kind == "goggles":
        py = py + 0.135
        pz = dome(py, np.arcsin(np.clip(px / 0.17, -0.9, 0.9)), 0.020, design.hair.volume)[..., 2]
    else:
        pz = _face_z(px, py) + lift
    spine = np.stack([px, py, pz], 1)
    thick = np.full(len(spine), 0.0042 if kind != "goggles" else 0.010)
    rim = solid(lock(spine, np.tile([0.3, 0, 1.0], (len(spine), 1)), thick, thick, 6), colour, 0.5)
    left = [rim]
    if kind in ("shades", "goggles"):
        t = np.linspace(0, 1, 6)[:, None]
        centre = np.array([x0, spine[:, 1].mean(), spine[:, 2].mean()])
        disc = centre + (spine[None] - centre) * t[..., None]
        lens = solid(shell(disc, disc - [0, 0, 0.004], wrap=False),
                      "#3a3644" if kind == "shades" else p.accent, 0.0)  # fmt: skip
        left.append(lens)
    if kind != "goggles":
        edge = np.array(
            [x0 + rx, y0 + 0.3 * ry, float(_face_z(np.array(x0 + rx), np.array(0.0)) + lift)]
        )
        arm = np.array([edge, [0.150, y0 + 0.010, 0.050], [0.153, y0 + 0.006, -0.020]])
        fat = np.full(3, 0.0042)
        left.append(solid(lock(arm, np.tile([1.0, 0, 0], (3, 1)), fat, fat, 6), colour, 0.5))
        bridge = np.array([[x0 - rx, y0 + 0.004, 0.0], [0.0, y0 + 0.009, 0.0]])
        bridge[:, 2] = _face_z(bridge[:, 0], bridge[:, 1]) + vec(lift, lift + 0.004)
        fat = np.full(2, 0.0040)
        left.append(solid(lock(bridge, np.tile([0, 0, 1.0], (2, 1)), fat, fat, 6), colour, 0.5))
        return [*left, *(mirrored(part) for part in left)]
    ring = np.linspace(0.62, 2 * np.pi - 0.62, 40)
    strap = dome(np.full(40, 0.243), ring, 0.014, design.hair.volume)
    band = lock(strap, strap * [1, 0, 1], np.full(40, 0.013), np.full(40, 0.005), 8)
    return [*left, *(mirrored(part) for part in left), solid(band, p.dark, 0.8)]


def build_eyepatch() -> list[Part]:
    angle = np.linspace(0, 2 * np.pi, 25)
    t = np.linspace(0, 1, 5)[:, None]
    x = -0.0625 + 0.046 * t * np.cos(angle)
    y = 0.118 + 0.044 * t * np.sin(angle) * (1 + 0.1 * np.sin(angle))
    outer = np.stack([x, y, _face_z(x, y) + 0.010], -1)
    patch = solid(shell(outer, outer - [0, 0, 0.005], wrap=False), "#2d2a33", 0.8)
    around = np.linspace(-np.pi, np.pi, 50)
    strap = np.stack([0.150 * np.sin(around), 0.150 - 0.16 * np.sin(around) * 0.3,
                      -0.010 + 0.142 * np.cos(around)], 1)  # fmt: skip
    fat = np.full(50, 0.005)
    return [patch, solid(lock(strap, strap * [1, 0, 1], fat, 0.4 * fat, 6), "#2d2a33", 0.4)]


def build_ornament(design: Design) -> list[Part]:
    kind, p, volume = design.extras.ornament, design.outfit.palette, design.hair.volume
    accent = p.accent
    if kind == "clip":
        centre = dome(np.array(0.222), np.array(0.52), 0.022, volume)
        across = np.array([0.85, 0.0, -0.5])
        parts = []
        for lean in (1.0, -1.0):
            step = across * 0.024 + np.array([0.0, lean * 0.020, 0.0])
            spine = centre + step * np.linspace(-1, 1, 5)[:, None]
            fat = np.full(5, 0.0055)
            parts.append(solid(lock(spine, np.tile([0.5, 0, 0.85], (5, 1)), fat, fat, 8), accent))
        return parts
    if kind in ("flower", "wreath"):
        places = [(0.250, 0.95)] if kind == "flower" else [
            (0.292, a) for a in np.linspace(-np.pi, np.pi, 9)[:-1]]  # fmt: skip
        size = 0.034 if kind == "flower" else 0.024
        tones = (accent, p.pale, p.second)
        parts = []
        for k, (y, a) in enumerate(places):
            parts += _flower(
                y, a, size, tones[k % 3] if kind == "wreath" else accent, p.metal, volume
            )
        return parts
    if kind == "star":
        parts = []
        for y, a, size in ((0.225, 0.55, 0.026), (0.195, 0.72, 0.017)):
            centre = dome(np.array(y), np.array(a), 0.026, volume)
            angle = np.pi / 2 + np.arange(11) * np.pi / 5
            radius = size * np.where(np.arange(11) % 2 == 0, 1.0, 0.45)
            side = np.array([np.cos(a), 0.0, -np.sin(a)])
            flat = radius[:, None] * (
                np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * [0, 1, 0]
            )
            grid = centre + flat[None] * np.linspace(0.05, 1, 3)[:, None, None]
            away = np.array([np.sin(a), 0, np.cos(a)]) * 0.008
            parts.append(solid(shell(grid + away, grid - away, wrap=False), p.metal, 0.8))
        return parts
    if kind == "bow":
        knot = np.array([0.0, CROWN + 0.16 * (volume - 1) + 0.010, 0.020])
        return [solid(shape, accent, 0.9)
                for shape in bow_shapes(knot, np.array([1.0, 0.1, 0]), np.array([0, 0.35, 1.0]),
                                        0.105, False)]  # fmt: skip
    if kind in ("headband", "maid", "headphones"):
        return _bands(kind, p, volume)
    if kind == "halo":
        angle = np.linspace(0, 2 * np.pi, 41)
        spine = np.stack([0.105 * np.sin(angle), 0.430 + 0.016 * np.cos(angle),
                          -0.03 + 0.105 * np.cos(angle)], 1)  # fmt: skip
        fat = np.full(41, 0.010)
        return [solid(lock(spine, np.tile([0, 1.0, 0], (41, 1)), fat, fat, 8), "#ffdf70")]
    return []


def _flower(y: float, a: float, size: float, petal: str, heart: str, volume: float) -> list[Part]:
    centre = dome(np.array(y), np.array(a), 0.018, volume)
    side = np.array([np.cos(a), 0.0, -np.sin(a)])
    up = np.array([-0.35 * np.sin(a), 0.94, -0.35 * np.cos(a)])
    out = np.cross(side, up)
    parts = []
    for k in range(5):
        turn = 2 * np.pi * k / 5 + 0.3
        middle = centre + 0.72 * size * (np.cos(turn) * side + np.sin(turn) * up)
        flat, faces = ellipsoid((0, 0, 0), (0.56 * size, 0.56 * size, 0.20 * size), 6, 9)
        parts.append(solid((middle + flat @ np.stack([side, up, out]), faces), petal, 0.7))
    parts.append(
        solid(ellipsoid(centre + 0.2 * size * out, np.full(3, 0.36 * size), 6, 9), heart, 0.6)
    )
    return parts


def _bands(kind: str, p: Palette, volume: float) -> list[Part]:
    """Over the head from ear to ear."""
    bend = np.linspace(
        -1.22 if kind != "headphones" else -1.5, 1.22 if kind != "headphones" else 1.5, 41
    )
    # An ellipse close over the hair's dome, a little before the middle of the head.
    middle = 0.178 + 0.16 * (volume - 1)
    radius = 0.160 * volume if kind != "headphones" else 0.192 * volume
    spine = np.stack(
        [radius * np.sin(bend), middle + 0.174 * volume * np.cos(bend), 0.030 + 0 * bend], 1
    )
    if kind == "headphones":
        spine[:, 1] = 0.125 + (radius + 0.058) * np.cos(bend)
        spine[:, 2] = -0.005
    out = spine - [0.0, middle, spine[0, 2]]
    wide = {"headband": 0.014, "maid": 0.013, "headphones": 0.016}[kind]
    fat = np.full(41, wide)
    colour = {"headband": p.accent, "maid": p.dark, "headphones": p.dark}[kind]
    parts = [solid(lock(spine, out, fat, np.full(41, 0.006), 8), colour)]
    if kind == "maid":
        wave = 0.010 * np.sin(np.linspace(0, 34, 41))
        rows = [spine + vec(0, 0, 0.006),
                spine + 0.036 * out / np.linalg.norm(out, axis=1, keepdims=True)
                + np.stack([0 * wave, 0 * wave, 0.016 + wave], 1)]  # fmt: skip
        outer = np.array(rows)[:, 5:36]
        parts.append(solid(shell(outer, outer - [0, 0, 0.006], wrap=False), "#fdfcff"))
    if kind == "headphones":
        for sign in (1.0, -1.0):
            x = sign * (0.176 * volume)
            centres = np.array([[x - sign * 0.014, 0.12, -0.008], [x, 0.12, -0.008],
                                [x + sign * 0.022, 0.12, -0.008],
                                [x + sign * 0.026, 0.12, -0.008]])  # fmt: skip
            size = np.array([0.040, 0.050, 0.050, 0.040])[:, None]
            shape = tube(centres, size * [0, 1.0, 0], size * [0, 0, 1.0], 18)
            parts.append(solid(shape, p.main if lightness(p.main) < 0.95 else p.accent))
            ring = tube(centres[2:] + vec(sign * 0.003, 0, 0), 0.62 * size[2:] * [0, 1.0, 0],
                        0.62 * size[2:] * [0, 0, 1.0], 14)  # fmt: skip
            parts.append(solid(ring, p.accent, 0.5))
    return parts

"""What is printed, sewn or worn flat on clothes: patterns, lapels, buttons, trims and aprons."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.characters.procedural import atlas
from training.characters.procedural.body import Body
from training.characters.procedural.colours import adjust, blend, lightness
from training.characters.procedural.design import OutfitDesign
from training.characters.procedural.fabric import Layers
from training.characters.shapes import F64

Pieces = dict[atlas.Region, NDArray[np.uint8]]


def front(points: ArrayLike) -> F64:
    """(u, v) of points given as (x, v): x in half widths of the body, as seen from the front."""
    points = np.asarray(points, np.float64)
    turn = np.arcsin(np.clip(points[:, 0], -1.0, 1.0))
    return np.stack([turn / (2 * np.pi) + 0.5, points[:, 1]], 1)


def _disc(x: float, v: float, rx: float, rv: float) -> F64:
    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    return front(np.stack([x + rx * np.cos(angle), v + rv * np.sin(angle)], 1))


def print_colour(base: str, outfit: OutfitDesign) -> str:
    """A colour of the palette for a pattern on cloth of the colour `base`."""
    p = outfit.palette
    options = [c for c in (p.second, p.accent, p.pale, p.main) if c != base]
    return max(options[:3], key=lambda c: abs(lightness(c) - lightness(base)) + 0.02)


def paint_clothes(
    outfit: OutfitDesign, body: Body, top: str, low: str, skin: str, detail: float
) -> Pieces:
    """The pieces of top, sleeves and bottom; `top` and `low` are the colours of their cloth."""
    around = 2 * np.pi * 0.9 * body.chest_w
    cell = 0.036 * body.unit * (1.25 if body.design.heads < 3.5 else 1.0)
    return {
        atlas.TOP: _top(outfit, body, top, skin, around / cell, detail),
        atlas.SLEEVE: _sleeve(outfit, body, top, cell, detail),
        atlas.BOTTOM: _bottom(outfit, body, low, cell, detail),
    }


def _top(
    outfit: OutfitDesign, body: Body, base: str, skin: str, cells: float, detail: float
) -> NDArray[np.uint8]:
    layers = Layers(atlas.TOP, detail)
    p, kind = outfit.palette, outfit.kind
    mark = print_colour(base, outfit)
    layers.pattern(outfit.pattern, mark, cells, 9, 0.9)
    dark = adjust(base, -0.16, 1.0, 0.3)
    if kind == "blazer" or (kind in ("coat", "jacket") and outfit.collar == "shirt"):
        _lapels(layers, p.pale, base, dark, 0.42 if kind != "coat" else 0.30)
        _buttons(layers, p.metal, [0.62, 0.76] if kind != "coat" else [0.5, 0.62, 0.74],
                 [0.0] if outfit.trim != "double" else [-0.2, 0.2])  # fmt: skip
        _pockets(layers, dark)
    elif kind in ("shirt", "dress") and outfit.collar in ("shirt", "stand", "ruffle"):
        layers.line(front([(0.0, 0.0), (0.0, 1.0)]), 2, dark)
        _buttons(layers, p.metal if kind == "dress" else mark, [0.2, 0.38, 0.56, 0.74], [0.0])
    elif kind == "gakuran" or (kind == "coat" and outfit.collar != "shirt"):
        layers.line(front([(0.04, 0.0), (0.04, 1.0)]), 3, dark)
        places = [0.0] if kind == "gakuran" else [-0.24, 0.24]
        _buttons(layers, p.metal, [0.14, 0.30, 0.46, 0.62, 0.78], places)
        _pockets(layers, dark)
    elif kind in ("jacket", "hoodie"):
        if kind == "jacket" or outfit.trim in ("line", "band"):
            layers.polygon(front([(-0.035, 0), (0.035, 0), (0.035, 1), (-0.035, 1)]), dark)
            layers.line(front([(0.0, 0.0), (0.0, 1.0)]), 2, p.metal)
        if kind == "hoodie":
            pocket = [(-0.55, 0.86), (-0.42, 0.66), (0.42, 0.66), (0.55, 0.86)]
            layers.polygon(front(pocket), adjust(base, -0.035))
            layers.line(front([*pocket, pocket[0]]), 2, dark)
            layers.band(mark, 0.92, 1.0)
        else:
            layers.band(p.second if p.second != base else p.accent, 0.93, 1.0)
            _pockets(layers, dark)
    elif kind == "kimono":
        _overlap(layers, skin, p.pale, p.accent)
    elif kind == "vest":
        neck = [(-0.42, 0.0), (0.42, 0.0), (0.0, 0.42)]
        layers.polygon(front(neck), p.pale)
        layers.line(front([neck[0], neck[2], neck[1]]), 5, mark)
        layers.band(mark, 0.9, 0.94)
    elif kind == "sweater":
        layers.band(mark, 0.34, 0.37)
        layers.band(mark, 0.40, 0.46)
        layers.band(adjust(base, -0.05), 0.93, 1.0)
    elif kind == "sailor":
        layers.polygon(front([(-0.40, 0.0), (0.40, 0.0), (0.0, 0.36)]), p.pale)
        if outfit.trim != "none":
            layers.band(mark, 0.93, 0.96)
    elif kind in ("tee", "tank") and outfit.pattern == "none":
        _print(layers, mark, outfit.trim)
    elif kind == "dress":
        if outfit.trim in ("line", "double"):
            _buttons(layers, p.metal, [0.40, 0.58, 0.76], [-0.22, 0.22])
        elif outfit.trim == "lace":
            layers.polygon(front([(-0.34, 0.0), (0.34, 0.0), (0.22, 1.0), (-0.22, 1.0)]), p.pale)
            for v in (0.3, 0.5, 0.7):
                layers.line(front([(-0.2, v), (0.2, v + 0.12)]), 2, mark)
                layers.line(front([(0.2, v), (-0.2, v + 0.12)]), 2, mark)
    if outfit.apron:
        layers.polygon(front([(-0.36, 0.32), (0.36, 0.32), (0.46, 1.0), (-0.46, 1.0)]), "#fdfcff")
        for sign in (-1.0, 1.0):
            layers.polygon(
                front([(sign * 0.52, 0.0), (sign * 0.36, 0.0), (sign * 0.26, 0.36),
                       (sign * 0.38, 0.36)]), "#fdfcff",
            )  # fmt: skip
    return layers.finish()


def _lapels(layers: Layers, shirt: str, base: str, dark: str, deep: float) -> None:
    layers.polygon(front([(-0.40, 0.0), (0.40, 0.0), (0.0, deep + 0.1)]), shirt)
    layers.line(front([(0.0, 0.0), (0.0, deep)]), 2, adjust(shirt, -0.12, 1.0, 0.5))
    light = adjust(base, 0.035)
    for sign in (-1.0, 1.0):
        lapel = [(0.40, 0.0), (0.60, 0.0), (0.56, 0.20), (0.66, 0.26), (0.05, deep + 0.16),
                 (0.0, deep + 0.10)]  # fmt: skip
        path = [(sign * x, v) for x, v in lapel]
        layers.polygon(front(path), light)
        layers.line(front([*path, path[0]]), 2, dark)
    layers.line(front([(0.0, deep + 0.1), (0.04, 1.0)]), 2, dark)


def _buttons(layers: Layers, colour: str, heights: list[float], places: list[float]) -> None:
    for v in heights:
        for x in places:
            layers.polygon(_disc(x, v, 0.072, 0.026), adjust(colour, -0.35, 0.9, 0.3))
            layers.polygon(_disc(x, v, 0.055, 0.020), colour)


def _pockets(layers: Layers, dark: str) -> None:
    for sign in (-1.0, 1.0):
        layers.line(front([(sign * 0.72, 0.78), (sign * 0.38, 0.80)]), 3, dark)


def _overlap(layers: Layers, skin: str, under: str, edge: str) -> None:
    """The crossed front of a kimono; her left side lies over her right one."""
    layers.polygon(front([(-0.34, 0.0), (0.34, 0.0), (0.0, 0.26)]), skin)
    for (x0, v0), (x1, v1), half in (
        ((-0.40, 0.0), (0.36, 0.62), 0.10), ((0.40, 0.0), (-0.62, 0.86), 0.10),
    ):  # fmt: skip
        for grow, colour in ((0.10, under), (0.0, edge)):
            shift = -grow if x0 < 0 else grow
            layers.polygon(
                front([(x0 - half - shift, v0), (x0 + half - shift, v0),
                       (x1 + half - shift, v1), (x1 - half - shift, v1)]), colour,
            )  # fmt: skip


def _print(layers: Layers, colour: str, trim: str) -> None:
    """A figure on the chest of a plain shirt."""
    if trim == "line":
        layers.polygon(_disc(0.0, 0.40, 0.26, 0.10), colour)
    elif trim == "double":
        angle = np.pi / 2 + np.arange(10) * np.pi / 5
        radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
        star = np.stack([0.34 * radius * np.cos(angle), 0.42 - 0.13 * radius * np.sin(angle)], 1)
        layers.polygon(front(star), colour)
    elif trim == "band":
        layers.band(colour, 0.34, 0.48)
    elif trim == "lace":
        t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        x = 16 * np.sin(t) ** 3
        y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        layers.polygon(front(np.stack([0.019 * x, 0.40 - 0.0075 * y], 1)), colour)


def _sleeve(
    outfit: OutfitDesign, body: Body, base: str, cell: float, detail: float
) -> NDArray[np.uint8]:
    layers = Layers(atlas.SLEEVE, detail)
    if outfit.kind == "vest":
        return layers.finish()
    mark = print_colour(base, outfit)
    around = 2 * np.pi * 1.5 * body.upper_r / cell
    layers.pattern(outfit.pattern, mark, max(around, 4), (body.wrist - body.shoulder) / cell, 0.9)
    trim = outfit.palette.accent if outfit.palette.accent != base else outfit.palette.pale
    if outfit.kind in ("sailor", "kimono"):
        layers.band(outfit.palette.second if outfit.kind == "sailor" else trim, 0.90, 1.0)
        layers.band(outfit.palette.pale, 0.86, 0.88)
    elif outfit.trim in ("line", "double", "band") and outfit.sleeve != "cap":
        layers.band(trim, 0.92, 0.96)
    if outfit.kind == "jacket" and outfit.trim in ("double", "lace"):
        layers.lay(outfit.palette.pale, (np.abs(layers.u - 0.25) < 0.035) * np.ones_like(layers.v))
    return layers.finish()


def _bottom(
    outfit: OutfitDesign, body: Body, base: str, cell: float, detail: float
) -> NDArray[np.uint8]:
    layers = Layers(atlas.BOTTOM, detail)
    p = outfit.palette
    mark = print_colour(base, outfit)
    if outfit.skirt != "none":
        length = max((body.waist - body.ankle) * outfit.skirt_length, 0.1)
        full = 1.15 if outfit.skirt == "straight" else 1.7
        around, down = 2 * np.pi * full * body.hips_w / cell, 1.1 * length / cell
    else:
        around, down = 2 * np.pi * 1.3 * body.thigh_r / cell, (body.hip_y - body.ankle) / cell
    big = 1.6 if outfit.pattern_low in ("check", "diamonds") else 1.0
    layers.pattern(outfit.pattern_low, mark, max(around / big, 4), max(down / big, 2), 0.85)
    trim = p.accent if p.accent != base else p.pale
    if outfit.skirt != "none":
        if outfit.trim == "line":
            layers.band(trim, 0.84, 0.89)
        elif outfit.trim == "double":
            layers.band(trim, 0.80, 0.835)
            layers.band(trim, 0.865, 0.90)
        elif outfit.trim == "band":
            layers.band(trim, 0.86, 1.0)
        elif outfit.trim == "lace":
            scallop = 0.93 + 0.02 * np.abs(np.sin(layers.u * 2 * np.pi * 22))
            layers.lay(p.pale, (layers.v > scallop) * 1.0)
        if outfit.kind == "coat":
            dark = adjust(base, -0.16, 1.0, 0.3)
            layers.line([(0.5, 0.0), (0.5, 1.0)], 4, dark)
        if outfit.kind == "kimono":
            edge = 0.46 + 0.05 * layers.v
            layers.lay(adjust(base, -0.10, 1.0, 0.2), np.abs(layers.u - edge) < 0.004)
        if outfit.apron:
            white = "#fdfcff"
            half = 0.155 * np.sqrt(np.clip(1.0 - np.clip(layers.v / 0.80, 0, 1) ** 5, 0.0, 1.0))
            half = half + 0.006 * np.abs(np.sin(layers.v * 40)) * (half > 0)
            off = np.abs(layers.u - 0.5)
            layers.lay(adjust(white, -0.12, 1, 1), (off < half + 0.004) & (half > 0))
            layers.lay(white, off < half)
    elif outfit.trousers in ("slim", "wide"):
        if outfit.trim in ("double", "band"):
            layers.lay(trim, (np.abs(layers.u - 0.75) < 0.03) * np.ones_like(layers.v))
        if outfit.kind in ("tee", "hoodie", "tank"):
            layers.line([(0.42, 0.55), (0.58, 0.55)], 2, blend(base, "#ffffff", 0.35))
    return layers.finish()

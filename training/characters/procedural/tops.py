"""Tops: the cloth on trunk and arms, and collars."""

from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters.ito_clothes import sailor_collar
from training.characters.procedural import atlas
from training.characters.procedural.body import BONES, Body
from training.characters.procedural.colours import adjust, toon
from training.characters.procedural.design import OutfitDesign
from training.characters.shapes import (
    F64,
    Material,
    Part,
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

CHEST = INDEX["chest"]
# Kind: how far the cloth is off the body at the chest and at the hem, in hundredths of a unit;
# where the hem is: waist (under a skirt or trousers), hips or low.
FITS = {
    "shirt": (0.7, 0.7, "waist"), "tee": (0.8, 1.2, "hips"), "sailor": (0.8, 1.4, "hips"),
    "blazer": (1.2, 1.7, "low"), "jacket": (1.4, 1.5, "hips"), "hoodie": (1.6, 1.5, "low"),
    "dress": (0.7, 0.8, "waist"), "coat": (1.5, 1.3, "waist"), "kimono": (1.2, 1.0, "waist"),
    "vest": (1.0, 1.1, "hips"), "sweater": (1.4, 1.3, "low"), "tank": (0.5, 0.6, "waist"),
    "gakuran": (1.3, 1.6, "low"),
}  # fmt: skip


def build_top(outfit: OutfitDesign, body: Body, base: str, sleeves: str) -> list[Part]:
    """Trunk and sleeves of the top, in the colours `base` and `sleeves`."""
    chest, hem, where = FITS[outfit.kind]
    u = body.unit
    low = {
        "waist": body.waist - 0.035 * u, "hips": body.waist - 0.075 * u,
        "low": body.hip_y + 0.005 * u,
    }[where]  # fmt: skip
    if where == "hips" and outfit.trousers != "none":
        low = body.hip_y + 0.035 * u
    columns = 40
    angle = np.linspace(-np.pi, np.pi, columns + 1)
    high = _neckline(outfit, body, angle)

    def ease(y: F64) -> F64:
        down = smoothstep(body.bust, low, y)
        return np.asarray(u * 0.01 * (chest + (hem - chest) * down))

    grid = body.trunk(low, high, ease, rows=30, columns=columns)
    rim = body.trunk(low, high, lambda y: ease(y) - 0.009 * u, rows=30, columns=columns)
    grid = np.concatenate([rim[:1], grid, rim[-1:]])
    grid = capped(grid, last=False)
    part = grid_part(grid, toon(base), body.trunk_weights(grid.reshape(-1, 3)))
    v = (high.max() - part.vertices[:, 1]) / (high.max() - low)
    part = replace(part, uv=np.stack([part.uv[:, 0], np.clip(v, 0, 1)], 1))
    parts = [atlas.TOP.on(part)]
    if outfit.sleeve != "none":
        left = _sleeve(outfit, body, sleeves, 0.01 * u * chest)
        parts += left
        parts += [mirrored(part) for part in left]
    return parts


def thickness(outfit: OutfitDesign) -> float:
    """How far the clothes of the back are off the body, in units of a body's size."""
    chest, hem, _ = FITS[outfit.kind]
    worn = 0.010 * max(chest, hem) + (0.022 if outfit.kind == "hoodie" else 0.0)
    return worn + (0.030 if outfit.cape != "none" else 0.0)


def _neckline(outfit: OutfitDesign, body: Body, angle: F64) -> F64:
    """y of the upper edge of the top, by angle from the front."""
    u = body.unit
    crew = body.collar - 0.006 * u
    front = np.exp(-((angle / 0.62) ** 2))
    if outfit.kind == "tank" or (outfit.kind == "dress" and outfit.collar == "none"):
        rise = np.where(np.abs(angle) < np.pi / 2, 0.052, 0.030) * u
        return np.asarray(crew - 0.008 * u - rise * (1 - np.abs(np.sin(angle)) ** 3))
    if outfit.collar == "none":
        return np.asarray(crew - 0.016 * u * front)
    if outfit.kind == "kimono":
        return np.asarray(crew - 0.030 * u * front)
    return np.full(len(angle), crew)


def bare_from(outfit: OutfitDesign, body: Body) -> float:
    """x on the arm from which skin shows."""
    end = {"none": -1.0, "cap": 0.0, "short": 0.08, "puff": 0.08, "rolled": 0.3, "bell": 0.55}.get(
        outfit.sleeve, 0.86
    )
    return body.shoulder + end * (body.wrist - body.shoulder)


def _sleeve(outfit: OutfitDesign, body: Body, base: str, ease: float) -> list[Part]:
    """The left sleeve."""
    u, style = body.unit, outfit.sleeve
    loose = ease + (0.003 * u if outfit.kind in ("hoodie", "sweater", "coat", "jacket") else 0.0)
    u = u * float(np.interp(body.design.heads, (4.0, 7.0), (1.0, 0.72)))
    profiles = {  # share of the arm: how far off it
        "cap": [(-0.16, ease), (0.0, ease + 0.008 * u), (0.17, ease + 0.012 * u)],
        "short": [(-0.16, ease), (0.02, ease + 0.007 * u), (0.20, ease + 0.010 * u),
                  (0.34, ease + 0.013 * u)],
        "puff": [(-0.16, ease), (-0.02, ease + 0.012 * u), (0.10, ease + 0.036 * u),
                 (0.20, ease + 0.036 * u), (0.29, ease + 0.014 * u), (0.305, ease + 0.002 * u),
                 (0.35, ease + 0.003 * u)],
        "rolled": [(-0.16, ease), (0.02, loose + 0.006 * u), (0.40, loose + 0.004 * u),
                   (0.452, loose + 0.005 * u), (0.453, loose + 0.012 * u),
                   (0.54, loose + 0.013 * u)],
        "long": [(-0.16, ease), (0.02, loose + 0.006 * u), (0.35, loose + 0.003 * u),
                 (0.75, loose + 0.006 * u), (0.90, loose + 0.007 * u), (0.99, loose + 0.004 * u)],
        "bishop": [(-0.16, ease), (0.0, ease + 0.014 * u), (0.12, ease + 0.018 * u),
                   (0.40, ease + 0.009 * u), (0.70, ease + 0.026 * u), (0.86, ease + 0.032 * u),
                   (0.94, ease + 0.020 * u), (0.95, ease + 0.004 * u), (1.0, ease + 0.005 * u)],
        "bell": [(-0.16, ease), (0.02, ease + 0.007 * u), (0.35, ease + 0.012 * u),
                 (0.70, ease + 0.042 * u), (0.96, ease + 0.066 * u)],
    }[style]  # fmt: skip
    reach = body.wrist - body.shoulder
    end = profiles[-1][0]
    at = np.unique(np.concatenate([np.linspace(-0.16, end, 26), [t for t, _ in profiles]]))
    off = curve(profiles, at)
    x = body.shoulder + reach * at
    tall = 1.22 if style == "bell" else 1.04
    drop = np.clip(off - ease - 0.012 * u, 0, None) * 0.5 if style == "bell" else 0.0 * at
    grid = body.arm_grid(x, off, tall, drop)
    inward = body.arm_grid(x[-1:], off[-1:] - 0.004 * u, tall, drop[-1:])
    deep = body.arm_grid(x[-1:] - 0.012 * u, np.array([-0.3 * body.wrist_r]), 1.0)
    grid = capped(np.concatenate([grid, inward, deep]))
    part = grid_part(grid, toon(base), body.arm_weights(grid.reshape(-1, 3)))
    v = (part.vertices[:, 0] - x[0]) / (x[-1] - x[0])
    part = replace(part, uv=np.stack([part.uv[:, 0], np.clip(v, 0, 1)], 1))
    inside = np.zeros(grid.shape[:2], np.bool_)
    inside[-2:] = True
    part = recolour(part, inside.ravel(), toon(adjust(base, -0.12, 1.0, 0.3)))
    parts = [atlas.SLEEVE.on(part)]
    p = outfit.palette
    if style == "long" and outfit.kind in ("hoodie", "jacket", "sweater"):
        colour = base if outfit.kind != "jacket" else p.second if p.second != base else p.accent
        parts.append(_cuff(body, 0.985, loose + 0.001 * u, 0.030, colour))
    elif style in ("bishop", "puff"):
        parts.append(_cuff(body, end - 0.02, ease + 0.006 * u, 0.022,
                           p.accent if p.accent != base else p.pale))  # fmt: skip
    elif style == "rolled":
        parts.append(_cuff(body, 0.50, loose + 0.0145 * u, 0.035, p.pale))
    elif style == "long" and outfit.collar == "fur":
        parts.append(_fluff(body, 0.97, loose + 0.016 * u, p.pale))
    return parts


def _cuff(body: Body, at: float, off: float, half: float, colour: str) -> Part:
    """A band about the left arm at a share of its length."""
    t = at + half * np.array([-1.0, -0.97, -0.5, 0.5, 0.97, 1.0])
    x = body.shoulder + (body.wrist - body.shoulder) * t
    offs = off + 0.004 * body.unit * np.array([-1.6, 0, 0.5, 0.5, 0, -1.6])
    grid = capped(body.arm_grid(x, offs))
    return grid_part(grid, toon(colour), body.arm_weights(grid.reshape(-1, 3)), outline=0.85)


def _fluff(body: Body, at: float, off: float, colour: str) -> Part:
    """A fur cuff."""
    bump = np.sin(np.linspace(0, np.pi, 9))
    t = at + 0.045 * np.linspace(-1, 1, 9)
    x = body.shoulder + (body.wrist - body.shoulder) * t
    grid = capped(body.arm_grid(x, off * bump, columns=22))
    return grid_part(grid, toon(colour), body.arm_weights(grid.reshape(-1, 3)))


def build_collar(outfit: OutfitDesign, body: Body, base: str) -> list[Part]:
    """The collar of the top."""
    p, u = outfit.palette, body.unit
    neck, y = body.neck_r, body.collar
    kind = outfit.collar
    if kind == "sailor":
        colour = p.second if outfit.kind == "sailor" else p.pale
        if colour == base or outfit.kind == "sailor":
            colour = p.main if p.main != base else p.second
        return [_sailor(body, toon(colour), toon(p.accent if p.accent != colour else p.pale))]
    if kind == "shirt":
        colour = p.pale if outfit.kind in ("blazer", "vest", "dress", "sweater") else base
        if outfit.kind in ("coat", "jacket"):
            colour = p.pale
        return _turned_collar(body, toon(colour))
    if kind in ("stand", "turtle"):
        high = 0.034 * u if kind == "stand" else 0.045 * u
        rows = [(y - 0.034 * u, 1.62), (y - 0.014 * u, 1.38), (y, 1.24), (y + 0.6 * high, 1.20),
                (y + high, 1.20), (y + high, 1.05)]  # fmt: skip
        return [neck_ring(body, rows, toon(base))]
    if kind == "fur":
        return [torus(body, y + 0.010 * u, 1.55 * neck, 0.030 * u, toon(p.pale), bumps=11)]
    if kind == "ruffle":
        angle = np.linspace(-np.pi, np.pi, 73)
        wave = 0.006 * u * np.sin(16 * angle)
        frill = np.stack([
            _ring(body, y + 0.004 * u, 1.10 * neck + 0 * angle, angle),
            _ring(body, y + 0.016 * u, 1.35 * neck + 0.010 * u + wave, angle),
            _ring(body, y + 0.004 * u, 1.5 * neck + 0.028 * u + 1.3 * wave, angle),
        ])  # fmt: skip
        inner = frill - np.array([0, 0.005 * u, 0])
        vertices, triangles = shell(frill, inner, wrap=False)
        return [make_part(vertices, triangles, toon(p.pale), rigid(len(vertices), CHEST, BONES))]
    if kind == "hood":
        return _hood(outfit, body, base)
    if kind == "kimono":
        rows = [(y - 0.016 * u, 1.30), (y + 0.002 * u, 1.34), (y + 0.006 * u, 1.28),
                (y - 0.004 * u, 1.10)]  # fmt: skip
        return [neck_ring(body, rows, toon(p.accent), open_front=0.45)]
    return []


def _ring(body: Body, y: float, radius: F64, angle: F64) -> F64:
    z = -0.012 * body.unit + 0.98 * radius * np.cos(angle)
    return np.stack([radius * np.sin(angle), np.full_like(angle, y), z], -1)


def neck_ring(
    body: Body, rows: list[tuple[float, float]], material: Material, open_front: float = 0.0
) -> Part:
    """A band about the neck: rows are heights and radii in radii of the neck."""
    angle = np.linspace(open_front, 2 * np.pi - open_front, 33)
    grid = np.stack([_ring(body, y, np.full(33, r * body.neck_r), angle) for y, r in rows])
    part = grid_part(grid, material, rigid(grid.shape[0] * 33, CHEST, BONES), outline=0.85)
    return part if not open_front else replace(part)


def _turned_collar(body: Body, material: Material) -> list[Part]:
    """A shirt's collar: folded over, with two points in front."""
    u, y, neck = body.unit, body.collar, body.neck_r
    angle = np.linspace(0.10, 2 * np.pi - 0.10, 49)
    ahead = np.minimum(angle, 2 * np.pi - angle)
    point = np.exp(-(((ahead - 0.52) / 0.30) ** 2))
    outer = np.stack([
        _ring(body, y + 0.020 * u, np.full(49, 1.16 * neck), angle),
        _ring(body, y + 0.018 * u, np.full(49, 1.16 * neck + 0.005 * u), angle),
        _ring(body, y + 0.004 * u, np.full(49, 1.16 * neck + 0.012 * u), angle),
        _ring(body, y - 0.006 * u, 1.16 * neck + 0.018 * u + 0.006 * u * point, angle),
    ])  # fmt: skip
    outer[3, :, 1] -= 0.024 * u * point
    outer[3, :, 2] += 0.010 * u * point
    inner = outer - np.array([0.0, 0.004 * u, 0.0])
    inner[:, :, [0, 2]] *= 0.97
    vertices, triangles = shell(outer, inner, wrap=False)
    return [make_part(vertices, triangles, material, rigid(len(vertices), CHEST, BONES))]


def _sailor(body: Body, material: Material, stripe: Material) -> Part:
    """Ito's sailor collar, on this body."""
    at = np.array([0.0, 0.2, 0.4, 0.55, 0.70, 0.705, 0.82, 0.825, 0.92, 1.0])
    columns = 49
    grids = sailor_collar(at, columns)
    sx, sy = body.shoulder / 0.112, (body.collar - body.arm) / 0.040
    sz = max(body.chest_w * 0.72 / 0.066, 0.9 * body.unit)
    placed = []
    for grid in grids:
        moved = (grid - [0.0, 1.178, -0.012]) * [sx, sy, sz]
        moved[..., 1] = np.maximum(moved[..., 1], -0.11 * body.unit * (1 + 0 * moved[..., 1]))
        placed.append(moved + vec(0.0, body.collar, -0.012 * body.unit))
    outer, inner = placed
    # It must lie on the cloth.
    for grid, gap in ((outer, 0.019), (inner, 0.015)):
        z = body.front(grid[..., 1].ravel()).reshape(grid.shape[:2])
        wide = 1.15 * body.chest_w
        round_off = np.sqrt(np.clip(1 - (grid[..., 0] / wide) ** 2, 0.05, 1.0))
        ahead = grid[..., 2] > 0
        lying = z * round_off + gap * body.unit
        grid[..., 2] = np.where(ahead, np.maximum(grid[..., 2], lying), grid[..., 2])
    vertices, triangles = shell(outer, inner, wrap=False)
    weights = np.zeros((len(vertices), BONES))
    weights[:, CHEST] = 1.0
    for sign, name in ((1.0, "l_clavicle"), (-1.0, "r_clavicle")):
        share = 0.5 * smoothstep(0.35 * body.shoulder, 0.85 * body.shoulder, sign * vertices[:, 0])
        weights *= (1 - share)[:, None]
        weights[:, INDEX[name]] += share
    part = make_part(vertices, triangles, material, weights)
    row = np.tile(np.repeat(at, columns), 2)
    return recolour(part, (row > 0.702) & (row < 0.823), stripe)


def torus(
    body: Body, y: float, radius: float, thick: float, material: Material, bumps: int = 0
) -> Part:
    """A ring about the neck, lying on the shoulders."""
    count = 40
    angle = np.linspace(0, 2 * np.pi, count)
    spine = _ring(body, y, np.full(count, radius), angle)
    spine[:, 1] -= 0.35 * radius * np.cos(angle) * 0.5
    out = np.stack([np.sin(angle), 0.2 + 0 * angle, np.cos(angle)], -1)
    fat = thick * (1 + (0.14 if bumps else 0.0) * np.sin(bumps * angle))
    vertices, triangles = lock(spine, out, fat, 0.9 * fat, 10)
    return make_part(vertices, triangles, material, rigid(len(vertices), CHEST, BONES))


def _hood(outfit: OutfitDesign, body: Body, base: str) -> list[Part]:
    """A hood that lies on the back, its rim about the neck, and two strings."""
    u, y, neck = body.unit, body.collar, body.neck_r
    back = float(body.trunk_knots()[8][2])
    vertices, triangles = ellipsoid(
        (0.0, y - 0.020 * u, -0.012 * u - 0.75 * back), (0.085 * u, 0.060 * u, 0.042 * u), 12, 20
    )
    vertices[:, 2] -= 0.25 * (y - vertices[:, 1])
    bag = make_part(vertices, triangles, toon(base), rigid(len(vertices), CHEST, BONES))
    rim = torus(body, y + 0.006 * u, 1.28 * neck + 0.016 * u, 0.019 * u, toon(base))
    parts = [bag, rim]
    for sign in (1.0, -1.0):
        x = sign * 0.022 * u
        start = np.array([x, y - 0.020 * u, 0.0])
        heights = start[1] - np.linspace(0.0, 0.085 * u, 7)
        z = body.front(heights, 0.026 * u)
        spine = np.stack([np.full(7, x) + sign * np.linspace(0, 0.006 * u, 7), heights, z], 1)
        size = np.full(7, 0.0042 * u)
        v, t = lock(spine, np.tile([0.0, 0.0, 1.0], (7, 1)), size, size, 6)
        parts.append(make_part(v, t, toon(outfit.palette.pale), rigid(len(v), CHEST, BONES),
                               outline=0.6))  # fmt: skip
    return parts

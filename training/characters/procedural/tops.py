"""Tops: the cloth on trunk and arms, collars, and what is worn at the neck."""

from dataclasses import replace

import numpy as np

from training.characters.ito_clothes import sailor_collar
from training.characters.procedural import atlas
from training.characters.procedural.body import BONES, Body
from training.characters.procedural.colours import adjust, toon
from training.characters.procedural.design import OutfitDesign
from training.characters.procedural.hair_tied import bow_shapes
from training.characters.procedural.rigging import Rigging
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
    tube,
    vec,
)
from training.motion.rig import INDEX

CHEST = INDEX["chest"]
# Kind: how far the cloth is off the body at the chest and at the hem, in hundredths of a unit;
# where the hem is: waist (under a skirt or trousers), hips or low.
_FITS = {
    "shirt": (0.7, 0.7, "waist"), "tee": (0.8, 1.2, "hips"), "sailor": (0.8, 1.4, "hips"),
    "blazer": (1.2, 1.7, "low"), "jacket": (1.4, 1.5, "hips"), "hoodie": (1.6, 1.5, "low"),
    "dress": (0.7, 0.8, "waist"), "coat": (1.5, 1.3, "waist"), "kimono": (1.2, 1.0, "waist"),
    "vest": (1.0, 1.1, "hips"), "sweater": (1.4, 1.3, "low"), "tank": (0.5, 0.6, "waist"),
    "gakuran": (1.3, 1.6, "low"),
}  # fmt: skip


def build_top(outfit: OutfitDesign, body: Body, base: str, sleeves: str) -> list[Part]:
    """Trunk and sleeves of the top, in the colours `base` and `sleeves`."""
    chest, hem, where = _FITS[outfit.kind]
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
    chest, hem, _ = _FITS[outfit.kind]
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
        return [_neck_ring(body, rows, toon(base))]
    if kind == "fur":
        return [_torus(body, y + 0.010 * u, 1.55 * neck, 0.030 * u, toon(p.pale), bumps=11)]
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
        return [_neck_ring(body, rows, toon(p.accent), open_front=0.45)]
    return []


def _ring(body: Body, y: float, radius: F64, angle: F64) -> F64:
    z = -0.012 * body.unit + 0.98 * radius * np.cos(angle)
    return np.stack([radius * np.sin(angle), np.full_like(angle, y), z], -1)


def _neck_ring(
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


def _torus(
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
    rim = _torus(body, y + 0.006 * u, 1.28 * neck + 0.016 * u, 0.019 * u, toon(base))
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


def build_neckwear(outfit: OutfitDesign, body: Body, rig: Rigging) -> list[Part]:
    """Bow, tie, scarf and the like."""
    p, u, kind = outfit.palette, body.unit, outfit.neckwear
    colour = toon(p.accent)
    thick = 0.01 * u * _FITS[outfit.kind][0] + 0.010 * u
    if kind == "none":
        return []
    if kind in ("bow", "kerchief"):
        y = body.collar - (0.048 if outfit.collar == "sailor" else 0.022) * u
        knot = np.array([0.0, y, float(body.front(y, thick + 0.010 * u)[0])])
        size = (0.058 if kind == "bow" else 0.046) * u
        parts = []
        bones = None
        for k, (vertices, triangles) in enumerate(
            bow_shapes(knot, np.array([1.0, 0, 0]), np.array([0, 0.15, 1.0]), size, True)
        ):
            if k in (2, 4):  # the hanging ends
                if bones is None:
                    ends = knot + np.array([[0, 0, 0], [0, -0.6, 0.12], [0, -1.25, 0.1]]) * size
                    bones = rig.add(CHEST, ends, stiffness=9, drag=5, radius=0.008)
                t = (knot[1] - vertices[:, 1]) / (1.25 * size)
                weights = rig.along(np.clip(t, 0, 1), CHEST, bones)
            else:
                weights = rigid(len(vertices), CHEST, BONES)
            parts.append(make_part(vertices, triangles, colour, weights, outline=0.85))
        return parts
    if kind == "tie":
        top, low = body.collar - 0.012 * u, body.waist + 0.02 * u
        at = np.linspace(top, low, 14)
        z = body.front(at, thick + 0.004 * u)
        spine = np.stack([0 * at, at, z], 1)
        t = np.linspace(0, 1, 14)
        fat = u * curve(((0, 0.016), (0.06, 0.017), (0.10, 0.009), (0.80, 0.021), (0.9, 0.022),
                         (1.0, 0.002)), t)  # fmt: skip
        vertices, triangles = lock(spine, np.tile([0, 0, 1.0], (14, 1)), fat,
                                   np.full(14, 0.004 * u), 10)  # fmt: skip
        part = make_part(vertices, triangles, colour, body.trunk_weights(vertices), outline=0.8)
        stripe = np.floor(vertices[:, 1] / (0.022 * u)) % 3 == 0
        return [recolour(part, stripe, toon(p.second))] if outfit.pattern != "none" else [part]
    if kind in ("choker", "pendant"):
        y = 0.5 * (body.collar + body.chin) - 0.012 * u
        rows = [(y - 0.007 * u, 1.0), (y - 0.006 * u, 1.12), (y + 0.006 * u, 1.12),
                (y + 0.007 * u, 1.0)]  # fmt: skip
        ring = _neck_ring(body, rows, toon(p.dark if kind == "choker" else p.metal))
        gem_y = y - 0.006 * u if kind == "choker" else body.collar - 0.035 * u
        gem_z = 1.15 * body.neck_r if kind == "choker" else float(body.front(gem_y, thick)[0])
        vertices, triangles = ellipsoid(
            (0, gem_y, gem_z), np.array([0.009, 0.011, 0.006]) * u, 7, 9
        )
        gem = make_part(vertices, triangles, toon(p.accent), rigid(len(vertices), CHEST, BONES),
                        outline=0.7)  # fmt: skip
        return [ring, gem]
    return _scarf(outfit, body, rig)


def _scarf(outfit: OutfitDesign, body: Body, rig: Rigging) -> list[Part]:
    """A scarf wound about the neck, one end down the back and one in front."""
    p, u = outfit.palette, body.unit
    colour, stripe = toon(p.accent), toon(p.pale)
    y = body.collar + 0.006 * u
    thick = 0.026 * u
    parts = [_torus(body, y, 1.45 * body.neck_r + 0.006 * u, thick, colour)]
    for sign, x, length in ((1.0, 0.035, 0.24), (-1.0, -0.03, 0.30)):
        at = np.linspace(y, y - length * u, 13)
        if sign > 0:
            z = body.front(at, 0.034 * u)
        else:
            knots = np.array(body.trunk_knots(0.034 * u))
            z = -np.interp(at, knots[:, 0], knots[:, 2]) - 0.010 * u
            z = np.minimum.accumulate(z)
        spine = np.stack([np.full(13, x * u), at, z], 1)
        bones = rig.add(CHEST, spine[[0, 4, 8, 12]], stiffness=6, drag=4.5, radius=0.02 * u)
        fat = u * np.interp(np.linspace(0, 1, 13), (0, 0.2, 1), (0.018, 0.026, 0.030))
        vertices, triangles = lock(spine, np.tile([0, 0, sign], (13, 1)), fat,
                                   np.full(13, 0.008 * u), 10)  # fmt: skip
        t = np.clip((y - vertices[:, 1]) / (length * u), 0, 1)
        part = make_part(vertices, triangles, colour, rig.along(t, CHEST, bones))
        parts.append(recolour(part, (t > 0.80) & (t < 0.90), stripe))
    return parts


def build_cape(outfit: OutfitDesign, body: Body, rig: Rigging) -> list[Part]:
    """A cape down the back, on springs, with a clasp at the neck."""
    if outfit.cape == "none":
        return []
    p, u = outfit.palette, body.unit
    long = outfit.cape == "long"
    colour, lining = p.accent if p.accent != p.main else p.dark, p.second
    columns = 57
    v = np.concatenate([np.linspace(0.0, 0.93, 17), [0.932, 1.0]])[:, None]
    rows = len(v)
    s = np.linspace(-1.0, 1.0, columns)[None, :]
    top = body.collar + 0.010 * u
    low = body.knee - 0.05 * u if long else body.waist - 0.02 * u
    y = top - (top - low) * v**1.15 + 0 * s
    knots = np.array(body.trunk_knots(0.028 * u))
    deep = np.interp(y, knots[:, 0], knots[:, 2])
    deep = np.maximum.accumulate(deep, axis=0)
    drop = (top - y) / (body.collar - body.crotch)
    wide = np.interp(
        drop, (0.0, 0.16, 0.5, 1.0, 2.0),
        (1.35 * body.neck_r, 1.02 * body.shoulder, 1.12 * body.shoulder, 1.3 * body.shoulder,
         1.6 * body.shoulder),
    )  # fmt: skip
    wave = np.sin(s * 19.0 + 0.6)
    folds = 0.020 * u * wave * smoothstep(0.12, 0.9, v)
    x = wide * np.sin(s * np.radians(82.0)) / np.sin(np.radians(82.0))
    arc = np.cos(s * np.radians(82.0))
    behind = deep * smoothstep(0.0, 0.12, v) + (1 - smoothstep(0.0, 0.12, v)) * 1.3 * body.neck_r
    z = -0.012 * u - behind * (0.35 + 0.65 * arc) - 0.10 * u * v**1.5 - folds
    outer = np.stack([x, y, z], -1)
    inner = outer + np.array([0.0, 0.0, 0.007 * u])
    first = 5
    steps = np.linspace(first, rows - 1, 4).round().astype(int)
    picks = np.linspace(2, columns - 3, 5).round().astype(int)
    chains = [rig.add(CHEST, outer[steps, c], stiffness=5.0, drag=5.0, radius=0.012) for c in picks]
    t = np.repeat((np.arange(rows) - first) / (rows - 1 - first), columns)
    place = np.tile((np.arange(columns) - picks[0]) / (picks[1] - picks[0]), rows)
    weights = rig.between(t, place, CHEST, chains)
    vertices, triangles = shell(outer, inner, wrap=False)
    part = make_part(vertices, triangles, toon(colour), np.concatenate([weights, weights]))
    count = rows * columns
    trim = np.concatenate([np.repeat(np.arange(rows) >= rows - 2, columns), np.zeros(count, bool)])
    if outfit.trim in ("line", "double", "band"):
        part = recolour(part, trim, toon(p.metal))
    crease = np.zeros(len(vertices))
    crease[:count] = (-0.8 * smoothstep(0.2, 1.0, wave) * smoothstep(0.1, 0.6, v)).ravel()
    part = replace(part, bias=crease)
    part = recolour(part, np.arange(len(vertices)) >= count, toon(adjust(lining, -0.06, 1, 0.2)))
    ring = _torus(body, body.collar + 0.004 * u, 1.30 * body.neck_r + 0.010 * u, 0.014 * u,
                  toon(colour))  # fmt: skip
    y0 = body.collar - 0.016 * u
    vertices, triangles = ellipsoid(
        (0, y0, float(body.front(y0, 0.024 * u)[0])), np.array([0.014, 0.014, 0.008]) * u, 7, 10
    )
    clasp = make_part(vertices, triangles, toon(p.metal), rigid(len(vertices), CHEST, BONES))
    return [part, ring, clasp]


def build_belt(outfit: OutfitDesign, body: Body) -> list[Part]:
    """Belt, sash or obi about the waist."""
    kind, p, u = outfit.belt, outfit.palette, body.unit
    if kind == "none":
        return []
    half = {"belt": 0.013, "sash": 0.022, "obi": 0.046}[kind] * u
    middle = body.waist + (0.022 * u if kind == "obi" else 0.0)
    over = 0.01 * u * _FITS[outfit.kind][1] + (0.008 if kind == "belt" else 0.010) * u
    at = middle + half * np.array([-1.0, -0.98, -0.5, 0.5, 0.98, 1.0])
    grids = [body.trunk(y, y + 1e-6, over + d * u, rows=2, columns=36)[:1]
             for y, d in zip(at, (-0.008, 0, 0.001, 0.001, 0, -0.008), strict=True)]  # fmt: skip
    grid = np.concatenate(grids)
    colour = p.dark if kind == "belt" else p.accent
    weights = body.trunk_weights(grid.reshape(-1, 3))
    parts = [grid_part(grid, toon(colour), weights, outline=0.8)]
    if kind == "belt":
        spot = np.array([0.0, middle, float(body.front(middle, over + 0.004 * u)[0])])
        size = 0.016 * u
        centres = (
            spot + np.array([[0, 0, -1.0], [0, 0, -0.9], [0, 0, 0.9], [0, 0, 1.0]]) * 0.004 * u
        )
        vertices, triangles = tube(
            centres,
            np.tile([size, 0, 0], (4, 1)) * [[0.8], [1], [1], [0.8]],
            np.tile([0, size, 0], (4, 1)) * [[0.8], [1], [1], [0.8]],
            16,
            power=6,
        )
        parts.append(make_part(vertices, triangles, toon(p.metal), body.trunk_weights(vertices)))
    else:
        back = float(np.interp(middle, *np.array(body.trunk_knots(over))[:, [0, 2]].T))
        knot = np.array([0.0, middle, -back - 0.008 * u])
        size = (0.085 if kind == "obi" else 0.065) * u
        ribbon = toon(p.accent if kind == "sash" else p.second)
        across, out = vec(1.0, 0.15, 0.0), vec(0.0, 0.0, -1.0)
        for vertices, triangles in bow_shapes(knot, across, out, size, True):
            weights = body.trunk_weights(np.repeat(knot[None], len(vertices), 0))
            parts.append(make_part(vertices, triangles, ribbon, weights))
    return parts

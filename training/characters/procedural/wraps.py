"""What is wound about a body: bows, ties and scarves, capes, belts and sashes."""

from dataclasses import replace

import numpy as np

from training.characters.procedural.body import BONES, Body
from training.characters.procedural.colours import adjust, toon
from training.characters.procedural.design import OutfitDesign
from training.characters.procedural.hair_tied import bow_shapes
from training.characters.procedural.rigging import Rigging
from training.characters.procedural.tops import CHEST, FITS, neck_ring, torus
from training.characters.shapes import (
    Part,
    curve,
    ellipsoid,
    grid_part,
    lock,
    make_part,
    recolour,
    rigid,
    shell,
    smoothstep,
    tube,
    vec,
)


def build_neckwear(outfit: OutfitDesign, body: Body, rig: Rigging) -> list[Part]:
    """Bow, tie, scarf and the like."""
    p, u, kind = outfit.palette, body.unit, outfit.neckwear
    colour = toon(p.accent)
    thick = 0.01 * u * FITS[outfit.kind][0] + 0.010 * u
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
        ring = neck_ring(body, rows, toon(p.dark if kind == "choker" else p.metal))
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
    parts = [torus(body, y, 1.45 * body.neck_r + 0.006 * u, thick, colour)]
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
    ring = torus(body, body.collar + 0.004 * u, 1.30 * body.neck_r + 0.010 * u, 0.014 * u,
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
    over = 0.01 * u * FITS[outfit.kind][1] + (0.008 if kind == "belt" else 0.010) * u
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

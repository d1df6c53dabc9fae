"""Skirts, trousers, socks and shoes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters.ito_body import FOOT
from training.characters.procedural import atlas
from training.characters.procedural.body import BONES, Body, smooth_steps
from training.characters.procedural.colours import adjust, toon
from training.characters.procedural.design import OutfitDesign
from training.characters.procedural.rigging import Rigging
from training.characters.shapes import (
    F64,
    Material,
    Part,
    capped,
    curve,
    grid_part,
    make_part,
    mirrored,
    recolour,
    rigid,
    shell,
    smoothstep,
    tube,
)
from training.characters.skirt import Legs, SkirtDeformer

HIPS = INDEX["hips"]
MakeDeformer = Callable[[int], SkirtDeformer]


def build_skirt(
    outfit: OutfitDesign, body: Body, rig: Rigging, base: str
) -> tuple[Part, MakeDeformer]:
    """The skirt, and what makes its deformer once its first vertex in the mesh is known."""
    u, style = body.unit, outfit.skirt
    coat = outfit.kind == "coat"
    top = body.waist + 0.004 * u
    low = body.crotch + (body.ankle + 0.03 * u - body.crotch) * outfit.skirt_length
    low = min(low, body.crotch - 0.03 * u)
    length = top - low
    columns = 96 if style in ("pleated", "frills") else 64
    rows = np.unique(np.concatenate([np.linspace(0, 1, 15), [0.03, 0.97]]))
    if style == "frills":
        rows = np.unique(np.concatenate([rows, [0.345, 0.36, 0.675, 0.69]]))
    t = rows[:, None]
    phi = np.linspace(-np.pi, np.pi, columns, endpoint=False)[None, :]
    y = top - length * t
    knots = np.array(body.trunk_knots(0.014 * u if not coat else 0.020 * u))
    order = knots[:, 0]
    wide = np.interp(y, order, knots[:, 1])
    deep = np.interp(y, order, knots[:, 2])
    below = np.maximum(body.hip_y + 0.02 * u - y, 0.0)
    wide = np.maximum.accumulate(wide, axis=0)
    deep = np.maximum.accumulate(deep, axis=0)
    spread = {"pleated": 0.42, "flared": 0.46, "frills": 0.50, "straight": 0.08}[style]
    if length > 0.42 * u:
        spread *= 0.62
    if coat:
        spread = 0.22
    flare = spread * np.minimum(length, 0.5 * u) * curve(
        ((0.0, 0.0), (0.25, 0.24), (0.55, 0.57), (1.0, 1.0)), rows
    )[:, None]  # fmt: skip
    flare = flare + 0.02 * below
    fold = np.zeros((1, columns))
    depth = np.zeros((len(rows), columns))
    if style == "pleated":
        fold = np.tile([0.0, 1.0, 0.66, 0.33], columns // 4)[None, :]
        depth = 0.020 * u * smoothstep(0.05, 0.9, t) * (fold - 0.5)
    elif style in ("flared", "straight"):
        size = 0.016 if style == "flared" and not coat else 0.004
        depth = size * u * t**1.4 * np.sin(9 * phi)
    elif style == "frills":
        tier = np.minimum(np.floor(t * 3 / 1.03), 2)
        down = t * 3 - tier * 1.03
        depth = 0.014 * u * (down - 0.5) + 0.010 * u * smoothstep(0.4, 1.0, down) * np.sin(24 * phi)
    rx, rz = wide + flare + depth, deep + 0.98 * flare + depth
    outer = np.stack([rx * np.sin(phi), np.broadcast_to(y, rx.shape), rz * np.cos(phi)], -1)
    inner = outer.copy()
    middle = outer.mean(axis=1, keepdims=True)
    inner = middle + (outer - middle) * 0.955
    inner[0, :, 1] -= 0.004
    seam = [np.concatenate([g, g[:, :1]], axis=1) for g in (outer, inner)]
    vertices, triangles = shell(seam[0], seam[1], wrap=False)
    part = make_part(vertices, triangles, toon(base), rigid(len(vertices), HIPS, BONES))
    count = len(rows) * (columns + 1)
    inside = np.arange(len(vertices)) >= count
    part = recolour(part, inside, toon(adjust(base, -0.10, 1.0, 0.3)))
    around = np.linspace(0, 1, columns + 1)
    uv = np.stack(np.broadcast_arrays(around[None, :], rows[:, None]), -1).reshape(-1, 2)
    bias = np.where(inside, -2.0, 0.0)
    crease = np.where(fold[0] == 0.0, -0.85, 0.0) if style == "pleated" else np.zeros(columns)
    bias[:count] += np.tile(np.append(crease, crease[0]), len(rows))
    if style == "frills":
        under = np.isin(rows.round(3), (0.36, 0.69, 0.357, 0.714)) * -1.0
        bias[:count] += np.repeat(under, columns + 1)
    part = replace(part, bias=bias)
    full = np.concatenate([uv, uv])
    part = replace(part, uv=atlas.BOTTOM.uv(full[:, 0], full[:, 1]), textured=True)
    part.uv[inside] = atlas.CLEAR
    chains = _hem_chains(outer, columns, rig, length)
    scale = 1.20 if not coat else 1.28
    pad = 0.012 * u if outfit.trousers != "none" else 0.0
    thigh = body.hip_y - body.knee
    radius = scale * body.thigh_r + pad
    deep_hem = low < body.knee + 0.06 * u
    legs = Legs(
        thigh=thigh, radius=radius, taper=(radius - 1.18 * body.knee_r - pad) / thigh,
        gap=(0.012 if deep_hem else 0.004) * u, shin=body.knee if deep_hem else 0.0, outside=True,
    )  # fmt: skip
    rest = body.anatomy().rest_joints()

    def deformer(start: int) -> SkirtDeformer:
        return SkirtDeformer(
            start, (len(rows), columns), part.triangles, np.ascontiguousarray(outer), rest, rows,
            legs, first=-np.pi, seam=True, chains=chains,
        )  # fmt: skip

    return part, deformer


def _hem_chains(outer: F64, columns: int, rig: Rigging, length: float) -> tuple[int, int]:
    first = len(rig.chains)
    for column in range(0, columns, columns // 8):
        points = [outer[0, column], outer[-1, column]]
        rig.add(HIPS, points, stiffness=4.0 + 3.0 / max(length, 0.1), gravity=9.8, drag=5.5)
    return first, first + 8


def _trouser_profile(kind: str, body: Body) -> list[tuple[float, float]]:
    """Heights, from the hem up, and how far off the leg the cloth is there."""
    thigh, shin = body.hip_y - body.knee, body.knee - body.ankle
    top = body.hip_y + 0.02 * body.unit
    table = {
        "slim": [(body.ankle + 0.04 * shin, 0.010), (body.ankle + 0.3 * shin, 0.007),
                 (body.knee, 0.006), (top, 0.007)],
        "wide": [(body.ankle - 0.10 * shin, 0.030), (body.knee, 0.020),
                 (body.knee + 0.6 * thigh, 0.012), (top, 0.008)],
        "shorts": [(body.knee + 0.48 * thigh, 0.020), (body.knee + 0.7 * thigh, 0.013),
                   (top, 0.008)],
        "knee": [(body.knee + 0.02 * thigh, 0.016), (body.knee + 0.5 * thigh, 0.012),
                 (top, 0.008)],
    }  # fmt: skip
    return table[kind]


def build_trousers(outfit: OutfitDesign, body: Body, base: str) -> list[Part]:
    """Pelvis and both legs of trousers or shorts."""
    u, kind = body.unit, outfit.trousers
    pelvis = body.trunk(body.crotch, body.waist + 0.012 * u, 0.009 * u, rows=14, columns=36)
    rim = body.trunk(body.waist + 0.012 * u, body.waist + 0.0121 * u, 0.0, rows=2, columns=36)
    pelvis = capped(np.concatenate([pelvis, rim[:1]]), last=False)
    part = grid_part(pelvis, toon(base), body.trunk_weights(pelvis.reshape(-1, 3)))
    parts = [atlas.BOTTOM.on(replace(part, uv=part.uv * [1.0, 0.25]))]
    top = body.hip_y + 0.02 * u
    profile = _trouser_profile(kind, body)
    low = profile[0][0]
    at = np.linspace(low, top, 26)
    off = u * curve(profile, at)
    grid = body.leg_grid(at, off)
    rim = body.leg_grid(at[:1], off[:1] - 0.006 * u)
    deep = body.leg_grid(at[:1] + 0.015 * u, np.array([-0.4 * body.ankle_r]))
    grid = capped(np.concatenate([deep, rim, grid]))
    part = grid_part(grid, toon(base), body.leg_weights(grid.reshape(-1, 3)))
    v = (top - part.vertices[:, 1]) / (top - low)
    part = replace(part, uv=np.stack([part.uv[:, 0], np.clip(v, 0, 1)], 1))
    y = part.vertices[:, 1]
    part = replace(part, bias=np.where(y > top - 0.05 * u, 0.0, 0.0))
    leg = atlas.BOTTOM.on(part)
    parts += [leg, mirrored(leg)]
    if outfit.trim in ("line", "band") and kind != "slim":
        ring = [low - 0.001 * u, low, low + 0.018 * u, low + 0.019 * u]
        offs = u * curve(profile, np.array(ring)) + 0.002 * u
        band = grid_part(
            capped(body.leg_grid(ring, offs)), toon(outfit.palette.accent),
            body.leg_weights(capped(body.leg_grid(ring, offs)).reshape(-1, 3)), outline=0.7,
        )  # fmt: skip
        parts += [band, mirrored(band)]
    return parts


def build_legs(outfit: OutfitDesign, body: Body, skin: Material, spats: str) -> list[Part]:
    """Both legs with their socks, and short tights under a skirt."""
    p, u = outfit.palette, body.unit
    thigh, shin = body.hip_y - body.knee, body.knee - body.ankle
    kind = outfit.socks
    light = p.pale if p.pale != p.main else p.second
    thighs = p.dark if p.accent[1] > "9" else light
    tones = {"tights": p.dark, "thigh": thighs, "bands": p.main}
    sock = toon(tones.get(kind, light))
    if kind == "tights":
        sock = toon(adjust(p.dark, 0.02))
    edge = {
        "none": 0.0, "ankle": body.ankle + 0.22 * shin, "knee": body.ankle + 0.84 * shin,
        "striped": body.knee + 0.46 * thigh, "thigh": body.knee + 0.46 * thigh,
        "bands": body.ankle + 0.84 * shin, "tights": body.hip_y + 0.03 * u,
    }[kind]  # fmt: skip
    cover = body.knee + 0.70 * thigh if spats else 9.0
    bands: list[tuple[float, float]] = []
    if kind == "bands":
        bands = [(edge - 0.030 * u, edge - 0.020 * u), (edge - 0.048 * u, edge - 0.038 * u)]
    if kind == "striped":
        count = 9
        steps = np.linspace(body.ankle, edge, 2 * count + 1)
        bands = [(steps[2 * k], steps[2 * k + 1]) for k in range(count)]
    marks = [edge, edge + 0.0008 * u, cover, *(y for band in bands for y in band)]
    top = body.hip_y + 0.025 * u
    if outfit.trousers != "none":  # nothing shows above where they end
        top = min(_trouser_profile(outfit.trousers, body)[0][0] + 0.06 * u, top)
    at = smooth_steps(0.45 * body.ankle, top, 36 if top > body.knee else 16, *marks)
    off = np.where(at < edge, 0.0030 * u, 0.0)
    off += np.where((at < edge) & (at > edge - 0.012 * u) & (kind != "tights"), 0.0012 * u, 0.0)
    grid = capped(body.leg_grid(at, off, columns=22))
    part = grid_part(grid, skin, body.leg_weights(grid.reshape(-1, 3)))
    y = part.vertices[:, 1]
    part = recolour(part, y < edge, sock)
    for low, high in bands:
        part = recolour(part, (y > low) & (y < high), toon(p.accent))
    if spats:
        part = recolour(part, y > cover, toon(spats))
    shade = -0.9 * smoothstep(body.knee + 0.72 * thigh, body.hip_y - 0.05 * thigh, y)
    if outfit.skirt != "none":
        part = replace(part, bias=shade * (y > edge))
    foot = _foot(body, sock if kind != "none" else skin, 0.0, None)
    return [part, mirrored(part), *foot, *(mirrored(piece) for piece in foot)]


def _foot(
    body: Body, material: Material, grow: float, sole: tuple[float, float] | None
) -> list[Part]:
    """The left foot or, with `sole` (low, high), a sole under it."""
    scale = body.foot / 0.173
    thick = max(scale, 0.92 * body.ankle_r / 0.030)
    at = np.concatenate([np.linspace(-0.058, 0.10, 14), [0.108, 0.113, 0.115]])
    values = curve(FOOT, at)
    heights = values[:, 1] * max(body.ankle / 0.085, 0.72 * thick)
    if sole is None:
        low, top = np.full(len(at), 0.008 * body.unit), heights + grow
    else:
        low, top = np.full(len(at), sole[0]), np.full(len(at), sole[1])
    middle, half = 0.5 * (low + top), np.maximum(0.5 * (top - low), 0.002)
    reach = 1.0 + grow / 0.06
    x = body.hip_x + 0.012 * scale * smoothstep(-0.02, 0.11, at)
    centres = np.stack([x, middle, at * scale * reach - 0.004], 1)
    zero = np.zeros(len(at))
    side = np.stack([values[:, 0] * thick + grow, zero, zero], 1)
    up = np.stack([zero, half, zero], 1)
    vertices, triangles = tube(centres, side, up, 18, power=2.3 if sole is None else 5.0)
    weights = rigid(len(vertices), INDEX["l_foot"], BONES)
    return [make_part(vertices, triangles, material, weights)]


def _shaft(body: Body, low: float, high: float, off: float, material: Material) -> Part:
    at = np.concatenate([np.linspace(low, high, 12), [high, high - 0.01 * body.unit]])
    offs = np.full(14, off) + 0.004 * body.unit * np.linspace(0, 1, 14) ** 4
    offs[-1] = -0.2 * body.ankle_r
    grid = np.concatenate([body.leg_grid(at[k : k + 1], offs[k : k + 1]) for k in range(14)])
    grid = capped(grid)
    return grid_part(grid, material, body.leg_weights(grid.reshape(-1, 3)))


def build_shoes(outfit: OutfitDesign, body: Body) -> list[Part]:
    """Both shoes."""
    p, u, kind = outfit.palette, body.unit, outfit.shoes
    dark = toon(p.dark)
    shin = body.knee - body.ankle
    sole = {"sneakers": 0.020, "boots": 0.016, "tall": 0.016, "sandals": 0.020}.get(kind, 0.012) * u
    parts: list[Part] = []
    if kind == "sandals":
        parts += _foot(body, toon(adjust(p.dark, 0.08)), 0.004 * u, (0.0, sole))
        grid = body.leg_grid(np.array([0.9, 1.2]) * body.ankle, 0.004 * u)
        parts.append(
            grid_part(capped(grid), toon(p.accent), body.leg_weights(capped(grid).reshape(-1, 3)))
        )
    else:
        upper = {"sneakers": toon(p.accent if p.accent != p.main else p.second), "boots": dark,
                 "tall": dark, "straps": toon(p.accent)}.get(kind, dark)  # fmt: skip
        parts += _foot(body, upper, 0.005 * u, None)
        tread = toon("#f4f0ea") if kind == "sneakers" else toon(adjust(p.dark, -0.10))
        if kind in ("boots", "tall"):
            tread = toon(adjust(p.dark, 0.14, 0.7))
        parts += _foot(body, tread, 0.007 * u, (0.0, sole))
        if kind in ("boots", "tall"):
            high = body.ankle + (0.26 if kind == "boots" else 0.80) * shin
            parts.append(_shaft(body, 0.5 * body.ankle, high, 0.009 * u, upper))
            ring = np.array(
                [high - 0.018 * u, high - 0.017 * u, high + 0.003 * u, high + 0.004 * u]
            )
            grid = capped(body.leg_grid(ring, np.array([0.010, 0.015, 0.016, 0.010]) * u))
            parts.append(grid_part(grid, toon(p.accent), body.leg_weights(grid.reshape(-1, 3)),
                                   outline=0.8))  # fmt: skip
        if kind in ("sneakers", "straps"):
            high = 1.05 * body.ankle if kind == "sneakers" else 1.15 * body.ankle
            ring = high + np.array([-0.016, -0.015, 0.006, 0.007]) * u
            grid = capped(body.leg_grid(ring, np.array([0.004, 0.009, 0.009, 0.004]) * u))
            colour = toon(p.pale) if kind == "sneakers" else upper
            parts.append(grid_part(grid, colour, body.leg_weights(grid.reshape(-1, 3)),
                                   outline=0.8))  # fmt: skip
    return [*parts, *(mirrored(part) for part in parts)]

"""Tails and wings, on springs of their own."""

from itertools import pairwise

import numpy as np

from engine.mocap.rig import INDEX
from training.characters.procedural.body import Body
from training.characters.procedural.colours import adjust, blend, toon
from training.characters.procedural.design import Design
from training.characters.procedural.rigging import Rigging
from training.characters.shapes import (
    F64,
    Part,
    bezier,
    curve,
    ellipsoid,
    lock,
    make_part,
    recolour,
    rigid,
    shell,
    vec,
)

HIPS, CHEST = INDEX["hips"], INDEX["chest"]


def build_tail(design: Design, body: Body, rig: Rigging) -> list[Part]:
    """A tail from the small of the back."""
    kind, u = design.extras.tail, body.unit
    if kind == "none":
        return []
    hair = design.hair.colour
    knots = np.array(body.trunk_knots(0.012 * u))
    y = body.waist - 0.035 * u
    back = -float(np.interp(y, knots[:, 0], knots[:, 2]))
    skirt = 0.10 * u if design.outfit.skirt != "none" else 0.0

    def at(x: float, up: float, behind: float) -> tuple[float, float, float]:
        return x * u, y + up * u, back - behind * u - skirt * min(behind / 0.1, 1.0)

    if kind == "puff":
        place = np.array(at(0, -0.05, 0.03))
        vertices, triangles = ellipsoid((0, 0, 0), np.full(3, 0.062 * u), 12, 16)
        bump = np.sin(vertices[:, :1] * 150 / u) * np.sin(vertices[:, 1:2] * 130 / u)
        vertices = vertices * (1 + 0.05 * bump) + place
        tone = adjust(hair, 0.10, 0.8)
        return [make_part(vertices, triangles, toon(tone), rigid(len(vertices), HIPS, rig.bones))]
    paths = {
        "cat": [at(0, 0.0, -0.02), at(0.02, -0.02, 0.18), at(0.06, -0.30, 0.24),
                at(0.16, -0.28, 0.36), at(0.20, 0.02, 0.34), at(0.12, 0.08, 0.28)],
        "fox": [at(0, 0.0, -0.02), at(0.0, 0.02, 0.16), at(0.10, -0.26, 0.26),
                at(0.22, -0.16, 0.42), at(0.24, 0.14, 0.40), at(0.16, 0.26, 0.34)],
        "dog": [at(0, 0.0, -0.02), at(0.0, 0.02, 0.16), at(0.04, 0.16, 0.24),
                at(0.10, 0.28, 0.14), at(0.14, 0.18, 0.06)],
        "mouse": [at(0, 0.0, -0.02), at(0.0, -0.05, 0.20), at(0.06, -0.42, 0.22),
                  at(0.24, -0.46, 0.34), at(0.26, -0.20, 0.40)],
        "devil": [at(0, 0.0, -0.02), at(0.0, -0.02, 0.20), at(0.02, -0.42, 0.22),
                  at(0.22, -0.46, 0.34), at(0.34, -0.16, 0.34), at(0.26, -0.02, 0.30)],
        "dragon": [at(0, 0.0, -0.03), at(0.0, -0.06, 0.14), at(0.02, -0.46, 0.20),
                   at(0.14, -0.60, 0.42), at(0.26, -0.46, 0.52)],
    }  # fmt: skip
    widths = {
        "cat": ((0, 0.020), (0.8, 0.024), (1, 0.008)),
        "fox": ((0, 0.018), (0.3, 0.050), (0.7, 0.085), (0.9, 0.055), (1, 0.004)),
        "dog": ((0, 0.018), (0.4, 0.040), (0.8, 0.038), (1, 0.006)),
        "mouse": ((0, 0.011), (1, 0.004)),
        "devil": ((0, 0.014), (0.8, 0.009), (1, 0.007)),
        "dragon": ((0, 0.060), (0.4, 0.046), (1, 0.006)),
    }[kind]
    tones = {"cat": hair, "fox": hair, "dog": hair, "mouse": "#f3b6b6", "dragon": None}
    colour = tones.get(kind) or (
        design.outfit.palette.accent
        if kind == "dragon"
        else blend(design.outfit.palette.dark, "#1d1820", 0.4)
    )
    count = 22
    spine = bezier(paths[kind], count)
    picks = np.linspace(0, count - 1, 6).round().astype(int)
    bones = rig.add(HIPS, spine[picks], stiffness=16.0, gravity=5.0, drag=3.5, radius=0.01)
    t = np.linspace(0, 1, count)
    fat = u * curve(widths, t)
    out = np.tile([1.0, 0.1, 0.3], (count, 1))
    vertices, triangles = lock(spine, out, fat, fat, 12)
    row = np.concatenate([np.repeat(t, 12), [0.0, 1.0]])
    part = make_part(vertices, triangles, toon(colour), rig.along(row, HIPS, bones))
    if kind == "fox":
        part = recolour(part, row > 0.74, toon("#fbf6ee"))
    if kind == "cat" and design.hair.tone != "plain":
        part = recolour(part, row > 0.82, toon(design.hair.second))
    parts = [part]
    end = rig.along(np.ones(1), HIPS, bones)
    if kind == "devil":
        lead = spine[-1] - spine[-3]
        lead /= np.linalg.norm(lead)
        path = spine[-1] + lead * np.linspace(-0.01, 0.085, 8)[:, None] * u
        width = u * curve(
            ((0, 0.004), (0.35, 0.042), (0.5, 0.036), (1, 0.002)), np.linspace(0, 1, 8)
        )
        vertices, triangles = lock(path, np.tile([0.2, 0.1, 1.0], (8, 1)), width, 0.25 * width, 10)
        parts.append(make_part(vertices, triangles, toon(colour), np.repeat(end, len(vertices), 0)))
    if kind == "dragon":
        for k in range(2, count - 3, 3):
            base = spine[k] + [0, 0.75 * fat[k], -0.5 * fat[k]]
            path = base + np.array([[0, -0.2, 0.1], [0, 0.5, -0.4], [0, 1.1, -0.8]]) * fat[k]
            size = fat[k] * np.array([0.42, 0.26, 0.03])
            vertices, triangles = lock(path, np.tile([0, 0.6, 1.0], (3, 1)), size, size, 6)
            weights = np.repeat(rig.along(t[k : k + 1], HIPS, bones), len(vertices), 0)
            parts.append(make_part(vertices, triangles, toon(adjust(colour, 0.12)), weights,
                                   outline=0.7))  # fmt: skip
    return parts


def build_wings(design: Design, body: Body, rig: Rigging) -> list[Part]:
    """Wings from between the shoulder blades."""
    kind, u = design.extras.wings, body.unit
    if kind == "none":
        return []
    y = body.arm - 0.05 * u
    back = -float(np.interp(y, *np.array(body.trunk_knots(0.02 * u))[:, [0, 2]].T)) - 0.01 * u
    parts: list[Part] = []
    for sign in (1.0, -1.0):
        root = np.array([sign * 0.035 * u, y, back])
        tip = root + np.array([sign * 0.30, 0.16, -0.12]) * u
        middle = 0.5 * (root + tip) + np.array([0, 0.05, -0.02]) * u
        bones = rig.add(CHEST, [root, middle, tip], stiffness=70, gravity=3, drag=5, radius=0.0)
        make = {"angel": _feathers, "bat": _membrane, "fairy": _leaves}[kind]
        for vertices, triangles, colour in make(root, sign, u, design):
            t = np.clip(sign * (vertices[:, 0] - root[0]) / (0.30 * u), 0, 1)
            parts.append(make_part(vertices, triangles, toon(colour), rig.along(t, CHEST, bones),
                                   outline=0.85))  # fmt: skip
    return parts


Piece = tuple[F64, np.ndarray, str]


def _feathers(root: F64, sign: float, u: float, design: Design) -> list[Piece]:
    pieces: list[Piece] = []
    tone = "#ffffff" if design.seed % 3 else "#3a3444"
    for layer, count, length in ((0, 8, 0.34), (1, 7, 0.22), (2, 6, 0.13)):
        for k in range(count):
            share = k / (count - 1)
            angle = np.radians(58.0 - 118.0 * share)
            start = root + np.array([sign * (0.02 + 0.15 * (1 - share)), 0.10 * (1 - share) - 0.02,
                                     -0.02 - 0.010 * layer]) * u  # fmt: skip
            reach = length * (1.0 - 0.45 * share) * u
            lead = np.array([sign * np.cos(angle), np.sin(angle), -0.22])
            spine = start + lead * np.linspace(0, reach, 8)[:, None]
            spine[:, 1] -= 0.10 * reach * np.linspace(0, 1, 8) ** 2
            fat = (
                0.032
                * u
                * curve(((0, 0.5), (0.5, 1.0), (0.85, 0.7), (1, 0.08)), np.linspace(0, 1, 8))
            )
            vertices, triangles = lock(spine, np.tile([0, 0, -1.0], (8, 1)), fat, 0.22 * fat, 8)
            pieces.append((vertices, triangles, adjust(tone, -0.02 * layer)))
    return pieces


def _membrane(root: F64, sign: float, u: float, design: Design) -> list[Piece]:
    colour = blend(design.outfit.palette.accent, "#3a2030", 0.35)
    bone = adjust(colour, -0.14)
    elbow = root + np.array([sign * 0.16, 0.14, -0.06]) * u
    tips = [elbow + np.array([sign * x, y, z]) * u for x, y, z in
            ((0.20, 0.10, -0.06), (0.20, -0.08, -0.07), (0.11, -0.20, -0.06),
             (-0.02, -0.24, -0.04))]  # fmt: skip
    pieces: list[Piece] = []
    edges = [root + np.array([sign * 0.02, -0.05, 0.0]) * u, *tips[::-1]]
    rows, per = 8, 7
    columns = []
    for a, b in pairwise(edges):
        for k in range(per):
            share = k / per
            middle = a + (b - a) * share
            inward = 0.24 * np.sin(np.pi * share)
            columns.append(middle + (elbow - middle) * inward)
    columns.append(edges[-1])
    rim = np.array(columns)
    t = np.linspace(0.02, 1, rows)[:, None, None]
    grid = elbow + (rim[None] - elbow) * t
    vertices, triangles = shell(grid, grid + vec(0, 0, 0.006 * u), wrap=False)
    pieces.append((vertices, triangles, colour))
    for end in [*tips, None]:
        if end is None:
            path = np.array([root, 0.5 * (root + elbow) + [0, 0.02 * u, 0], elbow])
        else:
            path = elbow + (end - elbow) * np.linspace(0, 1, 4)[:, None]
        fat = u * np.linspace(0.013, 0.004 if end is not None else 0.012, len(path))
        vertices, triangles = lock(path, np.tile([0, 0, -1.0], (len(path), 1)), fat, fat, 7)
        pieces.append((vertices, triangles, bone))
    return pieces


def _leaves(root: F64, sign: float, u: float, design: Design) -> list[Piece]:
    tone = blend(design.outfit.palette.accent, "#f4fbff", 0.66)
    pieces: list[Piece] = []
    for angle, length, wide in ((0.72, 0.38, 0.085), (-0.35, 0.26, 0.065)):
        lead = np.array([sign * np.cos(angle), np.sin(angle), -0.25])
        t = np.linspace(0, 1, 12)
        spine = root + lead * (t * length * u)[:, None]
        spine[:, 1] += 0.04 * u * np.sin(np.pi * t) * np.sign(angle)
        fat = wide * u * curve(((0, 0.06), (0.35, 0.7), (0.7, 1.0), (0.92, 0.65), (1, 0.05)), t)
        out = np.tile([0, 0.1, -1.0], (12, 1))
        for grow, colour, push in ((1.0, tone, 0.0), (0.70, blend(tone, "#ffffff", 0.55), 0.004)):
            for side in (1.0, -1.0):
                shift = np.array([0, 0, side * push * u])
                vertices, triangles = lock(
                    spine + shift, out, grow * fat, np.full(12, 0.004 * u), 10
                )
                pieces.append((vertices, triangles, colour))
                if not push:
                    break
    return pieces

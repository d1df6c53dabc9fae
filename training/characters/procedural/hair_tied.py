"""Tied hair: tails, buns, braids and curls, and the ribbons that hold them."""

from typing import TYPE_CHECKING

import numpy as np

from training.characters.procedural.colours import toon
from training.characters.procedural.head import HEAD
from training.characters.shapes import (
    F64,
    Part,
    bezier,
    curve,
    ellipsoid,
    lock,
    make_part,
    rigid,
    tube,
    vec,
)

if TYPE_CHECKING:
    from training.characters.procedural.hair import HairBuilder

TIES = (
    "none", "twin_high", "twin_low", "pony_high", "pony_low", "side", "bun", "twin_buns", "braid",
    "twin_braids", "drills", "half_up",
)  # fmt: skip


def build_tied(hair: "HairBuilder") -> list[Part]:
    """What the design ties."""
    kind = hair.design.tie
    length = max(hair.design.length, 0.1)
    volume = hair.design.volume
    parts: list[Part] = []
    if kind in ("twin_high", "twin_low", "drills", "twin_braids"):
        for sign in (1.0, -1.0):
            high = kind in ("twin_high", "drills")
            low = (sign * 0.112, 0.058, -0.060) if hair.close else (sign * 0.135, 0.020, -0.085)
            root = (sign * 0.150 * volume, 0.245, -0.060) if high else low
            out = (sign * 0.085, 0.030 if high else -0.02, -0.035)
            style = {"drills": "drill", "twin_braids": "braid"}.get(kind, "locks")
            parts += _tail(hair, root, out, length, 0.046, style)
            parts += _bow(hair, np.array(root) + vec(sign * 0.018, 0.0, -0.010), sign, high)
    elif kind in ("pony_high", "pony_low", "side", "braid", "half_up"):
        root, out = {
            "pony_high": ((0.0, 0.300, -0.135), (0.0, 0.035, -0.100)),
            "half_up": ((0.0, 0.235, -0.165), (0.0, 0.010, -0.060)),
            "pony_low": ((0.0, 0.085, -0.112), (0.0, -0.010, -0.050)),
            "braid": ((0.0, 0.085, -0.112), (0.0, -0.010, -0.050)),
            "side": ((0.140, 0.200, -0.080), (0.085, 0.030, -0.030)),
        }[kind]
        style = "braid" if kind == "braid" else "locks"
        parts += _tail(hair, root, out, length, 0.062 if kind != "half_up" else 0.045, style)
        if kind in ("pony_high", "half_up", "side"):
            knot = np.array(root) + 0.10 * np.array(out)
            parts += _bow(hair, knot, 0.0 if kind != "side" else 1.0, True)
        else:
            parts += _band(hair, np.array(root) + vec(0, -0.008, -0.012), 0.030)
    elif kind in ("bun", "twin_buns"):
        places = [(0.0, 0.315, -0.125)] if kind == "bun" else [
            (s * 0.105, 0.325, -0.050) for s in (1.0, -1.0)]  # fmt: skip
        for place in places:
            radius = 0.072 if kind == "bun" else 0.056
            parts += _bun(hair, np.array(place), radius)
    return parts


def _tail(
    hair: "HairBuilder",
    root: tuple[float, float, float],
    out: tuple[float, float, float],
    length: float,
    width: float,
    style: str,
) -> list[Part]:
    """A tail from `root`, first along `out`, then down, on one chain of springs."""
    frame = hair.frame
    start = frame.world(root)
    aside = np.array(out) * frame.scale
    low = min(hair.tip_height(length), start[1] - 0.16 * frame.size)
    drop = start[1] + aside[1] - low
    count = 20
    spine = bezier(
        [start, start + aside, start + 1.35 * aside - [0, 0.45 * drop, 0],
         start + 1.0 * aside - [0, drop, 0]], count,
    )  # fmt: skip
    behind = hair.off_trunk(spine, gap=0.6 * width * frame.size + 0.012)
    spine = np.stack([spine[:, 0], spine[:, 1], np.minimum(spine[:, 2], behind[:, 2])], 1)
    for _ in range(8):
        z = spine[1:-1, 2]
        spine[1:-1, 2] = np.minimum(z, 0.5 * z + 0.25 * (spine[2:, 2] + spine[:-2, 2]))
    links = 5 if length > 0.45 else 4
    picks = np.linspace(0, count - 1, links + 1).round().astype(int)
    bones = hair.rig.add(HEAD, spine[picks], stiffness=5.0, drag=4.5,
                         radius=0.4 * width * frame.size)  # fmt: skip
    t = np.interp(np.arange(count), picks, np.linspace(0, 1, links + 1))
    weights = hair.rig.along(t, HEAD, bones)
    if style == "drill":
        return [_drill(hair, spine, width * 1.1, weights)]
    if style == "braid":
        return _braid(hair, spine, width * 0.75, weights)
    lead = np.gradient(spine, axis=0)
    side = np.cross(lead, np.array([0.3, 0.2, 1.0]))
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    front = np.cross(side, lead)
    front /= np.maximum(np.linalg.norm(front, axis=1, keepdims=True), 1e-9)
    parts = []
    u = np.linspace(0, 1, count)[:, None]
    fan = width * frame.size * np.sin(np.pi * np.clip(u, 0, 1) ** 0.7) * (1 - 0.25 * u)
    wave = hair.design.wave * 0.35 * np.sin(u * 14.0)
    for angle, reach, size in ((0, 0, 1.0), (0.4, 0.75, 0.72), (2.2, 0.72, 0.75), (3.7, 0.75, 0.70),
                               (5.3, 0.70, 0.72)):  # fmt: skip
        shift = fan * ((np.cos(angle) * reach + wave) * side + np.sin(angle) * reach * front)
        cut = count - int(hair.rng.integers(0, 3)) if reach else count
        parts.append(
            hair.strand((spine + shift)[:cut], width * size, 0.62 * width * size,
                        weights=weights[:cut], root=0.35, belly=0.42, calm=0.10)
        )  # fmt: skip
    return parts


def _drill(hair: "HairBuilder", spine: F64, width: float, weights: F64) -> Part:
    """A curl like a corkscrew."""
    count, fine = len(spine), 60
    at = np.linspace(0, count - 1, fine)
    path = np.stack([np.interp(at, np.arange(count), spine[:, k]) for k in range(3)], 1)
    t = np.linspace(0, 1, fine)
    saw = (t * 6.5) % 1.0
    radius = width * hair.frame.size * (1 - 0.62 * t) * (0.62 + 0.38 * saw**0.7)
    radius *= curve(((0, 0.5), (0.06, 1.0), (0.94, 1.0), (1.0, 0.1)), t)
    zero = np.zeros(fine)
    vertices, triangles = tube(
        path, np.stack([radius, -0.30 * radius, zero], 1), np.stack([zero, zero, radius], 1), 12
    )
    row = np.concatenate([np.repeat(at.round().astype(int), 12), [0, count - 1]])
    part = make_part(vertices, triangles, hair.material, weights[row], outline=0.85)
    fine_row = np.concatenate([np.repeat(t, 12), [0.0, 1.0]])
    part = hair.finish(part, fine_row, calm=0.0)
    part.bias[:] = np.where(np.concatenate([np.repeat(saw, 12), [0, 0]]) < 0.12, -0.8, 0.0)
    return part


def _braid(hair: "HairBuilder", spine: F64, width: float, weights: F64) -> list[Part]:
    """Knots one below the other, and a tuft at the end."""
    count = len(spine)
    length = float(np.linalg.norm(np.diff(spine, axis=0), axis=1).sum())
    size = hair.frame.size
    knots = int(np.clip(length / (0.046 * size), 5, 20))
    parts = []
    for k in range(knots):
        share = (k + 0.5) / (knots + 1)
        at = share * (count - 1)
        place = np.array([np.interp(at, np.arange(count), spine[:, i]) for i in range(3)])
        thin = 1.0 - 0.35 * share
        for lean in (1.0, -1.0):
            centre = place + np.array([lean * 0.35 * width * size * thin, 0, 0])
            vertices, triangles = ellipsoid(
                (0, 0, 0), np.array([0.62, 0.95, 0.62]) * width * size * thin, 7, 9
            )
            tilt = lean * 0.5
            turn = np.array(
                [[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]]
            )
            vertices = vertices @ turn.T + centre
            skinned = np.repeat(weights[[round(at)]], len(vertices), axis=0)
            part = make_part(vertices, triangles, hair.material, skinned, outline=0.8)
            parts.append(hair.finish(part, np.full(len(vertices), share), calm=0.1))
    first = int(0.86 * (count - 1))
    parts.append(
        hair.strand(spine[first:], width * 0.9, width * 0.7, weights=weights[first:], root=0.5)
    )
    vertices, triangles = ellipsoid(spine[first], np.full(3, 0.55 * width * size), 6, 9)
    ribbon = toon(hair.design.tie_colour)
    skinned = np.repeat(weights[[first]], len(vertices), axis=0)
    parts.append(make_part(vertices, triangles, ribbon, skinned, outline=0.8))
    return parts


def _bun(hair: "HairBuilder", place: F64, radius: float) -> list[Part]:
    """A ball of hair with a turn of hair and a band about its foot."""
    vertices, triangles = ellipsoid((0, 0, 0), (radius, 0.88 * radius, radius), 12, 18)
    swirl = (
        0.05 * radius * np.sin(5 * np.arctan2(vertices[:, 0], vertices[:, 2]) + 60 * vertices[:, 1])
    )
    vertices *= 1 + (swirl / radius)[:, None]
    world = hair.frame.world(vertices + place)
    part = make_part(world, triangles, hair.material, rigid(len(world), HEAD, hair.rig.bones))
    parts = [hair.finish(part, np.zeros(len(world)), calm=0.0)]
    foot = place + 0.62 * radius * _unit(np.array([0.0, 0.14, -0.01]) - place + [0, 0.03, 0.0])
    axis = _unit(place - foot)
    parts.append(_ring(hair, foot, axis, 0.74 * radius, 0.20 * radius))
    return parts


def _unit(vector: F64) -> F64:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def _ring(hair: "HairBuilder", centre: F64, axis: F64, radius: float, thick: float) -> Part:
    """A band about an axis, in the ribbon's colour."""
    side = _unit(np.cross(axis, [0.1, 0.3, 1.0]))
    up = np.cross(axis, side)
    angle = np.linspace(0, 2 * np.pi, 19)
    spine = centre + radius * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up)
    out = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * up
    size = np.full(19, thick)
    vertices, triangles = lock(spine, out, size, 0.5 * size, 8)
    world = hair.frame.world(vertices)
    return make_part(
        world, triangles, toon(hair.design.tie_colour), rigid(len(world), HEAD, hair.rig.bones),
        outline=0.8,
    )  # fmt: skip


def _band(hair: "HairBuilder", place: F64, radius: float) -> list[Part]:
    return [_ring(hair, place, np.array([0.0, 0.5, 1.0]), radius, 0.012)]


def bow_shapes(
    knot: F64, across: F64, out: F64, size: float, tails: bool
) -> list[tuple[F64, np.ndarray]]:
    """A bow: a knot, two loops along `across`, and two ends."""
    across, out = _unit(across), _unit(out)
    up = np.cross(out, across)
    up = up if up[1] > 0 else -up  # its ends hang, whichever way it faces
    shapes = [ellipsoid(knot + 0.15 * size * out, np.full(3, 0.24 * size), 7, 9)]
    t = np.linspace(0, 1, 10)
    for sign in (1.0, -1.0):
        tip = sign * across * size + 0.18 * size * up - 0.10 * size * out
        spine = knot + tip * t[:, None] + 0.16 * size * np.sin(np.pi * t)[:, None] * out
        fat = size * curve(((0, 0.12), (0.6, 0.46), (0.92, 0.46), (1.0, 0.30)), t)
        shapes.append(lock(spine, np.tile(out, (10, 1)), fat, 0.36 * fat, 10))
        if tails:
            bend = np.array([(0, 0, 0), (0.2, -0.35, 0.1), (0.36, -0.8, 0.16), (0.5, -1.3, 0.05)])
            steps = size * (sign * bend[:, :1] * across + bend[:, 1:2] * up + bend[:, 2:] * out)
            end = bezier(knot + steps, 9)
            fat = size * curve(((0, 0.10), (0.6, 0.18), (1.0, 0.24)), np.linspace(0, 1, 9))
            shapes.append(lock(end, np.tile(out, (9, 1)), fat, 0.22 * fat, 8))
    return shapes


def _bow(hair: "HairBuilder", knot: F64, sign: float, high: bool) -> list[Part]:
    """A ribbon's bow at the root of a tail."""
    out = np.array([0.80 * sign, 0.15, 0.35 if sign else -1.0])
    across = np.cross([0.0, 1.0, 0.0], out) if sign else np.array([1.0, 0.0, 0.0])
    across = across + np.array([0.0, 0.25 if high else 0.0, 0.0])
    ribbon = toon(hair.design.tie_colour)
    place = np.asarray(knot) + 0.030 * _unit(out) * (1.0 if sign else 0.6)
    parts = []
    for vertices, triangles in bow_shapes(place, across, out, 0.055, tails=high):
        world = hair.frame.world(vertices)
        weights = rigid(len(world), HEAD, hair.rig.bones)
        parts.append(make_part(world, triangles, ribbon, weights, outline=0.85))
    return parts

"""Ito's dress: the top with its collar and bow, and the pleated skirt."""

from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters import ito_texture
from training.characters.ito_design import (
    BONES,
    BOW,
    NAVY,
    NAVY_INSIDE,
    RED,
    WHITE,
)  # fmt: skip
from training.characters.shapes import (
    F64,
    Part,
    bezier,
    chain,
    curve,
    ellipsoid,
    limb,
    lock,
    make_part,
    recolour,
    rigid,
    shell,
    smoothstep,
)  # fmt: skip

_TORSO_LINKS = (
    (INDEX["hips"], 0.0, 0.0),
    (INDEX["spine"], 0.89, 0.045),
    (INDEX["chest"], 0.995, 0.05),
)


def build_top() -> list[Part]:
    """Torso with the painted dress, collar and chest bow."""
    return [_torso(), _belt(), _collar(), *_bow()]


def _torso() -> Part:
    knots = (  # y, half width, half depth, offset x, offset z
        (0.690, 0.060, 0.055, 0, -0.006), (0.740, 0.100, 0.082, 0, -0.008),
        (0.800, 0.106, 0.086, 0, -0.008), (0.860, 0.088, 0.070, 0, -0.002),
        (0.915, 0.073, 0.058, 0, 0.002), (0.970, 0.080, 0.066, 0, 0.004),
        (1.030, 0.092, 0.078, 0, 0.006), (1.080, 0.094, 0.072, 0, -0.001),
        (1.120, 0.092, 0.060, 0, -0.008), (1.150, 0.076, 0.049, 0, -0.011),
        (1.168, 0.052, 0.041, 0, -0.012), (1.178, 0.036, 0.036, 0, -0.012),
    )  # fmt: skip
    vertices, triangles = limb(1, knots, np.linspace(0.690, 1.178, 46), 36)
    y, x, z = vertices[:, 1], vertices[:, 0], vertices[:, 2]
    bust = np.exp(-(((np.abs(x) - 0.036) / 0.030) ** 2) - ((y - 1.035) / 0.034) ** 2)
    vertices[:, 2] += np.where(z > 0.02, 0.016 * bust, 0.0)
    weights = chain(y, _TORSO_LINKS, BONES)
    # The shoulders go along with the collar bones.
    for sign, name in ((1.0, "l_clavicle"), (-1.0, "r_clavicle")):
        share = 0.7 * smoothstep(0.035, 0.095, sign * x) * smoothstep(1.07, 1.13, y)
        weights *= (1 - share)[:, None]
        weights[:, INDEX[name]] += share
    part = make_part(vertices, triangles, WHITE, weights)
    part = recolour(part, y < 0.93, NAVY)
    return replace(part, uv=ito_texture.dress_uv(vertices), textured=True)


def _belt() -> Part:
    at = np.array([0.899, 0.900, 0.908, 0.917, 0.918])
    knots = [
        (a, 0.078 * k, 0.063 * k, 0, 0.002) for a, k in zip(at, (0.9, 1, 1.01, 1, 0.9), strict=True)
    ]
    vertices, triangles = limb(1, knots, at, 32)
    weights = chain(vertices[:, 1], _TORSO_LINKS, BONES)
    return make_part(vertices, triangles, RED, weights, outline=0.7)


def sailor_collar(at: F64, columns: int) -> tuple[F64, F64]:
    """Outer and inner (rows, columns, 3) grids of a sailor collar, rows at `at` from the neck, 0.

    It lies on the shoulders, open at the front, with a flap behind.
    """
    t = at[:, None]
    a = np.radians(np.linspace(7, 353, columns))[None, :]  # from the front, about the neck
    front, back = np.clip(np.cos(a), 0, 1), np.clip(-np.cos(a), 0, 1)
    square = np.where(back > 0, np.abs(np.sin(a)) ** 0.55, np.abs(np.sin(a))) * np.sign(np.sin(a))
    x = (0.033 + 0.056 * t) * square
    z = -0.010 + (0.036 + 0.040 * t) * front - (0.034 + 0.038 * t) * back**0.8
    y = 1.189 - 0.004 * t - 0.075 * t * front**1.3 - 0.090 * t**1.1 * back**0.8
    outer = np.stack([x, np.broadcast_to(y, x.shape), z], -1)
    inner = outer - np.stack([0 * x, 0.006 + 0 * x, 0.006 * (front - back) + 0 * x], -1)
    return outer, inner


def _collar() -> Part:
    at = np.array([0.0, 0.2, 0.4, 0.55, 0.70, 0.705, 0.82, 0.825, 0.92, 1.0])
    columns = 57
    outer, inner = sailor_collar(at, columns)
    vertices, triangles = shell(outer, inner, wrap=False)
    weights = chain(vertices[:, 1] * 0 + 1.2, _TORSO_LINKS, BONES)
    for sign, name in ((1.0, "l_clavicle"), (-1.0, "r_clavicle")):
        share = 0.5 * smoothstep(0.035, 0.095, sign * vertices[:, 0])
        weights *= (1 - share)[:, None]
        weights[:, INDEX[name]] += share
    part = make_part(vertices, triangles, NAVY, weights)
    row = np.tile(np.repeat(at, columns), 2)
    return recolour(part, (row > 0.702) & (row < 0.823), WHITE)


def _bow() -> list[Part]:
    """The red bow on her chest; its ends hang."""
    chest = INDEX["chest"]
    knot = np.array([0.0, 1.118, 0.074])
    parts = []
    for sign in (1.0, -1.0):
        tip = knot + np.array([sign * 0.075, 0.012, -0.012])
        t = np.linspace(0, 1, 12)
        spine = knot + (tip - knot) * t[:, None]
        spine[:, 2] += 0.012 * np.sin(np.pi * t)
        fat = curve(((0, 0.008), (0.65, 0.030), (0.92, 0.031), (1.0, 0.022)), t)
        out = np.tile([0.0, 0.15, 1.0], (12, 1))
        v, tri = lock(spine, out, fat, 0.42 * fat, 12)
        parts.append(make_part(v, tri, RED, rigid(len(v), chest, BONES)))
        bend = np.array(
            [(0, 0, 0), (0.016, -0.02, 0.016), (0.026, -0.06, 0.022), (0.040, -0.098, 0.010)]
        )
        end = bezier(knot + bend * [sign, 1.0, 1.0], 10)
        fat = curve(((0, 0.006), (0.6, 0.013), (1.0, 0.017)), np.linspace(0, 1, 10))
        v, tri = lock(end, np.tile([0.0, 0.0, 1.0], (10, 1)), fat, 0.25 * fat, 8)
        parts.append(make_part(v, tri, RED, rigid(len(v), BOW, BONES)))
    v, tri = ellipsoid(knot + np.array([0, 0, 0.006]), (0.015, 0.017, 0.013), 8, 12)
    parts.append(make_part(v, tri, RED, rigid(len(v), chest, BONES)))
    return parts


SKIRT_ROWS = np.array(
    [0.0, 0.08, 0.18, 0.29, 0.40, 0.51, 0.62, 0.72, 0.80, 0.803, 0.86, 0.863, 0.93, 1.0]
)
_PLEATS, _PER = 24, 4
_WAIST_Y, _HEM_Y = 0.912, 0.605


def build_skirt() -> tuple[Part, tuple[int, int]]:
    """The skirt and the (rows, columns) of its outer grid; the inner grid follows it."""
    columns = _PLEATS * _PER
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None, :]
    t = SKIRT_ROWS[:, None]
    fold = np.tile([0.0, 1.0, 0.66, 0.33], _PLEATS)[None, :]
    flare = curve(((0.0, 0.0), (0.25, 0.040), (0.55, 0.086), (1.0, 0.145)), SKIRT_ROWS)[:, None]
    depth = 0.020 * smoothstep(0.05, 0.9, t) * (fold - 0.5)
    rx, rz = 0.075 + flare + depth, 0.060 + 0.98 * flare + depth
    x, z = rx * np.sin(phi), rz * np.cos(phi) - 0.001
    y = np.broadcast_to(_WAIST_Y + (_HEM_Y - _WAIST_Y) * t, x.shape)
    outer = np.stack([x, y, z], -1)
    inner = _inner(outer)
    vertices, triangles = shell(outer, inner, wrap=True)
    part = make_part(vertices, triangles, NAVY, rigid(len(vertices), INDEX["hips"], BONES))
    count = outer.shape[0] * columns
    inside = np.arange(len(vertices)) >= count
    stripe = np.zeros(len(vertices), np.bool_)
    stripe[:count] = np.repeat((SKIRT_ROWS > 0.8015) & (SKIRT_ROWS < 0.8615), columns)
    part = recolour(recolour(part, inside, NAVY_INSIDE), stripe, RED)
    bias = np.where(inside, -2.0, 0.0)
    bias[:count] += np.tile(np.where(fold[0] == 0.0, -0.85, 0.0), len(SKIRT_ROWS))
    return replace(part, bias=bias), (len(SKIRT_ROWS), columns)


def _inner(outer: F64) -> F64:
    inner = outer.copy()
    inner[..., 0] *= 0.955
    inner[..., 2] *= 0.955
    inner[0, :, 1] -= 0.004
    return inner

"""Ito's hair: a bob over the skull, a fringe, side locks, two tied tails, and an ahoge."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from training.characters import ito_texture
from training.characters.ito_design import (
    AHOGE, BONES, CHIN, HAIR, HAIR_INSIDE, HAIR_TIP, RED, TAIL_L, TAIL_R,
)  # fmt: skip
from training.characters.ito_head import skull
from training.characters.shapes import (
    F64, Part, bezier, curve, ellipsoid, lock, make_part, recolour, rigid, shell, smoothstep,
)  # fmt: skip
from training.motion.rig import INDEX

_HEAD = INDEX["head"]
_CENTRE = np.array([0.0, CHIN + 0.17, -0.012])


def _dye(part: Part, top: float, low: float) -> Part:
    """Hair colour that turns into the tips' colour between two heights, with the gloss texture."""
    y = part.vertices[:, 1]
    mix = smoothstep(top, low, y)[:, None]
    azimuth = np.arctan2(part.vertices[:, 0], part.vertices[:, 2] - _CENTRE[2])
    # Keep the azimuth of one lock continuous where it passes behind the head.
    middle = np.arctan2(part.vertices[:, 0].mean(), (part.vertices[:, 2] - _CENTRE[2]).mean())
    azimuth = middle + (azimuth - middle + np.pi) % (2 * np.pi) - np.pi
    return replace(
        part,
        lit=(1 - mix) * HAIR.lit + mix * HAIR_TIP.lit,
        shade=(1 - mix) * HAIR.shade + mix * HAIR_TIP.shade,
        ink=(1 - mix) * HAIR.ink + mix * HAIR_TIP.ink,
        uv=ito_texture.hair_uv(azimuth, y),
        textured=True,
    )


def _round_normals(part: Part, share: float) -> Part:
    """Blend the normals with those of a ball about the head: calmer, larger shapes of shade."""
    ball = part.vertices - _CENTRE
    ball /= np.maximum(np.linalg.norm(ball, axis=1, keepdims=True), 1e-9)
    normals = (1 - share) * part.normals + share * ball
    return replace(part, normals=normals / np.linalg.norm(normals, axis=1, keepdims=True))


def _strand(
    points: Sequence[tuple[float, float, float]],
    width: float,
    thickness: float,
    *,
    bone: int = _HEAD,
    rings: int = 16,
    top: float = CHIN + 0.12,
    low: float = CHIN - 0.06,
    root: float = 0.55,
    belly: float = 0.45,
    calm: float = 0.35,
) -> Part:
    """One tapered lock along a Bezier curve, widest at `belly`, `root` of that at its root."""
    spine = bezier(points, rings)
    t = np.linspace(0.0, 1.0, rings)
    profile = curve(((0.0, root), (belly, 1.0), (0.78, 0.68), (1.0, 0.02)), t)
    out = spine - _CENTRE
    out[:, 1] *= 0.35
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    vertices, triangles = lock(spine, out, width * profile, thickness * profile, 10)
    part = make_part(vertices, triangles, HAIR, rigid(len(vertices), bone, BONES), outline=0.85)
    return _round_normals(_dye(part, top, low), calm)


def _flip(points: Sequence[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    return [(-x, y, z) for x, y, z in points]


def build_hair() -> list[Part]:
    """All of the hair and its ribbons."""
    return [*_cap(), *_fringe(), *_sides(), *_tails(), _ahoge()]


def _cap() -> list[Part]:
    """The bob: a shell from the crown to the nape, open at the face."""
    rows, columns = 34, 97
    v = np.linspace(0.0, 1.0, rows)[:, None]
    s = np.linspace(-1.0, 1.0, columns)[None, :]  # 0 is the back of the head, +-1 the face's edge
    crown = CHIN + 0.365
    teeth = np.abs((s * 6.0 + 0.5) % 1.0 - 0.5) * 2.0  # 0 at the tips of the bottom edge
    bottom = CHIN - 0.035 + 0.040 * teeth * smoothstep(0.0, 0.3, np.abs(s) + 0.5) - 0.022 * (1 - s**2)
    y = crown - (crown - bottom) * v**1.15
    h = np.clip(y - CHIN, 0.0, 0.337)
    # Where the shell starts, in azimuth from the front: nowhere on the crown, the temples below.
    start = np.radians(78.0) * smoothstep(0.335, 0.235, y - CHIN) + np.radians(8.0) * smoothstep(
        0.16, 0.02, y - CHIN
    )
    azimuth = np.pi - s * (np.pi - start) * -1.0  # back at pi
    width, front, back = (values.reshape(h.shape) for values in skull(h.ravel()))
    up = np.clip((y - CHIN - 0.10) / (crown - CHIN - 0.10), 0.0, 1.0)
    dome = np.sqrt(np.clip(1.0 - up**2.6, 0.0, 1.0))
    rx, rz = 0.168 * dome, 0.166 * dome
    # Below the ears the bob keeps its width, then turns in at the tips.
    fall = np.clip((CHIN + 0.10 - y) / 0.16, 0.0, 1.0)
    rx = rx + 0.010 * fall - 0.030 * fall**3
    rz = rz + 0.008 * fall - 0.028 * fall**3
    groove = 1.0 - (0.012 + 0.040 * fall) * teeth * smoothstep(0.05, 0.5, v)
    x = rx * groove * np.sin(azimuth)
    z = -0.016 + rz * groove * np.cos(azimuth)
    outer = np.stack([x, np.broadcast_to(y, x.shape), z], -1)
    centre = np.array([0.0, 0.0, -0.016])
    inner = outer.copy()
    inner[..., [0, 2]] = (outer[..., [0, 2]] - centre[[0, 2]]) * 0.90 + centre[[0, 2]]
    inner[..., 1] -= 0.012 * (1 - v) - 0.004 * v
    vertices, triangles = shell(outer, inner, wrap=False)
    part = make_part(vertices, triangles, HAIR, rigid(len(vertices), _HEAD, BONES))
    part = _round_normals(_dye(part, CHIN + 0.10, CHIN - 0.06), 0.25)
    inside = np.arange(len(vertices)) >= rows * columns
    uv = part.uv.copy()
    flat = np.concatenate([np.broadcast_to(azimuth, y.shape).ravel()] * 2) - np.pi
    uv[:] = ito_texture.hair_uv(flat, vertices[:, 1])
    uv[inside, 1] = 0.7  # where the atlas is clear
    bias = np.where(inside, -2.0, 0.0)
    return [replace(recolour(part, inside, HAIR_INSIDE), uv=uv, bias=bias)]


def _fringe() -> list[Part]:
    """Seven locks over the forehead; the tips end just above the eyes."""
    table = (  # x at the root, x at the tip, tip height, half width
        (0.000, 0.006, 0.150, 0.030),
        (0.030, 0.046, 0.163, 0.029),
        (-0.030, -0.036, 0.160, 0.029),
        (0.062, 0.086, 0.158, 0.030),
        (-0.062, -0.078, 0.156, 0.030),
        (0.092, 0.123, 0.128, 0.026),
        (-0.092, -0.119, 0.126, 0.026),
    )
    parts = []
    for k, (root, tip, height, half) in enumerate(table):
        lift = 0.003 * (k % 3)
        z_tip = 0.137 - 3.6 * max(abs(tip) - 0.02, 0.0) ** 2 + lift
        points = [
            (0.45 * root, CHIN + 0.356 - 0.4 * abs(root) ** 1.5, 0.030),
            (0.95 * root, CHIN + 0.345 - 1.2 * abs(root) ** 1.6, 0.118 - 0.20 * abs(root)),
            (1.25 * root, CHIN + 0.262, 0.168 - 3.6 * root**2 + lift),
            (tip, CHIN + height, z_tip),
        ]
        parts.append(_strand(points, half, 0.012, root=0.75, belly=0.42, calm=0.6))
    return parts


def _sides() -> list[Part]:
    """Long locks before the ears, that frame the face."""
    parts = []
    front = [(0.085, CHIN + 0.330, 0.045), (0.158, CHIN + 0.270, 0.080),
             (0.150, CHIN + 0.100, 0.092), (0.118, CHIN - 0.045, 0.088)]  # fmt: skip
    behind = [(0.090, CHIN + 0.325, 0.010), (0.172, CHIN + 0.260, 0.040),
              (0.172, CHIN + 0.080, 0.050), (0.142, CHIN - 0.030, 0.040)]  # fmt: skip
    for mirror in (False, True):
        for points, width in ((front, 0.027), (behind, 0.032)):
            path = _flip(points) if mirror else points
            parts.append(_strand(path, width, 0.015, root=0.6, belly=0.5, rings=20))
    return parts


def _tails() -> list[Part]:
    """Two short tails tied low with red thread, which hang as the head turns."""
    parts = []
    for sign, bone in ((1.0, TAIL_L), (-1.0, TAIL_R)):
        def at(x: float, y: float, z: float, sign: float = sign) -> tuple[float, float, float]:
            return sign * x, CHIN + y, z

        for dx, dz, length, width in ((0.0, 0.0, 0.0, 0.034), (0.024, -0.012, 0.035, 0.024),
                                      (-0.012, -0.020, 0.025, 0.026)):  # fmt: skip
            path = [at(0.120, 0.040, -0.075), at(0.185 + dx, 0.030, -0.095 + dz),
                    at(0.205 + dx, -0.060, -0.085 + dz), at(0.165 + dx, -0.165 + length, -0.060 + dz)]  # fmt: skip
            parts.append(
                _strand(path, width, 0.6 * width, bone=bone, root=0.35, belly=0.5,
                        top=CHIN + 0.01, low=CHIN - 0.14, calm=0.1)
            )  # fmt: skip
        parts += _ribbon(np.array(at(0.147, 0.038, -0.082)), sign, bone)
    return parts


def _ribbon(knot: NDArray[np.float64], sign: float, bone: int) -> list[Part]:
    """A small bow: a knot, two loops and two ends."""
    parts = []
    vertices, triangles = ellipsoid(knot, (0.015, 0.017, 0.017), 8, 10)
    parts.append(make_part(vertices, triangles, RED, rigid(len(vertices), bone, BONES)))
    out = np.array([sign * 0.75, 0.1, 0.25])
    for reach in ((0.010, 0.062, 0.016), (0.026, -0.010, 0.052)):
        tip = knot + np.array(reach) * [sign, 1, 1]
        spine = knot + (tip - knot) * np.linspace(0, 1, 10)[:, None]
        spine += out * 0.010 * np.sin(np.linspace(0, np.pi, 10))[:, None]
        fat = curve(((0, 0.007), (0.7, 0.026), (1.0, 0.012)), np.linspace(0, 1, 10))
        vertices, triangles = lock(spine, np.tile(out, (10, 1)), fat, 0.35 * fat, 10)
        parts.append(make_part(vertices, triangles, RED, rigid(len(vertices), bone, BONES)))
    return parts


def _ahoge() -> Part:
    points = [(0.0, CHIN + 0.350, -0.010), (-0.012, CHIN + 0.425, -0.030),
              (0.050, CHIN + 0.440, 0.010), (0.062, CHIN + 0.385, 0.045)]  # fmt: skip
    part = _strand(points, 0.012, 0.008, bone=AHOGE, root=0.9, belly=0.4, calm=0.0)
    return replace(part, textured=False)

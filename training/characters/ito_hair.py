"""Ito's hair: a bob over the skull, a fringe, side locks, two tied tails, and an ahoge."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX
from training.characters import ito_texture
from training.characters.ito_design import (
    AHOGE,
    BONES,
    CHIN,
    HAIR,
    HAIR_INSIDE,
    HAIR_TIP,
    RED,
    TAIL_L,
    TAIL_R,
)  # fmt: skip
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
    smoothstep,
)  # fmt: skip

_HEAD = INDEX["head"]
_CENTRE = np.array([0.0, CHIN + 0.17, -0.012])
_CROWN = CHIN + 0.354


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
    spine: F64,
    width: float,
    thickness: float,
    *,
    bone: int = _HEAD,
    top: float = CHIN + 0.12,
    low: float = CHIN - 0.06,
    root: float = 0.55,
    belly: float = 0.45,
    calm: float = 0.35,
) -> Part:
    """One tapered lock along `spine` (R, 3), widest at `belly`, `root` of that at its root."""
    t = np.linspace(0.0, 1.0, len(spine))
    profile = curve(((0.0, root), (belly, 1.0), (0.78, 0.66), (1.0, 0.02)), t)
    out = spine - _CENTRE
    out[:, 1] *= 0.35
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    vertices, triangles = lock(spine, out, width * profile, thickness * profile, 10)
    part = make_part(vertices, triangles, HAIR, rigid(len(vertices), bone, BONES), outline=0.85)
    return _round_normals(_dye(part, top, low), calm)


def build_hair() -> list[Part]:
    """All of the hair and its ribbons."""
    return [_cap(), *_back(), *_fringe(), *_sides(), *_tails(), _ahoge(), *_pin()]


def _bob(y: F64, azimuth: F64) -> F64:
    """(..., 3) points of the bob's smooth surface at a height and an azimuth from the front."""
    up = np.clip((y - CHIN - 0.10) / (_CROWN - CHIN - 0.10), 0.0, 1.0)
    dome = np.sqrt(np.clip(1.0 - up**3.1, 0.0, 1.0))
    fall = np.clip((CHIN + 0.10 - y) / 0.16, 0.0, 1.2)
    # Below the ears the bob keeps its width, then turns in at the tips.
    rx = 0.165 * dome + 0.010 * fall - 0.030 * fall**3
    rz = 0.162 * dome + 0.008 * fall - 0.028 * fall**3
    return np.stack([rx * np.sin(azimuth), y, -0.016 + rz * np.cos(azimuth)], -1)


def _cap() -> Part:
    """The bob: a shell from the crown to the nape, open at the face."""
    rows, columns = 26, 73
    v = np.linspace(0.0, 1.0, rows)[:, None]
    s = np.linspace(-1.0, 1.0, columns)[None, :]  # 0 is the back of the head, +-1 the face's edge
    bottom = CHIN - 0.020 - 0.012 * (1 - s**2)
    y = _CROWN - (_CROWN - bottom) * v**1.6
    # Where the shell starts, in azimuth from the front: nowhere on the crown, the temples below.
    start = np.radians(70.0) * smoothstep(0.335, 0.235, y - CHIN)
    start = start + np.radians(12.0) * smoothstep(0.16, 0.02, y - CHIN)
    azimuth = np.pi + s * (np.pi - start)
    outer = _bob(y, azimuth)
    inner = outer.copy()
    inner[..., 0] *= 0.90
    inner[..., 2] = (inner[..., 2] + 0.016) * 0.90 - 0.016
    inner[..., 1] -= 0.012 * (1 - v) - 0.004 * v
    vertices, triangles = shell(outer, inner, wrap=False)
    part = make_part(vertices, triangles, HAIR, rigid(len(vertices), _HEAD, BONES))
    part = _round_normals(_dye(part, CHIN + 0.10, CHIN - 0.06), 0.25)
    inside = np.arange(len(vertices)) >= rows * columns
    uv = ito_texture.hair_uv(np.concatenate([azimuth.ravel()] * 2) - np.pi, vertices[:, 1])
    uv[inside, 1] = 0.7  # where the atlas is clear
    return replace(recolour(part, inside, HAIR_INSIDE), uv=uv, bias=np.where(inside, -2.0, 0.0))


def _back() -> list[Part]:
    """Broad locks over the bob, whose tips make its lower edge."""
    table = (  # azimuth in degrees, where it starts, its tip above the chin, half width
        (180, 0.285, -0.062, 0.047), (150, 0.250, -0.045, 0.044), (-150, 0.250, -0.040, 0.044),
        (122, 0.270, -0.052, 0.043), (-122, 0.270, -0.056, 0.043), (164, 0.200, -0.050, 0.036),
        (-165, 0.210, -0.056, 0.036), (136, 0.200, -0.036, 0.036), (-136, 0.200, -0.030, 0.036),
        (100, 0.280, -0.040, 0.040), (-100, 0.280, -0.036, 0.040),
    )  # fmt: skip
    parts = []
    for k, (degrees, start, tip, half) in enumerate(table):
        y = CHIN + np.linspace(start, tip, 18)
        turn = np.radians(degrees) + np.linspace(0.0, 0.10 * (-1) ** k, 18)
        spine = _bob(y, turn)
        sink = np.linspace(0.985, 1.02, 18)[:, None]
        spine = _CENTRE + (spine - _CENTRE) * np.concatenate([sink, sink * 0 + 1, sink], 1)
        parts.append(_strand(spine, half, 0.011, root=0.25, belly=0.6, calm=0.45))
    return parts


def _fringe() -> list[Part]:
    """The fringe: locks of uneven length swept from a parting on her right."""
    table = (  # x at the root, x at the tip, tip height, half width, layer
        (0.010, 0.020, 0.140, 0.023, 2), (-0.022, -0.016, 0.166, 0.021, 1),
        (0.040, 0.055, 0.160, 0.024, 1), (-0.050, -0.052, 0.147, 0.024, 2),
        (0.068, 0.090, 0.146, 0.025, 2), (-0.074, -0.088, 0.163, 0.023, 1),
        (0.094, 0.126, 0.118, 0.026, 0), (-0.094, -0.124, 0.112, 0.026, 0),
    )  # fmt: skip
    parts = []
    for root, tip, height, half, layer in table:
        lift = 0.010 * layer
        z_tip = 0.125 - 3.4 * max(abs(tip) - 0.02, 0.0) ** 2 + lift
        spine = bezier(
            [
                (0.35 * root, CHIN + 0.322, 0.010),
                (
                    0.85 * root,
                    CHIN + 0.346 - 1.2 * abs(root) ** 1.6,
                    0.106 - 0.20 * abs(root) + lift,
                ),
                (1.28 * root, CHIN + 0.258, 0.150 - 3.4 * root**2 + lift),
                (tip, CHIN + height, z_tip),
            ],
            18,
        )
        parts.append(_strand(spine, half, 0.012, root=0.7, belly=0.45, calm=0.6))
    return parts


def _sides() -> list[Part]:
    """Long locks before the ears, that frame the face."""
    parts = []
    front = [(0.060, CHIN + 0.300, 0.040), (0.152, CHIN + 0.262, 0.078),
             (0.152, CHIN + 0.090, 0.092), (0.118, CHIN - 0.062, 0.082)]  # fmt: skip
    behind = [(0.070, CHIN + 0.295, 0.000), (0.172, CHIN + 0.250, 0.036),
              (0.176, CHIN + 0.070, 0.046), (0.144, CHIN - 0.040, 0.034)]  # fmt: skip
    for sign in (1.0, -1.0):
        for points, width in ((front, 0.027), (behind, 0.033)):
            spine = bezier(np.array(points) * [sign, 1.0, 1.0], 20)
            parts.append(_strand(spine, width, 0.015, root=0.5, belly=0.55))
    return parts


def _pin() -> list[Part]:
    """Two crossed red threads in the fringe, above her left eye."""
    centre, parts = np.array([0.080, CHIN + 0.222, 0.152]), []
    across = np.array([0.80, 0.0, -0.60])
    for lean in (1.0, -1.0):
        step = across * 0.022 + np.array([0.0, lean * 0.019, 0.0])
        spine = centre + step * np.linspace(-1, 1, 5)[:, None]
        out = np.tile([0.60, 0.0, 0.80], (5, 1))
        vertices, triangles = lock(spine, out, np.full(5, 0.0048), np.full(5, 0.0048), 8)
        parts.append(make_part(vertices, triangles, RED, rigid(len(vertices), _HEAD, BONES)))
    return parts


def _tails() -> list[Part]:
    """Two short tails tied low with red thread, which hang as the head turns."""
    parts = []
    for sign, bone in ((1.0, TAIL_L), (-1.0, TAIL_R)):

        def at(x: float, y: float, z: float, sign: float = sign) -> tuple[float, float, float]:
            return sign * x, CHIN + y, z

        for dx, dz, length, width in ((0.0, 0.0, 0.0, 0.034), (0.024, -0.012, 0.035, 0.024),
                                      (-0.012, -0.020, 0.025, 0.026)):  # fmt: skip
            path = [
                at(0.140, 0.046, -0.078),
                at(0.205 + dx, 0.036, -0.100 + dz),
                at(0.222 + dx, -0.060, -0.090 + dz),
                at(0.180 + dx, -0.165 + length, -0.060 + dz),
            ]
            parts.append(
                _strand(bezier(path, 16), width, 0.6 * width, bone=bone, root=0.35, belly=0.5,
                        top=CHIN + 0.01, low=CHIN - 0.14, calm=0.1)
            )  # fmt: skip
        parts += _ribbon(np.array(at(0.176, 0.040, -0.090)), sign, bone)
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
    part = _strand(bezier(points, 16), 0.012, 0.008, bone=AHOGE, root=0.9, belly=0.4, calm=0.0)
    return replace(part, textured=False)

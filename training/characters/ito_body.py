"""Ito's body where it shows: arms with sleeves and hands, legs with socks and shoes."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX
from training.characters.ito_design import (
    ANKLE_Y,
    ARM_Y,
    BONES,
    ELBOW,
    HIP_X,
    HIP_Y,
    KNEE_Y,
    NAVY,
    RED,
    SHOE,
    SHOULDER,
    SKIN,
    SOCK,
    SOLE,
    WHITE,
    WRIST,
)  # fmt: skip
from training.characters.shapes import (
    F64,
    Material,
    Part,
    bezier,
    chain,
    curve,
    limb,
    lock,
    make_part,
    mirrored,
    recolour,
    smoothstep,
    tube,
)  # fmt: skip

FOOT = (  # z, half width, height of the top
    (-0.058, 0.012, 0.050), (-0.050, 0.026, 0.068), (-0.020, 0.035, 0.078),
    (0.020, 0.037, 0.072), (0.060, 0.041, 0.060), (0.090, 0.037, 0.050),
    (0.108, 0.024, 0.038), (0.115, 0.006, 0.024),
)  # fmt: skip
_ARM_LINKS = (
    (INDEX["chest"], 0.0, 0.0),
    (INDEX["l_clavicle"], 0.055, 0.03),
    (INDEX["l_upper_arm"], SHOULDER, 0.035),
    (INDEX["l_forearm"], ELBOW, 0.040),
    (INDEX["l_hand"], WRIST, 0.028),
)
_LEG_LINKS = (  # along -y
    (INDEX["hips"], 0.0, 0.0),
    (INDEX["l_thigh"], -HIP_Y, 0.035),
    (INDEX["l_shin"], -KNEE_Y, 0.048),
    (INDEX["l_foot"], -ANKLE_Y, 0.022),
)


def build_limbs() -> list[Part]:
    """Both arms and both legs."""
    left = [_sleeve(), _cuff(WRIST + 0.003), *_hand(), _leg(), *_shoe()]
    thread = _band(WRIST + 0.030, 0.0205, 0.004, RED)  # on her left wrist only
    return [*left, *(mirrored(part) for part in left), thread]


def _arm_weights(vertices: F64) -> F64:
    return chain(vertices[:, 0], _ARM_LINKS, BONES)


def _sleeve() -> Part:
    """A bishop sleeve: gathered at the shoulder, full above the cuff."""
    z = -0.005
    knots = (  # x, half width (z), half height (y), offset z, offset y
        (0.070, 0.036, 0.038, z, ARM_Y + 0.002), (0.090, 0.045, 0.047, z, ARM_Y - 0.002),
        (0.118, 0.053, 0.056, z, ARM_Y - 0.004), (0.160, 0.050, 0.052, z, ARM_Y - 0.002),
        (0.230, 0.041, 0.042, z, ARM_Y), (0.312, 0.042, 0.043, z, ARM_Y),
        (0.390, 0.053, 0.053, z, ARM_Y - 0.002), (0.445, 0.060, 0.060, z, ARM_Y - 0.004),
        (0.475, 0.055, 0.055, z, ARM_Y - 0.003), (0.490, 0.038, 0.038, z, ARM_Y),
        (0.496, 0.027, 0.027, z, ARM_Y),
    )  # fmt: skip
    at = np.unique(np.concatenate([np.linspace(0.070, 0.496, 34), np.linspace(0.46, 0.496, 8)]))
    vertices, triangles = limb(0, knots, at, 22)
    # The knots are for a wrist at 0.492: stretch them to the arm.
    beyond = np.maximum(vertices[:, 0] - SHOULDER, 0.0)
    vertices[:, 0] += beyond * ((WRIST - SHOULDER) / 0.380 - 1.0)
    return make_part(vertices, triangles, WHITE, _arm_weights(vertices))


def _band(x: float, radius: float, half: float, material: Material) -> Part:
    at = x + half * np.array([-1.0, -0.98, -0.5, 0.5, 0.98, 1.0])
    knots = [
        (a, r, r, -0.005, ARM_Y)
        for a, r in zip(at, radius * np.array([0.7, 1, 1.03, 1.03, 1, 0.7]), strict=True)
    ]
    vertices, triangles = limb(0, knots, at, 18)
    return make_part(vertices, triangles, material, _arm_weights(vertices))


def _cuff(x: float) -> Part:
    return _band(x, 0.031, 0.013, NAVY)


def _hand() -> list[Part]:
    return [
        make_part(v, t, SKIN, _arm_weights(v), outline=width) for (v, t), width in hand_shapes()
    ]


def hand_shapes() -> list[tuple[tuple[F64, NDArray[np.int32]], float]]:
    """A palm, four fingers a little curled, and a thumb, each with the width of its outline.

    The wrist is at (WRIST, ARM_Y, -0.005) and the palm faces down, as in the T-pose.
    """
    z = -0.005
    knots = (
        (WRIST - 0.02, 0.0185, 0.0175, z, ARM_Y), (WRIST + 0.020, 0.0185, 0.0165, z, ARM_Y),
        (WRIST + 0.045, 0.026, 0.0165, z, ARM_Y), (WRIST + 0.075, 0.028, 0.0150, z, ARM_Y),
        (WRIST + 0.088, 0.025, 0.0125, z, ARM_Y - 0.001),
        (WRIST + 0.094, 0.016, 0.008, z, ARM_Y - 0.002),
    )  # fmt: skip
    palm = limb(0, knots, np.linspace(WRIST - 0.02, WRIST + 0.094, 14), 14)
    shapes = [(palm, 0.9)]
    root = WRIST + 0.078
    for k, (length, tilt) in enumerate(
        ((0.050, 0.10), (0.056, 0.03), (0.053, -0.05), (0.043, -0.14))
    ):
        fz = z + 0.0205 - 0.0137 * k
        points = [(root, ARM_Y - 0.001, fz),
                  (root + 0.45 * length, ARM_Y + 0.001, fz + 0.45 * length * tilt),
                  (root + 0.80 * length, ARM_Y - 0.006, fz + 0.8 * length * tilt),
                  (root + 0.97 * length, ARM_Y - 0.022, fz + length * tilt)]  # fmt: skip
        shapes.append((_digit(points, 0.0083), 0.55))
    thumb = [
        (WRIST + 0.028, ARM_Y - 0.003, z + 0.012),
        (WRIST + 0.045, ARM_Y - 0.006, z + 0.038),
        (WRIST + 0.066, ARM_Y - 0.009, z + 0.048),
        (WRIST + 0.084, ARM_Y - 0.013, z + 0.044),
    ]
    shapes.append((_digit(thumb, 0.0095), 0.6))
    return shapes


def _digit(
    points: list[tuple[float, float, float]], radius: float
) -> tuple[F64, NDArray[np.int32]]:
    spine = bezier(points, 9)
    out = np.tile([0.0, 1.0, 0.0], (len(spine), 1))
    fat = radius * curve(((0, 0.95), (0.5, 1.0), (0.85, 0.85), (1.0, 0.25)), np.linspace(0, 1, 9))
    return lock(spine, out, fat, fat, 8)


def _leg() -> Part:
    """Thigh to ankle; white over-knee socks with two red threads at the top."""
    knots = (  # y, half width (x), half depth (z), offset x, offset z
        (0.040, 0.026, 0.030, HIP_X, -0.010), (0.100, 0.028, 0.031, HIP_X, -0.012),
        (0.160, 0.033, 0.036, HIP_X, -0.013), (0.260, 0.046, 0.048, HIP_X, -0.014),
        (0.310, 0.047, 0.049, HIP_X, -0.012), (0.370, 0.043, 0.044, HIP_X, -0.004),
        (0.425, 0.043, 0.045, HIP_X, 0.003), (0.500, 0.050, 0.053, HIP_X, 0.003),
        (0.560, 0.056, 0.059, HIP_X, 0.003), (0.5695, 0.0575, 0.060, HIP_X, 0.003),
        (0.5705, 0.0545, 0.057, HIP_X, 0.003), (0.600, 0.059, 0.062, HIP_X, 0.002),
        (0.700, 0.066, 0.071, HIP_X, -0.002), (0.790, 0.062, 0.070, HIP_X - 0.004, -0.008),
    )  # fmt: skip
    edges = [0.5400, 0.5405, 0.5460, 0.5465, 0.5560, 0.5565, 0.5620, 0.5625, 0.5695, 0.5705]
    at = np.unique(np.concatenate([np.linspace(0.04, 0.79, 44), edges]))
    vertices, triangles = limb(1, knots, at, 24)
    y = vertices[:, 1]
    part = make_part(vertices, triangles, SKIN, chain(-y, _LEG_LINKS, BONES))
    part = recolour(part, y < 0.5700, SOCK)
    red = ((y > 0.5402) & (y < 0.5463)) | ((y > 0.5562) & (y < 0.5623))
    part = recolour(part, red, RED)
    return replace(part, bias=np.where(y > 0.57, -0.9 * smoothstep(0.575, 0.64, y), 0.0))


def _shoe() -> list[Part]:
    """An ankle boot: shaft, foot and sole."""
    shaft_knots = (
        (0.045, 0.034, 0.040, HIP_X, -0.012), (0.090, 0.036, 0.041, HIP_X, -0.012),
        (0.140, 0.041, 0.044, HIP_X, -0.012), (0.148, 0.042, 0.045, HIP_X, -0.012),
        (0.152, 0.034, 0.037, HIP_X, -0.012),
    )  # fmt: skip
    vertices, triangles = limb(1, shaft_knots, np.linspace(0.045, 0.152, 16), 22)
    shaft = make_part(vertices, triangles, SHOE, chain(-vertices[:, 1], _LEG_LINKS, BONES))
    shaft = recolour(shaft, vertices[:, 1] > 0.133, RED)
    # Foot: rings along z; the toe points a little outward.
    at = np.concatenate([np.linspace(-0.058, 0.10, 16), [0.108, 0.113, 0.115]])
    values = curve(FOOT, at)
    parts = [shaft]
    for low, thick, material, grow in ((0.010, None, SHOE, 0.0), (0.0, 0.016, SOLE, 0.003)):
        top = values[:, 1] if thick is None else np.full(len(at), low + thick)
        middle, half = 0.5 * (low + top), 0.5 * (top - low)
        x = HIP_X + 0.012 * smoothstep(-0.02, 0.11, at)
        centres = np.stack([x, middle, at], 1)
        zero = np.zeros(len(at))
        side = np.stack([values[:, 0] + grow, zero, zero], 1)
        up = np.stack([zero, half, zero], 1)
        vertices, triangles = tube(centres, side, up, 20, power=2.3 if thick is None else 5.0)
        weights = np.zeros((len(vertices), BONES))
        weights[:, INDEX["l_foot"]] = 1.0
        parts.append(make_part(vertices, triangles, material, weights))
    return parts

"""The fringe: a shell over the forehead whose lower edge is cut into locks."""

from typing import TYPE_CHECKING

import numpy as np

from training.characters.procedural.hair_surfaces import CROWN, dome, teeth
from training.characters.shapes import F64, Part, smoothstep

if TYPE_CHECKING:
    from training.characters.procedural.hair import HairBuilder

FRINGES = (
    "straight", "blunt", "swept", "swept_left", "parted", "m", "long", "one_eye", "up", "spiky",
    "short", "side", "crossed",
)  # fmt: skip


def build_fringe(hair: "HairBuilder") -> Part:
    """A shell over the forehead whose lower edge is cut into locks."""
    rows, per = 13, 6
    edge = np.radians(80.0)
    count = _shape(hair.design.fringe, np.zeros(1))[1]
    columns = per * count + 1
    a = np.linspace(-edge, edge, columns)
    base, _, notch, sweep, skew = _shape(hair.design.fringe, a)
    tip = teeth(columns, count, skew, hair.rng.uniform(0.72, 1.0, count))[None, :]
    outward = hair.design.fringe in ("parted", "m", "up")
    bottom = base + notch * (1 - tip[0]) + hair.rng.normal(0, 0.002, 1)
    v = np.linspace(0.0, 1.0, rows)[:, None]
    top = CROWN - 0.030
    y = top - (top - bottom[None, :]) * v**1.25
    sink = 1.0 - smoothstep(0.0, 0.40, v)  # it comes out of the cap without an edge
    turn = sweep * v**2 if not outward else 0.16 * np.sign(a) * np.abs(a / edge) ** 0.5 * v**2
    azimuth = (a[None, :] + turn) * (0.25 + 0.75 * smoothstep(0.0, 0.30, v))
    flare = -0.024 + 0.033 * smoothstep(0.0, 0.5, v) + 0.009 * (tip - 0.6) * v
    curl = 0.006 * smoothstep(0.75, 1.0, v)
    local = dome(y, azimuth, flare - curl, hair.volume)
    local[..., [0, 2]] *= 1.0 - 0.07 * sink[..., None]
    local[..., 1] -= 0.012 * sink
    outer = hair.frame.world(local)
    bias = -0.75 * smoothstep(0.30, 0.0, tip) * smoothstep(0.35, 0.9, v)
    t = np.broadcast_to(0.7 * v**2, y.shape)
    return hair.sheet(outer, None, t, np.broadcast_to(bias, y.shape), azimuth=azimuth, calm=0.5)


def fringe_low(kind: str) -> float:
    """Typical height of a fringe's tips over the face."""
    azimuth = np.radians(np.linspace(-30, 30, 13))
    return float(np.mean(_shape(kind, azimuth)[0]))


def _shape(kind: str, azimuth: F64) -> tuple[F64, int, float, float, float]:
    """Height of the tips by azimuth, number of locks, depth of notches, sweep, and skew."""
    a = np.degrees(azimuth)
    temple = 0.06 * smoothstep(48, 74, np.abs(a))
    if kind in ("swept", "swept_left", "one_eye", "side"):
        side = -1.0 if kind == "swept_left" else 1.0
        part = {"one_eye": -28.0, "side": -46.0}.get(kind, -24.0)
        b = side * a
        low = {"one_eye": 0.078, "side": 0.150}.get(kind, 0.128)
        right = 0.245 - 0.115 * smoothstep(part, part - 44, b)
        left = 0.245 - (0.245 - low) * smoothstep(part, part + 62, b)
        base = np.where(b < part, right, left)
        return base - 0.5 * temple * (kind != "one_eye"), 9, 0.026, 0.30 * side, 0.5
    table: dict[str, tuple[F64, int, float, float, float]] = {
        "straight": (0.153 - temple + 0 * a, 11, 0.026, 0.0, 0.5),
        "blunt": (0.156 - temple + 0 * a, 13, 0.007, 0.0, 0.5),
        "parted": (0.262 - 0.16 * smoothstep(2, 62, np.abs(a)), 10, 0.026, 0.0, 0.5),
        "m": (0.150 + 0.045 * np.cos(a / 13.0) * (np.abs(a) < 62) - temple, 7, 0.050, 0.0, 0.5),
        "long": (0.134 - 0.6 * temple + 0 * a, 8, 0.050, 0.06, 0.62),
        "up": (0.262 - 0.13 * smoothstep(34, 74, np.abs(a)) + 0 * a, 9, 0.012, 0.0, 0.5),
        "spiky": (0.142 - 0.5 * temple + 0 * a, 7, 0.075, 0.12, 0.66),
        "short": (0.186 - 1.1 * temple + 0 * a, 10, 0.022, 0.05, 0.6),
        "crossed": (
            0.165 - temple - 0.045 * np.exp(-(((a - 6) / 12.0) ** 2)),
            9,
            0.040,
            0,
            0.5,
        ),
    }
    return table.get(kind, table["straight"])

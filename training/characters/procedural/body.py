"""The body under the clothes: its measures and the surfaces of its limbs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from engine.mocap.rig import INDEX, JOINTS
from training.characters.anatomy import Anatomy
from training.characters.procedural.design import BodyDesign
from training.characters.shapes import (
    F64,
    chain,
    curve,
    loft,
    smoothstep,
)
from training.characters.springs import Capsule

BONES = len(JOINTS)
HEIGHT = 1.6  # from the soles to the top of the skull, of everybody: pictures are framed to it
_HEAD = 0.338  # height of the modelled head
_HEADS = (2.5, 4.0, 5.5, 7.5)
# Of a girl or woman at 2.5, 4, 5.5 and 7.5 heads, relative to the height of the chin.
_TABLE = {
    "hip_y": (0.440, 0.565, 0.595, 0.592),
    "knee": (0.235, 0.310, 0.325, 0.320),
    "ankle": (0.062, 0.062, 0.058, 0.054),
    "arm": (0.900, 0.915, 0.925, 0.930),
    "shoulder": (0.106, 0.088, 0.091, 0.097),
    "reach": (0.330, 0.345, 0.365, 0.385),
    "hip_x": (0.066, 0.056, 0.054, 0.055),
    "upper": (0.047, 0.0315, 0.0275, 0.0255),
    "elbow": (0.043, 0.0275, 0.0230, 0.0205),
    "wrist": (0.037, 0.0195, 0.0165, 0.0145),
    "thigh": (0.074, 0.057, 0.055, 0.054),
    "knee_r": (0.064, 0.040, 0.035, 0.032),
    "calf": (0.063, 0.041, 0.037, 0.0345),
    "ankle_r": (0.050, 0.026, 0.022, 0.0195),
    "hips_w": (0.122, 0.092, 0.091, 0.090),
    "waist_w": (0.108, 0.068, 0.062, 0.060),
    "chest_w": (0.098, 0.076, 0.076, 0.079),
    "neck": (0.040, 0.0275, 0.0260, 0.0255),
    "hand": (0.150, 0.130, 0.125, 0.120),
    "foot": (0.205, 0.152, 0.146, 0.146),
}
_MALE = {
    "shoulder": 1.17, "chest_w": 1.15, "waist_w": 1.22, "hips_w": 0.93, "upper": 1.18,
    "elbow": 1.16, "wrist": 1.16, "neck": 1.28, "hand": 1.12, "foot": 1.08, "thigh": 0.98,
    "knee_r": 1.06, "calf": 1.06, "ankle_r": 1.12, "hip_x": 0.98,
}  # fmt: skip
_CHILD = {"shoulder": 0.95, "chest_w": 0.97, "waist_w": 1.10, "hips_w": 0.94, "thigh": 0.95}
_WIDE = {"upper", "elbow", "wrist", "thigh", "knee_r", "calf", "hips_w", "waist_w", "chest_w"}


@dataclass(frozen=True)
class Body:
    """A body's measures in world units. Radii are of round limbs, widths are half widths."""

    design: BodyDesign
    chin: float
    head: tuple[float, float, float]  # scale of the modelled head
    hip_y: float
    knee: float
    ankle: float
    arm: float
    shoulder: float
    elbow: float
    wrist: float
    hip_x: float
    upper_r: float
    elbow_r: float
    wrist_r: float
    thigh_r: float
    knee_r: float
    calf_r: float
    ankle_r: float
    hips_w: float
    waist_w: float
    chest_w: float
    neck_r: float
    hand: float
    foot: float

    @classmethod
    def of(cls, design: BodyDesign) -> "Body":
        """The measures of a design: interpolated by heads, then for the build."""
        head = HEIGHT / design.heads
        chin = HEIGHT - head
        size = {k: chin * float(np.interp(design.heads, _HEADS, v)) for k, v in _TABLE.items()}
        grown = float(np.clip((design.heads - 2.0) / 3.0, 0.35, 1.0))  # small figures differ less
        for name, factor in {"male": _MALE, "child": _CHILD, "female": {}}[design.build].items():
            size[name] *= 1 + (factor - 1) * grown
        for name in _WIDE:
            size[name] *= design.weight
        stretch = design.legs * chin
        # Drawn figures keep a larger head than a ruler would give them.
        scale = head / _HEAD * float(np.interp(design.heads, (4.0, 7.5), (1.0, 1.09)))
        wide = float(np.interp(design.heads, _HEADS, (1.06, 1.0, 0.93, 0.88)))
        deep = float(np.interp(design.heads, _HEADS, (0.96, 0.97, 0.95, 0.95)))
        if design.build == "male":
            wide *= 1 - 0.02 * grown
        shoulder = size["shoulder"]
        return cls(
            design=design, chin=chin, head=(scale * wide, scale, scale * deep),
            hip_y=size["hip_y"] + stretch, knee=size["knee"] + 0.55 * stretch, ankle=size["ankle"],
            arm=size["arm"], shoulder=shoulder, elbow=shoulder + 0.52 * size["reach"],
            wrist=shoulder + size["reach"], hip_x=size["hip_x"], upper_r=size["upper"],
            elbow_r=size["elbow"], wrist_r=size["wrist"], thigh_r=size["thigh"],
            knee_r=size["knee_r"], calf_r=size["calf"], ankle_r=size["ankle_r"],
            hips_w=size["hips_w"], waist_w=size["waist_w"], chest_w=size["chest_w"],
            neck_r=size["neck"], hand=size["hand"], foot=size["foot"],
        )  # fmt: skip

    @property
    def unit(self) -> float:
        """The size of the body relative to one whose chin is at 1.235, as Ito's."""
        return self.chin / 1.235

    @property
    def crotch(self) -> float:
        """y of the lower end of the trunk."""
        return self.hip_y - 0.20 * (self.arm - self.hip_y)

    @property
    def waist(self) -> float:
        """y of the narrowest place of the trunk."""
        return self.hip_y + 0.405 * (self.arm - self.hip_y)

    @property
    def collar(self) -> float:
        """y of the root of the neck."""
        return self.arm + 0.40 * (self.chin - self.arm)

    @property
    def bust(self) -> float:
        """y of the bust."""
        return self.hip_y + 0.715 * (self.arm - self.hip_y)

    def anatomy(self) -> Anatomy:
        """Joints and keypoints."""
        trunk = self.arm - self.hip_y
        return Anatomy(
            chin=self.chin, hips=self.hip_y + 0.12 * trunk, spine=self.hip_y + 0.365 * trunk,
            chest=self.hip_y + 0.635 * trunk, neck=self.collar, arm=self.arm,
            shoulder=self.shoulder, elbow=self.elbow, wrist=self.wrist, hip_x=self.hip_x,
            hip_y=self.hip_y, knee=self.knee, ankle=self.ankle, clavicle=0.27 * self.shoulder,
            toe=(0.07 * self.foot, 0.018 * self.unit, 0.58 * self.foot), head=self.head,
            knee_z=0.004 * self.unit, ankle_z=-0.010 * self.unit,
        )  # fmt: skip

    # -- trunk

    def trunk_knots(self, ease: float = 0.0) -> list[tuple[float, ...]]:
        """Rows for `loft`: y, half width, half depth, offset x, offset z."""
        low, high = self.crotch, self.collar + 0.003
        hips, waist, chest, neck = self.hips_w, self.waist_w, self.chest_w, self.neck_r
        male = self.design.build == "male"
        flat = 0.80 if self.design.heads > 3.2 else 0.86
        z = self.unit
        rows = (  # share of the way up, half width, depth / width, offset z
            (0.0, 0.50 * hips, 0.92, -0.006), (0.10, 0.92 * hips, 0.84, -0.008),
            (0.225, hips, flat, -0.008), (0.35, 0.52 * hips + 0.48 * waist, flat, -0.002),
            (0.461, waist, flat, 0.002), (0.575, 0.55 * waist + 0.45 * chest, flat, 0.004),
            (0.70, chest, 0.82 if not male else 0.76, 0.004),
            (0.80, 1.04 * chest, 0.76, -0.001), (0.88, 1.04 * chest, 0.64, -0.007),
            (0.94, 0.84 * chest, 0.64, -0.010), (0.975, 0.42 * chest + 0.75 * neck, 0.74, -0.012),
            (1.0, 1.15 * neck, 1.0, -0.012),
        )  # fmt: skip
        return [
            (low + (high - low) * t, w + ease, w * d + ease, 0.0, z * dz) for t, w, d, dz in rows
        ]

    def trunk(
        self,
        low: ArrayLike,
        high: ArrayLike,
        ease: float | Callable[[F64], F64] = 0.0,
        rows: int = 30,
        columns: int = 36,
    ) -> F64:
        """(rows, columns + 1, 3) surface `ease` off the trunk, from y `low` up to `high`.

        `low` and `high` may differ by column (columns + 1,); `ease` may be a function of y.
        """
        share = np.linspace(0.0, 1.0, rows)[:, None]
        high = np.broadcast_to(np.asarray(high, np.float64), (columns + 1,))
        low = np.broadcast_to(np.asarray(low, np.float64), (columns + 1,))
        y = low + (high - low)[None, :] * share
        even = np.linspace(self.crotch, self.collar + 0.003, 120)
        full = loft(1, self.trunk_knots(), even, columns)
        wanted = (y - even[0]) / (even[1] - even[0])
        i = np.clip(wanted.astype(np.intp), 0, len(even) - 2)
        part = np.clip(wanted - i, 0.0, 1.0)[..., None]
        column = np.broadcast_to(np.arange(columns + 1), y.shape)
        points = full[i, column] * (1 - part) + full[i + 1, column] * part
        points[..., 1] = y
        points[..., 2] += self._bust(points)
        angle = np.linspace(-np.pi, np.pi, columns + 1)
        off = ease(y) if callable(ease) else np.full(y.shape, ease)
        points[..., 0] += off * np.sin(angle)
        points[..., 2] += off * np.cos(angle)
        return points

    def front(self, y: ArrayLike, ease: float = 0.0) -> F64:
        """z of the trunk's middle line in front at heights y, with ease."""
        y = np.atleast_1d(np.asarray(y, np.float64))
        knots = np.array(self.trunk_knots())
        z = curve(knots[:, [0, 2]].tolist(), y) + np.interp(y, knots[:, 0], knots[:, 4])
        points = np.stack([np.full(len(y), 0.30 * self.chest_w), y, z], -1)
        return np.asarray(z + self._bust(points) + ease)

    def _bust(self, points: F64) -> F64:
        size = self.design.bust
        if size <= 0.0:
            return np.zeros(points.shape[:-1])
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        wide, tall = 0.40 * self.chest_w, 0.42 * self.chest_w
        bump = np.exp(
            -(((np.abs(x) - 0.46 * self.chest_w) / wide) ** 2) - ((y - self.bust) / tall) ** 2
        )
        facing = smoothstep(0.0, 0.35 * self.chest_w, z)
        return np.asarray(0.42 * self.chest_w * size * bump * facing)

    def trunk_weights(self, vertices: F64) -> F64:
        """Skin weights of the trunk and of what lies on it."""
        u = self.unit
        a = self.anatomy()
        links = (
            (INDEX["hips"], 0.0, 0.0),
            (INDEX["spine"], a.spine - 0.01 * u, 0.045 * u),
            (INDEX["chest"], a.chest - 0.005 * u, 0.05 * u),
        )
        weights = chain(vertices[:, 1], links, BONES)
        rise = smoothstep(self.arm - 0.065 * u, self.arm - 0.005 * u, vertices[:, 1])
        for sign, name in ((1.0, "l_clavicle"), (-1.0, "r_clavicle")):
            share = (
                rise
                * 0.7
                * smoothstep(0.32 * self.shoulder, 0.85 * self.shoulder, sign * vertices[:, 0])
            )
            weights *= (1 - share)[:, None]
            weights[:, INDEX[name]] += share
        return weights

    # -- arms; the left one, along +x

    def arm_radius(self, x: ArrayLike) -> F64:
        """Radius of the bare arm."""
        reach = self.wrist - self.shoulder
        t = (np.asarray(x, np.float64) - self.shoulder) / reach
        fore = 0.45 * self.elbow_r + 0.55 * self.upper_r
        return np.interp(
            t,
            (-0.16, 0.0, 0.16, 0.36, 0.52, 0.66, 0.86, 1.0, 1.1),
            (
                0.9 * self.upper_r, 1.10 * self.upper_r, 1.04 * self.upper_r, 0.95 * self.upper_r,
                self.elbow_r, 0.97 * fore, 0.6 * self.wrist_r + 0.4 * fore, self.wrist_r,
                self.wrist_r,
            ),
        )  # fmt: skip

    def arm_grid(
        self,
        at: ArrayLike,
        off: ArrayLike = 0.0,
        tall: float = 1.0,
        drop: ArrayLike = 0.0,
        columns: int = 20,
    ) -> F64:
        """Rings about the left arm at `at` (N,) along it, `off` away from the bare arm."""
        at = np.asarray(at, np.float64)
        radius = self.arm_radius(at) + np.asarray(off)
        y = self.arm - np.broadcast_to(np.asarray(drop, np.float64), at.shape)
        z = -0.005
        knots = [(x, r, r * tall, z, h) for x, r, h in zip(at, radius, y, strict=True)]
        angle = np.linspace(-np.pi, np.pi, columns + 1)
        rows = np.array(knots)
        return np.stack(
            [
                np.repeat(rows[:, :1], columns + 1, axis=1),
                rows[:, 4:5] - rows[:, 2:3] * np.sin(angle),
                rows[:, 3:4] + rows[:, 1:2] * np.cos(angle),
            ],
            -1,
        )

    def arm_weights(self, vertices: F64) -> F64:
        """Skin weights of the left arm."""
        reach = self.wrist - self.shoulder
        links = (
            (INDEX["chest"], 0.0, 0.0),
            (INDEX["l_clavicle"], 0.5 * self.shoulder, 0.25 * self.shoulder),
            (INDEX["l_upper_arm"], self.shoulder, 0.085 * reach),
            (INDEX["l_forearm"], self.elbow, 0.097 * reach),
            (INDEX["l_hand"], self.wrist, 0.065 * reach),
        )
        return chain(vertices[:, 0], links, BONES)

    # -- legs; the left one

    def leg_knots(self) -> list[tuple[float, ...]]:
        """Rows for `loft`: y, half width, half depth, offset x, offset z."""
        shin, thigh = self.knee - self.ankle, self.hip_y - self.knee
        u, x = self.unit, self.hip_x
        mid = 0.5 * (self.knee_r + self.thigh_r)
        return [
            (0.45 * self.ankle, self.ankle_r, 1.1 * self.ankle_r, x, -0.010 * u),
            (self.ankle + 0.06 * shin, 1.05 * self.ankle_r, 1.12 * self.ankle_r, x, -0.012 * u),
            (self.ankle + 0.30 * shin, 0.5 * (self.ankle_r + self.calf_r),
             0.52 * (self.ankle_r + self.calf_r), x, -0.013 * u),
            (self.ankle + 0.64 * shin, self.calf_r, 1.04 * self.calf_r, x, -0.013 * u),
            (self.ankle + 0.86 * shin, 0.99 * self.knee_r, 1.02 * self.knee_r, x, -0.005 * u),
            (self.knee, self.knee_r, 1.04 * self.knee_r, x, 0.003 * u),
            (self.knee + 0.25 * thigh, 0.55 * self.knee_r + 0.45 * mid,
             0.58 * self.knee_r + 0.47 * mid, x, 0.003 * u),
            (self.knee + 0.55 * thigh, 0.3 * mid + 0.62 * self.thigh_r,
             0.32 * mid + 0.66 * self.thigh_r, x, 0.002 * u),
            (self.knee + 0.82 * thigh, self.thigh_r, 1.07 * self.thigh_r, x, -0.002 * u),
            (self.hip_y + 0.025 * u, 0.94 * self.thigh_r, 1.04 * self.thigh_r, x - 0.004 * u,
             -0.008 * u),
        ]  # fmt: skip

    def leg_grid(self, at: ArrayLike, off: ArrayLike = 0.0, columns: int = 20) -> F64:
        """Rings about the left leg at heights `at` (N,), `off` away from the bare leg."""
        at = np.asarray(at, np.float64)
        off = np.broadcast_to(np.asarray(off, np.float64), at.shape)[:, None]
        grid = loft(1, self.leg_knots(), at, columns)
        grid[..., 1] = at[:, None]
        angle = np.linspace(-np.pi, np.pi, columns + 1)
        grid[..., 0] += off * np.sin(angle)
        grid[..., 2] += off * np.cos(angle)
        return grid

    def leg_weights(self, vertices: F64) -> F64:
        """Skin weights of the left leg."""
        u = self.unit
        links = (
            (INDEX["hips"], 0.0, 0.0),
            (INDEX["l_thigh"], -self.hip_y, 0.035 * u),
            (INDEX["l_shin"], -self.knee, 0.12 * (self.hip_y - self.knee)),
            (INDEX["l_foot"], -self.ankle, 0.022 * u),
        )
        return chain(-vertices[:, 1], links, BONES)

    def capsules(self) -> tuple[Capsule, ...]:
        """What hair, capes and tails must stay out of."""
        hips, chest, head = INDEX["hips"], INDEX["chest"], INDEX["head"]
        sx, sy, sz = self.head
        thick = 0.70 * self.chest_w
        middle = (0.0, self.chin + 0.165 * sy, -0.012 * sz)
        jaw = (0.0, self.chin + 0.075 * sy, 0.022 * sz)
        arms = [
            Capsule(
                INDEX[side + "upper_arm"],
                (sign * self.shoulder, self.arm, -0.005),
                (sign * self.elbow, self.arm, -0.005),
                self.upper_r,
            )
            for sign, side in ((1.0, "l_"), (-1.0, "r_"))
        ]
        reach = self.shoulder - 0.6 * thick
        return (
            Capsule(hips, (0, self.hip_y, -0.005), (0, self.waist, 0.0), 0.80 * self.hips_w),
            Capsule(chest, (0, self.waist, 0.0), (0, self.arm - 0.02, -0.005), thick),
            Capsule(chest, (-reach, self.arm - 0.02, -0.008), (reach, self.arm - 0.02, -0.008),
                    0.75 * thick),
            Capsule(head, middle, middle, 0.140 * min(sx, sz)),
            Capsule(head, jaw, jaw, 0.105 * min(sx, sz)),
            *arms,
        )  # fmt: skip


def smooth_steps(low: float, high: float, count: int, *more: float) -> F64:
    """Heights from `low` to `high`, with pairs about each of `more` for sharp edges of colour."""
    edges = [e + d for e in more for d in (-2e-4, 2e-4) if low < e < high]
    return np.unique(np.concatenate([np.linspace(low, high, count), edges]))

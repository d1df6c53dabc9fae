"""Hair: a cap over the skull, a fringe, side locks, lengths down the back, and what is tied."""

from dataclasses import dataclass, replace

import numpy as np

from training.characters.procedural.body import Body
from training.characters.procedural.colours import adjust, toon
from training.characters.procedural.design import HairDesign
from training.characters.procedural.hair_fringe import build_fringe
from training.characters.procedural.hair_surfaces import CENTRE, CROWN, dome, skull, teeth
from training.characters.procedural.hair_texture import hair_uv
from training.characters.procedural.hair_tied import build_tied
from training.characters.procedural.head import HEAD, HeadFrame, frame_of
from training.characters.procedural.rigging import Rigging
from training.characters.shapes import (
    F64,
    Material,
    Part,
    bezier,
    curve,
    lock,
    make_part,
    recolour,
    rigid,
    shell,
    smoothstep,
)


@dataclass
class HairBuilder:
    """Builds the hair of one design."""

    body: Body
    design: HairDesign
    rig: Rigging
    covered: bool = False  # by a hat: nothing may stand up
    cloth: float = 0.01  # how far the clothes are off the body

    def __post_init__(self) -> None:
        self.frame: HeadFrame = frame_of(self.body)
        self.rng = np.random.default_rng([7, self.design.seed])
        self.material = toon(self.design.colour)
        self.second = toon(self.design.second)
        inside = self.design.second if self.design.tone == "inner" else self.design.colour
        self.inside: Material = toon(adjust(inside, -0.10, 1.0, 0.4))
        self.tips = self.design.tone == "tips"
        self.close = self.design.cut in ("short", "wild", "up")  # drawn in toward the nape
        self.volume = self.design.volume
        if self.close:
            self.volume = 0.975 * min(self.volume, 1.0)

    def build(self) -> list[Part]:
        """All of the hair; ribbons and ties too."""
        parts = [self._cap()]
        if self.design.fringe != "none":
            parts.append(build_fringe(self))
        parts += self._sides()
        if self.design.cut == "long":
            parts.append(self._lengths())
        if self.design.cut in ("short", "wild", "bob"):
            parts += self._tufts()
        parts += build_tied(self)
        if not self.covered:
            parts += self._ahoge()
        return parts

    # -- finishing

    def finish(self, part: Part, t: F64, *, calm: float = 0.35, textured: bool = True) -> Part:
        """Colour, gloss and calm normals; `t` (V,) is 0 at the root and 1 at the tip."""
        local = self.frame.local(part.vertices)
        x, z = local[:, 0], local[:, 2] - CENTRE[2]
        azimuth = np.arctan2(x, z)
        middle = np.arctan2(x.mean(), z.mean() - 1e-6)
        azimuth = middle + (azimuth - middle + np.pi) % (2 * np.pi) - np.pi
        part = self.calm(part, calm)
        if self.tips:
            mix = smoothstep(0.45, 0.95, t)[:, None]
            part = replace(
                part,
                lit=(1 - mix) * part.lit + mix * self.second.lit,
                shade=(1 - mix) * part.shade + mix * self.second.shade,
                ink=(1 - mix) * part.ink + mix * self.second.ink,
            )
        return replace(part, uv=hair_uv(azimuth, local[:, 1]), textured=textured)

    def calm(self, part: Part, share: float) -> Part:
        """Blend the normals with those of a ball about the head: larger shapes of shade."""
        ball = part.vertices - self.frame.world(CENTRE)
        ball[:, 1] *= np.where(ball[:, 1] < 0, 0.45, 1.0)
        ball /= np.maximum(np.linalg.norm(ball, axis=1, keepdims=True), 1e-9)
        normals = (1 - share) * part.normals + share * ball
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        return replace(part, normals=normals)

    def sheet(
        self, outer: F64, weights: F64 | None, t: F64, bias: F64, *, thick: float = 0.012,
        azimuth: F64 | None = None, calm: float = 0.3,
    ) -> Part:  # fmt: skip
        """A shell of hair from a world grid (R, C, 3): `t` and `bias` are (R, C)."""
        rows, columns = outer.shape[:2]
        across = np.gradient(outer, axis=1)
        down = np.gradient(outer, axis=0)
        normal = np.cross(across, down)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        away = outer - self.frame.world(CENTRE)
        away[..., 1] = 0.0
        if np.einsum("rcd,rcd->", normal, away) < 0:
            normal = -normal
        depth = thick * self.frame.size * (1.0 - 0.75 * t**3)
        inner = outer - depth[..., None] * normal
        vertices, triangles = shell(outer, inner, wrap=False)
        count = rows * columns
        if weights is None:
            both = rigid(len(vertices), HEAD, self.rig.bones)
        else:
            both = np.concatenate([weights, weights])
        part = make_part(vertices, triangles, self.material, both)
        twice = np.concatenate([t.ravel(), t.ravel()])
        part = self.finish(part, twice, calm=calm)
        inside = np.arange(len(vertices)) >= count
        part = recolour(part, inside, self.inside)
        height = self.frame.local(vertices)[:, 1]
        if azimuth is not None:
            part = replace(part, uv=hair_uv(np.concatenate([azimuth.ravel()] * 2), height))
        part.uv[inside, 1] = hair_uv(np.zeros(1), np.array([9.0]))[0, 1]
        shaded = np.where(inside, -2.0, np.concatenate([bias.ravel(), bias.ravel()]))
        return replace(part, bias=shaded)

    def strand(
        self,
        spine: F64,
        width: float,
        thickness: float,
        *,
        weights: F64 | None = None,
        root: float = 0.55,
        belly: float = 0.45,
        tip: float = 0.02,
        calm: float = 0.35,
        out: F64 | None = None,
        segments: int = 8,
    ) -> Part:
        """One tapered lock along `spine` (R, 3) in the world; widths are the modelled head's.

        `weights` (R, B) are of the spine's points; without them it is fixed to the head.
        """
        count = len(spine)
        t = np.linspace(0.0, 1.0, count)
        profile = curve(((0.0, root), (belly, 1.0), (0.5 + 0.5 * belly, 0.66), (1.0, tip)), t)
        if out is None:
            out = spine - self.frame.world(CENTRE)
            out[:, 1] *= 0.35
        out = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        size = self.frame.size
        vertices, triangles = lock(
            spine, out, width * size * profile, thickness * size * profile, segments
        )
        row = np.concatenate([np.repeat(np.arange(count), segments), [0, count - 1]])
        if weights is None:
            skinned = rigid(len(vertices), HEAD, self.rig.bones)
        else:
            skinned = weights[row]
        part = make_part(vertices, triangles, self.material, skinned, outline=0.85)
        return self.finish(part, t[row], calm=calm)

    # -- pieces

    def _cap(self) -> Part:
        """A shell from the crown to the nape, open at the face."""
        d = self.design
        rows, per, count = 16, 5, 11
        columns = per * count + 1
        v = np.linspace(0.0, 1.0, rows)[:, None]
        s = np.linspace(-1.0, 1.0, columns)[None, :]  # 0 behind, +-1 the face's edge
        short, tied = d.cut in ("short", "wild"), d.cut == "up"
        low = {"short": 0.020, "wild": 0.015, "bob": 0.0 - 0.22 * d.length, "long": -0.015}.get(
            d.cut, 0.035
        )
        notch = 0.0 if tied or d.cut == "long" else 0.030
        tip = teeth(columns, count, 0.5, self.rng.uniform(0.75, 1.0, count))[None, :]
        rise = 0.05 * np.abs(s) ** 3 if short or tied else 0.02 * s**2
        bottom = low + rise + notch * (1 - tip)
        y = CROWN - 0.001 - (CROWN - bottom) * v**1.5
        start = np.radians(66.0) * smoothstep(0.300, 0.215, y)
        start = start + np.radians(10.0 if not short else 32.0) * smoothstep(0.17, 0.05, y)
        if tied:
            start = start + np.radians(26.0) * smoothstep(0.17, 0.05, y)
        azimuth = np.pi + s * (np.pi - start)
        volume = self.volume
        bulge = 0.006 * (tip - 0.5) * smoothstep(0.25, 0.9, v)
        local = dome(y, azimuth, bulge, volume)
        if short or tied:  # drawn in toward the nape, as the skull is
            share = (1.0 if tied else 0.7) * smoothstep(0.24, 0.07, y)[..., None]
            local = (1 - share) * local + share * skull(y, azimuth, bulge)
        outer = self.frame.world(local)
        bias = -0.55 * smoothstep(0.35, 0.0, tip) * smoothstep(0.5, 1.0, v) * (notch > 0)
        t = np.broadcast_to(v**2 if d.cut == "bob" else 0 * v, y.shape)
        return self.sheet(outer, None, t, np.broadcast_to(bias, y.shape), azimuth=azimuth)

    def _sides(self) -> list[Part]:
        """Locks before the ears that frame the face."""
        kind = self.design.sides
        if kind == "none":
            return []
        d = self.design
        grow = 1.0 + (d.volume - 1.0)
        tips = {"short": 0.045, "long": -0.070, "hime": 0.030, "chest": -0.25, "curl": -0.04}[kind]
        front = [(0.070, 0.300, 0.052), (0.156, 0.266, 0.092), (0.158, 0.110, 0.094),
                 (0.128, tips, 0.074)]  # fmt: skip
        behind = [(0.075, 0.295, 0.005), (0.174, 0.255, 0.044), (0.178, 0.100, 0.050),
                  (0.150, tips + 0.035, 0.036)]  # fmt: skip
        parts = []
        for sign in (1.0, -1.0):
            for points, width in ((front, 0.025), (behind, 0.033)):
                if kind == "short" and points is behind and d.cut in ("short", "wild"):
                    continue
                local = bezier(np.array(points) * [sign * grow, 1.0, grow], 16)
                spine = self.frame.world(local)
                flat = 0.95 if kind == "hime" else 0.02
                weights = None
                if kind == "chest":
                    spine = self.off_trunk(spine, front=True)
                    bones = self.rig.add(HEAD, spine[[6, 10, 13, 15]], stiffness=10, radius=0.012)
                    place = np.asarray((np.arange(16) - 6.0) / 9.0, np.float64)
                    weights = self.rig.along(place, HEAD, bones)
                parts.append(
                    self.strand(spine, width * (1.15 if kind == "hime" else 1.0), 0.014,
                                root=0.5, belly=0.55 if kind != "hime" else 0.8, tip=flat,
                                weights=weights)
                )  # fmt: skip
        return parts

    def off_trunk(self, points: F64, front: bool = False, gap: float = 0.014) -> F64:
        """World points pushed out of trunk and shoulders, behind them or (`front`) before."""
        body = self.body
        gap = gap + self.cloth
        y = points[..., 1]
        knots = np.array(body.trunk_knots(gap))
        wide = np.interp(y, knots[:, 0], knots[:, 1], right=0.0)
        deep = np.interp(y, knots[:, 0], knots[:, 2])
        z0 = np.interp(y, knots[:, 0], knots[:, 4])
        shoulders = smoothstep(body.arm + 2.2 * body.upper_r, body.arm + 0.4 * body.upper_r, y)
        wide = np.maximum(wide, shoulders * (body.shoulder + 1.2 * body.upper_r))
        deep = np.maximum(deep, shoulders * (1.25 * body.upper_r + gap))
        if front:
            bust = body.chest_w * (0.10 + 0.45 * body.design.bust)
            deep = deep + bust * np.exp(-(((y - body.bust) / (0.6 * body.chest_w)) ** 2))
        inside = np.clip(1.0 - (points[..., 0] / np.maximum(wide, 1e-6)) ** 2, 0.0, 1.0)
        reach = deep * np.sqrt(inside) * (wide > 1e-6)
        moved = points.copy()
        if front:
            moved[..., 2] = np.maximum(points[..., 2], z0 + reach)
        else:
            moved[..., 2] = np.minimum(points[..., 2], z0 - reach)
        return moved

    def tip_height(self, length: float) -> float:
        """World height of the tips of hair of a length: 0 at the chin, 1 at the knees."""
        return float(self.body.chin + (self.body.knee - self.body.chin) * length)

    def _lengths(self) -> Part:
        """Long hair: a sheet down the back that hangs on springs."""
        d = self.design
        rows, per, count = 18, 5, 11
        columns = per * count + 1
        jitter = self.rng.uniform(0.70, 1.0, count)
        tip = teeth(columns, count, 0.5, jitter)[None, :]
        v = np.linspace(0.0, 1.0, rows)[:, None]
        s = np.linspace(-1.0, 1.0, columns)[None, :]
        frame = self.frame
        top = frame.world((0.0, 0.17, 0.0))[1]
        low = self.tip_height(max(d.length, 0.12))
        drop = top - low
        notch = min(0.10 * frame.size, 0.16 * drop)
        y = top - (drop - notch * (1 - tip) - 0.10 * drop * s**2) * v
        depth = np.clip((top - y) / frame.size, 0.0, None)  # in units of the head
        # Around the head as the bob, then behind the shoulders.
        behind = smoothstep(0.13, 0.29, depth)
        sink = 0.016 * (1.0 - smoothstep(0.0, 0.11, depth))  # it comes out of the cap
        start = np.radians(78.0) + np.radians(22.0) * behind
        azimuth = np.pi + s * (np.pi - start)
        spread = 1.0 + 0.16 * smoothstep(0.17, 0.67, depth) * d.volume - 0.22 * v**3
        ripple = d.wave * 0.022 * np.sin(depth * 26.0 + 4.0 * s) * smoothstep(0.12, 0.37, depth)
        radius = 0.166 * d.volume + 0.004 - sink + ripple + 0.007 * (tip - 0.6) * v
        x = radius * spread * np.sin(azimuth)
        z = -0.016 + radius * (1.0 - 0.25 * behind) * np.cos(azimuth)
        grid = frame.world(np.stack([x, np.zeros_like(y), z], -1))
        grid[..., 1] = y
        grid = self.off_trunk(grid)
        # The cut of the shoulders is steep: let the sheet fall over them smoothly.
        for _ in range(6):
            z2 = grid[1:-1, :, 2]
            grid[1:-1, :, 2] = np.minimum(z2, 0.5 * z2 + 0.25 * (grid[2:, :, 2] + grid[:-2, :, 2]))
        picks = np.linspace(3, columns - 4, 5).round().astype(int)
        first = int(np.searchsorted(y[:, columns // 2] < frame.world((0, 0.0, 0))[1], True))
        links = 4 if d.length > 0.35 else 3
        steps = np.linspace(first, rows - 1, links + 1).round().astype(int)
        chains = [
            self.rig.add(HEAD, grid[steps, column], stiffness=7.0, drag=5.5, radius=0.010)
            for column in picks
        ]
        at = (np.arange(rows) - first) / (rows - 1 - first)
        t = np.repeat(at, columns)
        place = np.tile((np.arange(columns) - picks[0]) / (picks[1] - picks[0]), rows)
        weights = self.rig.between(t, place, HEAD, chains)
        bias = -0.6 * smoothstep(0.35, 0.0, tip) * smoothstep(0.15, 0.7, v)
        return self.sheet(
            grid, weights, np.broadcast_to(v**1.5, y.shape), np.broadcast_to(bias, y.shape),
            azimuth=azimuth, calm=0.35,
        )  # fmt: skip

    def _tufts(self) -> list[Part]:
        """Locks that break the outline: at the nape, and all over wild hair."""
        d, rng = self.design, self.rng
        parts = []
        if d.cut == "bob":
            return []
        wild = d.cut == "wild"
        table: list[tuple[float, float, float, float, float]] = []
        rows = ((0.315, 5), (0.25, 8), (0.17, 8), (0.09, 7)) if wild else ((0.20, 6), (0.10, 7))
        for height, count in rows:
            for k in range(count):
                back = 116.0 if height > 0.3 else 62.0 if height > 0.15 else 88.0
                degrees = back + (360 - 2 * back) * (k + 0.5 + rng.uniform(-0.2, 0.2)) / count
                reach = rng.uniform(0.05, 0.10) if wild else rng.uniform(0.012, 0.026)
                table.append((degrees, height, reach, rng.uniform(0.8, 1.15), rng.uniform(-1, 1)))
        for degrees, height, reach, size, lean in table:
            a = np.radians(degrees)
            if self.covered and height > 0.2:
                continue
            start = dome(min(height + 0.075, 0.318), a, -0.016, d.volume)
            middle = dome(height, a + 0.05 * lean, 0.010, d.volume * 0.98)
            away = np.array([np.sin(a), 0.0, np.cos(a)])
            rise = (0.8 * reach if height > 0.28 else -0.2 * reach) if wild else -0.03
            end = dome(height - 0.055, a + 0.14 * lean, -0.006, d.volume * 0.98)
            end = end + away * reach + np.array([0.0, rise, 0.0])
            spine = self.frame.world(bezier([start, middle, 0.5 * (middle + end) + 0.004 * away,
                                             end], 11))  # fmt: skip
            parts.append(self.strand(spine, 0.030 * size, 0.014, root=0.35, belly=0.42, calm=0.25))
        return parts

    def _ahoge(self) -> list[Part]:
        curls = {
            0: [],
            1: [[(0.0, 0.345, -0.010), (-0.012, 0.425, -0.030), (0.050, 0.440, 0.010),
                 (0.062, 0.385, 0.045)]],
            2: [[(0.004, 0.345, 0.0), (0.012, 0.40, 0.01), (0.040, 0.42, 0.03),
                 (0.075, 0.395, 0.04)],
                [(-0.004, 0.345, 0.0), (-0.012, 0.40, 0.0), (-0.035, 0.43, 0.01),
                 (-0.06, 0.41, 0.03)]],
            3: [[(0.0, 0.345, -0.01), (0.02, 0.43, -0.03), (-0.03, 0.48, -0.01),
                 (-0.045, 0.44, 0.02)]],
        }[self.design.ahoge]  # fmt: skip
        parts = []
        for points in curls:
            spine = self.frame.world(bezier(points, 14))
            bones = self.rig.add(HEAD, spine[[0, 5, 9, 13]], stiffness=40, gravity=6, drag=4,
                                 radius=0.0)  # fmt: skip
            weights = self.rig.along(np.linspace(0, 1, 14), HEAD, bones)
            part = self.strand(spine, 0.012, 0.008, root=0.9, belly=0.4, calm=0.0, weights=weights)
            parts.append(replace(part, textured=False))
        return parts

"""Faces, painted in code: eyes in many shapes, brows, mouths, blush and marks.

Units are the modelled head's: x from its middle, y up from the chin; x of an eye grows outward.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.characters.paint import Canvas, ellipse, quadratic
from training.characters.procedural.colours import adjust, blend, lightness
from training.characters.procedural.design import BodyDesign, FaceDesign
from training.characters.procedural.head import FACE_SPAN
from training.characters.shapes import F64, hex_colour, vec

SIDE = 512  # texels of the face's square at full detail

Place = Callable[[F64], F64]


@dataclass(frozen=True, slots=True)
class EyeShape:
    """An eye about its middle, in units of 0.036: the lids, their corners and the iris."""

    wide: float = 1.0  # half width
    top: float = 1.0
    low: float = 1.0
    tilt: float = 0.1  # outer corner above the inner one
    peak: float = -0.05  # where the upper lid is highest
    square: float = 0.85  # how full the upper lid is toward its corners
    iris: float = 0.72  # half width
    iris_tall: float = 1.03
    wing: float = 1.0  # length of the lashes at the outer corner
    closed: str = ""


EYES = {
    "round": EyeShape(),
    "big": EyeShape(wide=1.08, top=1.10, low=1.04, tilt=0.06, iris=0.80, iris_tall=1.08),
    "sharp": EyeShape(wide=1.06, top=0.86, low=0.80, tilt=0.34, peak=0.12, square=0.68, iris=0.68,
                      iris_tall=0.92, wing=1.3),
    "droopy": EyeShape(wide=1.04, top=0.94, low=0.92, tilt=-0.22, peak=-0.02, square=0.9,
                       iris=0.72, iris_tall=0.98, wing=0.9),
    "almond": EyeShape(wide=1.10, top=0.78, low=0.68, tilt=0.18, peak=0.0, square=0.72, iris=0.64,
                       iris_tall=0.82, wing=1.15),
    "sleepy": EyeShape(wide=1.06, top=0.50, low=0.86, tilt=0.02, peak=0.1, square=1.05, iris=0.72,
                       iris_tall=0.98, wing=0.9),
    "cat": EyeShape(wide=1.04, top=0.96, low=0.80, tilt=0.28, peak=0.06, square=0.78, iris=0.74,
                    iris_tall=0.98, wing=1.35),
    "narrow": EyeShape(wide=1.12, top=0.58, low=0.46, tilt=0.20, peak=0.1, square=0.72, iris=0.52,
                       iris_tall=0.64, wing=0.7),
    "gentle": EyeShape(wide=1.06, top=0.72, low=0.58, tilt=-0.04, peak=0.0, square=0.82, iris=0.60,
                       iris_tall=0.76, wing=0.8),
    "happy": EyeShape(closed="up"),
    "calm": EyeShape(closed="down", wing=1.2),
}  # fmt: skip
BROWS = {  # inner y, middle y, outer y above the eye's lid; half width
    "arched": (0.000, 0.014, -0.002, 0.0024),
    "flat": (0.003, 0.006, 0.001, 0.0028),
    "stern": (-0.006, 0.006, 0.008, 0.0034),
    "worried": (0.012, 0.008, -0.004, 0.0022),
    "thick": (0.001, 0.010, 0.001, 0.0048),
    "short": (0.004, 0.010, 0.004, 0.0042),
    "thin": (0.002, 0.012, -0.001, 0.0015),
}
MOUTHS = (
    "smile", "open", "grin", "cat", "flat", "small", "pout", "fang", "smirk", "teeth", "dot",
)  # fmt: skip


def paint_face(
    face: FaceDesign, body: BodyDesign, fringe_low: float, detail: float
) -> NDArray[np.uint8]:
    """The face's piece of the atlas; a fringe that ends at `fringe_low` shades the forehead."""
    side = round(SIDE * detail)
    # The padding of the atlas's piece is outside of the head.
    canvas = Canvas(side, FACE_SPAN * SIDE / (SIDE - 16), over=3 if detail >= 0.5 else 4)
    lift = 8.0 / (SIDE - 16) * FACE_SPAN
    painter = _Painter(canvas, lift, face, body)
    painter.blush()
    if fringe_low < 0.26:
        painter.fringe_shadow(fringe_low)
    painter.mark_under()
    for sign in (-1.0, 1.0):
        painter.eye(sign)
        painter.brow(sign)
    painter.nose()
    painter.mouth()
    painter.mark_over()
    return canvas.finish()


class _Painter:
    """One face on its canvas."""

    def __init__(self, canvas: Canvas, lift: float, face: FaceDesign, body: BodyDesign) -> None:
        self.canvas, self.lift, self.face = canvas, lift, face
        old = float(np.interp(body.heads, (2.5, 4.0, 5.5, 7.5), (1.16, 1.05, 0.94, 0.88)))
        if body.build == "male" and body.heads > 3.5:
            old *= 0.90
        self.size = old * face.eye_size
        self.shape = EYES[face.eye]
        self.x = 0.0625 * face.eye_gap
        self.y = float(np.interp(body.heads, (2.5, 4.0, 7.5), (0.112, 0.120, 0.130)))
        self.half = 0.0352 * self.size
        self.skin_dark = adjust(face.skin, -0.22, 1.5)
        self.line = blend(face.brow_colour, "#22121c", 0.72)

    # -- small tools

    def _up(self, points: F64) -> F64:
        return np.asarray(points, np.float64) + np.array([0.0, self.lift])

    def _fill(self, points: F64, colour: str, alpha: float = 1.0) -> None:
        self.canvas.polygon(self._up(points), colour, alpha)

    def _line(self, points: F64, widths: F64 | float, colour: str, alpha: float = 1.0) -> None:
        widths = np.broadcast_to(np.asarray(widths, np.float64), (len(points),))
        self.canvas.stroke(self._up(points), widths, colour, alpha)

    def _mask(self, points: F64) -> NDArray[np.uint8]:
        return self.canvas.mask(self._up(points))

    def _taper(self, width: float, count: int = 33, start: float = 0.15, end: float = 0.15) -> F64:
        return width * np.sin(np.linspace(start, np.pi - end, count))

    # -- pieces

    def blush(self) -> None:
        kind = self.face.blush
        warm = blend(self.face.skin, "#f2606a", 0.62)
        y = self.y - 0.055 * self.size
        for sign in (-1.0, 1.0):
            x = sign * (self.x + 0.016)
            if kind in ("soft", "lines"):
                spot = self.canvas.blur(self._mask(ellipse(x, y, 0.021, 0.011)), 0.009)
                self.canvas.paint(spot, warm, 0.60 if kind == "soft" else 0.35)
            if kind == "round":
                self._fill(ellipse(x, y, 0.017, 0.012), warm, 0.55)
            if kind == "lines":
                for k in (-1, 0, 1):
                    a = np.array(
                        [[x + 0.009 * k - 0.003, y - 0.006], [x + 0.009 * k + 0.003, y + 0.006]]
                    )
                    self._line(a, 0.0011, blend(warm, self.skin_dark, 0.4))

    def fringe_shadow(self, low: float) -> None:
        """The shadow that the fringe throws on the forehead."""
        wave = np.linspace(-0.16, 0.16, 60)
        edge = low - 0.004 + 0.006 * np.cos(wave * 95.0) + 0.2 * wave**2
        edge = np.maximum(edge, self.y + 0.6 * self.half)
        shade = np.concatenate([np.stack([wave, edge], 1), [[0.16, 0.35], [-0.16, 0.35]]])
        self._fill(shade, adjust(self.face.skin, -0.075, 1.5), 0.9)

    def eye(self, sign: float) -> None:
        """One eye: white, iris with gradient, pupil and highlights, lashes."""
        h, shape = self.half, self.shape

        def at(points: F64) -> F64:
            return (np.asarray(points) * h + np.array([self.x, self.y])) * [sign, 1.0]

        if shape.closed:
            self._closed_eye(at)
            return
        inner, outer = (-shape.wide * 0.96, -shape.tilt), (shape.wide * 1.02, shape.tilt)
        peak = (shape.peak, shape.top)
        full = shape.square
        lean = 0.5 * shape.tilt
        top = np.concatenate([
            quadratic(inner, (-0.86 * full * shape.wide, shape.top - lean), peak),
            quadratic(peak, (0.92 * full * shape.wide, shape.top + 0.4 * lean), outer),
        ])  # fmt: skip
        bottom = (0.10, -shape.low)
        low = np.concatenate([
            quadratic(outer, (0.96 * shape.wide, -shape.low + lean), bottom),
            quadratic(bottom, (-0.80 * shape.wide, -shape.low - 0.2 * lean), inner),
        ])  # fmt: skip
        white = self._mask(at(np.concatenate([top, low])))
        self.canvas.paint(white, "#ffffff")
        lid = self._mask(at(np.concatenate([top, top[::-1] - [0.0, 0.36]])))
        self.canvas.paint(np.minimum(white, lid), blend("#b9b4dc", self.face.skin, 0.25), 0.8)
        self._iris(sign, at, white)
        self._lashes(at, top, low)

    def _iris(self, sign: float, at: Place, white: NDArray[np.uint8]) -> None:
        shape, h = self.shape, self.half
        base = self.face.iris[0 if sign < 0 else 1]
        rx, ry = shape.iris, shape.iris_tall
        iris = np.minimum(white, self._mask(at(ellipse(0.0, 0.02, rx, ry))))
        light = lightness(base)
        stops = (
            (-ry, adjust(base, 0.30 - 0.18 * light, 0.9, -0.5)),
            (-0.55 * ry, adjust(base, 0.14, 1.1, -0.3)),
            (-0.1 * ry, base), (0.40 * ry, adjust(base, -0.20 * light - 0.05, 1.0, 0.3)),
            (ry, adjust(base, -0.45 * light - 0.04, 0.8, 0.5)),
        )  # fmt: skip
        rows = (self.canvas.heights()[:, 0] - self.lift - self.y) / h
        places, colours = zip(*((y, hex_colour(c)) for y, c in stops), strict=True)
        ramp = np.stack([np.interp(rows, places, [c[k] for c in colours]) for k in range(3)], -1)
        wide = np.broadcast_to(ramp.astype(np.float32)[:, None], (*self.canvas.image.shape[:2], 3))
        self.canvas.paint(iris, wide)
        dark = adjust(base, -0.52 * light - 0.02, 0.8, 0.4)
        middle = self._mask(at(ellipse(0.0, 0.0, rx - 0.085, ry - 0.095)))
        self.canvas.paint(iris - np.minimum(iris, middle), dark, 0.85)
        pupil = {
            "slit": ellipse(0.0, 0.02, 0.13, 0.62 * ry),
            "wide": ellipse(0.0, 0.05, 0.46 * rx / 0.72, 0.52 * ry),
        }.get(self.face.pupil, ellipse(0.0, 0.04, 0.40 * rx, 0.44 * ry))
        ink = blend(dark, "#180c1c", 0.55)
        self.canvas.paint(np.minimum(iris, self._mask(at(pupil))), ink)
        pale = adjust(base, 0.42 - 0.30 * light, 0.7, -0.4)
        if self.face.pupil == "ring":
            ring = np.minimum(iris, self._mask(at(ellipse(0.0, 0.04, 0.22 * rx, 0.26 * ry))))
            self.canvas.paint(ring, base)
        if self.face.pupil in ("star", "heart", "cross"):
            mark = {"star": _star, "heart": _heart, "cross": _cross}[self.face.pupil]()
            place = at(mark * 0.36 * ry + np.array([0.0, 0.03]))
            self.canvas.paint(np.minimum(iris, self._mask(place)), pale)
        glow = np.minimum(iris, self._mask(at(ellipse(0.0, -0.60 * ry, 0.52 * rx, 0.22 * ry))))
        self.canvas.paint(glow, pale, 0.75)
        # The light comes from the viewer's upper left for both eyes.
        k = min(rx / 0.72, 1.0)
        spots = [(-0.28, 0.42, 0.24, 0.28), (0.30, -0.36, 0.12, 0.15)]
        if self.face.sparkle == 1:
            spots = [(-0.24, 0.44, 0.30, 0.24), (0.34, 0.10, 0.09, 0.11), (0.22, -0.48, 0.14, 0.12)]
        if self.face.sparkle == 2:
            spots = [(-0.22, 0.36, 0.17, 0.30), (0.28, -0.42, 0.10, 0.10)]
        for dx, dy, sx, sy in spots:
            centre = (sign * self.x + dx * h * k, self.y + dy * h * min(ry, 1.0))
            self._fill(ellipse(*centre, sx * h * k, sy * h * min(ry, 1.0)), "#ffffff")

    def _lashes(self, at: Place, top: F64, low: F64) -> None:
        shape, h, heavy = self.shape, self.half, self.face.lashes
        thick = h * (0.085 + 0.065 * heavy)
        width = thick * np.interp(
            np.linspace(0, 1, len(top)), [0, 0.2, 0.6, 1.0], [0.25, 0.75, 1.0, 0.9]
        )
        self._line(at(top + vec(0.0, 0.03)), width, self.line)
        edge = top[-1]
        if shape.wing > 0 and heavy > 0.4:
            reach = 0.34 * shape.wing * (0.5 + 0.5 * heavy)
            start = edge + vec(-0.20, 0.42 if shape.tilt > 0 else 0.36)
            tip = edge + vec(reach, 0.26 + 0.25 * shape.tilt)
            wing = quadratic(tuple(start), tuple(edge + vec(0.06, 0.10)), tuple(tip))
            self._line(at(wing), np.linspace(1.05 * thick, 0.005 * h, 33), self.line)
            if heavy > 0.9:
                flick = quadratic(tuple(edge + vec(-0.06, 0.18)), tuple(edge + vec(0.08, -0.10)),
                                  tuple(edge + vec(0.72 * reach, -0.08)))  # fmt: skip
                self._line(at(flick), np.linspace(0.8 * thick, 0.005 * h, 33), self.line)
        if heavy > 0.75:
            fold = top[10:58] + vec(0.02, 0.30)
            self._line(at(fold), self._taper(0.028 * h, len(fold)), self.skin_dark, 0.9)
        under = low[3:46]
        soft = blend(self.line, self.skin_dark, 0.55)
        self._line(at(under), self._taper(0.045 * h, len(under), 0.5, 0.1), soft, 0.95)

    def _closed_eye(self, at: Place) -> None:
        up = self.shape.closed == "up"
        bend, rest = (0.62, -0.18) if up else (-0.50, 0.10)
        arc = quadratic((-0.95, rest), (0.0, rest + 1.6 * bend), (1.0, rest))
        heavy = 0.10 * self.half * (0.7 + 0.5 * self.face.lashes)
        self._line(at(arc), self._taper(heavy, 33, 0.35, 0.35), self.line)
        if self.face.lashes > 0.8 and not up:
            for x, y in ((0.86, 0.02), (0.58, -0.20)):
                lash = np.array([[x, y], [x + 0.20, y - 0.14]])
                self._line(at(lash), np.array([0.7 * heavy, 0.1 * heavy]), self.line)

    def brow(self, sign: float) -> None:
        inner, middle, outer, half = BROWS[self.face.brow]
        shape = self.shape
        base = self.y + self.half * (max(shape.top, 0.7) if not shape.closed else 0.8) + 0.017
        base = min(base, 0.196)
        x = self.x
        reach = 0.030 if self.face.brow != "short" else 0.016
        points = quadratic(
            (sign * (x - reach), base + inner),
            (sign * (x + 0.004), base + 1.5 * middle),
            (sign * (x + reach + 0.003), base + outer),
        )
        taper = np.interp(np.linspace(0, 1, 33), (0, 0.15, 0.6, 1), (0.55, 1.0, 0.8, 0.15))
        if self.face.brow == "short":
            taper = np.sin(np.linspace(0.3, np.pi - 0.3, 33))
        self._line(points, half * taper, self.face.brow_colour)

    def nose(self) -> None:
        line = quadratic((0.002, 0.079), (0.0045, 0.0755), (0.001, 0.0735))
        self._line(line, 0.0013, self.skin_dark, 0.9)

    def mouth(self) -> None:
        kind, dark = self.face.mouth, blend(self.skin_dark, "#5a1626", 0.62)
        y = 0.0455
        if kind in ("open", "fang", "teeth"):
            wide, deep = (0.0195, 0.024) if kind == "open" else (0.0225, 0.018)
            opening = np.concatenate([
                quadratic((-wide, y + 0.003), (0.0, y - 0.0025), (wide, y + 0.003)),
                quadratic((wide, y + 0.003), (0.55 * wide, y - deep), (0.0, y - deep)),
                quadratic((0.0, y - deep), (-0.55 * wide, y - deep), (-wide, y + 0.003)),
            ])  # fmt: skip
            inside = self._mask(opening)
            self.canvas.paint(inside, "#b03a4c")
            tongue = self._mask(ellipse(0.0, y - deep, 0.6 * wide, 0.42 * deep))
            self.canvas.paint(np.minimum(inside, tongue), "#f58a8a")
            if kind == "teeth":
                row = self._mask(np.array([(-wide, y + 0.01), (wide, y + 0.01), (wide, y - 0.004),
                                           (-wide, y - 0.004)]))  # fmt: skip
                self.canvas.paint(np.minimum(inside, row), "#ffffff")
            if kind == "fang":
                fang = self._mask(
                    np.array([(0.004, y + 0.005), (0.0125, y + 0.005), (0.009, y - 0.008)])
                )
                self.canvas.paint(np.minimum(inside, fang), "#ffffff")
            upper = quadratic(
                (-wide - 0.003, y + 0.0045), (0.0, y - 0.0025), (wide + 0.003, y + 0.0045)
            )
            self._line(upper, self._taper(0.0017, 33, 0.45, 0.45), dark)
            return
        lines: dict[str, list[F64]] = {
            "smile": [quadratic((-0.017, y + 0.002), (0.0, y - 0.010), (0.017, y + 0.002))],
            "grin": [quadratic((-0.025, y + 0.005), (0.0, y - 0.014), (0.025, y + 0.005))],
            "cat": [quadratic((-0.020, y + 0.002), (-0.011, y - 0.012), (0.0, y)),
                    quadratic((0.0, y), (0.011, y - 0.012), (0.020, y + 0.002))],
            "flat": [quadratic((-0.011, y - 0.002), (0.0, y - 0.001), (0.011, y - 0.002))],
            "small": [quadratic((-0.008, y), (0.0, y - 0.006), (0.008, y))],
            "pout": [quadratic((-0.010, y - 0.004), (0.0, y + 0.004), (0.010, y - 0.004))],
            "smirk": [quadratic((-0.014, y - 0.003), (0.004, y - 0.008), (0.017, y + 0.005))],
        }  # fmt: skip
        if kind == "dot":
            self._fill(ellipse(0.0, y - 0.003, 0.0065, 0.0080), dark)
            self._fill(ellipse(0.0, y - 0.006, 0.0045, 0.0035), "#f07f88")
            return
        for points in lines[kind]:
            self._line(points, self._taper(0.0019, len(points), 0.35, 0.35), dark)
        if self.face.mark == "lips":
            lip = quadratic((-0.008, y - 0.0085), (0.0, y - 0.0115), (0.008, y - 0.0085))
            self._line(lip, self._taper(0.0030), blend(self.face.skin, "#e0485c", 0.62), 0.9)

    def mark_under(self) -> None:
        if self.face.mark == "freckles":
            y = self.y - 0.048 * self.size
            for sign in (-1.0, 1.0):
                for dx, dy in ((-0.022, 0.001), (-0.012, -0.006), (0.0, 0.002), (0.011, -0.005)):
                    spot = ellipse(sign * (self.x + dx), y + dy, 0.0021, 0.0019)
                    self._fill(spot, self.skin_dark, 0.75)
        if self.face.mark == "whiskers":
            for sign in (-1.0, 1.0):
                for k in (-1, 0, 1):
                    y = 0.062 + 0.011 * k
                    line = np.array([(sign * 0.082, y), (sign * 0.114, y + 0.006 * k)])
                    self._line(line, np.array([0.0016, 0.0006]), self.skin_dark)

    def mark_over(self) -> None:
        kind, colour = self.face.mark, self.face.iris[0]
        y = self.y - 0.048 * self.size
        if kind == "mole":
            self._fill(ellipse(self.x + 0.012, y, 0.0026, 0.0026), "#4a2626")
        elif kind == "scar":
            cut = np.array([(-self.x - 0.006, self.y + 0.062), (-self.x + 0.004, self.y - 0.058)])
            self._line(quadratic(tuple(cut[0]), (-self.x - 0.004, self.y), tuple(cut[1])),
                       self._taper(0.0024), blend(self.face.skin, "#b04848", 0.6))  # fmt: skip
        elif kind == "stripes":
            for sign in (-1.0, 1.0):
                for k in (0, 1):
                    x, low = sign * (self.x + 0.006), y - 0.004 - 0.013 * k
                    line = np.array([(x - sign * 0.018, low), (x + sign * 0.020, low + 0.004)])
                    self._line(line, np.array([0.0034, 0.0012]), colour)
        elif kind == "tear":
            for sign in (-1.0, 1.0):
                drop = np.array([(0.0, 0.012), (0.007, -0.004), (0.0, -0.014), (-0.007, -0.004)])
                self._fill(drop + vec(sign * (self.x + 0.004), y - 0.004), colour)
        elif kind == "plaster":
            box = np.array([(-0.022, -0.006), (0.022, -0.006), (0.022, 0.006), (-0.022, 0.006)])
            turn = np.array([[0.94, 0.34], [-0.34, 0.94]])
            place = np.array([-self.x - 0.014, y - 0.006])
            self._fill(box @ turn + place, "#f0d3a2")
            self._line(np.concatenate([box, box[:1]]) @ turn + place, 0.0009, "#b98a5a")
            self._fill(0.42 * box @ turn + place, "#e3bd86")
        elif kind == "forehead":
            gem = np.array([(0.0, 0.014), (0.008, 0.0), (0.0, -0.014), (-0.008, 0.0)])
            self._fill(gem + vec(0.0, 0.215), colour)


def _star() -> F64:
    angle = np.pi / 2 + np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def _heart() -> F64:
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, y], 1) / 15.0


def _cross() -> F64:
    a, b = 0.95, 0.28
    points = [(b, a), (b, b), (a, b), (a, -b), (b, -b), (b, -a), (-b, -a), (-b, -b), (-a, -b),
              (-a, b), (-b, b), (-b, a)]  # fmt: skip
    return np.array(points)

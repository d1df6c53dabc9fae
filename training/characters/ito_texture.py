"""The atlas painted in code: Ito's face, the front of her dress, and the gloss of her hair.

Everything is drawn four times larger with OpenCV and averaged down, so edges are smooth.
"""

import numpy as np
from numpy.typing import NDArray

from training.characters.ito_design import CHIN
from training.characters.paint import Canvas, ellipse, quadratic
from training.characters.shapes import F64, hex_colour
from training.render.scene import Texture

DENSITY = 2400.0  # texels per unit
_SIDE = 768  # of the face's and the dress's square
_SPAN = _SIDE / DENSITY  # 0.32 units
_WIDTH, _HEIGHT = 2048, 1024
_DRESS_LOW = 0.86  # y at the lower edge of the dress's square
_HAIR_TOP, _HAIR_SPAN = 1.66, 0.70
_HAIR_TURN = 2 * np.pi + 1.2  # radians across the hair's piece: more than once around


def face_uv(vertices: F64) -> F64:
    """Texture coordinates of the face: a projection from the front."""
    u = (vertices[:, 0] + 0.5 * _SPAN) * DENSITY
    v = _SIDE - (vertices[:, 1] - CHIN) * DENSITY
    return np.stack([u / _WIDTH, v / _HEIGHT], 1)


def dress_uv(vertices: F64) -> F64:
    """Texture coordinates of the dress's top: one drawing, seen from the front and from behind."""
    u = _SIDE + (vertices[:, 0] + 0.5 * _SPAN) * DENSITY
    v = _SIDE - (vertices[:, 1] - _DRESS_LOW) * DENSITY
    return np.stack([u / _WIDTH, v / _HEIGHT], 1)


def hair_uv(azimuth: F64, y: F64) -> F64:
    """Texture coordinates of hair: the azimuth about the head (0 in front), and the height."""
    u = 2 * _SIDE + (azimuth / _HAIR_TURN + 0.5) * (_WIDTH - 2 * _SIDE)
    v = (_HAIR_TOP - y) / _HAIR_SPAN * _SIDE
    return np.stack([u / _WIDTH, v / _HEIGHT], 1)


def build() -> Texture:
    """The atlas."""
    atlas = np.zeros((_HEIGHT, _WIDTH, 4), np.uint8)
    atlas[:_SIDE, :_SIDE] = _face()
    atlas[:_SIDE, _SIDE : 2 * _SIDE] = _dress()
    atlas[:_SIDE, 2 * _SIDE :] = _hair(_SIDE, _WIDTH - 2 * _SIDE)
    return Texture.of(atlas, DENSITY)


def _face() -> NDArray[np.uint8]:
    canvas = Canvas(_SIDE, _SPAN)
    for sign in (-1.0, 1.0):
        blush = canvas.blur(canvas.mask(ellipse(sign * 0.083, 0.066, 0.020, 0.010)), 0.008)
        canvas.paint(blush, "#ff8f90", 0.55)
    # The shadow that the fringe throws on the forehead.
    wave = np.linspace(-0.16, 0.16, 90)
    edge = 0.186 + 0.008 * np.cos(wave * 95.0) + 0.25 * wave**2
    shadow = np.concatenate([np.stack([wave, edge], 1), [[0.16, 0.32], [-0.16, 0.32]]])
    canvas.polygon(shadow, "#eeb0a8", 0.85)
    for sign in (-1.0, 1.0):
        _eye(canvas, sign)
        brow = quadratic((sign * 0.032, 0.1845), (sign * 0.066, 0.199), (sign * 0.097, 0.181))
        canvas.stroke(brow, np.linspace(0.0026, 0.0010, 33), "#6d4f9e")
    nose = quadratic((0.002, 0.079), (0.0045, 0.0755), (0.001, 0.0735))
    canvas.stroke(nose, np.full(33, 0.0013), "#c9736c", 0.9)
    _mouth(canvas)
    return canvas.finish()


def _mouth(canvas: Canvas) -> None:
    opening = np.concatenate(
        [
            quadratic((-0.0185, 0.0485), (0.0, 0.0430), (0.0185, 0.0485)),
            quadratic((0.0185, 0.0485), (0.009, 0.0245), (0.0, 0.0250)),
            quadratic((0.0, 0.0250), (-0.009, 0.0245), (-0.0185, 0.0485)),
        ]
    )
    inside = canvas.mask(opening)
    canvas.paint(inside, "#b03a4c")
    tongue = canvas.mask(ellipse(0.0, 0.0245, 0.0105, 0.0080))
    canvas.paint(np.minimum(inside, tongue), "#f58a8a")
    upper = quadratic((-0.0215, 0.0500), (0.0, 0.0428), (0.0215, 0.0500))
    canvas.stroke(upper, 0.0017 * np.sin(np.linspace(0.45, np.pi - 0.45, 33)), "#7c2b3a")


def _eye(canvas: Canvas, sign: float) -> None:
    """One eye: white, iris with gradient, pupil and highlights, lashes. Symmetric but for light."""
    cx, cy = 0.063, 0.122

    def at(points: F64) -> F64:
        return (np.asarray(points) + np.array([cx, cy])) * [sign, 1.0]

    # x grows outward from the nose; the upper lid peaks a little inside.
    top = np.concatenate(
        [
            quadratic((-0.033, -0.004), (-0.030, 0.034), (-0.002, 0.0365)),
            quadratic((-0.002, 0.0365), (0.028, 0.037), (0.036, 0.006)),
        ]
    )
    low = np.concatenate(
        [
            quadratic((0.036, 0.006), (0.033, -0.032), (0.004, -0.0365)),
            quadratic((0.004, -0.0365), (-0.026, -0.036), (-0.033, -0.004)),
        ]
    )
    shape = canvas.mask(at(np.concatenate([top, low])))
    canvas.paint(shape, "#ffffff")
    lid_shadow = canvas.mask(at(np.concatenate([top, top[::-1] - [0.0, 0.014]])))
    canvas.paint(np.minimum(shape, lid_shadow), "#c9bfe6", 0.8)

    iris = np.minimum(shape, canvas.mask(at(ellipse(0.0, 0.0005, 0.0258, 0.0370))))
    rows = canvas.heights()[..., None] - cy
    stops = (("#5b2a1e", 0.040), ("#a8481c", 0.016), ("#f09a25", -0.006), ("#ffd65a", -0.022),
             ("#fff3a6", -0.037))  # fmt: skip
    ramp = np.zeros((canvas.image.shape[0], 1, 3), np.float32)
    order = stops[::-1]
    for k in range(3):
        ramp[..., k] = np.interp(
            rows[..., 0], [y for _, y in order], [hex_colour(c)[k] for c, _ in order]
        )
    canvas.paint(iris, np.broadcast_to(ramp, (*canvas.image.shape[:2], 3)))
    middle = canvas.mask(at(ellipse(0.0, -0.0005, 0.0228, 0.0335)))
    canvas.paint(iris - np.minimum(iris, middle), "#5b2418", 0.85)
    canvas.paint(np.minimum(iris, canvas.mask(at(ellipse(0.0, 0.0015, 0.0105, 0.0165)))), "#3a1420")
    glow = np.minimum(iris, canvas.mask(at(ellipse(0.0, -0.0215, 0.0135, 0.0085))))
    canvas.paint(glow, "#fff6c0", 0.75)

    # Lashes: a thick upper line with a wing, a light lower line.
    width = np.interp(
        np.linspace(0, 1, len(top)), [0, 0.25, 0.6, 1.0], [0.0016, 0.0042, 0.0056, 0.0046]
    )
    canvas.stroke(at(top + np.array([0.0, 0.0015])), width, "#2b1633")
    wing = quadratic((0.027, 0.024), (0.036, 0.014), (0.0475, 0.0175))
    canvas.stroke(at(wing), np.linspace(0.0062, 0.0002, 33), "#2b1633")
    flick = quadratic((0.031, 0.014), (0.038, 0.004), (0.0455, 0.0045))
    canvas.stroke(at(flick), np.linspace(0.0045, 0.0002, 33), "#2b1633")
    fold = quadratic((-0.022, 0.040), (0.006, 0.0525), (0.034, 0.033))
    canvas.stroke(at(fold), 0.0011 * np.sin(np.linspace(0.2, np.pi - 0.2, 33)), "#b06a70", 0.9)
    canvas.stroke(at(low[6:52]), 0.0013 * np.sin(np.linspace(0.1, np.pi - 0.3, 46)), "#8a4a5c", 0.9)
    # The light comes from the viewer's upper left for both eyes.
    for dx, dy, rx, ry in ((-0.0095, 0.0150, 0.0085, 0.0100), (0.0105, -0.0125, 0.0045, 0.0055)):
        spot = ellipse(sign * cx + dx, cy + dy, rx, ry)
        canvas.polygon(spot, "#ffffff")


def _dress() -> NDArray[np.uint8]:
    canvas = Canvas(_SIDE, _SPAN)
    low = 0.0
    navy, line = "#37447f", "#ee3f55"
    neckline = [(-0.16, 0.172), (-0.074, 0.186), (-0.052, 0.196), (-0.026, 0.176), (0.0, 0.172),
                (0.026, 0.176), (0.052, 0.196), (0.074, 0.186), (0.16, 0.172)]  # fmt: skip
    canvas.polygon(np.array([(-0.16, low), *neckline, (0.16, low)]), navy)
    canvas.stroke(np.array(neckline), np.full(len(neckline), 0.0022), line)
    for y in (0.13, 0.105, 0.08):
        for sign in (-1.0, 1.0):
            canvas.polygon(ellipse(sign * 0.026, y, 0.0066, 0.0066), "#141838")
            canvas.polygon(ellipse(sign * 0.026, y, 0.0052, 0.0052), "#ffcf5c")
    return canvas.finish()


def _hair(height: int, width: int) -> NDArray[np.uint8]:
    """Gloss: a band with a ragged edge, about the crown."""
    u = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5) * (_HAIR_TURN / (2 * np.pi))
    y = _HAIR_TOP - (np.arange(height, dtype=np.float32)[:, None] + 0.5) / height * _HAIR_SPAN
    rag = 0.5 + 0.5 * np.cos(u * 2 * np.pi * 17)
    rag2 = 0.5 + 0.5 * np.cos(u * 2 * np.pi * 29 + 1.0)
    top = 1.520 + 0.006 * rag2
    low = 1.497 - 0.022 * rag * (0.4 + 0.6 * rag2)
    soft = 0.0016
    alpha = np.clip((top - y) / soft, 0, 1) * np.clip((y - low) / soft, 0, 1)
    image = np.zeros((height, width, 4), np.uint8)
    image[..., :3] = np.round(np.array(hex_colour("#f4e9ff")) * 255).astype(np.uint8)
    image[..., 3] = np.round(alpha * 215).astype(np.uint8)
    return image

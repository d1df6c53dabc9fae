"""The gloss, strands and second colour of hair, painted by azimuth and height."""

import numpy as np
from numpy.typing import NDArray

from training.characters.procedural.atlas import HAIR
from training.characters.procedural.colours import adjust, lightness
from training.characters.procedural.design import HairDesign
from training.characters.procedural.fabric import Layers
from training.characters.shapes import F64, smoothstep

_TOP, _SPAN = 0.40, 0.55  # heights above the chin that the piece covers
_TURN = np.radians(736.0)  # twice around: a piece may begin anywhere and pass behind


def hair_uv(azimuth: F64, height: F64) -> F64:
    """Atlas coordinates by azimuth about the head and height above the chin."""
    v = np.clip((_TOP - height) / _SPAN, 0.0, 1.0)
    return HAIR.uv(azimuth / _TURN + 0.5, np.where(height > 5.0, 1.0, np.clip(v, 0.0, 0.97)))


def paint_hair(hair: HairDesign, detail: float) -> NDArray[np.uint8]:
    """The hair's piece of the atlas, straight alpha; its lowest rows are clear."""
    layers = Layers(HAIR, detail)
    azimuth = (layers.u - 0.5) * _TURN
    y = _TOP - layers.v * _SPAN
    clear = 1.0 - smoothstep(0.975, 0.98, layers.v)
    rng = np.random.default_rng([11, hair.seed])
    around = (azimuth + np.pi) % (2 * np.pi) - np.pi
    if hair.tone == "split":
        layers.lay(hair.second, smoothstep(-0.01, 0.01, np.sin(around)) * clear)
    if hair.tone == "streaks":
        for middle in [*rng.uniform(-1.4, 1.4, 3), *rng.uniform(1.6, 4.6, 3)]:
            half = rng.uniform(0.05, 0.11)
            near = np.abs((azimuth - middle + np.pi) % (2 * np.pi) - np.pi)
            layers.lay(hair.second, smoothstep(half + 0.015, half, near) * clear)
    dark = adjust(hair.colour, -0.03 - 0.07 * lightness(hair.colour), 1.05, 0.35)
    strands = np.zeros((y.shape[0], azimuth.shape[1]))
    for _ in range(46):
        middle = rng.uniform(-np.pi, np.pi)
        top, low = rng.uniform(0.18, 0.33), rng.uniform(-0.1, 0.16)
        near = np.abs((azimuth - middle + np.pi) % (2 * np.pi) - np.pi)
        inside = smoothstep(low - 0.03, low + 0.02, y) * (1 - smoothstep(top - 0.05, top + 0.02, y))
        columns = np.flatnonzero(near[0] < 0.02)
        cover = 0.55 * smoothstep(0.016, 0.006, near[:, columns]) * inside
        strands[:, columns] = np.maximum(strands[:, columns], cover)
    layers.lay(dark, strands * clear)
    if hair.gloss != "none":
        shine = adjust(hair.colour, 0.10 + 0.10 * (1 - lightness(hair.colour)), 0.75, -0.1)
        waves = 17 if hair.gloss != "wide" else 9
        rag = 0.5 + 0.5 * np.cos(azimuth * waves)
        rag2 = 0.5 + 0.5 * np.cos(azimuth * (waves + 12) + 1.0)
        bands = {"ring": [(0.284, 0.020)], "double": [(0.286, 0.012), (0.252, 0.010)],
                 "soft": [(0.280, 0.032)], "wide": [(0.292, 0.030)]}[hair.gloss]  # fmt: skip
        strength = 0.5 if hair.gloss == "soft" else 0.85
        for top, thick in bands:
            high = top + 0.006 * rag2
            low = top - thick - 0.022 * rag * (0.4 + 0.6 * rag2)
            edge = 0.002 if hair.gloss != "soft" else 0.010
            cover = np.clip((high - y) / edge, 0, 1) * np.clip((y - low) / edge, 0, 1)
            layers.lay(shine, strength * cover)
    return layers.finish()

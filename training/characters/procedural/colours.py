"""Colours that go together: curated palettes, and toon materials derived from one colour.

Shades are made in OKLab (Ottosson 2020), where lightness is perceived evenly: a shade is darker,
a little more colourful and turned toward blue-violet, as painters of cel pictures shade.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from training.characters.shapes import F64, Material, hex_colour

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LAB, _FROM_LMS = np.linalg.inv(_TO_LAB), np.linalg.inv(_TO_LMS)


def _oklab(colour: str) -> F64:
    srgb = np.array(hex_colour(colour))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return _TO_LAB @ np.cbrt(_TO_LMS @ linear)


def _hex(lab: F64) -> str:
    linear = np.clip(_FROM_LMS @ (_FROM_LAB @ lab) ** 3, 0.0, 1.0)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.clip(np.round(srgb * 255), 0, 255).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"


@lru_cache(maxsize=4096)
def adjust(colour: str, light: float = 0.0, colourful: float = 1.0, cool: float = 0.0) -> str:
    """A colour made lighter by `light`, more colourful, and turned toward blue-violet by `cool`."""
    lab = _oklab(colour)
    lab[0] = np.clip(lab[0] + light, 0.0, 1.0)
    lab[1:] *= colourful
    lab[1:] += cool * np.array([0.010, -0.045])
    return _hex(lab)


@lru_cache(maxsize=1024)
def blend(first: str, second: str, share: float) -> str:
    """The colour `share` of the way from one to the other."""
    return _hex((1 - share) * _oklab(first) + share * _oklab(second))


def lightness(colour: str) -> float:
    """Perceived lightness, 0 to 1."""
    return float(_oklab(colour)[0])


@lru_cache(maxsize=1024)
def toon(colour: str) -> Material:
    """Material of cloth, hair or leather from its colour in the light."""
    light = lightness(colour)
    shade = adjust(colour, -0.045 - 0.13 * light, 1.06, 0.35 + 0.65 * max(light - 0.6, 0.0))
    ink = adjust(colour, -0.16 - 0.40 * light, 0.95, 0.45)
    lit = np.array(hex_colour(colour))
    # What is printed on dark cloth is shaded by the ratio of these two: keep it near grey.
    dark = np.clip(hex_colour(shade), 0.60 * lit, 0.97 * lit)
    red, green, blue = (float(channel) for channel in dark)
    return Material(hex_colour(colour), (red, green, blue), hex_colour(ink))


@lru_cache(maxsize=64)
def skin(colour: str) -> Material:
    """Material of skin: its shade turns toward red, not blue."""
    lab = _oklab(colour)
    shade = lab + np.array([-0.105, 0.030, 0.018])
    ink = lab * np.array([0.52, 1.2, 1.2]) + np.array([0.0, 0.030, 0.010])
    return Material.of(colour, _hex(shade), _hex(ink))


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one outfit that were chosen together."""

    main: str
    second: str
    accent: str
    pale: str
    dark: str
    metal: str = "#f3c75a"


_TABLE = """
37447f fdfcff ee3f55 f4f4fb 4a3340   2b3a67 f6f1e7 f2b134 fffaf0 5a3a2e
7b2d3b f7efe6 d9a441 fff6ea 3b2530   1f5f5b f2efe4 f08a5d fdf8ec 3a3a44
f4a7b9 fff7fa c8506e fffafc 7a4a52   9fd3c7 fdfdf8 ff8c94 ffffff 47596b
2f2f3a e8e6f0 d7263d f6f4fa 26262e   6c5b9e f3eefc f7c948 fbf9ff 3a315a
c0392b fbf3e4 2c3e50 fffaf0 46302a   4f86c6 ffffff f9d56e f5faff 3b4a63
e07a5f f4f1de 3d405b fbf9ef 5b3b34   588157 f1ead6 bc4749 fbf7ea 4b3f2f
8ecae6 ffffff fb8500 f6fbff 27506b   5e548e f8e9f0 e0b1cb fff8fc 3c3058
d4a373 fefae0 606c38 fffdf0 6b4a2e   ef476f ffffff 118ab2 fff5f7 3d3a50
14213d e5e5e5 fca311 f7f7f7 23232b   b5838d fff1ec 6d6875 fff9f6 5a454e
a3b18a f6f4ec 3a5a40 fcfbf4 4d4336   264653 f4efe6 e9c46a fbf8f1 5b4636
ffb703 ffffff 023047 fffaf0 5a4632   90be6d fffdf2 f94144 fffef8 50563a
cdb4db fff6fb ffafcc fffbfe 6f5a86   3f88c5 f5f5f0 d72638 fdfdfb 2e3f5a
6a040f f8edeb d4a017 fff8f4 2b1216   1b998b fffdf5 ff9b71 fcfffb 2d3e46
e9edc9 fefae0 d4a373 fffef4 7c6a4d   4a4e69 f2e9e4 c9ada7 faf6f3 2f3046
f28482 f7ede2 84a59d fffaf4 6b4a48   a2d2ff ffffff ffafcc f8fcff 53678c
3a5a40 dad7cd e9b44c f4f2ea 3b3328   772f1a f4e3c8 f2a65a fdf3e3 3e2217
ffffff 3f4f8c e63a4f fbfcff 3b3f58   f7f3ee 2f2b35 b8293d fffdfa 2d2930
fff4d6 8c5e3c e58a8a fffbef 6a4630   e6f0ff 5876b8 f2c14e f8fbff 44506e
222034 5b4b8a 9be7ff e8e4f6 1c1a29   3c1f3f e7d4e8 f26ca7 f9f0fa 2a162c
d90429 edf2f4 2b2d42 fafcfd 33292d   00798c f5efe0 edae49 fcf8ee 35444a
c17c74 f3e9dc 7a9e7e fcf7f0 5a3e3a   70a9a1 f6f5ee cf5c36 fdfcf7 40524f
9a8c98 f2e9e4 4a4e69 faf7f5 3c3a48   b8c0ff fff7fd ffd6a5 fcfaff 5d6296
"""


def _palettes() -> tuple[Palette, ...]:
    names = ["#" + word for word in _TABLE.split()]
    metals = ("#f3c75a", "#dfe4ee", "#e0a266")
    rows = [names[i : i + 5] for i in range(0, len(names), 5)]
    return tuple(
        Palette(main, second, accent, pale, dark, metals[i % 3])
        for i, (main, second, accent, pale, dark) in enumerate(rows)
    )


PALETTES = _palettes()
SKINS = ("#fde7da", "#fde0cf", "#fbd6bf", "#f3c4a2", "#e2a983", "#c68860", "#9c6644", "#7a4a32")
FANCY_SKINS = ("#cfe3f2", "#c9e6c0", "#e8cdf0", "#f2b8a8")
HAIR_COLOURS = (
    "#2f2a3a", "#3d2b2b", "#5a3a2c", "#7d4f33", "#a8713f", "#d9a75a", "#f3d787", "#fbeec2",
    "#e9e6ee", "#b9bcc8", "#7c8092", "#c8452f", "#e8743b", "#f2998f", "#f7b4cd", "#e36a9a",
    "#bfa6f2", "#8a68c9", "#5b4bb0", "#4a6fd0", "#6fb4ec", "#9fe0e6", "#4fb9a8", "#79b765",
    "#b7d98a", "#324a66", "#6e2b45", "#f6f4f0",
)  # fmt: skip
IRISES = (
    "#7a4a2a", "#a8481c", "#f0a028", "#e8c63a", "#6fae3c", "#2f9e77", "#27a8a8", "#3f8ee0",
    "#3a58cf", "#7d57d6", "#b04fc8", "#e0528f", "#d4364a", "#8892a8", "#4b4f66", "#f08a5d",
)  # fmt: skip

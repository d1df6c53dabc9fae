"""What a procedural character is to look like: every choice, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from training.characters.procedural.colours import (
    FANCY_SKINS,
    HAIR_COLOURS,
    IRISES,
    PALETTES,
    SKINS,
    Palette,
    adjust,
    lightness,
)
from training.characters.procedural.design import (
    BodyDesign,
    Design,
    ExtrasDesign,
    FaceDesign,
    HairDesign,
    OutfitDesign,
)

T = TypeVar("T")


def draw_design(seed: int) -> Design:
    """The design of a seed; the same one every time."""
    pick = _Pick(np.random.default_rng([20, seed]))
    body = _body(pick)
    hair = _hair(pick, body)
    palette = pick.of(PALETTES)
    hair = replace(hair, tie_colour=pick.of((palette.accent, palette.accent, palette.main)))
    outfit = _outfit(pick, body, palette)
    extras = _extras(pick, body, hair, outfit)
    face = _face(pick, body, hair, extras)
    return Design(seed, body, face, hair, outfit, extras)


class _Pick:
    """Choices from one random stream."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def of(self, options: Sequence[T]) -> T:
        """One of the options, all alike likely."""
        return options[int(self.rng.integers(len(options)))]

    def weighted(self, options: dict[str, float]) -> str:
        """One of the options, by weight."""
        weights = np.array(list(options.values()))
        return list(options)[int(self.rng.choice(len(options), p=weights / weights.sum()))]

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return bool(self.rng.random() < share)

    def between(self, low: float, high: float) -> float:
        """A number of the range."""
        return float(self.rng.uniform(low, high))


def _body(pick: _Pick) -> BodyDesign:
    build = pick.weighted({"female": 0.56, "male": 0.28, "child": 0.16})
    style = pick.weighted({"chibi": 0.24, "toon": 0.34, "teen": 0.26, "tall": 0.16})
    low, high = {"chibi": (2.5, 3.3), "toon": (3.5, 4.7), "teen": (4.8, 6.0), "tall": (6.1, 7.9)}[
        style
    ]
    if build == "child":
        low, high = (2.6, 3.4) if style == "chibi" else (3.5, 4.8)
    heads = pick.between(low, high)
    grown = float(np.clip((heads - 3.2) / 2.0, 0.0, 1.0))
    bust = pick.between(0.15, 1.0) * grown if build == "female" else 0.0
    return BodyDesign(heads, build, bust, pick.between(0.92, 1.12), pick.between(-0.012, 0.022))


def _hair(pick: _Pick, body: BodyDesign) -> HairDesign:
    male = body.build == "male"
    cut = pick.weighted(
        {"short": 0.46, "wild": 0.30, "bob": 0.10, "long": 0.06, "up": 0.08} if male else
        {"short": 0.09, "wild": 0.06, "bob": 0.30, "long": 0.33, "up": 0.22}
    )  # fmt: skip
    tie = "none"
    if cut == "up":
        tie = pick.weighted(
            {"pony_high": 0.3, "pony_low": 0.5, "bun": 0.15, "braid": 0.05} if male else
            {"twin_high": 0.22, "twin_low": 0.14, "pony_high": 0.17, "pony_low": 0.06, "side": 0.09,
             "bun": 0.07, "twin_buns": 0.08, "braid": 0.05, "twin_braids": 0.06, "drills": 0.06}
        )  # fmt: skip
    elif cut == "bob" and not male:
        tie = pick.weighted({"none": 0.62, "twin_buns": 0.12, "half_up": 0.1, "twin_low": 0.08,
                             "side": 0.08})  # fmt: skip
    elif cut == "long" and not male:
        tie = pick.weighted({"none": 0.60, "half_up": 0.12, "twin_high": 0.12, "twin_buns": 0.10,
                             "twin_braids": 0.06})  # fmt: skip
    fringe = pick.weighted(
        {"swept": 2, "swept_left": 2, "m": 2, "long": 1.5, "spiky": 3, "up": 1.2, "parted": 1,
         "short": 1, "one_eye": 0.7, "crossed": 1.2, "straight": 0.5} if male else
        {"straight": 2, "blunt": 1.5, "swept": 2, "swept_left": 2, "parted": 1.6, "m": 1.4,
         "long": 1.2, "one_eye": 0.8, "up": 0.6, "spiky": 0.8, "short": 0.7, "side": 1,
         "crossed": 1.6}
    )  # fmt: skip
    if male:
        sides = pick.weighted({"none": 0.55, "short": 0.40, "long": 0.05})
        if cut in ("bob", "long"):
            sides = pick.weighted({"short": 0.4, "long": 0.6})
    else:
        sides = pick.weighted(
            {"none": 0.12, "short": 0.2, "long": 0.34, "hime": 0.14, "chest": 0.2}
        )
        if cut in ("bob", "long") and sides == "none":
            sides = "short"
    colour = pick.of(HAIR_COLOURS)
    tone = pick.weighted({"plain": 0.52, "tips": 0.2, "streaks": 0.1, "inner": 0.1, "split": 0.08})
    second = pick.of([c for c in HAIR_COLOURS if c != colour])
    if tone in ("plain", "tips") and pick.chance(0.5):
        second = adjust(colour, pick.of((-0.18, 0.16)), 1.1, pick.of((-0.4, 0.5)))
    length = {"bob": pick.between(0.0, 0.5), "long": pick.between(0.16, 0.95)}.get(cut, 0.0)
    if cut == "up" or tie != "none":
        length = max(length, pick.between(0.12, 0.8))
    return HairDesign(
        seed=int(pick.rng.integers(1 << 30)), cut=cut, length=length,
        wave=pick.of((0.0, 0.0, 0.6, 1.0)), volume=pick.between(0.98, 1.07), fringe=fringe,
        sides=sides, tie=tie, colour=colour, second=second, tone=tone,
        gloss=pick.weighted({"ring": 4, "double": 2, "soft": 2, "wide": 2, "none": 1}),
        ahoge=int(pick.weighted({"0": 0.66, "1": 0.18, "2": 0.1, "3": 0.06})),
    )  # fmt: skip


_PATTERNS = {
    "none": 6.0, "stripes": 1.2, "pinstripes": 0.8, "columns": 0.7, "check": 1.0, "gingham": 0.9,
    "dots": 1.1, "stars": 0.6, "hearts": 0.4, "flowers": 0.6, "diamonds": 0.6, "waves": 0.4,
}  # fmt: skip


def _outfit(pick: _Pick, body: BodyDesign, palette: Palette) -> OutfitDesign:
    male = body.build == "male"
    kind = pick.weighted(
        {"shirt": 1.2, "tee": 1.2, "blazer": 1.6, "jacket": 1.3, "hoodie": 1.4, "coat": 1.1,
         "kimono": 0.8, "vest": 1.0, "sweater": 0.9, "tank": 0.4, "gakuran": 0.9} if male else
        {"shirt": 1.0, "tee": 0.9, "sailor": 1.6, "blazer": 1.2, "jacket": 0.9, "hoodie": 1.0,
         "dress": 2.6, "coat": 0.8, "kimono": 0.9, "vest": 0.9, "sweater": 0.9, "tank": 0.5}
    )  # fmt: skip
    sleeves: dict[str, dict[str, float]] = {
        "shirt": {"long": 2, "short": 2, "rolled": 1, "bishop": 0.6 * (not male)},
        "tee": {"short": 3, "long": 1, "cap": 0.6},
        "sailor": {"short": 1.5, "long": 1.5, "puff": 0.5},
        "blazer": {"long": 1}, "jacket": {"long": 3, "rolled": 1},
        "hoodie": {"long": 4, "short": 0.6},
        "dress": {"puff": 2, "short": 1, "none": 1.4, "long": 1, "bishop": 1.2, "bell": 1},
        "coat": {"long": 1}, "kimono": {"bell": 1}, "vest": {"long": 1.5, "short": 1, "rolled": 1},
        "sweater": {"long": 1}, "tank": {"none": 1}, "gakuran": {"long": 1},
    }  # fmt: skip
    sleeve = pick.weighted(sleeves[kind])
    collars: dict[str, dict[str, float]] = {
        "shirt": {"shirt": 1, "stand": 0.3}, "tee": {"none": 1}, "sailor": {"sailor": 1},
        "blazer": {"shirt": 1}, "jacket": {"shirt": 1, "stand": 1, "fur": 0.7},
        "hoodie": {"hood": 1},
        "dress": {"none": 2, "shirt": 0.8, "sailor": 0.8, "ruffle": 1, "stand": 0.6},
        "coat": {"stand": 1, "fur": 1, "shirt": 1}, "kimono": {"kimono": 1},
        "vest": {"shirt": 1}, "sweater": {"turtle": 1, "none": 1, "shirt": 0.5},
        "tank": {"none": 1}, "gakuran": {"stand": 1},
    }  # fmt: skip
    collar = pick.weighted(collars[kind])
    neckwears: dict[str, dict[str, float]] = {
        "shirt": {"none": 1, "tie": 1, "bow": 0.8}, "sailor": {"kerchief": 1.4, "bow": 1.2},
        "blazer": {"tie": 1.2, "bow": 1}, "vest": {"tie": 1, "bow": 1, "none": 0.5},
        "dress": {"none": 1.2, "bow": 1.2, "pendant": 0.6, "choker": 0.6},
        "tee": {"none": 2, "scarf": 0.4, "pendant": 0.5}, "tank": {"none": 1, "choker": 0.6},
        "hoodie": {"none": 1}, "jacket": {"none": 1, "scarf": 0.7},
        "sweater": {"none": 2, "scarf": 1},
        "coat": {"scarf": 1.2, "none": 1, "bow": 0.4},
    }  # fmt: skip
    neckwear = pick.weighted(neckwears.get(kind, {"none": 1.0}))
    if collar == "turtle" and neckwear == "choker":
        neckwear = "none"
    skirt, trousers = "none", "none"
    if kind in ("dress", "kimono", "coat"):
        skirts: dict[str, dict[str, float]] = {
            "dress": {"flared": 2, "pleated": 1, "frills": 1.3, "straight": 0.3},
            "kimono": {"straight": 1, "pleated": 0.7}, "coat": {"flared": 1},
        }  # fmt: skip
        skirt = pick.weighted(skirts[kind])
    elif not male and pick.chance(0.72 if kind in ("sailor", "blazer", "vest") else 0.5):
        skirt = pick.weighted({"pleated": 3, "flared": 1.6, "frills": 0.9, "straight": 0.5})
    if skirt == "none" or kind == "coat":
        trousers = pick.weighted({"slim": 2.2, "wide": 1.0, "shorts": 1.4, "knee": 0.7})
    long_skirt = pick.chance(0.24)
    length = pick.between(0.72, 0.95) if long_skirt else pick.between(0.24, 0.52)
    if kind == "coat":
        length = pick.between(0.38, 0.72)
    if kind == "kimono":
        length = pick.of((0.30, 0.92))
    bare = trousers in ("none", "shorts", "knee")
    socks = "none"
    if bare and (length < 0.7 or skirt == "none"):
        socks = pick.weighted({"none": 0.8, "ankle": 1, "knee": 1.5,
                               "thigh": 1.6 * (not male) + 0.1,
                               "tights": 1.0 * (not male) + 0.05, "striped": 0.7,
                               "bands": 0.7})  # fmt: skip
    shoes = pick.weighted({"loafers": 1.6, "sneakers": 1.8, "boots": 1.6, "tall": 1.0,
                           "sandals": 0.5,
                           "straps": 1.0 * (not male)})  # fmt: skip
    if kind == "kimono":
        shoes = pick.weighted({"sandals": 2, "boots": 1})
    pattern = pick.weighted(_PATTERNS) if kind not in ("gakuran", "blazer") else "none"
    low = pick.weighted(_PATTERNS | {"check": 3.0})
    if kind in ("dress", "coat", "kimono"):
        low = pattern
    elif pattern != "none" and pick.chance(0.75):
        low = "none"  # two patterns at once are restless
    gloves = pick.weighted(
        {"none": 6, "short": 0.8, "long": 0.5, "fingerless": 0.6, "mittens": 0.3}
    )
    cape = pick.weighted({"none": 9, "short": 0.5, "long": 0.9})
    if kind in ("coat", "hoodie"):
        cape = "none"
    belt = "obi" if kind == "kimono" else pick.weighted({"none": 1.6, "belt": 1.2, "sash": 0.5})
    return OutfitDesign(
        palette=palette, kind=kind, sleeve=sleeve, collar=collar, neckwear=neckwear, skirt=skirt,
        skirt_length=length, trousers=trousers, pattern=pattern, pattern_low=low,
        trim=pick.weighted({"none": 1, "line": 2, "double": 1.4, "band": 1.2, "lace": 0.7}),
        socks=socks, shoes=shoes, gloves=gloves, cape=cape, belt=belt,
        apron=kind == "dress" and pick.chance(0.28),
    )  # fmt: skip


def _extras(pick: _Pick, body: BodyDesign, hair: HairDesign, outfit: OutfitDesign) -> ExtrasDesign:
    tall_hair = hair.tie in (
        "bun", "twin_buns", "pony_high", "twin_high", "drills", "half_up", "side",
    )  # fmt: skip
    hat = "none" if tall_hair else pick.weighted(
        {"none": 6.4, "cap": 0.8, "witch": 0.7, "beret": 0.8, "straw": 0.6, "beanie": 0.6,
         "top": 0.35, "crown": 0.35}
    )  # fmt: skip
    beast = pick.weighted({"none": 4.6, "cat": 0.8, "fox": 0.7, "rabbit": 0.5, "bear": 0.3,
                           "dog": 0.4,
                           "elf": 0.6, "mouse": 0.25})  # fmt: skip
    if hat not in ("none", "crown") and beast not in ("none", "elf"):
        hat = "none"
    horns = "none"
    if beast in ("none", "elf") and hat in ("none", "crown"):
        horns = pick.weighted({"none": 9, "oni": 0.5, "ram": 0.5, "devil": 0.5, "dragon": 0.4,
                               "unicorn": 0.25})  # fmt: skip
    tail = {"cat": "cat", "fox": "fox", "dog": "dog", "rabbit": "puff", "mouse": "mouse",
            "bear": "puff"}.get(beast, "none")  # fmt: skip
    tail = tail if pick.chance(0.85) else "none"
    if horns in ("devil", "dragon") and pick.chance(0.7):
        tail = horns
    wings = pick.weighted({"none": 14, "angel": 0.5, "fairy": 0.4})
    if horns in ("devil", "dragon") and pick.chance(0.55):
        wings = "bat"
    if outfit.cape != "none":
        wings = "none"
    glasses = pick.weighted({"none": 6, "round": 0.6, "square": 0.5, "half": 0.3, "goggles": 0.2,
                             "shades": 0.15})  # fmt: skip
    free = hat == "none" and beast in ("none", "elf") and horns == "none"
    ornament = pick.weighted({"none": 2.5, "clip": 1, "flower": 0.7, "star": 0.5} | (
        {"headband": 0.7, "bow": 0.8, "maid": 1.6 if outfit.apron else 0.1, "headphones": 0.35,
         "halo": 0.3, "wreath": 0.3} if free else {}))  # fmt: skip
    if body.build == "male" and ornament in ("flower", "bow", "maid", "wreath", "star"):
        ornament = "none"
    ears = beast if beast != "none" else "human"
    return ExtrasDesign(hat, ears, horns, tail, wings, glasses, ornament, pick.chance(0.025))


def _face(pick: _Pick, body: BodyDesign, hair: HairDesign, extras: ExtrasDesign) -> FaceDesign:
    male = body.build == "male"
    fantastic = extras.horns != "none" and pick.chance(0.25)
    skin = pick.of(FANCY_SKINS) if fantastic else pick.of((*SKINS[:4], *SKINS))
    eye = pick.weighted(
        {"sharp": 2, "narrow": 2, "almond": 2, "round": 1.4, "sleepy": 0.8, "gentle": 1.2,
         "cat": 0.5, "happy": 0.2, "calm": 0.15, "droopy": 0.6} if male and body.heads > 3.4 else
        {"round": 3, "big": 2, "sharp": 1.6, "droopy": 1.5, "almond": 1.3, "sleepy": 1, "cat": 1.2,
         "gentle": 0.6, "happy": 0.25, "calm": 0.25}
    )  # fmt: skip
    if extras.ears in ("cat", "fox") and pick.chance(0.4):
        eye = "cat"
    right = left = pick.of(IRISES)
    if pick.chance(0.07):
        left = pick.of(IRISES)
    pupil = pick.weighted({"round": 6, "wide": 2, "slit": 0.5, "ring": 0.5, "star": 0.3,
                           "heart": 0.2,
                           "cross": 0.15})  # fmt: skip
    if eye == "cat" and pick.chance(0.6):
        pupil = "slit"
    dark = lightness(hair.colour) < 0.45
    brow_colour = hair.colour if dark else adjust(hair.colour, -0.24, 1.0, 0.2)
    brow = pick.weighted(
        {"flat": 1.5, "stern": 2, "thick": 2, "arched": 1, "worried": 0.4} if male else
        {"arched": 2.4, "flat": 1.2, "worried": 0.9, "thin": 1.2, "short": 0.6, "stern": 0.6,
         "thick": 0.4}
    )  # fmt: skip
    mouth = pick.weighted({"smile": 3, "open": 2, "grin": 1, "cat": 0.8, "flat": 1, "small": 1.4,
                           "pout": 0.5, "fang": 0.7, "smirk": 0.9, "teeth": 0.6,
                           "dot": 0.5})  # fmt: skip
    mark = pick.weighted({"none": 9, "freckles": 0.9, "mole": 0.8, "scar": 0.4, "stripes": 0.4,
                          "tear": 0.25, "plaster": 0.4, "forehead": 0.3,
                          "lips": 0.0 if male else 1.0})  # fmt: skip
    if extras.ears in ("cat", "mouse") and pick.chance(0.4):
        mark = "whiskers"
    blush = pick.weighted({"none": 3, "soft": 1.2} if male else
                          {"none": 0.8, "soft": 2.5, "lines": 1, "round": 0.8})  # fmt: skip
    return FaceDesign(
        skin=skin, jaw=pick.between(0.25, 0.85) + (0.1 if male else 0.0), eye=eye,
        eye_size=pick.between(0.94, 1.06), eye_gap=pick.between(0.97, 1.04), iris=(right, left),
        pupil=pupil, lashes=pick.between(0.35, 0.7) if male else pick.between(0.7, 1.3),
        sparkle=int(pick.rng.integers(3)), brow=brow, brow_colour=brow_colour, mouth=mouth,
        blush=blush, mark=mark,
    )  # fmt: skip

"""What a procedural character is to look like; `choices` draws it from a seed."""

from dataclasses import dataclass
from typing import TypeVar

from training.characters.procedural.colours import (
    HAIR_COLOURS,
    IRISES,
    PALETTES,
    SKINS,
    Palette,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BodyDesign:
    """Proportions. `heads` 2.5 (chibi) to 7.5 (tall), `weight` about 1, `legs` about 0."""

    heads: float = 5.0
    build: str = "female"  # female, male, child
    bust: float = 0.5  # 0 to 1
    weight: float = 1.0
    legs: float = 0.0  # longer legs, relative to the height of the chin


@dataclass(frozen=True, slots=True)
class FaceDesign:
    """The face, drawn on a smooth head."""

    skin: str = SKINS[0]
    jaw: float = 0.5  # 0 round, 1 pointed
    eye: str = "round"
    eye_size: float = 1.0
    eye_gap: float = 1.0
    iris: tuple[str, str] = (IRISES[2], IRISES[2])  # her right, her left
    pupil: str = "round"
    lashes: float = 1.0  # 0.5 thin to 1.3 heavy
    sparkle: int = 0
    brow: str = "arched"
    brow_colour: str = "#5a4a5a"
    mouth: str = "smile"
    blush: str = "soft"
    mark: str = "none"


@dataclass(frozen=True, slots=True)
class HairDesign:
    """The hair. `length` 0 (ears) to 1 (knees); `tone` says how the second colour is used."""

    seed: int = 0
    cut: str = "bob"  # short, bob, long, wild
    length: float = 0.3
    wave: float = 0.0
    volume: float = 1.0
    fringe: str = "swept"
    sides: str = "long"
    tie: str = "none"
    colour: str = HAIR_COLOURS[16]
    second: str = HAIR_COLOURS[14]
    tone: str = "plain"  # plain, tips, split, streaks, inner
    gloss: str = "ring"
    ahoge: int = 0
    tie_colour: str = "#ee3f55"


@dataclass(frozen=True, slots=True)
class OutfitDesign:
    """The clothes."""

    palette: Palette = PALETTES[0]
    kind: str = "shirt"
    sleeve: str = "long"
    collar: str = "none"
    neckwear: str = "none"
    skirt: str = "none"  # none, pleated, flared, frills, straight
    skirt_length: float = 0.4  # 0 at the crotch to 1 at the ankle
    trousers: str = "none"  # none, slim, wide, shorts, knee
    pattern: str = "none"
    pattern_low: str = "none"
    trim: str = "none"
    socks: str = "none"  # none, ankle, knee, thigh, tights, striped
    shoes: str = "loafers"
    gloves: str = "none"
    cape: str = "none"
    belt: str = "none"
    apron: bool = False


@dataclass(frozen=True, slots=True)
class ExtrasDesign:
    """Everything else that one may wear or be born with."""

    hat: str = "none"
    ears: str = "human"
    horns: str = "none"
    tail: str = "none"
    wings: str = "none"
    glasses: str = "none"
    ornament: str = "none"
    eyepatch: bool = False


@dataclass(frozen=True, slots=True)
class Design:
    """A whole character."""

    seed: int
    body: BodyDesign
    face: FaceDesign
    hair: HairDesign
    outfit: OutfitDesign
    extras: ExtrasDesign

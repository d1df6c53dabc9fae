"""Dresses a body: which cloth has which colour, and in which order it is worn."""

from dataclasses import dataclass

import numpy as np

from training.characters.procedural.atlas import Region
from training.characters.procedural.body import Body
from training.characters.procedural.bottoms import (
    MakeDeformer,
    build_legs,
    build_shoes,
    build_skirt,
    build_trousers,
)
from training.characters.procedural.clothes_texture import Pieces, paint_clothes
from training.characters.procedural.colours import lightness, toon
from training.characters.procedural.design import OutfitDesign
from training.characters.procedural.rigging import Rigging
from training.characters.procedural.skin import build_hand, build_skin
from training.characters.procedural.tops import bare_from, build_collar, build_top
from training.characters.procedural.wraps import build_belt, build_cape, build_neckwear
from training.characters.shapes import Material, Part, capped, grid_part, mirrored, recolour

__all__ = ["Dressed", "Region", "dress"]


@dataclass(frozen=True)
class Dressed:
    """A dressed body: its parts, the skirt apart, and the pieces of the atlas."""

    parts: list[Part]
    skirt: Part | None
    deformer: MakeDeformer | None
    pieces: Pieces


def colours(outfit: OutfitDesign) -> tuple[str, str, str]:
    """Colours of the top, its sleeves, and the bottom."""
    p = outfit.palette
    if outfit.kind in ("dress", "coat", "kimono"):
        return p.main, p.main, p.main
    if outfit.kind in ("shirt", "sailor"):
        top = p.pale if outfit.kind == "sailor" or lightness(p.main) < 0.72 else p.second
        low = p.main if p.main != top else p.dark
        return top, top, low
    if outfit.kind == "vest":
        return p.main, p.pale, p.second if lightness(p.second) < 0.9 else p.dark
    low = p.second if outfit.trim in ("line", "band") else p.dark
    if lightness(low) > 0.93:
        low = p.dark
    if outfit.kind == "gakuran":
        low = p.main
    return p.main, p.main, low


def dress(
    outfit: OutfitDesign, body: Body, rig: Rigging, skin: Material, skin_colour: str, detail: float
) -> Dressed:
    """Put the clothes on: skin that shows, then everything from the inside out."""
    p = outfit.palette
    top, sleeves, low = colours(outfit)
    if outfit.trousers != "none" and outfit.skirt != "none":
        trousers = p.dark
    else:
        trousers = low
    gloved = outfit.gloves in ("short", "long", "mittens")
    glove = toon(p.pale if lightness(p.main) < 0.6 else p.dark)
    hands = glove if gloved else skin
    parts = build_skin(body, skin, bare_from(outfit, body), hands)
    y = parts[0].vertices[:, 1]
    open_neck = outfit.collar in ("none", "kimono")
    under = y < (body.bust - 0.01 * body.unit if open_neck else np.inf)
    parts[0] = recolour(parts[0], under, toon(top))
    parts[0] = recolour(
        parts[0], y < body.waist, toon(trousers if outfit.trousers != "none" else p.dark)
    )
    if outfit.gloves == "long" and outfit.sleeve in ("none", "cap", "short", "puff"):
        parts += _long_gloves(body, glove)
    elif outfit.gloves in ("short", "mittens", "fingerless") and outfit.sleeve != "bell":
        colour = glove if outfit.gloves != "fingerless" else toon(p.dark)
        parts += _wrist_bands(body, colour, 0.012 if outfit.gloves != "mittens" else 0.016)
    if outfit.gloves == "fingerless":
        pieces = build_hand(body, toon(p.dark), puff=1.10)[:1]
        parts += [*pieces, *(mirrored(piece) for piece in pieces)]
    spats = p.dark if outfit.skirt != "none" and outfit.trousers == "none" else ""
    parts += build_legs(outfit, body, skin, spats)
    parts += build_shoes(outfit, body)
    if outfit.trousers != "none":
        parts += build_trousers(outfit, body, trousers)
    parts += build_top(outfit, body, top, sleeves)
    parts += build_collar(outfit, body, top)
    parts += build_neckwear(outfit, body, rig)
    parts += build_cape(outfit, body, rig)
    parts += build_belt(outfit, body)
    skirt, deformer = None, None
    if outfit.skirt != "none":
        skirt, deformer = build_skirt(outfit, body, rig, low)
    pieces_of = paint_clothes(outfit, body, top, low if skirt else trousers, skin_colour, detail)
    return Dressed(parts, skirt, deformer, pieces_of)


def _long_gloves(body: Body, material: Material) -> list[Part]:
    x = np.linspace(body.elbow - 0.16 * (body.elbow - body.shoulder), body.wrist + 0.02, 16)
    off = np.full(16, 0.003 * body.unit)
    off[0] = 0.005 * body.unit
    grid = capped(body.arm_grid(x, off))
    part = grid_part(grid, material, body.arm_weights(grid.reshape(-1, 3)))
    return [part, mirrored(part)]


def _wrist_bands(body: Body, material: Material, off: float) -> list[Part]:
    t = np.array([0.93, 0.932, 0.96, 0.99, 1.02, 1.022])
    x = body.shoulder + t * (body.wrist - body.shoulder)
    offs = body.unit * off * np.array([0.2, 1.0, 0.9, 0.7, 0.6, 0.1])
    grid = capped(body.arm_grid(x, offs))
    part = grid_part(grid, material, body.arm_weights(grid.reshape(-1, 3)), outline=0.85)
    return [part, mirrored(part)]

"""Ito (糸, "thread"), the default character, built of code alone."""

import numpy as np

from engine.mocap.rig import INDEX
from training.characters import ito_texture
from training.characters.character import Hanging, RiggedCharacter, assemble
from training.characters.ito_body import build_limbs
from training.characters.ito_clothes import SKIRT_ROWS, build_skirt, build_top
from training.characters.ito_design import ANATOMY, CHIN, HEIGHT, HIP_Y, KNEE_Y
from training.characters.ito_hair import build_hair
from training.characters.ito_head import build_head
from training.characters.skirt import Legs, SkirtDeformer
from training.characters.stylise import enlarge_head

HEAD_SCALE = 1.2


def build() -> RiggedCharacter:
    """Build the character; takes a few tenths of a second, so keep the result."""
    skirt, shape = build_skirt()
    parts = [*build_head(), *build_hair(), *build_top(), *build_limbs()]
    start = sum(len(part.vertices) for part in parts)
    mesh, weights = assemble([*parts, skirt], ito_texture.build())
    rest = ANATOMY.rest_joints()
    head, chest = INDEX["head"], INDEX["chest"]
    hanging = (
        Hanging(head, (0.145, CHIN + 0.045, -0.08), 0.65, 0.7),
        Hanging(head, (-0.145, CHIN + 0.045, -0.08), 0.65, 0.7),
        Hanging(head, (0.0, CHIN + 0.35, -0.01), -0.15, 0.4),
        Hanging(chest, (0.0, 1.118, 0.075), 0.7, 0.6),
    )
    grid = skirt.vertices[: shape[0] * shape[1]].reshape(*shape, 3)
    legs = Legs(thigh=HIP_Y - KNEE_Y, radius=0.082, taper=0.07)
    deformer = SkirtDeformer(
        start, shape, skirt.triangles, np.ascontiguousarray(grid), rest, SKIRT_ROWS, legs
    )
    character = RiggedCharacter(
        "Ito", mesh, weights, rest, ANATOMY.landmarks(), HEIGHT, hanging, (deformer,)
    )
    return enlarge_head(character, HEAD_SCALE)

"""`build(seed)`: a whole procedural character, rigged, skinned and textured."""

import numpy as np
from numpy.typing import NDArray

from training.characters.character import RiggedCharacter, assemble
from training.characters.procedural import atlas
from training.characters.procedural.accessories import build_tail, build_wings
from training.characters.procedural.body import HEIGHT, Body
from training.characters.procedural.choices import draw_design
from training.characters.procedural.clothes import dress
from training.characters.procedural.colours import skin
from training.characters.procedural.design import Design
from training.characters.procedural.face import paint_face
from training.characters.procedural.hair import HairBuilder
from training.characters.procedural.hair_fringe import fringe_low
from training.characters.procedural.hair_texture import paint_hair
from training.characters.procedural.head import build_head
from training.characters.procedural.headwear import build_headwear
from training.characters.procedural.rigging import Rigging
from training.characters.procedural.tops import thickness


def build(seed: int, detail: float = 1.0) -> RiggedCharacter:
    """The character of a seed; `detail` is the size of its textures, 1 for pictures to 1024 px."""
    return build_design(draw_design(seed), detail)


def build_design(design: Design, detail: float = 1.0) -> RiggedCharacter:
    """The character of a design."""
    body = Body.of(design.body)
    rig = Rigging()
    material = skin(design.face.skin)
    hair = HairBuilder(
        body,
        design.hair,
        rig,
        covered=design.extras.hat not in ("none", "crown"),
        cloth=thickness(design.outfit) * body.unit,
    )
    dressed = dress(design.outfit, body, rig, material, design.face.skin, detail)
    covered = design.hair.cut in ("bob", "long") and design.extras.ears == "human"
    ears = "none" if covered else design.extras.ears
    parts = build_head(body, design.face, material, ears)
    parts += [*hair.build(), *dressed.parts]
    parts += build_headwear(design, hair.frame, rig)
    parts += [*build_tail(design, body, rig), *build_wings(design, body, rig)]
    deformers = []
    if dressed.skirt is not None and dressed.deformer is not None:
        deformers = [dressed.deformer(sum(len(part.vertices) for part in parts))]
        parts.append(dressed.skirt)
    pieces = dressed.pieces | {
        atlas.FACE: paint_face(design.face, design.body, fringe_low(design.hair.fringe), detail),
        atlas.HAIR: paint_hair(design.hair, detail),
    }
    texture = atlas.bake(pieces, detail, 1600.0 / body.head[1])
    mesh, weights = assemble(rig.padded(parts), texture)
    a = body.anatomy()
    return RiggedCharacter(
        f"procedural-{design.seed}", mesh, weights, a.rest_joints(), a.landmarks(),
        _framed_height(body, mesh.vertices), deformers=tuple(deformers), chains=tuple(rig.chains),
        capsules=body.capsules(),
    )  # fmt: skip


def _framed_height(body: Body, vertices: NDArray[np.float32]) -> float:
    """The height for the camera: whatever it does, the figure stays in the picture.

    That is hair and hats above the head, arms straight up, and a deep bow seen from the side.
    """
    raised = body.arm + (body.wrist - body.shoulder) + 1.15 * body.hand
    top = float(vertices[:, 1].max())
    bow = 0.94 * (top - body.hip_y)
    return max(1.06 * HEIGHT, raised / 1.12, top / 1.10, bow / 0.625)

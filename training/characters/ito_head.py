"""Ito's head and neck: a smooth anime head whose face is a texture projected from the front."""

from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters import ito_texture
from training.characters.heads import model_head
from training.characters.ito_design import BONES, CHIN, SKIN
from training.characters.shapes import Part, chain, limb, make_part

# Height above the chin: half width, front, back (z of the surface at the middle).
PROFILE = (
    (-0.002, 0.004, 0.078, 0.066),
    (0.000, 0.016, 0.094, 0.046),
    (0.008, 0.038, 0.102, 0.022),
    (0.025, 0.073, 0.108, -0.012),
    (0.050, 0.104, 0.113, -0.055),
    (0.080, 0.126, 0.117, -0.094),
    (0.110, 0.137, 0.119, -0.121),
    (0.150, 0.143, 0.122, -0.140),
    (0.195, 0.145, 0.121, -0.147),
    (0.240, 0.136, 0.110, -0.139),
    (0.280, 0.115, 0.088, -0.117),
    (0.312, 0.082, 0.055, -0.082),
    (0.330, 0.045, 0.022, -0.048),
    (0.338, 0.004, -0.010, -0.018),
)


def build_head() -> list[Part]:
    """The head with its face, and the neck."""
    return [*model_head(PROFILE, CHIN, SKIN, BONES, ito_texture.face_uv), _neck()]


def _neck() -> Part:
    at = np.linspace(1.10, CHIN + 0.05, 12)
    knots = ((1.10, 0.050, 0.042, 0, -0.012), (1.15, 0.036, 0.034, 0, -0.012),
             (1.18, 0.031, 0.031, 0, -0.010), (1.30, 0.031, 0.031, 0, -0.004))  # fmt: skip
    vertices, triangles = limb(1, knots, at, 16)
    links = ((INDEX["chest"], 0, 0), (INDEX["neck"], 1.172, 0.02), (INDEX["head"], 1.235, 0.02))
    part = make_part(vertices, triangles, SKIN, chain(vertices[:, 1], links, BONES), outline=0.8)
    chin_shadow = np.where(vertices[:, 1] > 1.185, -1.2, 0.0)
    return replace(part, bias=chin_shadow)

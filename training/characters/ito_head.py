"""Ito's head and neck: a smooth anime head whose face is a texture projected from the front."""

from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters import ito_texture
from training.characters.ito_design import BONES, CHIN, SKIN
from training.characters.shapes import (
    F64,
    Part,
    chain,
    curve,
    limb,
    make_part,
    rigid,
    smoothstep,
    tube,
)

# Height above the chin: half width, front, back (z of the surface at the middle).
_PROFILE = (
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
_NOSE = 0.078


def skull(height: F64) -> tuple[F64, F64, F64]:
    """Half width, front z and back z of the head at heights above the chin."""
    values = curve(_PROFILE, height)
    return values[:, 0], values[:, 1], values[:, 2]


def build_head() -> list[Part]:
    """The head with its face, and the neck."""
    spread = np.linspace(0.0, 1.0, 46)
    height = -0.002 + 0.340 * (
        0.5 - 0.5 * np.cos(np.pi * spread) * (1 - 0.25 * (spread - 0.5) ** 2)
    )
    height = np.unique(np.clip(height, -0.002, 0.338))
    width, front, back = skull(height)
    zero = np.zeros(len(height))
    centres = np.stack([zero, CHIN + height, 0.5 * (front + back)], 1)
    side = np.stack([width, zero, zero], 1)
    depth = np.stack([zero, zero, 0.5 * (front - back)], 1)
    vertices, triangles = tube(centres, side, depth, 56, power=2.15)
    h = vertices[:, 1] - CHIN
    x, z = vertices[:, 0], vertices[:, 2]
    facing = z > 0.06
    nose = np.exp(-((x / 0.011) ** 2) - ((h - _NOSE) / 0.013) ** 2)
    bridge = np.exp(-((x / 0.016) ** 2) - ((h - 0.105) / 0.03) ** 2)
    mouth = np.exp(-((x / 0.03) ** 2) - ((h - 0.042) / 0.012) ** 2)
    vertices[:, 2] += np.where(facing, 0.013 * nose - 0.003 * bridge + 0.0025 * mouth, 0.0)
    part = make_part(vertices, triangles, SKIN, rigid(len(vertices), INDEX["head"], BONES))
    # A face shades cleanly when its normals are those of a smooth egg, not of its nose and chin.
    egg = (vertices - [0.0, CHIN + 0.15, -0.02]) / [0.148, 0.20, 0.14]
    egg /= np.linalg.norm(egg, axis=1, keepdims=True)
    normals = 0.25 * part.normals + 0.75 * egg
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    under = smoothstep(0.75, 0.95, -part.normals[:, 1])  # below the jaw: always in the shade
    bias = 0.42 * smoothstep(-0.02, 0.06, z) - 1.6 * under
    faces = part.triangles
    front_faces = z[faces].min(axis=1) > 0.02
    shared = replace(part, normals=normals, bias=bias)
    face = replace(
        shared, uv=ito_texture.face_uv(vertices), triangles=faces[front_faces], textured=True
    )
    return [face, replace(shared, triangles=faces[~front_faces]), _neck()]


def _neck() -> Part:
    at = np.linspace(1.10, CHIN + 0.05, 12)
    knots = ((1.10, 0.050, 0.042, 0, -0.012), (1.15, 0.036, 0.034, 0, -0.012),
             (1.18, 0.031, 0.031, 0, -0.010), (1.30, 0.031, 0.031, 0, -0.004))  # fmt: skip
    vertices, triangles = limb(1, knots, at, 16)
    links = ((INDEX["chest"], 0, 0), (INDEX["neck"], 1.172, 0.02), (INDEX["head"], 1.235, 0.02))
    part = make_part(vertices, triangles, SKIN, chain(vertices[:, 1], links, BONES), outline=0.8)
    chin_shadow = np.where(vertices[:, 1] > 1.185, -1.2, 0.0)
    return replace(part, bias=chin_shadow)

"""The modelling of heads: a smooth egg whose face is a texture projected from the front."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters.shapes import (
    F64,
    Material,
    Part,
    curve,
    make_part,
    rigid,
    smoothstep,
    tube,
)

Profile = Sequence[tuple[float, float, float, float]]
"""Height above the chin: half width, front, back (z of the surface at the middle)."""


NOSE = 0.078  # height of its tip above the chin


def model_head(
    profile: Profile,
    chin: float,
    skin: Material,
    bones: int,
    face_uv: Callable[[F64], F64],
    *,
    rows: int = 46,
    columns: int = 56,
    nose_out: float = 0.013,
) -> list[Part]:
    """The face, which is textured, and the rest of the head, with the chin at height `chin`.

    It is modelled 0.34 units high, about x = 0.
    """
    spread = np.linspace(0.0, 1.0, rows)
    height = -0.002 + 0.340 * (
        0.5 - 0.5 * np.cos(np.pi * spread) * (1 - 0.25 * (spread - 0.5) ** 2)
    )
    height = np.unique(np.clip(height, -0.002, 0.338))
    width, front, back = curve(profile, height).T
    zero = np.zeros(len(height))
    centres = np.stack([zero, chin + height, 0.5 * (front + back)], 1)
    side = np.stack([width, zero, zero], 1)
    depth = np.stack([zero, zero, 0.5 * (front - back)], 1)
    vertices, triangles = tube(centres, side, depth, columns, power=2.15)
    h = vertices[:, 1] - chin
    x, z = vertices[:, 0], vertices[:, 2]
    facing = z > 0.06
    nose = np.exp(-((x / 0.011) ** 2) - ((h - NOSE) / 0.013) ** 2)
    bridge = np.exp(-((x / 0.016) ** 2) - ((h - 0.105) / 0.03) ** 2)
    mouth = np.exp(-((x / 0.03) ** 2) - ((h - 0.042) / 0.012) ** 2)
    vertices[:, 2] += np.where(facing, nose_out * nose - 0.003 * bridge + 0.0025 * mouth, 0.0)
    part = make_part(vertices, triangles, skin, rigid(len(vertices), INDEX["head"], bones))
    # A face shades cleanly when its normals are those of a smooth egg, not of its nose and chin.
    egg = (vertices - [0.0, chin + 0.15, -0.02]) / [0.148, 0.20, 0.14]
    egg /= np.linalg.norm(egg, axis=1, keepdims=True)
    normals = 0.25 * part.normals + 0.75 * egg
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    under = smoothstep(0.75, 0.95, -part.normals[:, 1])  # below the jaw: always in the shade
    bias = 0.42 * smoothstep(-0.02, 0.06, z) - 1.6 * under
    faces = part.triangles
    front_faces = z[faces].min(axis=1) > 0.02
    shared = replace(part, normals=normals, bias=bias)
    face = replace(shared, uv=face_uv(vertices), triangles=faces[front_faces], textured=True)
    return [face, replace(shared, triangles=faces[~front_faces])]

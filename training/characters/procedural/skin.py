"""What is bare of a body: neck, shoulders, arms and hands."""

from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX
from training.characters.ito_body import hand_shapes
from training.characters.ito_design import ARM_Y, WRIST
from training.characters.procedural.body import BONES, Body
from training.characters.shapes import (
    Material,
    Part,
    capped,
    chain,
    grid_part,
    make_part,
    mirrored,
    rigid,
    vec,
)

_HAND = hand_shapes()


def build_skin(body: Body, material: Material, bare_arm: float, hands: Material) -> list[Part]:
    """Neck, shoulders, arms from `bare_arm` (x) on and hands. Legs come with their socks."""
    trunk = body.trunk(body.crotch, body.collar + 0.003, 0.0, rows=34)
    parts = [grid_part(capped(trunk), material, body.trunk_weights(capped(trunk).reshape(-1, 3)))]
    neck_low, neck_high = body.collar - 0.03 * body.unit, body.chin + 0.05 * body.head[1]
    at = np.linspace(neck_low, neck_high, 10)
    ring = np.linspace(-np.pi, np.pi, 17)
    lean = np.interp(at, (neck_low, neck_high), (-0.012, -0.006))[:, None]
    neck = np.stack(
        [
            body.neck_r * np.sin(ring) + 0 * lean,
            at[:, None] + 0 * ring,
            lean + 0.98 * body.neck_r * np.cos(ring),
        ],
        -1,
    )
    links = (
        (INDEX["chest"], 0, 0),
        (INDEX["neck"], body.collar, 0.02 * body.unit),
        (INDEX["head"], body.chin - 0.01 * body.unit, 0.02 * body.unit),
    )
    flat = neck.reshape(-1, 3)
    part = grid_part(neck, material, chain(flat[:, 1], links, BONES), outline=0.8)
    shadow = np.where(flat[:, 1] > body.collar + 0.25 * (body.chin - body.collar), -1.2, 0.0)
    parts.append(replace(part, bias=shadow))
    left = []
    if bare_arm < body.wrist:
        at = np.linspace(max(bare_arm, 0.66 * body.shoulder), body.wrist + 0.15 * body.hand, 22)
        grid = capped(body.arm_grid(at))
        left.append(grid_part(grid, material, body.arm_weights(grid.reshape(-1, 3))))
    left += build_hand(body, hands)
    return [*parts, *left, *(mirrored(part) for part in left)]


def build_hand(body: Body, material: Material, puff: float = 1.0) -> list[Part]:
    """The left hand: Ito's, scaled."""
    scale = body.hand / 0.15
    thick = max(scale * 1.05, body.wrist_r / 0.0185)
    parts = []
    for (vertices, triangles), outline in _HAND:
        local = (vertices - [WRIST, ARM_Y, -0.005]) * [scale, puff * thick, puff * thick]
        placed = local + vec(body.wrist, body.arm, -0.005)
        weights = body.arm_weights(placed)
        beyond = placed[:, 0] > body.wrist + 0.2 * body.hand
        weights[beyond] = rigid(int(beyond.sum()), INDEX["l_hand"], BONES)
        parts.append(make_part(placed, triangles, material, weights, outline=outline))
    return parts

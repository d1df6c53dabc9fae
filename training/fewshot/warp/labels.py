"""Which part every pixel of a rendered character belongs to: the truth for cutting out."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import JOINTS, RigPose
from engine.puppet.parts import COUNT, part_of_rig
from training.characters.character import RiggedCharacter
from training.render.scene import Camera, render

BACKGROUND = 255
_STEP = 1.0 / COUNT


def triangle_parts(character: RiggedCharacter) -> NDArray[np.intp]:
    """(T,) part of each triangle, by the bone that moves it most.

    Hanging bones and chains (hair, ribbons, skirts) belong to the joint that they hang on.
    """
    bones = [*range(len(JOINTS)), *(bone.joint for bone in character.hanging)]
    bones += [chain.joint for chain in character.chains for _ in range(chain.links)]
    owner = np.asarray(part_of_rig())[bones]
    share = np.zeros((len(character.weights), COUNT), np.float32)
    for bone, part in enumerate(owner):
        share[:, part] += character.weights[:, bone]
    return share[character.mesh.triangles].sum(axis=1).argmax(axis=1)


def part_labels(
    character: RiggedCharacter, rig_pose: RigPose, size: int, camera: Camera | None = None
) -> NDArray[np.uint8]:
    """(size, size) part at the centre of each pixel; `BACKGROUND` where there is none."""
    posed = character.pose(rig_pose)
    corners = posed.triangles.reshape(-1)
    # Each triangle in one flat colour: vertices are not shared, or colours would run.
    value = (np.repeat(triangle_parts(character), 3)[:, None] + 0.5) * _STEP
    colour = np.ascontiguousarray(np.broadcast_to(value, (len(corners), 3)), np.float32)
    flat = replace(
        posed,
        vertices=posed.vertices[corners], normals=posed.normals[corners],
        triangles=np.arange(len(corners), dtype=np.int32).reshape(-1, 3),
        lit=colour, shade=colour, ink=colour, outline=posed.outline[corners],
        bias=posed.bias[corners], uv=posed.uv[corners],
        textured=np.zeros(len(posed.triangles), np.bool_), surfaces=None,
    )  # fmt: skip
    camera = camera if camera is not None else character.camera
    picture = render(flat, camera, size, supersample=1)
    labels = (picture[..., 0] * (COUNT / 255.0)).astype(np.uint8)
    labels[picture[..., 3] < 128] = BACKGROUND
    return labels

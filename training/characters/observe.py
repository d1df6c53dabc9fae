"""Pictures of a character with all that is known of them: the truth of the training data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import RigPose
from training.characters.character import RiggedCharacter, picture_joints
from training.characters.springs import Springs
from training.characters.visibility import seen
from training.render.scene import DEFAULT_STYLE, F32, Camera, Style, draw


@dataclass(frozen=True, slots=True)
class Observation:
    """What one picture shows."""

    picture: NDArray[np.uint8]  # (S, S, 4) premultiplied RGBA
    joints: F32  # (20, 4) x px, y px, z px away from the camera relative to the neck, 1
    visible: NDArray[np.bool_]  # (20,) in the picture and not hidden; see `visibility`
    bone_lengths: F32  # (19,) px, true lengths in the order of PUPPET_20.bones
    parts: NDArray[np.uint8]  # (S, S) index into `parts.PARTS`, 0 for the background


def observe(
    character: RiggedCharacter,
    rig_pose: RigPose,
    size: int,
    supersample: int = 2,
    *,
    camera: Camera | None = None,
    style: Style = DEFAULT_STYLE,
    springs: Springs | None = None,
) -> Observation:
    """Draw a character in a pose and say what is seen; the picture is that of `render_sample`.

    Hair and cloth are where `springs` has them or, without it, where they settle. The first call
    for a character measures it, which takes a fraction of a second.
    """
    camera = camera if camera is not None else character.camera
    drawing = draw(character.pose(rig_pose, springs), camera, size, supersample, style)
    points = character.keypoints(rig_pose)
    joints = picture_joints(points, camera, size)
    parts = character.triangle_parts
    return Observation(
        picture=drawing.picture,
        joints=joints,
        visible=seen(drawing, points, joints[:, :2], camera, parts, character.tolerances),
        bone_lengths=(camera.scale * size * character.bone_lengths).astype(np.float32),
        parts=drawing.parts(parts),
    )

"""What the engine's motion code must know of a 3D character, measured on the character itself."""

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import RigPose
from engine.motion.proportions import CharacterSkeleton
from training.characters.character import RiggedCharacter, head_template, render_sample
from training.motion.arms import ARMS
from training.motion.posture import Posture, plant, pose_of


def standing_pose(character: RiggedCharacter, arms: str) -> RigPose:
    """Standing straight with both arms held as `training.motion.arms.ARMS` names it."""
    posture = Posture(left_arm=ARMS[arms], right_arm=ARMS[arms])
    return plant(pose_of(posture, character.rest), 0.0, character.rest)


def character_skeleton(character: RiggedCharacter, size: int) -> CharacterSkeleton:
    """Rest joints, bone lengths, head and floor in pixels of pictures of this size."""
    _, rest = render_sample(character, standing_pose(character, "hang loose"), size)
    return CharacterSkeleton(
        rest,
        (character.camera.scale * size * character.bone_lengths).astype(np.float32),
        head_template(character, size),
        floor_y=float(rest[[10, 13, 18, 19], 1].max()),
    )


def reference_picture(
    character: RiggedCharacter, size: int, *, straight: bool = False
) -> NDArray[np.uint8]:
    """The character in an A-pose, (size, size, 4) RGBA: premultiplied for training, or straight."""
    picture, _ = render_sample(character, standing_pose(character, "a pose"), size, supersample=4)
    if straight:
        alpha = np.maximum(picture[..., 3:].astype(np.float32), 1) / 255
        picture[..., :3] = np.clip(picture[..., :3] / alpha + 0.5, 0, 255)
    return picture

"""Changes of a character's proportions after it is modelled."""

from dataclasses import replace

import numpy as np

from engine.mocap.rig import INDEX, JOINTS
from training.characters.character import HEAD_KEYPOINTS, RiggedCharacter


def enlarge_head(character: RiggedCharacter, factor: float) -> RiggedCharacter:
    """Scale the head, with all that is skinned to it or hangs from it, about its joint.

    At 256 pixels a face must be large to be read: this is what makes it "super-deformed".
    """
    head = INDEX["head"]
    pivot = character.rest[head]
    carried = [head] + [
        len(JOINTS) + i for i, bone in enumerate(character.hanging) if bone.joint == head
    ]
    share = character.weights[:, carried].sum(axis=1, keepdims=True)
    vertices = character.mesh.vertices
    vertices = (vertices + (factor - 1) * share * (vertices - pivot)).astype(np.float32)
    landmarks = character.landmarks.copy()
    for k in HEAD_KEYPOINTS:
        landmarks[k] = pivot + factor * (landmarks[k] - pivot)
    hanging = tuple(
        replace(bone, pivot=tuple(pivot + factor * (np.array(bone.pivot) - pivot)))
        if bone.joint == head
        else bone
        for bone in character.hanging
    )
    return replace(
        character,
        mesh=replace(character.mesh, vertices=vertices),
        landmarks=landmarks,
        hanging=hanging,
        height=character.height + (factor - 1) * (character.height - float(pivot[1])),
    )

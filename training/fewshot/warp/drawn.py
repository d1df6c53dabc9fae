"""A rigged character's parts as a puppet is made of them, each drawn alone: nothing is guessed.

The cutter learns from pictures what the renderer knows: which part each pixel shows, and what that
part hides. `drawing_of` asks the renderer, and packs the answer as if a drawing had been cut.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX, RigPose
from engine.mocap.rotations import about_x, about_y
from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.frames import spine_length
from engine.puppet.parts import CHEST, COUNT, HEAD, HIPS, LIMBS, NEIGHBOURS, PARTS
from training.characters.character import RiggedCharacter, picture_joints
from training.characters.proportions import standing_pose
from training.fewshot.warp.labels import triangle_parts
from training.render.scene import draw

CUT = 1.2  # of a part's usual radius: so near a joint no outline is its own
CAP = 0.6  # of a part's usual radius: so far it goes on about a joint, under its neighbour
ROOT = 0.8  # of that radius: so near its shoulder an arm is what the body leaves of it
FRONT = 0.05  # of the distance between the ears: what is not so far before these is behind all
FINE = 4  # samples a pixel, in a row
_BLEED = 1 / 32  # of the picture's size: how far colours are kept around a part
_NOBODY = 255
_HEAD = INDEX["head"]
_EARS = [16, 17]
_SIDES = tuple(tuple(i for i in LIMBS if PARTS[i].name.startswith(side)) for side in ("r_", "l_"))
_ARMS = tuple(i for i in LIMBS if PARTS[i].name.endswith("arm"))

U8 = NDArray[np.uint8]
Mask = NDArray[np.bool_]

VIEWS: dict[str, tuple[float, float, float, str]] = {
    "front": (0, 0, 0, "a pose"),
    "down": (0, 0, 22, "a pose"),
    "front-left": (42, 28, 0, "a pose"),
    "front-right": (-42, -28, 0, "a pose"),
    "left": (90, 90, 0, "hang"),
    "right": (-90, -90, 0, "hang"),
    "back": (180, 180, 0, "a pose"),
}
"""By name: where body and head look, and how far the head nods, degrees; how the arms are held.

Heads are turned in smaller steps, since a face changes most. Arms lie apart from the body, and are
seen at their full length.
"""


def drawings_of(character: RiggedCharacter, size: int) -> list[CutDrawing]:
    """A character from all `VIEWS`; see `drawing_of`."""
    return [
        drawing_of(character, _standing(character, *view), size, name)
        for name, view in VIEWS.items()
    ]


def _standing(
    character: RiggedCharacter, body: float, head: float, nod: float, arms: str
) -> RigPose:
    pose = standing_pose(character, arms)
    rotations = pose.rotations.copy()
    rotations[0] = about_y(np.radians(body)) @ rotations[0]
    turn = about_y(np.radians(head - body)) @ about_x(np.radians(nod))
    rotations[_HEAD] = turn @ rotations[_HEAD]
    return RigPose(rotations, pose.root)


def drawing_of(
    character: RiggedCharacter, rig_pose: RigPose, size: int, name: str = "front"
) -> CutDrawing:
    """A character in a pose, seen by its own camera, as a drawing that was cut without an error.

    As drawn is what the picture shows of a part when all is left out that may move away from before
    it: arms and head, for a leg the other one. An arm is drawn as if nothing were before it, but
    for where it comes out of the shoulder; of the head, what lies before its ears. Painted in is
    what else a part has: a thigh under a skirt, a cap beyond each joint, and hair behind the ears,
    which lies behind everybody else.

    Args:
        character: whose mesh has no `surfaces`.
        rig_pose: arms off the body, as in a drawing that is to be cut.
        size: of the picture, px, a multiple of 16.
        name: of the drawing.

    Raises:
        ValueError: the mesh has surfaces, or a part reaches the picture's rim.
    """
    mesh = character.pose(rig_pose)
    if mesh.surfaces is not None:
        raise ValueError(f"{character.name} has surfaces of many materials, which are not read yet")
    owner = triangle_parts(character).astype(np.uint8)
    joints = picture_joints(character.keypoints(rig_pose), character.camera, size)
    spine = spine_length(joints)

    @cache
    def shown(*parts: int) -> Scene:
        """What these parts show when there is nothing else."""
        kept = np.isin(owner, parts)
        drawn = draw(mesh.only(kept), character.camera, FINE * size, 1)
        count = int(kept.sum())
        found = owner[kept][drawn.labels % count]
        found[drawn.labels < 0] = _NOBODY
        return Scene(drawn.picture, found, drawn.labels >= count, drawn.nearness)

    def near(part: int, joint: int, radii: float) -> Mask:
        """Samples within so many radii of a part about a joint."""
        at = (np.arange(FINE * size) + 0.5) / FINE
        x, y = joints[joint, :2]
        return np.asarray(np.hypot(at - x, at[:, None] - y) < radii * PARTS[part].radius * spine)

    pixels = np.zeros((COUNT, size, size, 5), np.uint8)
    for part in range(COUNT):
        alone, ends = shown(part), _ends(part)
        own = alone.parts == part
        for joint in ends.values():  # an outline around where it was cut off is none of the picture
            own &= ~(alone.ink & near(part, joint, CUT))
        cut = np.zeros_like(own)
        if part == HEAD:  # likewise below, where its neck was
            beside = shown(HEAD, CHEST)
            cut = own & alone.ink & ~(beside.ink & (beside.parts == HEAD))
            own &= ~cut
            drawn, colours = (
                own & (alone.nearness > ears_nearness(character, rig_pose)),
                alone.picture,
            )
        else:
            beside = shown(*sorted({*range(COUNT)} - _before(part)))
            drawn, colours = beside.parts == part, beside.picture
        if part in _ARMS:
            arm = [p for p in _ARMS if PARTS[p].name[0] == PARTS[part].name[0]]
            free = (shown(*arm).parts == part) & ~near(part, PARTS[min(arm)].start, ROOT)
            drawn, colours = drawn | free, np.where(free[..., None], shown(*arm).picture, colours)
        colours = np.where(drawn[..., None], colours, alone.picture)
        own |= drawn
        whole = own | cut
        for other, joint in ends.items():
            whole |= (shown(*sorted((part, other))).parts != _NOBODY) & near(part, joint, CAP)
        _pack(colours, drawn, own, whole, pixels[part])
    return CutDrawing(pixels, joints, name)


class Scene(NamedTuple):
    """What every sample of a picture shows."""

    picture: U8  # (N, N, 4)
    parts: U8  # (N, N), `_NOBODY` where nothing is
    ink: Mask  # (N, N) whether it is an outline
    nearness: NDArray[np.float32]  # (N, N) 1 / depth


def _before(part: int) -> set[int]:
    """What may move away from before a part."""
    if part in (CHEST, HIPS):
        return {HEAD, *_ARMS}
    others = _SIDES[1] if part in _SIDES[0] else _SIDES[0]
    return {HEAD, *others} if part in _ARMS else {HEAD, *_ARMS, *others}


def ears_nearness(character: RiggedCharacter, rig_pose: RigPose) -> float:
    """1 / depth (see `Drawing.nearness`), up to which a head is behind everybody.

    A little before the ears, since hair ties are beside them.
    """
    points = character.keypoints(rig_pose)
    before = FRONT * float(np.linalg.norm(points[_EARS[0]] - points[_EARS[1]]))
    camera = character.camera
    z = camera.level(points)[_EARS, 2].mean() - camera.target[2]
    return 1.0 / float(camera.distance - z - before)


def _ends(part: int) -> dict[int, int]:
    """The neighbours that a limb goes on under, and the joints where it meets them.

    Under a skirt a thigh is long enough; a body does not go on under limbs, or a stump would show.
    """
    if part not in LIMBS:
        return {}
    met = {a + b - part: joint for a, b, joint in NEIGHBOURS if part in (a, b)}
    return {other: joint for other, joint in met.items() if other != HIPS}


def _pack(colours: U8, drawn: Mask, own: Mask, whole: Mask, out: U8) -> None:
    """Samples to the pixels (S, S, 5) of a part, coloured by its `own`, which go on around them."""
    import cv2

    counted = own[..., None].astype(np.float32)
    cover = _blocks(counted)
    straight = np.rint(_blocks(colours[..., :3] * counted) / np.maximum(cover, 1)).astype(np.uint8)
    for channel, samples in ((DRAWN, drawn), (WHOLE, whole)):
        share = _blocks(samples[..., None].astype(np.float32))[..., 0]
        out[..., channel] = np.rint(share * (255 / FINE**2))
    if not own.any():
        return
    empty = (cover[..., 0] == 0).astype(np.uint8)
    distance, nearest = cv2.distanceTransformWithLabels(
        empty, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    at = np.zeros(nearest.max() + 1, np.int64)
    at[nearest[empty == 0]] = np.flatnonzero(empty == 0)
    spread = straight.reshape(-1, 3)[at[nearest]]
    out[..., :3] = np.where((distance < _BLEED * len(out))[..., None], spread, 0)


def _blocks(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums (S, S, C) over the samples (N, N, C) of each pixel."""
    size = len(samples) // FINE
    return np.asarray(samples.reshape(size, FINE, size, FINE, -1).sum((1, 3)))

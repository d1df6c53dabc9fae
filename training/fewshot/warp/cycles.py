"""A support set whose truth is the user's own pixels: there by the puppet, cut anew, and back.

A drawing shifted teaches a painter to change nothing. A cycle has the faults that a live picture
has: the puppet brings the drawing into another pose; that picture is cut anew, by its own joints,
which are known; and its parts are carried back to the drawing's pose. Seams, holes, specks and cut
outlines are those of a cut, and the truth is the drawing.

What is carried back is also shifted and mirrored, and the truth with it: no place in the picture
always shows the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.enrol.clip import drawn
from engine.pose.skeleton import PUPPET_20
from engine.puppet.drawing import CutDrawing
from engine.puppet.puppet import Puppet
from engine.puppet.smaller import halved
from training.data import free_shift, shift_picture
from training.fewshot.episodes import Samples, backgrounds
from training.fewshot.errors import AdaptationError
from training.fewshot.inputs import Inputs
from training.fewshot.warp.cache import LayerCache
from training.fit import pose_images, pose_tensor, to_tensor

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Cutting = Callable[[U8, F32], CutDrawing]

TURNS: Final = (1.0, 0.9, 0.35, 0.35)
"""Radians by which arms, forearms, thighs and shins turn at most."""
SHIFT: Final = 0.05
"""Of the picture's size: how far what is carried back is shifted at most."""
_INDEX = PUPPET_20.joints.index
_LIMBS: Final = tuple(
    (_INDEX(f"{side}_{pivot}"), [_INDEX(f"{side}_{name}") for name in carried], kind)
    for side in "rl"
    for kind, (pivot, *carried) in enumerate(
        (
            ("shoulder", "elbow", "wrist"),
            ("elbow", "wrist"),
            ("hip", "knee", "ankle", "toe"),
            ("knee", "ankle", "toe"),
        )
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A drawing of the character, and its parts."""

    picture: U8  # (S, S, 4) premultiplied RGBA
    drawing: CutDrawing


class Cycle(NamedTuple):
    """What the puppet is made of, and what it should draw."""

    source: U8  # (S, S, 4) premultiplied RGBA
    cut: CutDrawing  # of the source
    truth: U8
    joints: F32  # (20, 4) in the truth


def turned(joints: F32, rng: np.random.Generator) -> F32:
    """Joints (20, 4) with every limb turned in the picture's plane, by up to `TURNS`."""
    moved = joints.copy()
    for pivot, carried, kind in _LIMBS:
        angle = float(rng.uniform(-1, 1)) * TURNS[kind]
        c, s = np.cos(angle), np.sin(angle)
        offset = moved[carried, :2] - moved[pivot, :2]
        moved[carried, :2] = moved[pivot, :2] + offset @ np.array([[c, s], [-s, c]], np.float32)
    return moved


def placed(picture: U8, joints: F32, rng: np.random.Generator) -> tuple[U8, F32]:
    """A drawing and its joints shifted by whole pixels, where there is room, or mirrored, or both.

    Neither changes a pixel: a truth that were turned or scaled would be softer than the drawing.
    """
    size, limit = picture.shape[0], round(SHIFT * picture.shape[0])
    dx, dy = (int(rng.choice(free)) for free in free_shift(picture, (limit, limit)))
    shown, points = shift_picture(picture, dx, dy), joints.copy()
    points[:, :2] += (dx, dy)
    if rng.random() < 0.5:
        shown, points = shown[:, ::-1], points[PUPPET_20.mirror()]
        points[:, 0] = size - points[:, 0]
    return np.ascontiguousarray(shown), np.ascontiguousarray(points, np.float32)


def cycles(
    known: Sequence[Known],
    poses: Sequence[F32],
    cutting: Cutting,
    rng: np.random.Generator,
    *,
    places: int = 2,
) -> list[Cycle]:
    """The character in each of the poses, and back to every drawing's own, in several places.

    Args:
        known: drawings of one character, of one size.
        poses: (20, 4) to go to.
        cutting: cuts a picture by its joints.
        rng: of the places; the first of each is the drawing's own.
        places: of each.

    Raises:
        AdaptationError: no drawing or no pose.
    """
    if not known or not poses:
        raise AdaptationError("a cycle needs a drawing and a pose to bring it to")
    puppet = Puppet([one.drawing for one in known])
    made = []
    for pose in poses:
        away = drawn(puppet, pose, puppet.size)
        parts = cutting(away, pose)
        for one in known:
            for place in range(places):
                there = one.picture, one.drawing.joints
                if place:
                    there = placed(*there, rng)
                made.append(Cycle(away, parts, *there))
    return made


def crossings(known: Sequence[Known]) -> list[Cycle]:
    """Every drawing in the pose of every other one, whose picture is known; none of one drawing."""
    return [
        Cycle(one.picture, one.drawing, other.picture, other.drawing.joints)
        for one in known
        for other in known
        if one is not other
    ]


def smaller(cycle: Cycle, times: int) -> Cycle:
    """A cycle whose pictures are `times` (1, 2 or 4) smaller: as a painter looks at them.

    What was cut at its own size keeps the faults of that.
    """
    while times > 1:
        joints, cut = cycle.joints.copy(), halved(cycle.cut)
        joints[:, :3] *= 0.5
        cycle = Cycle(_half(cycle.source), cut, _half(cycle.truth), joints)
        times //= 2
    return cycle


def _half(picture: U8) -> U8:
    """(S / 2, S / 2, 4) means of 2 x 2 pixels."""
    half = len(picture) // 2
    mean = picture.reshape(half, 2, half, 2, 4).mean((1, 3))
    return np.rint(mean).astype(np.uint8)


def samples_of(made: Sequence[Cycle], cache: LayerCache, rng: np.random.Generator) -> Samples:
    """Samples of cycles, whose parts go into the cache of the method that is to draw them."""
    size = made[0].source.shape[0]
    sources = to_tensor(np.stack([cycle.source for cycle in made]))
    here = np.stack([cycle.cut.joints for cycle in made])
    there = np.stack([cycle.joints for cycle in made])
    inputs = Inputs(
        pose_tensor(pose_images(there, size)), torch.from_numpy(there),
        sources, pose_tensor(pose_images(here, size)), torch.from_numpy(here),
        sources.new_zeros(len(made), 0, 4, size, size),
        torch.zeros(len(made), 0, *there.shape[1:]),
    )  # fmt: skip
    for source, joints, cycle in zip(sources, inputs.source_joints, made, strict=True):
        cache.put(source, joints, torch.from_numpy(cycle.cut.pixels).permute(3, 0, 1, 2))
    truths = to_tensor(np.stack([cycle.truth for cycle in made]))
    return Samples(inputs, truths, backgrounds(len(made), rng))

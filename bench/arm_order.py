"""`python -m bench.arm_order`: how often has a puppet an arm on the wrong side of the head?

A puppet's parts are before or behind each other as a whole (`engine.puppet.frames.depth_order`);
arms and hair are not. The renderer draws head and arms of a rigged character alone, and so knows of
every pixel that both have which of them is nearer. Poses count that have an arm raised: an elbow
above its shoulder.

A line of JSON for the default character and one for those of the data set's test split, in per cent
of such pixels: where the head is nearer; where the wrong one is shown, by the engine's rule, and by
depth alone. Once of the whole head, as a puppet has it that was cut out, and once of what lies
before the ears, as the default character has it: `training.fewshot.warp.drawn` paints the rest in,
behind everybody.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from engine import console
from engine.mocap.rig import RigPose
from engine.puppet.frames import ARMS, DEPTH_BIAS, Frames, depth_order, spine_length
from engine.puppet.parts import HEAD
from training.characters import ito
from training.characters.character import RiggedCharacter, picture_joints
from training.characters.procedural.build import build
from training.dataset.plan import Plan
from training.fewshot.warp.drawn import ears_nearness
from training.fewshot.warp.labels import triangle_parts
from training.motion.poses import random_pose
from training.render.scene import draw

F32 = NDArray[np.float32]

_SIZE: Final = 128  # px
_COUNTED: Final = ("head is nearer", "wrong", "wrong by depth alone")
_OF: Final = ("whole head", "before the ears")


def raised_arms(
    character: RiggedCharacter, count: int, seed: int
) -> Iterator[tuple[RigPose, F32, Frames]]:
    """So many random poses with an elbow above its shoulder, their joints (20, 4) and frames."""
    rng = np.random.default_rng(seed)
    while count:
        pose = random_pose(rng, character.rest)
        joints = picture_joints(character.keypoints(pose), character.camera, _SIZE)
        frames = Frames.of(joints)
        if any(frames.table[upper, 1] > frames.table[fore, 1] for upper, fore in ARMS):
            count -= 1
            yield pose, joints, frames


def pixels_of(character: RiggedCharacter, poses: int, seed: int) -> NDArray[np.int64]:
    """(2, 4) pixels that head and an arm share, see `_OF`: where `_COUNTED` holds; and all."""
    owner = triangle_parts(character)
    found = np.zeros((len(_OF), len(_COUNTED) + 1), np.int64)
    for pose, joints, frames in raised_arms(character, poses, seed):
        mesh = character.pose(pose)
        near = {
            part: draw(mesh.only(owner == part), character.camera, _SIZE, 1).nearness
            for part in (HEAD, *(part for arm in ARMS for part in arm))
        }
        spine = spine_length(joints)
        ruled = np.argsort(depth_order(frames, spine))
        plain = frames.depth + DEPTH_BIAS * spine
        head = near.pop(HEAD)
        for row, least in enumerate((0.0, ears_nearness(character, pose))):
            for part, arm in near.items():
                both = (head > least) & (arm > 0)
                hidden = int((both & (head > arm)).sum())
                shown = int(both.sum()) - hidden
                wrong = (hidden if order[part] < order[HEAD] else shown for order in (ruled, plain))
                found[row] += hidden, *wrong, hidden + shown
    return found


def line(name: str, poses: int, found: NDArray[np.int64]) -> str:
    """A line of JSON: per cent of what is shared."""
    shares = {
        of: {
            what: round(100 * n / counts[-1], 1) for what, n in zip(_COUNTED, counts, strict=False)
        }
        for of, counts in zip(_OF, found.tolist(), strict=True)
    }
    return json.dumps({"of": name, "poses": poses, "pixels": int(found[0, -1]), **shares})


def main(
    poses: Annotated[int, typer.Option(min=1, help="Of the default character.")] = 100,
    characters: Annotated[int, typer.Option(min=0, help="Of the data set's test split.")] = 12,
    poses_each: Annotated[int, typer.Option(min=1, help="Of each of those.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the poses.")] = 0,
) -> None:
    """How often has a puppet an arm on the wrong side of the head?"""
    print(line("ito", poses, pixels_of(ito.build(), poses, seed)), flush=True)
    if characters:
        plan = Plan()
        picks = plan.train + np.linspace(0, plan.test - 1, characters).astype(int)
        found = sum(pixels_of(build(int(n)), poses_each, int(n)) for n in picks)
        print(line(f"{characters} of the data set", characters * poses_each, np.asarray(found)))


if __name__ == "__main__":
    console.run(main)

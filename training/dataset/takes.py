"""The poses of one character's samples: basic views, excerpts of motions, and still poses."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Final, Literal

import numpy as np

from engine.mocap.batch import about
from engine.mocap.clip import Clip
from engine.mocap.feet import plant_feet
from engine.mocap.rig import RigPose, forward_kinematics
from training.characters.character import RiggedCharacter
from training.characters.proportions import standing_pose
from training.characters.springs import Springs
from training.dataset.plan import PHRASES, Job, SourceFile, Split
from training.dataset.samples import VIEWS
from training.motion.dance import dance
from training.motion.load import load_motions
from training.motion.poses import random_facing, random_pose
from training.motion.retarget import clip_on_floor, facing_viewer

FPS: Final = 30.0
POSES: Final = 20
"""Samples of one excerpt."""
EXCERPT_S: Final = 5.0
_DANCES: Final = {"train": 24, "test": 8}
_DANCE_S: Final = 30.0
_YAWS: Final = dict(zip(VIEWS, np.radians([0.0, 180.0, -90.0, 90.0]), strict=True))

Kind = Literal["view", "motion", "still"]


@dataclass(frozen=True, slots=True)
class Take:
    """A pose to take a picture of; hair and cloth are where `springs` has them right now."""

    kind: Kind
    name: str  # of the view or the motion
    seconds: float  # into the motion
    pose: RigPose
    springs: Springs | None


def takes(job: Job, character: RiggedCharacter) -> Iterator[Take]:
    """The `samples` takes of a job in order. Use each before the next: the springs move on."""
    for view in VIEWS:
        pose = standing_pose(character, "a pose")
        rotations = pose.rotations.copy()
        rotations[0] = about("y", _YAWS[view]) @ rotations[0]
        yield Take("view", view, 0.0, RigPose(rotations, pose.root), None)
    others = job.plan.samples - len(VIEWS)
    still = round(job.plan.still * others)
    rng = np.random.default_rng([job.plan.seed, job.number, 1])
    moving = others - still
    for first in range(0, moving, POSES):
        yield from _excerpt(job, character, rng, min(POSES, moving - first))
    for number in range(still):
        # A generator of its own, so that train and test never draw from one stream.
        still_rng = np.random.default_rng([job.plan.seed, job.number, 2, number])
        yield Take("still", "", 0.0, random_pose(still_rng, character.rest), None)


def in_a_row(job: Job, character: RiggedCharacter, count: int) -> Iterator[Take]:
    """`count` takes that follow each other at `FPS`, from the middle of the split's first dance.

    Use each before the next: the springs move on. They swing for `EXCERPT_S` before the first.
    """
    clip = _dance(job.split, 0, job.plan.seed)
    first = len(clip) // 2
    part = plant_feet(clip.cut(first / FPS - EXCERPT_S, (first + count) / FPS), character.rest)
    springs = character.springs()
    for frame in range(len(part)):
        springs.step(*forward_kinematics(part.pose(frame), character.rest), 1.0 / FPS)
        if frame >= len(part) - count:
            pose = part.pose(frame)
            yield Take(
                "motion", clip.name, (first + count - len(part) + frame) / FPS, pose, springs
            )


def _excerpt(
    job: Job, character: RiggedCharacter, rng: np.random.Generator, count: int
) -> Iterator[Take]:
    files = job.plan.motions_of(job.split)
    pick = int(rng.integers(_DANCES[job.split] + len(files)))
    if pick < _DANCES[job.split]:
        clip = _dance(job.split, pick, job.plan.seed)
    else:
        clips = _motions(files[pick - _DANCES[job.split]])
        clip = clips[int(rng.integers(len(clips)))]
    start = float(rng.uniform(0.0, max(clip.seconds - EXCERPT_S, 0.0)))
    if rng.random() < 0.5:
        clip = clip.mirrored()
    part = clip.cut(start, start + EXCERPT_S).turned(random_facing(rng))
    part = plant_feet(part, character.rest)
    # One pose of every interval, at random within it: spread over the excerpt, never in step.
    edges = np.linspace(0, len(part), count + 1)
    wanted = np.minimum((edges[:-1] + rng.random(count) * np.diff(edges)), len(part) - 1)
    frames = wanted.astype(np.int64)
    springs = character.springs()
    at = 0
    for frame in frames:
        while at <= frame:
            springs.step(*forward_kinematics(part.pose(at), character.rest), 1.0 / FPS)
            at += 1
        seconds = start + float(frame) / FPS
        yield Take("motion", clip.name, seconds, part.pose(int(frame)), springs)


@cache
def _dance(split: Split, number: int, seed: int) -> Clip:
    """A choreography of the split's own phrases, on the reference proportions."""
    draw = int(np.random.default_rng([seed, number, len(split)]).integers(1, 2**31))
    poses = dance(_DANCE_S, FPS, draw, phrases=PHRASES[split])
    return clip_on_floor(poses, FPS, f"dance-{split}-{number:02d}")


@lru_cache(maxsize=64)
def _motions(file: SourceFile) -> list[Clip]:
    clips = [facing_viewer(clip.resampled(FPS)) for clip in load_motions(Path(file.path))]
    return [Clip(file.name, c.fps, c.rotations, c.root, c.contacts) for c in clips]

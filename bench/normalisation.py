"""`ayatsuri bench normalisation`: does structure normalisation give the character's own pose?

Stage Two of the first paper, equations 7 to 10, from end to end. The performer of the clip dances;
characters of other proportions dance the same choreography, and what their true joints are is
known. From the person's joints and the character's proportions alone the character's joints are
predicted:

- no normalisation: the person's joints as they are, the picture at the character's size (Figure 8);
- global scale only: the same, scaled to the character's height;
- full: limb by limb from the neck outwards, equation 9, with the head of section 3.4;
- and the same with arms that keep off the character's head, as shows have it. The choreography's
  arms cross large heads, so that this is further from these characters' true joints on purpose.

The error is the distance to the character's true joints, relative to the neck, in percent of the
character's torso. The person's joints are the true ones of the video, so that the error is the
normalisation's own, or those that MediaPipe finds. The head's direction is measured by the rotation
that brings the character's head at rest to where its nose, eyes and ears are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import cv2
import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table

from bench.fidelity import Floats, Joints, Truth, estimate, from_neck
from bench.report import Bench, Goal
from bench.statistics import Measure
from engine.app import PERFORMER
from engine.io.file import FileSource
from engine.motion.draw import draw_overlay
from engine.motion.normalise import Normaliser
from engine.motion.proportions import CharacterSkeleton
from engine.motion.smooth import savgol
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33, PUPPET_20, joint_map
from training.characters.character import RiggedCharacter, picture_joints
from training.characters.observe import observe
from training.characters.procedural.build import build
from training.characters.proportions import character_skeleton
from training.dataset.scenes import behind
from training.motion.dance import dance

SIZE_PX: Final = 256
HEAD: Final = (0, 14, 15, 16, 17)
WAYS: Final = (
    "no normalisation",
    "global scale only",
    "full, head as a limb",
    "full",
    "full, arms off the head",
)
_OTHERS = np.arange(20) != 1
_SEEDS = tuple(range(214, 260, 4))  # never trained on; legs of 0.8 to 1.6 torsos


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """A person's video as an estimator sees it, N pictures."""

    poses: list[Pose | None]
    times_ns: list[int]
    size_wh: tuple[int, int]
    smooth: bool  # with the paper's Savitzky-Golay filter: estimates are noisy, the truth is not


def true_performance(
    joints_px: Floats, joints3d: Floats, fps: float, size_wh: tuple[int, int]
) -> Performance:
    """What a perfect estimator would find of joints (N, 20, 2) px and (N, 20, 3) m."""
    pairs = joint_map(MEDIAPIPE_33, PUPPET_20)
    own = np.flatnonzero(pairs[:, 0] == pairs[:, 1])  # all but the neck, which is no landmark
    landmarks = pairs[own, 0]
    poses: list[Pose | None] = []
    for flat, solid in zip(joints_px, joints3d, strict=True):
        keypoints, world = np.zeros((33, 2), np.float32), np.zeros((33, 3), np.float32)
        scores = np.zeros(33, np.float32)
        keypoints[landmarks], scores[landmarks] = flat[own], 1.0
        world[landmarks] = solid[own] - 0.5 * (solid[8] + solid[11])
        poses.append(Pose(keypoints, scores, world))
    times_ns = [round(1e9 * i / fps) for i in range(len(poses))]
    return Performance(poses, times_ns, size_wh, smooth=False)


def dance_of(character: RiggedCharacter, seconds: float, fps: float, seed: int = 0) -> Joints:
    """(N, 20, 4) true joints of a character that dances the choreography, in its picture."""
    camera = character.camera
    return np.stack(
        [
            picture_joints(character.keypoints(pose), camera, SIZE_PX)
            for pose in dance(seconds, fps, seed, character.rest)
        ]
    )


def predicted(skeleton: CharacterSkeleton, seen: Performance) -> dict[str, Joints]:
    """(N, 20, 4) joints of the character, by each of `WAYS`."""
    normalise = Normaliser(skeleton, size=SIZE_PX, clear_head=False)
    clear = Normaliser(skeleton, size=SIZE_PX)
    full, off_the_head, bodies = [], [], []
    for pose, time_ns in zip(seen.poses, seen.times_ns, strict=True):
        full.append(normalise(pose, seen.size_wh, time_ns))
        off_the_head.append(clear(pose, seen.size_wh, time_ns))
        bodies.append(normalise.person.body[:20].astype(np.float32))
    person = np.stack(bodies)
    zoom = SIZE_PX / max(seen.size_wh)
    as_seen = person * np.array([zoom, zoom, zoom, 1], np.float32)
    made = {
        "no normalisation": as_seen,
        "global scale only": _scaled(as_seen, _height(skeleton.rest) / _height(as_seen[0])),
        "full, head as a limb": _head_as_limb(np.stack(full), person, skeleton),
        "full": np.stack(full),
        "full, arms off the head": np.stack(off_the_head),
    }
    return {way: savgol(track) if seen.smooth else track for way, track in made.items()}


def _height(joints: Joints) -> float:
    """Of a figure that stands straight, as it does at rest and when the dance begins."""
    return float(joints[[10, 13], 1].mean() - joints[[14, 15], 1].mean())


def _scaled(joints: Joints, factor: float) -> Joints:
    """Scaled about the neck."""
    made = joints.copy()
    made[..., :3] = joints[:, 1:2, :3] + factor * (joints[..., :3] - joints[:, 1:2, :3])
    return made


def _head_as_limb(full: Joints, person: Joints, skeleton: CharacterSkeleton) -> Joints:
    """Equation 9 for the head's bones too, instead of turning the head as a whole."""
    made = full.copy()
    for (parent, child), length in zip(PUPPET_20.bones, skeleton.bone_lengths, strict=True):
        if child in HEAD:
            bone = person[:, child, :3] - person[:, parent, :3]
            usual = float(np.median(np.linalg.norm(bone, axis=1)))
            made[:, child, :3] = made[:, parent, :3] + length / max(usual, 1e-6) * bone
    return made


def errors(joints: Joints, true: Joints) -> Floats:
    """(N, 20) distances from the truth, relative to the neck, in percent of the torso."""
    spine = 0.5 * (true[:, 8, :3] + true[:, 11, :3]) - true[:, 1, :3]
    torso = np.linalg.norm(spine, axis=1).mean()
    return np.asarray(100 * np.linalg.norm(from_neck(joints) - from_neck(true), axis=2) / torso)


def head_errors_deg(joints: Joints, true: Joints, head: NDArray[np.floating]) -> Floats:
    """(N,) angles between the directions of the heads of two tracks; `head` (5, 3) at rest."""
    between = _head_turns(joints, head).transpose(0, 2, 1) @ _head_turns(true, head)
    cosine = 0.5 * (np.trace(between, axis1=1, axis2=2) - 1)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _head_turns(joints: Joints, head: NDArray[np.floating]) -> Floats:
    """(N, 3, 3) rotations of a head, by least squares (Kabsch 1976)."""
    points = joints[:, HEAD, :3].astype(np.float64)
    points -= points.mean(axis=1, keepdims=True)
    rest = head.astype(np.float64) - head.mean(axis=0)
    left, _, right = np.linalg.svd(np.einsum("ki,nkj->nji", rest, points))
    right[:, 2] *= np.linalg.det(left @ right)[:, None]
    return np.asarray(left @ right)


def measured(
    characters: Sequence[RiggedCharacter], seen: Performance, truth: Sequence[Joints]
) -> dict[str, dict[str, float]]:
    """By way: means of `errors` and their 95th percentile, and the mean of `head_errors_deg`."""
    place: dict[str, list[Floats]] = {way: [] for way in WAYS}
    turn: dict[str, list[Floats]] = {way: [] for way in WAYS}
    for character, true in zip(characters, truth, strict=True):
        skeleton = character_skeleton(character, SIZE_PX)
        for way, joints in predicted(skeleton, seen).items():
            place[way].append(errors(joints, true))
            turn[way].append(head_errors_deg(joints, true, skeleton.head))
    return {
        way: {
            "mean": float(np.mean([one[:, _OTHERS] for one in place[way]])),
            "p95": float(np.percentile([one[:, _OTHERS] for one in place[way]], 95)),
            "worst_character": max(float(one[:, _OTHERS].mean()) for one in place[way]),
            "head": float(np.mean([one[:, HEAD] for one in place[way]])),
            "head_deg": float(np.mean(turn[way])),
        }
        for way in WAYS
    }


def picture(
    path: Path, characters: Sequence[RiggedCharacter], seen: Performance, frames: Sequence[int]
) -> None:
    """As Figure 8: a row for each character and frame, the poses drawn over its true picture."""
    shown = ("no normalisation", "global scale only", "full")
    with_person = _pictures_of(PERFORMER, frames)
    rows = []
    for character, frame in zip(characters, frames, strict=True):
        tracks = predicted(character_skeleton(character, SIZE_PX), seen)
        fps = 1e9 / (seen.times_ns[1] - seen.times_ns[0])
        pose = dance(len(seen.poses) / fps, fps, 0, character.rest)[frame]
        white = np.full((SIZE_PX, SIZE_PX, 3), 255, np.uint8)
        true = observe(character, pose, SIZE_PX)
        ground = behind(true.picture, white)[..., :3]
        row = [with_person[frame]]
        for way in shown:
            joints = tracks[way][frame].copy()
            if way == "global scale only":  # somewhere it must stand
                joints[:, :2] += true.joints[1, :2] - joints[1, :2]
            pale = np.ascontiguousarray(128 + ground // 2)
            draw_overlay(pale, joints)
            row.append(pale)
        rows.append(np.hstack(row))
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1], quality)


def _pictures_of(clip: Path, frames: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """The middles of some pictures, (SIZE_PX, SIZE_PX, 3)."""
    source = FileSource(clip)
    found = {}
    for frame in source.frames():
        if frame.sequence in frames:
            height, width = frame.image.shape[:2]
            side, left = min(height, width), (width - min(height, width)) // 2
            middle = frame.image[:side, left : left + side]
            small = cv2.resize(middle, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
            found[frame.sequence] = np.asarray(small, np.uint8)
    source.close()
    return found


def main(
    model: Annotated[str, typer.Option(help="MediaPipe's: lite, full or heavy.")] = "full",
    figure: Annotated[Path | None, typer.Option(help="Write a .jpg as Figure 8.")] = None,
) -> None:
    """Measure it."""
    bench = Bench("normalisation", "Does structure normalisation give the character's own pose?")
    truth = np.load(PERFORMER.with_suffix(".joints.npz"))
    joints3d, fps = truth["joints3d"].astype(np.float64), float(truth["fps"])
    poses, known = estimate(PERFORMER, model), Truth.of(PERFORMER)
    times_ns, size_wh = list(known.times_ns), known.size_wh
    seconds = len(joints3d) / fps
    performances = {
        "true joints": true_performance(truth["joints"].astype(np.float64), joints3d, fps, size_wh),
        "estimated": Performance(poses, times_ns, size_wh, smooth=True),
    }
    characters = [build(seed, 0.5) for seed in _SEEDS]
    danced = [dance_of(character, seconds, fps) for character in characters]
    table = Table(title=f"Error of the joints of {len(characters)} characters")
    table.caption = "% of the torso, relative to the neck; the head's turn in degrees"
    table.add_column("the person's joints")
    table.add_column("way", no_wrap=True)
    for column in ("mean", "p95", "worst character", "head's joints", "head's turn"):
        table.add_column(column, justify="right")
    figures = {}
    for name, seen in performances.items():
        figures[name] = measured(characters, seen, danced)
        for way, found in figures[name].items():
            table.add_row(name, way, *(f"{value:.1f}" for value in found.values()))
        table.add_section()
    bench.console.print(table)
    if figure is not None:
        chosen = [characters[i] for i in (0, 3, 7)]
        picture(figure, chosen, performances["estimated"], (150, 275, 420))
        bench.console.print(f"wrote {figure}")
    for name, ways in figures.items():
        for way, found in ways.items():
            error = Measure.single(found["mean"], "% torso", count=len(joints3d) * len(characters))
            turn = Measure.single(found["head_deg"], "degrees", count=error.count)
            bench.add(f"{way}, {name}", {"mean error": error, "head's turn": turn})
    bench.finish(
        len(joints3d) * len(characters),
        {"percent_of_torso": figures},
        [
            Goal(f"full, {name}", found["full"]["mean"], found["global scale only"]["mean"], False)
            for name, found in figures.items()
        ],
        model=model,
        characters=list(_SEEDS),
    )

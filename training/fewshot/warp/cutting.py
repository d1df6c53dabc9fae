"""Train the cutter on procedural characters.

`python -m training.fewshot.warp.cutting -o cutter.safetensors`

Labels come from the rig's skin weights (`labels`), so every rigged character teaches. Half of the
pictures show poses like those of drawings, half anything that a character may do.
"""

import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from engine import console
from engine.mocap.rig import RigPose
from engine.mocap.rotations import Array, about_y
from training.characters.character import render_sample
from training.characters.procedural.build import build
from training.fewshot.warp.cutter import Cutter, cutting_loss
from training.fewshot.warp.labels import BACKGROUND, part_labels
from training.fewshot.warp.masks import part_masks
from training.fewshot.warp.shipped import write
from training.fit import to_tensor
from training.motion.arms import ARMS
from training.motion.poses import random_pose, random_posture
from training.motion.posture import Posture, mix, plant, pose_of

JITTER_PX = 0.6  # of joints, at 96 px: an estimator's are never exact
DRAWN_ARMS = ("hang", "hang loose", "a pose", "t pose", "on hip", "back", "hold", "crossed")
HELD_OUT = range(214, 260)  # the data set's characters of the test split, see docs/dataset.md


class Labelled(NamedTuple):
    """N pictures with their joints and parts."""

    pictures: NDArray[np.uint8]  # (N, S, S, 4) premultiplied RGBA
    joints: NDArray[np.float32]  # (N, 20, 4)
    labels: NDArray[np.uint8]  # (N, S, S), see `labels.part_labels`


def drawn_pose(rng: np.random.Generator, rest: Array) -> RigPose:
    """A pose of the kind that a character is drawn in: standing at ease, turned a little."""
    left = right = ARMS[str(rng.choice(DRAWN_ARMS))]
    if rng.random() < 0.4:
        right = ARMS[str(rng.choice(DRAWN_ARMS))]
    ease = Posture(left_arm=left, right_arm=right)
    pose = pose_of(mix(ease, random_posture(rng), float(rng.uniform(0, 0.3))), rest)
    rotations = pose.rotations.copy()
    rotations[0] = about_y(float(rng.normal(0, 0.3))) @ rotations[0]
    return plant(RigPose(rotations, pose.root), 0.0, rest)


def labelled_pictures(seeds: range, size: int, each: int) -> Labelled:
    """`each` poses of every procedural character, by turns as drawn and at random."""
    pictures, joints, labels = [], [], []
    for seed in seeds:
        character, rng = build(seed, 0.5), np.random.default_rng([11, seed])
        for number in range(each):
            pose = (random_pose if number % 2 else drawn_pose)(rng, character.rest)
            picture, points = render_sample(character, pose, size)
            pictures.append(picture)
            joints.append(points)
            labels.append(part_labels(character, pose, size))
    return Labelled(np.stack(pictures), np.stack(joints), np.stack(labels))


def recolour(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pictures (B, S, S, 4) lighter or darker, half with channels shuffled: shapes must tell."""
    changed = pictures.copy()
    for picture in changed:
        if rng.random() < 0.5:
            picture[..., :3] = picture[..., rng.permutation(3)]
        alpha = picture[..., 3:].astype(np.float32)
        share = picture[..., :3] / np.maximum(alpha, 1)
        picture[..., :3] = np.rint(alpha * share ** rng.uniform(0.7, 1.4))
    return changed


@torch.no_grad()
def accuracy(cutter: Callable[[Tensor, Tensor], Tensor], data: Labelled, batch: int = 16) -> float:
    """The share of pixels that are given to the right part; `cutter` gives (B, L, S, S)."""
    right = total = 0
    for start in range(0, len(data.pictures), batch):
        some = slice(start, start + batch)
        found = cutter(to_tensor(data.pictures[some]), torch.from_numpy(data.joints[some]))
        labels = data.labels[some]
        drawn = labels != BACKGROUND
        right += int((found.argmax(1).numpy() == labels)[drawn].sum())
        total += int(drawn.sum())
    return right / total


def train_cutter(
    cutter: Cutter,
    data: Labelled,
    steps: int,
    *,
    batch: int = 12,
    rate: float = 2e-3,
    seed: int = 0,
    minutes: float = math.inf,
    bf16: bool = False,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> list[float]:
    """Train in place; the loss of every step.

    The rate falls to nearly nothing over `steps`, or sooner if `minutes` would end it before.
    """
    optimiser = torch.optim.Adam(cutter.parameters(), rate, betas=(0.9, 0.99))
    rng = np.random.default_rng(seed)
    losses: list[float] = []
    began = time.monotonic()
    for step in range(steps):
        done = max(step / steps, (time.monotonic() - began) / 60 / minutes)
        if done >= 1:
            break
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / max(1, min(100, steps // 20)))
            group["lr"] = rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))
        picks = rng.integers(len(data.pictures), size=batch)
        joints = data.joints[picks].copy()
        scale = data.pictures.shape[1] / 96
        joints[: batch // 2, :, :3] += rng.normal(0, JITTER_PX * scale, (batch // 2, 20, 3))
        pictures = to_tensor(recolour(data.pictures[picks], rng))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = cutter.logits(pictures, torch.from_numpy(joints))
        loss = cutting_loss(logits.float(), torch.from_numpy(data.labels[picks]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(cutter.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is {losses[-1]} at step {step}: lower the rate")
        on_step(step + 1, losses[-1])
    return losses


def main(
    output: Annotated[Path, typer.Option("-o", "--output", help="Safetensors of the cutter.")],
    characters: Annotated[int, typer.Option(min=1, help="To learn from.")] = 214,
    each: Annotated[int, typer.Option(min=1, help="Pictures of each.")] = 30,
    size: Annotated[int, typer.Option(min=64, help="Of the pictures, px.")] = 128,
    steps: Annotated[int, typer.Option(min=1, help="Batches in all.")] = 6000,
    batch: Annotated[int, typer.Option(min=1, help="Pictures in a batch.")] = 8,
    minutes: Annotated[float, typer.Option(help="Anneal and stop after so long.")] = math.inf,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Faster where the processor has it.")
    ] = False,
) -> None:
    """Train the cutter on procedural characters."""
    torch.manual_seed(0)
    cutter = Cutter().to(memory_format=torch.channels_last)
    data = labelled_pictures(range(characters), size, each)
    unseen = labelled_pictures(HELD_OUT, size, 6)
    print(f"by the skeleton alone: {accuracy(part_masks, unseen):.4f} of pixels right", flush=True)
    recent: list[float] = []
    curve: list[dict[str, float]] = []
    began = time.monotonic()

    def judged() -> dict[str, float]:
        return {"right": round(accuracy(cutter, unseen), 4)}

    def about() -> dict[str, Any]:
        return {
            "command": " ".join(["python -m training.fewshot.warp.cutting", *sys.argv[1:]]),
            "seed": 0,
            "minutes": round((time.monotonic() - began) / 60, 1),
            "curve": curve,
        }

    def tell(step: int, loss: float) -> None:
        recent.append(loss)
        if step % 250 == 0:
            curve.append({"step": step, "loss": float(np.mean(recent)), **judged()})
            print(json.dumps(curve[-1]), flush=True)
            write(output, cutter, about())
            recent.clear()

    losses = train_cutter(
        cutter, data, steps, batch=batch, minutes=minutes, bf16=bf16, on_step=tell
    )
    loss = round(float(np.mean(losses[-100:])), 4)
    curve.append({"step": len(losses), "loss": loss, **judged()})
    write(output, cutter, about())
    print(f"{output}: {curve[-1]} on characters never seen")


if __name__ == "__main__":
    console.run(main)

"""Train the cutter on procedural characters.

`python -m training.fewshot.warp.cutting -o cutter.pt`

Labels come from the rig's skin weights (`labels`), so every rigged character teaches.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from training.characters.character import render_sample
from training.characters.procedural.build import build
from training.fewshot.warp.cutter import Cutter, cutting_loss
from training.fewshot.warp.labels import part_labels
from training.fit import to_tensor
from training.motion.poses import random_pose

JITTER_PX = 0.6  # of joints, at 96 px: an estimator's are never exact


class Labelled(NamedTuple):
    """N pictures with their joints and parts."""

    pictures: NDArray[np.uint8]  # (N, S, S, 4) premultiplied RGBA
    joints: NDArray[np.float32]  # (N, 20, 4)
    labels: NDArray[np.uint8]  # (N, S, S), see `labels.part_labels`


def labelled_pictures(seeds: range, size: int, each: int) -> Labelled:
    """`each` random poses of every procedural character."""
    pictures, joints, labels = [], [], []
    for seed in seeds:
        character, rng = build(seed, 0.5), np.random.default_rng([11, seed])
        for _ in range(each):
            pose = random_pose(rng, character.rest)
            picture, points = render_sample(character, pose, size)
            pictures.append(picture)
            joints.append(points)
            labels.append(part_labels(character, pose, size))
    return Labelled(np.stack(pictures), np.stack(joints), np.stack(labels))


def recolour(pictures: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Half of the pictures (B, S, S, 4) with their colour channels shuffled: shapes must tell."""
    changed = pictures.copy()
    for picture in changed:
        if rng.random() < 0.5:
            picture[..., :3] = picture[..., rng.permutation(3)]
    return changed


def train_cutter(
    cutter: Cutter,
    data: Labelled,
    steps: int,
    *,
    batch: int = 12,
    rate: float = 2e-3,
    seed: int = 0,
) -> list[float]:
    """Train in place; the loss of every step."""
    optimiser = torch.optim.Adam(cutter.parameters(), rate, betas=(0.9, 0.99))
    rng = np.random.default_rng(seed)
    losses = []
    for step in range(steps):
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / max(1, steps // 20))
            group["lr"] = rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        picks = rng.integers(len(data.pictures), size=batch)
        joints = data.joints[picks].copy()
        scale = data.pictures.shape[1] / 96
        joints[: batch // 2, :, :3] += rng.normal(0, JITTER_PX * scale, (batch // 2, 20, 3))
        logits = cutter.logits(
            to_tensor(recolour(data.pictures[picks], rng)), torch.from_numpy(joints)
        )
        loss = cutting_loss(logits, torch.from_numpy(data.labels[picks]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(cutter.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the loss is {losses[-1]} at step {step}: lower the rate")
    return losses


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--characters", type=int, default=214)
    parser.add_argument("--each", type=int, default=24)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--steps", type=int, default=2500)
    options = parser.parse_args()
    torch.manual_seed(0)
    cutter = Cutter()
    data = labelled_pictures(range(options.characters), options.size, options.each)
    losses = train_cutter(cutter, data, options.steps)
    torch.save(cutter.state_dict(), options.output)
    print(f"{options.output}: loss {np.mean(losses[-100:]):.3f} after {len(losses)} steps")


if __name__ == "__main__":
    main()

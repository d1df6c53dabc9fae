"""How well a method draws characters that it never trained on, before and after it adapts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.dataset.samples import VIEWS, CharacterPictures
from training.fewshot.adapt import AdaptConfig, Adapted, adapt, draw_pictures, support_set
from training.fewshot.episodes import resized, samples
from training.fewshot.objective import Objective
from training.fewshot.warp.adapting import adapt_painter
from training.fewshot.warp.network import WarpGenerator
from training.fit import pose_images
from training.metrics import alpha_iou, on_white, ssim
from training.metrics.evaluate import Networks, evaluate


@dataclass(frozen=True, slots=True)
class Trial:
    """One character's pictures, in poses asked for: drawn before and after adaptation, and true."""

    source: NDArray[np.uint8]  # (S, S, 4)
    joints: NDArray[np.float32]  # (Q, 20, 4)
    before: NDArray[np.uint8]  # (Q, S, S, 4)
    after: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    seconds: float  # that adaptation took
    steps: int
    loss_before: float  # of the held-out shift
    loss_after: float


def attempt(
    method: nn.Module,
    objective: Objective,
    character: CharacterPictures,
    config: AdaptConfig,
    *,
    queries: int,
    device: torch.device,
    drawings: int = 1,
) -> Trial:
    """Adapt to the first basic views, and draw `queries` other poses spread over the data."""
    picks = np.linspace(len(VIEWS), len(character) - 1, queries).astype(np.intp)
    rng, more = np.random.default_rng(config.seed), np.arange(1, drawings)
    wanted = samples(character, picks, rng, more).to(device)
    adapted = adapted_to(method, objective, character[:drawings], config, device)
    return Trial(
        character.pictures[0],
        character.joints[picks],
        draw_pictures(method, wanted.inputs),
        draw_pictures(adapted.method, wanted.inputs),
        character.pictures[picks],
        adapted.seconds,
        adapted.best_step,
        adapted.held_out[0],
        min(adapted.held_out) if adapted.best_step else adapted.held_out[0],
    )


def adapted_to(
    method: nn.Module,
    objective: Objective,
    drawings: CharacterPictures,
    config: AdaptConfig,
    device: torch.device,
) -> Adapted[Any]:
    """A copy of the method, adapted to drawings of a character in the way that it is made for."""
    if isinstance(method, WarpGenerator) and config.steps:
        return adapt_painter(method, objective, drawings, config)
    support, held_out = support_set(drawings, config.shots, config.seed)
    return adapt(method, objective, support.to(device), held_out.to(device), config)


def attempts(
    method: nn.Module,
    objective: Objective,
    characters: Sequence[CharacterPictures],
    config: AdaptConfig,
    *,
    size: int,
    queries: int = 4,
    device: torch.device,
    drawings: int = 1,
) -> list[Trial]:
    """`attempt` with every character, at `size` px."""
    return [
        attempt(
            method, objective, resized(c, size), config, queries=queries, device=device,
            drawings=drawings,
        )
        for c in characters
    ]  # fmt: skip


def scores(trials: Sequence[Trial]) -> dict[str, float]:
    """Mean SSIM, alpha IoU and L1 before and after, and the mean time and steps of adaptation."""
    found: dict[str, list[float]] = {}
    for trial in trials:
        for name, made in (("before", trial.before), ("after", trial.after)):
            for a, b in zip(made, trial.truth, strict=True):
                found.setdefault(f"{name}_ssim", []).append(ssim(a, b))
                found.setdefault(f"{name}_alpha_iou", []).append(alpha_iou(a, b))
                shown = on_white(a).astype(np.int16) - on_white(b)
                found.setdefault(f"{name}_l1", []).append(float(np.abs(shown).mean() / 255))
        found.setdefault("adapt_seconds", []).append(trial.seconds)
        found.setdefault("adapt_steps", []).append(trial.steps)
        found.setdefault("shift_before", []).append(trial.loss_before)
        found.setdefault("shift_after", []).append(trial.loss_after)
    return {name: float(np.mean(values)) for name, values in found.items()}


def measured(
    trials: Sequence[Trial], networks: Networks, *, sequence: bool = False
) -> dict[str, float]:
    """Every measure of the pictures after adaptation, but for FID's: means over characters."""
    found = [
        evaluate(
            list(t.after), list(t.truth), t.joints, sequence=sequence, fid=False, networks=networks
        )
        for t in trials
    ]
    return {f"after_{name}": float(np.mean([f[name] for f in found])) for name in found[0]}


def sheet(trials: Sequence[Trial]) -> NDArray[np.uint8]:
    """A column for each picture: source, pose, before, after, truth; (5 S, columns S, 3) RGB."""
    columns = []
    for trial in trials:
        poses = pose_images(trial.joints, trial.truth.shape[1])
        for pose, before, after, truth in zip(
            poses, trial.before, trial.after, trial.truth, strict=True
        ):
            pictures = (on_white(p) for p in (before, after, truth))
            columns.append(np.concatenate([on_white(trial.source), pose, *pictures]))
    return np.concatenate(columns, axis=1)


def encode_sheet(picture: NDArray[np.uint8]) -> bytes:
    """RGB as PNG."""
    done, content = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise ValueError(f"cannot encode a picture of shape {picture.shape} as PNG")
    return content.tobytes()

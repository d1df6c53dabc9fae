"""Fit a generator to one character from many renders of it: how the default character is made.

The losses are the few-shot paper's (equations 3 to 10); there is no inner loop, because this
character has all the pictures that one could want. Run as `ayatsuri-train fit`.
"""

import copy
import io
import json
import math
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.motion.draw import draw_pose
from training.data import PosedPictures, sample_batch
from training.errors import BadInput, Diverged
from training.files import write_whole
from training.losses import (
    L1_WEIGHT,
    PERCEPTUAL_WEIGHT,
    Perceptual,
    discriminator_loss,
    generator_gan_loss,
    over,
)
from training.metrics import alpha_iou, on_white, ssim
from training.networks.discriminator import PatchDiscriminator
from training.networks.generator import Generator, GeneratorConfig, compose, preset

HEAD_JOINTS = (0, 14, 15)
ALPHA_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Settings of a fit; `steps` batches in all, in three phases.

    Up to `perceptual_from` of the way L1 alone, from there the perceptual loss, and from
    `gan_from` the discriminator too (as a share of the steps; 1 leaves it out).
    """

    preset: str = "live"
    size: int = 256
    steps: int = 20_000
    batch: int = 8
    rate: float = 8e-4
    rate_end: float = 2e-5
    perceptual_from: float = 0.15
    gan_from: float = 0.85
    gan_rate: float = 4e-4  # TTUR, section 5.1
    face_weight: float = 4.0
    ema: float = 0.999
    seed: int = 0
    bf16: bool = True


@dataclass(slots=True)
class Fit:
    """The state of a fit: everything that a checkpoint holds."""

    config: FitConfig
    generator: Generator
    average: Generator
    discriminator: PatchDiscriminator
    optimiser: torch.optim.Adam
    gan_optimiser: torch.optim.Adam
    reference: Tensor  # (1, 4, S, S), the picture that the texture encoder sees
    step: int = 0

    @classmethod
    def new(cls, config: FitConfig, reference: NDArray[np.uint8]) -> "Fit":
        """Fresh networks; `reference` is the character's picture, (S, S, 4) premultiplied RGBA."""
        torch.manual_seed(config.seed)
        generator_config = preset(config.preset, config.size, spectral=False)
        generator = Generator(generator_config).to(memory_format=torch.channels_last)
        discriminator = PatchDiscriminator(width=32).to(memory_format=torch.channels_last)
        average = copy.deepcopy(generator).requires_grad_(False)
        return cls(
            config,
            generator,
            average,
            discriminator,
            torch.optim.Adam(generator.parameters(), config.rate, betas=(0.9, 0.99)),
            torch.optim.Adam(discriminator.parameters(), config.gan_rate, betas=(0.5, 0.99)),
            to_tensor(reference[None]),
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint; a crash, or a full disk, leaves the old one whole."""
        state = {
            "config": asdict(self.config),
            "generator_config": self.generator.config.to_dict(),
            "generator": self.generator.state_dict(),
            "average": self.average.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "gan_optimiser": self.gan_optimiser.state_dict(),
            "reference": self.reference,
            "step": self.step,
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_whole(path, content.getvalue())

    @classmethod
    def load(cls, path: Path, **changes: object) -> "Fit":
        """Continue from a checkpoint; `changes` replaces settings (more steps, say)."""
        state = read_checkpoint(path)
        config = replace(FitConfig(**state["config"]), **changes)  # type: ignore[arg-type]
        size = state["reference"].shape[-1]
        fit = cls.new(config, np.zeros((size, size, 4), np.uint8))
        fit.reference = state["reference"]
        fit.generator.load_state_dict(state["generator"])
        fit.average.load_state_dict(state["average"])
        fit.discriminator.load_state_dict(state["discriminator"])
        fit.optimiser.load_state_dict(state["optimiser"])
        fit.gan_optimiser.load_state_dict(state["gan_optimiser"])
        fit.step = state["step"]
        return fit


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint; raises BadInput for a file that is none."""
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        complete = {"config", "generator_config", "average", "reference", "step"} <= state.keys()
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, ValueError) as error:
        raise BadInput(f"{path} is no checkpoint of `ayatsuri-train fit`: {error}") from error
    if not complete:
        raise BadInput(f"{path} is no checkpoint of `ayatsuri-train fit`: it lacks networks")
    return state


def load_generator(path: Path) -> tuple[Generator, Tensor]:
    """The averaged generator of a checkpoint, in evaluation mode, and its reference picture."""
    state = read_checkpoint(path)
    generator = Generator(GeneratorConfig.from_dict(state["generator_config"]))
    generator.load_state_dict(state["average"])
    return generator.eval(), state["reference"]


def to_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, S, S, C) uint8 to (B, C, S, S) float32 in [0, 1], channels last in memory."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return tensor.float().div_(255).contiguous(memory_format=torch.channels_last)


def pose_tensor(pose_images: NDArray[np.uint8]) -> Tensor:
    """Pose images (B, S, S, 3) uint8 as the generator takes them: white is 0."""
    return to_tensor(255 - pose_images)


def pose_images(joints: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Draw joints (N, 20, 4) as pose images (N, S, S, 3)."""
    images = np.empty((len(joints), size, size, 3), np.uint8)
    for pose, image in zip(joints, images, strict=True):
        draw_pose(np.ascontiguousarray(pose), image)
    return images


def face_weights(joints: NDArray[np.float32], size: int, weight: float) -> Tensor:
    """(B, 1, S, S) weights of the L1 loss: 1, and up to `weight` around the face.

    The eyes are two hundredths of the picture and half of what people look at.
    """
    centre = joints[:, HEAD_JOINTS, :2].mean(axis=1)
    grid = np.arange(size, dtype=np.float32) + 0.5
    radius = size / 14
    x = np.exp(-(((grid[None] - centre[:, :1]) / radius) ** 2))
    y = np.exp(-(((grid[None] - centre[:, 1:]) / radius) ** 2))
    return torch.from_numpy(1 + (weight - 1) * y[:, None, :, None] * x[:, None, None, :])


def crops(
    joints: NDArray[np.float32], size: int, side: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """For each sample the corner (x, y) of a square about a joint, the face every other time."""
    corners = []
    for joint in joints:
        pick = 0 if rng.random() < 0.5 else int(rng.integers(len(joint)))
        corner = joint[pick, :2] - side / 2 + rng.uniform(-side / 8, side / 8, 2)
        x, y = np.clip(corner, 0, size - side)
        corners.append((int(x), int(y)))
    return corners


def cut(pictures: Tensor, corners: list[tuple[int, int]], side: int) -> Tensor:
    """The square of every picture (N, C, S, S) at its corner (x, y): (N, C, side, side)."""
    squares = [pictures[i, :, y : y + side, x : x + side] for i, (x, y) in enumerate(corners)]
    return torch.stack(squares).contiguous(memory_format=torch.channels_last)


def learning_rate(config: FitConfig, step: int) -> float:
    """Short warm-up, then cosine annealing from `rate` to `rate_end`."""
    share = min(1.0, step / config.steps)
    warm = min(1.0, (share + 1e-3) / 0.01)
    cosine = 0.5 * (1 + math.cos(math.pi * share))
    return warm * (config.rate_end + (config.rate - config.rate_end) * cosine)


def train_step(
    fit: Fit,
    perceptual: Perceptual | None,
    batch: tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]],
    rng: np.random.Generator,
) -> dict[str, float]:
    """One update of the generator (and late in the fit of the discriminator); the losses."""
    config = fit.config
    pose, truth = pose_tensor(batch[0]), to_tensor(batch[1])
    share = fit.step / config.steps
    for group in fit.optimiser.param_groups:
        group["lr"] = learning_rate(config, fit.step)

    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        texture = [t.expand(len(pose), -1, -1, -1) for t in fit.generator.texture(fit.reference)]
        logits = fit.generator.logits(pose, texture).float()
    made = compose(logits)
    weights = face_weights(batch[2], config.size, config.face_weight)
    l1 = ((made - truth).abs() * weights).mean()
    # L1 has no gradient where the sigmoid is flat, and most of a picture is empty: without this
    # the generator learns to draw nothing and stays there.
    alpha = F.binary_cross_entropy_with_logits(logits[:, 3:], truth[:, 3:])
    loss = L1_WEIGHT * l1 + ALPHA_WEIGHT * alpha
    losses = {"l1": float(l1.detach()), "alpha": float(alpha.detach())}

    if perceptual is not None and share >= config.perceptual_from:
        side = config.size // 2
        background = torch.from_numpy(rng.random((len(pose), 3, 1, 1), dtype=np.float32))
        made_rgb, true_rgb = over(made, background), over(truth, background)
        corners = crops(batch[2], config.size, side, rng)
        made_crops, true_crops = (cut(rgb, corners, side) for rgb in (made_rgb, true_rgb))
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            distance = perceptual(made_crops, true_crops)
        loss = loss + PERCEPTUAL_WEIGHT * distance
        losses["perceptual"] = float(distance.detach())

    if share >= config.gan_from:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            critic = discriminator_loss(
                fit.discriminator(pose, truth).float(),
                fit.discriminator(pose, made.detach()).float(),
            )
        fit.gan_optimiser.zero_grad()
        critic.backward()
        fit.gan_optimiser.step()
        fit.discriminator.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
            fooled = generator_gan_loss(fit.discriminator(pose, made).float())
        fit.discriminator.requires_grad_(True)
        # The discriminator is new when the picture is already good: let its say grow.
        loss = loss + min(1.0, (share - config.gan_from) / 0.05) * fooled
        losses |= {"critic": float(critic.detach()), "gan": float(fooled.detach())}

    if not torch.isfinite(loss):
        raise Diverged(f"the loss is {loss.item()} at step {fit.step}: lower the rate")
    fit.optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(fit.generator.parameters(), 5.0)
    fit.optimiser.step()
    update_average(fit)
    fit.step += 1
    return losses


def update_average(fit: Fit) -> None:
    """Exponential moving average of the weights: what is evaluated and shipped."""
    move_average(fit.average, fit.generator, fit.config.ema, fit.step)


@torch.no_grad()
def move_average(average: nn.Module, current: nn.Module, decay: float, step: int) -> None:
    """Move every number of `average` toward `current`, faster in the first steps."""
    decay = min(decay, (1 + step) / (10 + step))
    for mean, value in zip(
        average.state_dict().values(), current.state_dict().values(), strict=True
    ):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)


@torch.no_grad()
def draw_all(
    generator: Generator, reference: Tensor, joints: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Pictures (N, S, S, 4) uint8 of the character at the given joints (N, 20, 4)."""
    size = generator.config.size
    texture = generator.eval().texture(reference)
    pictures = np.empty((len(joints), size, size, 4), np.uint8)
    for i, pose_image in enumerate(pose_images(joints, size)):
        made = generator.draw(pose_tensor(pose_image[None]), texture)
        pictures[i] = (made[0].permute(1, 2, 0) * 255).round().byte().numpy()
    return pictures


def evaluate(generator: Generator, reference: Tensor, held_out: PosedPictures) -> dict[str, float]:
    """Mean SSIM, alpha IoU and L1 on poses that were never trained on."""
    made = draw_all(generator, reference, held_out.joints)
    pairs = list(zip(made, held_out.pictures, strict=True))
    return {
        "ssim": float(np.mean([ssim(a, b) for a, b in pairs])),
        "alpha_iou": float(np.mean([alpha_iou(a, b) for a, b in pairs])),
        "l1": float(np.mean(np.abs(made.astype(np.int16) - held_out.pictures)) / 255),
        "samples": len(pairs),
    }


def sample_sheet(
    generator: Generator, reference: Tensor, held_out: PosedPictures, count: int = 12
) -> NDArray[np.uint8]:
    """Rows of pose image, generated and true picture, (3 S, count S, 3) RGB."""
    joints = held_out.joints[:count]
    made = draw_all(generator, reference, joints)
    columns = [
        np.concatenate([pose_image, on_white(picture), on_white(np.asarray(truth))])
        for pose_image, picture, truth in zip(
            pose_images(joints, generator.config.size), made, held_out.pictures[:count], strict=True
        )
    ]
    return np.concatenate(columns, axis=1)


def run(
    fit: Fit,
    data: PosedPictures,
    held_out: PosedPictures,
    folder: Path,
    *,
    minutes: float | None = None,
    every: int = 500,
) -> dict[str, float]:
    """Train until the last step (or for so many minutes); returns the last evaluation.

    Writes checkpoint.pt, curve.jsonl and samples.png into `folder` every so many steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    perceptual = None
    if fit.config.perceptual_from < 1:
        perceptual = Perceptual().to(memory_format=torch.channels_last)
    began = time.monotonic()
    score: dict[str, float] = {}
    running: dict[str, list[float]] = {}
    with ThreadPoolExecutor(1) as pool:
        # A batch depends on its step alone, so a resumed run sees what an unbroken one would.
        fetch = lambda step: sample_batch(  # noqa: E731
            data, np.random.default_rng([fit.config.seed, step]), fit.config.batch
        )
        ahead = pool.submit(fetch, fit.step)
        while fit.step < fit.config.steps:
            step, batch = fit.step, ahead.result()
            ahead = pool.submit(fetch, step + 1)
            for name, value in train_step(
                fit, perceptual, batch, np.random.default_rng([fit.config.seed, step, 1])
            ).items():
                running.setdefault(name, []).append(value)
            out_of_time = minutes is not None and time.monotonic() - began > 60 * minutes
            if fit.step % every == 0 or fit.step == fit.config.steps or out_of_time:
                score = evaluate(fit.average, fit.reference, held_out)
                fit.save(folder / "checkpoint.pt")
                sheet = sample_sheet(fit.average, fit.reference, held_out)
                cv2.imwrite(str(folder / "samples.png"), sheet[..., ::-1])
                line: dict[str, Any] = {
                    "step": fit.step,
                    "seconds": round(time.monotonic() - began, 1),
                    "rate": learning_rate(fit.config, fit.step),
                    **{f"train_{k}": float(np.mean(v)) for k, v in running.items()},
                    **{f"held_out_{k}": v for k, v in score.items()},
                }
                with (folder / "curve.jsonl").open("a") as curve:
                    curve.write(json.dumps(line) + "\n")
                print(
                    " ".join(
                        f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}"
                        for k, v in line.items()
                    ),
                    flush=True,
                )
                running = {}
            if out_of_time:
                break
    return score

"""The bodies of `ayatsuri-train meta`, `adapt-check` and `weights`."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from training.dataset.reader import Dataset
from training.dataset.samples import CharacterPictures
from training.fewshot import checkpoint, diary, weights
from training.fewshot.adapt import AdaptConfig
from training.fewshot.config import TrainConfig, check_size
from training.fewshot.episodes import Characters
from training.fewshot.errors import CheckpointError, SettingsError
from training.fewshot.loader import Kept
from training.fewshot.objective import Objective
from training.fewshot.recipe import Recipe, build
from training.fewshot.train import CHECKPOINT, Training, run
from training.fewshot.validate import attempts, encode_sheet, measured, scores, sheet
from training.fewshot.workers import Workers, workers
from training.files import write_whole
from training.metrics.evaluate import Networks


def train(
    data: Path,
    folder: Path,
    config: TrainConfig,
    recipe: Recipe,
    *,
    adaptation: AdaptConfig,
    held_out: int,
    device: str | None,
    minutes: float | None,
    every: int,
    loaders: int,
    keep: bool,
    start: Path | None = None,
    most: int | None = None,
) -> dict[str, float]:
    """Train, or go on from the folder's checkpoint with the settings that it has.

    Of the given settings only the number of steps counts then, so that a run can be made longer;
    SettingsError where recipe or data differ, since the curve would be of two runs. A run that
    begins takes weights from `start`, as `ship` writes them, where that is given. `most` limits
    the number of characters.
    """
    characters, others = Dataset.open(data, "train"), Dataset.open(data, "test")
    with workers(device) as place:
        return train_on(
            Kept(characters, max(config.sizes), most) if keep else characters,
            [others[i] for i in range(min(held_out, len(others)))],
            manifest_hash(data), folder, config, recipe, place,
            adaptation=adaptation, minutes=minutes, every=every, loaders=loaders, start=start,
        )  # fmt: skip


def manifest_hash(data: Path) -> str:
    """What tells one data set from another: SHA-256 of its manifest."""
    return sha256((data / "manifest.json").read_bytes()).hexdigest()


def train_on(
    characters: Characters,
    held_out: Sequence[CharacterPictures],
    digest: str,
    folder: Path,
    config: TrainConfig,
    recipe: Recipe,
    place: Workers,
    *,
    adaptation: AdaptConfig,
    minutes: float | None,
    every: int,
    loaders: int,
    start: Path | None = None,
) -> dict[str, float]:
    """`train` with characters that were opened; `digest` is their manifest's."""
    path = folder / CHECKPOINT
    state = checkpoint.load(path) if path.exists() else None
    if state is not None:
        recipe, config = _continued(path, state, recipe, config, digest)
    torch.manual_seed(config.seed)
    torch.backends.cudnn.benchmark = True
    method, objective = build(recipe)
    begun = {} if start is None or state is not None else {"start": _start(method, start)}
    training = Training.new(config, method, objective, place.device)
    if state is not None:
        training.restore(state)
    training.about |= {
        "recipe": recipe.to_dict(),
        "data": digest,
        "command": " ".join(["ayatsuri-train", *sys.argv[1:]]),
        **begun,
    }
    if place.first:
        print(json.dumps({**training.about, "config": config.to_dict(), "step": training.step}))
    return run(
        training, characters, held_out, folder, place,
        adaptation=adaptation, minutes=minutes, every=every, loaders=loaders,
    )  # fmt: skip


def _start(method: nn.Module, path: Path) -> dict[str, Any]:
    """Give a method that begins the weights of one that was trained; what made those."""
    found, about = weights.read(path)
    try:
        method.load_state_dict(found.state_dict())
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} holds another method, or one of another size: {str(error)[:300]}"
        ) from error
    return about


def _continued(
    path: Path, state: dict[str, Any], recipe: Recipe, config: TrainConfig, digest: str
) -> tuple[Recipe, TrainConfig]:
    """The settings of a checkpoint, with as many steps as asked for."""
    try:
        known, made = Recipe.from_dict(state["about"]["recipe"]), state["about"]["data"]
        settings = TrainConfig.from_dict(state["config"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} lacks {error}: it was made by another program") from error
    if known != recipe:
        raise SettingsError(
            f"{path} was made with {known}, found {recipe}: give the same, or another folder"
        )
    if made != digest:
        raise SettingsError(
            f"{path} was made with another data set (its manifest has SHA-256 {made}): give that "
            "one, or another folder"
        )
    print(f"continuing from step {state['step']} of {path}, with its own settings")
    return known, replace(settings, steps=config.steps)


def load_training(path: Path, device: torch.device) -> tuple[Training, Recipe]:
    """A checkpoint's networks, built by its own recipe."""
    state = checkpoint.load(path)
    if "recipe" not in state["about"]:
        raise CheckpointError(f"{path} lacks its recipe: it was not made by a command")
    recipe = Recipe.from_dict(state["about"]["recipe"])
    training = Training.new(TrainConfig.from_dict(state["config"]), *build(recipe), device)
    training.restore(state)
    # Losses, and networks that train in stages, are told how far the run is before every step.
    training.objective.advance(training.config.share(training.step))
    return training, recipe


def load_method(path: Path, device: torch.device) -> tuple[nn.Module, Objective, int]:
    """The method of a checkpoint or of weights, the losses it adapts by, and the last size, px.

    Weights (.safetensors) ship without their discriminator: they adapt by the other losses.
    """
    if path.suffix != ".safetensors":
        training, _ = load_training(path, device)
        return training.shipped(), training.objective, training.config.sizes[-1]
    method, about = weights.read(path)
    _, objective = build(replace(Recipe.from_dict(about["recipe"]), gan=False))
    return method.to(device), objective.to(device), about["config"]["sizes"][-1]


def adapt_check(
    data: Path,
    path: Path,
    config: AdaptConfig,
    *,
    shots: Sequence[int],
    characters: int,
    queries: int,
    device: str | None,
    output: Path | None,
    drawings: int = 1,
    size: int | None = None,
    frames: int = 0,
) -> Iterator[dict[str, float]]:
    """Adapt to characters of the test split by 1, 4, 10 shifts; a line of measures for each.

    `path` is a checkpoint, or weights as they ship; `size` of the pictures, px, is else the last
    that they were trained with. With several `drawings`, the basic views, they are the support set
    as they are: see `left_out`. `warp` has no use for shifts: see `warp.adapting`. The line has the
    mean over characters of every measure that needs no download. In place of `queries` poses that
    are far apart `frames` of a dance in a row are drawn, if asked for, and flicker is measured.
    """
    if size is not None:
        check_size(size)
    others = Dataset.open(data, "test")
    numbers = range(min(characters, len(others)))
    picks = [others.in_a_row(i, frames) if frames else others[i] for i in numbers]
    networks = Networks()
    with workers(device) as place:
        method, objective, last = load_method(path, place.device)
        for count in shots:
            began = time.monotonic()
            trials = attempts(
                method, objective, picks, replace(config, shots=count), size=size or last,
                queries=frames or queries, device=place.device, drawings=drawings,
            )  # fmt: skip
            if output is not None:
                name = output.with_name(f"{output.stem}-{count}{output.suffix}")
                write_whole(name, encode_sheet(sheet(trials)))
            yield {
                "shots": count,
                **scores(trials),
                **measured(trials, networks, sequence=frames > 2),
                "characters": len(trials),
                "size": size or last,
                "threads": torch.get_num_threads(),
                "seconds": round(time.monotonic() - began, 1),
            }


def ship(path: Path, output: Path, *, half: bool = True) -> dict[str, Any]:
    """Write a checkpoint's averaged weights as safetensors, with the curve and hours of its run."""
    state = checkpoint.load(path)
    hours = diary.minutes(path.parent) / 60
    state["about"] |= {"curve": diary.curve(path.parent), "hours": hours}
    size = weights.write(output, state, half=half)
    return {"file": str(output), "megabytes": size / 1e6, "steps_done": state["step"]}

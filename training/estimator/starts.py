"""The first paper's Table 1 in kind: does an estimator for drawings gain from real people?

The same network, the same number of batches of drawings, the same unseen drawings; what differs is
where it starts and what else it sees.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from training.estimator.command import characters_of, kept_renders
from training.estimator.data import Renders
from training.estimator.evaluate import SIZE, mediapipe_keypoints, test_renders
from training.estimator.measure import pckh
from training.estimator.network import NetworkConfig
from training.estimator.people import people, together
from training.estimator.train import TrainConfig, Training, Trials, run

Say = Callable[[str], None]

PX: Final = 128
"""Training and test pictures are this small, so that a small budget is many batches."""
BATCH: Final = 12


@dataclass(frozen=True, slots=True)
class Start:
    """One row of the table.

    Attributes:
        name: of the row, as a folder is named.
        what: in words.
        pretrained: whether the backbone starts from photographs.
        people_steps: batches of people before, over those of drawings.
        mixed: whether half of what it sees are people.
    """

    name: str
    what: str
    pretrained: bool = True
    people_steps: float = 0.0
    mixed: bool = False


STARTS: Final = (
    Start("scratch", "from random weights", pretrained=False),
    Start("photographs", "from features of photographs (EfficientNet-Lite0)"),
    Start("fine-tuned", "the same, trained on real people first", people_steps=0.5),
    Start("mixed", "the same, half of each batch real people", mixed=True),
)


def compare(
    folder: Path,
    data: Path | None,
    videos: Sequence[Path],
    poses: int,
    steps: int,
    seed: int,
    say: Say,
) -> dict[str, Any]:
    """Train and measure each of `STARTS`; goes on where it was interrupted.

    Args:
        folder: where renders, checkpoints and curves are kept.
        data: a data set of `data make`; None: random poses.
        videos: of people, beside the performer's clip.
        poses: pictures of each training character.
        steps: batches of drawings.
        seed: of everything.
        say: told how it goes.
    """
    torch.set_num_threads(1)
    drawings = kept_renders(folder / "train.npz", characters_of(data, poses, seed), say)
    persons = _kept_people(folder, videos, say)
    unseen = test_renders()
    rows = []
    for start in STARTS:
        config = TrainConfig(
            batch=BATCH, seed=seed, sizes=((0.0, PX),), warm_steps=max(steps // 10, 1)
        )
        if not start.pretrained:  # nothing to be careful with
            config = replace(config, backbone_rate=config.rate)
        network = _trained(folder / start.name, start, config, drawings, persons, steps, say)
        row = {"start": start.name, "what": start.what, **_scores(network, unseen)}
        say(json.dumps(row))
        rows.append(row)
    rows.append({"start": "mediapipe", "what": "MediaPipe full, as it is", **_mediapipe(unseen)})
    return {
        "steps": steps,
        "people_steps": {s.name: round(s.people_steps * steps) for s in STARTS},
        "batch": BATCH,
        "size": PX,
        "drawings": len(drawings),
        "people": len(persons),
        "videos": [video.name for video in videos],
        "test_pictures": len(unseen),
        "rows": rows,
    }


def as_markdown(found: dict[str, Any]) -> str:
    """The table of the documentation."""
    lines = [
        "| start | PCKh@0.5, plain | restyled | PCKh@0.2, plain | restyled |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in found["rows"]:
        scores = [row[key] for key in ("plain", "restyled", "plain_0.2", "restyled_0.2")]
        lines.append(f"| {row['what']} | " + " | ".join(f"{s:.1f}" for s in scores) + " |")
    return "\n".join(lines)


def _trained(
    folder: Path,
    start: Start,
    config: TrainConfig,
    drawings: Renders,
    persons: Renders,
    steps: int,
    say: Say,
) -> Training:
    before = round(start.people_steps * steps)
    state = None
    if before:
        first = _run(
            folder / "people", NetworkConfig(pretrained=True), config, persons, before, say
        )
        state = first.averaged
    seen = together(drawings, persons) if start.mixed else drawings
    network = NetworkConfig(pretrained=start.pretrained)
    return _run(folder, network, config, seen, steps, say, state)


def _run(
    folder: Path,
    network: NetworkConfig,
    config: TrainConfig,
    data: Renders,
    steps: int,
    say: Say,
    state: dict[str, torch.Tensor] | None = None,
) -> Training:
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        training = Training.load(checkpoint)
    else:
        training = Training(network, config)
        if state is not None:
            training.network.load_state_dict(state)
    if training.step < steps:
        say(f"{folder}: {json.dumps(asdict(config))}")
        run(training, data, {}, folder, steps=steps, every=25, say=say)
    return training


def _scores(training: Training, unseen: Renders) -> dict[str, float]:
    network = training.result()
    made = {}
    for kind, clean in (("plain", True), ("restyled", False)):
        trials = Trials.of(unseen, PX, 2, clean)
        made[kind] = round(100 * trials.measure(network), 1)
        made[f"{kind}_0.2"] = round(100 * trials.measure(network, 0.2), 1)
    return made


def _mediapipe(unseen: Renders) -> dict[str, float]:
    """On the same pictures, larger: it was not made for small ones."""
    made = {}
    for kind, clean in (("plain", True), ("restyled", False)):
        trials = Trials.of(unseen, SIZE, 2, clean)
        points = np.stack(mediapipe_keypoints(list(trials.pictures)))
        for name, share in ((kind, 0.5), (f"{kind}_0.2", 0.2)):
            score = pckh(points, trials.truth, trials.head, trials.visible, share)
            made[name] = round(100 * score, 1)
    return made


def _kept_people(folder: Path, videos: Sequence[Path], say: Say) -> Renders:
    names = "|".join(str(video) for video in videos)
    path = folder / f"people-{sha256(names.encode()).hexdigest()[:8]}.npz"
    if not path.exists():
        say(f"taking pictures of people into {path}")
        people(videos, 4, SIZE).save(path)
    return Renders.load(path)

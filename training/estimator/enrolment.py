"""How well enrolment finds a figure's joints and measures its body, on characters never seen.

`python -m training.estimator.enrolment` prints a line for whole drawings and for drawings that are
cut at the thigh, by the estimator alone and by enrolment's fit, which also infers what is hidden
and what is not in the picture.
"""

import json
from collections import defaultdict
from typing import Annotated

import numpy as np
import typer

from engine import console
from engine.enrol.finding import find_figure
from engine.enrol.proportions import bone_lengths
from engine.enrol.reading import Picture
from engine.enrol.usual import usual
from engine.pose.anime import AnimePose
from engine.pose.skeleton import PUPPET_20
from training.characters.observe import observe
from training.characters.procedural.build import build
from training.estimator.data import TEST_SEEDS
from training.estimator.measure import found, head_size
from training.fewshot.warp.cutting import drawn_pose

SIZE = 512
_SEED = 5
_BODY = tuple(i for i, (a, b) in enumerate(PUPPET_20.bones) if max(a, b) < 14 and a != 0 != b)


def main(
    characters: Annotated[int, typer.Option(help="Of those never seen.")] = len(TEST_SEEDS),
) -> None:
    """How well does enrolment find a figure's joints, and measure its body?"""
    estimator = AnimePose()
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for seed in TEST_SEEDS[:characters]:
        rng = np.random.default_rng([_SEED, seed])
        character = build(seed, 1.0)
        seen = observe(character, drawn_pose(rng, character.rest), SIZE)
        true_lengths = character.camera.scale * SIZE * character.bone_lengths
        head = float(head_size(seen.joints))
        for kind in ("whole", "cut"):
            picture, joints = seen.picture, seen.joints
            if kind == "cut":
                knee = 0.5 * float(joints[8, 1] + joints[9, 1])
                picture = picture[: max(64, round(knee))]
            picture = np.ascontiguousarray(picture)
            figure = find_figure(Picture("a render", picture, (SIZE, len(picture))), estimator)
            alone = estimator.estimate(picture)
            inside = joints[:, 1] < len(picture)
            groups = {"visible": seen.visible & inside, "hidden": ~seen.visible & inside,
                      "outside": ~inside}  # fmt: skip
            for way, guess in (("estimator", alone), ("fit", figure.fitted.joints)):
                hits = found(guess, joints, head)
                for group, counted in groups.items():
                    scores[f"{kind} {way}", group] += hits[counted].tolist()
            fitted = figure.fitted
            lengths = bone_lengths(fitted.joints, fitted.spine, usual(fitted.ear_half))
            error = np.abs(np.log(lengths / true_lengths))[list(_BODY)]
            scores[f"{kind} fit", "bone_error"] += error.tolist()
    _tell(scores)


def _tell(scores: dict[tuple[str, str], list[float]]) -> None:
    """PCKh@0.5 in percent, and the median error of bone lengths in percent."""
    for row in dict.fromkeys(row for row, _ in scores):
        line: dict[str, object] = {"way": row}
        for (other, group), values in scores.items():
            if other == row and values:
                middle = np.median(values) if group == "bone_error" else np.mean(values)
                line[group] = round(100 * float(middle), 1)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    console.run(main)

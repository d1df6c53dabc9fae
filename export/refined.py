"""Whether refining pays, on true pictures: `python -m export.refined DATA --characters 8`.

Rendered characters that no network here was trained on: the painter is adapted to the front view
alone, and judged on true renders of other poses, beside the plain puppet and the painter that
ships. A line of JSON for each character, and the means.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from export.painter import export_painter
from export.refine import judge
from training.dataset.reader import Dataset
from training.dataset.samples import VIEWS
from training.fewshot.warp.cycles import Cycle, Known
from training.fewshot.warp.refine import by_cutter, refine_painter, winner
from training.metrics.evaluate import Networks


def main(
    data: Annotated[Path, typer.Argument(help="Made by `ayatsuri-train data make`.")],
    size: Annotated[int, typer.Option(help="Of the pictures.")] = 256,
    characters: Annotated[int, typer.Option(help="Of the test split.")] = 8,
    queries: Annotated[int, typer.Option(help="Poses of each.")] = 8,
) -> None:
    """Measure."""
    others, networks = Dataset.open(data, "test", size), Networks()
    found = []
    for index in np.linspace(0, len(others) - 1, min(characters, len(others))).astype(int):
        character = others[int(index)]
        picture, joints = character.pictures[0], character.joints[0]
        began = time.process_time()
        known = Known(picture, by_cutter(picture, joints))
        made = refine_painter([known], by_cutter)
        seconds = time.process_time() - began
        models = {
            "shipped": export_painter(made.shipped, size),
            "adapted": export_painter(made.painter, size),
        }
        picks = np.linspace(len(VIEWS), len(character) - 1, queries).astype(int)
        truths = [
            Cycle(picture, known.drawing, character.pictures[i], character.joints[i]) for i in picks
        ]
        scores = judge(models, truths, networks)
        chosen = winner(judge(models, made.held_out, networks), painted=True)
        found.append({**scores, "chosen": scores[chosen]})
        line = {"character": character.name, "chosen": chosen, "cpu_s": round(seconds, 1)}
        print(json.dumps({**line, **scores}), flush=True)
    for who in found[0]:
        means = {
            key: round(float(np.mean([scores[who][key] for scores in found])), 4)
            for key in found[0][who]
        }
        print(json.dumps({"mean": who, **means}), flush=True)


if __name__ == "__main__":
    typer.run(main)

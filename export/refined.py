"""Whether refining pays, on true pictures: `python -m export.refined DATA --characters 8`.

Rendered characters that no network here was trained on: the painter is adapted to the front view
alone, and judged on true renders of other poses, beside the plain puppet and the painter that
ships; with `--as-shipped` these two alone. A line of JSON for each character, and the means.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from engine import console
from engine.puppet.shipped import shipped_painter, usual_shrink
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
    learn: Annotated[bool, typer.Option("--learn/--as-shipped", help="Whether to adapt.")] = True,
) -> None:
    """Does refining pay, on true pictures of characters that no network was trained on?"""
    others, networks = Dataset.open(data, "test", size), Networks()
    found = []
    for index in np.linspace(0, len(others) - 1, min(characters, len(others))).astype(int):
        character = others[int(index)]
        picture, joints = character.pictures[0], character.joints[0]
        known = Known(picture, by_cutter(picture, joints))
        models = {"shipped": shipped_painter(size)}
        began, held_out = time.process_time(), []
        if learn:
            shrink = usual_shrink(size)
            made = refine_painter([known], by_cutter, shrink=shrink, minutes=60)
            models["adapted"], held_out = export_painter(made.painter, size, shrink), made.held_out
        seconds = time.process_time() - began
        picks = np.linspace(len(VIEWS), len(character) - 1, queries).astype(int)
        truths = [
            Cycle(picture, known.drawing, character.pictures[i], character.joints[i]) for i in picks
        ]
        scores = judge(models, truths, networks)
        line: dict[str, object] = {"character": character.name}
        if learn:
            chosen = winner(judge(models, held_out, networks), np.inf)
            scores = {**scores, "chosen": scores[chosen]}
            line |= {"chosen": chosen, "cpu_s": round(seconds, 1)}
        found.append(scores)
        print(json.dumps({**line, **scores}), flush=True)
    for who in found[0]:
        means = {
            key: round(float(np.mean([scores[who][key] for scores in found])), 4)
            for key in found[0][who]
        }
        print(json.dumps({"mean": who, **means}), flush=True)


if __name__ == "__main__":
    console.run(main)

"""`python -m bench.drawn_by`: what should draw the default character, her generator or her puppet?

Random poses that the generator never saw, and a stretch of the dance for its flicker, are rendered
from the 3D character, which is the truth, at the puppet's size. The generator's pictures are
enlarged to it. A line of JSON for each way and set; the sheet shows some, the truth first.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from bench.character import SEED
from engine import console
from engine.app import DEFAULT_CHARACTER
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.character import CharacterBundle
from engine.generator import Generator, NetworkGenerator
from engine.motion.draw import draw_pose
from engine.puppet.puppet import Puppet
from engine.puppet.shipped import shipped_painter
from training.characters import ito
from training.characters.character import render_sample
from training.metrics import on_white
from training.metrics.evaluate import Networks, evaluate
from training.motion.dance import dance
from training.motion.poses import random_pose

U8 = NDArray[np.uint8]

_DANCE = slice(380, 410)  # frames, 30 a second
_ON_SHEET = 8


def ways(bundle: CharacterBundle) -> dict[str, tuple[int, Callable[[], Generator]]]:
    """By name: the size of the pictures, and what draws them."""
    small, large = (bundle.drawn_by(draws) for draws in ("generator", "puppet"))
    size, drawings = large.resolution, large.drawings
    generator = small.need_generator().model
    found: dict[str, tuple[int, Callable[[], Generator]]] = {
        "generator": (small.resolution, lambda: NetworkGenerator(OnnxRuntimeBackend(generator))),
        "puppet": (size, lambda: Puppet(drawings)),
        "puppet and the painter that ships": (
            size, lambda: Puppet(drawings, OnnxRuntimeBackend(shipped_painter(size)))
        ),
    }  # fmt: skip
    if large.painter is not None:
        own = large.painter.model
        found["puppet and her painter"] = (size, lambda: Puppet(drawings, OnnxRuntimeBackend(own)))
    return found


def draw_all(
    generator: Generator, size: int, joints: NDArray[np.float32], full: int, *, sequence: bool
) -> tuple[list[U8], float]:
    """Pictures of joints (N, 20, 4) in pixels of `full`, each that large; ms of processor time.

    A `sequence` goes on from pose to pose; else each is a picture by itself.
    """
    image, out = np.empty((size, size, 3), np.uint8), np.empty((size, size, 4), np.uint8)
    made: list[U8] = []
    spent_ns = 0
    for one in joints:
        scaled = one.copy()
        scaled[:, :3] *= size / full
        draw_pose(scaled, image)
        if not sequence:
            generator.forget()
        began = time.process_time_ns()
        generator.draw(scaled, image, out)
        spent_ns += time.process_time_ns() - began
        larger = cv2.resize(out, (full, full), interpolation=cv2.INTER_CUBIC)
        made.append(np.array(larger, np.uint8))
    return made, spent_ns / len(joints) / 1e6


def main(
    character: Annotated[Path, typer.Argument(help="The bundle.")] = DEFAULT_CHARACTER,
    poses: Annotated[int, typer.Option(help="Random ones.")] = 24,
    sheet: Annotated[Path | None, typer.Option("--sheet", metavar="PNG")] = None,
) -> None:
    """What should draw the default character, her generator or her puppet?"""
    bundle, rig = CharacterBundle.load(character), ito.build()
    full, networks = bundle.drawn_by("puppet").resolution, Networks()
    rng = np.random.default_rng(SEED)
    sets = {
        "random": [random_pose(rng, rig.rest) for _ in range(poses)],
        "dance": dance(20.0, 30, 0, rig.rest)[_DANCE],
    }
    for name, asked in sets.items():
        pairs = [render_sample(rig, pose, full) for pose in asked]
        truth, joints = [pair[0] for pair in pairs], np.stack([pair[1] for pair in pairs])
        picks = np.linspace(0, len(truth) - 1, _ON_SHEET).astype(int)
        rows = [[on_white(truth[i]) for i in picks]]
        sequence = name == "dance"
        for way, (size, start) in ways(bundle).items():
            generator = start()
            made, spent_ms = draw_all(generator, size, joints, full, sequence=sequence)
            generator.close()
            scores = evaluate(made, truth, sequence=sequence, fid=False, networks=networks)
            shown = {key: round(value, 4) for key, value in scores.items()}
            line = {"set": name, "by": way, **shown, "processor_ms": round(spent_ms, 2)}
            print(json.dumps(line), flush=True)
            rows.append([on_white(made[i]) for i in picks])
        if sheet is not None:
            picture = np.concatenate([np.concatenate(row, 1) for row in rows])
            cv2.imwrite(str(sheet.with_stem(f"{sheet.stem}-{name}")), picture[..., ::-1].copy())


if __name__ == "__main__":
    console.run(main)

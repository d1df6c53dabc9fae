"""Contact sheet of many procedural characters, and the turnaround of one.

`python -m training.characters.procedural.sheet -o characters.jpg --count 300`
`python -m training.characters.procedural.sheet -o one.png --seed 29`
"""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from engine import console
from engine.premultiplied import on_white
from training.characters.procedural.build import build
from training.characters.sheet import POSES, rig_pose, sheet, write_sheet
from training.render.scene import render

_YAWS = (-28.0, 18.0, 30.0, -12.0, 0.0)
_ACTS = ("stand", "stand", "wave", "stand", "dance", "stand", "stand", "crossed")


def figure(seed: int, size: int) -> NDArray[np.uint8]:
    """(size, 0.72 size, 3) picture of one character in a pose that its seed chooses."""
    character = build(seed, detail=0.5 if size < 300 else 1.0)
    pose = rig_pose(POSES[_ACTS[seed % len(_ACTS)]], _YAWS[seed % len(_YAWS)])
    # The frame leaves room for jumps and raised arms: none of these needs it.
    camera = character.camera.moved((0.0, -0.03), 1.12)
    picture = on_white(render(character.pose(pose), camera, size, 3))
    margin = round(0.14 * size)
    return picture[:, margin : size - margin]


def crowd(count: int, columns: int, size: int, first: int = 0) -> NDArray[np.uint8]:
    """A grid of `count` characters from the seed `first` on."""
    cells = [figure(first + k, size) for k in range(count)]
    cells += [np.full_like(cells[0], 255)] * (-count % columns)
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, 0)


def main(
    output: Annotated[Path, typer.Option("-o", "--output", help=".jpg or .png.")],
    count: Annotated[int, typer.Option(min=1, help="Characters.")] = 300,
    columns: Annotated[int, typer.Option(min=1, help="Side by side.")] = 25,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    size: Annotated[
        int | None, typer.Option(min=16, help="Height of a figure: 160 of many, 384 of one.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="One character instead, turned and in action.")
    ] = None,
) -> None:
    """Write a contact sheet of many procedural characters, or the turnaround of one."""
    if seed is not None:
        picture = sheet(build(seed), size or 384)
    else:
        picture = crowd(count, columns, size or 160, first)
    jpeg = output.suffix.lower() in (".jpg", ".jpeg")
    quality = [cv2.IMWRITE_JPEG_QUALITY, 86] if jpeg else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    write_sheet(output, picture, quality)
    print(f"{output}: {picture.shape[1]} x {picture.shape[0]}")


if __name__ == "__main__":
    console.run(main)

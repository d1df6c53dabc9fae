"""The painter beside the plain puppet, on characters that neither it nor the cutter has seen.

`python -m training.fewshot.warp.judge DATA painter.safetensors --size 256 -o sheet.png`

`front` draws from the front view alone, `views` from the four basic views (the nearest for each
part). A line of JSON for each; in the sheet a column for each picture: the drawing, the truth, the
plain puppet and the painter.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from engine import console
from training.dataset.reader import Dataset
from training.dataset.samples import VIEWS, CharacterPictures
from training.fewshot import weights
from training.fewshot.errors import SettingsError
from training.fewshot.validate import encode_sheet
from training.fewshot.warp.layers import Views
from training.fewshot.warp.maps import frames_of
from training.fewshot.warp.network import WarpGenerator, plain_puppet
from training.files import write_whole
from training.fit import pose_images, pose_tensor, to_tensor
from training.metrics import on_white
from training.metrics.evaluate import Networks, evaluate

U8 = NDArray[np.uint8]


@torch.no_grad()
def draw(
    method: WarpGenerator, drawings: CharacterPictures, poses: NDArray[np.float32]
) -> list[U8]:
    """A character in poses (N, 20, 4), each (S, S, 4), from all of the drawings of it."""
    known = [
        method.prepare(to_tensor(one.pictures), torch.from_numpy(one.joints))
        for one in (drawings[i : i + 1] for i in range(len(drawings)))
    ]
    views = Views.of(known)
    pictures = []
    for pose in poses[:, None]:
        joints = torch.from_numpy(pose)
        drawn = pose_tensor(pose_images(pose, drawings.size))
        made = method.draw(views.nearest(frames_of(joints)), drawn, joints)
        pictures.append((made[0].permute(1, 2, 0) * 255).round().byte().numpy())
    return pictures


def main(
    data: Annotated[Path, typer.Argument(help="Made by `ayatsuri-train data make`.")],
    trained: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Safetensors.")],
    size: Annotated[int, typer.Option(min=64, help="Of the pictures, px.")] = 256,
    most: Annotated[int, typer.Option("--characters", min=1, help="Of the test split.")] = 12,
    queries: Annotated[int, typer.Option(min=1, help="Poses of each.")] = 8,
    shown: Annotated[int, typer.Option(min=1, help="Of these in the sheet.")] = 2,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The sheet, from the front view.")
    ] = None,
) -> None:
    """Measure the painter beside the plain puppet, on characters that it has not seen."""
    method, _ = weights.read(trained)
    if not isinstance(method, WarpGenerator):
        raise SettingsError(f"{trained} is no painter of warp")
    others = Dataset.open(data, "test", size)
    count = min(most, len(others))
    characters = [others[i] for i in np.linspace(0, len(others) - 1, count).astype(int)]
    picks = np.linspace(len(VIEWS), len(characters[0]) - 1, queries).astype(np.intp)
    networks = Networks()
    columns = []
    for name, known in (("front", 1), ("views", len(VIEWS))):
        drawn = {}
        for kind, artist in (("plain", plain_puppet(method)), ("painter", method)):
            drawn[kind] = [draw(artist, c[:known], c.joints[picks]) for c in characters]
            found = evaluate(
                [picture for pictures in drawn[kind] for picture in pictures],
                np.concatenate([c.pictures[picks] for c in characters]),
                np.concatenate([c.joints[picks] for c in characters]),
                np.concatenate([c.visible[picks] for c in characters]),
                fid=False, networks=networks,
            )  # fmt: skip
            told = {key: round(value, 4) for key, value in found.items()}
            print(json.dumps({"drawings": name, "by": kind, **told}), flush=True)
        if name == "front":
            columns = [
                np.concatenate([on_white(p) for p in (c.pictures[0], true, plain, painted)])
                for c, *rows in zip(characters, drawn["plain"], drawn["painter"], strict=True)
                for true, plain, painted in list(zip(c.pictures[picks], *rows, strict=True))[:shown]
            ]
    if output is not None:
        write_whole(output, encode_sheet(np.concatenate(columns, axis=1)))


if __name__ == "__main__":
    console.run(main)

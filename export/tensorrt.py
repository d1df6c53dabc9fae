"""`python -m export.tensorrt DATA`: how like fp32's are the pictures of int8 in TensorRT's form?

TensorRT takes int8 around 0 and biases in float, processors take it otherwise. The engine makes the
one of the other when it compiles (`engine.backends.tensorrt_graph`), so no file of its own is
exported; this measures what that costs, by ONNX Runtime, which runs both.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from engine import console
from engine.app import ASSETS, DEFAULT_CHARACTER
from engine.backends.probes import probes
from engine.backends.tensorrt_graph import acceptable
from engine.character import CharacterBundle
from export.painter import painting, scenes_of
from export.precision import Likeness, draw_by
from training.dataset.reader import Dataset
from training.fewshot import weights
from training.fewshot.errors import SettingsError
from training.fewshot.warp.network import WarpGenerator

PAINTER = Path(__file__).parents[1] / "training" / "fewshot" / "warp" / "painter.safetensors"


def of_generator(character: Path, poses: int) -> dict[str, Likeness]:
    """A character's own network in int8, in both forms, over poses of its proportions.

    Raises:
        KeyError: the bundle holds no int8.
    """
    bundle = CharacterBundle.load(character)
    network = bundle.need_generator()
    images = np.stack(probes(bundle, poses))
    truth = draw_by(network.model, images)
    int8 = network.variants["int8"]
    return {
        "processors": Likeness.of(draw_by(int8, images), truth),
        "TensorRT": Likeness.of(draw_by(acceptable(int8), images), truth),
    }


def of_painter(data: Path, characters: int, poses: int) -> dict[str, Likeness]:
    """The painter that ships, in both forms, over characters that it has not seen.

    Raises:
        SettingsError: the weights are no painter's.
    """
    method, _ = weights.read(PAINTER)
    if not isinstance(method, WarpGenerator):
        raise SettingsError(f"{PAINTER} is no painter of warp")
    others = Dataset.open(data, "test", 256)
    scenes, shown = scenes_of(method, [others[i] for i in range(characters)], poses)
    draw = painting(scenes)

    def pictures(name: str, *, ours: bool = False) -> NDArray[np.uint8]:
        model = (ASSETS / name).read_bytes()
        return draw(acceptable(model) if ours else model, shown)

    truth = pictures("painter.onnx")
    return {
        "processors": Likeness.of(pictures("painter.int8.onnx"), truth),
        "TensorRT": Likeness.of(pictures("painter.int8.onnx", ours=True), truth),
    }


def main(
    data: Annotated[Path, typer.Argument(help="Made by `ayatsuri-train data make`.")],
    character: Annotated[Path, typer.Option(help="With int8.")] = DEFAULT_CHARACTER,
    characters: Annotated[int, typer.Option(help="That the painter is judged on.")] = 8,
    poses: Annotated[int, typer.Option(help="Of each of them.")] = 4,
) -> None:
    """How like fp32's are the pictures of int8 in TensorRT's form?"""
    for name, found in (
        (character.name, of_generator(character, characters * poses)),
        ("painter", of_painter(data, characters, poses)),
    ):
        for form, likeness in found.items():
            print(json.dumps({"network": name, "form": form, **likeness.to_dict()}))


if __name__ == "__main__":
    console.run(main)

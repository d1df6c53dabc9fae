"""`python -m export.painter WEIGHTS DATA -o painter.onnx`: the painter as the engine runs it.

In fp32 and, as painter.int8.onnx, in int8: bytes in, bytes out, for one size of picture.

The engine composes the parts itself; the network looks at the result at half resolution (H = S/2)
and answers with maps of how to change it. See `PainterGraph`.
"""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn

from engine import console
from engine.backends.onnxruntime import load
from engine.puppet.painter import painter_shapes
from export.precision import AIM, Likeness, Quantised, Quantiser, quantise
from training.dataset.reader import Dataset
from training.dataset.samples import VIEWS, CharacterPictures
from training.fewshot import weights
from training.fewshot.errors import SettingsError
from training.fewshot.inputs import Inputs
from training.fewshot.warp.carry import Scene
from training.fewshot.warp.network import (
    CURVES,
    SIGNED,
    Painter,
    WarpGenerator,
    finish,
    look,
)
from training.to_onnx import to_onnx

U8 = NDArray[np.uint8]


def feature_bytes(features: Tensor) -> NDArray[np.uint8]:
    """(B, H, H, FEATURES) of features (B, FEATURES, H, H) in [0, 1]."""
    return (features * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def map_values(maps: NDArray[np.uint8]) -> Tensor:
    """(B, MAPS, H, H) as `finish` takes them, of bytes (B, H, H, MAPS)."""
    scale, offset = _bytes()
    return (torch.from_numpy(maps.copy()).permute(0, 3, 1, 2).float() - offset) / scale


def _bytes() -> tuple[Tensor, Tensor]:
    """Scale and offset (MAPS, 1, 1) of the maps in bytes."""
    signed = SIGNED[:, None, None]
    return torch.where(signed, 127.0, 255.0), torch.where(signed, 128.0, 0.0)


class PainterGraph(nn.Module):
    """Maps `features` (1, H, H, FEATURES) uint8 to `maps` (1, H, H, MAPS) uint8.

    Features: 255 times composed premultiplied RGBA and share that is painted in (channel
    c * 4 + 2 dy + dx), the pose image inverted and averaged, whole alphas of all parts; then
    128 + 64 times weighted depth and turns. Maps: 128 + 127 times the flow; 255 times how visible
    each part is, fresh RGBA and its gate; 128 + 127 times the change.

    What comes before the sigmoid is folded into the last convolution, and what comes after it works
    on each channel alone, so the result stays in the layout that convolutions like.
    """

    rise: Tensor
    base: Tensor

    def __init__(self, painter: Painter) -> None:
        super().__init__()
        self.network = copy.deepcopy(painter.network).eval().requires_grad_(False)
        steep, shift, rise, base = CURVES
        last = self.network.leave
        assert last.bias is not None
        last.weight.mul_(steep[:, None, None, None])
        last.bias.mul_(steep).add_(shift)
        scale, offset = _bytes()
        self.register_buffer("rise", scale * rise[:, None, None])
        self.register_buffer("base", scale * base[:, None, None] + offset)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        x = features.permute(0, 3, 1, 2).float() / 255
        maps = self.rise * torch.sigmoid(self.network(x)) + self.base
        return maps.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def export_painter(painter: Painter, size: int, shrink: int = 1) -> bytes:
    """The network for pictures of `size` px, in fp32; see `engine.puppet.painter` for `shrink`."""
    example = torch.zeros(painter_shapes(size, shrink)[0], dtype=torch.uint8)
    return to_onnx(PainterGraph(painter), {"features": example}, "maps", half=True)


@torch.no_grad()
def scenes_of(
    method: WarpGenerator, characters: Sequence[CharacterPictures], poses: int
) -> tuple[list[Scene], U8]:
    """Scenes, and what the network is shown of each, (N, H, H, FEATURES), from front views."""
    scenes, shown = [], []
    for character in characters:
        for target in np.linspace(len(VIEWS), len(character) - 1, poses).astype(np.intp):
            inputs, _ = Inputs.of(character, np.zeros(1, np.intp), target[None])
            layers = method.prepare(inputs.source, inputs.source_joints)
            scene, features = look(layers, inputs.pose, inputs.joints)
            scenes.append(scene)
            shown.append(feature_bytes(features))
    return scenes, np.concatenate(shown)


def painting(scenes: Sequence[Scene]) -> Callable[[bytes, U8], U8]:
    """What a model and its features make of these scenes: pictures (N, S, S, 4)."""

    @torch.no_grad()
    def draw(model: bytes, features: U8) -> U8:
        session = load().InferenceSession(model, providers=["CPUExecutionProvider"])
        pictures = []
        for scene, one in zip(scenes, features, strict=True):
            (maps,) = session.run(None, {"features": one[None]})
            made = (finish(scene, map_values(maps)) * 255).round().byte()
            pictures.append(made[0].permute(1, 2, 0).numpy())
        return np.stack(pictures)

    return draw


def quantise_painter(
    method: WarpGenerator,
    model: bytes,
    calibration: Sequence[CharacterPictures],
    held_out: Sequence[CharacterPictures],
    *,
    poses: int = 4,
    on_progress: Callable[[str], None] = lambda text: None,
) -> Quantised:
    """The network in int8, its ranges from characters that it has seen, judged on others.

    Each layer's sensitivity is measured only where all layers in int8 are not good enough.
    """
    _, known = scenes_of(method, calibration, poses)
    scenes, others = scenes_of(method, held_out, poses)
    draw = painting(scenes)
    with Quantiser(model, known) as make:
        made = make(())
        likeness = Likeness.of(draw(made, others), draw(model, others))
    on_progress(f"all layers in int8: SSIM {likeness.ssim:.4f}")
    if likeness.ssim >= AIM:
        return Quantised(made, likeness, {}, ())
    return quantise(model, known, others, draw=draw, on_progress=on_progress)


def main(
    trained: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="Safetensors.")],
    data: Annotated[Path, typer.Argument(help="Made by `ayatsuri-train data make`.")],
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("painter.onnx"),
    size: Annotated[int, typer.Option(help="Of the pictures.")] = 256,
    characters: Annotated[int, typer.Option(help="To set the ranges, and to judge.")] = 8,
) -> None:
    """Export the painter in fp32 and int8."""
    method, _ = weights.read(trained)
    if not isinstance(method, WarpGenerator):
        raise SettingsError(f"{trained} is no painter of warp")
    model = export_painter(method.painter, size)
    output.write_bytes(model)
    known, others = (
        [pictures[i] for i in range(characters)]
        for pictures in (Dataset.open(data, split, size) for split in ("train", "test"))
    )
    made = quantise_painter(method, model, known, others, on_progress=print)
    output.with_suffix(".int8.onnx").write_bytes(made.model)
    print(json.dumps({**made.likeness.to_dict(), "in_float": made.kept}))


if __name__ == "__main__":
    console.run(main)

"""`python -m export.cutter WEIGHTS -o cutter.onnx`: cutting out a drawing's parts as one graph.

The graph holds the learned cutter, the settling of its masks, and the painting in of what is
hidden, so that enrolment needs no torch. It takes drawings of any size above `LARGEST`.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from engine import console
from engine.pose.skeleton import PUPPET_20
from training.fewshot.warp.cutter import LARGEST, Cutter
from training.fewshot.warp.masks import cut, settle
from training.fewshot.warp.shipped import CUTTER, read
from training.to_onnx import to_onnx

_MOST = 2048  # px: larger drawings would take gigabytes


class Cutting(nn.Module):
    """A drawing's layers.

    `picture` is (1, 4, S, S) float32, premultiplied RGBA in [0, 1], with S in
    `LARGEST` + 1 .. 2048; `joints` (1, 20, 4) float32, x, y, z px and score; the layers are
    (1, 5, L, S, S), see `training.fewshot.warp.masks.cut`.
    """

    def __init__(self, cutter: Cutter) -> None:
        super().__init__()
        self.cutter = cutter

    def forward(self, picture: Tensor, joints: Tensor) -> Tensor:
        """See the class."""
        return cut(picture, joints, settle(self.cutter(picture, joints)))


def export_cutter(cutter: Cutter) -> bytes:
    """The graph from picture and joints to layers, its weights stored in fp16."""
    size = torch.export.Dim("size", min=LARGEST + 1, max=_MOST)
    shown = 2 * LARGEST
    example = {
        "picture": torch.zeros(1, 4, shown, shown),
        "joints": torch.zeros(1, len(PUPPET_20.joints), 4),
    }
    open_axes = {"picture": {2: size, 3: size}, "joints": None}
    return to_onnx(Cutting(cutter), example, "layers", half=True, dynamic=open_axes)


def main(
    weights: Annotated[Path, typer.Argument(help="Safetensors of a cutter.")] = CUTTER,
    output: Annotated[Path, typer.Option("-o", "--output")] = Path("cutter.onnx"),
) -> None:
    """Export the cutter."""
    model = export_cutter(read(weights, Cutter())[0])
    output.write_bytes(model)
    print(f"{output}: {len(model) / 1e6:.2f} MB")


if __name__ == "__main__":
    console.run(main)

"""One character's live part, ready for ONNX: its layers are constants, pixels go in and out."""

from dataclasses import fields

import torch
from torch import Tensor, nn

from training.fewshot.warp.layers import Layers, Views
from training.fewshot.warp.maps import Frames, frames_of
from training.fewshot.warp.network import Painter


class BakedPuppet(nn.Module):
    """Maps a pose image and joints to a picture.

    `pose` is (1, S, S, 3) uint8 and `joints` (1, 20, 4) float32, x, y, z px and score; `picture` is
    (1, S, S, 4) uint8, premultiplied RGBA. With several drawings each part comes from the nearest.
    """

    def __init__(self, painter: Painter, drawings: Layers | Views) -> None:
        super().__init__()
        self.painter = painter.eval().requires_grad_(False)
        self.several = isinstance(drawings, Views)
        self.register_buffer("pixels", drawings.pixels.detach().contiguous())
        for field in fields(Frames):
            value = getattr(drawings.frames, field.name)
            self.register_buffer(f"frames_{field.name}", value.detach().contiguous())
        if isinstance(drawings, Views):
            self.register_buffer("seen", drawings.seen.detach())

    def layers(self, joints: Tensor) -> Layers:
        """The layers for a pose."""
        frames = Frames(*(self.get_buffer(f"frames_{f.name}") for f in fields(Frames)))
        pixels = self.get_buffer("pixels")
        if not self.several:
            return Layers.of(pixels, frames)
        return Views(pixels, frames, self.get_buffer("seen")).nearest(frames_of(joints))

    def forward(self, pose: Tensor, joints: Tensor) -> Tensor:
        """See the class."""
        pose_image = 1 - pose.permute(0, 3, 1, 2).float() / 255
        picture = self.painter(self.layers(joints), pose_image, joints)
        return (picture * 255).round().to(torch.uint8).permute(0, 2, 3, 1)

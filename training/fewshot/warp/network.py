"""The warp generator: limbs cut out once, carried to every pose, and redrawn by a small network."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.puppet.parts import CHEST, COUNT, HEAD
from training.fewshot.inputs import Inputs
from training.fewshot.warp.carry import carry
from training.fewshot.warp.compose import compose, depth_order
from training.fewshot.warp.cutter import Cutter
from training.fewshot.warp.layers import Layers
from training.fewshot.warp.maps import Frames, frames_of
from training.fewshot.warp.masks import cut, settle, spine_length
from training.fewshot.warp.unet import UNet

WIDTHS = {
    "base": (32, 64, 96, 128),
    "live": (16, 32, 64, 96),
    "tiny": (8, 16, 16),
}
FLOW_PX = 1 / 16  # of the picture's size: how far the residual flow reaches
_SHUT = 3.0  # the gate's bias: what is painted comes in only where it is learned to


class WarpGenerator(nn.Module):
    """A method of pose transfer: `forward(inputs)` gives (B, 4, S, S) premultiplied RGBA.

    Untrained, it is the plain puppet: parts carried by their maps and laid over each other by
    depth. Trained, it also hides, bends and redraws. Sizes are multiples of 2^(levels of `preset`).
    """

    def __init__(self, preset: str = "live", *, learned_cut: bool = True) -> None:
        super().__init__()
        if preset not in WIDTHS:
            raise KeyError(f"no preset {preset!r}; there are {', '.join(WIDTHS)}")
        self.cutter = Cutter() if learned_cut else Cutter((8, 16))
        self.painter = Painter(WIDTHS[preset])

    def prepare(self, source: Tensor, joints: Tensor) -> Layers:
        """Cut pictures (B, 4, S, S) with joints (B, 20, 4) into layers."""
        masks = settle(self.cutter(source, joints))
        return Layers.of(cut(source, joints, masks), frames_of(joints))

    def draw(self, layers: Layers, pose: Tensor, joints: Tensor) -> Tensor:
        """The characters at target joints (B, 20, 4), drawn as `pose` (B, 3, S, S)."""
        return self.painter(layers, pose, joints)

    def forward(self, inputs: Inputs) -> Tensor:
        layers = self.prepare(inputs.source, inputs.source_joints)
        return self.draw(layers, inputs.pose, inputs.joints)


class Painter(nn.Module):
    """The live part: layers and a pose give a picture."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        # At half resolution: what was composed and where it was painted in (2 x 2 pixels each),
        # the drawn pose, every layer's alpha, depth, and how far head and body have turned.
        self.network = UNet(4 * 5 + 3 + COUNT + 1 + 6, 2 + COUNT + 4 * 9, widths)

    def forward(self, layers: Layers, pose: Tensor, joints: Tensor) -> Tensor:
        """(B, 4, S, S)."""
        half = layers.size // 2
        target = frames_of(joints)
        spine = spine_length(joints)
        scene = carry(layers, target, depth_order(target.depth, spine))
        puppet, painted_in = compose(scene.layers)
        depth = (target.depth / spine[:, None])[:, :, None, None]
        known = [
            F.pixel_unshuffle(torch.cat([puppet, painted_in], 1), 2),
            F.avg_pool2d(pose, 2),
            scene.alphas,
            (scene.weights * depth).sum(1, keepdim=True),
            _turns(target, layers.frames)[:, :, None, None].expand(-1, -1, half, half),
        ]
        flow, visible, paint = self.network(torch.cat(known, 1)).split((2, COUNT, 36), 1)
        factor = scene.of_parts(2 * torch.sigmoid(visible))
        alphas = (scene.layers[:, :, 3:] * factor[:, :, None]).clamp(max=1)
        puppet, _ = compose(torch.cat([scene.layers[:, :, :3], alphas], 2))
        return blend(bend(puppet, flow), F.pixel_shuffle(paint, 2))


def _turns(target: Frames, source: Frames) -> Tensor:
    """(B, 6): the head's rotation relative to the source, and the torso's width in both."""
    relative = target.turn @ source.turn.transpose(1, 2)
    forward = relative[:, :, 2]  # the source's forward axis seen from the target's
    widths = [
        frames.axes[:, CHEST, :, 1].norm(dim=-1) / frames.axes[:, HEAD, :, 1].norm(dim=-1)
        for frames in (target, source)
    ]
    mirrored = torch.sign(_handed(target) * _handed(source))
    return torch.cat([forward, torch.stack([*widths, mirrored], 1)], 1)


def _handed(frames: Frames) -> Tensor:
    """(B,) of a torso's axes: its sign tells front from back."""
    axes = frames.axes[:, CHEST]
    return axes[:, 0, 0] * axes[:, 1, 1] - axes[:, 0, 1] * axes[:, 1, 0]


def bend(picture: Tensor, flow: Tensor) -> Tensor:
    """Move a picture (B, C, S, S) by a flow (B, 2, S/2, S/2); no flow leaves it as it is."""
    size = picture.shape[-1]
    grid = (torch.arange(size, device=picture.device, dtype=picture.dtype) + 0.5) * (2 / size) - 1
    still = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    fine = F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)
    moved = still + 2 * FLOW_PX * torch.tanh(fine).permute(0, 2, 3, 1)
    return F.grid_sample(picture, moved, padding_mode="zeros", align_corners=False)


def blend(picture: Tensor, paint: Tensor) -> Tensor:
    """Paint (B, 9, S, S) over a picture (B, 4, S, S), premultiplied like the result.

    The channels of `paint` are logits of straight colour, alpha and the gate of what is new, and a
    correction of what is old. All zero, they leave the picture as it is: the puppet is where
    learning starts, and the correction's gradients are there from the first step.
    """
    fresh, gate, change = paint.split((4, 1, 4), 1)
    fresh = torch.sigmoid(fresh)
    painted = torch.cat([fresh[:, :3] * fresh[:, 3:], fresh[:, 3:]], 1)
    shut = torch.sigmoid(torch.full_like(gate[:1, :, :1, :1], -_SHUT))
    gate = (torch.sigmoid(gate - _SHUT) - shut) / (1 - shut)
    kept = picture + torch.tanh(change)
    mixed = (kept + gate * (painted - kept)).clamp(0, 1)
    return torch.cat([torch.minimum(mixed[:, :3], mixed[:, 3:]), mixed[:, 3:]], 1)

"""The warp generator: limbs cut out once, carried to every pose, and redrawn by a small network."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.puppet.parts import CHEST, COUNT, HEAD
from training.fewshot.errors import SettingsError
from training.fewshot.inputs import Inputs
from training.fewshot.warp.cache import LayerCache
from training.fewshot.warp.carry import Scene, carry
from training.fewshot.warp.compose import compose, cover, depth_order, weigh
from training.fewshot.warp.cutter import Cutter
from training.fewshot.warp.layers import Layers, Views
from training.fewshot.warp.maps import Frames, frames_of
from training.fewshot.warp.masks import cut, settle, spine_length
from training.fewshot.warp.sampling import SAMPLINGS, Sampling, sampled
from training.fewshot.warp.shipped import shipped_cutter
from training.fewshot.warp.unet import UNet

WIDTHS = {
    "base": (32, 64, 96, 128),
    "live": (16, 32, 64, 96),
    "tiny": (8, 16, 16),
}
FEATURES = 4 * 5 + 3 + COUNT + 1 + 6
MAPS = 2 + COUNT + 4 * 9
FLOW_PX = 1 / 16  # of the picture's size: how far the residual flow reaches
GAP = 1 / 64  # likewise: half the width of gaps in the figure that may be painted over
_SHUT = 3.0  # the gate's bias: what is painted comes in only where it is learned to


class WarpGenerator(nn.Module):
    """A method of pose transfer: `forward(inputs)` gives (B, 4, S, S) premultiplied RGBA.

    Untrained, it is the plain puppet: parts carried by their maps and laid over each other by
    depth. Trained, it also hides, bends and redraws. Sizes are multiples of 2^(levels of `preset`).
    The cutter is the shipped one, which is not trained any further, unless another is given.
    `sampling`: the live engine's, or "bicubic", which is sharper.
    """

    def __init__(
        self,
        preset: str = "live",
        cutter: Cutter | None = None,
        sampling: Sampling = "bilinear",
    ) -> None:
        super().__init__()
        if preset not in WIDTHS:
            raise SettingsError(f"no preset {preset!r} of warp; there are {', '.join(WIDTHS)}")
        if sampling not in SAMPLINGS:
            raise SettingsError(f"no sampling {sampling!r}; there are {', '.join(SAMPLINGS)}")
        self.sampling = sampling
        self.cutter = shipped_cutter() if cutter is None else cutter
        self.painter = Painter(WIDTHS[preset])
        self.known = LayerCache()

    def prepare(self, source: Tensor, joints: Tensor) -> Layers:
        """Cut pictures (B, 4, S, S) with joints (B, 20, 4) into layers."""
        if any(parameter.requires_grad for parameter in self.cutter.parameters()):
            pixels = self.cut(source, joints)
        else:
            pixels = self.known(source, joints, self.cut)
        return Layers.of(pixels, frames_of(joints), self.sampling)

    def cut(self, source: Tensor, joints: Tensor) -> Tensor:
        """The layers' pixels, (B, 5, L, S, S)."""
        return cut(source, joints, settle(self.cutter(source, joints)))

    def draw(self, layers: Layers, pose: Tensor, joints: Tensor) -> Tensor:
        """The characters at target joints (B, 20, 4), drawn as `pose` (B, 3, S, S)."""
        return self.painter(layers, pose, joints)

    def forward(self, inputs: Inputs) -> Tensor:
        with exactly(inputs.source):
            layers = self.prepare(inputs.source, inputs.source_joints)
            if inputs.more.shape[1]:
                further = zip(inputs.more.unbind(1), inputs.more_joints.unbind(1), strict=True)
                views = Views.of([layers, *(self.prepare(*drawing) for drawing in further)])
                layers = views.nearest(frames_of(inputs.joints))
        return self.draw(layers, inputs.pose, inputs.joints)


def plain_puppet(method: WarpGenerator) -> WarpGenerator:
    """The same cutter with a painter that changes nothing."""
    puppet = WarpGenerator("tiny", method.cutter, method.sampling).eval()
    puppet.known = method.known
    return puppet


def exactly(like: Tensor) -> torch.autocast:
    """Within, no mixed precision: half of it cannot tell a pixel from the next."""
    return torch.autocast(like.device.type, enabled=False)


class Painter(nn.Module):
    """The live part: layers and a pose give a picture.

    Its network looks at half resolution at the `FEATURES` channels of `look`, and answers with
    `MAPS` channels: flow (2), how visible each part is (L), and for 2 x 2 pixels each the colour
    and alpha of what is new, its gate, and a correction of what is old (4 * 9).
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.network = UNet(FEATURES, MAPS, widths)

    def forward(self, layers: Layers, pose: Tensor, joints: Tensor) -> Tensor:
        """(B, 4, S, S)."""
        with exactly(pose):
            scene, features = look(layers, pose, joints)
        maps = self.maps(features)
        with exactly(pose):
            return finish(scene, maps)

    def maps(self, features: Tensor) -> Tensor:
        """(B, MAPS, H, H) of features (B, FEATURES, H, H), squashed by `CURVES`.

        The gate of logit 0 is shut, and a correction of logit 0 is none: untrained, the network
        leaves the puppet as it is, and there are gradients from the first step.
        """
        steep, shift, rise, base = CURVES.to(features)[:, :, None, None]
        maps = base + rise * torch.sigmoid(steep * self.network(features).float() + shift)
        least = torch.where(SIGNED, -1.0, 0.0).to(maps)[:, None, None]
        if not maps.requires_grad:
            return torch.maximum(maps, least)
        # A gate that is shut has a gradient, too: also in adaptation, which is in evaluation mode.
        return maps + (torch.maximum(maps, least) - maps).detach()


def _curves() -> Tensor:
    """(4, MAPS) steep, shift, rise and base of each map: base + rise sigmoid(steep x + shift).

    Flow and change are tanh(x) = 2 sigmoid(2 x) - 1; the gate is shut at 0. One formula for all
    channels needs no splitting, which in the engine would cost as much as the convolutions.
    """
    shut = 1 / (1 + math.exp(_SHUT))
    tanh, sigmoid = (2, 0, 2, -1), (1, 0, 1, 0)
    gate = (1, -_SHUT, 1 / (1 - shut), -shut / (1 - shut))
    rows = [tanh] * 2 + [sigmoid] * (COUNT + 16) + [gate] * 4 + [tanh] * 16
    return torch.tensor(rows, dtype=torch.float32).T


CURVES = _curves()
SIGNED = CURVES[3] == -1
"""(MAPS,) whether a map is in [-1, 1]: flow and change; the others are in [0, 1]."""


def look(layers: Layers, pose: Tensor, joints: Tensor) -> tuple[Scene, Tensor]:
    """The parts where the pose has them, and what the network is shown: (B, FEATURES, H, H).

    What was composed and where it was painted in (2 x 2 pixels each), the drawn pose, every
    layer's alpha, depth, and how far head and body have turned: all in [0, 1], as bytes over 255
    in the engine, so what has either sign is 64 f + 128 of these.
    """
    half = layers.size // 2
    target = frames_of(joints)
    spine = spine_length(joints)
    scene = carry(layers, target, depth_order(target, spine))
    puppet, painted_in = compose(scene.layers)
    depth = (target.depth / spine[:, None])[:, :, None, None]
    turns = _turns(target, layers.frames)[:, :, None, None].expand(-1, -1, half, half)
    signed = torch.cat([(scene.weights * depth).sum(1, keepdim=True), turns], 1)
    features = [
        F.pixel_unshuffle(torch.cat([puppet, painted_in], 1), 2),
        F.avg_pool2d(pose, 2),
        scene.alphas,
        (signed * (64 / 255) + 128 / 255).clamp(0, 1),
    ]
    return scene, torch.cat(features, 1)


def finish(scene: Scene, maps: Tensor) -> Tensor:
    """The picture (B, 4, S, S) of a scene as the network's maps (B, MAPS, H, H) change it."""
    flow, visible, paint = maps.split((2, COUNT, 36), 1)
    keep = solid(scene.layers)
    puppet, held = hide(scene.layers, 2 * scene.of_parts(visible), keep)
    within = reachable(puppet[:, 3:].detach())
    fresh, gate, change = F.pixel_shuffle(without_dots(paint), 2).split((4, 1, 4), 1)
    paint = torch.cat([fresh, gate * (1 - held), change * (1 - held)], 1)
    return blend(bend(puppet, flow, scene.sampling), paint, within, keep)


def solid(layers: Tensor) -> Tensor:
    """Twin of `engine.puppet.painter.solid`, of layers (B, K, 5, S, S): (B, 1, S, S)."""
    with torch.no_grad():
        weights, painted_in = weigh(layers[:, :, 3], layers[:, :, 4])
        drawn = (weights - painted_in).sum(1, keepdim=True)
        gap = round(GAP * drawn.shape[-1])
        worn = -F.max_pool2d(-drawn, 2 * gap + 1, 1, gap)
        return F.max_pool2d(worn, 2 * gap + 3, 1, gap + 1)


def hide(layers: Tensor, factors: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """Layers (B, K, 5, S, S) composed, each as visible as `factors` (B, K, S, S) say: 1 as it is.

    Where that would leave less alpha than `keep` (B, 1, S, S), the hidden ones fill it up again:
    the picture (B, 4, S, S), and how much of it is there so (B, 1, S, S).
    """
    drawn, whole = layers[:, :, 3], layers[:, :, 4]
    weights, _ = weigh((drawn * factors).clamp(max=1), (whole * factors).clamp(max=1))
    lack = (keep[:, 0] - weights.sum(1)).clamp_min(0)
    again, _ = cover((drawn - weights).clamp_min(0), lack)
    weights = weights + again
    colour = (weights[:, :, None] * layers[:, :, :3]).sum(1)
    picture = torch.cat([colour, weights.sum(1, keepdim=True)], 1)
    return picture, again.sum(1, keepdim=True)


def without_dots(paint: Tensor) -> Tensor:
    """Maps (B, 4 C, H, H) of 2 x 2 squares each, without what is chequered in each four.

    Twin of `engine.puppet._kernels_paint.spread`. Edges of any direction stay: they are in the
    other three of the four's Haar coefficients.
    """
    fours = paint.unflatten(1, (-1, 4))
    sign = paint.new_tensor([1, -1, -1, 1])[:, None, None]
    return (fours - sign * (sign * fours).mean(2, keepdim=True)).flatten(1, 2)


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


def bend(picture: Tensor, flow: Tensor, sampling: Sampling = "bilinear") -> Tensor:
    """Move a picture (B, C, S, S) by a flow (B, 2, S/2, S/2) in [-1, 1]; 0 leaves it as it is."""
    size = picture.shape[-1]
    grid = (torch.arange(size, device=picture.device, dtype=picture.dtype) + 0.5) * (2 / size) - 1
    still = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    fine = F.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=False)
    moved = still + 2 * FLOW_PX * fine.permute(0, 2, 3, 1)
    return sampled(picture, moved, sampling)


def reachable(alpha: Tensor) -> Tensor:
    """Twin of `engine.puppet.painter.reachable`, of (B, 1, S, S)."""
    gap = round(GAP * alpha.shape[-1])
    grown = F.max_pool2d(alpha, 2 * gap + 3, 1, gap + 1)
    return -F.max_pool2d(-grown, 2 * gap + 1, 1, gap)


def blend(picture: Tensor, paint: Tensor, within: Tensor, keep: Tensor) -> Tensor:
    """Paint (B, 9, S, S) over a picture (B, 4, S, S), premultiplied like the result.

    The channels of `paint` are straight colour and alpha of what is new, its gate, and a correction
    of what is old. Alpha is at most `within` (B, 1, S, S), or the picture's where that is more, and
    at least `keep`, or the picture's where that is less.
    """
    fresh, gate, change = paint.split((4, 1, 4), 1)
    painted = torch.cat([fresh[:, :3] * fresh[:, 3:], fresh[:, 3:]], 1)
    kept = picture + change
    mixed = (kept + gate * (painted - kept)).clamp(0, 1)
    old = picture[:, 3:]
    alpha = torch.minimum(mixed[:, 3:], torch.maximum(within, old))
    lack = (torch.minimum(keep, old) - alpha).clamp_min(0)
    least = old.clamp_min(1 / 255)
    colour = torch.minimum(mixed[:, :3], alpha) + lack / least * picture[:, :3]
    alpha = alpha + lack
    # What was to be taken away, and is not, keeps its colour, too.
    kept = (2 * lack / alpha.clamp_min(1 / 255)).clamp(max=1)
    colour = colour + kept * (picture[:, :3] * alpha / least - colour)
    return torch.cat([torch.minimum(colour, alpha), alpha], 1)

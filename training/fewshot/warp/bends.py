"""Where two parts meet, their maps run into each other, and a skirt hangs from both thighs.

Each part alone is rigid: an elbow would be two cards with a pin, a skirt one card. So

- about elbows and knees both parts take one map, a fan that opens as the limb bends;
- chest and hips take a mean of their two maps around the waist;
- hips below take part in the thighs' motion, each side in that of its own (linear blend skinning,
  of maps that lead back to the source, with lengths blended as well as directions).

With the source's own joints, or those of its picture moved, turned or scaled, nothing changes.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.puppet.bends import (
    BEHIND,
    FAN,
    FAN_END,
    FOLDED,
    HALVES,
    HANG,
    HANG_LENGTH,
    HINGES,
    LIMIT,
    SHORT,
    SPINE,
    THIGHS,
    WAIST,
)
from engine.puppet.parts import CHEST, HIPS, PARTS

if TYPE_CHECKING:
    from training.fewshot.warp.maps import Frames

_SMALL = 1e-6


def bent(points: Tensor, pixels: Tensor, target: "Frames", source: "Frames") -> Tensor:
    """(B, L, N, 2) px: the maps' `points` for `pixels` (N, 2), where parts meet."""
    parts = list(points.unbind(1))
    scale = _length(target.axes[:, THIGHS[0], :, 0])  # (B, 1): of a limb's frame
    chest, hips = _at_waist(parts[CHEST], parts[HIPS], pixels, target, scale)
    parts[CHEST] = chest
    parts[HIPS] = _hanging(hips, [parts[i] for i in THIGHS], pixels, target, source, scale)
    for upper, lower in HINGES:
        fan, of_upper, of_lower = _fan(upper, lower, pixels, target, source)
        parts[upper] = torch.lerp(parts[upper], fan, of_upper)
        parts[lower] = torch.lerp(parts[lower], fan, of_lower)
    return torch.stack(parts, 1)


def smooth(value: Tensor) -> Tensor:
    """From 0 to 1 without a kink at either."""
    value = value.clamp(0, 1)
    return value * value * (3 - 2 * value)


def _length(vector: Tensor) -> Tensor:
    """(..., 1), with a gradient everywhere."""
    return (vector.square().sum(-1, keepdim=True) + _SMALL**2).sqrt()


def _local(frames: "Frames", part: int, pixels: Tensor) -> Tensor:
    """(B, N, 2) pixels in the frame of a limb, whose axes are at right angles and equally long."""
    axes = frames.axes[:, part]
    offset = pixels - frames.origin[:, part, None]
    return offset @ axes / axes[:, None, :, 0].square().sum(-1, keepdim=True)


def _at_waist(
    chest: Tensor, hips: Tensor, pixels: Tensor, target: "Frames", scale: Tensor
) -> tuple[Tensor, Tensor]:
    neck = target.origin[:, CHEST, None]
    spine = target.origin[:, HIPS, None] - neck
    length = _length(spine) / scale[:, None]
    down = ((pixels - neck) * spine).sum(-1, keepdim=True) / (length * scale[:, None]).square()
    low = smooth((down - WAIST[0]) / (WAIST[1] - WAIST[0]))
    amount = smooth(length / SPINE)  # who bends toward the camera has no waist in the picture
    return torch.lerp(chest, hips, amount * low), torch.lerp(hips, chest, amount * (1 - low))


def _hanging(
    hips: Tensor,
    thighs: list[Tensor],
    pixels: Tensor,
    target: "Frames",
    source: "Frames",
    scale: Tensor,
) -> Tensor:
    along = target.axes[:, HIPS, None, :, 0]
    below = pixels - target.origin[:, HIPS, None]
    below = (below * along).sum(-1, keepdim=True) / (_length(along) * scale[:, None])
    reach = HANG_LENGTH * source.length[:, THIGHS].mean(1)[:, None, None]
    amount = HANG * smooth(below / reach.clamp_min(_SMALL))
    away = []
    for thigh in THIGHS:
        local = _local(target, thigh, pixels)
        square = local[..., 1:].square() + local[..., :1].clamp(max=0).square()
        away.append(square + _SMALL)
    weights = [amount]
    for side, thigh in enumerate(THIGHS):
        # A thigh that points at the camera has no direction in the picture.
        seen = target.length[:, thigh] / source.length[:, thigh].clamp_min(_SMALL)
        seen = smooth(seen / SHORT)[:, None, None]
        weights.append(amount * seen * away[1 - side] / (away[0] + away[1]))
    weights[0] = 1 - weights[1] - weights[2]
    centre = source.origin[:, HIPS, None]
    offsets = [part - centre for part in (hips, *thighs)]
    mean, length = torch.zeros_like(hips), torch.zeros_like(hips[..., :1])
    for weight, offset in zip(weights, offsets, strict=True):
        mean = mean + weight * offset
        length = length + weight * _length(offset)
    return centre + mean * (length / _length(mean)).clamp(max=LIMIT)


def _fan(
    upper: int, lower: int, pixels: Tensor, target: "Frames", source: "Frames"
) -> tuple[Tensor, Tensor, Tensor]:
    """The map about a joint (B, N, 2), and its shares of upper and lower part's, (B, N, 1)."""
    offset = _local(target, upper, pixels)
    length = target.length[:, upper]
    offset = offset - torch.stack([length, torch.zeros_like(length)], -1)[:, None]
    distance = _length(offset)
    angle = torch.atan2(offset[..., 1:], offset[..., :1] + _SMALL)
    to, of = _bend(target, upper, lower), _bend(source, upper, lower)
    side = torch.where(angle >= to, torch.pi, -torch.pi)
    # From the lower part's direction to the upper one's back, all around, evenly.
    around = (angle - to) / (side - to)
    turned = of + around * (side - of)
    turned = distance * torch.cat([turned.cos(), turned.sin()], -1)
    fan = source.origin[:, lower, None] + turned @ source.axes[:, upper].transpose(1, 2)
    reach = torch.minimum(target.length[:, upper], target.length[:, lower])
    radius = FAN * PARTS[upper].radius
    reach = (SHORT * reach).clamp(max=radius)[:, None, None]
    share = 1 - smooth((distance / (reach + _SMALL) - 1) / (FAN_END - 1))
    behind = 1 - smooth((distance / radius - BEHIND[0]) / (BEHIND[1] - BEHIND[0]))
    half = smooth((around - HALVES[0]) / (HALVES[1] - HALVES[0]))
    rest = (1 - share) * behind
    return fan, share + rest * (1 - half), share + rest * half


def _bend(frames: "Frames", upper: int, lower: int) -> Tensor:
    """(B, 1, 1) by how much a joint bends: 0 is straight."""
    axes = frames.axes[:, upper]
    direction = (frames.axes[:, lower, None, :, 0] @ axes)[:, 0]  # (B, 2)
    angle = torch.atan2(direction[:, 1], direction[:, 0] + _SMALL)
    return angle.clamp(-FOLDED, FOLDED)[:, None, None]

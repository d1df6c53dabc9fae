"""Where two parts meet, their maps run into each other, and a skirt hangs from both thighs.

Each part alone is rigid: an elbow would be two cards with a pin, a skirt one card. So

- about elbows and knees both parts take one map, a fan that opens as the limb bends; of a limb that
  is folded up they lie on each other as they are, and the fan is a round cap on the outside of it:
  inside it would be a thin sector;
- about shoulders chest and upper arm take one map, which opens and closes between the arm and the
  body, where the chest lies still;
- chest and hips take a mean of their two maps around the waist, unless they face opposite ways;
- hips below take part in the thighs' motion, each side in that of its own (linear blend skinning,
  of maps that lead back to the source, with lengths blended as well as directions).

With the source's own joints, or those of its picture moved, turned or scaled, nothing changes.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.puppet.bends import (
    AGREE,
    APART,
    BEHIND,
    BEYOND,
    BODY,
    CAP,
    CROSSING,
    FAN,
    FAN_END,
    FOLDED,
    HALVES,
    HANG,
    HANG_LENGTH,
    HINGES,
    LIMIT,
    PROFILE,
    RAISED,
    ROOT,
    ROOT_END,
    SHORT,
    SHOULDERS,
    SPINE,
    THIGHS,
    TIGHT,
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
    chest, hips = _at_waist(parts[CHEST], parts[HIPS], pixels, target, source, scale)
    parts[CHEST] = chest
    parts[HIPS] = _hanging(hips, [parts[i] for i in THIGHS], pixels, target, source, scale)
    for arm, side in SHOULDERS:
        fan, share = _shoulder(arm, side, pixels, target, source)
        parts[CHEST] = torch.lerp(parts[CHEST], fan, share)
        parts[arm] = torch.lerp(parts[arm], fan, share)
    for upper, lower in HINGES:
        fans = _fan(upper, lower, pixels, target, source)
        for part, (fan, share) in zip((upper, lower), fans, strict=True):
            parts[part] = torch.lerp(parts[part], fan, share)
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


def _through(target: "Frames", source: "Frames", part: int, offset: Tensor) -> Tensor:
    """(B, 2) an offset in the target as the part's own map has it in the source."""
    along, across = target.axes[:, part].unbind(-1)
    x, y = offset.unbind(-1)
    a, c = across[:, 1] * x - across[:, 0] * y, along[:, 0] * y - along[:, 1] * x
    local = (
        torch.stack([a, c], -1) / (along[:, 0] * across[:, 1] - across[:, 0] * along[:, 1])[:, None]
    )
    return (source.axes[:, part] @ local[..., None])[..., 0]


def _at_waist(
    chest: Tensor, hips: Tensor, pixels: Tensor, target: "Frames", source: "Frames", scale: Tensor
) -> tuple[Tensor, Tensor]:
    neck = target.origin[:, CHEST, None]
    spine = target.origin[:, HIPS, None] - neck
    length = _length(spine) / scale[:, None]
    down = ((pixels - neck) * spine).sum(-1, keepdim=True) / (length * scale[:, None]).square()
    low = smooth((down - WAIST[0]) / (WAIST[1] - WAIST[0]))
    amount = smooth(length / SPINE)  # who bends toward the camera has no waist in the picture
    # A mean of two maps that face opposite ways would draw a line across the picture.
    across = torch.stack([-spine[:, 0, 1], spine[:, 0, 0]], -1)
    upper, lower = (_through(target, source, part, across) for part in (CHEST, HIPS))
    cosine = (upper * lower).sum(-1) / (upper.norm(dim=-1) * lower.norm(dim=-1) + _SMALL)
    amount = amount * smooth(cosine / AGREE)[:, None, None]
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
) -> list[tuple[Tensor, Tensor]]:
    """For upper and lower part the map about their joint (B, N, 2), and its share, (B, N, 1)."""
    offset = _local(target, upper, pixels)
    length = target.length[:, upper]
    offset = offset - torch.stack([length, torch.zeros_like(length)], -1)[:, None]
    distance = _length(offset)
    angle = torch.atan2(offset[..., 1:], offset[..., :1] + _SMALL)
    to, of = _bend(target, upper, lower), _bend(source, upper, lower)
    side = torch.where(angle >= to, torch.pi, -torch.pi)
    # From the lower part's direction to the upper one's back, all around, evenly.
    around = (angle - to) / (side - to)
    inside = (angle >= to) == (to >= 0)
    tight = _between(to.abs(), TIGHT)
    reach = torch.minimum(target.length[:, upper], target.length[:, lower])
    radius = FAN * PARTS[upper].radius
    reach = (SHORT * reach).clamp(max=radius)[:, None, None]
    share = 1 - smooth((distance / (reach + _SMALL) - 1) / (FAN_END - 1))
    behind = 1 - _between(distance / radius, BEHIND)
    found = []
    for away in (1 - around, around):  # of the upper part and of the lower one from itself
        still = tight * torch.where(inside, 1.0, smooth(2 * away - 1))
        cap = tight * ~inside
        begins, ends = (a + cap * (b - a) for a, b in zip(HALVES, CAP, strict=True))
        own = still + cap * (1 - 2 * away).clamp_min(0)
        turned = away * (side - of + own * (of - to))
        turned = of + turned if away is around else side - turned
        turned = distance * torch.cat([turned.cos(), turned.sin()], -1)
        fan = source.origin[:, lower, None] + turned @ source.axes[:, upper].transpose(1, 2)
        other = smooth((away - begins) / (ends - begins))
        found.append((fan, (1 - still) * (share + (1 - share) * behind * other)))
    return found


def _shoulder(
    arm: int, side: float, pixels: Tensor, target: "Frames", source: "Frames"
) -> tuple[Tensor, Tensor]:
    """The map about a shoulder (B, N, 2), and its share of the chest's and the arm's, (B, N, 1)."""
    of_chest, to_chest = source.axes[:, CHEST], target.axes[:, CHEST]
    a, b, c, d = (to_chest[:, i, j] for i in (0, 1) for j in (0, 1))
    inverse = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    chest = of_chest @ (inverse / (a * d - b * c)[:, None, None])  # its own map, of an offset
    shoulder = target.origin[:, arm]
    root = shoulder - target.origin[:, CHEST]
    root = source.origin[:, CHEST] + (chest @ root[..., None])[..., 0]
    apart = source.origin[:, arm] - root
    # Away from the body along the shoulders, and down at a right angle to that.
    out = side * of_chest[:, :, 1] / _length(of_chest[:, :, 1])
    down = torch.stack([-out[:, 1], out[:, 0]], -1)
    upright = (down * of_chest[:, :, 0]).sum(-1, keepdim=True)
    sides = torch.stack([out, torch.where(upright < 0, -down, down)], -1)  # (B, 2, 2)
    to = _angle(target.axes[:, None, arm, :, 0] @ chest.transpose(1, 2) @ sides)
    of = _angle(source.axes[:, None, arm, :, 0] @ sides)
    size, size_of = (_length(f.axes[:, arm, :, 0])[:, None] for f in (target, source))
    radius = ROOT * PARTS[arm].radius
    amount = 1 - _between(_length(apart)[:, None] / (radius * size_of), APART)
    for angle in (to, of):
        amount = amount * (1 - _between(-angle, RAISED)) * (1 - _between(angle, CROSSING))
    for frames in (target, source):
        amount = amount * _shows_shoulder(frames, side)[:, None, None]
    to = to.clamp(-RAISED[1], CROSSING[1])
    offset = pixels - shoulder[:, None]
    distance = _length(offset) / size
    reach = (SHORT * target.length[:, arm]).clamp(max=radius)[:, None, None] + _SMALL
    share = amount * (1 - _between(distance / reach, (1, ROOT_END)))
    offset = offset @ chest.transpose(1, 2)
    angle = _angle(offset @ sides)
    rim = torch.where(angle >= to, BODY[1], -BODY[0])
    # From the arm (1) to where the body begins (0), on either side.
    near = ((rim - angle) / (rim - to)).clamp_min(0)
    turned = angle + near * (of - to)
    length = torch.lerp(_length(offset), distance * size_of, near)
    moved = length * torch.cat([turned.cos(), turned.sin()], -1)
    fan = (root[:, None] + near * apart[:, None]) + moved @ sides.transpose(1, 2)
    return fan, share


def _between(value: Tensor, limits: tuple[float, float]) -> Tensor:
    return smooth((value - limits[0]) / (limits[1] - limits[0]))


def _angle(vector: Tensor) -> Tensor:
    """(..., 1) rad from the first of two axes to the second."""
    return torch.atan2(vector[..., 1:], vector[..., :1] + _SMALL)


def _shows_shoulder(frames: "Frames", side: float) -> Tensor:
    """(B,) from 0 to 1: whether a shoulder lies beside the chest, and neither on nor behind it."""
    view, across = frames.view[:, CHEST], frames.axes[:, CHEST, :, 1]
    behind = side * (view[:, :2] * across).sum(-1) / _length(across)[:, 0]
    behind = torch.where(view[:, 2] < 0, behind, -behind)
    return _between(view[:, 2].abs(), PROFILE) * (1 - _between(behind, BEYOND))


def _bend(frames: "Frames", upper: int, lower: int) -> Tensor:
    """(B, 1, 1) by how much a joint bends: 0 is straight."""
    axes = frames.axes[:, upper]
    direction = (frames.axes[:, lower, None, :, 0] @ axes)[:, 0]  # (B, 2)
    angle = torch.atan2(direction[:, 1], direction[:, 0] + _SMALL)
    return angle.clamp(-FOLDED, FOLDED)[:, None, None]

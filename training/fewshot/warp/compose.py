"""Laying parts over each other in the order of their depth."""

import torch
from torch import Tensor

from engine.puppet.frames import ARMS, DEPTH_BIAS, FACE, HAIR, RISEN
from engine.puppet.parts import CHEST, HEAD
from training.fewshot.warp.maps import Frames


def cover(alphas: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of layers with alphas (B, L, H, W), front first, in `room` (B, H, W).

    Each takes what it covers of what those in front left: min(alpha, rest). The edges of parts cut
    from one drawing complement each other, and add up to it again without a seam, which the usual
    (1 - alpha) product would not; opaque parts hide what is behind, as usual. Also the room left.
    """
    weights = []
    for alpha in alphas.unbind(1):
        taken = torch.minimum(alpha, room)
        room = room - taken
        weights.append(taken)
    return torch.stack(weights, 1), room


def compose(layers: Tensor) -> tuple[Tensor, Tensor]:
    """Layers (B, K, 5, H, W) over each other, front first.

    Channels are straight RGB, alpha as drawn, and alpha with what is painted in. What is painted in
    never hides what was drawn: it takes only the room that all drawn parts leave. Returns the
    picture (B, 4, H, W), premultiplied, and the share of it that is painted in (B, 1, H, W).
    """
    weights, painted_in = weigh(layers[:, :, 3], layers[:, :, 4])
    colour = (weights[:, :, None] * layers[:, :, :3]).sum(1)
    picture = torch.cat([colour, weights.sum(1, keepdim=True)], 1)
    return picture, painted_in.sum(1, keepdim=True)


def weigh(drawn: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    """How much of each layer is seen, and how much of that is painted in: (B, K, H, W) both."""
    first, room = cover(drawn, torch.ones_like(drawn[:, 0]))
    second, _ = cover((whole - drawn).clamp_min(0), room)
    return first + second, second


def depth_order(target: Frames, spine: Tensor) -> Tensor:
    """(B, L) parts from front to back, see `engine.puppet.frames.depth_order`; `spine` (B,) px."""
    depth = target.depth + torch.from_numpy(DEPTH_BIAS).to(spine) * spine[:, None]
    head, ears = depth[:, HEAD], target.depth[:, HEAD]
    before, behind = _next(head, -torch.inf), _next(head, torch.inf)
    for upper, fore in ARMS:
        rise = target.origin[:, upper, 1] - target.origin[:, fore, 1]
        arm = 0.5 * (target.depth[:, upper] + target.depth[:, fore]) + RISEN * rise
        is_before = (arm < ears + HAIR * spine) & (target.depth[:, upper] < ears - FACE * spine)
        near, far = depth[:, fore].clone(), depth[:, upper].clone()
        is_nearer = near < far
        front, back = torch.minimum(far, before), torch.maximum(near, behind)
        # Whichever of the two is in front stays so.
        under = torch.where(is_nearer, torch.minimum(near, _next(front, -torch.inf)), near)
        over = torch.maximum(far, behind)
        over = torch.where(is_nearer, torch.maximum(over, _next(back, torch.inf)), over)
        beyond = far >= depth[:, CHEST]
        is_moved = is_before & ~beyond & (rise > 0)
        is_kept = is_before | ~(rise > 0)
        depth[:, upper] = torch.where(is_moved, front, torch.where(is_kept, far, over))
        depth[:, fore] = torch.where(is_moved, under, torch.where(is_kept, near, back))
    return depth.argsort(dim=1)


def _next(value: Tensor, towards: float) -> Tensor:
    return torch.nextafter(value, value.new_tensor(towards))

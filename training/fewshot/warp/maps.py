"""Maps of the parts: for each pixel of the target, where in the source drawing its part has it.

Every map goes through the part's own coordinates: a frame (origin and two axes) in the source and
one in the target, and between them a rule of the part's kind:

- a limb keeps its thickness and stretches between its two joints only: beyond them (a hand, a heel)
  it is rigid, so that a limb that points at the camera shortens and its hand does not;
- chest and hips narrow as an elliptic body does when it turns, not as a flat card;
- the head keeps its outline, and its face slides over a sphere (2.5D parallax);
- where parts meet, their maps run into each other, see `bends`.

All is closed-form in the joints, differentiable, and batched: B characters, L parts.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.pose.skeleton import PUPPET_20
from engine.puppet.frames import (
    EYES,
    FOOT_DROP,
    FOOT_HEIGHT,
    FOOT_WIDTH,
    HEAD_RADIUS,
    SLIDES,
    THICKNESS,
)
from engine.puppet.parts import CHEST, HEAD, HIPS, LIMBS, PARTS
from training.fewshot.warp.bends import bent

_NECK, _R_EAR, _L_EAR, _NOSE, _R_EYE, _L_EYE = 1, 16, 17, 0, 14, 15
_SHOULDERS, _HIPS, _KNEES = (2, 5), (8, 11), (9, 12)
_FEET = tuple(i for i in LIMBS if PARTS[i].name.endswith("foot"))
_BONES = torch.tensor([b for b in PUPPET_20.bones if max(b) < 14])
_SMALL = 1e-3


@dataclass(frozen=True, slots=True)
class Frames:
    """The frames of all parts in one picture.

    A point (a, c) of part l lies at `origin[l] + axes[l] @ (a, c)`. `length` is the
    limb's visible length in the units of `a` (0 for others), `turn` the head's 3D rotation within
    its upright frame, `depth` each part's middle z in pixels. `view` is each part's forward
    direction (x, y, z away): which side of it is seen.
    """

    origin: Tensor  # (B, L, 2) px
    axes: Tensor  # (B, L, 2, 2), columns along and across
    length: Tensor  # (B, L)
    turn: Tensor  # (B, 3, 3)
    radius: Tensor  # (B,) of the head's sphere, in units of the head's frame
    depth: Tensor  # (B, L) px
    view: Tensor  # (B, L, 3), unit


def frames_of(joints: Tensor) -> Frames:
    """The frames of joints (B, 20, 4); `axes` of limbs and head are in units of the body's size."""
    scale = body_size(joints)  # (B,)
    facing, below = (torch.where(_across(joints, at) < 0, -1.0, 1.0) for at in (_SHOULDERS, _HIPS))
    origins, axes, lengths, depths = [], [], [], []
    turn, head = _head(joints, scale)
    for index, part in enumerate(PARTS):
        zero = torch.zeros_like(scale)
        if index == HEAD:
            origin, pair = head
            length, depth = zero, joints[:, (_R_EAR, _L_EAR), 2].mean(1)
        elif index in (CHEST, HIPS):
            origin, pair = _torso(joints, index)
            length = zero
            depth = joints[:, _SHOULDERS if index == CHEST else _HIPS, 2].mean(1)
        else:
            start, end = joints[:, part.start], joints[:, part.end]
            bone = end[:, :2] - start[:, :2]
            if index in _FEET:
                origin, pair = _foot(joints, index)
                length = zero
            else:
                sides = facing if part.name.endswith("arm") else below
                origin, pair = start[:, :2], _upright(bone, scale, sides)
                length = bone.norm(dim=-1) / scale
            depth = 0.5 * (start[:, 2] + end[:, 2])
        origins.append(origin)
        axes.append(pair)
        lengths.append(length)
        depths.append(depth)
    chest, hips = _forward(joints, _SHOULDERS), _forward(joints, _HIPS)
    views = [turn[:, :, 2], chest, hips]
    views += [chest if PARTS[i].name.endswith("arm") else hips for i in LIMBS]
    ears = (joints[:, _L_EAR, :3] - joints[:, _R_EAR, :3]).norm(dim=-1)
    return Frames(
        torch.stack(origins, 1), torch.stack(axes, 1), torch.stack(lengths, 1), turn,
        HEAD_RADIUS * ears / scale, torch.stack(depths, 1), torch.stack(views, 1),
    )  # fmt: skip


def body_size(joints: Tensor) -> Tensor:
    """(B,) px: the true length of all bones below the head: the same in every pose."""
    bones = _BONES.to(joints.device)
    ends = joints[:, bones[:, 1], :3] - joints[:, bones[:, 0], :3]
    return ends.norm(dim=-1).sum(-1).clamp_min(_SMALL)


def _across(joints: Tensor, pair: tuple[int, int]) -> Tensor:
    """(B,) how far the left one of a pair lies clockwise of the right: negative is a back view."""
    spine = _middle(joints, _HIPS) - joints[:, _NECK]
    across = joints[:, pair[1]] - joints[:, pair[0]]
    return across[:, 0] * spine[:, 1] - across[:, 1] * spine[:, 0]


def _middle(joints: Tensor, pair: tuple[int, int]) -> Tensor:
    return 0.5 * (joints[:, pair[0]] + joints[:, pair[1]])


def _normal(vector: Tensor) -> Tensor:
    """The unit vector (B, 2) or (B, 3); straight down or toward the viewer where it is null."""
    length = vector.norm(dim=-1, keepdim=True)
    default = torch.zeros_like(vector)
    default[..., -1] = 1.0
    return torch.where(length > _SMALL, vector / length.clamp_min(_SMALL), default)


def _quarter(vector: Tensor) -> Tensor:
    """(B, 2) turned by a right angle: from down to right in a picture."""
    return torch.stack([vector[..., 1], -vector[..., 0]], -1)


def _upright(bone: Tensor, scale: Tensor, side: Tensor) -> Tensor:
    """(B, 2, 2) axes of length `scale` along the bone and to that side of it."""
    along = _normal(bone)
    return torch.stack([along, _quarter(along) * side[:, None]], -1) * scale[:, None, None]


def _foot(joints: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Origin (B, 2) and axes (B, 2, 2) of a foot: down with the shin, and across as it looks.

    A foot stays flat on the floor when it turns; it does not swing about its ankle.
    """
    part = PARTS[index]
    knee, ankle, toe = (joints[:, i, :3] for i in (part.start - 1, part.start, part.end))
    foot = toe - ankle
    length = foot.norm(dim=-1).clamp_min(_SMALL)
    down = _normal((ankle - knee)[:, :2])
    right = _quarter(down)
    sideways, drop = (foot[:, :2] * right).sum(-1), (foot[:, :2] * down).sum(-1)
    profile = sideways.abs() / (foot[:, :2].norm(dim=-1) + 0.3 * length)
    width = (sideways.square() + (FOOT_WIDTH * length).square()).sqrt()
    height = ((FOOT_HEIGHT * length).square() + ((1 - profile) * drop).square()).sqrt()
    sign = torch.where(sideways < 0, -1.0, 1.0)
    tilt = profile * (drop - FOOT_DROP * length)
    over = right * (sign * width)[:, None] + down * tilt[:, None]
    return (ankle + 0.5 * foot)[:, :2], torch.stack([down * height[:, None], over], -1)


def _torso(joints: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """Origin (B, 2) and axes (B, 2, 2): along the spine, and across as wide as the body looks."""
    neck, hips = joints[:, _NECK, :3], _middle(joints, _HIPS)[:, :3]
    spine = hips - neck
    pair = _SHOULDERS if index == CHEST else _HIPS
    across = (joints[:, pair[1]] - joints[:, pair[0]])[:, :3]
    direction = _normal(spine[:, :2])
    if index == HIPS:  # a skirt hangs as much with the thighs as with the spine
        direction = _normal(direction + _normal((_middle(joints, _KNEES)[:, :3] - hips)[:, :2]))
    right = _quarter(direction)
    floor = 0.02 * spine.norm(dim=-1)
    length = (spine[:, :2].square().sum(-1) + (THICKNESS * spine[:, 2]).square() + floor**2).sqrt()
    straight = (across[:, :2] * right).sum(-1)
    width = (straight.square() + (THICKNESS * across[:, 2]).square() + floor**2).sqrt()
    lean = (across[:, :2] * direction).sum(-1)
    sign = torch.where(straight < 0, -1.0, 1.0)
    along = direction * length[:, None]
    over = right * (sign * width)[:, None] + direction * lean[:, None]
    return (neck if index == CHEST else hips)[:, :2], torch.stack([along, over], -1)


def _forward(joints: Tensor, pair: tuple[int, int]) -> Tensor:
    """(B, 3): where chest or hips face."""
    left = joints[:, pair[1], :3] - joints[:, pair[0], :3]
    down = _middle(joints, _HIPS)[:, :3] - joints[:, _NECK, :3]
    return _normal(torch.linalg.cross(down, left))


def head_rotation(joints: Tensor) -> Tensor:
    """(B, 3, 3) columns: the head's own left, down and forward, in picture axes (x, y, z away)."""
    left = _normal(joints[:, _L_EAR, :3] - joints[:, _R_EAR, :3])
    eyes, ears = _middle(joints, (_R_EYE, _L_EYE))[:, :3], _middle(joints, (_R_EAR, _L_EAR))[:, :3]
    forward = eyes - ears
    forward = _normal(forward - (forward * left).sum(-1, keepdim=True) * left)
    # Facing the camera, left is +x and forward is -z, and down is +y = left x forward.
    down = torch.linalg.cross(left, forward)
    # Eyes are above ears: level is below where they point.
    up, aside = math.cos(EYES), math.sin(EYES)
    forward, down = up * forward + aside * down, up * down - aside * forward
    return torch.stack([left, down, forward], -1)


def _head(joints: Tensor, scale: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """The head's rotation within its upright frame, and that frame (origin and axes)."""
    rotation = head_rotation(joints)
    along = _normal(rotation[:, :2, 1])
    right = _quarter(along)
    axes = torch.stack([along, right], -1)  # (B, 2, 2)
    # Coordinates (a, c, depth): in these the head is upright whatever its roll.
    local = torch.cat([axes.transpose(1, 2) @ rotation[:, :2], rotation[:, 2:]], 1)
    origin = _middle(joints, (_R_EAR, _L_EAR))[:, :2]
    return local, (origin, axes * scale[:, None, None])


def pixel_centres(width: int, step: float, like: Tensor) -> Tensor:
    """(width^2, 2) px: x and y of the centres of squares of `step` pixels, row by row."""
    grid = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * step
    return torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).reshape(-1, 2)


def source_points(target: Frames, source: Frames, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """(B, L, N, 2) px: where in the source each part has what the target has at pixels (N, 2).

    The second, (B, N, 2), is how much farther the head's colours are: they slide in its outline.
    """
    local = (pixels - target.origin[:, :, None]) @ inverse(target.axes).transpose(-1, -2)
    along, across = local[..., 0], local[..., 1]
    along = restretch(along, target.length[..., None], source.length[..., None])
    moved = torch.stack([along, across], -1)
    points = moved @ source.axes.transpose(-1, -2) + source.origin[:, :, None]
    points = bent(points, pixels, target, source)
    slide = _parallax(local[:, HEAD], target, source) - local[:, HEAD]
    return points, slide @ source.axes[:, HEAD].transpose(-1, -2)


def inverse(matrix: Tensor) -> Tensor:
    """Of (..., 2, 2), written out: ONNX has no inverse."""
    a, b, c, d = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
    rows = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    return rows / (a * d - b * c)[..., None, None]


def restretch(along: Tensor, target: Tensor, source: Tensor) -> Tensor:
    """Length `target` to length `source`, rigid before 0 and beyond the end."""
    share = (along / target.clamp_min(_SMALL)).clamp(0, 1)
    return along.clamp(max=0) + (along - target).clamp(min=0) + share * source


def _parallax(local: Tensor, target: Frames, source: Frames) -> Tensor:
    """Points (B, N, 2) of the target head's frame in the source head's: a face on a sphere.

    The outline stays (hair is seen alike from all around), the middle turns with the head, but not
    so far that what little is drawn of its far side would be smeared over half of it.
    """
    radius = target.radius[:, None, None]
    u = local / radius
    square = u.square().sum(-1, keepdim=True)
    depth = -(1 - square).clamp_min(0).sqrt()
    relative = source.turn @ target.turn.transpose(1, 2)  # (B, 3, 3)
    turned = torch.cat([u, depth], -1) @ _held(relative).transpose(1, 2)
    flat = turned[..., :2]
    rim = flat / flat.norm(dim=-1, keepdim=True).clamp_min(_SMALL)
    flat = torch.where(turned[..., 2:] > 0, rim, flat)
    # Beyond a right angle less and less of a face is seen: it fades back to where it is drawn.
    cosine = relative[:, 2, 2].clamp(-1, 1)[:, None, None]
    amount = (1 - square).clamp_min(0) * ((cosine + 0.8) * 1.25).clamp(0, 1)
    # A drawing from the side has its outline where the face would slide from.
    amount = amount * (source.turn[:, 2, 2].abs() * 2.5).clamp(max=1)[:, None, None]
    return (u + amount * (flat - u)) * radius


def _held(turn: Tensor) -> Tensor:
    """Rotations (B, 3, 3) about the same axes that go less far: up to the first of `SLIDES` as they
    are, and never as far as the second."""
    skew = 0.5 * (turn - turn.transpose(1, 2))
    axis = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], -1)
    sine = (axis.square().sum(-1) + _SMALL**2).sqrt()
    cosine = 0.5 * (turn.diagonal(dim1=1, dim2=2).sum(-1) - 1)
    angle = torch.atan2(sine, cosine)
    room = SLIDES[1] - SLIDES[0]
    held = (SLIDES[1] - room * ((SLIDES[0] - angle) / room).clamp(max=0).exp())[:, None, None]
    axis, skew = axis / sine[:, None], skew / sine[:, None, None]
    outer = axis[:, :, None] * axis[:, None]
    unit = torch.eye(3, device=turn.device, dtype=turn.dtype)
    found = held.cos() * unit + (1 - held.cos()) * outer + held.sin() * skew
    return torch.where(angle[:, None, None] > SLIDES[0], found, turn)

"""Soft masks of the parts in a drawing, from its skeleton and silhouette alone."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.puppet.parts import CHEST, COUNT, HEAD, HIPS, NEIGHBOURS, PARTS

_RAYS, _STEPS = 7, 16
_LEVELS = 7  # of the pyramid that spreads colours
SHARPNESS = 24.0
TORSO_HULL = 0.6  # of the torso's radius: what arms hide of it; arms and torso share an outline
GUESSED = 0.25  # a part is painted in from where this share of its capsule is seen


def spine_length(joints: Tensor) -> Tensor:
    """(B,) px: neck to the middle of the hips, in 3D."""
    return (0.5 * (joints[:, 8, :3] + joints[:, 11, :3]) - joints[:, 1, :3]).norm(dim=-1)


def segments(joints: Tensor) -> tuple[Tensor, Tensor]:
    """Ends (B, L, 3) of each part's bone in px: head from neck to beyond the eyes, torso in two."""
    points = joints[..., :3]
    starts = points[:, [part.start for part in PARTS]].clone()
    ends = points[:, [part.end for part in PARTS]].clone()
    neck, hips = points[:, 1], 0.5 * (points[:, 8] + points[:, 11])
    ears = 0.5 * (points[:, 16] + points[:, 17])
    waist = neck + 0.62 * (hips - neck)
    starts[:, HEAD], ends[:, HEAD] = ears - 0.1 * (ears - neck), ears + 0.35 * (ears - neck)
    starts[:, CHEST], ends[:, CHEST] = neck, waist
    starts[:, HIPS], ends[:, HIPS] = waist, hips
    return starts, ends


def distances(starts: Tensor, ends: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Of every pixel from each segment, px, and where along it in [0, 1]: (B, L, S, S) both."""
    grid = torch.arange(size, device=starts.device, dtype=starts.dtype) + 0.5
    pixels = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    from_start = pixels - starts[:, :, None, None, :2]
    bone = (ends - starts)[:, :, None, None, :2]
    along = (from_start * bone).sum(-1) / bone.square().sum(-1).clamp_min(1e-3)
    along = along.clamp(0, 1)
    return (from_start - along[..., None] * bone).norm(dim=-1), along


def radii(alpha: Tensor, joints: Tensor) -> Tensor:
    """(B, L) px: half widths of the parts, where the silhouette (B, 1, S, S) shows them.

    Rays go out from points of each bone to both sides; the nearer edge is the part's own (on the
    other side there may be the body). The median of the rays, between 0.6 and 1.5 times usual.
    """
    size = alpha.shape[-1]
    starts, ends = segments(joints)
    usual = joints.new_tensor([part.radius for part in PARTS]) * spine_length(joints)[:, None]
    bone = (ends - starts)[..., :2]
    normal = torch.stack([-bone[..., 1], bone[..., 0]], -1)
    normal = normal / normal.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    place = torch.linspace(0.2, 0.8, _RAYS, device=joints.device)[:, None]
    reach = torch.linspace(0, 1.5, _STEPS, device=joints.device)
    base = starts[:, :, None, :2] + place * bone[:, :, None]  # (B, L, R, 2)
    out = (usual[..., None] * reach)[:, :, None, :, None] * normal[:, :, None, None]  # B L 1 K 2
    both = torch.stack([base[..., None, :] + out, base[..., None, :] - out], 2)  # B L 2 R K 2
    grid = both.flatten(1, 3) / (0.5 * torch.scalar_tensor(size).to(alpha)) - 1
    seen = F.grid_sample(alpha, grid, align_corners=False)[:, 0]
    # Steps before the first that finds nothing.
    seen = ((seen <= 0.5).to(alpha.dtype).cumsum(-1) == 0).to(alpha.dtype).sum(-1)
    seen = seen.unflatten(1, (COUNT, 2, _RAYS))
    width = seen.amin(2).sort(-1).values[..., _RAYS // 2] * (1.5 / (_STEPS - 1))
    return usual * width.clamp(0.6, 1.5)


def part_masks(picture: Tensor, joints: Tensor) -> Tensor:
    """(B, L, S, S) in [0, 1], summing to one: to which part each pixel of (B, 4, S, S) belongs.

    Inside the capsules of several bones the one nearest the camera wins, as in a z-buffer; outside
    of all, the one that is nearest in units of its radius. So hair falls to the head, and a skirt
    to the hips.
    """
    radius = radii(picture[:, 3:], joints)[..., None, None]
    starts, ends = segments(joints)
    distance, along = distances(starts, ends, picture.shape[-1])
    share = distance / radius
    z = starts[..., 2, None, None] + along * (ends - starts)[..., 2, None, None]
    surface = z - radius * (1 - share.square()).clamp_min(0).sqrt()
    inside = 0.5 + 0.5 * torch.tanh(2 * surface / spine_length(joints)[:, None, None, None])
    energy = torch.where(share < 1, inside, share)
    return torch.softmax(-SHARPNESS * energy, 1)


def settle(masks: Tensor) -> Tensor:
    """Masks (B, L, S, S) again, without specks: a pixel goes with what is around it.

    A few pixels given to the wrong part would fly off with it.
    """
    size = masks.shape[-1]
    place = torch.arange(size, device=masks.device)
    window = ((place[:, None] - place).abs() <= size // 32).to(masks.dtype)
    window = window / window.sum(1, keepdim=True)
    for _ in range(2):
        around = window @ masks @ window.T
        masks = (masks + 0.02) * around.square()
        masks = masks / masks.sum(1, keepdim=True)
    return masks


def hulls(joints: Tensor, size: int, radius: Tensor) -> Tensor:
    """(B, L, S, S) in [0, 1]: where each part may be although something hides it: its capsule."""
    distance, _ = distances(*segments(joints), size)
    radius = radius.clone()
    radius[:, [CHEST, HIPS]] *= TORSO_HULL
    return (radius[..., None, None] - distance + 0.5).clamp(0, 1)


def fill(colour: Tensor, weight: Tensor) -> Tensor:
    """Colours (B, C, S, S), known where `weight` (B, 1, S, S) is 1, spread over all the rest.

    Pull and push through a pyramid of halved pictures (Gortler 1996, section 4.4), to the mean of
    all above `_LEVELS` levels. That number is fixed, so that a graph of any S can be exported.
    """
    size = colour.shape[-1]
    room = -size % 2**_LEVELS
    known = [F.pad(colour * weight, (0, room, 0, room))]
    mass = [F.pad(weight, (0, room, 0, room))]
    for _ in range(_LEVELS):
        known.append(F.avg_pool2d(known[-1], 2))
        mass.append(F.avg_pool2d(mass[-1], 2))
    spread = known[-1].mean((-1, -2), keepdim=True) / mass[-1].mean(
        (-1, -2), keepdim=True
    ).clamp_min(1e-6)
    spread = spread.expand_as(known[-1])
    for i in range(_LEVELS, -1, -1):
        if i < _LEVELS:
            spread = F.interpolate(spread, scale_factor=2.0, mode="bilinear", align_corners=False)
        sure = (mass[i] * 4 if i else mass[i]).clamp(0, 1)
        spread = sure * known[i] / mass[i].clamp_min(1e-6) + (1 - sure) * spread
    return spread[..., :size, :size]


def joint_caps(joints: Tensor, size: int, radius: Tensor, masks: Tensor) -> Tensor:
    """(B, L, S, S): each part's mask widened, at its joints, over the part that it meets there.

    A disc about the joint that both parts own looks the same however they turn, so no gap opens.
    """
    grid = torch.arange(size, device=joints.device, dtype=joints.dtype) + 0.5
    pixels = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1)
    wide = list(masks.unbind(1))
    for a, b, joint in NEIGHBOURS:
        reach = torch.minimum(radius[:, a], radius[:, b])[:, None, None]
        distance = (pixels - joints[:, joint, None, None, :2]).norm(dim=-1)
        disc = (reach - distance + 0.5).clamp(0, 1)
        both = masks[:, a] + masks[:, b]
        wide[a] = torch.maximum(wide[a], disc * both)
        wide[b] = torch.maximum(wide[b], disc * both)
    return torch.stack(wide, 1)


def cut(picture: Tensor, joints: Tensor, masks: Tensor) -> Tensor:
    """The layers (B, 5, L, S, S) of a drawing (B, 4, S, S): see `compose` for the channels.

    Each holds its share of the drawing and, painted in, what other parts hide of it: its neighbours
    around their joint, and the rest of its capsule. Nothing is painted outside of the silhouette.
    The outermost pixels are empty: whatever reaches beyond the picture finds nothing.
    """
    batch, size = len(picture), picture.shape[-1]
    radius = radii(picture[:, 3:], joints)
    alpha = picture[:, None, 3:]  # (B, 1, 1, S, S)
    straight = (picture[:, None, :3] / alpha.clamp_min(1e-3)).clamp(max=1)
    drawn = masks[:, :, None] * alpha
    caps = joint_caps(joints, size, radius, masks)[:, :, None]
    hull = hulls(joints, size, radius)[:, :, None]
    # A leg that a skirt hides altogether is not to be guessed: it would show beside the skirt.
    known = (drawn * hull).sum((-1, -2), keepdim=True) / hull.sum((-1, -2), keepdim=True)
    hull = torch.maximum(hull * ((known - GUESSED) / GUESSED).clamp(0, 1), caps)
    solid = (4 * alpha - 3).clamp(0, 1)
    whole = torch.maximum(drawn, hull * solid)
    # Colours: the drawing's own where the part or its cap is, spread from there elsewhere.
    own = torch.maximum(drawn, caps * alpha)
    certain = (own * 4 - 3).clamp(0, 1) + 1e-4 * own
    spread = fill(
        straight.expand(-1, COUNT, -1, -1, -1).flatten(0, 1), certain.flatten(0, 1)
    ).unflatten(0, (batch, COUNT))
    given = (own * 8).clamp(0, 1)
    inner = F.pad(alpha.new_ones(size - 2, size - 2), (1, 1, 1, 1))
    alphas = torch.cat([drawn, whole], 2) * inner
    colours = spread + given * (straight - spread)
    return torch.cat([colours, alphas], 2).transpose(1, 2).contiguous()

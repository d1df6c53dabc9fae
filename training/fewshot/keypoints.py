"""Joints as maps: what the methods before Wang 2024 are shown instead of a drawn stick figure.

All maps are made from `Inputs.joints` where the network runs, so that a batch carries 80 numbers a
picture and not twenty pictures. Lengths in pixels are those of a 256 x 256 picture, to scale.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.pose.skeleton import PUPPET_20

NOMINAL_SIZE = 256
SIGMA_PX = 6.0  # released code of Zhu 2019 and Tang 2020
RADIUS_PX = 4.0  # Ma 2017, section 3.1: a circle of radius 4 about every joint
MIN_SCORE = 0.05  # as engine.motion.draw: what is not drawn is not shown here either


def _index(*names: str) -> tuple[int, ...]:
    return tuple(PUPPET_20.index(name) for name in names)


TRUNK = tuple(
    _index(*edge)
    for edge in (
        ("r_hip", "l_hip"), ("r_shoulder", "r_hip"), ("l_shoulder", "l_hip"), ("r_ear", "l_ear"),
        ("neck", "r_ear"), ("neck", "l_ear"),
    )
)  # fmt: skip
"""Edges beside the skeleton's that close the outline of trunk and head (Ma 2017, section 3.1)."""

TRIANGLES = (
    _index("r_shoulder", "l_shoulder", "r_hip"),
    _index("l_shoulder", "l_hip", "r_hip"),
)


def to_scale(length_px: float, size: int) -> float:
    """A length of a 256 x 256 picture in one of another size."""
    return length_px * size / NOMINAL_SIZE


def seen(joints: Tensor) -> Tensor:
    """(B, K) bool: joints that have a place in the picture and a score."""
    return torch.isfinite(joints[..., :2]).all(dim=-1) & (joints[..., 3] >= MIN_SCORE)


def _places(joints: Tensor) -> Tensor:
    """(B, K, 2) x and y; 0 where there is none, for `seen` to mask."""
    return joints[..., :2].float().nan_to_num(0.0, 0.0, 0.0)


def _centres(size: int, like: Tensor) -> Tensor:
    return torch.arange(size, device=like.device, dtype=torch.float32) + 0.5


def heatmaps(joints: Tensor, size: int, sigma_px: float = SIGMA_PX) -> Tensor:
    """A Gaussian of peak 1 about every joint: (B, K, S, S) in [0, 1]; 0 for a joint unseen.

    Args:
        joints: (B, K, 4) x, y, z in pixels and score.
        size: width and height of the maps.
        sigma_px: standard deviation, in pixels of a 256 x 256 picture.
    """
    offsets = _centres(size, joints) - _places(joints)[..., None]  # (B, K, 2, S)
    bells = torch.exp(-0.5 * (offsets / to_scale(sigma_px, size)) ** 2)
    bells = bells * seen(joints)[..., None, None]
    return bells[:, :, 1, :, None] * bells[:, :, 0, None, :]


def discs(joints: Tensor, size: int, radius_px: float = RADIUS_PX) -> Tensor:
    """1 within a radius of every joint and 0 elsewhere: (B, K, S, S) (Ma 2017, section 3.1)."""
    offsets = (_centres(size, joints) - _places(joints)[..., None]) ** 2
    distances = offsets[:, :, 1, :, None] + offsets[:, :, 0, None, :]
    within = distances <= to_scale(radius_px, size) ** 2
    return (within & seen(joints)[..., None, None]).float()


def body_mask(joints: Tensor, size: int, radius_px: float = RADIUS_PX) -> Tensor:
    """1 on and about the body, 0 elsewhere: (B, 1, S, S) (the mask M_B of Ma 2017, section 3.1).

    Bones and the outline of the trunk as capsules, the trunk filled, small gaps closed.
    """
    edges = torch.tensor([*PUPPET_20.bones, *TRUNK], device=joints.device)
    ends = _places(joints)[:, edges]  # (B, E, 2 ends, 2)
    start = ends[:, :, 0, :, None, None]
    along = ends[:, :, 1, :, None, None] - start  # (B, E, 2, 1, 1)
    centres = _centres(size, joints)
    x = centres[None, None, None, :] - start[:, :, 0]  # (B, E, 1, S)
    y = centres[None, None, :, None] - start[:, :, 1]
    squared = (along**2).sum(dim=2).clamp_min(1e-6)
    share = ((x * along[:, :, 0] + y * along[:, :, 1]) / squared).clamp(0, 1)
    distances = (x - share * along[:, :, 0]) ** 2 + (y - share * along[:, :, 1]) ** 2
    there = seen(joints)[:, edges].all(dim=2)[..., None, None]
    body = ((distances <= to_scale(radius_px, size) ** 2) & there).any(dim=1, keepdim=True)
    body = body | _trunk(joints, size)
    # Closing: what is nearer than a radius to the body on both sides belongs to it.
    reach = max(1, round(to_scale(radius_px / 2, size)))
    grown = F.max_pool2d(body.float(), 2 * reach + 1, 1, reach)
    return 1 - F.max_pool2d(1 - grown, 2 * reach + 1, 1, reach)


def _trunk(joints: Tensor, size: int) -> Tensor:
    """(B, 1, S, S) bool: inside the quadrangle of shoulders and hips."""
    triangles = torch.tensor(TRIANGLES, device=joints.device)
    corners = _places(joints)[:, triangles]  # (B, T, 3, 2)
    sides = corners.roll(-1, dims=2) - corners
    centres = _centres(size, joints)
    x = centres[None, None, None, None, :] - corners[..., 0, None, None]  # (B, T, 3, 1, S)
    y = centres[None, None, None, :, None] - corners[..., 1, None, None]
    turn = sides[..., 0, None, None] * y - sides[..., 1, None, None] * x
    inside = (turn >= 0).all(dim=2) | (turn <= 0).all(dim=2)
    there = seen(joints)[:, triangles].all(dim=2)[..., None, None]
    return (inside & there).any(dim=1, keepdim=True)

"""The cutter: which part every pixel of a drawing belongs to, learned from labelled renders.

It runs once for a character, at enrolment: its cost is no concern of the live engine.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.puppet.parts import COUNT
from training.fewshot.warp.labels import BACKGROUND
from training.fewshot.warp.masks import distances, part_masks, radii, segments, spine_length
from training.fewshot.warp.unet import UNet

LARGEST = 128  # px: the resolution at which a larger drawing is looked at
SHARPEN = 4.0  # of learned logits: a doubtful pixel shared by two parts is torn when they part


class Cutter(nn.Module):
    """Refines the skeleton's masks by the drawing; untrained, it leaves them as they are."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96, 96)) -> None:
        super().__init__()
        # The drawing, where it is drawn, and for each part its mask, nearness and depth.
        self.network = UNet(4 + 3 * COUNT, COUNT, widths)

    def logits(self, picture: Tensor, joints: Tensor) -> Tensor:
        """(B, L, S, S) of a picture (B, 4, S, S) whose size is a multiple of 16."""
        masks = part_masks(picture, joints)
        radius = radii(picture[:, 3:], joints)[..., None, None]
        starts, ends = segments(joints)
        distance, along = distances(starts, ends, picture.shape[-1])
        spine = spine_length(joints)[:, None, None, None]
        z = starts[..., 2, None, None] + along * (ends - starts)[..., 2, None, None]
        inputs = torch.cat([picture, masks, torch.exp(-distance / radius), z / spine], 1)
        return self.network(inputs) + masks.clamp_min(1e-3).log()

    def forward(self, picture: Tensor, joints: Tensor) -> Tensor:
        """Masks (B, L, S, S), summing to one, of a picture (B, 4, S, S) with joints (B, 20, 4)."""
        size = picture.shape[-1]
        if size <= LARGEST:
            return torch.softmax(SHARPEN * self.logits(picture, joints), 1)
        cover = _covered(size, LARGEST).to(picture)
        scale = LARGEST / torch.scalar_tensor(size).to(picture)
        shrunk = torch.cat([joints[..., :3] * scale, joints[..., 3:]], -1)
        logits = self.logits(cover @ picture @ cover.T, shrunk)
        logits = F.interpolate(logits, size=(size, size), mode="bilinear", align_corners=False)
        return torch.softmax(SHARPEN / scale * logits, 1)


def _covered(size: int, small: int) -> Tensor:
    """(small, size): the share that each of `size` pixels has in one of the `small` larger ones."""
    edges = torch.arange(size + 1) / torch.scalar_tensor(size)
    larger = torch.linspace(0, 1, small + 1)[:, None]
    overlap = torch.minimum(larger[1:], edges[1:]) - torch.maximum(larger[:-1], edges[:-1])
    return overlap.clamp_min(0) * small


def cutting_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of (B, L, S, S) with labels (B, S, S), where there is anything."""
    return F.cross_entropy(logits, labels.long(), ignore_index=BACKGROUND)

"""XingGAN (Tang et al. 2020): an image branch and a pose branch that update each other.

Each of nine steps attends from one branch to the other and back; at the end both draw pictures, and
a co-attention map chooses between them, pixel by pixel.
"""

import torch
from torch import Tensor, nn

from training.fewshot.baselines.layers import decoder, encoder, initialise, two_convolutions
from training.fewshot.baselines.objective import (
    Transfer,
    signed,
    unsigned,
)
from training.fewshot.baselines.patn import PairsObjective, pose_maps
from training.fewshot.inputs import Inputs
from training.fewshot.method import like

BLOCKS = 9  # T, section 4
PICTURES = 10  # N, the pictures that each branch draws, section 3.3 and 4
GAN_WEIGHT, L1_WEIGHT, PERCEPTUAL_WEIGHT = 5.0, 50.0, 50.0  # lambda, section 4


class CrossAttention(nn.Module):
    """x updated by what it attends to under the guidance of the other branch (section 3.1, 3.2).

    The correlation of every place of `x` with every place of `other`, a softmax over the latter,
    and a weight that begins at 0, so that training begins without.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, max(1, channels // 8), 1)
        self.key = nn.Conv2d(channels, max(1, channels // 8), 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        query, key = self.query(x).flatten(2), self.key(other).flatten(2)  # (B, C/8, HW)
        attention = torch.softmax(query.transpose(1, 2) @ key, dim=-1)  # (B, HW, HW')
        attended = self.value(x).flatten(2) @ attention.transpose(1, 2)  # (B, C, HW)
        return x + self.weight * attended.view_as(x)


class CrossingBlock(nn.Module):
    """A shape-guided appearance block and an appearance-guided shape block (figures 2 and 3)."""

    def __init__(self, width: int, pose_width: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.image = two_convolutions(width, width, dropout=dropout)
        self.pose = two_convolutions(pose_width, width, dropout=dropout, last_norm=False)
        self.to_image = CrossAttention(width)
        self.to_pose = CrossAttention(width)

    def forward(self, image: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        image, pose = self.image(image), self.pose(pose)
        guided = self.to_image(image, pose)
        return guided, torch.cat([guided, self.to_pose(pose, image)], dim=1)


class CoAttention(nn.Module):
    """Which picture shows where: softmax over 2N + 1 candidates (section 3.3)."""

    def __init__(self, width: int, candidates: int) -> None:
        super().__init__()
        deep = 4 * width
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(3 * deep, deep, 3, 2, 1, output_padding=1),
            nn.InstanceNorm2d(deep), nn.ReLU(),
            nn.ConvTranspose2d(deep, deep // 2, 3, 2, 1, output_padding=1),
            nn.InstanceNorm2d(deep // 2), nn.ReLU(),
            nn.Conv2d(deep // 2, candidates, 1),
        )  # fmt: skip

    def forward(self, codes: Tensor, candidates: Tensor) -> Tensor:
        """`codes` (B, 12 width, S/4, S/4), `candidates` (B, 2N + 1, C, S, S): (B, C, S, S)."""
        attention = torch.softmax(self.layers(codes), dim=1)
        return (candidates * attention[:, :, None]).sum(dim=1)


class XingGAN(Transfer):
    """Two encoders, nine crossing blocks, two decoders and the fusion (section 3, figure 1)."""

    def __init__(
        self, size: int = 256, image_channels: int = 3, width: int = 64, *,
        joints: int = 20, blocks: int = BLOCKS, pictures: int = PICTURES,
    ) -> None:  # fmt: skip
        super().__init__(size, image_channels)
        self.joints = joints
        deep = 4 * width
        self.image = encoder(image_channels, width)
        self.pose = encoder(2 * joints, width)
        self.blocks = nn.ModuleList(
            CrossingBlock(deep, 2 * deep if i else deep) for i in range(blocks)
        )
        self.draw_image = decoder(width, image_channels * pictures)
        self.narrow_pose = nn.Sequential(
            nn.Conv2d(2 * deep, deep, 1), nn.InstanceNorm2d(deep), nn.ReLU()
        )
        self.draw_pose = decoder(width, image_channels * pictures)
        self.fuse = CoAttention(width, 2 * pictures + 1)
        initialise(self)

    def forward(self, inputs: Inputs) -> Tensor:
        source = signed(like(inputs.source, self.image_channels))
        image, pose = self.image(source), self.pose(pose_maps(inputs, self.size, self.joints))
        for block in self.blocks:
            image, pose = block(image, pose)
        drawn = [self.draw_image(image), self.draw_pose(self.narrow_pose(pose)), source]
        candidates = torch.cat(drawn, dim=1).unflatten(1, (-1, self.image_channels))
        return unsigned(self.fuse(torch.cat([image, pose], dim=1), candidates))


class XingObjective(PairsObjective):
    """As PATN's, with the weights of section 4."""

    def __init__(
        self, size: int = 256, image_channels: int = 3, width: int = 64, *, joints: int = 20
    ) -> None:
        super().__init__(
            size, image_channels, width, joints=joints, gan_weight=GAN_WEIGHT,
            l1_weight=L1_WEIGHT, perceptual_weight=PERCEPTUAL_WEIGHT,
        )  # fmt: skip

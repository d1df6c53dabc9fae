"""A small U-Net: the cutter's and the painter's body."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.generator import ResidualBlock


class UNet(nn.Module):
    """Levels of `widths` channels, each at half the resolution of the one before.

    `out_channels` maps come from the finest level, and begin as zero.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(widths)
        )
        self.encode = nn.ModuleList(ResidualBlock(width) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(b + a, a, 3, padding=1) for a, b in pairwise(widths))
        self.decode = nn.ModuleList(ResidualBlock(width) for width in widths[:-1])
        self.leave = nn.Conv2d(widths[0], out_channels, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, ResidualBlock):
                nn.init.normal_(module.second.weight, std=1e-2)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W); H and W are multiples of 2^(levels - 1)."""
        x = F.relu(self.enter(x))
        skips = []
        for level, encode in enumerate(self.encode):
            if level:
                x = F.relu(self.down[level - 1](x))
            x = F.relu(encode(x))
            skips.append(x)
        for level in range(len(self.up) - 1, -1, -1):
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = F.relu(self.up[level](torch.cat([x, skips[level]], 1)))
            x = F.relu(self.decode[level](x))
        return self.leave(x)

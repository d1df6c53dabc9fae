"""'A simple yet effective baseline for 3D human pose estimation' (Martinez et al., ICCV 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.mocap.joints import LIFT_17

JOINTS = len(LIFT_17.joints)


@dataclass(frozen=True, slots=True)
class LifterConfig:
    """The paper's is 1024 wide with two blocks and a dropout of 0.5."""

    width: int = 512
    blocks: int = 2
    dropout: float = 0.1


class Block(nn.Module):
    """Two layers with batch norm, ReLU and dropout, and a way around them (figure 2)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layer(width, width, dropout), *_layer(width, width, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _layer(inputs: int, width: int, dropout: float) -> list[nn.Module]:
    return [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]


class Lifter(nn.Module):
    """Centred keypoints (B, 17, 2) to joints (B, 17, 3) in body sizes about the mid-hip."""

    def __init__(self, config: LifterConfig = LifterConfig()) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.Sequential(
            *_layer(2 * JOINTS, config.width, config.dropout),
            *(Block(config.width, config.dropout) for _ in range(config.blocks)),
            nn.Linear(config.width, 3 * JOINTS),
        )

    def forward(self, keypoints: Tensor) -> Tensor:
        joints: Tensor = self.layers(keypoints.flatten(1)).unflatten(1, (JOINTS, 3))
        return joints


def parameters(network: nn.Module) -> int:
    """How many numbers are learnt."""
    return sum(p.numel() for p in network.parameters())


def init_he(network: nn.Module) -> None:
    """Kaiming initialisation, as in the paper (section 3.2)."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(0.1)

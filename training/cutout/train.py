"""Training of the network that cuts figures out."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import torch
from torch import Tensor, nn

from training.cutout.data import Scenes
from training.cutout.network import CutNetwork, NetworkConfig, cut_loss
from training.estimator.augment import U8
from training.loop import Loop, TrainConfig, as_tensor

CONFIG: Final = TrainConfig(
    batch=10, rate=2e-3, backbone_rate=5e-4, warm_steps=60, average=0.99,
    sizes=((0.0, 192), (0.7, 256)),
)  # fmt: skip


class CutTraining(Loop[CutNetwork, NetworkConfig, Scenes]):
    """The network in training."""

    make_config = NetworkConfig

    def build(self, config: NetworkConfig) -> CutNetwork:
        """The network, as it starts."""
        return CutNetwork(config)

    def backbone(self) -> list[nn.Parameter]:
        """What knows photographs, or drawn figures, before."""
        return self.network.backbone_parameters()

    def loss(self, data: Scenes, size: int) -> Tensor:
        """Of one batch."""
        pictures, guides, alphas = data.batch(self.config.batch, size, self.rng)
        logits = self.network(as_tensor(pictures), grey_tensor(guides))
        return cut_loss(logits, grey_tensor(alphas))


def grey_tensor(pictures: U8) -> Tensor:
    """(B, H, W) bytes to (B, 1, H, W) in [0, 1]."""
    return torch.from_numpy(pictures)[:, None].float().div_(255)


@dataclass(frozen=True, slots=True)
class CutTrials:
    """Fixed samples of characters never trained on: the score is the mean IoU of alpha."""

    pictures: U8  # (N, S, S, 3)
    guides: U8  # (N, S, S)
    alphas: U8  # (N, S, S)

    @classmethod
    def of(cls, scenes: Scenes, size: int, seed: int) -> Self:
        """Each figure once."""
        return cls(*scenes.each(size, np.random.default_rng(seed)))

    @torch.no_grad()
    def measure(self, network: CutNetwork) -> float:
        """The mean of min(made, true) over max(made, true), summed over each picture."""
        scores = []
        for picture, guide, alpha in zip(self.pictures, self.guides, self.alphas, strict=True):
            made = network(as_tensor(picture[None]), grey_tensor(guide[None])).sigmoid()
            true = grey_tensor(alpha[None])
            either = torch.maximum(made, true).sum()
            scores.append(float(torch.minimum(made, true).sum() / either.clamp_min(1e-6)))
        return float(np.mean(scores))

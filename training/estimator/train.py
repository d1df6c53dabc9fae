"""Training of the estimator."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.pose.heatmaps import decode
from training.estimator.augment import U8, augmented
from training.estimator.data import Renders, sample_batch
from training.estimator.measure import head_size, pckh
from training.estimator.network import NetworkConfig, PoseNetwork
from training.estimator.targets import STRIDE, heatmap_loss, in_picture
from training.loop import Loop, TrainConfig, as_tensor, run

__all__ = ["TrainConfig", "Training", "Trials", "run"]


class Training(Loop[PoseNetwork, NetworkConfig, Renders]):
    """The estimator in training."""

    make_config = NetworkConfig

    def build(self, config: NetworkConfig) -> PoseNetwork:
        """The network, as it starts."""
        return PoseNetwork(config)

    def backbone(self) -> list[nn.Parameter]:
        """What starts from photographs."""
        return self.network.backbone_parameters()

    def loss(self, data: Renders, size: int) -> Tensor:
        """Equation 12 of one batch."""
        pictures, heatmaps, weights = sample_batch(data, self.config.batch, size, self.rng)
        stages = self.network.stages(as_tensor(pictures))
        return heatmap_loss(stages, torch.from_numpy(heatmaps), torch.from_numpy(weights))


@dataclass(frozen=True, slots=True)
class Trials:
    """Fixed pictures on which an estimator is measured."""

    pictures: U8  # (N, S, S, 3)
    truth: NDArray[np.float32]  # (N, 20, 2)
    head: NDArray[np.float64]  # (N,) px
    inside: NDArray[np.bool_]  # (N, 20): in the picture
    visible: NDArray[np.bool_]  # (N, 20): and not hidden

    @classmethod
    def of(cls, renders: Renders, size: int, seed: int, clean: bool) -> Self:
        """Each render once: as it is, moved (`clean`), or restyled as training's are."""
        rng = np.random.default_rng(seed)
        pictures, truth, head, inside, visible = [], [], [], [], []
        for i in range(len(renders)):
            joints = renders.joints[i]
            points = np.column_stack([joints[:, :2], renders.visible[i]])
            picture, moved = augmented(renders.picture(i), points, size, rng, float(clean))
            scale = np.sqrt(moved[:, :2].var(axis=0).sum() / joints[:, :2].var(axis=0).sum())
            pictures.append(picture)
            truth.append(moved[:, :2])
            head.append(float(head_size(joints)) * float(scale))
            inside.append(in_picture(moved[:, :2], (size, size)))
            visible.append((moved[:, 2] > 0.5) & inside[-1])
        return cls(
            np.stack(pictures), np.stack(truth), np.array(head), np.stack(inside), np.stack(visible)
        )

    @torch.no_grad()
    def measure(self, network: PoseNetwork, share: float = 0.5) -> float:
        """PCKh of the visible keypoints, in one look, nothing mirrored."""
        points = [
            decode(network(as_tensor(picture[None]))[0].numpy(), STRIDE)
            for picture in self.pictures
        ]
        return pckh(np.stack(points), self.truth, self.head, self.visible, share)

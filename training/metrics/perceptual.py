"""A perceptual distance in the manner of LPIPS (Zhang et al. 2018), without its learnt weights."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
import torch
from numpy.typing import NDArray

from training.losses import Perceptual
from training.metrics.pictures import on_white


class PerceptualDistance:
    """Distance of the directions of features, at each place and each depth of a network.

    As in LPIPS (eq. 1) the features of each place are scaled to length 1, and the squared distances
    are averaged over places; then over the layers of EfficientNet-Lite0 that
    `training.losses.Perceptual` compares. Divided by 4, the most that is possible: in [0, 1],
    0 only for equal features. On renders of 256 pixels it is 0.015 for a figure shifted by 2, 0.016
    and 0.032 for a blur of 1.5 and 3, 0.05 for another pose, 0.07 for another character; SSIM
    cannot tell that shift from the blur of 3.
    """

    def __init__(self) -> None:
        with redirect_stdout(StringIO()):  # the package of the weights talks
            self._network = Perceptual()

    @torch.no_grad()
    def __call__(
        self, made: Sequence[NDArray[np.uint8]], truth: Sequence[NDArray[np.uint8]]
    ) -> NDArray[np.float64]:
        """(N,) distances of premultiplied RGBA pictures (S, S, 4), over white."""
        if len(made) != len(truth):
            raise ValueError(f"expected as many true pictures as {len(made)}, found {len(truth)}")
        return np.array([self._distance(a, b) for a, b in zip(made, truth, strict=True)])

    def _distance(self, made: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
        both = torch.from_numpy(np.stack([on_white(made), on_white(truth)]))
        layers = []
        for maps in self._network.features(both.permute(0, 3, 1, 2).float() / 255):
            # Of a place where all features are near zero, the direction is noise.
            least = 1e-3 * float(maps[1].square().sum(dim=0).mean().sqrt()) + 1e-10
            unit = maps / maps.square().sum(dim=1, keepdim=True).sqrt().clamp_min(least)
            layers.append(float((unit[0] - unit[1]).square().sum(dim=0).mean()) / 4)
        return float(np.mean(layers))

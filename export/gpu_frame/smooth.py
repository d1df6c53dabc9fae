"""The One Euro filter over joints, in torch: `engine.motion._kernels_smooth.one_euro`."""

import torch
from torch import Tensor

from engine.motion.smooth import OneEuro
from export.gpu_frame.states import Step, doubles, low_pass


class Smooth(Step):
    """Smooths (20, 4) joints over time.

    Args:
        settings: whose cutoffs and betas.
    """

    value: Tensor
    raw: Tensor
    velocity: Tensor
    since_s: Tensor
    min_cutoff_hz: Tensor
    beta: Tensor

    def __init__(self, settings: OneEuro) -> None:
        super().__init__()
        self._speed_cutoff_hz = settings.speed_cutoff_hz
        self.begin(
            value=doubles(20, 3, fill=torch.nan), raw=doubles(20, 3, fill=torch.nan),
            velocity=doubles(20, 3), since_s=doubles(20),
        )  # fmt: skip
        self.constants(min_cutoff_hz=settings.min_cutoff_hz, beta=settings.beta)

    def forward(self, joints: Tensor, elapsed_s: Tensor) -> Tensor:
        """(20, 4) float32 of (20, 4) float32."""
        at = joints[:, :3].double()
        since_s = self.since_s + elapsed_s
        known = torch.isfinite(self.value[:, 0])
        finite = torch.isfinite(at).all(1)
        begins = finite & (~known | (since_s > OneEuro.LONGEST_GAP_S))
        moves = finite & ~begins & (since_s > 0)

        step_s = since_s[:, None]
        rate = (at - self.raw) / step_s
        velocity = self.velocity + low_pass(self._speed_cutoff_hz, step_s) * (rate - self.velocity)
        speed = velocity.abs()
        speed_xy = velocity[:, :2].square().sum(1, keepdim=True).sqrt()
        speed = torch.cat([speed_xy, speed_xy, speed[:, 2:]], 1)
        cutoff_hz = self.min_cutoff_hz[:, None] + self.beta[:, None] * speed
        value = self.value + low_pass(cutoff_hz, step_s) * (at - self.value)

        def updated(moved: Tensor, begun: Tensor | float, old: Tensor) -> Tensor:
            return torch.where(
                begins[:, None], begun, torch.where(moves[:, None], moved, old)
            )  # fmt: skip

        value = updated(value, at, self.value)
        self.keep(
            value=value, raw=updated(at, at, self.raw),
            velocity=updated(velocity, 0.0, self.velocity),
            since_s=torch.where(begins | moves, 0.0, since_s),
        )  # fmt: skip
        return torch.cat([value.float(), joints[:, 3:]], 1)

"""Arms kept off the character's head, in torch: `engine.motion._kernels_clear.clear_head`.

Both arms at once and all rounds always: one in which nothing lacks changes nothing, as the kernel,
which ends there, has it.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.motion import _kernels_clear as kernels
from export.gpu_frame.look import norm
from export.gpu_frame.person import Measured
from export.gpu_frame.states import Step, smoothstep

_LEAST = 1e-300  # what nothing is divided by


class ClearHead(Step):
    """Moves elbows and wrists.

    Args:
        character_px: (10, 2) px of the character's segments, as the engine's normaliser has them.
    """

    own: Tensor
    arms: Tensor
    shares: Tensor
    leverage: Tensor
    ways: Tensor
    square: Tensor
    most: Tensor

    def __init__(self, character_px: NDArray[np.float64]) -> None:
        super().__init__()
        shares = np.stack([kernels.UPPER, kernels.FORE], 1)
        # The turns of both bones and their tilts, of the four ways in which an arm moves.
        ways = torch.eye(4, dtype=torch.float64)
        ways[1, 0] = kernels.FOLLOWS
        self.constants(
            own=character_px[8:, 0], arms=[[2, 3, 4], [5, 6, 7]], shares=shares,
            leverage=np.tile(shares, 2), ways=ways,
            square=[[0.0, 1.0], [-1.0, 0.0]], most=[torch.inf, torch.inf, 0.0, 0.0],
        )  # fmt: skip

    def forward(self, person: Measured, offsets: Tensor) -> Tensor:
        """(21, 3) of (21, 3) px, as the directions of the person's bones make them."""
        theirs = person.lengths_m[8:] * person.px_per_m
        metric, own = head_metrics(torch.stack([theirs, self.own]), person.head_axes)
        seen_from_head, kept = self._see(person.body, metric)
        shoulders = offsets[self.arms[:, 0], :2] - offsets[16:18, :2].mean(0)
        # No arm can be farther from the head than the shoulder that it hangs from.
        clear = kept * norm(shoulders @ own).clamp(max=kernels.CLEAR)
        bones = offsets[self.arms[:, 1:]]
        u = kept[:, None, None] * seen_from_head
        moved = self._clear(u, clear[:, None], shoulders[:, None], own, bones[..., :2])
        moved = torch.where(kept[:, None, None] > 0, moved, bones[..., :2])
        right, left = torch.cat([moved, bones[..., 2:]], -1)
        return torch.cat([offsets[:3], right, offsets[5:6], left, offsets[8:]])

    def _see(self, body: Tensor, metric: Tensor) -> tuple[Tensor, Tensor]:
        """`see_arm`: (2, POINTS, 2) head sizes from the head, and (2,) how much is kept."""
        arms, head = body[self.arms], body[21]
        bones = arms[:, 1:, :2] - arms[:, :2, :2]
        u = (arms[:, :1, :2] - head[:2] + self.shares @ bones) @ metric
        crossed = (norm(u).amin(1) - kernels.CROSSES) / (kernels.TOUCHES - kernels.CROSSES)
        seen = torch.minimum(arms[..., 3].amin(1), head[3])
        return u, smoothstep(crossed) * smoothstep((seen - 0.3) / 0.4)

    def _clear(
        self, u: Tensor, clear: Tensor, shoulders: Tensor, metric: Tensor, bones: Tensor
    ) -> Tensor:
        """`clear_arm`: (2, 2, 2), arm by bone, of the same."""
        far = norm(u)
        radius = torch.minimum(far, clear)
        behind = (kernels.FAR_SIDE * radius / far)[..., None] * u
        moved, way, square = bones, torch.zeros_like(bones).flatten(1), bones @ self.square
        for _ in range(kernels.ROUNDS):
            v = (shoulders + self.shares @ moved) @ metric
            out, lacks = ways_out(behind, v, radius)
            # How far each way brings each point outwards.
            along = torch.cat([moved @ self.square, moved], 1).mT
            gain = (out @ metric @ along * self.leverage) @ self.ways
            size = gain.abs()
            rise = (lacks.square()[:, None] @ gain)[:, 0]
            row = (lacks[:, None] @ (size * size.sum(2, keepdim=True) + kernels.DAMPING))[:, 0]
            way = torch.minimum(way + rise / row.clamp(min=_LEAST), self.most)
            turn, scale = (way @ self.ways.mT)[:, :2, None], way[:, 2:, None].exp()
            moved = scale * (torch.cos(turn) * bones + torch.sin(turn) * square)
        return moved


def head_metrics(sizes: Tensor, head_axes: Tensor) -> Tensor:
    """`head_metric` of N heads: (N, 2, 2).

    Args:
        sizes: (N, 2) px from the neck to the middle of the ears, and half the ears' distance.
        head_axes: (2, 3).
    """
    neck, ears = sizes.unbind(1)
    down = torch.linalg.cross(head_axes[0], head_axes[1])[:2]
    wide, high = 1.1 * ears, 0.5 * ears + 0.4 * neck
    more = high * high - wide * wide
    along = (wide * wide + more * (down * down).sum().clamp(max=1.0)).sqrt()
    fall = more / ((along + wide) * along * wide)
    round_part = torch.eye(2, dtype=sizes.dtype, device=sizes.device) / wide[:, None, None]
    return round_part - fall[:, None, None] * torch.outer(down, down)


def ways_out(behind: Tensor, v: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """`way_out` of many points: unit vectors (..., 2), and how far (...) along them.

    Args:
        behind: (..., 2) from the place that each is led away from to the middle.
        v: (..., 2) the points.
        radius: (...) as far as they are to come.
    """
    inside = radius * radius - (v * v).sum(-1)
    away = v + behind
    length = torch.linalg.vector_norm(away, dim=-1)
    out = away / length.clamp(min=_LEAST)[..., None]
    along = (v * out).sum(-1)
    step = (along * along + inside).sqrt() - along
    return out, torch.where(inside > 0, step * smoothstep(length / (0.3 * radius)), 0.0)

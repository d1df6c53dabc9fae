"""The pose image, in torch: what `engine.motion.draw.draw_pose` draws, all pixels at once.

The kernel rounds to bytes after every limb; here they are laid over each other in one product, so
that pixels where antialiased edges meet may differ by a level or two.
"""

import torch
from torch import Tensor

from engine.motion import draw
from export.gpu_frame.states import Step


class Draw(Step):
    """Draws a stick figure on white.

    Args:
        size: of the picture, px.
    """

    bones: Tensor
    ends: Tensor
    colours: Tensor
    radii: Tensor
    centres: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        bones = torch.from_numpy(draw._BONES.copy())
        joints = torch.arange(20)[:, None].expand(20, 2)  # a disc is a bone without a length
        colours = [
            torch.from_numpy(each.copy()) for each in (draw._BONE_COLOURS, draw._JOINT_COLOURS)
        ]
        widths = [draw._HALF_WIDTH] * len(bones) + [draw._DISC_RADIUS] * 20
        self._bones = len(bones)
        self.constants(
            ends=torch.cat([bones, joints]), colours=torch.cat(colours).double(),
            radii=[size * width for width in widths], centres=torch.arange(size) + 0.5,
        )  # fmt: skip
        self.colours, self.centres = self.colours.float(), self.centres.float()

    def forward(self, joints: Tensor) -> Tensor:
        """(1, S, S, 3) uint8 of (20, 4) float32 joints in its pixels."""
        finite = torch.isfinite(joints)
        drawn = (joints[:, 3] >= 0.05) & finite[:, :2].all(1)
        shown = drawn[self.ends].all(1)
        places = torch.where(finite, joints, 0.0)[:, :2][self.ends]  # (N, 2, 2)
        coverage = self._coverage(places) * shown[:, None, None]

        depth = joints[self.ends, 2].mean(1)
        depth = torch.where(torch.isfinite(depth), depth, 0.0)
        order = torch.cat([
            depth[: self._bones].sort(descending=True, stable=True).indices,
            depth[self._bones :].sort(descending=True, stable=True).indices + self._bones,
        ])  # fmt: skip
        coverage = coverage[order].flatten(1)
        # How much of each still shows through all that is painted later.
        through = (1 - coverage).flip(0).cumprod(0).flip(0)
        above = torch.cat([through[1:], torch.ones_like(through[:1])])
        painted = (coverage * above).T @ self.colours[order] + 255 * through[0][:, None]
        size = len(self.centres)
        return torch.floor(painted + 0.5).clamp(0, 255).to(torch.uint8).reshape(1, size, size, 3)

    def _coverage(self, places: Tensor) -> Tensor:
        """(N, S, S) in [0, 1] of segments (N, 2, 2): `_paint_capsule`."""
        begin, along = places[:, 0], places[:, 1] - places[:, 0]
        length_sq = along.square().sum(1)
        reach = (self.radii + 0.5).float()
        px = self.centres - begin[:, :1]  # (N, columns)
        py = self.centres - begin[:, 1:]  # (N, rows)
        safe = torch.where(length_sq > 0, length_sq, 1.0)[:, None]
        across, down = px * along[:, :1] / safe, py * along[:, 1:] / safe
        share = (across[:, None] + down[:, :, None]).clamp(0, 1)
        ex = px[:, None] - share * along[:, 0, None, None]
        ey = py[:, :, None] - share * along[:, 1, None, None]
        return (reach[:, None, None] - (ex * ex + ey * ey).sqrt()).clamp(0, 1)

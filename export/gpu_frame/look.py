"""The person in the camera's picture, in torch: `engine.pose.blazepose` for one person.

The region of the next frame, the smoothing and who is followed stay on the device. Finding
somebody anew is the host's: it hands over a region with the frame.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.pose.follow import _REACH as JUMP
from engine.pose.follow import _TORSO as TORSO
from engine.pose.region import _MARGIN as MARGIN
from export.gpu_frame.crop import Crop, crop_matrix
from export.gpu_frame.states import Step, doubles, flags, low_pass
from export.torch_graph import TorchGraph

CROP = 256
_JOINTS, _HIPS, _TOP = 33, 33, 34
_REACH, _CONFIDENT = 3, 0.5
_PATIENCE_S = 1.0
_SPEED_CUTOFF_HZ, _VISIBILITY_GAIN = 1.0, 0.1


class Sight(NamedTuple):
    """What was seen in one frame; without anybody, the numbers mean nothing.

    Attributes:
        somebody: () bool.
        keypoints: (33, 2) px of the camera's picture.
        scores: (33,) in [0, 1].
        world: (33, 3) metres.
        presence: () in [0, 1], as the network has it.
    """

    somebody: Tensor
    keypoints: Tensor
    scores: Tensor
    world: Tensor
    presence: Tensor


class Settle(Step):
    """MediaPipe's smoothing of one array: `engine.pose.settle.Settling`."""

    raw: Tensor
    speed: Tensor
    value: Tensor

    def __init__(self, shape: tuple[int, int], min_cutoff_hz: float, beta: float) -> None:
        super().__init__()
        self._min_cutoff_hz, self._beta = min_cutoff_hz, beta
        self.begin(raw=doubles(*shape), speed=doubles(*shape), value=doubles(*shape))

    def forward(
        self, values: Tensor, size: Tensor | float, step_s: Tensor, known: Tensor, found: Tensor
    ) -> Tensor:
        """The smoothed values; the state stays as it is unless somebody was found."""
        rate = (values - self.raw) / size / step_s
        speed = self.speed + low_pass(_SPEED_CUTOFF_HZ, step_s) * (rate - self.speed)
        gain = low_pass(self._min_cutoff_hz + self._beta * speed.abs(), step_s)
        value = torch.where(known, self.value + gain * (values - self.value), values)
        speed = torch.where(known, speed, 0.0)
        self.keep(
            raw=torch.where(found, values, self.raw),
            speed=torch.where(found, speed, self.speed),
            value=torch.where(found, value, self.value),
        )
        return value


class Look(Step):
    """From a picture to a person's landmarks, by the region of the frame before.

    Args:
        model: the landmark network as ONNX, of `engine.pose.networks`.
        scale_xy: the camera's pixels for one of the picture that is looked at.
    """

    region: Tensor
    followed: Tensor
    known: Tensor
    visibility: Tensor
    last_middle: Tensor
    last_size: Tensor
    away_s: Tensor
    scale: Tensor
    offsets: Tensor
    torso: Tensor
    upright: Tensor

    def __init__(self, model: bytes, scale_xy: tuple[float, float] = (1.0, 1.0)) -> None:
        super().__init__()
        self.network: nn.Module = TorchGraph(model).eval()
        self.crop = Crop(CROP, replicate=True)
        self.picture = Settle((_JOINTS, 2), 0.05, 80.0)
        self.settled_world = Settle((_JOINTS, 3), 0.1, 40.0)
        self.begin(
            region=torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64),
            followed=flags(1), known=flags(1), visibility=doubles(_JOINTS),
            last_middle=doubles(2), last_size=doubles(1), away_s=doubles(1, fill=torch.inf),
        )  # fmt: skip
        self.constants(
            scale=scale_xy, offsets=torch.arange(-_REACH, _REACH + 1), torso=TORSO,
            upright=[0.0, 0.0, 1.0],
        )  # fmt: skip

    def forward(
        self, image: Tensor, elapsed_s: Tensor, found_anew: Tensor, found_at: Tensor
    ) -> Sight:
        """One frame.

        Args:
            image: (H, W, 3) uint8, not over 640 px.
            elapsed_s: () since the frame before.
            found_anew: () bool, whether the host has found somebody.
            found_at: (4,) the region where, x, y, side and rotation.
        """
        looked_at = torch.where(found_anew, found_at, self.region)
        landmarks, presence, heatmap, world = self.network(
            self.crop(image, crop_matrix(looked_at, CROP))
        )
        expected = self.followed[0] | found_anew
        return self.read(landmarks, presence, heatmap, world, looked_at, expected, elapsed_s)

    def read(
        self, landmarks: Tensor, presence: Tensor, heatmap: Tensor, world: Tensor,
        looked_at: Tensor, expected: Tensor, elapsed_s: Tensor,
    ) -> Sight:  # fmt: skip
        """What the network made of a region (4,), where somebody is expected () bool, or not."""
        step_s = elapsed_s.clamp(min=1e-3)
        raw = landmarks.reshape(-1, 5)
        points = self._refine(raw[:, :2] / CROP, heatmap[0]).double()
        matrix = crop_matrix(looked_at, 1)
        keypoints = points @ matrix[:, :2].T + matrix[:, 2]
        region = region_around(keypoints[_HIPS], keypoints[_TOP])
        found = (
            expected & (presence[0, 0] > _CONFIDENT)
            & torch.isfinite(keypoints).all() & torch.isfinite(region).all() & (region[2] > 0)
        )  # fmt: skip
        visibility = torch.sigmoid(raw[:_JOINTS, 3].double())
        placed = self._turned(world.reshape(-1, 3)[:_JOINTS].double(), looked_at[3])
        keypoints = keypoints[:_JOINTS]
        keypoints = self.picture(keypoints, region[2], step_s, self.known[0], found)
        placed = self.settled_world(placed, 1.0, step_s, self.known[0], found)
        eased = self.visibility + _VISIBILITY_GAIN * (visibility - self.visibility)
        scores = torch.where(self.known[0], eased, visibility)
        self.keep(
            region=torch.where(found, region, self.region),
            followed=found, known=found,
            visibility=torch.where(found, scores, self.visibility),
        )  # fmt: skip
        keypoints = (keypoints * self.scale).float().double()  # a Pose is in float32
        somebody = self._choose(keypoints, found, step_s)
        return Sight(
            somebody, keypoints, scores.float().double(), placed.float().double(), presence[0, 0]
        )

    def _refine(self, points: Tensor, heatmap: Tensor) -> Tensor:
        """`engine.pose._kernels_refine.refine`: (K, 2) in [0, 1] by (K, H, W) heatmaps."""
        height, width = heatmap.shape[1:]
        x, y = points[:, 0] * width, points[:, 1] * height
        near = (x > -1) & (x < width) & (y > -1) & (y < height + _REACH)
        whole = torch.nan_to_num(torch.stack([x, y])).clamp(-1e6, 1e6).trunc().long()
        columns, rows = whole[..., None] + self.offsets  # (K, 7) each
        inside_c, inside_r = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
        at = inside_r[:, :, None] * width + inside_c[:, None]
        logits = heatmap.flatten(1).gather(1, at.flatten(1)).reshape(at.shape).double()
        inside = (columns == inside_c)[:, None] & (rows == inside_r)[:, :, None]
        weight = torch.sigmoid(logits) * inside
        total = weight.sum((1, 2))
        across = (weight * columns[:, None]).sum((1, 2)) / total / width
        down = (weight * rows[:, :, None]).sum((1, 2)) / total / height
        moved = near & (weight.amax((1, 2)) >= _CONFIDENT) & (total > 0)
        centre = torch.stack([across, down], 1).float()
        return torch.where(moved[:, None], centre, points)

    def _turned(self, world: Tensor, rotation: Tensor) -> Tensor:
        """`engine.pose.region.Region.turned`."""
        cos, sin = torch.cos(rotation), torch.sin(rotation)
        none = torch.zeros_like(cos)
        turn = torch.stack([cos, -sin, none, sin, cos, none])
        return world @ torch.cat([turn.reshape(2, 3), self.upright[None]]).T

    def _choose(self, keypoints: Tensor, found: Tensor, step_s: Tensor) -> Tensor:
        """`engine.pose.follow.Follower.choose` for at most one person."""
        torso = keypoints[self.torso]
        middle = torso.mean(0)
        size = norm(torso[:2].mean(0) - torso[2:].mean(0)) + norm(torso[0] - torso[1])
        away = self.away_s[0] + step_s
        new = away > _PATIENCE_S
        chosen = found & (new | (norm(middle - self.last_middle) <= JUMP * self.last_size[0]))
        self.keep(
            last_middle=torch.where(chosen, middle, self.last_middle),
            last_size=torch.where(chosen, size, self.last_size[0]),
            away_s=torch.where(chosen, 0.0, away),
        )
        return chosen


def region_around(hips: Tensor, top: Tensor) -> Tensor:
    """(4,) `engine.pose.region.Region.around`."""
    across, up = top[0] - hips[0], hips[1] - top[1]
    rotation = torch.pi / 2 - torch.atan2(up, across)
    turns = 2 * torch.pi
    rotation = rotation - turns * torch.round(rotation / turns)
    side = 2 * torch.hypot(across, up) * MARGIN
    return torch.stack([hips[0], hips[1], side, rotation])


def norm(vector: Tensor) -> Tensor:
    """Length of (..., N)."""
    return (vector * vector).sum(-1).sqrt()

"""The measuring of a person, in torch: `engine.motion._kernels_person.observe`.

Rows, units and constants are those of the kernels; what they branch on is chosen here.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.motion import _kernels_person as kernels
from engine.motion.calibrate import (
    _MIRRORED_PAIRS,
    _PAIRS,
    _PRIOR_EVIDENCE_S,
    CALIBRATION_S,
    PRIOR_LEAN,
    PRIOR_M,
    PRIOR_PITCH,
    SEGMENT_ENDS,
)
from export.gpu_frame.look import Sight, norm
from export.gpu_frame.states import Step, doubles, smoothstep

MAX_STEP_S = 0.1  # as `engine.motion.normalise`
_RIGHT = (2, 3, 4, 8, 9, 10)


def _other_side() -> list[int]:
    """Each of the 22 rows on the other side of the body."""
    rows = list(range(22))
    for right in (2, 3, 4, 8, 9, 10, 14, 16, 18):
        left = right + (3 if right < 14 else 1)
        rows[right], rows[left] = left, right
    return rows


class Measured(NamedTuple):
    """A person as of this frame.

    Attributes:
        body: (22, 4) px and score.
        px_per_m: ().
        lengths_m: (10,).
        head_axes: (2, 3).
        turned: () bool, whether left and right have changed places for good.
        calibrating: () bool, as of before this frame.
    """

    body: Tensor
    px_per_m: Tensor
    lengths_m: Tensor
    head_axes: Tensor
    turned: Tensor
    calibrating: Tensor


class Person(Step):
    """What is known of the person before the camera.

    Args:
        size_wh: of the camera's picture, px.
        mirror: see the person as in a mirror.
    """

    body: Tensor
    px_per_m: Tensor
    pitch: Tensor
    lean: Tensor
    left_s: Tensor
    sized: Tensor
    swapped_s: Tensor
    lengths: Tensor
    evidence_s: Tensor
    collected: Tensor
    axes: Tensor
    pairs: Tensor
    ends: Tensor
    prior: Tensor
    rise: Tensor
    right: Tensor
    left: Tensor
    swap: Tensor
    facing: Tensor
    down: Tensor
    counted: Tensor

    def __init__(self, size_wh: tuple[int, int], *, mirror: bool = False) -> None:
        super().__init__()
        self._width, self._height = size_wh
        self._mirror = mirror
        prior = torch.from_numpy(PRIOR_M.copy())
        facing = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]], dtype=torch.float64)
        counted = torch.ones(kernels.COLLECTED, 2, dtype=torch.bool)
        counted[kernels.SEGMENTS :, 1] = False  # the pitch and the lean have no sides
        self.begin(
            body=doubles(22, 4), px_per_m=doubles(1, fill=torch.nan),
            pitch=doubles(1, fill=PRIOR_PITCH), lean=doubles(1, fill=PRIOR_LEAN),
            left_s=doubles(1), sized=doubles(1), swapped_s=doubles(1),
            lengths=prior, evidence_s=doubles(kernels.SEGMENTS, fill=_PRIOR_EVIDENCE_S),
            collected=doubles(kernels.COLLECTED, 2), axes=facing,
        )  # fmt: skip
        self.constants(
            pairs=_MIRRORED_PAIRS if mirror else _PAIRS, ends=SEGMENT_ENDS, prior=prior,
            rise=kernels.RISE, right=_RIGHT, left=[row + 3 for row in _RIGHT],
            swap=_other_side(), facing=facing, down=[0.0, 1.0, 0.0], counted=counted,
        )  # fmt: skip

    def forward(self, sight: Sight, elapsed_s: Tensor, calibrate: Tensor) -> Measured:
        """One frame.

        Args:
            sight: the person, or nobody.
            elapsed_s: () since the frame before.
            calibrate: () bool, measure anew from now on.
        """
        seen, dt = sight.somebody, elapsed_s.clamp(max=MAX_STEP_S)
        asked_s = torch.where(calibrate, CALIBRATION_S, self.left_s[0])
        emptied = torch.where(calibrate, 0.0, self.collected)
        calibrating = asked_s > 0

        place, metres, score = self._convert(sight)
        scale = self._fit_scale(place, metres, score)
        fits, first = torch.isfinite(scale), ~torch.isfinite(self.px_per_m[0])
        px_per_m = self._scale(scale, fits, first, dt)
        depth = metres[:, 2] * px_per_m
        depth = torch.where(torch.isfinite(depth), depth, 0.0)
        body = torch.cat([place, depth[:, None], score[:, None]], 1)

        swapped = self._sides_swapped(body, px_per_m)
        swapped_s = self.swapped_s[0] + dt
        undo = swapped & (swapped_s < kernels.SWAP_S)
        turned = swapped & ~undo
        body = torch.where(undo, body[self.swap], body)

        measured = self._segments(body, px_per_m, fits)
        sized, lengths, evidence_s = self._lengths(measured, fits, dt)
        axes, pitch, lean, body = self._axes(body, first, dt)
        pitch_now = _towards(self.pitch[0], pitch, PRIOR_PITCH, dt)
        lean_now = _towards(self.lean[0], lean, PRIOR_LEAN, dt)

        # A calibration that was asked for.
        learns = calibrating & (body[1, 3] >= kernels.SEEN)
        told = torch.cat([measured, torch.stack([pitch, lean])[:, None].expand(2, 2)])
        known = torch.isfinite(told) & self.counted
        weighed = torch.where(known, told, 0.0).sum(1)
        more = dt * torch.stack([weighed, known.sum(1).double()], 1)
        collected = torch.where(learns, emptied + more, emptied)
        over = asked_s - dt
        left_s = torch.where(learns, over.clamp(min=0.0), asked_s)
        done = learns & (over <= 0) & (collected[:, 1] > 0.2)
        mean = collected[:, 0] / collected[:, 1]
        lengths = torch.where(done[:-2], mean[:-2], lengths)
        evidence_s = torch.where(done[:-2], kernels.MEMORY_S, evidence_s)
        pitch_now = torch.where(done[-2], mean[-2], pitch_now)
        lean_now = torch.where(done[-1], mean[-1], lean_now)

        def if_seen(new: Tensor, old: Tensor) -> Tensor:
            return torch.where(seen, new, old)

        lost = torch.cat([self.body[:, :3], torch.zeros_like(self.body[:, 3:])], 1)
        body = if_seen(body, lost)
        px_per_m = if_seen(px_per_m, self.px_per_m[0])
        lengths, axes = if_seen(lengths, self.lengths), if_seen(axes, self.axes)
        self.keep(
            body=body, px_per_m=px_per_m, lengths=lengths, axes=axes,
            pitch=if_seen(pitch_now, self.pitch[0]), lean=if_seen(lean_now, self.lean[0]),
            left_s=if_seen(left_s, asked_s), collected=if_seen(collected, emptied),
            sized=if_seen(sized, self.sized[0]), evidence_s=if_seen(evidence_s, self.evidence_s),
            swapped_s=if_seen(torch.where(undo, swapped_s, 0.0), self.swapped_s[0]),
        )  # fmt: skip
        return Measured(body, px_per_m, lengths, axes, turned & seen, calibrating)

    def _convert(self, sight: Sight) -> tuple[Tensor, Tensor, Tensor]:
        """`convert_pose`: (22, 2) px, (22, 3) metres, (22,) scores."""
        width, height = self._width, self._height
        at = sight.keypoints[self.pairs].mean(1)
        x, y = at.unbind(1)
        both = sight.scores[self.pairs]
        inside = (
            (x >= -0.2 * width) & (x <= 1.2 * width) & (y >= -0.2 * height)
            & (y <= 1.2 * height) & torch.isfinite(both).all(1)
        )  # fmt: skip
        score = torch.where(inside, both.amin(1).clamp(0, 1), 0.0)
        missing = torch.isnan(x) | torch.isnan(y)
        x = torch.where(missing, 0.5 * width, x).clamp(-width, 2 * width)
        y = torch.where(missing, 0.5 * height, y).clamp(-height, 2 * height)
        metres = sight.world[self.pairs].mean(1)
        metres = torch.where(metres.abs() < 10, metres, torch.nan)
        if self._mirror:
            x = width - x
            metres = torch.cat([-metres[:, :1], metres[:, 1:]], 1)
        eyes = (score[0] + score[14] + score[15]) / 3
        ears = torch.maximum(0.5 * (score[16] + score[17]), eyes)
        score = torch.cat([score[:21], ears[None]])
        return torch.stack([x, y], 1), metres, score

    @staticmethod
    def _fit_scale(place: Tensor, metres: Tensor, score: Tensor) -> Tensor:
        """`fit_scale`: (), NaN where too little is seen."""
        pixels, world = place[2:14], metres[2:14, :2]
        known = torch.isfinite(world).all(1)
        world = torch.where(known[:, None], world, 0.0)
        weighed = smoothstep((score[2:14] - 0.3) / 0.5) * known
        trust, fits = torch.ones_like(weighed), known.any()
        scale = weighed.sum()
        for _ in range(3):
            weight = (trust * weighed)[:, None]
            total = weight.sum()
            from_k = pixels - (weight * pixels).sum(0) / total
            from_m = world - (weight * world).sum(0) / total
            across = (weight * from_k * from_m).sum()
            along = (weight * from_m * from_m).sum()
            fits = fits & (total >= 1.5) & (along >= 1e-4) & (across > 0)
            scale = across / along
            off = from_k / scale - from_m
            trust = 1 / (1 + (off * off).sum(1) / 0.06**2)
            # A joint without weight keeps its trust, which nothing asks for.
        return torch.where(fits, scale, torch.nan)

    def _scale(self, scale: Tensor, fits: Tensor, first: Tensor, dt: Tensor) -> Tensor:
        """Pixels per metre."""
        old = self.px_per_m[0]
        share = scale / old
        jumps = (self.sized[0] == 0) | ~((share > 0.6) & (share < 1.6))
        moved = ((share - 1).abs() - kernels.SCALE_WAVERS) / (
            kernels.SCALE_MOVES - kernels.SCALE_WAVERS
        )
        slow = 1 / kernels.SCALE_SLOW_TAU_S
        rate = slow + smoothstep(moved) * (1 / kernels.SCALE_TAU_S - slow)
        followed = old + (1 - torch.exp(-dt * rate)) * (scale - old)
        unfit = torch.where(first, 0.4 * self._height, old)
        return torch.where(fits, torch.where(jumps, scale, followed), unfit)

    def _sides_swapped(self, body: Tensor, px_per_m: Tensor) -> Tensor:
        """`sides_swapped`: () bool."""
        r, k = body[self.right], body[self.left]
        r0, k0 = self.body[self.right], self.body[self.left]
        least = torch.stack([r[:, 3], k[:, 3], r0[:, 3], k0[:, 3]]).amin(0)
        counted = (least >= 0.3).double()
        straight = ((norm((r - r0)[:, :3]) + norm((k - k0)[:, :3])) * counted).sum()
        crossed = ((norm((r - k0)[:, :3]) + norm((k - r0)[:, :3])) * counted).sum()
        far = straight > 0.08 * px_per_m * 2 * counted.sum()
        return far & (crossed < 0.5 * straight)

    def _segments(self, body: Tensor, px_per_m: Tensor, fits: Tensor) -> Tensor:
        """`measure_segments`: (10, 2) metres, NaN where not seen."""
        ends = body[self.ends]  # (10, 2, 2, 4)
        length = norm(ends[:, :, 0, :3] - ends[:, :, 1, :3]) / px_per_m
        seen = (ends[..., 3] >= kernels.SEEN).all(2) & fits
        return torch.where(seen, length, torch.nan)

    def _lengths(self, measured: Tensor, fits: Tensor, dt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Whether the person was measured, `update_lengths`, and its evidence."""
        known = torch.isfinite(measured)
        ratios = torch.where(known, measured / self.prior[:, None], torch.inf)[:-1].flatten()
        ordered, count = ratios.sort().values, known[:-1].sum()  # by all but the head
        middle = torch.stack([(count - 1).clamp(min=0) // 2, count // 2])
        size = ordered[middle].mean().clamp(0.5, 1.6)
        begins = (self.sized[0] == 0) & fits & (count >= 3)
        lengths = torch.where(begins, self.prior * size, self.lengths)

        dt, sides = dt.clamp(min=1e-3), known.sum(1)
        mean = torch.where(known, measured, 0.0).sum(1) / sides
        step = torch.minimum(torch.maximum(mean - lengths, -0.5 * lengths), 0.5 * lengths)
        evidence_s = (self.evidence_s + dt).clamp(max=kernels.MEMORY_S)
        gain = (dt / evidence_s).clamp(max=0.5)
        updated = lengths + gain * torch.where(step > 0, self.rise, 2 - self.rise) * step
        seen = sides > 0
        return (
            torch.where(begins, 1.0, self.sized[0]),
            torch.where(seen, updated, lengths),
            torch.where(seen, evidence_s, self.evidence_s),
        )

    def _axes(
        self, body: Tensor, first: Tensor, dt: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Head axes, the pitch and the lean that were seen, and the body with a straight neck."""
        hips_seen = body[20, 3] >= 0.3
        down = torch.where(hips_seen, body[20, :3] - body[1, :3], self.down)
        x = body[5, :3] - body[2, :3]
        torso, squares = orthonormal(torch.stack([x, -torch.linalg.cross(x, down)]))
        torso = torch.where(squares & (body[1, 3] >= 0.3), torso, self.facing)
        target, pitch = self._face(body, torso)
        body, lean = self._straighten(body, torso)
        step = 1 - torch.exp(-dt / kernels.HEAD_TAU_S)
        eased, squares = orthonormal(self.axes + step * (target - self.axes))
        return torch.where(first, target, torch.where(squares, eased, self.axes)), pitch, lean, body

    def _face(self, body: Tensor, torso: Tensor) -> tuple[Tensor, Tensor]:
        """`face_axes`."""
        score = (body[0, 3] + body[14:18, 3].sum()) / 5
        trust = smoothstep((score - 0.3) / 0.4)
        ears, eyes = body[17, :3] - body[16, :3], body[15, :3] - body[14, :3]
        x = ears / (norm(ears) + 1e-9) + eyes / (norm(eyes) + 1e-9)
        own, squares = orthonormal(torch.stack([x, body[0, :3] - body[21, :3]]))
        trusted = (trust > 0) & squares
        x, forward = own
        pitch = torch.arcsin(forward[1].clamp(-1, 1))
        down = torch.linalg.cross(x, forward)
        level = torch.cos(self.pitch[0]) * forward - torch.sin(self.pitch[0]) * down
        trust = trust * smoothstep(((level * torso[1]).sum() + 0.6) / 0.4)
        mixed, squares = orthonormal(torso + trust * (torch.stack([x, level]) - torso))
        axes = torch.where(trusted & squares, mixed, torso)
        told = trusted & (trust > 0.8) & (-forward[2] > 0.85)
        return axes, torch.where(told, pitch, torch.nan)

    def _straighten(self, body: Tensor, torso: Tensor) -> tuple[Tensor, Tensor]:
        """`straighten_neck`."""
        x, forward = torso
        down = torch.linalg.cross(x, forward)
        neck = body[21, :3] - body[1, :3]
        ahead, up = (neck * forward).sum(), -(neck * down).sum()
        cos, sin = torch.cos(self.lean[0]), torch.sin(self.lean[0])
        back, high = cos * ahead - sin * up, sin * ahead + cos * up
        moved = body[21, :3] + (back - ahead) * forward - (high - up) * down
        seen = torch.stack([body[1, 3], body[20, 3], body[21, 3]]).amin() >= kernels.SEEN
        lean = torch.where(seen, torch.atan2(ahead, up), torch.nan)
        return torch.cat([body[:21], torch.cat([moved, body[21, 3:]])[None]]), lean


def orthonormal(pair: Tensor) -> tuple[Tensor, Tensor]:
    """`_orthonormalise` of (2, 3), and whether there is such a pair."""
    lengths = norm(pair)
    unit = pair / lengths[:, None]
    cosine = (unit[0] * unit[1]).sum()
    fits = (lengths > 1e-9).all() & (cosine.abs() < 0.95)
    half = unit - 0.5 * cosine * unit.flip(0)
    x = half[0] / norm(half[0])
    forward = half[1] - (half[1] * x).sum() * x
    return torch.stack([x, forward / norm(forward)]), fits


def _towards(old: Tensor, seen: Tensor, prior: float, dt: Tensor) -> Tensor:
    """`_towards`: a habit of posture after `dt`."""
    bounded = seen.clamp(prior - kernels.POSTURE_RANGE, prior + kernels.POSTURE_RANGE)
    moved = old + (dt / kernels.POSTURE_TAU_S).clamp(max=1.0) * (bounded - old)
    return torch.where(torch.isnan(seen), old, moved)

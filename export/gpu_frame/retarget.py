"""A measured person on a character's body, in torch: `engine.motion._kernels.retarget`.

Rows, units and constants are those of the kernels; what they branch on is chosen here, and what
they add up along the limbs is a product with a matrix.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.motion import _kernels as kernels
from engine.motion import _kernels_stand as stand
from engine.motion.calibrate import SEGMENT_ENDS
from engine.motion.normalise import _PARENTS, _RECALIBRATION_S, Normaliser
from engine.motion.proportions import CharacterSkeleton
from export.gpu_frame.clear import ClearHead
from export.gpu_frame.person import Measured
from export.gpu_frame.states import Step, doubles, either, flags, smoothstep

_NEW_AFTER_S = 2.0
_LEGS = (9, 10, 12, 13)


def _paths() -> NDArray[np.bool_]:
    """(20, 20): row j is true for joint j and all that it hangs from, but not for the neck."""
    found = np.zeros((20, 20), np.bool_)
    for joint in range(20):
        at = joint
        while at != 1:
            found[joint, at] = True
            at = int(_PARENTS[at])
    return found


def _carried() -> NDArray[np.float64]:
    """(21, 18): which segments, right and left in turn, make up each joint's offset."""
    found = np.zeros((21, 18))
    for segment in range(9):
        for side in range(2):
            if segment == 8:
                found[0, 16] = 1
            else:
                row = 8 + 3 * side if segment == 1 else SEGMENT_ENDS[segment, side, 1]
                found[row, 2 * segment + side] = 1
    return found


class Retarget(Step):
    """The motion of one character.

    Args:
        character: whose proportions.
        size: of its picture, px.
        clear_head: keep its arms off its head where the person's are.
    """

    seen: Tensor
    root: Tensor
    measured: Tensor
    unseen_s: Tensor
    held: Tensor
    seen_s: Tensor
    eased: Tensor
    lengths_px: Tensor
    ends: Tensor
    head: Tensor
    rest: Tensor
    rest_offsets: Tensor
    paths: Tensor
    sums: Tensor
    carried: Tensor
    score_rows: Tensor
    head_rows: Tensor
    legs: Tensor
    hips_of_legs: Tensor
    at_first: Tensor
    planar: Tensor
    turns: Tensor

    def __init__(self, character: CharacterSkeleton, size: int, *, clear_head: bool = True) -> None:
        super().__init__()
        new = Normaliser(character, size=size)
        head = new._head - 0.5 * (new._head[3] + new._head[4])  # about the middle of the ears
        self._size, self._floor_y = float(size), float(character.floor_y)
        px = new._character_px
        self.clear = ClearHead(px) if clear_head else None
        self._leg_px = 0.5 * float(px[5].sum() + px[6].sum())
        self._torso_px = 0.5 * float(px[1].sum())
        rest_offsets = torch.from_numpy(new._rest_offsets.copy())
        self._ankle_gap = self._floor_y - float(max(new._rest[10, 1], new._rest[13, 1]))
        self._toe_gap = self._floor_y - float(max(new._rest[18, 1], new._rest[19, 1]))
        self._feet_x = 0.5 * float(new._rest[10, 0] + new._rest[13, 0])
        self.begin(
            seen=flags(21), root=torch.from_numpy(new._root.copy()), measured=doubles(21, 3),
            unseen_s=doubles(21, fill=1e6), held=rest_offsets, seen_s=doubles(21, fill=1e6),
            eased=rest_offsets,
        )  # fmt: skip
        paths = _paths()
        rows = list(range(20))
        for joint in (0, 14, 15, 16, 17):
            rows[joint] = 21  # the head is seen where the middle of the ears is
        rows[8] = rows[11] = 20  # and the hips where their middle is
        self.constants(
            lengths_px=px[:9], ends=SEGMENT_ENDS[:9], head=head, rest=new._rest,
            rest_offsets=rest_offsets, paths=paths | (np.arange(20) == 1),
            sums=paths.astype(float), carried=_carried(),
            score_rows=rows, head_rows=[0, 14, 15, 16, 17], legs=_LEGS,
            hips_of_legs=[8, 8, 11, 11], planar=[1.0, 1.0, 0.0],
            at_first=0.5 * (new._rest_offsets[8] + new._rest_offsets[11]),
            turns=np.isin(np.arange(21), stand.STANDING)[:, None],
        )  # fmt: skip

    def forward(self, person: Measured, somebody: Tensor, elapsed_s: Tensor) -> Tensor:
        """(20, 4) float32 joints in the character's picture.

        Args:
            person: as measured; without somebody, as they were.
            somebody: () bool.
            elapsed_s: () since the frame before.
        """
        root = dict(enumerate(self.root.unbind()))
        first = root[kernels.STARTED] == 0
        unseen_s = torch.where(person.turned, self.unseen_s.clamp(min=1e-9), self.unseen_s)
        new = somebody & (unseen_s[1] > _NEW_AFTER_S)
        for place in (kernels.FLOOR_Y, kernels.NECK_X, kernels.HIPS_X):
            root[place] = torch.where(new, torch.nan, root[place])

        seen = self._update_seen(person.body) & somebody
        by_hips = root[kernels.BY_HIPS]
        measured = torch.where(somebody, self._limbs(person), self.measured)
        neck, ground, moved = self._root(person, somebody, seen, measured, root, elapsed_s)
        root |= moved  # they stay as they were where nobody is seen
        measured = torch.cat([measured[:1], neck[None], measured[2:20], ground[None]])
        switched = root[kernels.BY_HIPS] != by_hips
        appeared = torch.where(switched, unseen_s[1].clamp(min=1e-9), unseen_s[1])
        unseen_s = torch.cat([unseen_s[:1], appeared[None], unseen_s[2:]])

        step = torch.where(first, 1.0, elapsed_s / kernels.FLOOR_S)
        goal = seen[20].double() - root[kernels.ON_FLOOR]
        eased_in = root[kernels.ON_FLOOR] + torch.minimum(torch.maximum(goal, -step), step)
        root[kernels.ON_FLOOR] = torch.where(seen[1], eased_in, root[kernels.ON_FLOOR])
        eased = self._ease(measured, seen, unseen_s, elapsed_s, first)
        root[kernels.STARTED] = torch.ones_like(root[kernels.STARTED])
        self.keep(
            seen=seen, root=torch.stack([root[place] for place in range(kernels.SCALARS)]),
            measured=measured,
        )  # fmt: skip
        return self._place(eased, root)

    def _update_seen(self, body: Tensor) -> Tensor:
        """`update_seen`: (21,)."""
        limit = either(self.seen[:20], kernels.VANISH, kernels.APPEAR)
        own = body[self.score_rows, 3] >= limit
        seen = (own | ~self.paths).all(1)
        return torch.cat([seen, (seen[10] | seen[13])[None]])

    def _limbs(self, person: Measured) -> Tensor:
        """`limb_offsets` and `clear_head`: (21, 3); rows 1 and 20 are left as they were."""
        ends = person.body[self.ends][..., :3]  # (9, 2, 2, 3)
        ratio = self.lengths_px / (person.lengths_m[:9] * person.px_per_m)[:, None]
        bones = ratio[..., None] * (ends[:, :, 1] - ends[:, :, 0])
        # `scale_bone`
        longest = kernels.STRETCH * self.lengths_px
        flat = bones[..., :2].square().sum(-1).sqrt()
        shrink = torch.where(flat > longest, longest / flat, 1.0)
        flat = torch.minimum(flat, longest)
        deepest = (longest * longest - flat * flat).clamp(min=0).sqrt()
        depth = torch.minimum(deepest, torch.maximum(-deepest, bones[..., 2]))
        bones = torch.cat([bones[..., :2] * shrink[..., None], depth[..., None]], -1)
        offsets = self.carried @ bones.reshape(18, 3)
        x, forward = person.head_axes
        axes = torch.stack([x, torch.linalg.cross(x, forward), -forward])
        head = offsets[0] + self.head @ axes
        offsets = torch.cat([
            head[:1], self.measured[1:2], offsets[2:14], head[1:], offsets[18:20],
            self.measured[20:],
        ])  # fmt: skip
        return offsets if self.clear is None else self.clear(person, offsets)

    def _root(
        self, person: Measured, somebody: Tensor, seen: Tensor, measured: Tensor,
        root: dict[int, Tensor], dt: Tensor,
    ) -> tuple[Tensor, Tensor, dict[int, Tensor]]:  # fmt: skip
        """`root_offsets`: rows 1 and 20 of what is measured, and the root's numbers."""
        body, px_per_m = person.body, person.px_per_m
        hips, feet = seen[1] & seen[8], seen[20]
        tau = either(person.calibrating, _RECALIBRATION_S, kernels.REFERENCE_TAU_S)
        forget = 1 - torch.exp(-dt / tau)
        moved: dict[int, Tensor] = {}
        for anchor, at, there in (
            (1, kernels.NECK_X, seen[1]), (20, kernels.HIPS_X, hips),
        ):  # fmt: skip
            known = torch.isfinite(root[at])
            for axis in range(2):
                place = body[anchor, axis]
                old = torch.where(known, root[at + axis], place)
                moved[at + axis] = torch.where(
                    there, old + forget * (place - old), root[at + axis]
                )  # fmt: skip
        from_hips = body[20, :2] - torch.stack([moved[kernels.HIPS_X], moved[kernels.HIPS_Y]])
        from_neck = body[1, :2] - torch.stack([moved[kernels.NECK_X], moved[kernels.NECK_Y]])
        torso_scale = self._torso_px / person.lengths_m[1]
        away = torch.where(hips, from_hips, from_neck) * torso_scale / px_per_m
        size, leg_px = self._size, self._leg_px
        across = soft_limit(away[0], -0.12 * size, 0.12 * size)
        down = soft_limit(away[1], -0.03 * leg_px, 0.35 * leg_px)
        neck = torch.stack([across, down, torch.zeros_like(across)])
        lifted = neck - (0.5 * (measured[8] + measured[11]) - self.at_first) * self.planar
        neck = torch.where(hips, lifted, neck)
        neck = torch.where(seen[1], neck, measured[1])
        moved[kernels.BY_HIPS] = torch.where(seen[1], hips.double(), root[kernels.BY_HIPS])

        # The lowest point of each foot, which carries the body, and how long it has been still.
        toes = torch.where(seen[18:20], body[18:20, 1], -torch.inf)
        ankles = torch.stack([body[10, 1], body[13, 1]])
        lows = torch.maximum(ankles + kernels.ANKLE_M * px_per_m, toes)
        lows = torch.where(torch.stack([seen[10], seen[13]]), lows, -torch.inf)
        low = lows.amax()
        carries = torch.exp((lows - low) / (0.06 * px_per_m))
        stance = carries[0] / carries.sum()
        feet_x = stance * body[10, 0] + (1 - stance) * body[13, 0]
        known = torch.isfinite(root[kernels.FLOOR_Y])
        floor, last_low = (
            torch.where(known, root[place], low) for place in (kernels.FLOOR_Y, kernels.LOW_Y)
        )
        reference = torch.where(known, root[kernels.FEET_X], feet_x)
        reference = reference + forget * (feet_x - reference)
        slow = (low - last_low).abs() < kernels.STANDING_M_PER_S * px_per_m * dt
        before_s = root[kernels.STILL_S]
        still_s = torch.where(slow, before_s + dt, (before_s - 2 * dt).clamp(min=0))
        still_s = torch.where(dt > 0, still_s.clamp(max=2 * kernels.STANDING_S), before_s)
        stands = either(still_s > kernels.STANDING_S, kernels.STANDING_TAU_S, kernels.FLYING_TAU_S)
        tau = torch.where(low >= floor, kernels.LANDING_TAU_S, stands)
        floor = floor + (1 - torch.exp(-dt / tau)) * (low - floor)

        # In a jump the hips rise with the feet.
        rise = torch.minimum(floor - low, moved[kernels.HIPS_Y] - body[20, 1])
        metres = (rise / px_per_m).clamp(min=0)
        jump = torch.where(
            metres < kernels.FLAT_M,
            metres * metres / (2 * kernels.FLAT_M), metres - 0.5 * kernels.FLAT_M,
        )  # fmt: skip
        leg_scale = leg_px / (person.lengths_m[5] + person.lengths_m[6])
        travel = soft_limit(
            (feet_x - reference) / px_per_m * leg_scale, -0.15 * size, 0.15 * size
        )  # fmt: skip
        height = soft_limit(jump * leg_scale, -0.12 * size, 0.12 * size)
        ground = torch.stack([travel, height, torch.zeros_like(travel)])
        ground = torch.where(feet, ground, measured[20])
        told = {
            kernels.FLOOR_Y: floor, kernels.LOW_Y: low, kernels.FEET_X: reference,
            kernels.STANCE: stance,
        }  # fmt: skip
        for at, told_now in told.items():
            moved[at] = torch.where(feet, told_now, root[at])
        unseen_still = torch.where(somebody, 0.0, before_s)
        moved[kernels.STILL_S] = torch.where(feet, still_s, unseen_still)
        return neck, ground, moved

    def _ease(
        self, measured: Tensor, seen: Tensor, unseen_s: Tensor, dt: Tensor, first: Tensor
    ) -> Tensor:
        """`ease_offset` for all rows."""
        there = seen[:, None]
        changed = torch.where(seen, unseen_s > 0, unseen_s == 0)
        held = torch.where(changed[:, None], self.eased, self.held)
        begun = either(first, kernels.RETURN_S, 0.0)
        seen_s = torch.where(changed, begun, (self.seen_s + dt).clamp(max=kernels.RETURN_S))
        seen_s = torch.where(seen, seen_s, self.seen_s)
        away_s = (unseen_s + dt.clamp(min=1e-9)).clamp(max=1e6)
        unseen_s = torch.where(seen, 0.0, away_s)
        arrived = smoothstep(seen_s / kernels.RETURN_S)
        resting = smoothstep((unseen_s - kernels.HOLD_S) / kernels.REST_S)
        share = torch.where(seen, arrived, resting)[:, None]
        # Shoulders do not depend on how hips and legs stand, which depends on the shoulders.
        target = torch.where(there, measured, self.rest_offsets)
        standing = self._turn_legs(held + share * (target - held))
        target = torch.where(there, measured, standing)
        eased = held + share * (target - held)
        # Legs that nobody drives stay planted and bend, wherever the hips go.
        lifted = eased[1] + eased[self.hips_of_legs] - standing[self.hips_of_legs]
        planted = standing[self.legs] - 0.5 * lifted * self.planar
        legs, old = self.legs, held[self.legs]
        bent = old + share[legs] * (planted - old)
        bent = torch.where(there[legs], eased[legs], bent)
        eased = torch.cat([eased[:9], bent[:2], eased[11:12], bent[2:], eased[14:]])
        self.keep(unseen_s=unseen_s, held=held, seen_s=seen_s, eased=eased)
        return eased

    def _turn_legs(self, eased: Tensor) -> Tensor:
        """`turn_legs`: (21, 3)."""
        of, shoulders = (rows[5] - rows[2] for rows in (self.rest_offsets, eased))
        turn = torch.atan2(
            shoulders[2] * of[0] - shoulders[0] * of[2],
            shoulders[0] * of[0] + shoulders[2] * of[2],
        )
        turn = turn * smoothstep((turn.abs() - stand.TWIST) / (stand.GOES_ALONG - stand.TWIST))
        flat = shoulders[0].square() + shoulders[2].square()
        level = (flat / (shoulders.square().sum() + 1e-9)).sqrt()
        low, high = stand.LEVEL
        turn = turn * smoothstep((level - low) / (high - low))
        x, y, z = self.rest_offsets.unbind(1)
        cosine, sine = turn.cos(), turn.sin()
        turned = torch.stack([cosine * x - sine * z, y, sine * x + cosine * z], 1)
        return torch.where(self.turns, turned, self.rest_offsets)

    def _place(self, eased: Tensor, root: dict[int, Tensor]) -> Tensor:
        """`place`: (20, 4) float32."""
        at = self.sums @ eased[:20]
        ankles = torch.maximum(at[10, 1], at[13, 1]) + self._ankle_gap
        toes = torch.maximum(at[18, 1], at[19, 1]) + self._toe_gap
        stance = root[kernels.STANCE]
        feet = stance * at[10, 0] + (1 - stance) * at[13, 0]
        standing = torch.stack([
            self._feet_x + eased[20, 0] - feet,
            self._floor_y - eased[20, 1] - torch.maximum(ankles, toes),
        ])  # fmt: skip
        neck = self.rest[1, :2] + eased[1, :2]
        neck = neck + smoothstep(root[kernels.ON_FLOOR]) * (standing - neck)
        margin = 0.015 * self._size
        bottom = max(self._size - margin, self._floor_y)
        lowest, highest = at[:, :2].amin(0), at[:, :2].amax(0)
        x = into(neck[0], margin - lowest[0], self._size - margin - highest[0])
        y = into(neck[1], margin - lowest[1], bottom - highest[1])
        placed = [at[:, 0] + x, at[:, 1] + y, at[:, 2], torch.ones_like(at[:, 0])]
        return torch.stack(placed, 1).float()


def soft_limit(x: Tensor, low: float, high: float) -> Tensor:
    """`soft_limit`."""
    bound = either(x >= 0, high, -low)
    return torch.copysign(bound * torch.tanh(x.abs() / bound), x)


def into(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """`_into`: the nearest number to x in [low, high]; the middle where low is above high."""
    near = torch.minimum(torch.maximum(x, low), high)
    return torch.where(low > high, 0.5 * (low + high), near)

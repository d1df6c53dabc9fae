"""A character cut out, from one drawing or several: made at enrolment, used by every frame."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from engine.puppet.frames import FRONTAL, HIDDEN
from engine.puppet.parts import COUNT, GROUPS, HEAD
from training.fewshot.warp.maps import Frames
from training.fewshot.warp.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Layers:
    """For each of B characters an atlas of N cut-out parts, and which L of them to use."""

    pixels: Tensor  # (B, 5, N, S, S), see `masks.cut`
    slots: Tensor  # (B, L) in 0..N-1
    frames: Frames  # of the parts to use
    sampling: Sampling = "bilinear"

    @classmethod
    def of(cls, pixels: Tensor, frames: Frames, sampling: Sampling = "bilinear") -> Self:
        """All parts (B, 5, L, S, S) of one drawing."""
        slots = torch.arange(COUNT, device=pixels.device).expand(len(pixels), -1)
        return cls(pixels, slots, frames, sampling)

    @property
    def size(self) -> int:
        """Width and height in pixels."""
        return int(self.pixels.shape[-1])


@dataclass(frozen=True, slots=True)
class Views:
    """The parts of R drawings of each of B characters; frames have a further axis R."""

    pixels: Tensor  # (B, 5, R * L, S, S)
    frames: Frames
    seen: Tensor  # (B, R, L) share of the most that any of the drawings shows of a part
    sampling: Sampling = "bilinear"

    @classmethod
    def of(cls, drawings: Sequence[Layers]) -> Self:
        """Of R drawings, of the same B characters in the same order."""
        frames = Frames(
            *(torch.stack([getattr(d.frames, f.name) for d in drawings], 1) for f in fields(Frames))
        )
        area = torch.stack([drawing.pixels[:, 3].mean((-1, -2)) for drawing in drawings], 1)
        pixels = torch.cat([drawing.pixels for drawing in drawings], 2)
        seen = area / area.amax(1, keepdim=True).clamp_min(1e-6)
        return cls(pixels, frames, seen, drawings[0].sampling)

    def nearest(self, target: Frames) -> Layers:
        """For each part the drawing that shows it best, see `engine.puppet.frames.nearest`."""
        likeness = (self.frames.view * target.view[:, None]).sum(-1)  # (B, R, L)
        more = HIDDEN * self.seen + FRONTAL * self.frames.view[..., 2].abs()
        more = torch.cat([torch.zeros_like(more[..., :1]), more[..., HEAD + 1 :]], -1)
        worth = likeness + more
        for group in GROUPS:
            worth[..., list(group)] = worth[..., list(group)].mean(-1, keepdim=True)
        best = worth.argmax(1)  # (B, L)
        rows = torch.arange(len(best), device=best.device)
        part = torch.arange(COUNT, device=best.device)
        pick = lambda value: value[rows[:, None], best, part]  # noqa: E731
        head = lambda value: value[rows, best[:, HEAD]]  # noqa: E731
        frames = Frames(
            pick(self.frames.origin), pick(self.frames.axes), pick(self.frames.length),
            head(self.frames.turn), head(self.frames.radius), pick(self.frames.depth),
            pick(self.frames.view),
        )  # fmt: skip
        return Layers(self.pixels, best * COUNT + part, frames, self.sampling)

"""The whole frame as one torch module: camera bytes in, the character over a background out.

Fixed shapes, state on the device, nothing chosen by the processor and nothing waited for: so it can
be captured as one CUDA graph. The steps are those of `engine.stages`, for one person, a character
with a generator of its own, and a background that does not move.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.errors import BackendError
from engine.motion.proportions import CharacterSkeleton
from engine.motion.smooth import OneEuro
from engine.pose.region import Region
from engine.pose.shrink import LONGEST_SIDE_PX
from export.gpu_frame.crop import Shrink
from export.gpu_frame.draw import Draw
from export.gpu_frame.look import Look
from export.gpu_frame.person import Person
from export.gpu_frame.retarget import Retarget
from export.gpu_frame.smooth import Smooth
from export.gpu_frame.states import Step

HEADER: Final = 7
"""Numbers before the picture, in float64: elapsed s; whether somebody was found, and where (x, y,
side px, rotation rad); whether to calibrate."""
TOLD: Final = 82
"""Numbers before the output, in float32: whether somebody is followed; their presence; joints."""


@dataclass(frozen=True, slots=True, eq=False)
class Character:
    """What of a character the device needs.

    Attributes:
        generator: from (1, S, S, 3) uint8 pose image to (1, S, S, 4) uint8, premultiplied.
        skeleton: its proportions.
        size: S.
    """

    generator: nn.Module
    skeleton: CharacterSkeleton
    size: int


class WholeFrame(nn.Module):
    """From a camera's frame to the output.

    Args:
        landmarks: the landmark network as ONNX, of `engine.pose.networks`.
        character: who is shown.
        size_wh: of the camera's frames, px.
        background: RGB behind the character, that can be spread to (S, S, 3) uint8.
        mirror: see the person as in a mirror.
        clear_head: keep the character's arms off its head where the person's are.
        smoother: of the joints; the engine's own for this size by default.

    Raises:
        BackendError: a network with operators that torch does not run here.
    """

    background: Tensor

    def __init__(
        self,
        landmarks: bytes,
        character: Character,
        size_wh: tuple[int, int],
        background: NDArray[np.uint8],
        *,
        mirror: bool = False,
        clear_head: bool = True,
        smoother: OneEuro | None = None,
    ) -> None:
        super().__init__()
        width, height = size_wh
        if width < 1 or height < 1:
            raise BackendError(
                f"a camera's picture has an area, but this one is {width} x {height}"
            )
        self.size_wh, self.size = size_wh, character.size
        small_w, small_h = small_size(size_wh)
        self.shrink = (
            nn.Identity() if (small_w, small_h) == size_wh
            else Shrink((height, width), (small_h, small_w))
        )  # fmt: skip
        self.look = Look(landmarks, (width / small_w, height / small_h))
        self.person = Person(size_wh, mirror=mirror)
        self.retarget = Retarget(character.skeleton, character.size, clear_head=clear_head)
        self.smooth = Smooth(smoother or OneEuro(size=character.size))
        self.draw = Draw(character.size)
        self.generator = character.generator
        behind = np.broadcast_to(background, (character.size, character.size, 3)).copy()
        self.register_buffer("background", torch.from_numpy(behind).to(torch.int32))

    @property
    def upload_bytes(self) -> int:
        """Of what `forward` takes."""
        return 8 * HEADER + 3 * self.size_wh[0] * self.size_wh[1]

    @property
    def download_bytes(self) -> int:
        """Of what `forward` gives."""
        return 4 * TOLD + 3 * self.size**2

    def reset(self) -> None:
        """As if new; between two frames."""
        for step in self.modules():
            if isinstance(step, Step):
                step.reset()

    def fuse(self, compiler: str = "inductor") -> None:
        """Have all but the networks compiled into few kernels, before anything is captured.

        A thousand operations on a few numbers are a thousand launches, even in a graph.

        Args:
            compiler: a backend of `torch.compile`; its own needs Triton on a GPU.
        """
        for step in (self.person, self.retarget, self.smooth, self.draw):
            step.compile(fullgraph=True, dynamic=False, backend=compiler)
        self.look.read = torch.compile(  # type: ignore[method-assign]
            self.look.read, fullgraph=True, dynamic=False, backend=compiler
        )

    def forward(self, given: Tensor) -> Tensor:
        """(1, download_bytes) uint8 of (1, upload_bytes) uint8: see `pack` and `unpack`."""
        header = given[0, : 8 * HEADER].view(torch.float64)
        image = given[0, 8 * HEADER :].reshape(self.size_wh[1], self.size_wh[0], 3)
        elapsed_s = header[0]
        sight = self.look(self.shrink(image), elapsed_s, header[1] > 0, header[2:6])
        measured = self.person(sight, elapsed_s, header[6] > 0)
        joints = self.smooth(self.retarget(measured, sight.somebody, elapsed_s), elapsed_s)
        shown = over(self.generator(self.draw(joints)), self.background)
        told = torch.cat([self.look.followed.float(), sight.presence[None], joints.flatten()])
        return torch.cat([told.view(torch.uint8), shown.flatten()])[None]


def over(picture: Tensor, background: Tensor) -> Tensor:
    """(S, S, 3) uint8: premultiplied (1, S, S, 4) over RGB, to the byte as the engine's `over`."""
    drawn = picture[0].to(torch.int32)
    behind = (background * (255 - drawn[..., 3:]) + 127) // 255
    return (drawn[..., :3] + behind).clamp(max=255).to(torch.uint8)


def small_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the picture that is looked at: as `engine.pose.shrink` makes it."""
    shrink = max(size_wh) / LONGEST_SIDE_PX
    if shrink <= 1:
        return size_wh
    return max(round(size_wh[0] / shrink), 1), max(round(size_wh[1] / shrink), 1)


def pack(
    out: NDArray[np.uint8],
    image: NDArray[np.uint8],
    elapsed_s: float,
    found: Region | None = None,
    *,
    calibrate: bool = False,
) -> None:
    """Fill what `WholeFrame` takes, (upload_bytes,)."""
    where = (0.0, 0.0, 1.0, 0.0)
    if found is not None:
        where = (found.x, found.y, found.side, found.rotation)
    header = (elapsed_s, found is not None, *where, calibrate)
    out[: 8 * HEADER].view(np.float64)[:] = header
    out[8 * HEADER :].reshape(image.shape)[:] = image


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What came of a frame.

    Attributes:
        picture: (S, S, 3) RGB.
        joints: (20, 4) float32 in its pixels.
        followed: whether somebody is followed into the next frame; else they must be found anew.
        presence: of a person in the region that was looked at, in [0, 1].
    """

    picture: NDArray[np.uint8]
    joints: NDArray[np.float32]
    followed: bool
    presence: float


def unpack(made: NDArray[np.uint8], size: int) -> Shown:
    """What `WholeFrame` gave, (download_bytes,); the arrays are views of it."""
    told = made[: 4 * TOLD].view(np.float32)
    return Shown(
        made[4 * TOLD :].reshape(size, size, 3), told[2:].reshape(20, 4), bool(told[0]),
        float(told[1]),
    )  # fmt: skip

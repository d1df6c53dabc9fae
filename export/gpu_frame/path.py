"""The whole frame on a GPU: one upload, one graph launch, one download.

Who is followed is tracked on the device. Where nobody is, the detector runs first, as a second
graph, and the host makes regions of its boxes: that is branches over a few numbers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.backends.base import TensorSpec
from engine.errors import BackendError
from engine.pose import detect
from engine.pose.region import Region
from export.gpu_frame.crop import Crop, Shrink, crop_matrix
from export.gpu_frame.whole import Character, Shown, WholeFrame, pack, small_size, unpack
from export.torch_backend import TorchBackend, module_of
from export.torch_graph import TorchGraph

if TYPE_CHECKING:
    from engine.character import CharacterBundle
    from engine.pose.networks import PoseNetworks

Wrap = Callable[[nn.Module], Callable[[Tensor], Tensor]]
_BYTE: Final = np.dtype(np.uint8)


class Detect(nn.Module):
    """The pose detector on a camera's picture, as it comes: boxes and scores.

    Args:
        model: the detector as ONNX, of `engine.pose.networks`.
        size_wh: of the camera's frames, px.
    """

    matrix: Tensor

    def __init__(self, model: bytes, size_wh: tuple[int, int]) -> None:
        super().__init__()
        small = small_size(size_wh)
        self.shrink = nn.Identity() if small == size_wh else Shrink(size_wh[::-1], small[::-1])
        self.crop = Crop(detect.INPUT_SIZE, replicate=False)
        self.network = TorchGraph(model).eval()
        self.size_wh, self.whole = size_wh, Region.whole(*small)
        region = torch.tensor(
            [self.whole.x, self.whole.y, self.whole.side, 0.0], dtype=torch.float64
        )
        self.register_buffer("matrix", crop_matrix(region, detect.INPUT_SIZE))

    def forward(self, given: Tensor) -> Tensor:
        """(1, 2254, 13) float32 of (1, H, W, 3) uint8: boxes, and scores in the last column."""
        boxes, scores = self.network(self.crop(self.shrink(given[0]), self.matrix))
        return torch.cat([boxes, scores], 2)

    def regions(self, made: NDArray[np.float32]) -> list[Region]:
        """Where people are, in px of the picture that is looked at; the most certain first."""
        people = detect.people(made[:, :12], made[:, 12])
        found = [Region.around(*self.whole.to_picture(points)[:2]) for points in people]
        return [region for region in found if region.valid]


class FrameGraph:
    """Frames in, pictures out, by one graph launch each. It belongs to one thread at a time.

    Args:
        whole: the frame.
        detector: the detector as ONNX, of `engine.pose.networks`.
        device: "cuda" or "cpu".
        graphed: whether frames are CUDA graphs; never on a processor.
        wrap: around the frame, such as `torch.compile`.

    Raises:
        BackendError: no GPU, too little memory, or an operator that torch does not run there.
    """

    def __init__(
        self,
        whole: WholeFrame,
        detector: bytes,
        *,
        device: str = "cuda",
        graphed: bool = True,
        wrap: Wrap = lambda module: module,
    ) -> None:
        self._whole, self._device = whole, device
        width, height = whole.size_wh
        self._detect = Detect(detector, whole.size_wh).eval()
        self._frame = TorchBackend(
            whole.eval(),
            TensorSpec("camera", _BYTE, (1, whole.upload_bytes)),
            TensorSpec("shown", _BYTE, (1, whole.download_bytes)),
            device=device, graphed=graphed, wrap=wrap,
        )  # fmt: skip
        self._finder = TorchBackend(
            self._detect,
            TensorSpec("camera", _BYTE, (1, height, width, 3)),
            TensorSpec("people", np.dtype(np.float32), (1, len(detect.anchors()), 13)),
            device=device, graphed=graphed,
        )  # fmt: skip
        self.name = self._frame.name
        self.memory_mb = self._frame.memory_mb + self._finder.memory_mb
        self.detections = 0
        self.reset()

    def reset(self) -> None:
        """Forget the person and all that moved, as if new."""
        self._whole.reset()
        if self._device == "cuda":
            torch.cuda.synchronize()  # frames have a stream of their own
        self._followed = self._calibrate = False
        self._last_ns: int | None = None

    def calibrate(self) -> None:
        """Measure the person anew from the next frame on: see `engine.motion.calibrate`."""
        self._calibrate = True

    def run(self, image: NDArray[np.uint8], time_ns: int) -> Shown:
        """One frame; what comes of it is overwritten by the next.

        Args:
            image: (H, W, 3) RGB of the camera.
            time_ns: when it was taken; not before the last one.

        Raises:
            BackendError: torch failed, or the picture has another size.
            ValueError: the time runs backwards.
        """
        width, height = self._whole.size_wh
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise BackendError(
                f"expected a picture of ({height}, {width}, 3) uint8, "
                f"found {image.shape} {image.dtype}"
            )
        last_ns = time_ns if self._last_ns is None else self._last_ns
        if time_ns < last_ns:
            raise ValueError(
                f"time runs backwards, from {last_ns} to {time_ns} ns: reset() starts anew"
            )
        found = None if self._followed else self._find(image)
        elapsed_s = (time_ns - last_ns) * 1e-9
        pack(self._frame.given, image, elapsed_s, found, calibrate=self._calibrate)
        self._frame.launch()
        shown = unpack(self._frame.made, self._whole.size)
        self._followed, self._calibrate, self._last_ns = shown.followed, False, time_ns
        return shown

    def time_ms(self) -> float:
        """Run the last frame again: how long the GPU took for one, copies counted."""
        return self._frame.time_ms()

    def close(self) -> None:
        """Give the memory back; idempotent."""
        self._frame.close()
        self._finder.close()

    def _find(self, image: NDArray[np.uint8]) -> Region | None:
        self._finder.given[:] = image
        self._finder.launch()
        self.detections += 1
        regions = self._detect.regions(self._finder.made)
        return regions[0] if regions else None


def open_frame_graph(
    bundle: "CharacterBundle",
    networks: "PoseNetworks",
    size_wh: tuple[int, int],
    background: NDArray[np.uint8],
    *,
    precision: str = "fp32",
    mirror: bool = False,
    clear_head: bool = True,
    device: str = "cuda",
) -> FrameGraph:
    """The whole frame of a character that has a generator of its own.

    Args:
        bundle: the character.
        networks: of the pose, by `engine.pose.networks.load`.
        size_wh: of the camera's frames, px.
        background: RGB that can be spread to (S, S, 3) uint8.
        precision: of the generator: fp32, bf16 or fp16. All else is in fp32 and fp64.
        mirror: see the person as in a mirror.
        clear_head: keep the character's arms off its head where the person's are.
        device: "cuda" or "cpu".

    Raises:
        BackendError: see `FrameGraph`.
        CharacterError: the character has no generator.
    """
    network = bundle.need_generator()
    ready = network.variants.get("fp16") if precision == "fp16" else None
    generator = module_of(network.model, precision, half_model=ready)
    character = Character(generator, bundle.skeleton, bundle.resolution)
    whole = WholeFrame(
        networks.landmarks, character, size_wh, background, mirror=mirror, clear_head=clear_head
    )
    return FrameGraph(whole, networks.detector, device=device)

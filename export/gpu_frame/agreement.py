"""`python -m export.gpu_frame.agreement VIDEO`: is the frame in torch the engine's?

The engine's own stages one after the other, with `--pose-runtime onnx`, beside the frame in torch.
What two runs may differ by is told by a third: the engine again, with 100 of each frame's pixels
changed by one level of 255. Networks round; what they find says where to look next.
"""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
from numpy.typing import NDArray

from engine import console
from engine.app import DEFAULT_CHARACTER
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.character import CharacterBundle
from engine.io._kernels_composite import over
from engine.io.composite import Background
from engine.io.file import FileSource
from engine.likeness import ssim
from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.motion.smooth import OneEuro
from engine.pose import networks
from engine.pose.blazepose import BlazePoseEstimator
from engine.stages import media_time_ns
from export.gpu_frame.path import open_frame_graph

_CHANGED: Final = 100
Picture = NDArray[np.uint8]


def backdrop(size: int) -> Picture:
    """The engine's own background, for pictures of a size."""
    return Background().behind(size, size, np.zeros((1, 1, 3), np.uint8))


class Stages:
    """The engine's stages for a character with a generator, without their threads."""

    def __init__(self, bundle: CharacterBundle, model: str = "full") -> None:
        self._size = bundle.resolution
        self._estimator = BlazePoseEstimator(model)
        self._motion = Normaliser(bundle.skeleton, size=self._size)
        self._smooth = OneEuro(size=self._size)
        self._backend = OnnxRuntimeBackend(bundle.need_generator().model)
        self._behind = backdrop(self._size)

    def run(self, image: Picture, time_ns: int) -> tuple[Picture, NDArray[np.float32], bool]:
        """The output (S, S, 3), joints (20, 4), and whether somebody was there."""
        pose = self._estimator.estimate(image, time_ns)
        height, width = image.shape[:2]
        joints = self._smooth(self._motion(pose, (width, height), time_ns), time_ns)
        drawn, out = np.empty((2, self._size, self._size, 3), np.uint8)
        picture = np.empty((self._size, self._size, 4), np.uint8)
        draw_pose(joints, drawn)
        self._backend.run(drawn, picture)
        over(picture, self._behind, out)
        return out, joints, pose is not None

    def close(self) -> None:
        """Release the networks."""
        self._estimator.close()
        self._backend.close()


def likeness(made: Picture, wanted: Picture) -> float:
    """SSIM of two RGB pictures."""
    opaque = np.full_like(made[..., :1], 255)
    return ssim(np.dstack([made, opaque]), np.dstack([wanted, opaque]))


def main(
    video: Annotated[Path, typer.Argument()],
    frames: Annotated[int, typer.Option(help="Of the video, from its beginning.")] = 80,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[str, typer.Option(help="Of the generator: fp32, bf16, fp16.")] = "fp32",
    character: Annotated[Path, typer.Option()] = DEFAULT_CHARACTER,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Is the frame in torch the engine's? Frame by frame."""
    bundle = CharacterBundle.load(character)
    rng, source = np.random.default_rng(seed), FileSource(video)
    behind = backdrop(bundle.resolution)
    path = open_frame_graph(
        bundle, networks.load("pose-full"), source.size_wh, behind,
        precision=precision, device=device,
    )  # fmt: skip
    engine, again = Stages(bundle), Stages(bundle)
    found: dict[str, list[tuple[float, float]]] = {"torch": [], "engine, 100 pixels changed": []}
    same = 0
    try:
        for frame in islice(source.frames(), frames):
            time_ns, changed = media_time_ns(frame), frame.image.copy()
            rows, columns = (rng.integers(side, size=_CHANGED) for side in changed.shape[:2])
            changed[rows, columns] ^= 1
            wanted, joints, there = engine.run(frame.image, time_ns)
            shown = path.run(frame.image, time_ns)
            same += shown.followed == there
            other, others, _ = again.run(changed, time_ns)
            for name, made, moved in (
                ("torch", shown.picture, shown.joints),
                ("engine, 100 pixels changed", other, others),
            ):
                off = float(np.abs(moved[:, :2] - joints[:, :2]).max())
                found[name].append((likeness(made, wanted), off))
    finally:
        for each in (path, engine, again, source):
            each.close()
    told = {
        name: {
            "ssim_mean": round(float(np.mean([one for one, _ in values])), 4),
            "ssim_least": round(min(one for one, _ in values), 4),
            "joints_px_median": round(float(np.median([off for _, off in values])), 3),
            "joints_px_most": round(max(off for _, off in values), 3),
        }
        for name, values in found.items()
    }
    count = len(found["torch"])
    print(json.dumps(
        {"video": video.name, "frames": count, "followed_alike": same,
         "detections": path.detections, **told}, indent=1,
    ))  # fmt: skip


if __name__ == "__main__":
    console.run(main)

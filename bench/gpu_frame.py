"""The whole frame on a GPU, from the camera's bytes to the output's: rows of `bench.gpu`.

The person is the performer of the clip that ships, forth and back so that nobody jumps; the
generator's weights are random, as in the other rows, and the character is a stick figure.
"""

import time
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

import engine
from bench.floor import work_of
from bench.gpu_methods import Networks, Row, percentiles, until

if TYPE_CHECKING:
    from engine.pose.networks import PoseNetworks

_FRAMES: Final = 40
_STEP_NS: Final = 33_333_333
_ALIKE: Final = 8  # frames whose joints are compared with the processor's
_WARM_UP_S: Final = 0.2
_COLOUR: Final = np.full((1, 1, 3), 96, np.uint8)

# A figure that faces the camera, in shares of the picture: x from the middle, y, z; the right side.
_MIDDLE: Final = {"nose": (0.0, 0.24, -0.09), "neck": (0.0, 0.33, 0.0)}
_SIDE: Final = {
    "shoulder": (-0.06, 0.33, 0.0), "elbow": (-0.10, 0.42, 0.0), "wrist": (-0.13, 0.52, 0.0),
    "hip": (-0.04, 0.53, 0.0), "knee": (-0.04, 0.70, 0.0), "ankle": (-0.05, 0.86, 0.0),
    "eye": (-0.04, 0.22, -0.07), "ear": (-0.08, 0.23, 0.0), "toe": (-0.06, 0.91, -0.02),
}  # fmt: skip


def stick_figure(size: int) -> Any:
    """A `CharacterSkeleton` in pictures of a size."""
    from engine.motion.proportions import CharacterSkeleton
    from engine.pose.skeleton import PUPPET_20

    rest = np.ones((20, 4), np.float32)
    for row, name in enumerate(PUPPET_20.joints):
        side, _, part = name.rpartition("_")
        x, y, z = _SIDE[part] if side else _MIDDLE[name]
        rest[row, :3] = 0.5 + (-x if side == "l" else x), y, z
    rest[:, :3] *= size
    lengths = [np.linalg.norm(rest[p, :3] - rest[q, :3]) for p, q in PUPPET_20.bones]
    head = rest[[0, 14, 15, 16, 17], :3] - rest[1, :3]
    bones = np.array(lengths, np.float32)
    return CharacterSkeleton(rest, bones, head, 0.93 * size)


def camera() -> list[NDArray[np.uint8]]:
    """Frames (480, 640, 3) RGB of the performer.

    Raises:
        RuntimeError: OpenCV cannot read the clip.
    """
    import cv2

    path = Path(engine.__file__).parent / "assets" / "performer.mp4"
    video, found = cv2.VideoCapture(str(path)), list[NDArray[np.uint8]]()
    try:
        while len(found) < _FRAMES:
            more, frame = video.read()
            if not more:
                raise RuntimeError(f"OpenCV reads {len(found)} of {_FRAMES} frames of {path}")
            found.append(np.ascontiguousarray(frame[..., ::-1], np.uint8))
    finally:
        video.release()
    return found


def measure_frame(row: Row, networks: Networks, device: str, seconds: float) -> None:
    """Fill a row in.

    Args:
        row: what to measure.
        networks: makes the generator, and knows where the pose networks are.
        device: "cuda" or "cpu".
        seconds: for each of the two clocks.

    Raises:
        ModelMissing, ModelCorrupt: see `engine.pose.networks.read`.
        BackendError: torch cannot run it.
        RuntimeError: nobody was followed in the clip, so that its times would mean nothing.
    """
    from engine.errors import ModelMissing
    from engine.pose.networks import read
    from export.gpu_frame.path import FrameGraph
    from export.gpu_frame.whole import Character, WholeFrame
    from export.torch_backend import module_of

    if networks.pose is None:
        raise ModelMissing("the whole frame needs the pose networks: --pose FILE")
    pose, images = read(networks.pose), camera()
    height, width = images[0].shape[:2]
    half = None if row.precision == "fp32" else networks.onnx(row.preset, row.size, "fp16")
    model = networks.onnx(row.preset, row.size)
    begun = time.perf_counter()
    generator = module_of(model, row.precision, half_model=half)
    character = Character(generator, stick_figure(row.size), row.size)
    whole = WholeFrame(pose.landmarks, character, (width, height), _COLOUR)
    if "fused" in row.method:
        whole.fuse()
    path = FrameGraph(whole, pose.detector, device=device, graphed="one graph" in row.method)
    film = _film(images)
    try:
        shown = path.run(*next(film))
        row.start_s = time.perf_counter() - begun
        moved = [shown.joints.copy()]
        moved += [path.run(*next(film)).joints.copy() for _ in range(_ALIKE - 1)]
        row.joints_px = float(np.abs(np.array(moved) - _on_processor(row.size, pose, images)).max())
        row.name, row.memory_mb = path.name, path.memory_mb
        work = work_of(pose.landmarks)
        row.beside = (work.operations, work.bytes)
        row.moved = (whole.upload_bytes, whole.download_bytes)
        for _ in until(_WARM_UP_S):
            path.run(*next(film))
        spent = []
        for _ in until(seconds):
            image, time_ns = next(film)
            begun = time.perf_counter()
            shown = path.run(image, time_ns)
            spent.append(1e3 * (time.perf_counter() - begun))
        row.end_to_end_ms, row.frames = percentiles(spent), len(spent)
        if not shown.followed:
            raise RuntimeError(f"nobody was followed, presence {shown.presence:.2f}")
        row.detections = path.detections
        if device == "cuda":
            row.device_ms = percentiles([path.time_ms() for _ in until(seconds)])
    finally:
        path.close()


def _on_processor(
    size: int, pose: "PoseNetworks", images: list[NDArray[np.uint8]]
) -> NDArray[np.float32]:
    """(N, 20, 4) joints of the first frames by the same code without a GPU; nothing is drawn."""
    from torch import nn

    from export.gpu_frame.path import FrameGraph
    from export.gpu_frame.whole import Character, WholeFrame

    height, width = images[0].shape[:2]
    nobody = Character(
        nn.ConstantPad1d((0, 1), 0), stick_figure(size), size
    )  # three channels to four
    whole = WholeFrame(pose.landmarks, nobody, (width, height), _COLOUR)
    path, film = FrameGraph(whole, pose.detector, device="cpu"), _film(images)
    joints = [path.run(*next(film)).joints.copy() for _ in range(_ALIKE)]
    path.close()
    return np.array(joints)


def _film(images: list[NDArray[np.uint8]]) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Frames forth and back without end, and their times, ns."""
    both_ways = cycle(list(chain(images, images[-2:0:-1])))
    for number, image in enumerate(both_ways):
        yield image, number * _STEP_NS

"""The whole frame in torch, held to the engine's stages, and whether it could be a CUDA graph."""

import json
from itertools import islice
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from engine.app import DEFAULT_CHARACTER, PERFORMER  # noqa: E402
from engine.backends import cuda  # noqa: E402
from engine.character import CharacterBundle  # noqa: E402
from engine.errors import BackendError  # noqa: E402
from engine.frame import Frame  # noqa: E402
from engine.pose import networks  # noqa: E402
from engine.stages import media_time_ns  # noqa: E402
from export.gpu_frame.agreement import Stages, backdrop, likeness  # noqa: E402
from export.gpu_frame.path import FrameGraph, open_frame_graph  # noqa: E402
from export.gpu_frame.whole import Character, WholeFrame  # noqa: E402
from export.torch_backend import module_of  # noqa: E402
from tests.marks import needs_pose_model  # noqa: E402

pytestmark = [pytest.mark.model, needs_pose_model]

WH = (640, 480)
HIDDEN = (
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "unique",
    "is_nonzero",
    "equal.default",
)
"""Operators whose result, or its size, the processor would have to wait for."""


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    from engine.io.file import FileSource

    if not PERFORMER.exists():
        pytest.skip(f"{PERFORMER} is not there")
    source = FileSource(PERFORMER)
    first = list(islice(source.frames(), 12))
    source.close()
    return first


@pytest.fixture(scope="module")
def bundle() -> CharacterBundle:
    return CharacterBundle.load(DEFAULT_CHARACTER)


@pytest.fixture(scope="module")
def pose() -> networks.PoseNetworks:
    return networks.load("pose-full")


def opened(
    bundle: CharacterBundle, pose: networks.PoseNetworks, wh: tuple[int, int] = WH,
    device: str = "cpu", **other: Any,
) -> FrameGraph:  # fmt: skip
    return open_frame_graph(
        bundle, pose, wh, backdrop(bundle.resolution), device=device, **other
    )  # fmt: skip


def test_frames_are_those_of_the_engine(
    frames: list[Frame], bundle: CharacterBundle, pose: networks.PoseNetworks
) -> None:
    engine, path = Stages(bundle), opened(bundle, pose)
    first: list[np.ndarray] = []
    for frame in frames:
        time_ns = media_time_ns(frame)
        wanted, joints, there = engine.run(frame.image, time_ns)
        shown = path.run(frame.image, time_ns)
        assert shown.followed == there
        # Roundings of the networks come back through the region of the next frame.
        np.testing.assert_allclose(shown.joints[:, :2], joints[:, :2], atol=1.0)
        assert likeness(shown.picture, wanted) > 0.98
        first.append(shown.picture.copy())
    assert path.detections == 1  # from then on it is tracked
    path.reset()
    again = path.run(frames[0].image, media_time_ns(frames[0]))
    np.testing.assert_array_equal(again.picture, first[0])
    with pytest.raises(ValueError, match="time runs backwards"):
        path.run(frames[0].image, media_time_ns(frames[0]) - 1)
    with pytest.raises(BackendError, match=r"a picture of \(480, 640, 3\) uint8"):
        path.run(frames[0].image[:-1], 10**12)
    path.close()
    with pytest.raises(BackendError, match="closed"):
        path.run(frames[0].image, 10**12)


def test_who_leaves_is_looked_for_again(
    frames: list[Frame], bundle: CharacterBundle, pose: networks.PoseNetworks
) -> None:
    engine, path = Stages(bundle), opened(bundle, pose)
    empty = np.full_like(frames[0].image, 128)
    shown = []
    for number in range(9):
        image = empty if 2 <= number < 6 else frames[number].image
        wanted, _, there = engine.run(image, number * 100_000_000)
        made = path.run(image, number * 100_000_000)
        assert likeness(made.picture, wanted) > 0.98
        assert made.followed == there
        shown.append(made.followed)
    assert shown == [True, True, False, False, False, False, True, True, True]
    assert path.detections == 1 + 3 + 1  # at first, of an empty room, and when they are back
    path.close()


def test_a_large_picture_of_another_shape_is_looked_at_as_by_the_engine(
    frames: list[Frame], bundle: CharacterBundle, pose: networks.PoseNetworks
) -> None:
    engine, path = Stages(bundle), opened(bundle, pose, (720, 960), mirror=False)
    for number, frame in enumerate(frames[:3]):
        image = np.ascontiguousarray(frame.image.repeat(2, 0).repeat(2, 1)[:, 280:1000])
        _, joints, _ = engine.run(image, number * 33_000_000)
        made = path.run(image, number * 33_000_000)
        np.testing.assert_allclose(made.joints[:, :2], joints[:, :2], atol=1.0)
    path.close()


def test_the_command_compares_it_with_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    from export.gpu_frame import agreement

    agreement.main(PERFORMER, frames=2)
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["followed_alike"], told["detections"]) == (2, 2, 1)
    for name in ("torch", "engine, 100 pixels changed"):
        assert told[name]["ssim_least"] > 0.98
        assert told[name]["joints_px_most"] < 1


# --- what a CUDA graph asks for -------------------------------------------------------------------


def whole(bundle: CharacterBundle, pose: networks.PoseNetworks) -> WholeFrame:
    generator = module_of(bundle.need_generator().model)
    character = Character(generator, bundle.skeleton, bundle.resolution)
    return WholeFrame(pose.landmarks, character, WH, backdrop(bundle.resolution)).eval()


class Watched(TorchDispatchMode):
    """Notes every operator, and every tensor that is on another device than all should be."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.operators, self.strangers = device, [], []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.operators.append(str(func))
        leaves = torch.utils._pytree.tree_leaves((args, kwargs, made))
        devices = {leaf.device.type for leaf in leaves if isinstance(leaf, torch.Tensor)}
        if devices - {self.device}:
            self.strangers.append(str(func))
        return made


def test_nothing_waits_for_a_value_and_nothing_leaves_the_device(
    bundle: CharacterBundle, pose: networks.PoseNetworks
) -> None:
    """On a device without values: whoever asks for one fails, and what is elsewhere is seen."""
    frame = whole(bundle, pose).to("meta")
    addresses = {name: id(buffer) for name, buffer in frame.named_buffers()}
    given = torch.zeros((1, frame.upload_bytes), dtype=torch.uint8, device="meta")
    with torch.inference_mode(), Watched("meta") as watched:
        made = frame(given)
    assert made.shape == (1, frame.download_bytes)
    assert watched.strangers == []
    assert not [name for name in watched.operators if any(part in name for part in HIDDEN)]
    # The state is overwritten where it lies.
    assert {name: id(buffer) for name, buffer in frame.named_buffers()} == addresses


def test_the_watch_sees_what_a_graph_could_not_hold() -> None:
    on_device = torch.ones(4, device="meta")
    with Watched("meta") as watched:
        torch.tensor([1.0])
        torch.arange(3).to("meta")
        on_device + on_device
    assert len(watched.strangers) >= 2
    assert not any("add" in name for name in watched.strangers)
    for wants_a_value in (torch.Tensor.item, torch.Tensor.tolist, bool):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wants_a_value(on_device[0])


@pytest.mark.slow
def test_its_small_steps_compile_whole_and_change_nothing(
    frames: list[Frame], bundle: CharacterBundle, pose: networks.PoseNetworks
) -> None:
    """Without breaks: what a compiler cannot follow is what a graph could not hold."""
    plain, fused = whole(bundle, pose), whole(bundle, pose)
    fused.fuse("aot_eager")
    ways = [FrameGraph(frame, pose.detector, device="cpu") for frame in (plain, fused)]
    for frame in frames[:3]:
        one, other = (way.run(frame.image, media_time_ns(frame)) for way in ways)
        np.testing.assert_allclose(one.joints, other.joints, atol=0.1)
        assert likeness(one.picture, other.picture) > 0.99


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(bundle: CharacterBundle, pose: networks.PoseNetworks) -> None:
    with pytest.raises(BackendError, match="torch finds no NVIDIA GPU here"):
        opened(bundle, pose, device="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(cuda.why_not() is not None, reason=str(cuda.why_not()))
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_real_gpu_shows_what_the_processor_shows(
    precision: str, frames: list[Frame], bundle: CharacterBundle, pose: networks.PoseNetworks
) -> None:
    engine = opened(bundle, pose)
    path = opened(bundle, pose, device="cuda", precision=precision)
    assert "one CUDA graph a frame" in path.name
    for frame in frames:
        wanted = engine.run(frame.image, media_time_ns(frame))
        shown = path.run(frame.image, media_time_ns(frame))
        assert shown.followed == wanted.followed
        assert likeness(shown.picture, wanted.picture) > 0.95
    assert path.detections == 1
    assert 0 < path.time_ms() < 1000
    path.close()
    engine.close()

"""Only the columns are drawn that are not empty, and the picture stays as it was."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from engine.app import DEFAULT_CHARACTER
from engine.backends.base import TensorSpec
from engine.backends.choose import Candidate, open_candidate
from engine.backends.columns import (
    MARGIN,
    RIM,
    STEP,
    ColumnsBackend,
    narrowed,
    open_columns,
    widths,
)
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.shelf import estimate_mb, taken_mb
from engine.character import CharacterBundle
from engine.errors import BackendError
from engine.likeness import ssim
from tests.bundles import stick_model

SIZE = 64


def network(
    middle: list[onnx.NodeProto] | None = None, strides: int = 2, **constants: np.ndarray
) -> bytes:
    """A generator in small: it halves, sums over rows, enlarges, and draws what is not white.

    `middle` works on `x` (1, 4, H / 2**strides, W / 2**strides) and makes `y`, of that shape.
    """
    rng, size = np.random.default_rng(0), SIZE // 2**strides
    first = rng.normal(0, 0.3, (4, 3, 7, 7)).astype(np.float32)
    kernel = rng.normal(0, 0.2, (4, 4, 3, 3)).astype(np.float32)
    middle = middle or [helper.make_node("MatMul", ["texture", "x"], ["y"])]
    nodes = [
        helper.make_node("Transpose", ["pose"], ["front"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["front"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["white", "float"], ["ink"]),
    ]
    last = "ink"
    for i in range(strides):
        weight, edge = ("first", 3) if i == 0 else ("kernel", 1)
        nodes.append(
            helper.make_node(
                "Conv", [last, weight], [f"half_{i}"], strides=[2, 2], pads=[edge] * 4
            )
        )  # fmt: skip
        last = f"half_{i}"
    nodes += [
        helper.make_node("Relu", [last], ["x"]),
        *middle,
        helper.make_node("Resize", ["y", "", "factors"], ["large"], mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        helper.make_node("Conv", ["large", "kernel"], ["drawn"], pads=[1] * 4),
        helper.make_node("Clip", ["drawn", "least", "most"], ["clipped"]),
        helper.make_node("Cast", ["clipped"], ["bytes"], to=TensorProto.UINT8),
        helper.make_node("Transpose", ["bytes"], ["picture"], perm=[0, 2, 3, 1]),
    ]  # fmt: skip
    values = {
        "white": np.array(255, np.float32),
        "first": first,
        "kernel": kernel,
        "texture": rng.normal(0, 0.2, (1, 4, size, size)).astype(np.float32),
        "factors": np.array([1, 1, 2**strides, 2**strides], np.float32),
        "least": np.array(0, np.float32),
        "most": np.array(255, np.float32),
    } | constants
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pose", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, SIZE, SIZE, 4])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def pose_image(left: int, right: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    """White but for some of the columns from `left` to before `right`."""
    image = np.full((size, size, 3), 255, np.uint8)
    rng = np.random.default_rng(seed)
    image[8:-8, left:right] = rng.integers(0, 255, (size - 16, right - left, 3))
    return image


def drawn(backend: Any, image: np.ndarray) -> np.ndarray:
    out = np.full((*image.shape[:2], 4), 99, np.uint8)
    backend.run(image, out)
    return out


class Wide:
    """Draws what is not white, and as far as `hair` columns beside it."""

    name = "wide"

    def __init__(self, width: int = SIZE, hair: int = 0, channels: int = 4) -> None:
        self.hair, self.runs, self.closed = hair, 0, False
        self.input_spec = TensorSpec("pose", np.dtype(np.uint8), (1, SIZE, width, 3))
        self.output_spec = TensorSpec("picture", np.dtype(np.uint8), (1, SIZE, width, channels))

    def run(self, image: np.ndarray, out: np.ndarray) -> None:
        self.runs += 1
        seen = (image < 255).any((0, 2))
        wide = np.convolve(seen, np.ones(2 * self.hair + 1), "same") > 0
        out[:] = np.where(wide, 255, 0)[None, :, None]

    def close(self) -> None:
        self.closed = True


@given(st.integers(0, SIZE - 4), st.integers(1, 3), st.integers(0, 9))
def test_columns_far_from_the_edges_are_those_of_the_whole_picture(
    left: int, wide: int, seed: int
) -> None:
    image = pose_image(left, left + wide, seed)
    whole, part = OnnxRuntimeBackend(MODEL), OnnxRuntimeBackend(NARROW)
    begin = min(left // STEP * STEP, SIZE - 32)
    given_part = np.ascontiguousarray(image[:, begin : begin + 32])
    made = np.empty((SIZE, 32, 4), np.uint8)
    part.run(given_part, made)
    reach = 12  # of this network, in columns
    inner = drawn(whole, image)[:, begin:][:, reach : 32 - reach]
    np.testing.assert_array_equal(made[:, reach:-reach], inner)
    whole.close()
    part.close()


MODEL = network()
NARROW = narrowed(MODEL, 32) or b""


def test_a_figure_is_drawn_as_in_the_whole_picture_and_beside_it_is_nothing() -> None:
    whole, ours = Wide(), ColumnsBackend(Wide(), [Wide(32), Wide(48)])
    image = pose_image(30, 34)
    np.testing.assert_array_equal(drawn(ours, image), drawn(whole, image))


@pytest.mark.parametrize(
    ("left", "right", "runs"),
    [
        (30, 31, (0, 1, 0)),  # the narrowest range
        (20, 40, (0, 0, 1)),
        (4, 60, (1, 0, 0)),  # arms spread
        (0, 2, (0, 1, 0)),  # at the edge of the picture, which cuts nothing
        (62, 64, (0, 1, 0)),
    ],
)
def test_the_narrowest_range_is_drawn_that_holds_the_figure(
    left: int, right: int, runs: tuple[int, ...]
) -> None:
    parts = [Wide(), Wide(32), Wide(48)]
    ours = ColumnsBackend(parts[0], parts[1:])
    for part in parts:
        part.runs = 0  # each has drawn once, to be ready
    image = pose_image(left, right)
    image[0, 0] = 255
    made = drawn(ours, image)
    assert tuple(part.runs for part in parts) == runs
    np.testing.assert_array_equal(made, drawn(Wide(), image))


def test_who_is_wider_than_the_margin_is_drawn_whole_and_no_more_cut() -> None:
    hair = 2 * round(MARGIN * SIZE) + 1
    parts = [Wide(hair=hair), Wide(32, hair), Wide(48, hair)]
    ours = ColumnsBackend(parts[0], parts[1:])
    image = pose_image(40, 41)
    for _ in range(4):
        np.testing.assert_array_equal(drawn(ours, image), drawn(Wide(hair=hair), image))
    # Once, when it was found out; then ranges are wide enough.
    assert parts[0].runs == 1


def test_maps_say_beside_the_figure_that_nothing_moves() -> None:
    ours = ColumnsBackend(Wide(channels=5), [Wide(32, channels=5)])
    maps = np.zeros((SIZE, SIZE, 5), np.uint8)
    columns = np.arange(SIZE)
    figure = (columns >= 30) & (columns < 34)
    ours.run(pose_image(30, 34), maps)
    np.testing.assert_array_equal(
        maps[0, :, 0], np.select([columns < 16, columns >= 48, figure], [128, 128, 255])
    )


def test_an_empty_picture_is_drawn_whole() -> None:
    parts = [Wide(), Wide(32)]
    ours = ColumnsBackend(parts[0], parts[1:])
    assert not drawn(ours, np.full((SIZE, SIZE, 3), 255, np.uint8)).any()
    assert parts[0].runs == 1


def test_buffers_that_do_not_fit_are_refused() -> None:
    ours = ColumnsBackend(Wide(), [Wide(32)])
    with pytest.raises(BackendError, match=r"shape \(64, 64, 3\) for pose"):
        ours.run(np.zeros((64, 32, 3), np.uint8), np.zeros((64, 64, 4), np.uint8))
    with pytest.raises(BackendError, match="C-contiguous"):
        ours.run(pose_image(3, 9), np.zeros((64, 64, 4), np.uint8)[:, ::-1])


def test_all_runtimes_are_closed_also_where_one_does_not_start() -> None:
    parts = [Wide(), Wide(32)]
    ColumnsBackend(parts[0], parts[1:]).close()
    assert all(part.closed for part in parts)
    opened: list[Wide] = []

    def opening(model: bytes) -> Wide:
        if len(opened) == 2:
            raise BackendError("no memory")
        opened.append(Wide(SIZE if not opened else 32))
        return opened[-1]

    with pytest.raises(BackendError, match="no memory"):
        open_columns(MODEL, opening)
    assert all(part.closed for part in opened)


def test_what_they_take_counts_every_width() -> None:
    ours = ColumnsBackend(Wide(), [Wide(32), Wide(48)])
    assert taken_mb(ours, bytes(1000), SIZE) == 3 * estimate_mb(bytes(1000), SIZE)


def test_widths_are_multiples_of_the_step() -> None:
    assert widths(256) == [128, 160, 192]
    assert widths(64) == [32, 48]
    assert widths(100) == []


def node(kind: str, *inputs: str, **attributes: Any) -> list[onnx.NodeProto]:
    return [helper.make_node(kind, list(inputs), ["y"], **attributes)]


WHOLE = (1, 4, SIZE // 4, SIZE // 4)


@pytest.mark.parametrize(
    "model",
    [
        stick_model(SIZE).SerializeToString(),  # asks for channels at the end
        network(node("Softmax", "x", axis=3)),
        network(node("MatMul", "x", "texture")),  # columns are summed over
        network(node("MatMul", "x", "x")),
        network(node("Add", "x", "wide"), wide=np.zeros(WHOLE, np.float32)),
        network(node("Mul", "x", "row"), row=np.zeros(SIZE // 4, np.float32)),
        network(node("Transpose", "x", perm=[0, 1, 3, 2])),
        network(strides=5),  # 32 columns are one
        network(
            [helper.make_node("Concat", ["x", "wide"], ["joined"], axis=1),
             helper.make_node("Conv", ["joined", "mix"], ["y"])],
            wide=np.zeros(WHOLE, np.float32), mix=np.zeros((4, 8, 1, 1), np.float32),
        ),
    ],
)  # fmt: skip
def test_networks_whose_columns_hang_together_draw_whole_pictures(model: bytes) -> None:
    assert narrowed(model, 32) is None
    opened: list[Wide] = []
    open_columns(model, lambda model: opened.append(Wide()) or opened[-1])
    assert len(opened) == 1


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_the_default_character_looks_as_in_the_whole_picture(precision: str) -> None:
    from engine.backends.probes import probes

    bundle = CharacterBundle.load(DEFAULT_CHARACTER)
    network = bundle.need_generator()
    model = network.variants.get(precision, network.model)
    ours = open_candidate(Candidate("onnxruntime", precision), network, 1)
    whole = OnnxRuntimeBackend(model)
    assert isinstance(ours, ColumnsBackend)
    scores = []
    for image in probes(bundle, 4):
        made, truth = drawn(ours, image), drawn(whole, image)
        scores.append(ssim(made, truth))
        seen = np.flatnonzero((image < 255).any((0, 2)))
        beside = np.ones(len(image), bool)
        beside[max(seen[0] - 40, 0) : seen[-1] + 40] = False
        assert not made[:, beside].any()  # no line at the edge of a range
    assert min(scores) > 0.995
    spread = probes(bundle, 1)[0]
    spread[40:44] = 0
    np.testing.assert_array_equal(drawn(ours, spread), drawn(whole, spread))
    assert MARGIN * bundle.resolution > RIM
    ours.close()
    whole.close()


def test_the_painter_paints_as_in_the_whole_picture() -> None:
    from engine.backends.probes import probe_poses, probes
    from engine.painted import with_painter
    from engine.puppet.puppet import Puppet
    from engine.puppet.shipped import shipped_painter, usual_shrink

    bundle = CharacterBundle.load(DEFAULT_CHARACTER).drawn_by("puppet")
    size = bundle.resolution
    painter = shipped_painter(size, "fp32", shrink=usual_shrink(size))
    network = with_painter(bundle, painter, None).painter
    assert network is not None
    ours = open_candidate(Candidate("onnxruntime", "fp32"), network, 1)
    assert isinstance(ours, ColumnsBackend)
    puppets = [Puppet(bundle.drawings, ours), Puppet(bundle.drawings, OnnxRuntimeBackend(painter))]
    for joints, image in zip(probe_poses(bundle, 3), probes(bundle, 3), strict=True):
        made, truth = np.empty((2, size, size, 4), np.uint8)
        for puppet, picture in zip(puppets, (made, truth), strict=True):
            puppet.forget()
            puppet.draw(joints, image, picture)
        assert ssim(made, truth) > 0.999
    for puppet in puppets:
        puppet.close()

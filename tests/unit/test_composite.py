"""The character over a background: kernels against their twins, and the stage in every layout."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.frame import Packet
from engine.io import _kernels_composite as kernels
from engine.io.composite import SOFT, Background, CompositeStage
from engine.motion.draw import draw_overlay
from engine.premultiplied import on_white
from tests import naive
from tests.bundles import standing_rest
from tests.fakes import frame

Image = NDArray[np.uint8]

SIZE = 48
INSIDE = (slice(16, 32), slice(16, 32))  # well inside the character of `picture`
OUTSIDE = (slice(0, 8), slice(0, 8))
COLOUR = (200, 80, 40)


def picture(size: int = SIZE, alpha: int = 255) -> Image:
    """A square in the middle of nothing, premultiplied."""
    image = np.zeros((size, size, 4), np.uint8)
    image[size // 4 : -size // 4, size // 4 : -size // 4] = [
        *(round(c * alpha / 255) for c in COLOUR),
        alpha,
    ]
    return image


def standing(size: int = SIZE) -> NDArray[np.float32]:
    """The joints of somebody who stands in a picture of this size."""
    return np.column_stack([standing_rest(size), np.ones(20)]).astype(np.float32)


def packet(image: Image | None = None, size: int = SIZE, **fields: object) -> Packet:
    source = np.full((36, 64, 3), 90, np.uint8) if image is None else image
    packet = Packet(replace(frame(), image=source), picture=picture(size))
    return replace(packet, **fields)  # type: ignore[arg-type]


def composed(stage: CompositeStage, given: Packet) -> Image:
    (made,) = stage.process(given)
    assert made.output is not None
    assert made.output.dtype == np.uint8
    return made.output


def close(image: Image, colour: object, by: int = 0) -> bool:
    return bool(np.abs(image.astype(int) - np.asarray(colour)).max() <= by)


# Kernels.


@st.composite
def premultiplied(draw: st.DrawFn) -> Image:
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=6))
    return naive.clamp_to_alpha(draw(arrays(np.uint8, (*shape, 4))))


@st.composite
def picture_and_background(draw: st.DrawFn, any_rgba: bool = False) -> tuple[Image, Image]:
    image = draw(premultiplied())
    if any_rgba:
        image = draw(arrays(np.uint8, image.shape))
    height, width = image.shape[:2]
    rows, columns = draw(st.sampled_from([(height, width), (height, 1), (1, 1)]))
    return image, draw(arrays(np.uint8, (rows, columns, 3)))


def over(image: Image, background: Image) -> Image:
    out = np.full((*image.shape[:2], 3), 77, np.uint8)
    kernels.over(image, background, out)
    return out


def straighten(image: Image) -> Image:
    out = np.full_like(image, 77)
    kernels.straighten(image, out)
    return out


@settings(deadline=None)
@given(picture_and_background(any_rgba=True))
def test_over_agrees_with_its_twin(given: tuple[Image, Image]) -> None:
    # Also where colours exceed alpha, which light that shines would have.
    np.testing.assert_array_equal(over(*given), naive.over(*given))


def test_every_colour_and_alpha_over_white_is_as_the_twin_has_it() -> None:
    levels = np.arange(256, dtype=np.uint8)
    colour, alpha = np.meshgrid(levels, levels)
    image = np.stack([colour, colour, colour, alpha], axis=-1)
    white = np.full((1, 1, 3), 255, np.uint8)
    np.testing.assert_array_equal(on_white(image), naive.over(image, white))


@settings(deadline=None)
@given(picture_and_background())
def test_over_is_the_background_where_clear_and_the_picture_where_opaque(
    given: tuple[Image, Image],
) -> None:
    image, background = given
    result = over(image, background)
    behind = np.broadcast_to(background, result.shape)
    clear, opaque = image[..., 3] == 0, image[..., 3] == 255
    np.testing.assert_array_equal(result[clear], behind[clear])
    np.testing.assert_array_equal(result[opaque], image[opaque, :3])
    assert (result >= image[..., :3]).all(), "a background takes no light away"


def test_over_writes_into_a_part_of_a_picture() -> None:
    whole = np.full((SIZE, 3 * SIZE, 3), 7, np.uint8)
    kernels.over(picture(), np.array([[[1, 2, 3]]], np.uint8), whole[:, SIZE : 2 * SIZE])
    expected = naive.over(picture(), np.array([[[1, 2, 3]]], np.uint8))
    np.testing.assert_array_equal(whole[:, SIZE : 2 * SIZE], expected)
    assert close(whole[:, :SIZE], 7)
    assert close(whole[:, 2 * SIZE :], 7)


@settings(deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, 4))))
def test_straighten_agrees_with_its_twin(image: Image) -> None:
    np.testing.assert_array_equal(straighten(image), naive.straighten(image))


def test_straighten_is_right_for_every_colour_and_alpha() -> None:
    colour, alpha = np.mgrid[:256, :256].astype(np.uint8)
    image = naive.clamp_to_alpha(np.stack([colour, colour, colour, alpha], axis=2))
    np.testing.assert_array_equal(straighten(image), naive.straighten(image))


@settings(deadline=None)
@given(premultiplied())
def test_premultiplying_undoes_straighten(image: Image) -> None:
    straight = straighten(image)
    back = np.rint(straight[..., :3] * (straight[..., 3:] / 255.0)).astype(np.uint8)
    np.testing.assert_array_equal(back, image[..., :3])
    np.testing.assert_array_equal(straight[..., 3], image[..., 3])


@settings(deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, 4))))
def test_straighten_undoes_premultiplying_within_rounding(straight: Image) -> None:
    alpha = straight[..., 3:].astype(int)
    image = np.concatenate([np.rint(straight[..., :3] * (alpha / 255)), alpha], axis=2)
    back = straighten(image.astype(np.uint8))[..., :3].astype(int)
    # Half a level of the premultiplied colour, made larger by the division, and rounded again.
    allowed = np.where(alpha > 0, 0.5 * 255 / np.maximum(alpha, 1) + 0.5, 0)
    assert (np.abs(back - straight[..., :3]) * (alpha > 0) <= allowed).all()
    assert not back[alpha[..., 0] == 0].any(), "clear pixels are black"


@settings(deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda s: (*s, 4))))
def test_clamp_agrees_with_its_twin_and_settles(image: Image) -> None:
    clamped = image.copy()
    kernels.clamp_to_alpha(clamped)
    np.testing.assert_array_equal(clamped, naive.clamp_to_alpha(image))
    again = clamped.copy()
    kernels.clamp_to_alpha(again)
    np.testing.assert_array_equal(again, clamped)


# Backgrounds.


@pytest.mark.parametrize(
    ("wish", "colour"),
    [
        ("green", (0, 255, 0)),
        ("Magenta", (255, 0, 255)),
        ("gray", (128, 128, 128)),
        ("#102030", (16, 32, 48)),
        ("#AbCdEf", (171, 205, 239)),
    ],
)
def test_a_colour_is_behind_the_character(wish: str, colour: tuple[int, int, int]) -> None:
    output = composed(CompositeStage(Background(wish)), packet())
    assert output.shape == (SIZE, SIZE, 3)
    assert close(output[OUTSIDE], colour)
    assert close(output[INSIDE], COLOUR)


def test_a_half_clear_character_lets_the_colour_through() -> None:
    output = composed(
        CompositeStage(Background("green")), packet(picture=picture(alpha=51))
    )  # one fifth
    assert close(output[INSIDE], (40, 16 + 204, 8))


@pytest.mark.parametrize("size", [SIZE, 2, 1, 101])
def test_the_default_is_a_soft_gradient(size: int) -> None:
    clear = np.zeros((SIZE, SIZE, 4), np.uint8)
    output = composed(CompositeStage(Background(), size_px=size), packet(picture=clear))
    assert output.shape == (size, size, 3)
    assert close(output[0, 0], SOFT[0])
    if size > 1:
        assert close(output[-1, 0], SOFT[1])
        assert (np.diff(output[:, 0].astype(int).sum(axis=1)) <= 0).all()


def test_transparent_keeps_the_picture_as_it_is() -> None:
    given = packet()
    output = composed(CompositeStage(Background("transparent")), given)
    np.testing.assert_array_equal(output, given.picture)


@pytest.mark.parametrize("height_width", [(36, 64), (64, 36), (48, 48), (1, 200), (200, 1)])
def test_the_source_fills_the_background_with_its_middle(height_width: tuple[int, int]) -> None:
    height, width = height_width
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, width)
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    clear = np.zeros((SIZE, SIZE, 4), np.uint8)
    output = composed(CompositeStage(Background("source")), packet(image, picture=clear))
    assert output.shape == (SIZE, SIZE, 3)
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    cut = image[y : y + side, x : x + side]
    assert close(output[0, 0], cut[0, 0], by=12)
    assert close(output[-1, -1], cut[-1, -1], by=12)
    assert close(output[SIZE // 2, SIZE // 2], cut[side // 2, side // 2], by=12)


def test_blur_shows_the_colours_of_the_room_and_nothing_in_it() -> None:
    """Stripes as fine as a face's features are gone; what is red on the left is still red there."""
    room = np.zeros((72, 128, 3), np.uint8)
    room[:, :64], room[:, 64:] = (200, 30, 30), (30, 30, 200)
    room[:, np.arange(128) // 2 % 2 == 0] += 50
    made = composed(CompositeStage(Background("blur")), packet(room))
    corner = made[OUTSIDE].astype(int)
    assert np.abs(corner - (225, 55, 55)).max() < 25
    assert np.abs(np.diff(corner, axis=1)).max() < 8
    assert close(made[INSIDE], COLOUR)
    plain = composed(CompositeStage(Background("source")), packet(room))
    assert np.abs(np.diff(plain[OUTSIDE].astype(int), axis=1)).max() > 20


@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "sixteen bits"])
def test_a_picture_is_behind_the_character(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "backdrop.png"
    bgr = np.zeros((30, 60, 3), np.uint8)
    bgr[:, :10] = bgr[:, 50:] = (255, 255, 255)  # cut off, as the picture is wider
    bgr[:, 15:45] = (30, 20, 10)
    written: NDArray[np.generic] = bgr
    expected = (10, 20, 30)
    if kind == "grey":
        written, expected = bgr[..., 0], (30, 30, 30)
    elif kind == "alpha":
        written = np.dstack([bgr, np.full((30, 60), 255, np.uint8)])
    elif kind == "sixteen bits":
        written = bgr.astype(np.uint16) * 257
    assert cv2.imwrite(str(path), written)
    stage = CompositeStage(Background(str(path)))
    output = composed(stage, packet())
    assert close(output[8:-8, :12], expected)
    assert close(output[INSIDE], COLOUR)
    assert composed(stage, packet(size=32)).shape == (32, 32, 3), "a character of another size"


@pytest.mark.parametrize("wish", ["greenish", "#12345", "#12345g", "#00 00 ", "", "00ff00"])
def test_what_is_no_background_is_told_with_what_could_be(wish: str) -> None:
    with pytest.raises(SinkError, match="no colour; colours are #rrggbb or one of white"):
        Background(wish)


def test_a_picture_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(SinkError, match=r"broken\.png' is no picture that can be read"):
        Background(str(broken))
    with pytest.raises(SinkError, match="is no picture that can be read"):
        Background(str(tmp_path))


# Layouts and sizes.


@pytest.mark.parametrize("size", [None, 24, 100])
@pytest.mark.parametrize("height_width", [(36, 64), (97, 41)])
def test_the_performer_is_to_the_left_at_the_same_height(
    size: int | None, height_width: tuple[int, int]
) -> None:
    image = np.full((*height_width, 3), (10, 60, 110), np.uint8)
    stage = CompositeStage(Background("green"), layout="side-by-side", size_px=size)
    output = composed(stage, packet(image))
    height = height_width[0] if size is None else size
    left = round(height_width[1] * height / height_width[0])
    assert output.shape == (height, left + height, 3)
    assert close(output[:, :left], (10, 60, 110))
    character = output[:, left:]
    assert close(character[0, 0], (0, 255, 0))
    assert close(character[height // 2, height // 2], COLOUR)


def test_a_very_narrow_performer_is_still_there() -> None:
    image = np.full((400, 1, 3), 50, np.uint8)
    stage = CompositeStage(Background("white"), layout="side-by-side", size_px=16)
    output = composed(stage, packet(image))
    assert output.shape == (16, 17, 3)
    assert close(output[:, 0], 50)


def test_side_by_side_over_the_source_is_the_source_twice() -> None:
    image = np.full((36, 64, 3), (10, 60, 110), np.uint8)
    stage = CompositeStage(Background("source"), layout="side-by-side")
    output = composed(stage, packet(image))
    assert close(output[0], (10, 60, 110))


def test_side_by_side_without_a_background_is_refused() -> None:
    with pytest.raises(SinkError, match="choose a background for side-by-side"):
        CompositeStage(Background("transparent"), layout="side-by-side")


def test_the_stage_needs_a_picture() -> None:
    with pytest.raises(ValueError, match="put a generator before it"):
        composed(CompositeStage(Background()), packet(picture=None))


@pytest.mark.parametrize("size", [16, 31, 47, 49, 131])
def test_a_resized_picture_stays_premultiplied_and_in_place(size: int) -> None:
    output = composed(CompositeStage(Background("transparent"), size_px=size), packet())
    assert output.shape == (size, size, 4)
    assert (output[..., :3] <= output[..., 3:]).all()
    assert close(output[size // 2, size // 2], (*COLOUR, 255), by=1)
    assert close(output[0, 0], 0, by=1)
    rows = np.flatnonzero(output[:, size // 2, 3] > 127)
    assert abs(rows[0] - size / 4) <= 1
    assert abs(rows[-1] + 1 - 3 * size / 4) <= 1


def test_outputs_that_somebody_holds_are_not_drawn_over() -> None:
    stage = CompositeStage(Background("black"), size_px=20)
    first = composed(stage, packet())
    kept = first.copy()
    composed(stage, packet(picture=np.full((SIZE, SIZE, 4), 255, np.uint8)))
    np.testing.assert_array_equal(first, kept)


# Marks.


def shown() -> bool:
    return True


@pytest.mark.parametrize("size", [None, 30, 96])
@pytest.mark.parametrize("layout", ["character", "side-by-side"])
def test_the_pose_is_drawn_where_the_character_is(size: int | None, layout: str) -> None:
    joints = standing()
    plain = CompositeStage(Background("white"), layout=layout, size_px=size)  # type: ignore[arg-type]
    marked = CompositeStage(
        Background("white"), layout=layout, size_px=size, show_pose=shown  # type: ignore[arg-type]
    )  # fmt: skip
    before, after = composed(plain, packet()), composed(marked, packet(joints=joints))
    side = before.shape[0]
    expected = before[:, -side:].copy()
    scaled = joints.copy()
    scaled[:, :3] *= side / SIZE
    draw_overlay(expected, scaled)
    np.testing.assert_array_equal(after[:, -side:], expected)
    np.testing.assert_array_equal(after[:, :-side], before[:, :-side])
    assert (after != before).any()


def test_nobody_has_no_pose_to_draw() -> None:
    given = packet(joints=None)
    output = composed(CompositeStage(Background("transparent"), show_pose=shown), given)
    np.testing.assert_array_equal(output, given.picture)


def with_message(background: str, *, size: int = 128) -> CompositeStage:
    return CompositeStage(Background(background), size_px=size, message=lambda: "stand straight: 3")


def with_pose(background: str, *, size: int = 128) -> CompositeStage:
    return CompositeStage(Background(background), size_px=size, show_pose=shown)


@pytest.mark.parametrize("stage_over", [with_message, with_pose])
@pytest.mark.parametrize("colour", ["white", "black", "#30a060"])
def test_marks_carry_their_own_alpha(
    stage_over: Callable[[str], CompositeStage], colour: str
) -> None:
    """Laid over a colour later, they look as if drawn over it at once: no dark or light fringe."""
    given = packet(joints=standing())
    clear = composed(stage_over("transparent"), given)
    assert (clear[..., :3] <= clear[..., 3:]).all(), "premultiplied"
    at_once = composed(stage_over(colour), given)
    later = over(clear, Background(colour).behind(*clear.shape[:2], given.frame.image))
    assert close(later, at_once, by=3)
    assert clear.shape == (128, 128, 4)
    unmarked = composed(CompositeStage(Background("transparent"), size_px=128), given)
    assert (clear[..., 3] > unmarked[..., 3]).any(), "also where nothing else is"


@pytest.mark.parametrize("stage_over", [with_message, with_pose])
def test_marks_leave_the_generators_picture_alone(
    stage_over: Callable[..., CompositeStage],
) -> None:
    given = packet(joints=standing())
    assert given.picture is not None
    kept = given.picture.copy()
    output = composed(stage_over("transparent", size=SIZE), given)
    assert (output != kept).any()
    np.testing.assert_array_equal(given.picture, kept)


@pytest.mark.parametrize("text", ["hold still", "a very long line " * 9])
@pytest.mark.parametrize("size", [40, 300])
def test_a_message_can_be_read_and_fits(text: str, size: int) -> None:
    messages = iter([text, None])
    stage = CompositeStage(Background("#808080"), size_px=size, message=lambda: next(messages))
    said = composed(stage, packet())
    silent = composed(stage, packet())
    changed = (said != silent).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert len(ys)
    assert ys.max() < size // 4, "at the top"
    assert xs.max() < size - 1, "not cut off"


@pytest.mark.parametrize("background", ["transparent", "white"])
def test_whoever_is_asked_for_marks_is_asked_once_a_frame(background: str) -> None:
    asked: list[str] = []

    def show_pose() -> bool:
        asked.append("pose")
        return False

    def message() -> str | None:
        asked.append("message")
        return None

    stage = CompositeStage(Background(background), show_pose=show_pose, message=message)
    composed(stage, packet())
    assert sorted(asked) == ["message", "pose"]
    assert list(stage.flush()) == []
    stage.close()


@settings(max_examples=20, deadline=None)
@given(premultiplied())
def test_transparent_then_over_is_the_same_as_over(image: Image) -> None:
    square = np.zeros((6, 6, 4), np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    given = packet(picture=square)
    clear = composed(CompositeStage(Background("transparent")), given)
    direct = composed(CompositeStage(Background("cyan")), given)
    np.testing.assert_array_equal(over(clear, np.array([[[0, 255, 255]]], np.uint8)), direct)

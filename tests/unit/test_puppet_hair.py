"""Hair on arms is no sleeve, and a sleeve below hair is no hair."""

import numpy as np
import pytest

from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.hair import UPPER_ARMS, hair_on_arms, sleeves_on_hair
from engine.puppet.parts import CHEST, COUNT, HEAD
from engine.puppet.tidy import LEGS, tidy
from tests.cut_drawings import body

SIZE = 128
RIGHT, LEFT = UPPER_ARMS
THIGH = LEGS[0]
HAIR, SKIN, SLEEVE, SHIRT = (40, 24, 20), (246, 210, 190), (40, 90, 200), (240, 240, 240)
Box = tuple[slice, slice]
LOCK: Box = (slice(42, 54), slice(44, 51))


def box(top: int, bottom: int, left: int, right: int) -> Box:
    return slice(top, bottom), slice(left, right)


def paint(pixels: np.ndarray, part: int, where: Box, colour: tuple[int, ...]) -> None:
    pixels[:, *where, DRAWN:] = 0
    pixels[part][where] = (*colour, 255, 255)


def long_haired(sleeve: tuple[int, ...] = SLEEVE) -> np.ndarray:
    """A head whose hair hangs down to the right shoulder, a chest, and two sleeves."""
    pixels = np.zeros((COUNT, SIZE, SIZE, 5), np.uint8)
    paint(pixels, CHEST, box(36, 62, 56, 72), SHIRT)
    paint(pixels, RIGHT, box(40, 56, 38, 56), sleeve)
    paint(pixels, LEFT, box(40, 56, 72, 90), sleeve)
    paint(pixels, HEAD, box(8, 36, 50, 78), HAIR)
    paint(pixels, HEAD, box(24, 36, 56, 72), SKIN)
    paint(pixels, HEAD, box(10, 42, 44, 51), HAIR)
    return pixels


def owner(drawing: CutDrawing) -> np.ndarray:
    return drawing.pixels[..., DRAWN].argmax(0)


def with_lock(sleeve: tuple[int, ...] = SLEEVE) -> np.ndarray:
    """And the end of that lock lies on the sleeve, which the cutter gives to the arm."""
    pixels = long_haired(sleeve)
    paint(pixels, RIGHT, LOCK, HAIR)
    return pixels


def test_a_lock_on_an_arm_is_the_heads_and_the_sleeve_goes_on_below_it():
    pixels, joints = with_lock(), body(SIZE)
    made = tidy(CutDrawing(pixels, joints))
    assert (owner(made)[LOCK] == HEAD).all()
    assert (made.pixels[HEAD][LOCK][..., :3] == HAIR).all()
    below = made.pixels[RIGHT][LOCK]
    assert not below[..., DRAWN].any()
    assert (below[..., WHOLE] == 255).mean() > 0.9
    assert np.abs(np.median(below[..., :3].reshape(-1, 3), 0) - SLEEVE).max() < 10
    np.testing.assert_array_equal(made.pixels[LEFT], pixels[LEFT])
    again = tidy(CutDrawing(pixels, joints))
    np.testing.assert_array_equal(again.pixels, made.pixels)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_drawn_stays_drawn(seed: int):
    pixels, rng = with_lock(), np.random.default_rng(seed)
    noise = rng.integers(-6, 7, pixels[..., :3].shape)
    pixels[..., :3] = (pixels[..., :3].astype(int) + noise).clip(0, 255)
    made = tidy(CutDrawing(pixels, body(SIZE, seed, 0.004)))
    drawn = [np.where(p[..., DRAWN:WHOLE] > 0, p[..., :3], 0).sum(0) for p in (pixels, made.pixels)]
    np.testing.assert_array_equal(*drawn)
    np.testing.assert_array_equal(
        made.pixels[..., DRAWN].astype(int).sum(0), pixels[..., DRAWN].astype(int).sum(0)
    )
    assert (owner(made)[LOCK] == HEAD).mean() > 0.95


def test_sleeves_of_the_colour_of_hair_stay_sleeves():
    pixels = with_lock(sleeve=HAIR)
    made = tidy(CutDrawing(pixels, body(SIZE)))
    np.testing.assert_array_equal(made.pixels[RIGHT], pixels[RIGHT])


def test_a_hat_and_outlines_drawn_in_the_colour_of_hair_tell_nothing():
    hat, lined = with_lock(), with_lock()
    paint(hat, HEAD, box(22, 42, 44, 51), SHIRT)  # what hangs beside the face has another colour
    paint(hat, HEAD, box(22, 36, 50, 56), SHIRT)
    paint(hat, HEAD, box(22, 36, 72, 78), SHIRT)
    paint(lined, THIGH, box(70, 90, 54, 66), SKIN)
    paint(lined, THIGH, box(70, 90, 54, 56), HAIR)
    for pixels in (hat, lined):
        made = tidy(CutDrawing(pixels, body(SIZE)))
        assert (owner(made)[LOCK] == RIGHT).all()


def test_hair_apart_from_the_heads_and_outlines_stay():
    pixels = long_haired()
    apart, outline = box(46, 54, 76, 84), box(42, 56, 46, 47)
    paint(pixels, LEFT, apart, HAIR)
    paint(pixels, RIGHT, outline, HAIR)
    made = owner(tidy(CutDrawing(pixels, body(SIZE))))
    assert (made[apart] == LEFT).all()
    assert (made[outline] == RIGHT).all()


def test_a_sleeve_that_was_taken_for_hair_is_the_arms():
    pixels, wrong = long_haired(), box(46, 56, 80, 88)
    paint(pixels, HEAD, box(20, 46, 78, 90), HAIR)
    paint(pixels, HEAD, wrong, SLEEVE)
    made = tidy(CutDrawing(pixels, body(SIZE)))
    assert (owner(made)[wrong] == LEFT).mean() > 0.9
    assert (owner(made)[box(20, 44, 78, 90)] == HEAD).all()


def test_who_has_no_hair_or_no_head_keeps_what_they_have():
    pixels, joints = with_lock(), body(SIZE)
    for change in (lambda head: head.fill(0), lambda head: head[..., :3].fill(200)):
        other = pixels.copy()
        change(other[HEAD])
        parts = np.where(other[..., DRAWN].any(0), other[..., DRAWN].argmax(0), COUNT)
        colours = other[..., :3].max(0).astype(np.float32)
        assert hair_on_arms(parts.astype(np.uint8), colours, joints) == []
        assert sleeves_on_hair(parts.astype(np.uint8), colours, joints) == []

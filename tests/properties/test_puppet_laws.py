"""Laws of the puppet, on random poses."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.puppet.puppet import Puppet
from tests.cut_drawings import body, cut_drawing

SIZE = 64
PUPPET = Puppet([cut_drawing(SIZE)])

seeds = st.integers(0, 2**31)


def draw(joints: np.ndarray) -> np.ndarray:
    out = np.empty((SIZE, SIZE, 4), np.uint8)
    PUPPET.carry(joints, out)
    return out


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0, 1), st.integers(-40, 40), st.integers(-40, 40))
def test_a_puppet_that_is_moved_is_the_picture_moved(seed, noise, right, down):
    joints = body(SIZE, seed, noise * 0.1)
    moved = joints + np.array([right, down, 0, 0], np.float32)
    here, there = draw(joints), draw(moved)
    wide = np.zeros((3 * SIZE, 3 * SIZE, 4), np.uint8)
    wide[SIZE + down : 2 * SIZE + down, SIZE + right : 2 * SIZE + right] = here
    expected = wide[SIZE : 2 * SIZE, SIZE : 2 * SIZE]
    # What was outside before may come in; all else is as it was, but for cells lying elsewhere.
    inside = np.zeros((3 * SIZE, 3 * SIZE), bool)
    inside[SIZE + down : 2 * SIZE + down, SIZE + right : 2 * SIZE + right] = True
    inside = inside[SIZE : 2 * SIZE, SIZE : 2 * SIZE]
    error = np.abs(there.astype(int) - expected)[inside]
    assert error.size == 0 or (error > 24).mean() < 0.04


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0, 3))
def test_pictures_are_premultiplied(seed, noise):
    picture = draw(body(SIZE, seed, noise))
    assert (picture[..., :3] <= picture[..., 3:]).all()


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(100, 1e6), st.floats(0, 6.3))
def test_nothing_is_drawn_of_who_is_elsewhere(seed, distance, angle):
    away = np.array([np.cos(angle), np.sin(angle), 0, 0]) * 3 * distance
    assert not draw(body(SIZE, seed) + away.astype(np.float32)).any()

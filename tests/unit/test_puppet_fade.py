"""A part that changes to another drawing, or an arm that goes behind the head, fades over."""

import numpy as np
import pytest

from engine.puppet.drawing import CutDrawing
from engine.puppet.frames import Frames, nearest
from engine.puppet.parts import COUNT, GROUPS, HEAD
from engine.puppet.puppet import FADE, Puppet
from tests.cut_drawings import body, cut_drawing

SIZE = 64


def turned(degrees: float) -> np.ndarray:
    joints = body(SIZE)
    angle = np.radians(degrees)
    x, z = joints[:, 0] - SIZE / 2, joints[:, 2]
    joints[:, 0] = SIZE / 2 + x * np.cos(angle) - z * np.sin(angle)
    joints[:, 2] = x * np.sin(angle) + z * np.cos(angle)
    return joints


def puppet() -> Puppet:
    """One drawing from the front, one of the other side from 60 degrees."""
    return Puppet([cut_drawing(SIZE), CutDrawing(cut_drawing(SIZE, 1).pixels, turned(60))])


def drawn(one: Puppet, joints: np.ndarray) -> np.ndarray:
    out = np.empty((SIZE, SIZE, 4), np.uint8)
    one.carry(joints, out)
    return out


def composed(placed, one: Puppet) -> np.ndarray:
    """All of it, whatever is the same."""
    placed.move(one._target)
    out, painted_in = np.empty((SIZE, SIZE, 4), np.uint8), np.empty((SIZE, SIZE), np.uint8)
    placed.compose(one._maps, one._keep, False, out, painted_in)
    return out


def turns(step: float) -> list[np.ndarray]:
    return [turned(degrees) for degrees in np.arange(0, 70, step)]


def test_what_changes_is_a_mix_of_both_ways_for_some_pictures():
    one, shares = puppet(), []
    for joints in turns(2):
        picture = drawn(one, joints)
        if one._fading:
            share = one._fading / (FADE + 1)
            leaving, placed = composed(one._leaving, one), composed(one._placed, one)
            mix = placed + share * (leaving.astype(float) - placed)
            assert np.abs(picture - mix).max() <= 0.51
            assert (picture[..., :3] <= picture[..., 3:]).all()
        shares.append(one._fading)
    assert shares[0] == 0
    begun = [i for i, left in enumerate(shares) if left == FADE]
    assert begun
    for i in begun:
        assert shares[i : i + FADE] == list(range(FADE, 0, -1))


def test_what_has_faded_is_as_if_it_had_always_been_so():
    one = puppet()
    for joints in turns(2):
        drawn(one, joints)
    for _ in range(3 * FADE):
        last = drawn(one, joints)
    other = puppet()
    drawn(other, joints)
    # Arms and drawings stay with what they were when it is a near thing.
    other._placed.choose(one._placed.chosen, one._placed.order)
    np.testing.assert_array_equal(last, drawn(other, joints))


@pytest.mark.parametrize("step", [10, 30])
def test_who_turns_quickly_changes_at_once(step):
    one = puppet()
    for joints in turns(step):
        drawn(one, joints)
        assert not one._fading


def test_who_is_elsewhere_in_the_next_picture_changes_at_once():
    one = puppet()
    drawn(one, turned(29))
    there = turned(33) + np.array([SIZE / 3, 0, 0, 0], np.float32)
    drawn(one, there)
    assert not one._fading


def test_who_forgets_draws_as_if_it_were_the_first_picture():
    poses, one = turns(2), puppet()
    alone = [drawn(puppet(), joints) for joints in poses]
    assert any(
        (drawn(one, joints) != first).any() for joints, first in zip(poses, alone, strict=True)
    )
    for i in (*reversed(range(len(poses))), *range(len(poses))):
        one.forget()
        assert (drawn(one, poses[i]) == alone[i]).all()


def test_the_same_poses_give_the_same_pictures():
    first, second = puppet(), puppet()
    for joints in turns(2):
        np.testing.assert_array_equal(drawn(first, joints), drawn(second, joints))


def test_an_arm_that_goes_behind_the_head_fades():
    """Without a second drawing."""
    one, fading = Puppet([cut_drawing(SIZE)]), []
    for step in np.linspace(0, 1, 41):
        joints = body(SIZE)
        joints[[6, 7], 1] += step * 2 * (joints[5, 1] - joints[[6, 7], 1])  # up to its mirror image
        joints[[5, 6, 7], 2] = 6 * (step - 1)
        drawn(one, joints)
        fading.append(one._fading)
    assert FADE in fading
    assert fading[-1] == 0


def test_nobody_fades_into_nobody():
    one = puppet()
    drawn(one, body(SIZE))
    assert not drawn(one, np.full((20, 4), np.nan, np.float32)).any()
    assert not one._fading
    assert drawn(one, body(SIZE)).any()


@pytest.mark.parametrize(("degrees", "wanted"), [(20, 0), (40, 0), (90, 2), (140, 1), (170, 1)])
def test_fronts_and_backs_are_worth_more_than_sides(degrees, wanted):
    """From a side limbs hide each other, and are cut badly."""
    drawings = [Frames.of(turned(angle)) for angle in (0, 180, 90, -90)]
    target, seen = Frames.of(turned(degrees)), np.ones((4, COUNT))
    chosen = nearest(target, drawings, seen)
    assert (chosen[HEAD + 1 :] == wanted).all()
    for group in GROUPS:
        assert len(set(chosen[list(group)])) == 1

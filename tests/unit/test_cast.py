import threading
from types import SimpleNamespace

import numpy as np
import pytest

from engine.cast import Actor, Cast


class _Generator:
    ready = True

    def __init__(self, colour: int = 0) -> None:
        self.closed = 0
        self.colour = colour
        self.drawing = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def prepare(self) -> None:
        pass

    def draw(self, joints, pose_image, out) -> None:
        self.drawing.set()
        assert self.go_on.wait(10)
        assert not self.closed
        out[:] = self.colour

    def forget(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def _cast(count: int) -> Cast:
    return Cast([Actor(SimpleNamespace(name=str(i)), _Generator()) for i in range(count)])


def test_the_first_actor_begins():
    cast = _cast(2)
    assert [cast.enter(s) for s in range(3)] == [0, 0, 0]
    assert cast.at(0) == 0


def test_a_switch_splits_no_frame():
    cast = _cast(3)
    cast.enter(0)
    cast.enter(1)
    cast.wish(+1)
    assert cast.at(1) == 0  # wished for, not yet decided
    assert cast.enter(5) == 1  # frames 2, 3 and 4 were dropped on the way
    cast.wish(+1)
    assert cast.enter(6) == 2
    assert [cast.at(s) for s in (1, 4, 5, 6, 7)] == [0, 0, 1, 2, 2]


def test_wishes_go_round_both_ways():
    cast = _cast(3)
    assert cast.wish(-1).bundle.name == "2"
    assert cast.enter(0) == 2
    assert cast.wish(+1).bundle.name == "0"
    assert cast.enter(1) == 0


def test_a_wish_for_the_actor_on_stage_changes_nothing():
    cast = _cast(1)
    cast.wish(+1)
    assert cast.enter(0) == 0
    assert len(cast._switches) == 1


def test_many_switches_are_remembered_long_enough():
    cast = _cast(2)
    for sequence in range(1000):
        cast.wish(+1)
        cast.enter(sequence)
    assert [cast.at(s) for s in (998, 999)] == [1, 0]


def test_closing_closes_every_backend():
    cast = _cast(3)
    cast.close()
    assert [actor.generator.closed for actor in cast.actors] == [1, 1, 1]


def test_an_empty_cast_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Cast([])


def test_a_generator_is_replaced_between_two_frames():
    old, new = _Generator(1), _Generator(2)
    cast = Cast([Actor(SimpleNamespace(name="0"), old)])
    actor, out = cast.actors[0], np.zeros((4, 4, 4), np.uint8)
    old.go_on.clear()
    drawing = threading.Thread(target=actor.draw, args=(None, None, out))
    drawing.start()
    assert old.drawing.wait(10)
    replacing = threading.Thread(target=actor.replace, args=(new,))
    replacing.start()
    replacing.join(0.05)
    assert replacing.is_alive()  # the picture under way is finished first
    assert old.closed == 0
    old.go_on.set()
    drawing.join(10)
    replacing.join(10)
    assert (out == 1).all()
    assert (old.closed, new.closed) == (1, 0)
    actor.draw(None, None, out)
    assert (out == 2).all()
    cast.close()
    assert (old.closed, new.closed) == (1, 1)


def test_whoever_comes_too_late_is_closed():
    cast = _cast(1)
    cast.close()
    late = _Generator()
    cast.actors[0].replace(late)
    assert late.closed == 1
    assert cast.actors[0].generator is not late

from types import SimpleNamespace

import pytest

from engine.cast import Actor, Cast


class _Backend:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def _cast(count: int) -> Cast:
    return Cast([Actor(SimpleNamespace(name=str(i)), _Backend()) for i in range(count)])


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
    assert [actor.backend.closed for actor in cast.actors] == [1, 1, 1]


def test_an_empty_cast_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Cast([])

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.pose.follow import Follower
from engine.pose.pose import Pose
from engine.pose.skeleton import MEDIAPIPE_33

S = 1_000_000_000


def person(x: float, y: float = 100.0, size: float = 50.0) -> Pose:
    keypoints = np.zeros((33, 2), np.float32)
    for joint, (dx, dy) in {
        "l_shoulder": (0.3, 0), "r_shoulder": (-0.3, 0), "l_hip": (0.2, 1), "r_hip": (-0.2, 1)
    }.items():  # fmt: skip
        keypoints[MEDIAPIPE_33.index(joint)] = x + dx * size, y + dy * size
    return Pose(keypoints, np.ones(33, np.float32), np.zeros((33, 3), np.float32))


def test_the_largest_is_followed_whatever_the_order() -> None:
    small, large = person(50, size=40), person(200, size=60)
    assert Follower().choose([small, large], 0) is large
    assert Follower().choose([large, small], 0) is large


def test_a_larger_one_who_comes_later_is_not() -> None:
    follower = Follower()
    first = person(100, size=50)
    assert follower.choose([first], 0) is first
    second, newcomer = person(105, size=50), person(300, size=90)
    assert follower.choose([newcomer, second], S // 30) is second


def test_nobody_takes_over_from_one_who_is_away_for_a_moment() -> None:
    follower = Follower(patience_s=1)
    follower.choose([person(100)], 0)
    assert follower.choose([person(500)], S // 2) is None
    assert follower.choose([], S // 2 + 1) is None
    back = person(110)
    assert follower.choose([person(500), back], S) is back
    other = person(500)
    assert follower.choose([other], 2 * S + 1) is other


def test_nobody_is_a_value() -> None:
    assert Follower().choose([], 0) is None


@given(st.lists(st.floats(-15, 15), max_size=60), st.randoms())
def test_two_who_keep_apart_are_never_exchanged(steps: list[float], shuffle) -> None:
    follower = Follower()
    x = 100.0
    followed = follower.choose([person(x, size=60), person(400, size=50)], 0)
    for i, step in enumerate(steps):
        x = min(max(x + step, 0), 250)
        mine = person(x, size=60)
        people = [mine, person(400, size=50)]
        shuffle.shuffle(people)
        followed = follower.choose(people, (i + 1) * S // 30)
        assert followed is mine

"""The budget governor on a simulated clock and machine: it settles, and it does not swing."""

import math
from collections.abc import Callable

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.governor import PACES, Governor

STEP_S = 0.25
WINDOW_S = 1.0

ladders = st.lists(st.floats(1.05, 3.0), min_size=1, max_size=5)
"""How many times the next cheaper level's load each level's is."""


def simulate(
    gains: list[float],
    cheapest: Callable[[float], float],
    seconds: float,
    *,
    level: int = 0,
    expected: list[float] | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[Governor, list[tuple[float, int]]]:
    """The governor and its changes, on a machine where the last level's load is `cheapest(s)`."""
    rng = np.random.default_rng(seed)
    governor = Governor([1.5] * len(gains) if expected is None else expected, level)
    changes: list[tuple[float, int]] = []
    fresh_s = WINDOW_S
    for step in range(round(seconds / STEP_S)):
        now_s = step * STEP_S
        load = cheapest(now_s) * math.prod(gains[governor.level :])
        load *= 1 + noise * rng.uniform(-1, 1)
        before = governor.level
        if governor.look(now_s, load if now_s >= fresh_s else None) != before:
            changes.append((now_s, governor.level))
            fresh_s = now_s + WINDOW_S
    return governor, changes


def loads(gains: list[float], cheapest: float) -> list[float]:
    return [cheapest * math.prod(gains[level:]) for level in range(len(gains) + 1)]


@given(ladders, st.floats(0.02, 3.0), st.integers(0, 5))
def test_it_settles_at_a_level_that_keeps_the_budget(gains, cheapest, start):
    """The best one but for those that would leave little room, at rest or after a failure."""
    governor, changes = simulate(gains, lambda s: cheapest, 600, level=min(start, len(gains)))
    costs = loads(gains, cheapest)
    stays = governor.level
    late = [level for at, level in changes if at > 300]
    # Late in the run it only ever tries what is over budget, and comes back.
    assert all(costs[level] > 1 or level == stays for level in late)
    assert len(late) <= 6
    if not late:
        assert costs[stays] <= 1 or stays == len(gains)
        assert stays == 0 or costs[stays] >= PACES.clear or costs[stays - 1] > 1


@given(ladders, st.floats(0.02, 2.0), st.integers(0, 99))
@settings(max_examples=50)
def test_on_a_steady_machine_retries_grow_rare(gains, cheapest, seed):
    noise = 0.02
    # A level that noise alone takes over the budget holds it for minutes, and is tried anew.
    assume(all(abs(load - 1) > 2 * noise for load in loads(gains, cheapest)))
    _, changes = simulate(gains, lambda s: cheapest, 3600, noise=noise, seed=seed)
    # Each level fails at most once in 60, 120, 240 ... seconds.
    retries = math.log2(3600 / PACES.doubtful_s) + 1
    assert len(changes) <= len(gains) + 2 * retries * len(gains)
    for level in range(len(gains)):
        tries = [at for at, taken in changes if taken == level]
        pauses = np.diff(tries)
        assert (pauses[2:] > pauses[1:-1] * 1.2).all() or len(pauses) < 3


@given(
    ladders,
    st.lists(st.tuples(st.floats(0.3, 30.0), st.floats(0.01, 4.0)), min_size=1, max_size=20),
    st.floats(0.0, 0.5),
)
def test_whatever_happens_it_is_never_quicker_than_its_paces(gains, phases, noise):
    """Down after a second at the least, up after ten; ups are rarer than one in ten seconds."""
    ends = np.cumsum([length for length, _ in phases])

    def cheapest(s: float) -> float:
        return phases[min(int(np.searchsorted(ends, s)), len(phases) - 1)][1]

    seconds = float(ends[-1]) + 60
    _, changes = simulate(gains, cheapest, seconds, noise=noise)
    last_s, last = 0.0, 0
    for at_s, level in changes:
        assert abs(level - last) == 1
        assert at_s - last_s >= (PACES.over_s if level > last else PACES.clear_s)
        last_s, last = at_s, level
    ups = sum(b < a for (_, a), (_, b) in zip([(0.0, 0), *changes], changes, strict=False))
    assert ups <= seconds / PACES.clear_s
    assert len(changes) <= 2 * ups + len(gains)


@given(st.floats(0.3, 0.6), st.floats(2.0, 4.0))
def test_it_yields_to_another_program_within_seconds_and_recovers(light, slowdown):
    """Three levels, each half of the one before; another program takes the machine for 30 s."""

    def cheapest(s: float) -> float:
        return light / 4 * (slowdown if 30 <= s < 60 else 1)

    governor, changes = simulate([2.0, 2.0], cheapest, 200)
    costs = loads([2.0, 2.0], light / 4 * slowdown)
    enough = next((level for level, cost in enumerate(costs) if cost <= 1), 2)
    down = [(at, level) for at, level in changes if at < 60]
    assert [level for _, level in down] == list(range(1, enough + 1))
    assert all(at < 30 + 2.5 * level for at, level in down)
    assert governor.level == 0
    assert all(at < 140 for at, _ in changes)


def test_what_a_level_cost_last_time_is_learnt():
    governor, _ = simulate([3.0], lambda s: 0.5, 10, expected=[1.1])
    assert governor.level == 1
    assert abs(governor.gains[0] - 3.0) < 1e-6


def test_nothing_is_done_while_nothing_is_known():
    governor = Governor([1.5, 1.5], 1)
    assert [governor.look(s, None) for s in range(100)] == [1] * 100
    assert governor.look(100, 5.0) == 1
    assert governor.look(100.5, None) == 1
    assert governor.look(101.2, 5.0) == 1  # what was over budget before is forgotten

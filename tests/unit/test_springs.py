import numpy as np
import pytest

from engine.mocap.rig import INDEX, JOINTS
from tests import naive_springs
from training.characters import _kernels_springs
from training.characters.sheet import euler
from training.characters.springs import Capsule, Chain, Springs
from training.motion.posture import REFERENCE_REST

HEAD = INDEX["head"]
POINTS = ((0.0, 1.6, -0.1), (0.05, 1.5, -0.14), (0.05, 1.4, -0.16), (0.0, 1.3, -0.15))


def body(turn: tuple[float, float, float] = (0, 0, 0), shift: float = 0.0):
    """Rotations and positions of all joints, turned and moved as one about the head."""
    rotation = euler(turn)
    rotations = np.tile(rotation, (len(JOINTS), 1, 1))
    centre = REFERENCE_REST[HEAD]
    return rotations, (REFERENCE_REST - centre) @ rotation.T + centre + [shift, 0.0, 0.0]


def springs(*capsules: Capsule, **options: float) -> Springs:
    settings = {"stiffness": 8.0, "gravity": 9.8, "drag": 4.0} | options
    return Springs([Chain(HEAD, POINTS, **settings)], capsules, REFERENCE_REST)


def test_an_upright_chain_rests_as_it_was_modelled() -> None:
    state = springs()
    state.reset(*body())
    turns, shifts = state.bones()
    np.testing.assert_allclose(turns, np.tile(np.eye(3), (3, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(shifts, 0.0, atol=1e-9)


def test_a_step_agrees_with_its_twin() -> None:
    points = np.array(POINTS)
    rng = np.random.default_rng(0)
    for dt in (0.0, 1 / 120):
        base, root = euler(tuple(rng.normal(scale=40, size=3))), rng.normal(size=3)
        tips = points[1:] + rng.normal(scale=0.05, size=(3, 3))
        before = tips + rng.normal(scale=0.005, size=(3, 3))
        wanted, turns = naive_springs.spring_chain(
            points, 8.0, 9.8, 4.0, base, root, dt, tips, before
        )
        lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
        out = np.empty((3, 3, 3))
        _kernels_springs.advance(
            np.array([0, 3], np.int32), base[None], root[None],
            np.diff(points, axis=0) / lengths[:, None], lengths, np.array([[8.0, 9.8, 4.0]]),
            np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((3, 0)), dt, tips, before, out,
        )  # fmt: skip
        np.testing.assert_allclose(tips, wanted, atol=1e-9)
        np.testing.assert_allclose(out, turns, atol=1e-8)


def test_it_settles_where_it_was_told_it_would() -> None:
    moving, still = springs(), springs()
    moving.reset(*body())
    for _ in range(400):
        moving.step(*body((30, 20, 40)), 1 / 30)
    still.reset(*body((30, 20, 40)))
    np.testing.assert_allclose(moving.bones()[1], still.bones()[1], atol=1e-4)
    np.testing.assert_allclose(moving.lag(), 0.0, atol=1e-4)


def test_it_trails_a_body_that_sets_off() -> None:
    state = springs()
    state.step(*body(), 1 / 30)
    np.testing.assert_array_equal(state.lag(), 0.0)
    state.step(*body(shift=0.2), 1 / 30)
    assert state.lag()[0, 0] < -0.02


def test_links_keep_their_length_and_the_state_repeats() -> None:
    ends = []
    for _ in range(2):
        state, rng = springs(), np.random.default_rng(3)
        for _ in range(60):
            state.step(*body(tuple(rng.normal(scale=60, size=3)), rng.normal()), 1 / 30)
        turns, shifts = state.bones()
        points = np.array(POINTS)
        heads = np.einsum("lab,lb->la", turns, points[:-1]) + shifts
        tips = np.einsum("lab,lb->la", turns, points[1:]) + shifts
        np.testing.assert_allclose(tips[:-1], heads[1:], atol=1e-6)
        ends.append(tips)
    np.testing.assert_array_equal(ends[0], ends[1])


def test_it_stays_out_of_the_body() -> None:
    ball = Capsule(INDEX["chest"], (0.0, 1.35, 0.05), (0.0, 1.35, 0.05), 0.12)
    free, kept = springs(), springs(ball)
    for state in (free, kept):
        rotations, positions = body((-70, 0, 0))
        rotations[INDEX["chest"]] = np.eye(3)
        positions[INDEX["chest"]] = REFERENCE_REST[INDEX["chest"]]
        state.reset(rotations, positions)

    def gap(state: Springs) -> float:
        turns, shifts = state.bones()
        tips = np.einsum("lab,lb->la", turns, np.array(POINTS)[1:]) + shifts
        return float(np.linalg.norm(tips - [0.0, 1.35, 0.05], axis=1).min())

    assert gap(kept) >= gap(free)
    assert gap(kept) > 0.10


def test_bad_chains_and_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two points"):
        Springs([Chain(HEAD, POINTS[:1], 1.0, 1.0, 1.0)], (), REFERENCE_REST)
    state = springs()
    with pytest.raises(ValueError, match="0 s or more"):
        state.step(*body(), -0.1)


def test_no_chains_are_no_bones() -> None:
    state = Springs((), (), REFERENCE_REST)
    state.step(*body(), 1 / 30)
    turns, shifts = state.bones()
    assert turns.shape == (0, 3, 3)
    assert shifts.shape == (0, 3)

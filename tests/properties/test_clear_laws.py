"""Arms that keep off the character's head where the person's do: the kernels and their laws."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.motion import _kernels as kernels
from engine.motion import _kernels_clear as clearing
from engine.motion.calibrate import PRIOR_M, SEGMENT_ENDS
from engine.motion.normalise import Normaliser
from tests import naive_motion
from tests.people import character, person, rotation, standing, turned

Floats = NDArray[np.float64]

PX_PER_M = 200.0
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
# A character in pixels, in the order of SEGMENTS: a large head and short arms.
LARGE_HEADED = np.repeat(np.array([14.0, 45, 10, 26, 24, 40, 40, 15, 27, 21])[:, None], 2, axis=1)
LIKE_THE_PERSON = np.repeat(100.0 * PRIOR_M[:, None], 2, axis=1)
HEAD = np.array([[0.0, 4, -20], [-8, -3, -16], [8, -3, -16], [-21, 0, 0], [21, 0, 0]])
ARMS = ((2, 3, 4), (5, 6, 7))

angles = st.floats(-np.pi, np.pi)
shares = st.floats(0.3, 1.0)  # of a bone's length that is seen, since it points out of the picture
arms = st.tuples(*[st.tuples(angles, shares)] * 4)


def performer(arms: object) -> Floats:
    """The person (22, 4) whose upper arm and forearm, right and left, have these angles, shares."""
    px = PX_PER_M * PRIOR_M
    body = np.zeros((22, 4))
    body[:, 3] = 1.0
    body[2, 0], body[5, 0], body[20, 1], body[21, 1] = -px[0], px[0], px[1], -px[8]
    body[[8, 11], 1] = px[1]
    body[[16, 17], 0], body[[16, 17], 1] = (-px[9], px[9]), -px[8]
    given = np.asarray(arms, float).reshape(2, 2, 2)
    for (s, e, w), ((upper, near), (fore, far)) in zip(ARMS, given, strict=True):
        body[e, :2] = body[s, :2] + near * px[3] * np.array([np.cos(upper), np.sin(upper)])
        body[w, :2] = body[e, :2] + far * px[4] * np.array([np.cos(fore), np.sin(fore)])
    return body


def normalised(body: Floats, character_px: Floats, *, scale: float = 1.0) -> Floats:
    """(21, 3) offsets by the directions of the bones alone."""
    offsets = np.zeros((21, 3))
    head = HEAD * character_px[9, 0] / HEAD[4, 0] / scale
    kernels.limb_offsets(
        body, scale * PX_PER_M, PRIOR_M, character_px / scale, SEGMENT_ENDS, head, UPRIGHT, offsets
    )
    return offsets


def cleared(body: Floats, character_px: Floats, offsets: Floats, *, scale: float = 1.0) -> Floats:
    """The same with arms that keep off the head."""
    made = offsets.copy()
    px = character_px / scale
    clearing.clear_head(body, scale * PX_PER_M, PRIOR_M, px, UPRIGHT, made)
    return made


def depths(body: Floats, offsets: Floats, character_px: Floats) -> Floats:
    """(2, POINTS): how much nearer to the head each point is than the person's, in head sizes."""
    own, theirs, u = np.empty(3), np.empty(3), np.empty((clearing.POINTS, 2))
    px = PX_PER_M * PRIOR_M
    clearing.head_metric(px[9], px[8], UPRIGHT, theirs)
    clearing.head_metric(character_px[9, 0], character_px[8, 0], UPRIGHT, own)
    metric = own[[0, 1, 1, 2]].reshape(2, 2)
    found = []
    for s, e, w in ARMS:
        kept = clearing.see_arm(body, s, theirs, u)
        shoulder = (offsets[s] - 0.5 * (offsets[16] + offsets[17]))[:2]
        points = shoulder + (
            clearing.UPPER[:, None] * offsets[e, :2] + clearing.FORE[:, None] * offsets[w, :2]
        )
        wanted = np.minimum(np.linalg.norm(u, axis=1), clearing.CLEAR)
        wanted = kept * np.minimum(wanted, np.linalg.norm(metric @ shoulder))
        found.append(np.maximum(0, wanted - np.linalg.norm(points @ metric, axis=1)))
    return np.array(found)


def places(offsets: Floats) -> Floats:
    """(4, 2) of elbows and wrists from the neck."""
    return np.vstack([np.cumsum(offsets[list(arm), :2], axis=0)[1:] for arm in ARMS])


def test_clearing_agrees_with_its_twin() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        body = np.column_stack([rng.normal(0, 60, (22, 3)), rng.uniform(0.2, 1, 22)])
        lengths, px = rng.uniform(0.1, 0.5, 10), rng.uniform(5, 60, (10, 2))
        axes = naive_motion.torso_axes(body)
        given_ = body, 150.0, lengths, px, axes
        offsets = rng.normal(0, 25, (21, 3))
        wanted = naive_motion.clear_head(*given_, offsets)
        clearing.clear_head(*given_, offsets)
        np.testing.assert_allclose(offsets, wanted, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(arms)
def test_a_character_like_the_person_is_left_alone(arms: object) -> None:
    body = performer(arms)
    offsets = normalised(body, LIKE_THE_PERSON)
    np.testing.assert_allclose(cleared(body, LIKE_THE_PERSON, offsets), offsets, atol=1e-6)


@settings(max_examples=300, deadline=None)
@given(arms)
def test_no_point_comes_nearer_to_the_head_and_all_come_off_it(arms: object) -> None:
    body = performer(arms)
    offsets = normalised(body, LARGE_HEADED)
    made = cleared(body, LARGE_HEADED, offsets)
    before, after = (depths(body, one, LARGE_HEADED) for one in (offsets, made))
    assert (after.max(axis=1) <= before.max(axis=1) + 1e-9).all()
    assert after.max() < 0.12
    # What is not the arms stays, depths do, and no bone grows.
    np.testing.assert_array_equal(
        np.delete(made, [3, 4, 6, 7], 0), np.delete(offsets, [3, 4, 6, 7], 0)
    )
    np.testing.assert_array_equal(made[:, 2], offsets[:, 2])
    lengths, old = (np.linalg.norm(one[[3, 4, 6, 7], :2], axis=1) for one in (made, offsets))
    assert (lengths <= old + 1e-9).all()


@settings(max_examples=100, deadline=None)
@given(arms)
def test_what_is_clear_stays_as_it_is(arms: object) -> None:
    body = performer(arms)
    once = cleared(body, LARGE_HEADED, normalised(body, LARGE_HEADED))
    twice = cleared(body, LARGE_HEADED, once)
    lacked = depths(body, once, LARGE_HEADED).max()
    assert lacked > 1e-3 or np.abs(twice - once).max() < 0.3  # px of a head of 23


@settings(max_examples=100, deadline=None)
@given(arms)
def test_left_and_right_are_alike(arms: object) -> None:
    body = performer(arms)
    other = body.copy()
    other[:, 0] *= -1
    for row in (2, 3, 4):
        other[[row, row + 3]] = other[[row + 3, row]]
    other[[16, 17]] = other[[17, 16]]
    made = places(cleared(body, LARGE_HEADED, normalised(body, LARGE_HEADED)))
    mirrored = places(cleared(other, LARGE_HEADED, normalised(other, LARGE_HEADED)))
    np.testing.assert_allclose(mirrored, made[[2, 3, 0, 1]] * (-1, 1), atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(arms, st.floats(0.3, 3.0), st.floats(-500, 500), st.floats(-500, 500))
def test_size_and_place_do_not_matter(arms: object, scale: float, dx: float, dy: float) -> None:
    body = performer(arms)
    moved = body.copy()
    moved[:, :3] *= scale
    moved[:, :2] += dx, dy
    made = cleared(body, LARGE_HEADED, normalised(body, LARGE_HEADED))
    same = normalised(moved, LARGE_HEADED, scale=scale)
    same = cleared(moved, LARGE_HEADED, same, scale=scale)
    np.testing.assert_allclose(same * scale, made, atol=1e-4)


def test_small_motions_stay_small() -> None:
    rng = np.random.default_rng(5)
    gains = []
    for _ in range(1000):
        arms = np.stack([rng.uniform(-np.pi, np.pi, 4), rng.uniform(0.3, 1.0, 4)], axis=1)
        before, after = [], []
        for moved in (0.0, rng.normal(0, 1e-3, 4)):
            body = performer(arms + np.stack([np.broadcast_to(moved, 4), np.zeros(4)], axis=1))
            offsets = normalised(body, LARGE_HEADED)
            before.append(places(offsets))
            after.append(places(cleared(body, LARGE_HEADED, offsets)))
        gains.append(np.abs(after[1] - after[0]).max() / np.abs(before[1] - before[0]).max())
    assert np.percentile(gains, 90) < 1.6
    assert max(gains) < 25


def test_an_arm_that_sweeps_over_the_head_does_not_jump() -> None:
    steps = np.linspace(0.0, 2.0 * np.pi, 2001)
    track = []
    for turn in steps:  # the right arm all round; at the top its forearm crosses the face
        body = performer([(np.pi - turn, 1), (np.pi - 1.2 * turn, 1), (0.5, 1), (1, 1)])
        track.append(places(cleared(body, LARGE_HEADED, normalised(body, LARGE_HEADED))))
    moved = np.linalg.norm(np.diff(track, axis=0), axis=2)
    assert moved.max() < 12 * moved[:, :2].mean()


def arch() -> Floats:
    """Hands that meet over the head; the elbows are beside it."""
    return performer([(-1.9, 0.9), (-0.65, 1), (-np.pi + 1.9, 0.9), (-np.pi + 0.65, 1)])


def test_an_arch_opens_around_the_head() -> None:
    body = arch()
    offsets = normalised(body, LARGE_HEADED)
    made = cleared(body, LARGE_HEADED, offsets)
    assert depths(body, offsets, LARGE_HEADED).max() > 0.5
    assert depths(body, made, LARGE_HEADED).max() < 0.02
    assert (places(made)[[1, 3], 1] < -LARGE_HEADED[8, 0]).all()  # the wrists above the ears


def test_who_covers_their_face_has_it_covered() -> None:
    body = performer([(1.2, 0.8), (-1.1, 1), (np.pi - 1.2, 0.8), (-np.pi + 1.1, 1)])
    body[[4, 7], :2] = body[21, :2] + ((-4, 2), (4, 2))
    offsets = normalised(body, LARGE_HEADED)
    np.testing.assert_array_equal(cleared(body, LARGE_HEADED, offsets), offsets)


def test_an_arm_that_is_hardly_seen_is_left_alone() -> None:
    body = arch()
    offsets = normalised(body, LARGE_HEADED)
    moved = []
    for score in (0.9, 0.5, 0.3):
        body[4, 3] = score
        moved.append(np.abs(places(cleared(body, LARGE_HEADED, offsets)) - places(offsets)).max(1))
    well, badly, hardly = np.array(moved)
    assert (well[:2] > badly[:2]).all()
    np.testing.assert_array_equal(hardly[:2], 0)
    np.testing.assert_array_equal(hardly[2:], well[2:])


def test_it_can_be_turned_off() -> None:
    joints = turned(turned(standing(), "r_shoulder", rotation(2, 2.6)), "r_elbow", rotation(2, 0.6))
    large = standing()
    large[[0, 14, 15, 16, 17]] += 0.6 * (large[[0, 14, 15, 16, 17]] - large[1])
    made = [
        Normaliser(character(large), clear_head=on)(person(joints), (640, 640), 0)
        for on in (True, False)
    ]
    moved = np.abs(made[1] - made[0]).max(axis=1)
    assert moved[4] > 1
    assert np.delete(moved, [3, 4]).max() < 1e-3

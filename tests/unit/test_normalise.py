"""Normalisation: kernels against their twins, and a character that stays whole and on its feet."""

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.motion import _kernels as kernels
from engine.motion import _kernels_stand as stand
from engine.motion import normalise
from engine.motion.calibrate import SEGMENT_ENDS
from engine.motion.normalise import Normaliser
from engine.motion.proportions import CharacterSkeleton
from engine.pose.pose import Pose
from tests import naive_motion
from tests.people import character, person, random_body, rotation, standing, turned

WH = (640, 640)
FRAME_NS = 33_333_333
FRAME_S = FRAME_NS * 1e-9
PARENTS = normalise._PARENTS
REST = character().rest
LEGS = [9, 10, 12, 13, 18, 19]


# --- kernels --------------------------------------------------------------------------------------


def test_limbs_agree_with_their_twin() -> None:
    rng = np.random.default_rng(1)
    offsets = np.empty((21, 3))
    for _ in range(50):
        body = random_body(rng)
        lengths, lengths_px = rng.uniform(0.1, 0.6, 9), rng.uniform(5, 60, (9, 2))
        head = rng.normal(0, 20, (5, 3))
        axes = naive_motion.torso_axes(body)
        given = 150.0, lengths, lengths_px, SEGMENT_ENDS, head, axes
        kernels.limb_offsets(body, *given, offsets)
        np.testing.assert_allclose(offsets[:20], naive_motion.limb_offsets(body, *given), atol=1e-5)


def test_soft_limit_agrees_with_its_twin() -> None:
    for x in (-1e9, -3.0, -0.1, 0.0, 0.1, 3.0, 1e9):
        for low, high in ((-1.0, 2.0), (-0.5, 0.0), (0.0, 1.0)):
            limited = kernels.soft_limit(x, low, high)
            np.testing.assert_allclose(limited, naive_motion.soft_limit(x, low, high))
            assert low <= limited <= high


def test_what_is_seen_agrees_with_its_twin() -> None:
    rng = np.random.default_rng(2)
    seen = np.zeros(21, np.bool_)
    for _ in range(200):
        body = random_body(rng)
        body[:, 3] = body[:, 3] ** 0.3
        wanted = naive_motion.update_seen(body, PARENTS, seen)
        kernels.update_seen(body, PARENTS, seen)
        assert seen.tolist() == wanted


def test_placing_agrees_with_its_twin() -> None:
    rng = np.random.default_rng(3)
    joints = np.empty((20, 4), np.float32)
    rest = standing()
    for _ in range(100):
        eased = rng.normal(0, rng.choice([1, 10, 60]), (21, 3))
        root = np.zeros(kernels.SCALARS)
        root[kernels.STANCE], root[kernels.ON_FLOOR] = rng.uniform(0, 1, 2)
        kernels.place(eased, rest, PARENTS, 238.0, 256.0, root, joints)
        wanted = naive_motion.place(
            eased, rest, PARENTS, 238.0, 256.0, root[kernels.STANCE], root[kernels.ON_FLOOR]
        )
        np.testing.assert_allclose(joints, wanted, atol=1e-4)


def test_legs_that_turn_agree_with_their_twin() -> None:
    rng = np.random.default_rng(4)
    found = np.empty((21, 3))
    for _ in range(100):
        rest, eased = rng.normal(0, 40, (2, 21, 3))
        if rng.random() < 0.2:
            eased[2] = eased[5]
        stand.turn_legs(rest, eased, found)
        np.testing.assert_allclose(found, naive_motion.turn_legs(rest, eased), atol=1e-9)
        lengths = np.linalg.norm(found, axis=1)
        np.testing.assert_allclose(lengths, np.linalg.norm(rest, axis=1))  # no bone grows


# --- nobody, and joints that are missing ----------------------------------------------------------


class Show:
    """A normaliser with a clock: shows poses and keeps what came of them."""

    def __init__(self, skeleton: CharacterSkeleton | None = None, *, mirror: bool = False) -> None:
        self.normaliser = Normaliser(skeleton or character(), mirror=mirror)
        self.now = 0
        self.frames: list[NDArray[np.float32]] = []

    def __call__(self, pose: Pose | None, seconds: float = FRAME_S) -> NDArray[np.float32]:
        for _ in range(max(1, round(seconds / FRAME_S))):
            self.frames.append(self.normaliser(pose, WH, self.now))
            self.now += FRAME_NS
        return self.frames[-1]

    @property
    def largest_step(self) -> float:
        """Most that any joint moved from one frame to the next, px."""
        return float(np.abs(np.diff(np.stack(self.frames), axis=0)).max())


def known(joints: NDArray[np.float64] | None = None) -> Show:
    """A show whose person has stood straight for long enough."""
    show = Show()
    show.normaliser.calibrate()
    show(person(standing() if joints is None else joints), 2.0)
    return show


def hidden(rows: list[int]) -> NDArray[np.float64]:
    """Scores of people whose joints in these rows are not seen."""
    return np.where(np.isin(np.arange(20), rows), 0.05, 0.95)


def test_nobody_from_the_start_is_the_rest_pose() -> None:
    show = Show()
    np.testing.assert_allclose(show(None, 1.0), REST, atol=1e-4)


def test_who_leaves_is_held_then_eased_to_rest() -> None:
    show = known()
    waving = turned(standing(), "r_shoulder", rotation(2, 1.5))
    posed = show(person(waving), 1.0)
    show.frames.clear()
    assert np.abs(posed[4] - REST[4]).max() > 40
    np.testing.assert_allclose(show(None, kernels.HOLD_S), posed, atol=0.01)
    halfway = show(None, kernels.REST_S / 2)
    assert 15 < np.abs(halfway[4] - REST[4]).max() < 60
    np.testing.assert_allclose(show(None, kernels.REST_S), REST, atol=0.01)
    returned = show(person(waving), 1.0)
    np.testing.assert_allclose(returned, posed, atol=0.5)
    assert show.largest_step < 14


def test_one_missing_arm_rests_while_the_rest_of_the_body_moves() -> None:
    show = known()
    waving = turned(standing(), "r_shoulder", rotation(2, 1.2))
    waving = turned(waving, "l_shoulder", rotation(2, -1.2))
    show(person(waving), 0.5)
    show.frames.clear()
    out = show(person(waving, scores=hidden([6, 7])), 1.5)
    np.testing.assert_allclose(out[7] - out[5], REST[7] - REST[5], atol=0.1)
    np.testing.assert_allclose(out[4, :2] - out[2, :2], (waving[4] - waving[2])[:2], atol=0.5)
    show(person(waving), 1.0)
    assert show.largest_step < 16


def test_a_short_loss_is_bridged() -> None:
    show = known()
    waving = turned(standing(), "r_shoulder", rotation(2, 1.2))
    posed = show(person(waving), 0.5)
    lost = show(person(waving, scores=hidden([3, 4])), 0.2)
    np.testing.assert_allclose(lost, posed, atol=0.5)


@pytest.mark.parametrize("unseen", [LEGS, [8, 11, *LEGS]])
def test_a_person_cut_off_drives_the_upper_body_of_a_standing_character(unseen: list[int]) -> None:
    show = Show()
    for i in range(90):
        joints = turned(standing(), "r_shoulder", rotation(2, 1.0 + 0.5 * np.sin(i / 5)))
        joints += np.array([8 * np.sin(i / 9), 4 * np.sin(i / 7), 0])
        out = show(person(joints, scores=hidden(unseen)))
        if i > 40:
            np.testing.assert_allclose(out[[10, 13, 18, 19]], REST[[10, 13, 18, 19]], atol=0.01)
            assert (np.abs(out[[9, 12], 0] - REST[[9, 12], 0]) < 12).all()
    assert abs(out[4, 1] - REST[4, 1]) > 15
    assert np.ptp([f[1, 0] for f in show.frames[40:]]) > 4  # it sways with the person


@pytest.mark.parametrize("unseen", [LEGS, [8, 11, *LEGS]])
@pytest.mark.parametrize("turn", [-3.1, -1.8, -1.35, 1.35, 1.8, 3.1])
def test_who_turns_round_with_legs_unseen_turns_as_a_whole(turn: float, unseen: list[int]) -> None:
    neck = standing()[1]
    out = Show()(person((standing() - neck) @ rotation(1, turn).T + neck, scores=hidden(unseen)), 2)
    pairs = ((2, 5), (8, 11), (9, 12), (10, 13), (18, 19))
    across = [(out[left] - out[right])[[0, 2]] for right, left in pairs]
    shoulders = across[0] / np.linalg.norm(across[0])
    for other in across[1:]:
        assert other @ shoulders > 0.9 * np.linalg.norm(other)


def test_who_twists_a_little_with_legs_unseen_stands_still() -> None:
    neck = standing()[1]
    joints = (standing() - neck) @ rotation(1, 0.4).T + neck
    out = Show()(person(joints, scores=hidden([8, 11, *LEGS])), 2)
    np.testing.assert_allclose(out[[8, 11, *LEGS]], REST[[8, 11, *LEGS]], atol=0.01)


def test_who_bows_with_legs_unseen_bows_from_the_hips() -> None:
    show = Show()
    unseen = hidden(LEGS)
    show(person(standing(), scores=unseen), 2.0)
    upper = [0, 1, 2, 3, 4, 5, 6, 7, 14, 15, 16, 17]
    bowed = standing()
    hips = bowed[[8, 11]].mean(axis=0)
    bowed[upper] = (bowed[upper] - hips) @ rotation(0, 1.2).T + hips
    out = show(person(bowed, scores=unseen), 1.0)
    np.testing.assert_allclose(out[[8, 11], 1], REST[[8, 11], 1], atol=2)
    assert out[1, 1] > REST[1, 1] + 20


# --- the floor ------------------------------------------------------------------------------------


def lowest_foot(joints: NDArray[np.float32]) -> float:
    return float(max(joints[[10, 13], 1].max() + 18, joints[[18, 19], 1].max() + 4))


def test_the_lowest_foot_stands_on_the_floor() -> None:
    show = known()
    for turn in (0.4, 0.9, 1.3):
        joints = turned(standing(), "r_hip", rotation(0, -turn))
        assert abs(lowest_foot(show(person(joints), 0.5)) - 238) < 0.5


def test_in_a_squat_the_neck_sinks_and_the_feet_stay() -> None:
    show = known()
    before = show.frames[-1]
    squat = standing()
    for hip, knee in ((8, 9), (11, 12)):
        drop = 18.0
        rows = [r for r in range(20) if r not in (9, 10, 12, 13, 18, 19)]
        squat[knee, 1] = standing()[knee, 1] + drop / 2
        squat[knee, 2] = -np.sqrt(42**2 - (42 - drop / 2) ** 2)
        assert hip in rows
    squat[rows, 1] += drop
    after = show(person(squat), 0.7)
    assert abs(lowest_foot(after) - 238) < 0.5
    assert 14 < after[1, 1] - before[1, 1] < 22


def test_a_jump_leaves_the_floor_and_comes_back() -> None:
    show = known()
    heights = []
    for i in range(15):
        jump = 30 * np.sin(np.pi * i / 14)
        out = show(person(standing() - [0, jump, 0]))
        heights.append(238 - lowest_foot(out))
    assert max(heights) > 15
    out = show(person(standing()), 0.5)
    assert abs(lowest_foot(out) - 238) < 0.5
    assert show.largest_step < 9


def test_nobody_hovers() -> None:
    show = known()
    # Somebody steps back: their feet are higher in the picture from now on, but they stand.
    out = show(person(standing() - [0, 25, 0]), 2.5)
    assert abs(lowest_foot(out) - 238) < 1.5


def test_who_walks_aside_is_followed_and_stays_in_the_picture() -> None:
    show = known()
    for i in range(60):
        out = show(person(standing() + np.array([2 * i, 0, 0])))
    assert 15 < out[1, 0] - 128 < 0.16 * 256
    out = show(person(standing() + np.array([2 * i, 0, 0])), 60.0)
    assert abs(out[1, 0] - 128) < 3  # and becomes the middle in time


def test_feet_that_come_into_view_are_stood_upon_without_a_jump() -> None:
    show = Show()
    squat = turned(standing(), "r_hip", rotation(0, -0.6))
    show(person(squat, scores=hidden(LEGS)), 1.0)
    show(person(squat), 1.0)
    show(person(squat, scores=hidden(LEGS)), 1.5)
    assert show.largest_step < 14


# --- the rest -------------------------------------------------------------------------------------


def test_the_head_keeps_the_characters_own_shape() -> None:
    show = known()
    rows = [0, 14, 15, 16, 17]

    def shape(joints: NDArray[np.floating]) -> NDArray[np.floating]:
        points = joints[rows, :3]
        return np.linalg.norm(points[:, None] - points, axis=-1)

    for axis, angle in ((0, 0.5), (1, 0.8), (2, -0.6), (1, 2.5)):
        joints = turned(standing(), "neck", rotation(axis, angle))
        joints[rows] += np.random.default_rng(0).normal(0, 2, (5, 3))  # noise of the face
        np.testing.assert_allclose(shape(show(person(joints), 0.5)), shape(REST), atol=0.01)


def test_mirror_swaps_the_sides_and_toggling_it_eases_over() -> None:
    waving = turned(standing(), "r_shoulder", rotation(2, 1.2))
    show = known()
    plain = show(person(waving), 1.0)
    show.frames.clear()
    show.normaliser.mirror = True
    swapped = show(person(waving), 1.0)
    other = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16, 19, 18]
    reflected = plain[other] * [-1, 1, 1, 1] + [256, 0, 0, 0]
    np.testing.assert_allclose(swapped, reflected, atol=1.0)
    assert show.largest_step < 22


@pytest.mark.parametrize("start", [0, 1, 10**18])
def test_times_may_start_anywhere_stand_still_and_run_back(start: int) -> None:
    normaliser = Normaliser(character())
    waving = person(turned(standing(), "r_shoulder", rotation(2, 1.2)))
    outs = [normaliser(waving, WH, start + t) for t in (0, 0, FRAME_NS, FRAME_NS, 5)]
    for out in outs:
        assert np.isfinite(out).all()
        np.testing.assert_allclose(out, outs[0], atol=4)


def test_reset_is_as_new() -> None:
    poses = [person(turned(standing(), "r_shoulder", rotation(2, 0.1 * i))) for i in range(30)]
    fresh, used = Normaliser(character()), Normaliser(character())
    for i, pose in enumerate([*poses[::-1], None, None]):
        used(pose, (800, 700), i * FRAME_NS)
    used.reset()
    for i, pose in enumerate(poses):
        np.testing.assert_array_equal(used(pose, WH, i * FRAME_NS), fresh(pose, WH, i * FRAME_NS))


def test_skeletons_that_cannot_be_are_refused() -> None:
    good = character()
    with pytest.raises(ValueError, match=r"\(20, 4\)"):
        CharacterSkeleton(REST[:18], good.bone_lengths, good.head, 238.0)
    with pytest.raises(ValueError, match="positive"):
        CharacterSkeleton(REST, good.bone_lengths * 0, good.head, 238.0)
    with pytest.raises(ValueError, match="finite"):
        CharacterSkeleton(REST, good.bone_lengths, good.head * np.nan, 238.0)
    with pytest.raises(ValueError, match="floor_y"):
        CharacterSkeleton(REST, good.bone_lengths, good.head, float("inf"))
    with pytest.raises(ValueError, match="read-only"):
        good.rest[0, 0] = 1

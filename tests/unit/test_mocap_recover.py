"""From keypoints to a clip: what perfect estimators film must come back."""

import itertools
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import NobodyInVideo
from engine.mocap import anatomy
from engine.mocap.anatomy import REFERENCE_REST
from engine.mocap.batch import kinematics
from engine.mocap.clip import Clip, clip_of
from engine.mocap.feet import foot_sliding, soles_of
from engine.mocap.joints import AT, LIFT_17, body_size, centred, from_mediapipe, mid_hip
from engine.mocap.lift import (
    LIFTERS,
    BaselineLifter,
    MediaPipeLifter,
    bone_lengths,
    open_lifter,
    steadied,
)
from engine.mocap.place import by_scale, place, upright
from engine.mocap.recover import jumps, recover
from engine.mocap.rig import INDEX
from engine.mocap.rotations import from_vector, posture_rotation, to_vector
from engine.mocap.solve import leg, solve, within, within_cone, within_twist, without_leaps
from engine.mocap.track import FPS, Track, collapsed, observe, smoothed, swaps
from engine.pose.pose import Pose
from tests.fakes import FakeSource, frame
from tests.mocap import filmed, joints_of, still
from training.motion.dance import dance

SIZE_WH = (640, 480)


def dancing(seconds: float = 4.0, seed: int = 0) -> Clip:
    return clip_of(dance(seconds, FPS, seed, REFERENCE_REST), FPS, "dance")


def track_of(poses: list[Pose]) -> Track:
    return Track(
        np.array([p.keypoints for p in poses], np.float64),
        np.array([p.scores for p in poses], np.float64),
        np.array([p.world for p in poses], np.float64),
        np.ones(len(poses), bool),
        SIZE_WH,
    )


def about_hips(joints: np.ndarray) -> np.ndarray:
    """Joints about their hips, in body sizes."""
    about = joints - mid_hip(joints)
    return about / np.median(body_size(about))


class Scripted:
    """An estimator that has seen the film before."""

    def __init__(self, poses: list[Pose | None]) -> None:
        self.poses = iter(poses)

    def estimate(self, image: np.ndarray, time_ns: int) -> Pose | None:
        return next(self.poses)

    def close(self) -> None: ...


# --- the whole way -------------------------------------------------------------------------------


@pytest.mark.parametrize("tilt", [0.0, 0.15])
def test_a_dance_that_is_seen_perfectly_comes_back(tilt):
    clip = dancing()
    truth = joints_of(clip, REFERENCE_REST)
    poses = filmed(truth, tilt=tilt, height=1.0 + 4.0 * np.tan(tilt))
    found = recover(track_of(poses), MediaPipeLifter(), "x", 49.1)
    made = joints_of(found.clip, found.rest)
    error = np.linalg.norm(about_hips(made) - about_hips(truth), axis=-1) * 1.22
    assert error.mean() < 0.045
    # Nothing of left, right, front and back is mixed up: every limb is near its own.
    assert error.mean(axis=0).max() < 0.09
    assert abs(np.degrees(found.placed.tilt - tilt)) < 6


def test_the_root_goes_where_the_person_went():
    clip = dancing()
    walk = np.linspace(-0.5, 0.5, len(clip))
    root = clip.root + np.stack([walk, 0 * walk, 0.8 * np.sin(2 * walk)], axis=1)
    clip = Clip("walk", FPS, clip.rotations, root, clip.contacts)
    truth = joints_of(clip, REFERENCE_REST)
    joints = steadied(MediaPipeLifter().lift(track_of(filmed(truth))))
    pixels = from_mediapipe(track_of(filmed(truth)).keypoints)
    placed = place(joints, pixels, SIZE_WH, 49.1)
    made = mid_hip(placed.joints)[:, 0] / np.median(body_size(placed.joints))
    true = mid_hip(truth)[:, 0] / np.median(body_size(truth))
    off = (made - made.mean(axis=0)) - (true - true.mean(axis=0))
    assert (100 * 1.22 * off.std(axis=0) < [2.0, 2.5, 8.0]).all()


def test_feet_stand_on_the_floor_and_do_not_slide():
    truth = joints_of(dancing(), REFERENCE_REST)
    rng = np.random.default_rng(2)
    poses = filmed(truth)
    track = track_of(poses)
    track.keypoints[:] += rng.normal(0, 1.0, track.keypoints.shape)
    track.world[:] += rng.normal(0, 0.01, track.world.shape)
    found = recover(track, MediaPipeLifter(), "x", 49.1)
    soles = soles_of(found.clip, found.rest)
    assert soles[..., 1].min() > -0.01
    assert np.quantile(soles[..., 1].min(axis=(1, 2)), 0.95) < 0.01  # somebody who never floats
    slid = foot_sliding(found.clip, found.rest)
    assert found.clip.contacts.any(axis=(1, 2)).mean() > 0.6
    assert np.quantile(slid.standing, 0.95) < 0.02


def test_knees_bend_forwards_whatever_the_lifter_says():
    """Knees pushed in by noise would bend backwards; the rig has no such knees."""
    joints = joints_of(still(4), REFERENCE_REST)
    for side in "lr":
        joints[:, AT[f"{side}_knee"], 2] -= 0.06
    local = solve(joints, np.radians(16.0))
    for side in "lr":
        flexion = np.array([to_vector(m) for m in local[:, INDEX[f"{side}_shin"]]])
        assert (flexion[:, 0] >= 0).all()
        thigh = local[:, INDEX[f"{side}_thigh"]]
        assert (thigh[:, 2, 2] > 0.7).all()  # the knee looks ahead


# --- solving -------------------------------------------------------------------------------------


def test_a_solved_t_pose_is_the_t_pose():
    local = solve(joints_of(still(2), REFERENCE_REST), np.arctan2(0.053, 0.19))
    angles = np.array([np.linalg.norm(to_vector(m)) for m in local[0]])
    assert np.degrees(angles).max() < 3.0


def test_every_limit_holds_for_nonsense():
    rng = np.random.default_rng(0)
    nonsense = rng.normal(0, 1, (200, 1, len(LIFT_17.joints), 3))
    local = np.concatenate([solve(joints, 0.3) for joints in nonsense])
    identity = np.broadcast_to(np.eye(3), local.shape)
    np.testing.assert_allclose(np.swapaxes(local, -1, -2) @ local, identity, atol=1e-9)
    assert (np.linalg.det(local) > 0).all()
    angles = {
        name: np.array([np.linalg.norm(to_vector(m)) for m in local[:, joint]])
        for name, joint in INDEX.items()
    }
    slack = 1e-6
    for side in "lr":
        assert angles[f"{side}_forearm"].max() <= anatomy.ELBOW_LIMIT + slack
        assert angles[f"{side}_shin"].max() <= anatomy.KNEE_LIMIT + slack
        assert angles[f"{side}_foot"].max() <= anatomy.ANKLE_LIMIT + slack
    bends = local[:, INDEX["spine"]] @ local[:, INDEX["chest"]]
    np.testing.assert_allclose(within(bends, anatomy.TORSO_LIMITS), bends, atol=1e-6)
    nods = local[:, INDEX["neck"]] @ local[:, INDEX["head"]]
    np.testing.assert_allclose(within(nods, anatomy.HEAD_LIMITS), nods, atol=1e-6)


vectors = st.tuples(*[st.floats(-3.0, 3.0) for _ in range(3)])


@given(vectors)
@settings(max_examples=60, deadline=None)
def test_a_cone_cuts_the_angle_and_keeps_the_axis(vector):
    turn = from_vector(vector)
    cut = to_vector(within_cone(turn[None], 0.7)[0])
    whole = to_vector(turn)
    angle = np.linalg.norm(whole)
    assert np.linalg.norm(cut) <= 0.7 + 1e-6
    if angle < np.pi - 1e-3:
        np.testing.assert_allclose(cut, whole * min(1.0, 0.7 / max(angle, 1e-9)), atol=1e-5)


@given(vectors)
@settings(max_examples=60, deadline=None)
def test_cutting_a_twist_leaves_the_bone_where_it_was(vector):
    turn = from_vector(vector)
    axis = np.array([0.0, -1.0, 0.0])
    cut = within_twist(turn[None], axis, 0.5)[0]
    np.testing.assert_allclose(cut @ axis, turn @ axis, atol=1e-6)
    np.testing.assert_allclose(within_twist(cut[None], axis, 0.5 + 1e-6)[0], cut, atol=1e-5)


@given(st.tuples(st.floats(-1.2, 1.2), st.floats(-0.7, 0.7), st.floats(-0.5, 0.5)))
@settings(max_examples=60, deadline=None)
def test_what_is_within_the_limits_is_left_alone(angles):
    turn = posture_rotation(angles)
    np.testing.assert_allclose(within(turn[None], anatomy.TORSO_LIMITS)[0], turn, atol=1e-6)


@given(st.floats(0.2, 2.4), st.floats(-0.8, 0.8), st.floats(-1.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_bent_leg_is_solved_exactly(flexion, aside, raised):
    """Thigh and shin point where they were, for every knee that bends as knees do."""
    clip = still(1)
    clip.rotations[0, INDEX["l_thigh"]] = posture_rotation((-max(raised, -0.4), 0.0, aside))
    clip.rotations[0, INDEX["l_shin"]] = from_vector((max(flexion, 0.75), 0, 0))
    joints = joints_of(clip, REFERENCE_REST)
    upper, lower = leg(joints, "l", np.eye(3)[None])
    down = np.array([0.0, -1.0, 0.0])
    thigh = joints[0, AT["l_knee"]] - joints[0, AT["l_hip"]]
    shin = joints[0, AT["l_ankle"]] - joints[0, AT["l_knee"]]
    np.testing.assert_allclose(upper[0] @ down, thigh / np.linalg.norm(thigh), atol=1e-6)
    np.testing.assert_allclose(upper[0] @ lower[0] @ down, shin / np.linalg.norm(shin), atol=1e-6)


# --- lifting and placing -------------------------------------------------------------------------


def test_a_body_is_found_by_its_scale():
    rng = np.random.default_rng(1)
    joints, root = rng.normal(0, 0.4, (5, 9, 3)), rng.normal(0, 0.3, (5, 3))
    root[:, 2] += 4.0
    at = joints + root[:, None]
    np.testing.assert_allclose(by_scale(joints, at[..., :2] / at[..., 2:]), root, atol=1e-4)


def test_a_look_down_is_no_lean():
    joints = joints_of(still(3), REFERENCE_REST) * (1.0, -1.0, -1.0)
    joints -= mid_hip(joints)
    straight, lean = upright(joints)
    assert abs(np.degrees(lean)) < 3
    np.testing.assert_allclose(
        np.linalg.norm(straight, axis=-1), np.linalg.norm(joints, axis=-1), atol=1e-9
    )


def test_a_steadied_body_has_constant_bones_and_the_same_directions():
    rng = np.random.default_rng(3)
    joints = joints_of(dancing(2.0), REFERENCE_REST)
    joints = (joints - mid_hip(joints)) * rng.uniform(0.8, 1.2, (len(joints), 1, 1))
    body = steadied(joints)
    lengths = np.linalg.norm(body[:, AT["l_knee"]] - body[:, AT["l_ankle"]], axis=-1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-6)
    np.testing.assert_allclose(lengths[0], bone_lengths(joints)[AT["l_ankle"]], rtol=1e-6)
    np.testing.assert_allclose(mid_hip(body), 0.0, atol=1e-9)


def test_the_baseline_lifts_a_dance_from_its_projection():
    truth = joints_of(dancing(), REFERENCE_REST)
    track = track_of(filmed(truth))
    made = BaselineLifter().lift(track)
    expected = about_hips(truth) * (1.0, -1.0, -1.0)
    assert np.linalg.norm(made - expected, axis=-1).mean() * 1.22 < 0.06


def test_the_baseline_sees_mirror_images_alike():
    keypoints = centred(np.random.default_rng(0).normal(0, 1, (4, 17, 2)))
    lifter = BaselineLifter()
    mirror = LIFT_17.mirror()
    made = lifter.lift_keypoints(keypoints)
    flipped = lifter.lift_keypoints(keypoints[:, mirror] * (-1.0, 1.0))
    np.testing.assert_allclose(flipped, made[:, mirror] * (-1.0, 1.0, 1.0), atol=1e-4)


def test_there_are_two_lifters():
    assert (open_lifter("mediapipe").name, open_lifter("baseline").name) == (
        "mediapipe",
        "baseline",
    )
    with pytest.raises(ValueError, match="mediapipe, baseline"):
        open_lifter("magic")


@pytest.mark.parametrize(
    ("height", "air_s", "kept"),
    [(0.0, 0.5, False), (0.25, 0.45, True), (0.25, 2.0, False), (0.03, 0.6, False)],
)
def test_what_is_too_slow_for_a_jump_is_none(height, air_s, kept):
    frames = round(air_s * FPS)
    arc = 4 * height * np.linspace(0, 1, frames) * (1 - np.linspace(0, 1, frames))
    lift = jumps(np.concatenate([np.zeros(60), arc, np.zeros(60)]), FPS)
    assert bool(lift.max() > 0.5 * height > 0) == kept
    assert (lift[:50] == 0).all()


# --- tracks --------------------------------------------------------------------------------------


def watch(
    poses: list[Pose | None], step: Callable[[int], Fraction] = lambda i: Fraction(i, 30)
) -> Track:
    source = FakeSource(len(poses))
    source.size_wh = SIZE_WH
    shown = [frame(i) for i in range(len(poses))]
    times = [step(i) for i in range(len(poses))]
    from dataclasses import replace

    pictures = [
        replace(f, pts=int(t * 30_000), time_base=Fraction(1, 30_000))
        for f, t in zip(shown, times, strict=True)
    ]
    source.frames = lambda: iter(pictures)  # type: ignore[method-assign]
    return observe(source, Scripted(poses))


def test_a_gap_is_bridged_and_told():
    poses: list[Pose | None] = list(filmed(joints_of(dancing(2.0), REFERENCE_REST)))
    whole = watch(list(poses))
    poses[20:26] = [None] * 6
    track = watch(poses)
    assert len(track) == len(whole) == 60
    assert (~track.seen).sum() == 6
    assert (track.scores[22] == 0).all()
    assert np.abs(track.keypoints - whole.keypoints).max() < 40


def test_other_rates_become_thirty():
    poses = list(filmed(joints_of(dancing(2.0), REFERENCE_REST)))
    even = watch([p for p in poses for _ in range(2)], lambda i: Fraction(i, 60))
    assert len(even) == 60


@pytest.mark.parametrize("seen", [0, 5])
def test_a_video_of_nobody_is_told(seen):
    poses: list[Pose | None] = [None] * 60
    poses[:seen] = filmed(joints_of(still(5), REFERENCE_REST))[:seen]
    with pytest.raises(NobodyInVideo, match=f"{seen} of 60"):
        watch(poses)


def test_sides_that_were_swapped_are_swapped_back():
    poses = filmed(joints_of(dancing(4.0), REFERENCE_REST))
    keypoints = np.array([p.keypoints for p in poses], np.float64)
    times = np.arange(len(poses)) / FPS
    assert not swaps(keypoints, times).any()
    from engine.pose.skeleton import MEDIAPIPE_33

    keypoints[50:75] = keypoints[50:75][:, MEDIAPIPE_33.mirror()]
    assert np.flatnonzero(swaps(keypoints, times)).tolist() == list(range(50, 75))


@pytest.mark.parametrize("turn_s", [0.6, 1.0, 2.0])
def test_a_real_turn_is_no_swap(turn_s):
    from engine.mocap.rotations import about_y

    frames = round(3 * turn_s * FPS)
    clip = still(frames)
    # Arms down: a T-pose turns too wide to be a test.
    for name, angle in (("l_upper_arm", -1.3), ("r_upper_arm", 1.3)):
        clip.rotations[:, INDEX[name]] = from_vector((0, 0, angle))
    clip.rotations[:, 0] = [about_y(2 * np.pi * i / (turn_s * FPS)) for i in range(frames)]
    poses = filmed(joints_of(clip, REFERENCE_REST))
    keypoints = np.array([p.keypoints for p in poses], np.float64)
    whole = ~collapsed(keypoints)
    assert not swaps(keypoints[whole], (np.arange(frames) / FPS)[whole]).any()


def test_smoothing_is_scipy_s():
    signal = pytest.importorskip("scipy.signal")
    values = np.random.default_rng(0).normal(size=(40, 3, 2))
    np.testing.assert_allclose(
        smoothed(values, 9, 3), signal.savgol_filter(values, 9, 3, axis=0), atol=1e-9
    )
    assert smoothed(values[:2]).shape == (2, 3, 2)
    assert np.isfinite(smoothed(values[:4])).all()


def test_a_short_track_is_recovered_too():
    found = recover(
        track_of(filmed(joints_of(dancing(0.6), REFERENCE_REST))), BaselineLifter(), "short"
    )
    assert len(found.clip) == 18
    turns, places = kinematics(found.clip.rotations, found.clip.root, found.rest)
    assert np.isfinite(turns).all()
    assert np.isfinite(places).all()


def test_no_joint_turns_over_from_one_frame_to_the_next():
    clip = dancing()
    rotations = clip.rotations.copy()
    assert np.array_equal(without_leaps(rotations), rotations)  # nobody who dances leaps
    rotations[60:, INDEX["l_upper_arm"]] = rotations[60:, INDEX["l_upper_arm"]] @ from_vector(
        (2.5, 0.0, 0.0)
    )
    eased = without_leaps(rotations)
    arm = eased[:, INDEX["l_upper_arm"]]
    steps = [np.linalg.norm(to_vector(a.T @ b)) for a, b in itertools.pairwise(arm)]
    assert np.degrees(max(steps)) < 45
    changed = np.flatnonzero((eased != rotations).any(axis=(1, 2, 3)))
    assert changed.min() >= 55
    assert changed.max() <= 64
    two = without_leaps(rotations[59:61])
    assert np.isfinite(two).all()


@pytest.mark.parametrize("kind", ["constant", "noise", "huge", "upside down"])
@pytest.mark.parametrize("lifter", LIFTERS)
@pytest.mark.parametrize("frames", [1, 2, 40])
def test_nonsense_ends_in_finite_numbers(kind, lifter, frames):
    rng = np.random.default_rng(0)
    poses = filmed(joints_of(still(frames), REFERENCE_REST))
    track = track_of(poses)
    if kind == "constant":
        track.keypoints[:], track.world[:] = 100.0, 0.0
    elif kind == "upside down":
        track.keypoints[..., 1] = 480 - track.keypoints[..., 1]
        track.world[..., 1] *= -1
    else:
        scale = 1.0 if kind == "noise" else 1000.0
        track.keypoints[:] = rng.uniform(0, 480 * scale, track.keypoints.shape)
        track.world[:] = rng.normal(0, scale, track.world.shape)
    found = recover(track, open_lifter(lifter), kind)
    assert len(found.clip) == frames
    assert np.isfinite(found.clip.rotations).all()
    assert np.abs(found.clip.root).max() < 100
    assert np.isfinite(found.rest).all()

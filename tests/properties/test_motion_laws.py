"""Laws of the motion code, on poses that hypothesis invents."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from engine.motion.draw import draw_pose
from engine.motion.normalise import Normaliser
from engine.motion.smooth import OneEuro, savgol
from engine.pose.pose import Pose
from engine.pose.skeleton import PUPPET_20
from tests.people import bone_lengths, character, person, rotation, standing, turned

SIZE = 64
FRAME_NS = 33_333_333
PICTURE_WH = (640, 640)

# Eighths of a pixel, so that shifts and reflections are exact in float32.
figures = arrays(np.int16, (20, 3), elements=st.integers(-20 * 8, (SIZE + 20) * 8)).map(
    lambda a: np.hstack([a / 8, np.ones((20, 1))]).astype(np.float32)
)


def picture(joints: NDArray[np.float32], size: int = SIZE) -> NDArray[np.int16]:
    out = np.empty((size, size, 3), np.uint8)
    draw_pose(np.ascontiguousarray(joints), out)
    return out.astype(np.int16)


@settings(max_examples=60, deadline=None)
@given(figures, st.integers(-30, 30), st.integers(-30, 30))
def test_drawing_moves_with_its_joints(joints: NDArray[np.float32], dx: int, dy: int) -> None:
    moved = joints + np.array([dx, dy, 0, 0], np.float32)
    here, there = picture(joints), picture(moved)
    rows, columns = slice(max(0, dy), SIZE + min(0, dy)), slice(max(0, dx), SIZE + min(0, dx))
    back = there[rows, columns]
    shifted = slice(max(0, -dy), SIZE - max(0, dy)), slice(max(0, -dx), SIZE - max(0, dx))
    assert np.abs(here[shifted] - back).max(initial=0) <= 1


@settings(max_examples=60, deadline=None)
@given(figures)
def test_drawing_reflects_with_its_joints(joints: NDArray[np.float32]) -> None:
    left_right, transposed = joints.copy(), joints.copy()
    left_right[:, 0] = SIZE - joints[:, 0]
    transposed[:, :2] = joints[:, 1::-1]
    here = picture(joints)
    assert np.abs(picture(left_right)[:, ::-1] - here).max() <= 1
    assert np.abs(picture(transposed).swapaxes(0, 1) - here).max() <= 1


@settings(max_examples=60, deadline=None)
@given(figures, st.integers(0, 19), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
def test_small_motion_makes_a_small_change(
    joints: NDArray[np.float32], joint: int, dx: float, dy: float
) -> None:
    # The one jump that is right is that of two bones which change their order in depth.
    moved = joints.copy()
    moved[joint, :2] += dx, dy
    # Each of the few shapes at a joint changes a pixel by at most its motion times the contrast.
    bound = 6 * 255 * np.hypot(dx, dy) + 6
    # A bone of almost no length may turn round at once, but then it moves no pixel.
    assert np.abs(picture(moved) - picture(joints)).max() <= bound


# --- smoothing ------------------------------------------------------------------------------------

cutoffs, betas = st.floats(0.1, 10), st.floats(0, 0.2)
intervals = st.lists(st.integers(1_000_000, 200_000_000), min_size=5, max_size=30)


def still(x: float) -> NDArray[np.float32]:
    return np.full((20, 4), x, np.float32)


@settings(max_examples=40, deadline=None)
@given(st.floats(-1000, 1000, width=32), cutoffs, betas, intervals)
def test_one_euro_leaves_a_constant_alone(
    x: float, cutoff: float, beta: float, steps: list[int]
) -> None:
    smooth = OneEuro(cutoff, beta)
    for now in np.cumsum(steps):
        np.testing.assert_allclose(smooth(still(x), int(now)), still(x), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-500, 500, width=32), min_size=5, max_size=30), cutoffs, betas, intervals)
def test_one_euro_never_overshoots(
    xs: list[float], cutoff: float, beta: float, steps: list[int]
) -> None:
    smooth = OneEuro(cutoff, beta)
    last = xs[0]
    for x, now in zip(xs, np.cumsum(steps), strict=False):
        out = float(smooth(still(x), int(now))[3, 0])
        assert min(last, x) - 1e-3 <= out <= max(last, x) + 1e-3
        last = out


@settings(max_examples=40, deadline=None)
@given(st.floats(20, 500), st.floats(0.2, 4), st.floats(0.001, 0.1), st.floats(1.5, 10))
def test_one_euro_lags_less_with_more_beta(
    speed: float, cutoff: float, beta: float, more: float
) -> None:
    lags = []
    for b in (0.0, beta, beta * more):
        smooth = OneEuro(cutoff, b)
        for i in range(20):
            out = smooth(still(speed * i / 30), i * FRAME_NS)
        lags.append(speed * 19 / 30 - float(out[0, 0]))
    assert lags[0] > lags[1] > lags[2] > 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 4), st.floats(0, 0.05))
def test_one_euro_hardly_depends_on_when_it_is_asked(seed: int, cutoff: float, beta: float) -> None:
    # The same motion, sampled finely and evenly or at random: nearly the same end.
    def motion(t: float) -> float:
        return 60 * float(np.sin(2 * t) + 0.5 * np.cos(5 * t))

    rng = np.random.default_rng(seed)
    ends = []
    for times in (np.linspace(0, 2, 481), np.append(np.sort(rng.uniform(0, 2, 240)), 2.0)):
        smooth = OneEuro(cutoff, beta)
        for t in times:
            out = smooth(still(motion(t)), round(t * 1e9))
        ends.append(float(out[0, 0]))
    assert abs(ends[0] - ends[1]) < 3.0  # of an amplitude of 90


@settings(max_examples=40, deadline=None)
@given(
    st.integers(9, 40),
    st.sampled_from([(9, 3), (7, 2), (5, 3), (9, 2)]),
    st.lists(st.floats(-100, 100), min_size=4, max_size=4),
)
def test_savitzky_golay_reproduces_polynomials(
    frames: int, filt: tuple[int, int], coefficients: list[float]
) -> None:
    window, order = filt
    at = np.linspace(-1, 1, frames)
    track = np.zeros((frames, 20, 4), np.float32)
    track[..., 0] = np.polynomial.Polynomial(coefficients[: order + 1])(at)[:, None]
    np.testing.assert_allclose(savgol(track, window, order), track, atol=1e-3)


# --- normalisation --------------------------------------------------------------------------------

angles = st.floats(-1.2, 1.2)


@st.composite
def flat_poses(draw: st.DrawFn) -> NDArray[np.float64]:
    """Figures whose arms and one leg are turned in the picture plane; the other foot stands."""
    joints = standing()
    for joint in ("r_shoulder", "r_elbow", "l_shoulder", "l_elbow"):
        joints = turned(joints, joint, rotation(2, draw(angles)))
    for joint in ("r_hip", "r_knee"):
        joints = turned(joints, joint, rotation(2, draw(st.floats(0, 1.0))))
    return turned(joints, "neck", rotation(2, draw(st.floats(-0.4, 0.4))))


@st.composite
def poses(draw: st.DrawFn) -> NDArray[np.float64]:
    """Figures that may also turn and reach towards the camera."""
    joints = draw(flat_poses())
    joints = turned(joints, "l_shoulder", rotation(0, draw(angles)))
    joints = turned(joints, "neck", rotation(1, draw(st.floats(-0.6, 0.6))))
    return turned(joints, "mid", rotation(1, draw(st.floats(-0.8, 0.8))))


def settled(normaliser: Normaliser, figure: NDArray[np.float64], **seen: object) -> int:
    """Show somebody who stands straight until the normaliser knows them; the time then."""
    normaliser.calibrate()
    for i in range(60):
        normaliser(person(figure, **seen), PICTURE_WH, i * FRAME_NS)
    assert not normaliser.person.calibrating
    return 60 * FRAME_NS


def shown(normaliser: Normaliser, pose: Pose, now: int, frames: int = 30) -> NDArray[np.float32]:
    """The joints after a pose was held for a while."""
    for i in range(frames):
        out = normaliser(pose, PICTURE_WH, now + i * FRAME_NS)
    return out


@settings(max_examples=25, deadline=None)
@given(poses())
def test_a_person_with_the_characters_proportions_is_copied(joints: NDArray[np.float64]) -> None:
    normaliser = Normaliser(character())
    now = settled(normaliser, standing())
    out = shown(normaliser, person(joints), now)
    # Where it stands is the character's own affair; z is relative to the neck.
    wanted = joints - joints[1]
    np.testing.assert_allclose(out[:, :3] - out[1, :3], wanted, atol=0.2)
    np.testing.assert_array_equal(out[:, 3], 1)


@settings(max_examples=25, deadline=None)
@given(poses(), st.floats(0.4, 1.0), st.floats(-40, 40), st.floats(-40, 40))
def test_distance_and_place_in_the_picture_do_not_matter(
    joints: NDArray[np.float64], far: float, dx: float, dy: float
) -> None:
    near, away = Normaliser(character()), Normaliser(character())
    now = settled(near, standing())
    settled(away, standing(), px_per_unit=2 * far, shift=(dx, dy))
    a = shown(near, person(joints), now)
    b = shown(away, person(joints, px_per_unit=2 * far, shift=(dx, dy)), now)
    np.testing.assert_allclose(a, b, atol=0.1)


@settings(max_examples=25, deadline=None)
@given(flat_poses(), st.floats(0.6, 1.5), st.floats(0.6, 1.5))
def test_bones_in_the_picture_plane_are_as_long_as_the_characters(
    joints: NDArray[np.float64], arms: float, legs: float
) -> None:
    def stretched(figure: NDArray[np.float64]) -> NDArray[np.float64]:
        """Somebody with other arms and legs, in the same pose."""
        result = figure.copy()
        for parent, child in PUPPET_20.bones:
            factor = arms if child in (3, 4, 6, 7) else legs if child in (9, 10, 12, 13) else 1
            result[child] = result[parent] + (figure[child] - figure[parent]) * factor
        result[[0, 14, 15, 16, 17]] = figure[[0, 14, 15, 16, 17]]
        return result

    normaliser = Normaliser(character())
    now = settled(normaliser, stretched(standing()))
    out = shown(normaliser, person(stretched(joints)), now)
    wanted = character().bone_lengths
    got = bone_lengths(out.astype(np.float64))
    np.testing.assert_allclose(got[:12], wanted[:12], rtol=0.02)
    directions = []
    for parent, child in ((2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10)):
        a, b = out[child] - out[parent], joints[child] - joints[parent]
        directions.append(a[0] * b[1] - a[1] * b[0])
    np.testing.assert_allclose(directions, 0, atol=0.02 * 42**2)


@settings(max_examples=25, deadline=None)
@given(st.floats(-1.4, 1.4), st.floats(0.5, 2.0))
def test_foreshortening_is_preserved(towards: float, arm: float) -> None:
    figure = standing()
    for joint in (3, 4, 6, 7):
        shoulder = 2 if joint < 5 else 5
        figure[joint] = figure[shoulder] + arm * (standing()[joint] - standing()[shoulder])
    joints = turned(figure, "l_shoulder", rotation(0, towards))
    normaliser = Normaliser(character())
    now = settled(normaliser, figure)
    out = shown(normaliser, person(joints), now)
    whole = np.linalg.norm(standing()[6] - standing()[5])
    seen = np.linalg.norm(joints[6, :2] - joints[5, :2]) / np.linalg.norm(figure[6] - figure[5])
    assert abs(np.linalg.norm(out[6, :2] - out[5, :2]) / whole - seen) < 0.02


@settings(max_examples=25, deadline=None)
@given(poses())
def test_a_mirror_of_a_mirror_is_the_thing_itself(joints: NDArray[np.float64]) -> None:
    def reflected(pose: Pose) -> Pose:
        """The same scene in a mirror, where left landmarks are the right ones."""
        from engine.pose.skeleton import MEDIAPIPE_33

        other = MEDIAPIPE_33.mirror()
        keypoints, world = pose.keypoints[other].copy(), pose.world[other].copy()
        keypoints[:, 0] = PICTURE_WH[0] - keypoints[:, 0]
        world[:, 0] *= -1
        return Pose(keypoints=keypoints, scores=pose.scores[other].copy(), world=world)

    plain, mirror = Normaliser(character()), Normaliser(character(), mirror=True)
    for i in range(40):
        pose = person(standing() if i < 20 else joints)
        a = plain(pose, PICTURE_WH, i * FRAME_NS)
        b = mirror(reflected(pose), PICTURE_WH, i * FRAME_NS)
        np.testing.assert_allclose(a, b, atol=1e-3)


@settings(max_examples=25, deadline=None)
@given(poses(), st.integers(0, 2**32 - 1))
def test_the_figure_is_always_whole_and_never_far_outside(
    joints: NDArray[np.float64], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    normaliser = Normaliser(character())
    for i in range(60):
        kind = rng.integers(8)
        pose = person(joints, scores=rng.uniform(0, 1, 20), shift=tuple(rng.normal(0, 30, 2)))
        if kind == 0:
            pose = None
        elif kind == 1:
            pose.keypoints[rng.integers(33)] = rng.choice([np.nan, np.inf, -1e30, 1e30])
            pose.world[rng.integers(33)] = np.nan
            pose.scores[rng.integers(33)] = np.nan
        elif kind == 2:
            pose.keypoints[:] = rng.normal(300, 300, (33, 2))
        out = normaliser(pose, PICTURE_WH, int(i * FRAME_NS * rng.uniform(0.5, 1.5)))
        assert np.isfinite(out).all()
        assert (out[:, 3] == 1).all()
        assert (out[:, :2] > -40).all()
        assert (out[:, :2] < 256 + 40).all()
        stretch = bone_lengths(out)[2:12] / character().bone_lengths[2:12]
        assert (stretch < 1.4).all()

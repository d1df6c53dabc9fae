"""The steps of a frame in torch, each held to the engine's own on the processor."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from engine.io._kernels_composite import over as engine_over  # noqa: E402
from engine.motion._kernels_clear import clear_head as engine_clear_head  # noqa: E402
from engine.motion.calibrate import PRIOR_M  # noqa: E402
from engine.motion.draw import draw_pose  # noqa: E402
from engine.motion.normalise import Normaliser  # noqa: E402
from engine.motion.proportions import CharacterSkeleton  # noqa: E402
from engine.motion.smooth import OneEuro  # noqa: E402
from engine.pose._kernels_crop import crop  # noqa: E402
from engine.pose._kernels_refine import refine  # noqa: E402
from engine.pose.follow import Follower  # noqa: E402
from engine.pose.pose import Pose  # noqa: E402
from engine.pose.region import Region  # noqa: E402
from engine.pose.settle import Settler  # noqa: E402
from engine.pose.shrink import Shrinker  # noqa: E402
from export.gpu_frame.clear import ClearHead  # noqa: E402
from export.gpu_frame.crop import Crop, Shrink, crop_matrix  # noqa: E402
from export.gpu_frame.draw import Draw  # noqa: E402
from export.gpu_frame.look import Look, Settle, Sight, region_around  # noqa: E402
from export.gpu_frame.person import Measured, Person  # noqa: E402
from export.gpu_frame.retarget import Retarget  # noqa: E402
from export.gpu_frame.smooth import Smooth  # noqa: E402
from export.gpu_frame.whole import over, small_size  # noqa: E402
from tests import naive_motion  # noqa: E402
from tests.people import character, person, rotation, standing, turned  # noqa: E402

WH = (640, 480)


def numbers(value: object) -> "torch.Tensor":
    return torch.as_tensor(value, dtype=torch.float64)


def blank_look() -> Look:
    """The tracking without its network, which these tests do not run."""
    look = Look.__new__(Look)
    from export.gpu_frame.states import Step, doubles

    Step.__init__(look)
    look.begin(
        last_middle=doubles(2), last_size=doubles(1), away_s=doubles(1, fill=torch.inf)
    )  # fmt: skip
    from engine.pose.follow import _TORSO

    look.constants(offsets=torch.arange(-3, 4), torso=_TORSO, upright=[0.0, 0.0, 1.0])
    return look


# --- the picture ----------------------------------------------------------------------------------


@pytest.mark.parametrize("replicate", [True, False])
def test_crops_are_the_kernels_to_the_byte(replicate: bool) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (70, 90, 3), np.uint8)
    cut, out = Crop(64, replicate=replicate), np.empty((64, 64, 3), np.uint8)
    regions = [
        Region(*rng.uniform(-40, 130, 2), rng.uniform(1, 200), rng.uniform(-4, 4))
        for _ in range(30)
    ]
    regions += [Region(45, 35, 90, 0.0), Region(1e12, -1e12, 5, 0.0), Region(0, 0, 1e9, 1.0)]
    for region in regions:
        crop(image, region.from_crop(64), replicate, out)
        told = numbers([region.x, region.y, region.side, region.rotation])
        np.testing.assert_allclose(crop_matrix(told, 64), region.from_crop(64), rtol=1e-12)
        made = cut(torch.from_numpy(image), torch.from_numpy(region.from_crop(64)))
        np.testing.assert_array_equal(made[0], out)
    nowhere = numbers([[np.nan] * 3] * 2)
    crop(image, nowhere.numpy(), replicate, out)
    np.testing.assert_array_equal(cut(torch.from_numpy(image), nowhere)[0], out)


@pytest.mark.parametrize("size_wh", [(1280, 720), (800, 600), (719, 1281), (1920, 1080)])
def test_large_pictures_shrink_as_opencv_has_it(size_wh: tuple[int, int]) -> None:
    import cv2

    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    wanted = Shrinker(cv2)(image)
    small = small_size(size_wh)
    assert wanted.shape[:2] == small[::-1]
    made = Shrink(size_wh[::-1], small[::-1])(torch.from_numpy(image)).numpy()
    off = np.abs(made.astype(int) - wanted)
    assert off.max() <= 1
    assert (off > 0).mean() < 1e-3


def test_the_character_over_the_background_is_the_engines_to_the_byte() -> None:
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (32, 32, 4), np.uint8)
    behind = rng.integers(0, 256, (32, 32, 3), np.uint8)
    wanted = np.empty_like(behind)
    engine_over(picture, behind, wanted)
    made = over(torch.from_numpy(picture)[None], torch.from_numpy(behind).to(torch.int32))
    np.testing.assert_array_equal(made, wanted)


# --- the person in it -----------------------------------------------------------------------------


def test_a_region_is_the_engines() -> None:
    rng = np.random.default_rng(3)
    for hips, top in rng.uniform(-100, 700, (200, 2, 2)):
        region = Region.around(hips, top)
        wanted = [region.x, region.y, region.side, region.rotation]
        made = region_around(numbers(hips), numbers(top)).numpy()
        made[3] += 2 * np.pi * round((wanted[3] - made[3]) / (2 * np.pi))
        np.testing.assert_allclose(made, wanted, atol=1e-9)


def test_landmarks_are_refined_as_by_the_kernel() -> None:
    rng, look = np.random.default_rng(4), blank_look()
    for _ in range(20):
        points = rng.uniform(-0.15, 1.15, (39, 2)).astype(np.float32)
        points[0] = np.nan
        points[1, 1] = 1.04  # below the picture, but within reach
        heatmap = rng.normal(-2, 2, (39, 64, 64)).astype(np.float32)
        made = look._refine(torch.from_numpy(points), torch.from_numpy(heatmap)).numpy()
        refine(points, heatmap, 3, 0.5)
        np.testing.assert_allclose(made, points, atol=1e-6)


def test_landmarks_settle_as_in_the_engine() -> None:
    rng = np.random.default_rng(5)
    picture, world, engine = Settle((33, 2), 0.05, 80.0), Settle((33, 3), 0.1, 40.0), Settler()
    time_ns, known = 0, False
    for frame in range(60):
        step_ns = int(rng.integers(1_000_000, 60_000_000))
        time_ns += step_ns
        found = frame % 17 != 13  # lost now and then
        if not found:
            engine.reset()
        points, places = rng.normal(300, 40, (33, 2)), rng.normal(0, 0.4, (33, 3))
        side = rng.uniform(100, 500)
        state = torch.tensor(known), torch.tensor(found)
        step_s = numbers(step_ns * 1e-9)
        made = [
            picture(numbers(points), numbers(side), step_s, *state),
            world(numbers(places), 1.0, step_s, *state),
        ]
        if found:
            wanted = engine(points, np.full(33, 0.5), places, side, time_ns)
            np.testing.assert_allclose(made[0], wanted[0], rtol=1e-9)
            np.testing.assert_allclose(made[1], wanted[2], rtol=1e-9, atol=1e-12)
        known = found


def test_the_same_person_is_followed() -> None:
    rng, look, engine = np.random.default_rng(6), blank_look(), Follower()
    at, time_ns, chosen = np.zeros(2), 0, []
    for frame in range(200):
        step_ns = int(rng.integers(1_000_000, 400_000_000))
        time_ns += step_ns
        if frame % 9 == 0:
            at = at + rng.normal(0, 150, 2)
        pose = person(standing(), shift=tuple(at))
        found = bool(rng.random() < 0.8)
        wanted = engine.choose([pose] if found else [], time_ns)
        made = look._choose(
            numbers(pose.keypoints), torch.tensor(found), numbers(step_ns * 1e-9)
        )  # fmt: skip
        assert bool(made) == (wanted is not None)
        chosen.append(bool(made))
    assert 0.2 < np.mean(chosen) < 0.8  # both happen


# --- motion ---------------------------------------------------------------------------------------


def performance(frames: int, seed: int) -> Iterator[tuple[Pose | None, float]]:
    """Somebody who moves, hops, is badly seen, is mistaken for their back and walks away."""
    rng = np.random.default_rng(seed)
    scores = np.full(20, 0.95)
    for frame in range(frames):
        time_s = frame / 30
        joints = standing()
        joints = turned(joints, "r_shoulder", rotation(2, 1.3 + 1.4 * np.sin(3 * time_s)))
        joints = turned(joints, "r_elbow", rotation(2, 0.6))  # its forearm crosses the head
        joints = turned(joints, "l_hip", rotation(0, 0.7 * np.sin(5 * time_s)))
        joints = turned(joints, "neck", rotation(1, np.sin(2 * time_s)))
        joints = turned(joints, "mid", rotation(1, 0.8 * np.sin(time_s)))
        joints[:, 1] -= 25 * max(0.0, np.sin(4 * time_s))
        if frame % 11 == 0:
            scores = np.clip(rng.normal(0.7, 0.35, 20), 0, 1)
        if frame % 40 < 15:
            scores = np.full(20, 0.95)
        pose = person(
            joints + rng.normal(0, 0.5, (20, 3)), scores=scores,
            px_per_unit=1.6 + 0.4 * np.sin(time_s), shift=(60 * np.sin(0.5 * time_s), 0.0),
        )  # fmt: skip
        if 60 <= frame < 85:  # left is taken for right, for long enough to be believed
            pose = replace(pose, keypoints=pose.keypoints * (-1, 1) + (500, 0))
            pose = replace(pose, keypoints=pose.keypoints.astype(np.float32))
        if frame % 30 == 7:
            pose.keypoints[rng.integers(33)] = np.nan
            pose.world[rng.integers(33)] = 20.0
        gone = 100 <= frame < 110 or 140 <= frame < 230 or rng.random() < 0.02
        yield (None if gone else pose), float(rng.choice([0.0, 1 / 60, 1 / 30, 1 / 30, 0.2]))


def large_headed() -> CharacterSkeleton:
    joints = standing()
    head = [0, 14, 15, 16, 17]
    joints[head] += 0.6 * (joints[head] - joints[1])
    return character(joints)


@pytest.mark.parametrize(
    ("seed", "mirror", "clear"),
    [(0, False, True), (0, True, True), (1, False, True), (1, True, True), (1, False, False)],
)
def test_joints_are_those_of_the_engine(seed: int, mirror: bool, clear: bool) -> None:
    who = large_headed()
    engine, filters = Normaliser(who, mirror=mirror, clear_head=clear), OneEuro()
    measure = Person(WH, mirror=mirror)
    move, smooth = Retarget(who, 256, clear_head=clear), Smooth(OneEuro())
    nobody = Sight(*(torch.zeros(shape).double() for shape in ((), (33, 2), (33,), (33, 3), ())))
    time_ns = 0
    for frame, (pose, step_s) in enumerate(performance(300, seed)):
        if frame:
            time_ns += round(step_s * 1e9)
        elapsed_s = numbers(round(step_s * 1e9) * 1e-9 if frame else 0.0)
        if frame == 20:
            engine.calibrate()
        wanted = engine(pose, WH, time_ns)
        sight = nobody._replace(somebody=torch.tensor(pose is not None))
        if pose is not None:
            sight = sight._replace(
                keypoints=numbers(pose.keypoints), scores=numbers(pose.scores),
                world=numbers(pose.world),
            )  # fmt: skip
        measured = measure(sight, elapsed_s, torch.tensor(frame == 20))
        joints = move(measured, sight.somebody, elapsed_s)
        # The kernel adds its landmarks up in float32.
        np.testing.assert_allclose(measured.lengths_m, engine.person.lengths_m, rtol=1e-5)
        np.testing.assert_allclose(measured.head_axes, engine.person.head_axes, atol=1e-5)
        np.testing.assert_allclose(joints, wanted, atol=1e-3, err_msg=f"frame {frame}")
        made = smooth(joints, elapsed_s)
        np.testing.assert_allclose(made, filters(wanted, time_ns), atol=1e-3)
    measure.reset()
    np.testing.assert_array_equal(measure.px_per_m, np.nan)


@pytest.mark.parametrize("wild", [False, True])
def test_arms_are_kept_off_the_head_as_by_the_kernel(wild: bool) -> None:
    """Random poses of random proportions; wild ones are no people at all."""
    rng, moved = np.random.default_rng(9), []
    for _ in range(200):
        lengths, px_per_m = PRIOR_M * rng.uniform(0.7, 1.4, 10), rng.uniform(60, 400)
        px = 100 * PRIOR_M * rng.uniform(0.6, 1.5, 10)
        px[8:] *= rng.uniform(1, 4, 2)  # the head
        px = np.stack([px, px], 1) * rng.uniform(0.9, 1.1, (10, 2))
        body = np.zeros((22, 4))
        body[:, :3] = rng.normal(0, 0.6 * px_per_m, (22, 3))
        body[:, 3] = rng.uniform(0.4, 1, 22) if wild else 1.0
        offsets = rng.normal(0, 20, (21, 3))
        if not wild:
            body[20:, :3] = [0, lengths[1] * px_per_m, 0], [0, -lengths[8] * px_per_m, 0]
            for side, shoulder in enumerate((2, 5)):
                outwards = 2.0 * side - 1
                body[shoulder, :3] = outwards * lengths[0] * px_per_m, 0, 0
                offsets[shoulder] = outwards * px[0, side], 0, 0
                offsets[16 + side] = outwards * px[9, side], -px[8, side], 0
                for joint, bone in ((shoulder + 1, 3), (shoulder + 2, 4)):
                    up = rotation(2, rng.normal(-np.pi / 2, 1.0))  # more or less
                    way = up @ rotation(1, rng.normal(0, 0.7))[0]
                    body[joint, :3] = body[joint - 1, :3] + lengths[bone] * px_per_m * way
                    offsets[joint] = px[bone, side] * way
        axes = naive_motion.torso_axes(body)
        person = Measured(*map(numbers, (body, px_per_m, lengths, axes, 0, 0)))
        made = ClearHead(px)(person, numbers(offsets)).numpy()
        wanted = offsets.copy()
        engine_clear_head(body, px_per_m, lengths, px, axes, wanted)
        np.testing.assert_allclose(made, wanted, atol=1e-6)
        moved += np.abs(wanted - offsets).max(1)[[3, 4, 6, 7]].tolist()
    assert 0.1 < np.mean(np.array(moved) > 0.1) < 0.9  # both happen


def test_one_euro_holds_what_is_missing_and_starts_anew_after_a_gap() -> None:
    rng, engine, smooth = np.random.default_rng(7), OneEuro(pace=0.6), Smooth(OneEuro(pace=0.6))
    time_ns = 0
    for frame in range(200):
        step_ns = int(rng.choice([0, 5_000_000, 33_000_000, 300_000_000, 700_000_000]))
        step_ns = step_ns if frame else 0
        time_ns += step_ns
        joints = rng.normal(128, 30, (20, 4)).astype(np.float32)
        joints[rng.random(20) < 0.2, rng.integers(3)] = np.nan
        made = smooth(torch.from_numpy(joints), numbers(step_ns * 1e-9)).numpy()
        np.testing.assert_allclose(made, engine(joints, time_ns), atol=1e-3)


# --- the pose image -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 256])
def test_the_pose_image_is_the_kernels(size: int) -> None:
    rng, draw = np.random.default_rng(8), Draw(size)
    out = np.empty((size, size, 3), np.uint8)
    for picture in range(12):
        joints = rng.uniform(-0.1 * size, 1.1 * size, (20, 4)).astype(np.float32)
        joints[:, 3] = 1.0
        if picture % 3 == 0:
            joints[:, 2] = rng.integers(0, 3, 20)  # ties in depth
        if picture % 4 == 0:
            joints[rng.integers(20, size=4), rng.integers(4, size=4)] = np.nan
            joints[rng.integers(20), 3] = 0.01
            joints[3, :2] = joints[2, :2]  # a bone without a length
        draw_pose(joints, out)
        made = draw(torch.from_numpy(joints))[0].numpy()
        off = np.abs(made.astype(int) - out)
        assert off.max() <= 2
        assert (off > 0).mean() < 0.02

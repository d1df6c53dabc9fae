"""Each stage by itself: packets in, packets out."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from engine.cast import Actor, Cast
from engine.frame import Frame, Packet
from engine.generator import NetworkGenerator
from engine.motion.smooth import SavitzkyGolayDelay
from engine.pose.pose import Pose
from engine.stages import (
    DrawStage,
    GenerateStage,
    MotionStage,
    PoseStage,
    Unsmoothed,
    media_time_ns,
)
from tests.puppets import FakeBackend, FakeBundle, standing_pose


def packet(sequence: int, **learnt) -> Packet:
    image = np.zeros((48, 64, 3), np.uint8)
    time_base = Fraction(1, 30)
    return Packet(Frame(image, sequence, 10**9 + sequence, sequence, time_base), **learnt)


def cast_of(*sizes: int) -> Cast:
    return Cast([Actor(FakeBundle(size), NetworkGenerator(FakeBackend(size))) for size in sizes])


def run(stage, packets) -> list[Packet]:
    done = [out for p in packets for out in stage.process(p)]
    return [*done, *stage.flush()]


class FakeEstimator:
    def __init__(self) -> None:
        self.times: list[int] = []
        self.closed = False

    def estimate(self, image, time_ns) -> Pose | None:
        self.times.append(time_ns)
        return standing_pose((64, 48)) if len(self.times) % 2 else None

    def close(self) -> None:
        self.closed = True


def test_media_time_is_the_time_stamp_or_else_the_capture():
    stamped = packet(0).frame
    assert media_time_ns(stamped) == 0  # a time stamp of 0 is one
    assert media_time_ns(replace(stamped, pts=3)) == 100_000_000
    assert media_time_ns(replace(stamped, pts=None)) == 10**9


def test_pose_stage_tells_somebody_from_nobody():
    estimator = FakeEstimator()
    stage = PoseStage(estimator)
    poses = [p.pose for p in run(stage, [packet(i) for i in range(3)])]
    assert [pose is not None for pose in poses] == [True, False, True]
    assert estimator.times == [0, 33_333_333, 66_666_667]
    stage.close()
    assert estimator.closed


def test_motion_stage_gives_joints_even_of_nobody():
    stage = MotionStage(cast_of(64), lambda size: Unsmoothed())
    [out] = run(stage, [packet(0)])
    np.testing.assert_allclose(out.joints, FakeBundle(64).skeleton.rest, atol=1e-3)


@pytest.mark.parametrize("frames", [1, 4, 9, 25])
def test_a_smoother_that_looks_ahead_loses_and_reorders_nothing(frames):
    stage = MotionStage(cast_of(64), lambda size: SavitzkyGolayDelay(9))
    out = run(stage, [packet(i, pose=standing_pose((64, 48))) for i in range(frames)])
    assert [p.frame.sequence for p in out] == list(range(frames))
    assert all(p.joints is not None and p.joints.shape == (20, 4) for p in out)


def test_mirror_swaps_sides():
    pose = standing_pose((64, 48), raised="r")
    joints = {}
    for mirror in (False, True):
        stage = MotionStage(cast_of(64), lambda size: Unsmoothed(), mirror=mirror)
        joints[mirror] = run(stage, [packet(i, pose=pose) for i in range(60)])[-1].joints
    r_wrist, l_wrist = 4, 7
    assert joints[False][r_wrist, 1] < joints[False][l_wrist, 1]  # y is down
    assert joints[True][l_wrist, 1] < joints[True][r_wrist, 1]


def test_calibration_waits_for_somebody():
    stage = MotionStage(cast_of(64), lambda size: Unsmoothed())
    stage.calibrate()
    assert stage.calibrating
    run(stage, [packet(0)])
    assert stage.calibrating
    run(stage, [packet(i, pose=standing_pose((64, 48))) for i in range(1, 90)])
    assert not stage.calibrating


def test_a_switch_of_character_goes_through_every_stage_at_one_frame():
    cast = cast_of(64, 96)
    stages = [MotionStage(cast, lambda size: Unsmoothed()), DrawStage(cast), GenerateStage(cast)]
    pose = standing_pose((64, 48))
    motion, draw, generate = stages
    posed = run(motion, [packet(i, pose=pose) for i in range(3)])
    cast.wish(+1)
    posed += run(motion, [packet(i, pose=pose) for i in range(3, 5)])
    pictures = run(generate, run(draw, posed))
    assert [p.picture.shape[0] for p in pictures] == [64, 64, 64, 96, 96]
    assert [p.pose_image.shape[0] for p in pictures] == [64, 64, 64, 96, 96]


def test_a_switch_finishes_what_the_smoother_holds():
    cast = cast_of(64, 96)
    motion = MotionStage(cast, lambda size: SavitzkyGolayDelay(5))
    pose = standing_pose((64, 48))
    out = [q for i in range(6) for q in motion.process(packet(i, pose=pose))]
    cast.wish(+1)
    out += run(motion, [packet(i, pose=pose) for i in range(6, 12)])
    assert [p.frame.sequence for p in out] == list(range(12))


def test_what_was_learnt_of_the_person_survives_a_switch():
    cast = cast_of(64, 96)
    motion = MotionStage(cast, lambda size: Unsmoothed())
    pose = standing_pose((64, 48))
    run(motion, [packet(i, pose=pose) for i in range(30)])
    before = motion._normaliser.person.lengths_m.copy()
    cast.wish(+1)
    run(motion, [packet(30, pose=pose)])
    np.testing.assert_allclose(motion._normaliser.person.lengths_m, before, rtol=0.05)


def test_who_comes_back_on_stage_begins_anew_and_who_stays_goes_on():
    class Generator(NetworkGenerator):
        def forget(self) -> None:
            done.append(f"{self._backend.input_spec.shape[1]} forgets")

        def draw(self, joints, pose_image, out) -> None:
            super().draw(joints, pose_image, out)
            done.append(f"{len(out)} draws")

    done: list[str] = []
    cast = Cast([Actor(FakeBundle(size), Generator(FakeBackend(size))) for size in (32, 64)])
    stages = [MotionStage(cast, lambda size: Unsmoothed()), DrawStage(cast), GenerateStage(cast)]
    for sequence in range(6):
        if sequence in (2, 4):
            cast.wish(+1)
        packets = [packet(sequence, pose=standing_pose((64, 48)))]
        for stage in stages:
            packets = run(stage, packets)
    there, back = ["32 forgets", "32 draws", "32 draws"], ["64 forgets", "64 draws", "64 draws"]
    assert done == [*there, *back, *there]


def test_draw_and_generate_hold_their_buffers_apart():
    cast = cast_of(64)
    motion = MotionStage(cast, lambda size: Unsmoothed())
    kept = run(GenerateStage(cast), run(DrawStage(cast), run(motion, map(packet, range(6)))))
    assert len({p.picture.ctypes.data for p in kept}) == 6
    assert len({p.pose_image.ctypes.data for p in kept}) == 6


def test_stages_in_the_wrong_order_say_so():
    cast = cast_of(64)
    with pytest.raises(ValueError, match="motion stage before"):
        run(DrawStage(cast), [packet(0)])
    with pytest.raises(ValueError, match="draw stage before"):
        run(GenerateStage(cast), [packet(0)])


def test_closing_generate_closes_the_backends():
    cast = cast_of(64, 96)
    GenerateStage(cast).close()
    assert [actor.generator._backend.closed for actor in cast.actors] == [True, True]

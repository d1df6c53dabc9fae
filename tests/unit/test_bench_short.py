"""The benchmarks' short form: ratios within one run, which hold on any machine, busy or not.

Each ratio is far from its limit, so that only something that has really gone wrong breaks it.
"""

import numpy as np
import pytest

from bench import rivals
from bench.camera import pictures_of
from bench.closed import parts_alone, whole
from bench.floor import Work, ceiling, work_of
from bench.kernels import compare
from bench.peers import run_rival
from bench.synthetic import Hold, hold_until
from engine.app import PERFORMER, Options
from engine.character import CharacterBundle
from tests.bundles import write_bundle
from tests.marks import needs_pose_model


def test_kernels_are_worth_being_compiled():
    found = {one.name: one for one in compare(64, 60)}
    assert all(one.times("plain") > 5 for one in found.values())
    assert found["over a background"].times("numpy") > 1


@pytest.mark.model
@needs_pose_model
def test_parts_overlap(tmp_path):
    bundle = CharacterBundle.load(write_bundle(tmp_path / "stick.character", 256))
    options = Options(backend="onnxruntime", precision="fp32")
    parts, _ = parts_alone(PERFORMER, bundle, options, 25, None)
    together = whole(PERFORMER, bundle, options, 25, None)
    assert together.report.frames_out == 25
    steady = together.steady_fps("pose")
    assert steady > together.report.fps, "without the time to fill and to drain"
    # Not even one after the other would it be slower than so much, whatever else the machine does.
    one_after_the_other = 1 / sum(1 / part.fps for part in parts)
    assert together.report.fps > 0.3 * one_after_the_other


class Known:
    """A rival that takes 60 ms a frame."""

    name, about, tracks, exact = "known", "", False, True

    def __init__(self, newest):
        self.newest = newest

    def open(self): ...

    def draw(self, image, time_ns):
        import time

        hold_until(time.monotonic_ns() + 60_000_000)
        return image

    def close(self): ...


def test_a_queue_without_an_end_falls_behind_and_the_newest_frame_does_not():
    pictures = [np.zeros((8, 8, 3), np.uint8)]
    (newest, _), (queue, waiting) = (
        run_rival(Known(newest), pictures, 3.0, 0.2) for newest in (True, False)
    )
    late = [run.timeline.latency_ms() for run in (newest, queue)]
    assert np.median(late[1][-5:]) > 3 * np.median(late[0][-5:])
    assert late[1][-1] > 3 * late[1][0]
    assert waiting > 20
    assert newest.timeline.missed().mean() > 0.3
    assert not queue.timeline.missed().any()


def test_every_rival_says_what_it_draws():
    for make in rivals.RIVALS.values():
        rival = make(1)
        assert rival.about
        assert rival.name
        rival.close()
    assert len(pictures_of(PERFORMER, 3)) == 3


def test_the_floor_is_under_the_time():
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 16, 16))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, 16, 16))], [weight],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    work = work_of(model.SerializeToString())
    assert work == Work(2 * 8 * 16 * 16 * 27, 4 * (8 * 27 + 3 * 256 + 8 * 256))
    here = ceiling("ONNX Runtime", "fp32", 1)
    assert 0 < work.floor_ms(here) < 1
    assert onnx.__version__


def test_a_stage_that_holds_says_how_long_it_did():
    from bench.itself import open_loop

    stage = Hold(5.0)
    timeline = open_loop(stage, 60.0, 0.5)
    assert len(stage.truth_ms) >= len(timeline.sequence) > 10
    assert timeline.latency_ms().min() >= min(stage.truth_ms)


def test_stretches_of_a_show_add_up_to_it():
    from bench.governor import part
    from bench.itself import open_loop

    whole = open_loop(Hold(40.0), 60.0, 1.0)  # 25 of 60 a second
    parts = [part(whole, begin, end) for begin, end in ((0, 0.3), (0.3, 0.8), (0.8, 2))]
    assert sum(len(each.due_ns) for each in parts) == len(whole.due_ns)
    assert sum(len(each.sequence) for each in parts) == len(whole.sequence)
    for each in parts:
        assert 0.2 < each.missed().mean() < 0.99
        assert each.latency_ms().min() >= 40


def test_other_programs_take_the_processor_and_leave_it():
    import time

    import psutil

    from bench.load import OtherPrograms

    def children() -> list[psutil.Process]:
        return psutil.Process().children()

    there = len(children())
    with OtherPrograms(2, 0.1, 30.0):
        until = time.monotonic() + 20
        while len(children()) < there + 2:
            assert time.monotonic() < until, "they did not start"
            time.sleep(0.05)
    assert len(children()) == there

import gc
import threading
import time
import tracemalloc

import pytest

from engine.pipeline import Pipeline
from engine.report import Report
from tests.fakes import FakeSink, FakeSource, FakeStage


def accounted(report: Report) -> bool:
    return all(c.sent == c.delivered + c.dropped for c in report.channels)


def test_a_file_loses_nothing_and_keeps_its_order() -> None:
    stages = [FakeStage("a"), FakeStage("b", delay=3), FakeStage("c")]
    source, sink = FakeSource(50), FakeSink()
    report = Pipeline(source, stages, [sink]).run()
    assert sink.written == list(range(50))
    assert (report.frames_in, report.frames_out, report.dropped) == (50, 50, 0)
    assert accounted(report)
    assert [part.closed for part in (source, *stages, sink)] == [1] * 5
    assert [s.stage for s in sink.packets[0].stamps] == ["a", "b", "c"]


def test_live_input_drops_the_old_and_counts_it() -> None:
    sink = FakeSink(work_s=0.02)
    source = FakeSource(40, live=True, period_s=0.002)
    report = Pipeline(source, [FakeStage()], [sink]).run()
    assert sink.written == sorted(sink.written)
    assert sink.written[-1] == 39
    assert report.dropped == 40 - report.frames_out > 10
    assert accounted(report)


def test_stages_overlap() -> None:
    # Three stages of equal work: alone 3 x 0.6 s, overlapped little more than 0.6 s.
    stages = [FakeStage(name, work_s=0.01) for name in "abc"]
    report = Pipeline(FakeSource(60), stages, [FakeSink()]).run()
    assert report.duration_s < 2 * 60 * 0.01
    work_ms = sum(stage.work.p50_ms for stage in report.stages[:3])
    assert report.capture_to_sink.p50_ms > 0.9 * work_ms


def test_gaps_of_the_source_are_counted() -> None:
    report = Pipeline(FakeSource(10, gaps=(3, 4, 7)), [], [FakeSink()]).run()
    assert (report.missed_by_source, report.frames_out) == (3, 7)


def test_several_sinks_get_every_frame() -> None:
    sinks = [FakeSink("one"), FakeSink("two", work_s=0.001)]
    Pipeline(FakeSource(20), [FakeStage()], sinks).run()
    assert sinks[0].written == sinks[1].written == list(range(20))


def _raise(sequence: int) -> None:
    if sequence == 5:
        raise ValueError("the source failed at 5")


@pytest.mark.parametrize("part", ["source", "first", "last", "sink", "second sink"])
def test_an_error_anywhere_ends_the_run_and_closes_everything(part: str) -> None:
    source = FakeSource(1000, before=_raise if part == "source" else lambda sequence: None)
    stages = [
        FakeStage("first", fail_at=5 if part == "first" else -1),
        FakeStage("last", fail_at=5 if part == "last" else -1),
    ]
    sinks = [FakeSink(name, fail_at=5 if part == name else -1) for name in ("sink", "second sink")]
    pipeline = Pipeline(source, stages, sinks)
    with pytest.raises(ValueError, match="failed at 5") as caught:
        pipeline.run()
    assert f"in the {part} of the pipeline" in caught.value.__notes__
    assert [p.closed for p in (source, *stages, *sinks)] == [1] * 5
    report = pipeline.snapshot()
    assert report.error is not None
    assert accounted(report)
    if part == "source":  # what was read before is finished
        assert sinks[0].written == [0, 1, 2, 3, 4]


def test_an_error_after_the_last_frame_comes_when_all_is_written() -> None:
    def truncated() -> None:
        raise ValueError("truncated")

    sink = FakeSink(work_s=0.001)
    with pytest.raises(ValueError, match="truncated"):
        Pipeline(FakeSource(30, after=truncated), [FakeStage(delay=4)], [sink]).run()
    assert sink.written == list(range(30))


def test_an_error_in_close_is_told() -> None:
    class Unclosable(FakeSink):
        def close(self) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        Pipeline(FakeSource(3), [], [Unclosable()]).run()


def test_stop_finishes_what_is_under_way() -> None:
    source = FakeSource(10_000, period_s=0.001)
    sink = FakeSink()
    pipeline = Pipeline(source, [FakeStage(delay=2)], [sink])
    pipeline.start()
    time.sleep(0.05)
    pipeline.stop()
    pipeline.stop()
    report = pipeline.join()
    assert report.frames_in == report.frames_out == len(sink.written) > 0


def test_a_run_can_be_limited_in_time() -> None:
    report = Pipeline(FakeSource(10_000, live=True, period_s=0.005), [], [FakeSink()]).run(
        duration_s=0.2
    )
    assert 5 < report.frames_out < 200


def test_ctrl_c_finishes_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = FakeSink()
    pipeline = Pipeline(FakeSource(10_000, period_s=0.001), [FakeStage()], [sink])
    join, calls = Pipeline.join, []

    def interrupted(self: Pipeline, timeout_s: float | None = None) -> Report:
        calls.append(timeout_s)
        if len(calls) == 1:
            time.sleep(0.05)
            raise KeyboardInterrupt
        return join(self, timeout_s)

    monkeypatch.setattr(Pipeline, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipeline.run()
    assert sink.closed == 1
    assert sink.written == list(range(len(sink.written)))
    assert sink.written


def test_a_pipeline_runs_once_and_needs_a_sink() -> None:
    with pytest.raises(ValueError, match="at least one sink"):
        Pipeline(FakeSource(1), [], [])
    pipeline = Pipeline(FakeSource(1), [], [FakeSink()])
    pipeline.run()
    with pytest.raises(RuntimeError, match="runs once"):
        pipeline.start()


def test_progress_is_told_once_a_frame() -> None:
    told: list[int] = []
    Pipeline(FakeSource(7), [], [FakeSink()]).run(
        on_progress=lambda packet: told.append(packet.frame.sequence)
    )
    assert told == list(range(7))


def test_a_long_run_needs_no_more_memory_than_a_short_one() -> None:
    class Forgetful(FakeSink):
        def write(self, packet) -> None:
            pass

    def grown(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        pipeline = Pipeline(FakeSource(count), [FakeStage("a")], [Forgetful()])
        pipeline._stages[0].seen = None  # type: ignore[attr-defined]
        pipeline._stages[0].process = lambda packet: (packet,)  # type: ignore[method-assign]
        pipeline.run()
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return size

    grown(10)
    assert grown(2000) < grown(200) + 20_000


def test_no_thread_outlives_a_run() -> None:
    before = threading.active_count()
    Pipeline(FakeSource(5), [FakeStage()], [FakeSink()]).run()
    assert threading.active_count() == before

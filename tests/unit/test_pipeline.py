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


def test_throughput_is_that_of_the_slowest_stage_and_latency_the_sum() -> None:
    # Bounds are ratios to what the same run's own meters saw, so that a busy machine changes both.
    work_s = {"a": 0.004, "b": 0.012, "c": 0.006}
    stages = [FakeStage(name, work_s=s) for name, s in work_s.items()]
    report = Pipeline(FakeSource(60), stages, [FakeSink()], capacity=1).run()
    slowest_s, all_s = (f(stage.work.mean_ms for stage in report.stages) * 1e-3 for f in (max, sum))
    assert 0.9 * 60 * slowest_s < report.duration_s < 1.25 * 60 * slowest_s + all_s
    assert report.capture_to_sink.mean_ms * 1e-3 > 0.95 * all_s


def test_a_paced_source_waits_nowhere() -> None:
    # Frames come less often than the slowest stage needs: the latency is the work and no queue.
    stages = [FakeStage(name, work_s=0.005) for name in "abc"]
    report = Pipeline(FakeSource(30, live=True, period_s=0.03), stages, [FakeSink()]).run()
    work_ms = sum(stage.work.mean_ms for stage in report.stages)
    assert work_ms < report.capture_to_sink.mean_ms < 1.3 * work_ms + 5
    assert report.dropped <= 2


def test_the_age_of_a_live_frame_is_bounded_however_slow_the_sink() -> None:
    # One packet is in each stage and one in each slot; a queue would grow to 60 packets.
    sink = FakeSink(work_s=0.02)
    report = Pipeline(
        FakeSource(80, live=True, period_s=0.005), [FakeStage(work_s=0.001)], [sink]
    ).run()
    assert report.dropped > 20
    assert report.capture_to_sink.p95_ms < 4 * report.stages[-1].work.p95_ms


@pytest.mark.parametrize("live", [False, True])
def test_a_slow_sink_holds_another_up_only_where_nothing_may_be_lost(live: bool) -> None:
    fast, slow = FakeSink("fast"), FakeSink("slow", work_s=0.01)
    source = FakeSource(50, live=live, period_s=0.001)
    report = Pipeline(source, [FakeStage()], [fast, slow]).run()
    dropped = {channel.name: channel.dropped for channel in report.channels}
    assert accounted(report)
    if live:
        assert dropped["slow"] > 10 > dropped["fast"]
        assert len(fast.written) > len(slow.written)
        assert slow.written[-1] == 49
    else:
        assert dropped["slow"] == dropped["fast"] == 0
        assert fast.written == slow.written == list(range(50))


@pytest.mark.parametrize("collection", [False, True])
def test_work_is_measured_in_generators_and_in_collections(collection: bool) -> None:
    stage = FakeStage("busy", work_s=0.01)
    if collection:
        lazily = stage.process
        stage.process = lambda packet: list(lazily(packet))  # type: ignore[method-assign]
    report = Pipeline(FakeSource(8), [stage], [FakeSink()]).run()
    assert report.stages[0].work.p50_ms > 9.5


def test_being_held_up_by_the_next_stage_is_no_work() -> None:
    report = Pipeline(
        FakeSource(30), [FakeStage("quick")], [FakeSink("slow", work_s=0.01)], capacity=1
    ).run()
    quick, slow = report.stages
    assert quick.work.p50_ms < 0.3 * slow.work.p50_ms
    assert slow.wait.p50_ms > 0.5 * slow.work.p50_ms  # the wait is seen where it is


def test_packets_held_back_come_out_once_in_order_at_the_end() -> None:
    stages = [FakeStage("a", delay=3), FakeStage("b", delay=5), FakeStage("c", delay=1)]
    sink = FakeSink()
    Pipeline(FakeSource(4), stages, [sink]).run()  # fewer than are held back
    assert sink.written == [0, 1, 2, 3]


def test_a_stage_may_drop_and_multiply_packets() -> None:
    stage = FakeStage()
    stage.process = lambda packet: [packet] * (packet.frame.sequence % 3)  # type: ignore[method-assign]
    sink = FakeSink()
    report = Pipeline(FakeSource(6), [stage], [sink]).run()
    assert sink.written == [1, 2, 2, 4, 5, 5]
    assert (report.frames_in, report.frames_out, report.dropped) == (6, 6, 0)


def test_an_empty_source_is_no_error_of_the_pipeline() -> None:
    source, stage, sink = FakeSource(0), FakeStage(), FakeSink()
    report = Pipeline(source, [stage], [sink]).run()
    assert (report.frames_in, report.frames_out, report.fps, report.duration_s) == (0, 0, 0.0, 0.0)
    assert source.closed == stage.closed == sink.closed == 1


def test_a_snapshot_can_be_taken_at_any_time() -> None:
    pipeline = Pipeline(FakeSource(40, period_s=0.002), [FakeStage()], [FakeSink()])
    assert pipeline.snapshot().frames_in == 0
    pipeline.start()
    seen = []
    while (report := pipeline.snapshot()).frames_out < 40:
        seen.append(report.frames_out)
        assert report.frames_out <= report.frames_in
        assert all(c.delivered + c.dropped <= c.sent for c in report.channels)
        time.sleep(0.001)
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    pipeline.join()


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

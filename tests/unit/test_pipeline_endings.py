"""Whatever ends a run, in whatever phase: everything is closed once, and files are finished."""

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from engine.pipeline import Pipeline
from tests.fakes import FakeSink, FakeSource, FakeStage, wait_until

ROOT = Path(__file__).resolve().parents[2]


class Fails:
    """Raises at a call of one method of a part."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, *args: object) -> None:
        raise self.error


@pytest.mark.parametrize("part", ["stage", "sink"])
def test_an_error_wakes_a_source_that_waits_for_a_picture(part: str) -> None:
    source = FakeSource(3, hangs=True)
    stage, sink = (
        FakeStage(fail_at=2 if part == "stage" else -1),
        FakeSink(fail_at=2 if part == "sink" else -1),
    )
    with pytest.raises(ValueError, match="failed at 2"):
        Pipeline(source, [stage], [sink]).run()
    assert source.stops >= 1
    assert source.closed == stage.closed == sink.closed == 1


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("capacity", [1, 2, 5])
@pytest.mark.parametrize("fail_at", [0, 1, 7, 19])
def test_an_error_at_any_frame_frees_whoever_waits(live: bool, capacity: int, fail_at: int) -> None:
    # The parts before wait for room, those after for packets.
    source = FakeSource(20, live=live, period_s=0.002 if live else 0.0)
    stages = [FakeStage("a"), FakeStage("b", fail_at=fail_at), FakeStage("c", delay=2)]
    sink = FakeSink(work_s=0.001)
    pipeline = Pipeline(source, stages, [sink], capacity=capacity)
    with pytest.raises(ValueError, match=f"b failed at {fail_at}"):
        pipeline.run()
    assert [part.closed for part in (source, *stages, sink)] == [1] * 5
    if not live:
        assert sink.written == list(range(fail_at))  # all that got past the failure is written


def test_an_error_in_flush_is_told() -> None:
    stage, sink = FakeStage("late"), FakeSink()
    stage.flush = Fails(ValueError("cannot flush"))  # type: ignore[assignment]
    with pytest.raises(ValueError, match="cannot flush") as caught:
        Pipeline(FakeSource(3), [stage], [sink]).run()
    assert caught.value.__notes__ == ["in the late of the pipeline"]
    assert sink.written == [0, 1, 2]
    assert sink.closed == stage.closed == 1


@pytest.mark.parametrize("broken", ["source", "stage", "sink"])
def test_an_error_in_close_keeps_no_other_part_from_closing(broken: str) -> None:
    parts = {"source": FakeSource(3), "stage": FakeStage("stage"), "sink": FakeSink("sink")}
    parts[broken].close = Fails(OSError("will not close"))  # type: ignore[method-assign]
    with pytest.raises(OSError, match="will not close") as caught:
        Pipeline(parts["source"], [parts["stage"]], [parts["sink"]]).run()  # type: ignore[arg-type, list-item]
    assert f"in the {broken} of the pipeline" in caught.value.__notes__
    assert parts["sink"].written == [0, 1, 2] if broken != "sink" else True  # type: ignore[union-attr]
    assert all(part.closed == 1 for name, part in parts.items() if name != broken)


def test_the_first_error_is_raised_and_tells_of_the_others() -> None:
    sink = FakeSink("mp4", fail_at=2)
    sink.close = Fails(OSError("cannot finish"))  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="mp4 failed at 2") as caught:
        Pipeline(FakeSource(9), [], [sink]).run()
    assert caught.value.__notes__ == [
        "in the mp4 of the pipeline",
        "then, in the mp4 of the pipeline: OSError('cannot finish')",
    ]


def test_an_error_in_the_callback_is_told() -> None:
    sink = FakeSink()
    with pytest.raises(ZeroDivisionError):
        Pipeline(FakeSource(9), [], [sink]).run(on_progress=lambda packet: 1 // 0)
    assert sink.closed == 1


def test_stop_before_the_start() -> None:
    source, sink = FakeSource(1_000, period_s=0.001), FakeSink()
    pipeline = Pipeline(source, [FakeStage()], [sink])
    pipeline.stop()
    assert pipeline.run().frames_out == 0
    assert source.closed == sink.closed == 1


def test_stop_after_the_end() -> None:
    pipeline = Pipeline(FakeSource(3), [FakeStage()], [FakeSink()])
    pipeline.run()
    pipeline.stop()
    assert pipeline.join().frames_out == 3


@pytest.mark.parametrize("live", [False, True])
def test_stop_while_the_source_waits(live: bool) -> None:
    source, sink = FakeSource(2, live=live, hangs=True, period_s=0.005), FakeSink()
    pipeline = Pipeline(source, [FakeStage(delay=1)], [sink])
    pipeline.start()
    wait_until(lambda: pipeline.snapshot().frames_in == 2)
    pipeline.stop()
    pipeline.join()
    assert sink.written[-1] == 1  # what the stage held back came out as well
    assert source.closed == sink.closed == 1


def test_stop_while_the_sink_is_the_slow_one() -> None:
    source, sink = FakeSource(1_000), FakeSink(work_s=0.01)
    pipeline = Pipeline(source, [FakeStage("a"), FakeStage("b")], [sink])
    pipeline.start()
    wait_until(lambda: len(sink.written) > 3)
    pipeline.stop()
    report = pipeline.join()
    assert report.frames_in == report.frames_out == len(sink.written) < 1_000


def test_stop_from_within_the_pipeline() -> None:
    pipeline: Pipeline
    sink = FakeSink()
    pipeline = Pipeline(FakeSource(10_000, live=True, period_s=0.001), [FakeStage()], [sink])
    pipeline.run(on_progress=lambda packet: pipeline.stop() if packet.frame.sequence > 9 else None)
    assert 0 < len(sink.written) < 5_000
    assert sink.closed == 1


def test_stop_from_many_threads_at_once() -> None:
    pipeline = Pipeline(FakeSource(10_000, period_s=0.001), [FakeStage()], [FakeSink()])
    pipeline.start()
    stoppers = [threading.Thread(target=pipeline.stop) for _ in range(8)]
    for thread in stoppers:
        thread.start()
    for thread in stoppers:
        thread.join()
    assert pipeline.join().frames_out < 10_000


def test_a_second_ctrl_c_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    class Stuck(FakeSink):
        def write(self, packet: object) -> None:
            assert gate.wait(30)

    pipeline = Pipeline(FakeSource(50), [FakeStage()], [Stuck()])
    monkeypatch.setattr(pipeline, "join", Fails(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        pipeline.run()
    gate.set()
    monkeypatch.undo()
    pipeline.join()


@pytest.mark.skipif(sys.platform == "win32", reason="there, Ctrl-C goes to a whole console")
def test_ctrl_c_in_a_real_process_finishes_the_file() -> None:
    program = textwrap.dedent("""
        import sys
        from engine.pipeline import Pipeline
        from tests.fakes import FakeSink, FakeSource, FakeStage

        class File(FakeSink):
            def write(self, packet):
                super().write(packet)
                if len(self.written) == 5:
                    print("running", flush=True)
            def close(self):
                super().close()
                print("finished", self.written == list(range(len(self.written))), flush=True)

        try:
            Pipeline(FakeSource(10**6, period_s=0.002), [FakeStage(delay=3)], [File()]).run()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert rest == "finished True\ninterrupted\n"
    assert process.returncode == 0

"""The measuring is measured: known latencies, stalls, leaks, and how sure percentiles are."""

import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from bench import blockcode, compare, everything, soak, statistics, svg
from bench.camera import CameraSource
from bench.charts import Chart, Series, by_percentile, histograms, over_time, waterfall
from bench.commands import app
from bench.itself import open_loop, overheads
from bench.logs import trace_events, write_hdr
from bench.page import page
from bench.report import SCHEMA_VERSION, Row, measures_table
from bench.show import watch
from bench.statistics import Figure, Measure
from bench.synthetic import Hold, Leak, black, closed_loop_ms
from bench.timeline import Recorder, Timeline
from engine.clock import MonotonicClock
from engine.frame import Frame, Packet, Stamp
from engine.io.null import NullSink
from engine.pipeline import Pipeline
from tests.fakes import FakeClock

MS = 1_000_000


def timeline(due_ms, shown: dict[int, float], period: float = 10.0) -> Timeline:
    """Frames shown at so many ms, by number; one stage that works for the last millisecond."""
    numbers = np.array(sorted(shown), np.int64)
    at = np.array([shown[n] for n in numbers]) * MS
    at = at.astype(np.int64)
    return Timeline(
        np.array(due_ms, np.int64) * MS, 0, numbers, at, ("work",),
        (at - MS)[:, None], at[:, None],
    )  # fmt: skip


def test_a_known_latency_comes_out_within_a_millisecond():
    stage = Hold(12.0)
    found = Measure.of(open_loop(stage, 50.0, 2.0).latency_ms())["p50"]
    assert abs(found - Measure.of(stage.truth_ms)["p50"]) < 1.0
    assert found >= 12.0


def test_stalls_are_seen_and_a_loop_that_waits_would_not_have_seen_them():
    stalls = {"stall_ms": 250.0, "every": 40}
    stage = Hold(1.0, **stalls)
    waited = open_loop(stage, 50.0, 2.0).answered_ms()
    assert waited.max() >= 250.0
    closed = np.array(closed_loop_ms(Hold(1.0, **stalls), 100))
    late_open, late_closed = ((values > 50).mean() for values in (waited, closed))
    assert late_open > 3 * late_closed
    assert np.percentile(waited, 95) > 100 > np.percentile(closed, 95)


def test_the_notes_cost_less_than_a_hundredth_of_a_frame():
    total_ms = sum(timing.p50_ms for timing in overheads(200).values())
    assert total_ms < 0.01 * 1e3 / 30


def test_frames_that_were_dropped_count_until_the_next_one_is_seen():
    seen = timeline([0, 10, 20, 30, 40], {0: 5, 3: 36})
    assert seen.latency_ms().tolist() == [5, 6]
    assert seen.answered_ms().tolist() == [5, 26, 16, 6]  # how late frame 4 will be is not known
    hung = timeline(range(0, 500, 10), {0: 5, 3: 36})
    assert hung.answered_ms()[4] == 450  # but that it is late is known, and counts
    assert hung.answered_ms().max() == 450
    assert seen.missed().tolist() == [False, True, True, False]
    assert seen.stale(5.5).tolist() == [False, True]
    assert seen.pacing_ms().tolist() == [1.0]
    assert seen.waits_ms().tolist() == [[4.0, 0.0], [5.0, 0.0]]


def test_the_picture_before_the_eyes_grows_older_until_the_next():
    ages = timeline([0, 10], {0: 5, 1: 15}).ages_ms()
    assert ages.tolist() == [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]


def test_a_steady_late_show_has_no_duplicates_and_a_gap_has():
    due = [10 * i for i in range(100)]
    steady = {i: 10 * i + 77.0 for i in range(100)}
    assert not timeline(due, steady).duplicates().any()
    del steady[50], steady[51]
    assert timeline(due, steady).duplicates().sum() == 2


def test_a_camera_keeps_its_schedule_when_nobody_listens():
    clock = FakeClock()
    camera = CameraSource([np.full((2, 2, 3), i, np.uint8) for i in range(3)], 100.0, 6, clock)
    began, values = clock.now_ns(), []
    for frame in camera.frames():
        values.append((frame.image[0, 0, 0], frame.captured_ns - began))
        clock.sleep_until_ns(clock.now_ns() + 35 * MS, camera._stop)  # a slow taker
    assert [int(v) for v, _ in values] == [0, 1, 2, 1, 0, 1]
    assert [ns for _, ns in values] == [10 * MS * k for k in range(1, 7)]


def test_what_was_warm_up_is_left_out():
    clock = FakeClock()
    recorder = Recorder(clock)
    due = np.arange(10, dtype=np.int64) * 100 * MS
    for number in range(10):
        clock.sleep_until_ns(int(due[number]) + 30 * MS, CameraSource(black(), 1, 1, clock)._stop)
        frame = Frame(black()[0], number, int(due[number]))
        recorder.note(Packet(frame, (Stamp("work", int(due[number]), clock.now_ns()),)))
    late = recorder.timeline(due, skip_s=0.45)
    assert late.sequence.tolist() == [5, 6, 7, 8, 9]
    assert recorder.due_ns(10.0).tolist() == due.tolist()
    assert late.works_ms().ravel() == pytest.approx([30.0] * 5, abs=1.0)


def test_a_leak_breaks_the_soak():
    def goals(stages, minutes=0.05):
        clock = MonotonicClock()
        camera = CameraSource(black(), 100.0, round(6000 * minutes), clock)
        pipeline = Pipeline(camera, stages, [NullSink()], clock=clock)
        run = watch(pipeline, camera, clock, 60 * minutes + 1, 0.2)
        return {g.figure: g.met for g in soak.goals(soak.growths(run, 0.2, 60 * minutes), minutes)}

    leaking = goals([Leak(256)])
    assert not leaking["growth of memory, surely"]
    assert leaking["growth of threads, surely"]


def test_growth_of_a_line_and_of_noise():
    at_s = np.linspace(0, 600, 2000)
    noise = np.random.default_rng(0).normal(0, 3, len(at_s))
    grows = soak.growth(at_s, 100 + at_s / 60 + noise)
    assert grows.value == pytest.approx(60, rel=0.1)
    still = soak.growth(at_s, 100 + noise)
    assert still.low < 0 < still.high


def test_intervals_hold_as_often_as_they_say():
    rng = np.random.default_rng(1)
    truth = np.log(1 / 0.05)  # p95 of an exponential
    holds = 0
    for _ in range(200):
        found = statistics.percentile(rng.exponential(size=400), 0.95)
        holds += found.low <= truth <= found.high
    assert 180 <= holds <= 200


def test_alike_neighbours_are_worth_fewer_samples():
    rng = np.random.default_rng(2)
    alone = rng.normal(size=2000)
    assert statistics.correlation_time(alone) == pytest.approx(1, abs=0.3)
    assert statistics.correlation_time(np.repeat(alone, 10)) == pytest.approx(10, rel=0.2)
    wide = statistics.percentile(np.repeat(alone, 10), 0.5)
    narrow = statistics.percentile(np.tile(alone, 10), 0.5)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_too_few_samples_bound_nothing():
    few = Measure.of(np.arange(50.0))
    assert "p99" not in few.figures
    assert few.figures["p95"].high is None
    assert Measure.of([]).figures == {}
    assert Measure.from_dict(json.loads(json.dumps(few.to_dict()))) == few


def test_shares_have_intervals_too_and_none_of_none_is_not_sure_to_be_none():
    some = Measure.share([True] * 10 + [False] * 90).figures["value"]
    assert some.value == pytest.approx(10)
    none = Measure.share([False] * 50).figures["value"]
    assert none.low == 0 < none.high < 10
    alike = Measure.share(np.repeat(np.random.default_rng(0).random(100) < 0.1, 10))
    assert alike.worth == pytest.approx(100, rel=0.4)
    assert Measure.share([]).figures == {}
    assert alike.scaled(0.3, "fps", "higher")["value"] == pytest.approx(0.3 * alike["value"])


def test_the_difference_of_two_figures():
    found = statistics.difference(Figure(10, 9, 11), Figure(12, 11, 14))
    assert found.value == 2
    assert found.low == pytest.approx(2 - 2**0.5)
    assert found.high == pytest.approx(2 + 5**0.5)


def result(values, bench: str = "open", **more) -> dict:
    row = Row("30 fps", {"every frame due": Measure.of(values)})
    return {
        "schema_version": SCHEMA_VERSION, "bench": bench, "question": "How <late>?",
        "ceiling": "", "when": "2026-11-21T12:00:00+00:00", "samples": len(values), "warm_up": "",
        "seed": None, "seconds": 1.0, "cores_used_by_others": 0.0, "rows": [row.to_dict()],
        "figures": {}, "goals": [], "setup": {},
        "machine": {
            "processor": "a", "cores": 2, "python": "3", "memory_gb": 24.0, "gpu": None,
            "platform": "Linux", "commit": "abc",
        },
        "charts": [],
    } | more  # fmt: skip


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "same"), (1.3, "worse"), (0.7, "better")])
def test_a_regression_beyond_noise_fails(tmp_path, factor, verdict):
    rng = np.random.default_rng(3)
    paths = [tmp_path / "a.json", tmp_path / "b.json"]
    for path, scale in zip(paths, (1.0, factor), strict=True):
        path.write_text(json.dumps(result(scale * rng.normal(40, 2, 4000))))
    said = CliRunner().invoke(app, ["compare", *map(str, paths)])
    assert said.exit_code == (verdict == "worse"), said.output
    changes = compare.changes(*([json.loads(path.read_text())] for path in paths))
    assert {change.verdict(0.05) for change in changes} == {verdict}


def test_results_of_two_benchmarks_are_not_compared(tmp_path):
    for name in ("open", "live"):
        (tmp_path / f"{name}.json").write_text(json.dumps(result([1.0, 2.0], name)))
    (tmp_path / "other.json").write_text('{"schema_version": 99}')
    files = [str(tmp_path / f"{name}.json") for name in ("open", "live", "other")]
    assert "of one benchmark" in CliRunner().invoke(app, ["compare", *files[:2]]).output
    assert "schema 99" in CliRunner().invoke(app, ["compare", *files[1:]]).output


def test_a_page_needs_nothing_else_and_escapes_what_it_says():
    steady = timeline([0, 10, 20], {0: 5, 1: 15, 2: 27})
    charts = [
        Chart("lines", "A & B", "", "s", "ms", [over_time("a", range(5000), np.sin(range(5000)))]),
        Chart("lines", "tail", "", "", "", [by_percentile("a", range(100))], log_x=True),
        Chart("steps", "histogram", "", "", "", histograms([("a", [1, 2, 3.0]), ("b", [2, 9.0])])),
        Chart("points", "points", "", "", "", [Series("p", [1, 2], [3, 4], ["x", ""])]),
        Chart("waterfall", "way", "", "", "", waterfall([("a", 1, 2), ("b", 0, 3)])),
        Chart("bars", "bars", "", "", "", [Series("p", [0], [3.0], ["x"])], limits=[("l", 2.0)]),
    ]
    made = page([result(steady.latency_ms(), charts=[chart.to_dict() for chart in charts])])
    assert "How &lt;late&gt;?" in made
    assert "A &amp; B" in made
    assert "http" not in made.replace("http-equiv", "")
    assert made.count("<svg") == len(charts)
    assert "nan" not in made


def test_a_page_is_made_of_results_and_passes_traces_over(tmp_path):
    (tmp_path / "open.json").write_text(json.dumps(result([1.0] * 40)))
    (tmp_path / "open.trace.json").write_text("{}")
    files = [str(path) for path in sorted(tmp_path.glob("*.json"))]
    made = tmp_path / "page.html"
    said = CliRunner().invoke(app, ["page", *files, "-o", str(made), "--title", "A & B"])
    assert said.exit_code == 0, said.output
    assert "<h1>A &amp; B</h1>" in made.read_text()


def test_a_page_of_several_says_what_could_not_be_measured():
    both = [result([1.0, 2.0, 3.0]), result([4.0] * 50, "live")]
    made = page(both, missing={"webrtc": "no <browser>"})
    assert made.count("<section") == 2
    assert "one in twenty over" in made
    assert "webrtc</b> was not measured: no &lt;browser&gt;" in made


PRETENDS = """#!{python}
import json, sys, time
name, folder = sys.argv[3], sys.argv[5]
if name == "live":
    time.sleep(600)
if name == "webrtc":
    sys.exit("trouble\\n\\nthere is no browser")
with open(f"{{folder}}/{{name}}.json", "w") as file:
    json.dump({result}, file)
sys.exit(name == "soak")
"""


def test_all_runs_each_by_itself_and_goes_on_after_one_that_cannot(tmp_path, monkeypatch):
    made = result([1.0] * 30)
    made["goals"] = [
        {"figure": "growth", "measured": 9, "limit": 1.0, "at_least": False, "unit": "MB/h",
         "met": False}
    ]  # fmt: skip
    program = tmp_path / "python"
    program.write_text(PRETENDS.format(python=sys.executable, result=made))
    program.chmod(0o755)
    folder = tmp_path / "r"
    folder.mkdir()
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache/measured").mkdir(parents=True)
    (folder / "webrtc.json").write_text("of an earlier day")
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(everything, "_LIMIT_S", 3)
    gone = everything.Need("a camera", lambda: False, "buy one")
    plans = [
        everything.Plan(name, (), 60, (), 20, (gone,) if name == "closed" else ())
        for name in ("open", "webrtc", "live", "closed", "soak", "models")
    ]
    monkeypatch.setattr(everything, "PLANS", plans)
    said = CliRunner().invoke(
        app, ["all", "-o", str(folder), "--only", "open,webrtc,live,closed,soak"]
    )
    assert said.exit_code == 1
    words = " ".join(said.output.split())
    assert "4 of 5 benchmarks, about 4 min" in words
    assert "missing a camera: closed cannot be measured; buy one" in words
    assert "1 of 5 in order" in words
    assert not (tmp_path / "cache/measured").exists()
    text = (folder / "index.html").read_text()
    for trouble in (
        "<b>webrtc</b> was not measured: trouble there is no browser",
        "<b>live</b> was not measured: it was not done after",
        "<b>closed</b> was not measured: a camera is missing: buy one",
        "<b>soak</b> failed: growth: 9 MB/h, wanted ≤ 1",
    ):
        assert trouble in text
    assert CliRunner().invoke(app, ["all", "-o", "x", "--only", "opne"]).exit_code == 2


def test_all_stops_at_ctrl_c_with_a_page_of_what_is_done(tmp_path, monkeypatch):
    def pretend(plan, folder, brief):
        if plan.name != "open":
            raise KeyboardInterrupt
        folder.mkdir()
        (folder / "open.json").write_text(json.dumps(result([1.0] * 30)))
        return everything.Outcome(True)

    monkeypatch.setattr(everything, "run", pretend)
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    arguments = ["all", "-o", str(tmp_path / "r"), "--only"]
    said = CliRunner().invoke(app, [*arguments, "open,webrtc,live"])
    assert said.exit_code == 130
    text = (tmp_path / "r/index.html").read_text()
    assert "<b>webrtc</b> was not measured: stopped by Ctrl-C" in text
    assert "<b>live</b>" not in text
    assert CliRunner().invoke(app, [*arguments, "webrtc"]).exit_code == 130


def test_all_says_how_long_it_takes_and_what_it_would_do_without_doing_it(tmp_path):
    said = CliRunner().invoke(app, ["all", "-o", str(tmp_path / "r"), "--dry", "--brief"])
    assert said.exit_code == 0
    assert "benchmarks, about" in said.output
    assert not (tmp_path / "r").exists()


def test_all_knows_the_benchmarks_by_name():
    from bench.commands import COMMANDS

    assert {plan.name for plan in everything.PLANS} <= set(COMMANDS)
    assert all(0 < plan.brief_s <= plan.full_s for plan in everything.PLANS)


@pytest.mark.parametrize("log", [False, True])
def test_ticks_are_round_and_inside(log):
    ticks = svg.Scale(0.7, 1234.0, 0, 100, log).ticks()
    assert 3 <= len(ticks) <= 12
    assert all(0.7 <= tick <= 1234 for tick in ticks)


def test_a_trace_has_every_frame_and_those_that_were_lost():
    events = list(trace_events("run", timeline([0, 10, 20], {0: 5, 2: 25}), 1))
    assert sum(event["ph"] == "X" for event in events) == 2
    assert [event["args"]["frame"] for event in events if event["ph"] == "i"] == [1]


def test_hdr_logs_are_read_by_their_own_library(tmp_path):
    hdr = pytest.importorskip("hdrh.log")
    from hdrh.histogram import HdrHistogram

    path = tmp_path / "x.hlog"
    due = [10 * i for i in range(250)]
    write_hdr(path, [("30 fps", timeline(due, {i: 10 * i + 5.0 for i in range(250)}))])
    total = HdrHistogram(1, 3_600_000_000, 3)
    reader = hdr.HistogramLogReader(str(path), total)
    while reader.add_next_interval_histogram() is not None:
        pass
    reader.close()
    assert total.get_total_count() == 250
    assert total.get_value_at_percentile(50) == pytest.approx(5000, rel=0.002)


def test_tables_fit_a_terminal_of_80_columns():
    from rich.console import Console

    values = np.random.default_rng(0).gamma(9, 1234.5, 5000)
    rows = [Row("a rather long name of a setting, 60 fps", {"every frame due": Measure.of(values)})]
    console = Console(width=80, record=True, file=None)
    with console.capture() as captured:
        console.print(measures_table("title", rows))
    text = captured.get()
    assert max(map(len, text.splitlines())) <= 80
    assert f"{np.percentile(values, 50, method='inverted_cdf'):.0f}" in text


def test_the_table_of_networks_names_them_whole_in_80_columns():
    from rich.console import Console

    from bench.contenders import Contender
    from bench.models import table

    one = Contender(
        "live", "ONNX Runtime", "fp32", 2, lambda image: image, ssim=0.99912, flicker=12.34,
        floor_ms=12.3,
    )  # fmt: skip
    one.wall_ns, one.cpu_ns = [123_456_789] * 3, [12_345_678_901] * 3
    eager = Contender("live", "PyTorch", "fp32, eager", 2, lambda image: image)
    eager.wall_ns = eager.cpu_ns = [1_234_567_890] * 3
    console = Console(width=80)
    with console.capture() as captured:
        console.print(table("live, 256 px", [one, eager], "note"))
    text = captured.get()
    assert "…" not in text, "a heading is cut off"
    (line,) = [line for line in text.splitlines() if "ONNX" in line]
    assert line.split() == [
        "ONNX", "Runtime", "fp32", "2", "123.5", "123.5", "12346", "12.3", "0.999", "12.34"
    ]  # fmt: skip


def test_block_codes_survive_codecs_and_scaling():
    import cv2

    rng = np.random.default_rng(4)
    for number in (0, 1, 77, 8191, blockcode.NUMBERS - 1):
        image = rng.integers(0, 255, (480, 640, 3), np.uint8)
        blockcode.stamp(image, number)
        assert blockcode.number_of(image) == number
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 20])[1]
        small = cv2.resize(cv2.imdecode(coded, cv2.IMREAD_COLOR), (320, 240))
        assert blockcode.number_of(small) == number
        target = np.zeros((256, 256, 4), np.uint8)
        blockcode.carry(small, target)
        assert blockcode.number_of(target) == number


def test_what_is_no_code_is_no_number():
    rng = np.random.default_rng(5)
    flat = np.full((480, 640, 3), 90, np.uint8)
    assert blockcode.number_of(flat) is None
    noise = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(200)]
    assert sum(blockcode.number_of(image) is not None for image in noise) < 10
    image = flat.copy()
    blockcode.stamp(image, 1000)
    rows, columns = blockcode.PLACE.slices(image)
    image[rows, columns.start + 60 : columns.start + 90] ^= 255
    assert blockcode.number_of(image) is None
    with pytest.raises(ValueError, match="numbers from 0"):
        blockcode.stamp(image, blockcode.NUMBERS)

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from engine.pipeline import Pipeline
from engine.report import ChannelReport, Histogram, Latency, Report, StageReport
from tests.fakes import FakeSink, FakeSource, FakeStage


@given(st.lists(st.integers(1_000, 10**11), min_size=1, max_size=300))
def test_percentiles_are_right_to_a_hundredth(durations: list[int]) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.record(duration)
    latency = histogram.latency()
    assert latency.count == len(durations)
    assert latency.max_ms == pytest.approx(max(durations) * 1e-6)
    assert latency.mean_ms == pytest.approx(np.mean(durations) * 1e-6)
    for share, found in ((50, latency.p50_ms), (95, latency.p95_ms), (99, latency.p99_ms)):
        exact = np.percentile(durations, share, method="inverted_cdf") * 1e-6
        assert found == pytest.approx(exact, rel=0.0101)


def test_nothing_recorded_is_no_error() -> None:
    assert Histogram().latency().count == 0


def test_very_short_and_very_long_are_counted() -> None:
    histogram = Histogram()
    histogram.record(0)
    histogram.record(10**15)
    assert histogram.latency().count == 2
    assert histogram.latency().max_ms == 10**9


def test_a_report_is_json_and_a_table() -> None:
    report = Pipeline(FakeSource(5), [FakeStage("pose")], [FakeSink("mp4")]).run()
    stored = json.loads(report.to_json())
    assert stored["schema_version"] == 1
    assert [stage["name"] for stage in stored["stages"]] == ["pose", "mp4"]
    assert stored["machine"]["python"]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report.table())
    text = console.export_text()
    assert "5 of 5 frames" in text
    assert "pose" in text
    assert "capture to sink" in text


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    slow = Latency(9, 500.0, 258.54, 412.69, 867.87, 12999.94)
    report = Report(
        "camera", True, 1.0, 9, 9, 0, 0, 9.0, slow, (StageReport("virtualcam", slow, slow),),
        (ChannelReport("virtualcam", 9, 9, 0),), {},
    )  # fmt: skip
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.table())
    text = console.export_text()
    assert "…" not in text, "a heading is cut off"
    (line,) = [line for line in text.splitlines() if "virtualcam" in line]
    assert line.replace("│", " ").split() == [
        "virtualcam", "258.5", "412.7", "258.5", "412.7", "867.9", "13000", "0"
    ]  # fmt: skip

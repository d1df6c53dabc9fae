"""Each benchmark runs, however shortly, and ends with one JSON line; how fast is not asked."""

import json
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import engine.cli
from bench import pose_agreement, show
from bench.commands import COMMANDS, app
from bench.report import Goal, Timing
from engine import extensions
from engine.app import PERFORMER
from engine.pose.pose import Pose
from tests.bundles import write_bundle
from tests.marks import needs_pose_model


@pytest.fixture(scope="module")
def character(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bench") / "stick.character", 256)


def run(name: str, *arguments: object, code: int = 0) -> str:
    """What a benchmark prints."""
    result = CliRunner().invoke(app, [name, *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout


def last_line(name: str, *arguments: object) -> dict:
    """What the benchmark says in its last line, which has to be strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    line = json.loads(run(name, *arguments, "--json").splitlines()[-1], parse_constant=refuse)
    assert line["bench"] == name.replace("-", "_")
    assert line["samples"] > 0
    assert line["goals"]
    assert all(isinstance(goal["met"], bool) for goal in line["goals"])
    assert line["machine"]["cores"]
    assert line["machine"]["commit"]
    assert line["rows"]
    return line


def test_the_command_line_finds_the_benchmarks_by_name(monkeypatch):
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    declared = [
        EntryPoint(name, value, extensions.GROUP)
        for name, value in project["entry-points"][extensions.GROUP].items()
    ]
    monkeypatch.setattr(extensions, "entry_points", lambda group: declared)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(engine.cli.app, ["--help"])
    assert "bench" in result.stdout
    result = CliRunner().invoke(engine.cli.app, ["bench", "--help"])
    assert "compare" in result.stdout
    assert CliRunner().invoke(engine.cli.app, ["bend"]).exit_code == 2


def test_every_benchmark_has_help_that_says_what_it_asks():
    listed = run("--help")
    for name, command in COMMANDS.items():
        assert name in listed
        assert command.question in " ".join(run(name, "--help").split())


@pytest.mark.parametrize(("command", "package"), [("itself", "psutil"), ("webrtc", "aiohttp")])
def test_what_is_missing_is_explained(monkeypatch, command, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "bench.browser", raising=False)
    monkeypatch.delitem(sys.modules, "bench.webrtc", raising=False)
    result = CliRunner().invoke(app, [command, "--seconds", "1"])
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert f"{package} is not installed" in said
    assert "pip install -c constraints.txt -e '.[bench,studio,train]'" in said


@pytest.mark.model
@needs_pose_model
def test_open(character, tmp_path):
    line = last_line(
        "open", "--character", character, "--fps", 15, "--seconds", 2, "--warm-up", 0.5,
        "--no-quality", "--output", tmp_path,
    )  # fmt: skip
    (row,) = line["rows"]
    due = row["measures"]["every frame due"]
    assert due["count"] == 30
    assert due["figures"]["p50"]["value"] <= due["figures"]["p95"]["value"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "open.hlog", "open.html", "open.json", "open.trace.json"
    ]  # fmt: skip
    trace = json.loads((tmp_path / "open.trace.json").read_text())
    assert {"pose", "generate"} <= {event["name"] for event in trace["traceEvents"]}


@pytest.mark.model
@needs_pose_model
def test_live(character):
    line = last_line(
        "live", PERFORMER, "--character", character, "--seconds", 1.5, "--no-quality"
    )  # fmt: skip
    figures = line["figures"]
    assert len(figures["memory_mb"]) == len(figures["latency_p95_ms"]) == 2  # early and late
    assert line["setup"]["clip"] == PERFORMER.name


@pytest.mark.model
@needs_pose_model
def test_governor(character):
    line = last_line(
        "governor", "--character", character, "--before", 1, "--during", 1, "--after", 1,
        "--warm-up", 0.5, "--programs", 1, "--no-quality",
    )  # fmt: skip
    assert [row["name"] for row in line["rows"]] == [
        f"{setting}, {phase}"
        for setting in ("as it is", "governed")
        for phase in ("before", "during", "after")
    ]
    assert line["figures"]["governor"]["targets"]["fps"] == 30


@pytest.mark.model
@needs_pose_model
def test_closed(character, tmp_path):
    output = tmp_path / "out.mp4"
    line = last_line(
        "closed", "--character", character, "--frames", 12, "--alone", 5, "--runs", 1,
        "--video", output, "--no-quality",
    )  # fmt: skip
    figures = line["figures"]["whole"]
    assert (line["samples"], figures["lost"]) == (12, 0)
    assert list(figures["fps_alone"]) == [
        "decode", "pose", "motion", "draw", "generate", "composite", "mp4"
    ]  # fmt: skip
    assert figures["slowest"] == min(figures["fps_alone"], key=figures["fps_alone"].get)
    assert output.stat().st_size > 0


@pytest.mark.model
@needs_pose_model
def test_stages(character):
    line = last_line("stages", "--character", character, "--count", 20, "--frames", 10)
    pieces = line["figures"]["pieces_us"]
    assert all(piece["samples"] > 0 for piece in pieces.values())
    counted = ("decode", "convert colours", "draw", "composite")
    assert line["figures"]["sum_p50_ms"] * 1e3 > sum(pieces[name]["p50"] for name in counted)


def test_models(character):
    pytest.importorskip("torch")
    line = last_line(
        "models", "--character", character, "--presets", "live", "--threads", 1,
        "--seconds", 0.1, "--poses", 2, "--no-eager",
    )  # fmt: skip
    assert all(row["name"].startswith("live, ") for row in line["rows"])
    for row in line["rows"]:
        measures = row["measures"]
        assert measures["a frame"]["count"] > 0
        assert measures["SSIM to fp32"]["figures"]["value"]["value"] > 0.9
        # What a range of columns would take at least depends on the pose.
        assert ("floor" in measures) is (", columns" not in row["name"])
    assert len(line["goals"]) == 2


def test_render():
    few = ("--count", "4", "--characters", "1", "--poses", "2", "--size", "32", "--size", "256")
    line = last_line("render", *few)
    figures = line["figures"]["figures"]
    assert len(line["goals"]) == 1  # none is set for 32 px
    assert line["samples"] == 4 * len(figures) == 4 * 2 * (1 + 2 * 3)
    assert all(figure["fps"] > 0 and figure["p99_ms"] > 0 for figure in figures)
    (merged,) = line["setup"]["triangles"]["merged"]
    assert 15_000 < merged <= 20_000 < line["setup"]["triangles"]["whole"][0]


def test_growth_compares_the_second_minute_with_the_last():
    assert show.stretches(300) == ((60, 120), (240, 300))
    assert show.stretches(90) == ((30, 60), (60, 90))
    at_s = np.arange(0, 300, 0.1)
    grown = show.growth(at_s, 40.0 + at_s / 60, 300, 50)  # one more every minute
    assert grown.per_minute == pytest.approx(1.0)
    assert (grown.early, grown.late) == pytest.approx((41.5, 44.5), abs=0.01)
    assert np.isnan(show.growth(at_s[:0], at_s[:0], 300, 50).per_minute)


def test_goals_are_at_least_or_at_most():
    assert Goal("rate", 30.0, 30.0, True).met
    assert not Goal("rate", 29.9, 30.0, True).met
    assert Goal("latency", 60.0, 60.0, False).met
    assert not Goal("latency", float("nan"), 60.0, False).met


def test_timings_are_exact_percentiles():
    timing = Timing.of([n * 1_000_000 for n in range(1, 102)])
    assert (timing.count, timing.p50_ms, timing.p95_ms, timing.max_ms) == (101, 51, 96, 101)


@pytest.mark.model
@needs_pose_model
def test_pose_agreement_of_a_few_pictures():
    figures = last_line("pose-agreement", "--frames", 7, "--every", 3)["figures"]
    assert figures["followed"]["pictures"] == figures["floor"]["pictures"] == 7
    assert figures["alone"]["pictures"] == 3
    assert figures["alone"]["share"] > 0.97
    assert figures["ours_ms"]["p50_ms"] > 0


def test_joints_that_only_one_sees_do_not_agree():
    keypoints = np.random.default_rng(0).uniform(0, 300, (33, 2)).astype(np.float32)
    pose, moved = (
        Pose(places, np.ones(33, np.float32), np.zeros((33, 3), np.float32))
        for places in (keypoints, keypoints + np.float32([1000, 0]))
    )
    agreement = pose_agreement.Agreement()
    agreement.add(None, None)
    agreement.add(pose, pose)
    assert (agreement.pictures, agreement.share) == (1, 1.0)
    agreement.add(pose, moved)
    agreement.add(None, pose)
    agreement.add(pose, None)
    assert (agreement.pictures, agreement.share) == (4, 0.25)


def test_puppet():
    line = last_line("puppet", "--sizes", "256", "--poses", 2)
    names = [row["name"] for row in line["rows"]]
    painted = [f"painted 1/{shrink} {kind} 256" for shrink in (1, 2) for kind in ("fp32", "int8")]
    assert names == ["cut 256", "carry 256", "look 256", "finish 256", *painted]
    assert all(row["about"]["core_ms"] > 0 for row in line["rows"])

"""Each benchmark runs, however shortly, and ends with one JSON line; how fast is not asked."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bench import closed, live, models, pose_agreement, render, stages
from bench.report import Goal, Timing
from engine.app import PERFORMER
from engine.pose.pose import Pose
from tests.bundles import write_bundle
from tests.marks import needs_pose_model


@pytest.fixture(scope="module")
def character(tmp_path_factory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bench") / "stick.character", 256)


def last_line(main, *arguments: str | Path) -> dict:
    """What the benchmark says in its last line, which has to be strict JSON."""
    app = typer.Typer()
    app.command()(main)
    result = CliRunner().invoke(app, [str(PERFORMER), *map(str, arguments)])
    assert result.exit_code == 0, result.output

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    line = json.loads(result.stdout.splitlines()[-1], parse_constant=refuse)
    assert line["samples"] > 0
    assert line["goals"]
    assert all(isinstance(met, bool) for met in line["goals"].values())
    assert line["machine"]["cores"]
    assert line["setup"]["clip"] == PERFORMER.name
    return line


@pytest.mark.model
@needs_pose_model
def test_live(character):
    line = last_line(live.main, "--character", character, "--seconds", 1)
    assert line["bench"] == "live"
    assert len(line["memory_mb"]) == len(line["latency_p95_ms"]) == 2  # early and late
    assert line["drops"].keys() == line["work_p50_ms"].keys()


@pytest.mark.model
@needs_pose_model
def test_closed(character, tmp_path):
    output = tmp_path / "out.mp4"
    line = last_line(
        closed.main, "--character", character, "--frames", 12, "--alone", 5, "--runs", 1,
        "--output", output,
    )  # fmt: skip
    assert line["bench"] == "closed"
    assert (line["samples"], line["lost"]) == (12, 0)
    assert list(line["fps_alone"]) == [
        "decode", "pose", "motion", "draw", "generate", "composite", "mp4"
    ]  # fmt: skip
    assert line["slowest"] == min(line["fps_alone"], key=line["fps_alone"].get)
    assert output.stat().st_size > 0


@pytest.mark.model
@needs_pose_model
def test_stages(character):
    line = last_line(stages.main, "--character", character, "--count", 20, "--frames", 10)
    assert line["bench"] == "stages"
    assert all(piece["samples"] > 0 for piece in line["pieces_us"].values())
    counted = ("decode", "convert colours", "draw", "composite")
    assert line["sum_p50_ms"] * 1e3 > sum(line["pieces_us"][name]["p50"] for name in counted)


def test_models(character):
    pytest.importorskip("torch")
    app = typer.Typer()
    app.command()(models.main)
    arguments = ["--character", str(character), "--presets", "live", "--threads", "1",
                 "--seconds", "0.1", "--poses", "2", "--no-eager"]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    line = json.loads(result.stdout.splitlines()[-1])
    assert line["bench"] == "models"
    assert {"live"} == {model["preset"] for model in line["models"]}
    assert line["models"][0]["precision"] == "fp32"
    assert all(model["samples"] > 0 and model["ssim"] > 0.9 for model in line["models"])
    assert len(line["goals"]) == 2


def test_render():
    app = typer.Typer()
    app.command()(render.main)
    few = ("--count", "4", "--characters", "1", "--poses", "2", "--size", "32", "--size", "256")
    result = CliRunner().invoke(app, few)
    assert result.exit_code == 0, result.output
    line = json.loads(result.stdout.splitlines()[-1])
    assert line["bench"] == "render"
    assert len(line["goals"]) == 1  # none is set for 32 px
    assert line["samples"] == 4 * len(line["figures"]) == 4 * 2 * (1 + 2 * 3)
    assert all(figure["fps"] > 0 and figure["p99_ms"] > 0 for figure in line["figures"])
    (merged,) = line["setup"]["triangles"]["merged"]
    assert 15_000 < merged <= 20_000 < line["setup"]["triangles"]["whole"][0]


def test_growth_compares_the_second_minute_with_the_last():
    assert live.stretches(300) == ((60, 120), (240, 300))
    assert live.stretches(90) == ((30, 60), (60, 90))
    series = live.Series()
    for s in np.arange(0, 300, 0.1):
        series.add(s, 40.0 + s / 60)  # one more every minute
    grown = live.growth(series, 300, 50)
    assert grown.per_minute == pytest.approx(1.0)
    assert (grown.early, grown.late) == pytest.approx((41.5, 44.5), abs=0.01)
    assert np.isnan(live.growth(live.Series(), 300, 50).per_minute)


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
    line = last_line(pose_agreement.main, "--frames", 7, "--every", 3)
    assert line["followed"]["pictures"] == line["floor"]["pictures"] == 7
    assert line["alone"]["pictures"] == 3
    assert line["alone"]["share"] > 0.97
    assert line["ours_ms"]["p50_ms"] > 0


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

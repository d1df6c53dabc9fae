"""`bench.gpu`: rehearsed on the processor, as the machine with a GPU is lent for minutes."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from bench import gpu, gpu_ceilings
from bench.floor import Work
from bench.gpu import State, _limit_s, goals, markdown, supervise, wanted_rows, worker
from bench.gpu_ceilings import Ceilings
from bench.gpu_methods import LATE, METHODS, Networks, Row, measure, truth_of
from engine.backends.cuda import why_not
from engine.errors import ModelCorrupt, ModelMissing
from engine.pose.networks import path_of
from tests.marks import needs_pose_model
from tests.processes import run_without

CEILINGS = Ceilings({"fp32": 1e12, "fp16": 2e12}, 1e11, 1e10, 2e10, {"fp8": "not here"})


def state(*rows: Row) -> State:
    return State({"device": "Card"}, CEILINGS, {"live 256": (1e9, 4e6)}, list(rows))


def row(method: str = "torch, CUDA graph", ms: float = 0.4, **other: object) -> Row:
    return Row("live", 256, method, "fp16", (ms, 2 * ms), (ms + 0.1, ms + 0.3), 10, **other)


def test_what_takes_long_comes_last_and_nothing_twice() -> None:
    rows = wanted_rows(["live", "paper"], [256, 512], [])
    assert len({r.key for r in rows}) == len(rows) == 4 * len(METHODS)
    late = [r.method in LATE for r in rows]
    assert late == sorted(late)
    cells = list(dict.fromkeys((r.preset, r.size) for r in rows))
    assert cells[:2] == [("live", 256), ("paper", 512)]  # what is asked about
    (one,) = wanted_rows(["live"], [64], ["TensorRT"])
    assert one.key == ("live", 64, "TensorRT", "fp16")


def test_a_floor_is_arithmetic_or_memory_and_both_copies() -> None:
    copies_ms = 1e3 * (1e6 / 1e10 + 1e6 / 2e10)
    arithmetic = CEILINGS.floor_ms(Work(1e9, 4e6), "fp32", (10**6, 10**6))
    assert arithmetic == pytest.approx(1.0 + copies_ms)
    memory = CEILINGS.floor_ms(Work(1e6, 4e9), "fp16", (10**6, 10**6))
    assert memory == pytest.approx(20.0 + copies_ms)  # half the bytes of fp32
    assert CEILINGS.floor_ms(Work(1, 1), "fp8", (1, 1)) is None


def test_what_was_found_comes_back_as_it_was(tmp_path: Path) -> None:
    assert State.read(tmp_path) is None
    before = state(row(), row("TensorRT", failed="no driver"))
    before.running = ("live", 256, "torch, eager", "fp16")
    before.write(tmp_path)
    assert State.read(tmp_path) == before
    wanted = wanted_rows(["live"], [256], ["TensorRT", "torch, eager"])
    assert [r.key[2:] for r in before.left(wanted)] == [
        ("torch, eager", "fp16"), ("torch, eager", "fp32"),
    ]  # fmt: skip


def test_the_table_shows_figures_failures_and_goals() -> None:
    text = markdown(
        state(row(ms=0.6), row("torch, eager", 0.4), row("TensorRT", failed="no | one"))
    )
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[2].startswith("| torch, eager | fp16 | 0.400 | 0.800 | 0.500 | 0.700 |")
    assert "failed: no" in table[4]
    assert {line.count("|") for line in table} == {11}
    assert "fp8 failed: not here" in text
    (told,) = goals(state(row(ms=0.6), row("torch, eager", 0.4)))
    assert told.startswith("- live at 256: 0.400 ms of device time (torch, eager fp16)")
    assert told.endswith("under 0.5 ms was asked: reached")
    starts = [row("TensorRT", start_s=seconds) for seconds in (1.5, 2.5)]
    assert goals(state(*starts))[1].startswith("- start from the cache: 2.5 s at most")
    assert goals(state(*starts))[1].endswith("under 2 s was asked: missed")


@pytest.mark.parametrize(
    ("method", "precision"),
    [("torch, CUDA graph, copies outside", "bf16"), ("torch, CUDA graph, composited", "fp32"),
     ("torch, eager, both branches", "fp32")],
)  # fmt: skip
def test_a_way_is_measured(tmp_path: Path, method: str, precision: str) -> None:
    networks = Networks(tmp_path)
    truth = truth_of("live", 64, networks, "cpu")
    one = Row("live", 64, method, precision)
    measure(one, networks, "cpu", truth, 0.0)
    assert one.frames == 2
    assert one.device_ms is None  # there is no GPU's clock
    assert one.end_to_end_ms is not None
    assert 0 < one.end_to_end_ms[0] <= one.end_to_end_ms[1]
    if method.endswith("composited"):
        assert one.mean_error is None  # it is another picture
    else:
        assert one.mean_error is not None
        assert one.mean_error < 3


@pytest.mark.model
@needs_pose_model
def test_a_whole_frame_is_measured(tmp_path: Path) -> None:
    networks = Networks(tmp_path, path_of("pose-full"))
    one = Row("live", 64, "whole frame, one graph", "fp32")
    measure(one, networks, "cpu", np.empty(0, np.uint8), 0.0)
    assert one.detections == 1  # of the performer of the clip, who is followed from then on
    assert one.frames == 2
    assert one.end_to_end_ms is not None
    assert one.joints_px is not None
    assert one.joints_px < 0.1  # here, both are the processor's
    assert one.beside is not None
    assert one.beside[0] > 1e8
    assert one.moved == (7 * 8 + 640 * 480 * 3, 82 * 4 + 64 * 64 * 3)
    before = state(replace(one, size=256))
    before.write(tmp_path)
    assert State.read(tmp_path) == before
    # The floor is that of generator and pose network, and of what goes up and down.
    floor = next(line for line in markdown(before).splitlines() if "whole" in line).split(" | ")[-5]
    assert float(floor.strip(" |")) > 1e3 * one.beside[0] / 1e12
    assert "| joints 0.0" in markdown(before)
    assert goals(before) == []  # they are of generators


def test_a_whole_frame_without_pose_networks_says_what_is_missing(tmp_path: Path) -> None:
    one = Row("live", 64, "whole frame, one graph", "fp32")
    with pytest.raises(ModelMissing, match="--pose FILE"):
        measure(one, Networks(tmp_path), "cpu", np.empty(0, np.uint8), 0.0)
    with pytest.raises(ModelMissing, match="there are no pose networks at"):
        measure(one, Networks(tmp_path, tmp_path / "a.zip"), "cpu", np.empty(0, np.uint8), 0.0)
    (tmp_path / "b.zip").write_bytes(b"no zip")
    with pytest.raises(ModelCorrupt, match=r"should hold detector\.onnx and landmarks\.onnx"):
        measure(one, Networks(tmp_path, tmp_path / "b.zip"), "cpu", np.empty(0, np.uint8), 0.0)


def test_composited_is_the_picture_over_the_background(tmp_path: Path) -> None:
    from bench.gpu_methods import open_method, pictures

    networks = Networks(tmp_path)
    (image, *_), (wanted, *_) = pictures(64), truth_of("live", 64, networks, "cpu")
    one = open_method(
        Row("live", 64, "torch, CUDA graph, composited", "fp32"), networks, "cpu"
    )  # fmt: skip
    made = np.empty((64, 64, 3), np.uint8)
    one.run(image, made)
    alpha = wanted[..., 3:].astype(float) / 255
    assert np.abs(made - (wanted[..., :3] + (1 - alpha) * 96).clip(0, 255)).max() <= 1


def test_a_way_that_fails_is_kept_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pretend(one: Row, *_: object) -> None:
        asked.append(one.method)
        if one.method == "TensorRT":
            raise RuntimeError("no such thing\nand much more")
        one.end_to_end_ms = (1.0, 2.0)

    monkeypatch.setattr(gpu, "measure", pretend)
    monkeypatch.setattr(gpu, "truth_of", lambda *_: None)
    monkeypatch.setattr(gpu, "work", lambda *_: Work(1, 1))
    monkeypatch.setattr(gpu, "ceilings", lambda _: CEILINGS)
    wanted = wanted_rows(["live"], [256], ["TensorRT", "torch, eager"])
    worker(tmp_path, tmp_path, wanted, "cpu", 0.0, float("inf"))
    found = State.read(tmp_path)
    assert found is not None
    assert [r.failed for r in found.rows] == [None, None, "RuntimeError: no such thing"]
    errors = (tmp_path / "gpu.errors.txt").read_text()
    assert errors.startswith("live 256, TensorRT, fp16: failed: RuntimeError: no such thing\nTrace")
    assert "and much more" in errors
    worker(tmp_path, tmp_path, wanted, "cpu", 0.0, float("inf"))
    assert len(asked) == 3  # nothing is measured twice
    worker(tmp_path, tmp_path, wanted_rows(["base"], [256], []), "cpu", 0.0, 0.0)
    assert len(asked) == 3  # time was up


def test_ceilings_that_cannot_be_measured_cost_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TypeError

    with monkeypatch.context() as patched:
        patched.setattr(gpu_ceilings, "_product", refuse)
        found = gpu_ceilings.ceilings("cpu")
    assert found.failed == dict.fromkeys(("fp32", "fp16", "bf16"), "TypeError")
    assert found.bytes_per_s > 0
    monkeypatch.setattr(gpu, "ceilings", refuse)
    monkeypatch.setattr(gpu, "machine", lambda device: {"device": device})
    monkeypatch.setattr(gpu, "measure", lambda one, *_: setattr(one, "end_to_end_ms", (1.0, 2.0)))
    monkeypatch.setattr(gpu, "truth_of", lambda *_: None)
    monkeypatch.setattr(gpu, "work", lambda *_: Work(1, 1))
    worker(tmp_path, tmp_path, wanted_rows(["live"], [256], ["TensorRT"]), "cpu", 0.0, float("inf"))
    told = (tmp_path / "gpu.md").read_text()
    assert "all failed: TypeError" in told
    assert "| TensorRT | fp16 | | | 1.000 | 2.000 |  |" in told


def test_a_recording_that_failed_is_told_by_its_cause_and_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pretend(one: Row, *_: object) -> None:
        asked.append(one.method)
        try:
            raise RuntimeError("it waited for a value")
        finally:
            raise RuntimeError("the recording was invalidated")  # as torch's end of it does

    monkeypatch.setattr(gpu, "measure", pretend)
    monkeypatch.setattr(gpu, "truth_of", lambda *_: None)
    monkeypatch.setattr(gpu, "work", lambda *_: Work(1, 1))
    monkeypatch.setattr(gpu, "lost", lambda _: False)
    state().write(tmp_path)
    wanted = wanted_rows(["live"], [256], ["TensorRT", "torch, eager"])
    for _ in range(2):
        worker(tmp_path, tmp_path, wanted, "cuda", 0.0, float("inf"))
    assert asked == ["torch, eager"] * 2
    worker(tmp_path, tmp_path, [*wanted, row("TensorRT for RTX")], "cuda", 0.0, float("inf"))
    assert asked[2:] == ["TensorRT", "TensorRT for RTX"]  # these leave torch as it was
    found = State.read(tmp_path)
    assert found is not None
    assert {r.failed for r in found.rows} == {"RuntimeError: it waited for a value"}


def test_what_is_compiled_may_take_longer() -> None:
    began = state()
    began.running = ("live", 256, "torch, eager", "fp16")
    assert _limit_s(began) == _limit_s(None)
    began.running = ("live", 256, "torch, compiled", "fp16")
    assert _limit_s(began) > _limit_s(None)


def test_a_worker_that_dies_is_kept_and_another_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = wanted_rows(["live"], [256], ["TensorRT", "torch, eager"])
    began = state()
    began.write(tmp_path)
    # A worker of our own that begins the next row and falls over it.
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, os, sys\n"
        f"path = {os.fspath(tmp_path / 'gpu.json')!r}\n"
        "told = json.load(open(path))\n"
        f"keys = {[r.key for r in wanted]!r}\n"
        "told['running'] = keys[len(told['rows'])]\n"
        "json.dump(told, open(path, 'w'))\n"
        "os._exit(7)\n"
    )
    real = gpu.subprocess.Popen
    monkeypatch.setattr(
        gpu.subprocess, "Popen", lambda command: real([sys.executable, os.fspath(script)])
    )
    supervise(tmp_path, [], wanted, float("inf"))
    found = State.read(tmp_path)
    assert found is not None
    assert [r.failed for r in found.rows] == ["its process ended with code 7"] * 3
    assert found.running is None


def test_it_needs_nothing_that_a_lent_machine_lacks() -> None:
    lacking = ("pydantic", "mediapipe", "av", "skimage", "aiohttp", "safetensors")
    code = "import bench.gpu, bench.gpu_frame, engine.pose.networks, export.gpu_frame.path"
    done = run_without(lacking, code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(why_not() is None, reason="there is a GPU")
def test_without_a_gpu_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="to rehearse: --device cpu") as caught:
        gpu.main(tmp_path, device="cuda", work_folder=None, until=None)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_command_runs_from_beginning_to_end(tmp_path: Path) -> None:
    gpu.main(
        tmp_path / "out", device="cpu", presets="live", sizes="64",
        methods="torch, eager; TensorRT", seconds=0.0, minutes=2.0, work_folder=None, until=None,
    )  # fmt: skip
    told = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert [bool(r["failed"]) for r in told["rows"]] == [False, False, True]
    assert "| TensorRT | fp16 | failed: " in (tmp_path / "out" / "gpu.md").read_text()

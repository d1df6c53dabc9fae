"""Ctrl-C in the real command line: it ends in order, and what was written plays."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from engine.app import PERFORMER
from tests.bundles import write_bundle
from tests.marks import needs_pose_model

pytestmark = [
    needs_pose_model,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process"),
]

_PATIENCE_S = 60.0

# A shell that runs the tests in the background has them, and what they start, ignore Ctrl-C.
_COMMAND_LINE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from engine.__main__ import main
main()
"""


def interrupt(
    arguments: list[str | Path], folder: Path, when: Callable[[], bool]
) -> subprocess.CompletedProcess[str]:
    """Run the command line, send it SIGINT once `when` holds, and wait for its end."""
    said, complained = folder / "stdout.txt", folder / "stderr.txt"
    with said.open("w") as out, complained.open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND_LINE, *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        )  # fmt: skip
        try:
            deadline = time.monotonic() + _PATIENCE_S
            while not when():
                assert process.poll() is None, complained.read_text()
                assert time.monotonic() < deadline, "nothing was written"
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            code = process.wait(_PATIENCE_S)
        finally:
            process.kill()
            process.wait()
    return subprocess.CompletedProcess(process.args, code, said.read_text(), complained.read_text())


def begun(path: Path, least_bytes: int) -> Callable[[], bool]:
    """Whether the file that will be `path` is being written and has so much in it."""
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    return lambda: partial.is_file() and partial.stat().st_size >= least_bytes


def assert_stopped(done: subprocess.CompletedProcess[str], out: Path) -> None:
    assert done.returncode == 130, done.stderr
    assert f"stopped: what was written to {out} is complete and plays" in done.stderr
    assert "Traceback" not in done.stderr


def played(path: Path) -> dict[str, float]:
    """Decode all of a file: how many seconds of each kind of stream it has."""
    found: dict[str, float] = {}
    with av.open(path) as container:
        for frame in container.decode():
            kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
            assert frame.time is not None
            found[kind] = max(found.get(kind, 0.0), frame.time)
    return found


def pictures(path: Path) -> int:
    with av.open(path) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.fixture(scope="module")
def character(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle") / "stick.character")


def test_a_stopped_puppet_leaves_a_file_that_plays(character: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.mp4", tmp_path / "report.json"
    done = interrupt(
        ["puppet", PERFORMER, "-o", out, "-c", character, "--realtime", "--report", report],
        tmp_path,
        begun(out, 1),
    )
    assert_stopped(done, out)
    lengths = played(out)
    assert 0 < lengths["video"] < 19, "it was stopped in the middle of 20 s"
    assert abs(lengths["audio"] - lengths["video"]) < 0.5, "the sound ends with the pictures"
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"
    assert pictures(out) == json.loads(report.read_text())["frames_out"] > 0


def test_a_stopped_live_show_leaves_a_file_that_plays(character: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "out.webm", tmp_path / "report.json"
    done = interrupt(
        ["live", "--source", PERFORMER, "--sink", out, "-c", character, "--report", report],
        tmp_path,
        begun(out, 0),  # WebM keeps its first seconds in memory
    )
    assert_stopped(done, out)
    assert "keys" in done.stdout
    assert 0 <= played(out)["video"] < 19
    assert pictures(out) == json.loads(report.read_text())["frames_out"] > 0
    assert not list(tmp_path.glob(".*")), "nothing unfinished is left"

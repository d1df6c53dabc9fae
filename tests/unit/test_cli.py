"""The command line: what reaches the app, and every error's message and exit code."""

import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

import engine.app
import engine.cli
from engine import __version__, console, doctor, errors, models

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")


def run(*arguments: str):
    return CliRunner().invoke(engine.cli.app, list(arguments))


def text(result) -> str:
    return ANSI.sub("", result.output)


class FakeReport:
    def table(self) -> str:
        return "the table"


@pytest.fixture
def calls(monkeypatch):
    """What `engine.app.puppeteer` and `live` were called with."""
    seen: list[tuple[tuple, dict]] = []

    def fake(*args, on_progress=None, **kwargs):
        seen.append((args, kwargs))
        if on_progress is not None:
            on_progress(1, None)
            on_progress(2, 2)
        return FakeReport()

    monkeypatch.setattr(engine.app, "puppeteer", fake)
    monkeypatch.setattr(engine.app, "live", fake)
    return seen


@pytest.fixture
def fails(monkeypatch):
    """Make `engine.app.puppeteer` and `live` raise."""

    def arrange(error: BaseException) -> None:
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr(engine.app, "puppeteer", fail)
        monkeypatch.setattr(engine.app, "live", fail)

    return arrange


@pytest.mark.parametrize("wish", ["version", "--version"])
def test_version(wish: str):
    result = run(wish)
    assert result.exit_code == 0
    assert text(result).strip() == __version__


def test_nothing_shows_the_help():
    result = run()
    for command in ("puppet", "live", "demo", "doctor", "models", "version"):
        assert command in text(result)


@pytest.mark.parametrize("command", ["puppet", "live", "demo", "doctor", "models", "version"])
def test_every_command_has_help(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in text(result)


def test_puppet_hands_its_options_on(calls, tmp_path):
    result = run(
        "puppet", "dance.mp4", "-o", str(tmp_path / "out.webm"), "--character", "ito.character",
        "--report", "r.json", "--realtime", "--layout", "side-by-side", "--background", "green",
        "--size", "512", "--smoothing", "one-euro", "--pose-model", "heavy",
        "--pose-runtime", "onnx", "--mirror", "--no-clear-head",
        "--show-pose", "--threads", "2", "--draw", "puppet",
    )  # fmt: skip
    assert result.exit_code == 0, text(result)
    [(args, kwargs)] = calls
    assert args == ("dance.mp4", tmp_path / "out.webm", Path("ito.character"))
    assert kwargs["realtime"] is True
    assert kwargs["report"] == Path("r.json")
    assert kwargs["options"] == engine.app.Options(
        layout="side-by-side", background="green", size_px=512, smoothing="one-euro",
        pose_model="heavy", pose_runtime="onnx", mirror=True, clear_head=False, show_pose=True,
        threads=2, draw="puppet",
    )  # fmt: skip
    assert "the table" in text(result)
    assert "out.webm" in text(result)


@pytest.mark.parametrize("command", [("live",), ("puppet", "v.mp4", "-o", "o.mp4")])
def test_smoothing_may_be_a_number(calls, command):
    assert run(*command, "--smoothing", "0.25").exit_code == 0
    [(_, kwargs)] = calls
    assert kwargs["options"].smoothing == 0.25


def test_puppet_has_defaults(calls):
    assert run("puppet", "dance.mp4", "-o", "out.mp4").exit_code == 0
    [(args, kwargs)] = calls
    assert args == ("dance.mp4", Path("out.mp4"), None)
    assert kwargs["options"] == engine.app.Options()
    assert kwargs["realtime"] is False


def test_live_hands_its_options_on(calls):
    result = run(
        "live", "--source", "webcam:1", "--sink", "null", "-c", "a", "-c", "b", "--seconds", "5"
    )
    assert result.exit_code == 0, text(result)
    [(args, kwargs)] = calls
    assert args == ("webcam:1", "null", [Path("a"), Path("b")])
    assert kwargs["seconds"] == 5
    assert "recalibrate" in text(result)


def test_live_hands_its_targets_on(calls):
    asked = ("--target-fps", "30", "--target-cpu", "0.5", "--target-gpu", "0.4")
    assert run("live", *asked).exit_code == 0
    assert run("live").exit_code == 0
    given, none = (kwargs["targets"] for _, kwargs in calls)
    assert given == engine.app.Targets(fps=30, cpu=0.5, gpu=0.4)
    assert not none
    assert run("live", "--target-cpu", "1.5").exit_code == 2


def test_demo_needs_nothing(calls, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run("demo").exit_code == 0
    [(args, kwargs)] = calls
    assert args == (str(engine.app.PERFORMER), Path("demo/ayatsuri.mp4"), None)
    assert kwargs["options"].layout == "side-by-side"
    assert kwargs["report"] == Path("demo/report.json")
    assert (tmp_path / "demo").is_dir()


def test_demo_reports_beside_its_output(calls, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run("demo", "-o", "elsewhere/dance.mp4").exit_code == 0
    assert run("demo", "-o", "dance.mp4", "--report", "r.json").exit_code == 0
    reports = [kwargs["report"] for _, kwargs in calls]
    assert reports == [Path("elsewhere/report.json"), Path("r.json")]
    assert not (tmp_path / "demo").exists()


def _leaves(kind: type) -> list[type]:
    # What other packages derive, if something imported them, may take other arguments.
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(leaf for child in below for leaf in _leaves(child))]


@pytest.mark.parametrize("kind", _leaves(errors.AyatsuriError), ids=lambda k: k.__name__)
@pytest.mark.parametrize("command", [("puppet", "v.mp4", "-o", "o.mp4"), ("live",)])
def test_every_error_is_one_message(fails, kind, command):
    fails(kind("found [this]; do that"))
    result = run(*command)
    assert result.exit_code == 1
    assert "error: found [this]; do that" in text(result)
    assert "Traceback" not in text(result)


def test_debug_shows_where(fails):
    fails(errors.NotAVideo("no"))
    result = run("--debug", "puppet", "v.mp4", "-o", "o.mp4")
    assert isinstance(result.exception, errors.NotAVideo)


def test_a_bug_says_that_it_is_one(fails):
    fails(ZeroDivisionError("by zero"))
    result = run("puppet", "v.mp4", "-o", "o.mp4")
    assert result.exit_code == 3
    assert "ZeroDivisionError: by zero" in text(result)
    assert "--debug" in text(result)


def test_what_is_run_as_a_module_explains_its_errors_and_no_bug(monkeypatch, capsys):
    def main(path: Path) -> None:
        if path.name == "none":
            raise errors.BundleNotFound(f"there is no {path}")
        raise ZeroDivisionError

    monkeypatch.setattr("sys.argv", ["main", "none"])
    with pytest.raises(SystemExit) as ended:
        console.run(main)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: there is no none\n"
    monkeypatch.setattr("sys.argv", ["main", "some"])
    with pytest.raises(ZeroDivisionError):
        console.run(main)


def test_ctrl_c_is_no_error_and_promises_no_file_that_is_not_there(fails, tmp_path):
    fails(KeyboardInterrupt())
    out = tmp_path / "o.mp4"
    result = run("puppet", "v.mp4", "-o", str(out))
    assert result.exit_code == 130
    assert "stopped: by Ctrl-C" in text(result)
    out.touch()
    assert f"written to {out} is complete" in text(run("puppet", "v.mp4", "-o", str(out)))


@pytest.mark.parametrize("package", ["engine", "training"])
def test_ctrl_c_while_a_command_line_loads_is_no_error(monkeypatch, package):
    class Loading(ModuleType):
        def __getattr__(self, name: str):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, f"{package}.cli", Loading(f"{package}.cli"))
    with pytest.raises(SystemExit) as end:
        import_module(f"{package}.__main__").main()
    assert end.value.code == console.EXIT_INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("puppet", "v.mp4"), "--output"),
        (("puppet", "-o", "o.mp4"), "VIDEO"),
        (("puppet", "v.mp4", "-o", "o.mp4", "--smoothing", "butter"), "butter"),
        (("puppet", "v.mp4", "-o", "o.mp4", "--smoothing", "1.5"), "from 0 (quick) to 1"),
        (("live", "--smoothing", "nan"), "from 0 (quick) to 1"),
        (("puppet", "v.mp4", "-o", "o.mp4", "--size", "3"), "--size"),
        (("live", "--seconds", "0"), "--seconds"),
        (("dance",), "dance"),
    ],
)
def test_wrong_options_exit_with_2(arguments, expected):
    result = run(*arguments)
    assert result.exit_code == 2
    assert expected in text(result)


def test_a_real_missing_file_is_explained(tmp_path):
    result = run("puppet", str(tmp_path / "none.mp4"), "-o", str(tmp_path / "out.mp4"))
    assert result.exit_code == 1
    assert "none.mp4" in text(result)


def test_a_real_missing_bundle_is_explained(tmp_path):
    result = run("puppet", "v.mp4", "-o", str(tmp_path / "o.mp4"), "-c", str(tmp_path / "nobody"))
    assert result.exit_code == 1
    assert "nobody" in text(result)


def test_the_doctor_shows_what_is_there(monkeypatch):
    checks = [doctor.Check("Python", "ok", "3.12"), doctor.Check("cameras", "optional", "none")]
    monkeypatch.setattr(doctor, "diagnose", lambda: checks)
    result = run("doctor")
    assert result.exit_code == 0
    assert "cameras" in text(result)
    assert run("doctor", "--quiet").output == ""


def test_the_doctor_fails_where_something_is_missing(monkeypatch):
    checks = [
        doctor.Check("Python", "ok", "3.12"),
        doctor.Check("libGL.so.1", "missing", "OpenCV needs it", "sudo apt install libgl1"),
    ]
    monkeypatch.setattr(doctor, "diagnose", lambda: checks)
    result = run("doctor", "--quiet")
    assert result.exit_code == 1
    assert "sudo apt install libgl1" in text(result)
    assert "Python" not in text(result)


@pytest.mark.parametrize(("choice", "told"), [([], False), (["mediapipe"], True)])
def test_what_mediapipe_reports_is_told_to_whoever_chooses_it(choice, told):
    options = [part for name in choice for part in ("--pose-runtime", name)]
    result = run("motion", "nothing.mp4", "-o", "dance.bvh", *options)
    assert result.exit_code == 1  # there is no such video
    assert ("Google" in text(result)) is told


def test_models_fetches_what_is_named(monkeypatch, tmp_path):
    fetched = []

    def fetch(name, *, force, say, on_progress):
        fetched.append((name, force))
        on_progress(1, 2)
        path = tmp_path / name
        path.write_bytes(b"model")
        return path

    converted = []
    monkeypatch.setattr(models, "fetch", fetch)
    monkeypatch.setattr("engine.pose.networks.load", converted.append)
    result = run("models")
    assert (result.exit_code, fetched) == (0, [("pose-full", False)])
    assert converted == ["pose-full"]
    assert "Google" not in text(result)  # their networks are run without MediaPipe
    assert run("models", "pose-lite", "pose-heavy", "--force").exit_code == 0
    assert fetched[1:] == [("pose-lite", True), ("pose-heavy", True)]


def test_models_refuses_names_that_it_does_not_know(monkeypatch):
    monkeypatch.setattr(models, "fetch", None)
    result = run("models", "pose-lite", "pose-huge")
    assert result.exit_code == 1
    assert "pose-huge" in text(result)

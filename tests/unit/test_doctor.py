import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

import engine.cli
from engine import doctor, models
from engine.errors import pip_install


def test_every_check_of_this_machine_can_be_shown() -> None:
    checks = doctor.diagnose()
    names = {check.name for check in checks}
    assert {"Python", "mediapipe", "cameras", "display", "virtual camera", "SRT", "cache"} <= names
    for check in checks:
        assert check.status == "ok" or check.remedy, f"{check.name} has no remedy"
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(doctor.table(checks))
    assert "Python" in console.export_text()


def test_a_remedy_can_be_copied_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    remedy = f"{pip_install('virtualcam')}, and {'something very long ' * 8}"
    check = doctor.Check("camera [of this machine]", "optional", "none [here]", remedy)
    monkeypatch.setattr(doctor, "diagnose", lambda: [check])
    monkeypatch.setenv("COLUMNS", "60")
    result = CliRunner().invoke(engine.cli.app, ["doctor"])
    assert result.exit_code == 0
    assert f"{check.name}: {remedy.strip()}" in result.output
    assert check.detail in result.output


def test_a_missing_library_names_its_package() -> None:
    def load(name: str) -> None:
        if name in ("libGL.so.1", "libEGL.so.1"):
            raise OSError("cannot open shared object file")

    checks = doctor._system_libraries(load, "linux")
    assert [(c.name, c.status, c.remedy) for c in checks if c.status != "ok"] == [
        ("libGL.so.1", "missing", "sudo apt install libgl1"),
        ("libEGL.so.1", "optional", "sudo apt install libegl1"),  # for MediaPipe itself alone
    ]
    assert [c.status for c in doctor._system_libraries(load, "darwin")] == ["ok"]


def test_a_missing_package_can_be_installed() -> None:
    check = doctor._package("no-such-package-at-all")
    assert (check.status, check.remedy) == ("missing", "pip install -c constraints.txt -e .")


def test_models_are_found_missing_and_damaged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    full = models.get("pose-full")
    assert doctor._model(full).status == "missing"
    assert doctor._model(models.get("pose-heavy")).status == "optional"
    full.path.parent.mkdir(parents=True)
    full.path.write_bytes(b"damaged")
    check = doctor._model(full)
    assert check.status == "missing"
    assert check.remedy == "ayatsuri models pose-full --force"


def test_no_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert doctor._display().status == "optional"
    monkeypatch.setenv("DISPLAY", ":7")
    assert doctor._display().detail == "DISPLAY=:7"


def test_srt_is_of_the_program_or_of_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, speaks, status in (
        ("/a", False, "ok"),
        (None, True, "ok"),
        (None, False, "optional"),
    ):
        monkeypatch.setattr("engine.push.srt.found", lambda found=found: found)
        monkeypatch.setattr("engine.push.address.speaks", lambda scheme, speaks=speaks: speaks)
        check = doctor._srt()
        assert (check.status, bool(check.remedy)) == (status, status != "ok")

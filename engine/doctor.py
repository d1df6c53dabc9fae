"""What this machine has, what is missing, and the command that mends it."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine import models
from engine.errors import MissingDependency, ModelCorrupt, ModelMissing, pip_install

if TYPE_CHECKING:
    from rich.table import Table

Status = Literal["ok", "missing", "optional"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked for.

    Attributes:
        name: what.
        status: "missing" stops the engine, "optional" only one feature.
        detail: what was found.
        remedy: the command that mends it; empty where nothing needs mending.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


_PACKAGES = (
    "av", "mediapipe", "numba", "numpy", "onnx", "onnxruntime", "opencv-contrib-python",
)  # fmt: skip

# The versions that resolve together, typed in Ayatsuri's folder.
_INSTALL = "pip install -c constraints.txt -e ."

_BY_CHOICE = "--pose-runtime mediapipe"
# Library, Debian's package, what fails without it.
_LIBRARIES = (
    ("libGL.so.1", "libgl1", "OpenCV"),
    ("libglib-2.0.so.0", "libglib2.0-0", "OpenCV"),
    ("libEGL.so.1", "libegl1", _BY_CHOICE),
    ("libGLESv2.so.2", "libgles2", _BY_CHOICE),
)


def diagnose() -> list[Check]:
    """Look at everything that the engine uses; changes nothing and opens no camera."""
    return [
        _python(),
        *(_package(name) for name in _PACKAGES),
        _one_opencv(),
        *_system_libraries(),
        _providers(),
        _openvino(),
        _nvidia(),
        *(_model(model) for model in models.MODELS.values()),
        _cache(),
        _processor(),
        _cameras(),
        _display(),
        _virtual_camera(),
        _srt(),
    ]


def table(checks: Sequence[Check]) -> "Table":
    """What was found, as a table for the terminal (rich); the remedies fit into no column."""
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": "[green]ok[/]", "missing": "[bold red]missing[/]", "optional": "[yellow]none[/]"}
    shown = Table(show_lines=False)
    for column in ("", "what", "found"):
        shown.add_column(column, overflow="fold")
    for check in checks:
        shown.add_row(marks[check.status], Text(check.name), Text(check.detail))
    return shown


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("Python", "ok", found)
    return Check("Python", "missing", f"{found}, but 3.11 to 3.13 is needed", "install Python 3.12")


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "missing", "not installed", _INSTALL)


def _one_opencv() -> Check:
    others = []
    for name in ("opencv-python", "opencv-python-headless", "opencv-contrib-python-headless"):
        try:
            others.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if not others:
        return Check("one OpenCV", "ok", "opencv-contrib-python alone")
    names = " ".join(other.split()[0] for other in others)
    return Check(
        "one OpenCV",
        "missing",
        f"{', '.join(others)} overwrites the folder of opencv-contrib-python",
        f"pip uninstall -y {names} && pip install --force-reinstall --no-deps -c constraints.txt "
        "opencv-contrib-python",
    )


def _system_libraries(
    load: Callable[[str], object] = ctypes.CDLL, platform: str = sys.platform
) -> list[Check]:
    if platform != "linux":
        return [Check("system libraries", "ok", "nothing beyond the system's own is needed")]
    checks = []
    for library, package, user in _LIBRARIES:
        try:
            load(library)
            checks.append(Check(library, "ok", f"for {user}"))
        except OSError:
            status: Status = "optional" if user == _BY_CHOICE else "missing"
            checks.append(Check(library, status, f"{user} needs it", f"sudo apt install {package}"))
    return checks


def _providers() -> Check:
    from engine.backends import onnxruntime

    try:
        present = onnxruntime.load().get_available_providers()
    except ImportError as error:
        return Check("execution providers", "missing", str(error), _INSTALL)
    return Check("execution providers", "ok", ", ".join(present))


def _openvino() -> Check:
    try:
        from engine.backends.openvino import devices, precisions

        present, able = devices(), precisions()
    except MissingDependency:
        remedy = pip_install("openvino")
        return Check("OpenVINO", "optional", "not installed; it draws characters quicker", remedy)
    detail = f"{version('openvino')}: {', '.join(present)}; in {', '.join(able)}, int8"
    return Check("OpenVINO", "ok", detail)


def _nvidia() -> Check:
    from engine.backends import nvidia
    from engine.backends.cuda import why_not

    if reason := why_not():
        return Check("NVIDIA GPU", "optional", reason, "nothing: all runs without one")
    missing = {name: nvidia.missing(name) for name in nvidia.BACKENDS if not nvidia.present(name)}
    found = [name for name in nvidia.BACKENDS if name not in missing]
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        return Check(
            "NVIDIA GPU", "optional", f"{nvidia.gpu()}, but nothing that draws on it: {reasons}",
            pip_install("rtx"),
        )  # fmt: skip
    return Check("NVIDIA GPU", "ok", f"{nvidia.gpu()}: {', '.join(found)}")


def _model(model: models.Model) -> Check:
    needed: Status = "missing" if model.name == "pose-full" else "optional"
    remedy = f"ayatsuri models {model.name}"
    try:
        return Check(model.title, "ok", str(models.verified(model.name)))
    except ModelMissing:
        return Check(model.title, needed, "not fetched yet", remedy)
    except ModelCorrupt as error:
        return Check(model.title, "missing", str(error), f"{remedy} --force")


def _cache() -> Check:
    folder = models.cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free_mb = shutil.disk_usage(existing).free / 2**20
    if not os.access(existing, os.W_OK):
        return Check(
            "cache", "missing", f"{existing} cannot be written to",
            "set AYATSURI_CACHE to a folder of yours",
        )  # fmt: skip
    if free_mb < 100:
        return Check(
            "cache", "missing", f"{free_mb:.0f} MB free in {existing}", "free 100 MB there"
        )
    return Check("cache", "ok", f"{folder}, {free_mb / 1024:.0f} GB free")


def _processor() -> Check:
    from engine.report import machine

    found = machine()
    return Check("processor", "ok", f"{found['processor']}, {found['cores']} cores")


def _cameras() -> Check:
    from engine.io.cameras import cameras

    if sys.platform != "linux":
        return Check("cameras", "ok", "this system lists none; try ayatsuri live --source webcam:0")
    found = cameras()
    if found:
        return Check("cameras", "ok", ", ".join(found))
    return Check(
        "cameras", "optional", "no /dev/video*",
        "plug one in; without one: ayatsuri live --source VIDEO.mp4",
    )  # fmt: skip


def _display() -> Check:
    if sys.platform != "linux":
        return Check("display", "ok", "the system's own")
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(name):
            return Check("display", "ok", f"{name}={os.environ[name]}")
    return Check(
        "display", "optional", "none, so no preview window",
        "run on a desktop, or use --sink virtualcam, OUT.mp4 or null",
    )  # fmt: skip


def _virtual_camera() -> Check:
    from engine.io.virtualcam import REMEDY

    remedy = REMEDY.get(sys.platform, "see the README of pyvirtualcam")
    try:
        found = version("pyvirtualcam")
    except PackageNotFoundError:
        return Check(
            "virtual camera", "optional", "pyvirtualcam is not installed",
            pip_install("virtualcam"),
        )  # fmt: skip
    if sys.platform == "linux" and not Path("/sys/module/v4l2loopback").exists():
        return Check("virtual camera", "optional", "the module v4l2loopback is not loaded", remedy)
    return Check("virtual camera", "ok", f"pyvirtualcam {found}")


def _srt() -> Check:
    from engine.push import srt
    from engine.push.address import speaks

    if program := srt.found():
        return Check("SRT", "ok", program)
    try:
        if speaks("srt"):
            return Check("SRT", "ok", "PyAV's own, for streams that are sent to a listener")
    except ImportError:
        pass  # PyAV has a row of its own
    remedy = srt.REMEDY.get(sys.platform, srt.REMEDY["linux"])
    return Check("SRT", "optional", f"no {srt.PROGRAM}, for --push srt://", remedy)

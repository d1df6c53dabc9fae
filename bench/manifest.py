"""What a benchmark ran on: enough to judge its figures, and to find the same machine again."""

import os
import subprocess
import time
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.report import machine

_PACKAGES: Final = (
    "ayatsuri", "mediapipe", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "torch", "av",
    "aiortc", "numba", "numpy", "opencv-contrib-python",
)  # fmt: skip
_MOMENT_NS: Final = 200_000_000
_CPU: Final = Path("/sys/devices/system/cpu")


def manifest() -> dict[str, Any]:
    """Processor, governor, clocks, cores, memory, GPU, libraries, commit, load: as of now."""
    import psutil

    found: dict[str, Any] = {
        **{key: machine()[key] for key in ("platform", "processor", "python")},
        "cores": int(machine()["cores"]),
        "cores_of_machine": os.cpu_count(),
        "governor": _read(_CPU / "cpu0/cpufreq/scaling_governor") or "not told",
        "boost": _read(_CPU / "cpufreq/boost") or "not told",
        "mhz": _mhz(),
        "virtual": "hypervisor" in (_read(Path("/proc/cpuinfo")) or ""),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "power": _power(),
        "gpu": _gpu(),
        "clock": _clock(),
        "threads_env": {k: v for k, v in os.environ.items() if k.endswith("_NUM_THREADS")},
        "libraries": _libraries(),
        "commit": _commit(),
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
    }
    return found


def clock_resolution_ns() -> int:
    """The least step of the engine's clock that is seen, over a thousand steps or a moment."""
    steps: list[int] = []
    begin = last = time.monotonic_ns()
    while not steps or (len(steps) < 1000 and last - begin < _MOMENT_NS):
        now = time.monotonic_ns()
        if now != last:
            steps.append(now - last)
            last = now
    return min(steps)


def clock_cost_ns() -> float:
    """What one look at the clock takes."""
    count = 20_000
    start = time.perf_counter_ns()
    for _ in range(count):
        time.monotonic_ns()
    return (time.perf_counter_ns() - start) / count


def _clock() -> dict[str, Any]:
    about = time.get_clock_info("monotonic")
    source = _read(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource"))
    return {
        "implementation": about.implementation,
        "source": source or "not told",
        "step_ns": clock_resolution_ns(),
        "read_ns": round(clock_cost_ns(), 1),
    }


def _libraries() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit() -> str:
    """Of the source tree that runs; of an installed wheel, its version."""
    here = Path(__file__).parent
    told = _output("git", "-C", str(here), "rev-parse", "--short=12", "HEAD")
    if told is None:
        try:
            return f"release {distribution('ayatsuri').version}"
        except PackageNotFoundError:
            return "not told"
    changed = _output("git", "-C", str(here), "status", "--porcelain", "--untracked-files=no")
    return told + (" with changes" if changed else "")


def _gpu() -> dict[str, str] | None:
    names = ("name", "driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "power.limit")
    told = _output("nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader")
    if not told:
        return None
    return dict(zip(names, told.splitlines()[0].split(", "), strict=False))


def _mhz() -> dict[str, float] | str:
    import psutil

    # The file is there in some virtual machines where psutil finds nothing.
    told = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    if told is not None:
        return {"now": round(told.current), "max": round(told.max)}
    lines = (_read(Path("/proc/cpuinfo")) or "").splitlines()
    speeds = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return {"now": round(float(np.mean(speeds)))} if speeds else "not told"


def _power() -> str:
    import psutil

    battery = psutil.sensors_battery() if hasattr(psutil, "sensors_battery") else None
    if battery is None:
        return "mains"
    return "mains" if battery.power_plugged else f"battery, {battery.percent:.0f}%"


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None

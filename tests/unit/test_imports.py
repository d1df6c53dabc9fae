"""The engine imports where only the engine is installed, and importing it is quick."""

import json
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import engine
from tests.marks import needs_pose_model
from tests.processes import run_without

MODULES = sorted(
    ["engine", *(m.name for m in pkgutil.walk_packages(engine.__path__, prefix="engine."))]
)

# Packages of the extras, and of the developers: never needed to import the engine.
OPTIONAL = (
    "torch", "onnxscript", "tensorrt", "tensorrt_rtx", "cuda", "openvino", "pyvirtualcam", "aiortc",
    "aiohttp", "cryptography", "ifaddr", "prometheus_client", "ray", "scipy", "psutil", "pytest",
    "hypothesis", "efficientnet_lite_pytorch",
)  # fmt: skip

# Packages that are installed with the engine, but load slowly or need system libraries: the front
# door loads none of them, so that `ayatsuri doctor` runs, and says what to do, without.
HEAVY = ("cv2", "mediapipe", "onnxruntime", "onnx", "av", "matplotlib")

# Modules that are made of what the extra `studio` brings; only `ayatsuri serve` imports them.
STUDIO = {
    f"engine.studio.{name}"
    for name in (
        "api", "certificate", "client", "cluster", "connection", "control", "enrolments", "front",
        "guard", "http", "metrics", "network", "page", "peer", "push", "reception", "run", "server",
        "session", "studio", "telemetry", "tracks", "whip",
    )
}  # fmt: skip

_IMPORT_WITHOUT = """
import importlib, json, sys
blocked, names = json.loads(sys.argv[1])

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked by the test)", name=name)

sys.meta_path.insert(0, Blocker())
failed = {}
for name in names:
    try:
        module, _, function = name.partition(":")
        module = importlib.import_module(module)
        if function:
            getattr(module, function)()
    except Exception as error:
        failed[name] = repr(error)
print(json.dumps({"failed": failed, "loaded": sorted({m.split(".")[0] for m in sys.modules})}))
"""


def _import_without(blocked: tuple[str, ...], names: list[str]) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_WITHOUT, json.dumps([blocked, names])],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(engine.__file__).parent.parent,
    )
    return json.loads(done.stdout)


def test_every_module_imports_without_the_optional_packages():
    assert _import_without(OPTIONAL, [m for m in MODULES if m not in STUDIO])["failed"] == {}


def test_the_studio_without_its_packages_says_what_to_do():
    done = run_without(("aiortc",), "from engine.cli import main; main()", "serve")
    assert done.returncode == 1
    assert "pip install -c constraints.txt -e '.[studio]'" in " ".join(done.stderr.split())


def test_the_doctor_diagnoses_where_nothing_else_loads():
    names = ["engine.cli", "engine.models", "engine.doctor:diagnose"]
    assert _import_without(OPTIONAL + HEAVY, names)["failed"] == {}


def test_a_show_without_opencv_says_what_to_do():
    done = run_without(("cv2",), "from engine.app import load_cast; load_cast([])")
    assert "MissingDependency: OpenCV cannot be loaded" in done.stderr
    assert "ayatsuri doctor" in done.stderr


@pytest.mark.parametrize("name", ["engine", "engine.cli", "engine.doctor"])
def test_the_front_door_loads_nothing_heavy(name):
    answer = _import_without((), [name])
    assert answer["failed"] == {}
    assert not set(answer["loaded"]) & {*OPTIONAL, *HEAVY, "numba", "llvmlite"}


def test_the_engine_imports_nothing_of_the_other_folders():
    # Ray has no place in the developers' environment: it wants older packages than the others.
    without = {"engine.studio.cluster"} if find_spec("ray") is None else set()
    answer = _import_without((), [name for name in MODULES if name not in without])
    assert answer["failed"] == {}
    assert not set(answer["loaded"]) & {"export", "training", "bench", "tests"}


@pytest.mark.model
@needs_pose_model
def test_poses_by_onnx_runtime_need_no_mediapipe() -> None:
    answer = _import_without(("mediapipe",), ["engine.pose.blazepose:BlazePoseEstimator"])
    assert answer["failed"] == {}
    assert "mediapipe" not in answer["loaded"]
    assert "onnxruntime" in answer["loaded"]

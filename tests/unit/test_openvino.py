import os
import subprocess
import sys

import numpy as np
import pytest

from engine.app import ASSETS, DEFAULT_CHARACTER
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.openvino import OpenVinoBackend, devices, load, precisions
from engine.character import CharacterBundle
from engine.errors import BackendError, ProviderMissing
from tests.bundles import stick_model
from tests.marks import needs_openvino
from tests.processes import run_without

pytestmark = needs_openvino
MODEL = stick_model(64).SerializeToString()


def shipped_int8() -> dict[str, bytes]:
    """Every network that ships in int8, by name."""
    ito = CharacterBundle.load(DEFAULT_CHARACTER).need_generator().variants["int8"]
    painters = {path.stem: path.read_bytes() for path in sorted(ASSETS.glob("*.int8.onnx"))}
    return {"ito": ito, **painters}


def pose_image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_it_draws_what_onnx_runtime_draws_into_the_buffers_it_is_given() -> None:
    ours, theirs = OpenVinoBackend(MODEL), OnnxRuntimeBackend(MODEL)
    assert (ours.input_spec, ours.output_spec) == (theirs.input_spec, theirs.output_spec)
    for seed in range(3):
        pose = pose_image(seed)
        kept = pose.copy()
        out, wanted = np.zeros((64, 64, 4), np.uint8), np.ones((64, 64, 4), np.uint8)
        ours.run(pose, out)
        theirs.run(pose, wanted)
        np.testing.assert_array_equal(out, wanted)
        np.testing.assert_array_equal(pose, kept)
    for backend in (ours, theirs):
        backend.close()
        backend.close()


def test_it_keeps_nothing_of_the_buffers() -> None:
    backend = OpenVinoBackend(MODEL)
    pose, out = pose_image(), np.zeros((64, 64, 4), np.uint8)
    before = sys.getrefcount(pose), sys.getrefcount(out)
    backend.run(pose, out)
    assert (sys.getrefcount(pose), sys.getrefcount(out)) == before
    backend.close()


def test_a_read_only_pose_image_is_taken() -> None:
    backend = OpenVinoBackend(MODEL)
    pose, out = pose_image(), np.zeros((64, 64, 4), np.uint8)
    pose.flags.writeable = False
    backend.run(pose, out)
    np.testing.assert_array_equal(out[..., :3], 255 - pose)
    backend.close()


def test_buffers_that_do_not_fit_are_refused() -> None:
    backend = OpenVinoBackend(MODEL)
    pose, out = pose_image(), np.zeros((64, 64, 4), np.uint8)
    with pytest.raises(BackendError, match=r"shape \(64, 64, 3\) for pose"):
        backend.run(pose[:32], out)
    with pytest.raises(BackendError, match="C-contiguous"):
        backend.run(pose, out[:, ::-1])
    with pytest.raises(BackendError, match="found float32"):
        backend.run(pose.astype(np.float32), out)
    out.flags.writeable = False
    with pytest.raises(BackendError, match="read-only"):
        backend.run(pose, out)
    backend.close()


def test_a_missing_device_lists_those_there_are() -> None:
    assert "CPU" in devices()
    with pytest.raises(ProviderMissing, match=r"no device TELEPORT here; present: .*CPU"):
        OpenVinoBackend(MODEL, device="TELEPORT")


def test_a_missing_precision_lists_those_there_are() -> None:
    present = precisions("CPU")
    assert present[0] == "f32"
    with pytest.raises(ProviderMissing, match="no instructions for f8; present: f32"):
        OpenVinoBackend(MODEL, precision="f8")  # type: ignore[arg-type]
    for precision in present:
        backend = OpenVinoBackend(MODEL, precision=precision)
        assert precision in backend.name
        backend.close()


def test_a_model_that_is_none() -> None:
    with pytest.raises(BackendError, match="cannot load the model"):
        OpenVinoBackend(b"not a model")


def test_without_the_package_the_message_says_how_to_get_it() -> None:
    code = "from engine.backends.openvino import OpenVinoBackend; OpenVinoBackend(b'')"
    done = run_without(("openvino",), code)
    assert "MissingDependency: OpenVINO cannot be loaded" in done.stderr
    assert ".[openvino]" in done.stderr


def test_nothing_is_reported_to_intel(tmp_path) -> None:
    # Its reports begin with the import, so only a fresh process can tell.
    script = (
        "import sys; from engine.backends.openvino import devices; devices();"
        "import openvino.tools.ovc as ovc;"
        "print('openvino_telemetry' in sys.modules, type(ovc.telemetry).__module__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)},
    )
    assert done.stdout.split() == ["False", "openvino.tools.ovc.telemetry_stub"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ito", "painter.int8"])
def test_what_ships_in_int8_is_calculated_in_int8(name: str) -> None:
    core, model = load().Core(), shipped_int8()[name]
    exact = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(model), "CPU", {**exact, "PERF_COUNT": True})
    request = compiled.create_infer_request()
    request.infer({0: np.zeros(tuple(compiled.inputs[0].shape), np.uint8)})
    kinds = {
        node.node_name: node.exec_type
        for node in request.get_profiling_info()
        if node.node_type == "Convolution"
    }
    assert len(kinds) > 15
    # What moves alphas to the colours calculates nothing.
    assert [n for n, kind in kinds.items() if not kind.endswith("_I8") and "alphas" not in n] == []

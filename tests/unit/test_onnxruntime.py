import subprocess
import sys

import numpy as np
import pytest

from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.errors import BackendError, ProviderMissing
from tests.bundles import stick_model

MODEL = stick_model(64).SerializeToString()


def test_it_draws_into_the_buffers_it_is_given() -> None:
    backend = OnnxRuntimeBackend(MODEL)
    pose = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for _ in range(3):
        out = np.zeros((64, 64, 4), np.uint8)
        backend.run(pose, out)
        np.testing.assert_array_equal(out[..., :3], 255 - pose)
        np.testing.assert_array_equal(out[..., 3], (255 - pose).max(axis=2))
    assert backend.input_spec.shape == (1, 64, 64, 3)
    assert str(backend.output_spec) == "picture: uint8 1x64x64x4"
    backend.close()
    backend.close()


def test_buffers_that_do_not_fit_are_refused() -> None:
    backend = OnnxRuntimeBackend(MODEL)
    pose, out = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 4), np.uint8)
    with pytest.raises(BackendError, match=r"shape \(64, 64, 3\) for pose"):
        backend.run(pose[:32], out)
    with pytest.raises(BackendError, match="C-contiguous"):
        backend.run(pose, out[:, ::-1])
    backend.close()


def test_a_missing_provider_lists_those_there_are() -> None:
    with pytest.raises(ProviderMissing, match=r"no TeleportExecutionProvider.*CPUExecution"):
        OnnxRuntimeBackend(MODEL, provider="TeleportExecutionProvider")


def test_a_model_that_is_none() -> None:
    with pytest.raises(BackendError, match="cannot load the model"):
        OnnxRuntimeBackend(b"not a model")


def test_nothing_is_reported_to_microsoft() -> None:
    # Its reports begin with the import, so only a fresh process can tell.
    script = (
        "import os; from engine.backends.onnxruntime import load; load();"
        "fds = [os.path.realpath(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')]"
        " if os.path.isdir('/proc/self/fd') else [];"
        "print([f for f in fds if 'onnxruntime.db' in f])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

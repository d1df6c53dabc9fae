"""An ONNX Runtime that lists a provider which does not start, as one without its driver does."""

import pytest

from engine.backends import onnxruntime


def claim_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it list CUDA, and run on the processor all the same."""
    package = onnxruntime.load()
    present = [*package.get_available_providers(), "CUDAExecutionProvider"]
    monkeypatch.setattr(package, "get_available_providers", lambda: present)
    original = package.InferenceSession
    monkeypatch.setattr(
        package,
        "InferenceSession",
        lambda model, options, providers: original(model, options, ["CPUExecutionProvider"]),
    )

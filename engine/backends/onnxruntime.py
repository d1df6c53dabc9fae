"""ONNX Runtime: on every processor, and on what other providers this build has."""

import os
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import TensorSpec, check_buffers
from engine.errors import BackendError, ProviderMissing


def load() -> Any:
    """The package onnxruntime, with its reports to Microsoft switched off.

    They are on by default since 1.31, and begin with the import.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def open_asset(
    name: str,
    what: str,
    *,
    model: bytes | None = None,
    threads: int = 1,
    keep_memory: bool = True,
) -> Any:
    """A session on the processor of a network that ships.

    Args:
        name: of its file among the engine's assets.
        what: it is, for messages: "the cutter".
        model: another one instead.
        threads: of the processor.
        keep_memory: between runs; what runs rarely should give it back.

    Raises:
        BackendError: it cannot be loaded.
    """
    onnxruntime = load()
    options: Any = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.enable_cpu_mem_arena = keep_memory
    if model is None:
        model = (files("engine") / "assets" / name).read_bytes()
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exception classes are private and share no base
        raise BackendError(f"{what}'s network cannot be loaded: {error}") from error


def open_session(model: bytes, threads: int, provider: str, what: str = "the model") -> Any:
    """A session by an execution provider, and by no other.

    Args:
        model: bytes of an ONNX file.
        threads: of the processor.
        provider: by ONNX Runtime's name.
        what: it is, for messages.

    Raises:
        ProviderMissing: this build lacks the provider; the message lists those present.
        BackendError: the model cannot be loaded, or the provider does not start.
    """
    onnxruntime = load()
    present = onnxruntime.get_available_providers()
    if provider not in present:
        raise ProviderMissing(f"ONNX Runtime has no {provider} here; present: {', '.join(present)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    if provider == "DmlExecutionProvider":  # as DirectML demands
        options.enable_mem_pattern = False
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # A pool that spins between frames would take the cores from the other stages.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session: Any = onnxruntime.InferenceSession(model, options, providers=[provider])
    except Exception as error:  # its exception classes are private and share no base
        raise BackendError(f"ONNX Runtime cannot load {what}: {error}") from error
    running = session.get_providers()
    if provider not in running:  # it goes on without, and only warns
        raise BackendError(
            f"{provider} is in this ONNX Runtime, but does not start here: its libraries or its "
            f"driver are missing; running would be {', '.join(running)}"
        )
    return session


class OnnxRuntimeBackend:
    """A generator in an ONNX Runtime session with its buffers bound once.

    Args:
        model: bytes of an ONNX file; check a stranger's with `engine.character.check_model` first.
        threads: processor threads of one inference. One leaves the other cores to the pose
            estimator and the codecs, which run at the same time; more make a frame's own latency
            shorter.
        provider: an execution provider, by ONNX Runtime's name.

    Raises:
        ProviderMissing: this build of ONNX Runtime lacks the provider; the message lists those
            present.
        BackendError: the model cannot be loaded.
    """

    def __init__(
        self, model: bytes, *, threads: int = 1, provider: str = "CPUExecutionProvider"
    ) -> None:
        self._session: Any = open_session(model, threads, provider)
        self.name = f"onnxruntime {load().__version__} {provider}, {threads} threads"
        self.input_spec = _spec(self._session.get_inputs()[0])
        self.output_spec = _spec(self._session.get_outputs()[0])
        self._binding: Any = self._session.io_binding()

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """See `engine.backends.base.Backend.run`."""
        check_buffers(self.input_spec, pose_image, self.output_spec, out)
        self._binding.bind_input(
            self.input_spec.name, "cpu", 0, np.uint8, self.input_spec.shape, pose_image.ctypes.data
        )
        self._binding.bind_output(
            self.output_spec.name, "cpu", 0, np.uint8, self.output_spec.shape, out.ctypes.data
        )
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # as above
            raise BackendError(f"ONNX Runtime failed: {error}") from error

    def close(self) -> None:
        """Release the session; idempotent."""
        self._binding = None
        self._session = None


def _spec(value: Any) -> TensorSpec:
    return TensorSpec(value.name, np.dtype(value.type[7:-1]), tuple(value.shape))

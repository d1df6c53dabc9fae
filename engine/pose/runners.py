"""What runs a pose network, by explicit choice: a picture in, all of its results out.

A generator's runtimes (`engine.backends`) draw one picture in bytes into the caller's buffer. A
pose network has two or four results, in floats, which are read once and forgotten.
"""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import MissingDependency, PoseError

PROVIDERS: Final = {
    "onnx": "CPUExecutionProvider",
    "onnx-cuda": "CUDAExecutionProvider",
    "onnx-tensorrt": "TensorrtExecutionProvider",
    "onnx-directml": "DmlExecutionProvider",
    "onnx-coreml": "CoreMLExecutionProvider",
}
DEVICES: Final = {"openvino": "CPU", "openvino-gpu": "GPU"}
RUNNERS: Final = (*PROVIDERS, *DEVICES)


class Runner(Protocol):
    """A network, running."""

    def __call__(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All results for `image` (1, S, S, 3) RGB, in the file's order; the caller's own.

        Raises:
            PoseError: the runtime failed.
        """
        ...


def open_runner(name: str, model: bytes, threads: int) -> Runner:
    """Start a network.

    Args:
        name: one of `RUNNERS`.
        model: an ONNX file, see `engine.pose.networks`.
        threads: of the processor, for runtimes that use it.

    Raises:
        ValueError: no such name.
        ProviderMissing: it is not here; the message lists what is.
        MissingDependency: its package is not installed.
        BackendError: it cannot run the network.
    """
    if name in PROVIDERS:
        return _OnnxRuntime(model, threads, PROVIDERS[name])
    if name in DEVICES:
        return _OpenVino(model, threads, DEVICES[name])
    raise ValueError(f"a pose network is run by {', '.join(RUNNERS)}, not by {name!r}")


class _OnnxRuntime:
    def __init__(self, model: bytes, threads: int, provider: str) -> None:
        from engine.backends.onnxruntime import open_session

        try:
            self._session: Any = open_session(model, threads, provider, "a pose network")
        except ImportError as error:
            raise MissingDependency(f"ONNX Runtime cannot be loaded ({error})") from error

    def __call__(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        try:
            found: list[NDArray[np.float32]] = self._session.run(None, {"image": image})
        except Exception as error:  # as above
            raise PoseError(f"ONNX Runtime failed: {error}") from error
        return found


class _OpenVino:
    """In fp32: in bf16 joints in space are off by a hand's width (docs/precisions.md)."""

    def __init__(self, model: bytes, threads: int, device: str) -> None:
        from engine.backends.openvino import open_request

        self._request: Any = open_request(model, device, "f32", threads, "a pose network")
        self._count = len(self._request.get_compiled_model().outputs)

    def __call__(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        try:
            self._request.infer({"image": image})
        except RuntimeError as error:
            raise PoseError(f"OpenVINO failed: {error}") from error
        # Copies: the request writes the next results to the same place.
        return [self._request.get_output_tensor(i).data.copy() for i in range(self._count)]

"""OpenVINO: processors by Intel and AMD, graphics by Intel (extra `openvino`)."""

import sys
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import TensorSpec, check_buffers
from engine.errors import BackendError, MissingDependency, ProviderMissing, pip_install

Precision = Literal["f32", "f16", "bf16"]
"""In what numbers OpenVINO calculates; layers that a file has in int8 stay in int8."""

_TELEMETRY: Final = "openvino_telemetry"
_CAPABILITY: Final[dict[str, str]] = {"f32": "FP32", "f16": "FP16", "bf16": "BF16"}


def load() -> Any:
    """The package openvino, without its reports to Intel.

    Importing it makes an identity file in the user's home and readies reports of usage, unless
    there is no package openvino_telemetry: so there seems to be none while it is imported.

    Raises:
        MissingDependency: it is not installed.
    """
    loaded = "openvino" in sys.modules
    before = sys.modules.get(_TELEMETRY)
    if not loaded:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # makes its import fail
    try:
        import openvino
    except ImportError as error:
        raise MissingDependency(
            f"OpenVINO cannot be loaded ({error}); install it with `{pip_install('openvino')}`"
        ) from error
    finally:
        if not loaded:
            del sys.modules[_TELEMETRY]
            if before is not None:
                sys.modules[_TELEMETRY] = before
    return openvino


def devices() -> list[str]:
    """What OpenVINO finds on this machine: CPU, and perhaps GPU, GPU.1 or NPU."""
    return list(load().Core().available_devices)


def precisions(device: str = "CPU") -> list[Precision]:
    """Those that a device calculates in by its own instructions, the most exact first.

    f32 is always among them: it is what every other is compared with.
    """
    found = load().Core().get_property(device, "OPTIMIZATION_CAPABILITIES")
    return [p for p in ("f32", "bf16", "f16") if p == "f32" or _CAPABILITY[p] in found]


def open_request(
    model: bytes, device: str, precision: Precision, threads: int, what: str = "the model"
) -> Any:
    """What infers a model on a device, set up for the latency of single inferences.

    Args:
        model: bytes of an ONNX file.
        device, precision, threads: see `OpenVinoBackend`.
        what: it is, for messages.

    Raises:
        MissingDependency, ProviderMissing, BackendError: see `OpenVinoBackend`.
    """
    core = load().Core()
    present = core.available_devices
    if device not in present:
        raise ProviderMissing(
            f"OpenVINO finds no device {device} here; present: {', '.join(present)}"
        )
    if precision not in (able := precisions(device)):
        raise ProviderMissing(
            f"{core.get_property(device, 'FULL_DEVICE_NAME')} has no instructions for "
            f"{precision}; present: {', '.join(able)}"
        )
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    if device == "CPU":
        settings["INFERENCE_NUM_THREADS"] = threads
        # The other stages want the same cores: leave it to the system who runs where.
        settings["ENABLE_CPU_PINNING"] = False
    try:
        compiled = core.compile_model(core.read_model(model), device, settings)
        return compiled.create_infer_request()
    except RuntimeError as error:
        raise BackendError(f"OpenVINO cannot load {what}: {error}") from error


class OpenVinoBackend:
    """A generator in OpenVINO, set up for the latency of single frames.

    The caller's buffers are bound as they are; only a read-only pose image is copied first, for
    OpenVINO takes none.

    Args:
        model: bytes of an ONNX file, float or int8 (QDQ); check a stranger's with
            `engine.character.check_model` first.
        threads: processor threads of one inference, as for ONNX Runtime.
        precision: what the float layers are calculated in. bf16 is twice as fast as f32 where the
            processor has instructions for it.
        device: as `devices` names them.

    Raises:
        MissingDependency: OpenVINO is not installed.
        ProviderMissing: no such device, or a precision that it lacks; the message lists those
            present.
        BackendError: the model cannot be loaded.
    """

    def __init__(
        self,
        model: bytes,
        *,
        threads: int = 1,
        precision: Precision = "f32",
        device: str = "CPU",
    ) -> None:
        request = open_request(model, device, precision, threads)
        compiled = request.get_compiled_model()
        work = f"{threads} threads" if device == "CPU" else "latency"
        openvino = load()
        version = openvino.__version__.partition("-")[0]
        numbers = f"int8 and {precision}" if b"DequantizeLinear" in model else precision
        self.name = f"openvino {version} {device} {numbers}, {work}"
        self.input_spec = _spec(compiled.inputs[0])
        self.output_spec = _spec(compiled.outputs[0])
        self._tensor: Any = openvino.Tensor
        self._request: Any = request

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """See `engine.backends.base.Backend.run`."""
        check_buffers(self.input_spec, pose_image, self.output_spec, out)
        if not pose_image.flags.writeable:
            pose_image = pose_image.copy()
        try:
            # These tensors own nothing: both arrays live until this method returns.
            self._request.set_input_tensor(self._tensor(pose_image[None], shared_memory=True))
            self._request.set_output_tensor(self._tensor(out[None], shared_memory=True))
            self._request.infer()
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed: {error}") from error

    def close(self) -> None:
        """Release the compiled model; idempotent."""
        self._request = None


def _spec(port: Any) -> TensorSpec:
    return TensorSpec(port.any_name, np.dtype(port.element_type.to_dtype()), tuple(port.shape))

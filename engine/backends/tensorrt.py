"""NVIDIA's TensorRT for RTX: engines built ahead of time, on any machine.

`build` compiles an ONNX file for cards that need not be here. `why_not` says whether this machine
could run the result.
"""

import ctypes
import sys
from typing import Any, Final

from engine.backends.plans import PlanCache, plan_key
from engine.character import CharacterBundle
from engine.errors import BackendError, MissingDependency

CAPABILITIES: Final = ("7.5", "8.0", "8.6", "8.9", "12.0")
"""Compute capabilities that can be asked for: Turing, Ampere (two), Ada, Blackwell."""

_LIBCUDA: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def load() -> Any:
    """The package tensorrt_rtx.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import tensorrt_rtx
    except (ImportError, OSError) as error:
        raise MissingDependency(
            f"TensorRT for RTX cannot be loaded ({error}); "
            "install it with `pip install 'ayatsuri[rtx]'`"
        ) from error
    return tensorrt_rtx


def why_not() -> str | None:
    """Why no engine can run here, in one line; None where one could.

    The driver is asked first: TensorRT's own runtime does not say it in words.
    """
    try:
        cuda = ctypes.CDLL(_LIBCUDA)
    except OSError:
        return f"there is no NVIDIA driver here ({_LIBCUDA} cannot be loaded)"
    if code := cuda.cuInit(0):
        return f"the NVIDIA driver cannot start (cuInit says {code}); is there a GPU?"
    count = ctypes.c_int()
    if code := cuda.cuDeviceGetCount(ctypes.byref(count)):
        return f"the NVIDIA driver cannot count its GPUs (it says {code})"
    return None if count.value else "the NVIDIA driver finds no GPU"


def compile_rtx(
    bundle: CharacterBundle,
    capabilities: tuple[str, ...],
    precision: str = "fp16",
    cache: PlanCache | None = None,
) -> tuple[bytes, bool]:
    """A character's engine for cards of these compute capabilities, kept for the next time.

    Args:
        bundle: the character.
        capabilities: out of `CAPABILITIES`.
        precision: "fp32" or "fp16".
        cache: where engines are kept; None: in the user's cache.

    Returns:
        The engine, and whether it was there already.

    Raises:
        NotInBundle: it has no network of its own.
        MissingDependency, BackendError: see `build`.
    """
    trt = load()
    cache = PlanCache() if cache is None else cache
    options: dict[str, object] = {
        "target": "rtx",
        "library": trt.__version__,
        "capabilities": list(capabilities),
        "precision": precision,
    }
    network = bundle.need_generator()
    key = plan_key(network.model, **options)
    kept = cache.get(key)
    if kept is not None:
        return kept, True
    if precision == "fp16":
        from engine.half import to_fp16

        model = network.variants.get("fp16") or to_fp16(network.model)
    elif precision == "fp32":
        model = network.model
    else:
        raise BackendError(f"TensorRT for RTX is compiled for in fp32 or fp16, not {precision}")
    plan = build(model, capabilities)
    cache.put(key, plan, {**options, "character": bundle.name})
    return plan, False


def acceptable(model: bytes) -> bytes:
    """The same network in the form that TensorRT takes: bytes are cast first and made last.

    It has no operator on uint8 but the cast, so the transposition trades places with it.

    Raises:
        BackendError: no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load_model_from_string(model)
    except (DecodeError, ValueError) as error:
        raise BackendError(f"this is no ONNX file: {error}") from error
    makers = {name: node for node in proto.graph.node for name in node.output}
    ends = {value.name for value in (*proto.graph.input, *proto.graph.output)}
    for second in proto.graph.node:
        first = makers.get(second.input[0]) if len(second.input) == 1 else None
        if first is None:
            continue
        pair = (first.op_type, second.op_type)
        inbound = pair == ("Transpose", "Cast") and first.input[0] in ends
        outbound = pair == ("Cast", "Transpose") and second.output[0] in ends
        if inbound or outbound:
            first.op_type, second.op_type = second.op_type, first.op_type
            kept = list(first.attribute)
            del first.attribute[:]
            first.attribute.extend(second.attribute)
            del second.attribute[:]
            second.attribute.extend(kept)
    del proto.graph.value_info[:]  # of what was between them
    return bytes(proto.SerializeToString())


def build(model: bytes, capabilities: tuple[str, ...]) -> bytes:
    """Compile an ONNX file for cards of these compute capabilities; needs no GPU.

    The precision is the file's own: TensorRT for RTX takes networks as they are typed.

    Raises:
        MissingDependency: the package is not installed.
        BackendError: a capability that is not one of `CAPABILITIES`, or a network that cannot be
            compiled; the message has TensorRT's own words.
    """
    trt = load()
    for capability in capabilities:
        if capability not in CAPABILITIES:
            raise BackendError(
                f"there is no compute capability {capability} to compile for; "
                f"there are {', '.join(CAPABILITIES)}"
            )
    said: list[str] = []

    class Listener(trt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            """Keep what went wrong."""
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                said.append(message)

    listener = Listener()
    builder = trt.Builder(listener)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, listener)
    if not parser.parse(acceptable(model)):
        errors = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise BackendError(f"TensorRT cannot read the network: {'; '.join(errors or said)}")
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        tensor.shape = [1 if size < 0 else size for size in tensor.shape]  # latency: one at a time
    config = builder.create_builder_config()
    config.num_compute_capabilities = len(capabilities)
    for i, capability in enumerate(capabilities):
        major, _, minor = capability.partition(".")
        name = getattr(trt.ComputeCapability, f"SM{major}{minor}")
        if not config.set_compute_capability(name, i):
            raise BackendError(f"TensorRT does not take compute capability {capability}")
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"TensorRT cannot compile the network: {'; '.join(said)}")
    return bytes(plan)

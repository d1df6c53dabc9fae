"""NVIDIA's TensorRT in its two kinds: ONNX files become engines.

TensorRT for RTX (`tensorrt-rtx`) compiles ahead of time, on any machine, for cards that need not be
here. TensorRT (`tensorrt`) tries its kernels out on the GPU that is here, and compiles for that.
`engine.backends.tensorrt` runs what they make.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, Literal

from engine.backends.plans import PlanCache, plan_key
from engine.backends.tensorrt_graph import acceptable
from engine.character import CharacterBundle, Network
from engine.errors import BackendError, MissingDependency, pip_install

Kind = Literal["tensorrt-rtx", "tensorrt"]

CAPABILITIES: Final = ("7.5", "8.0", "8.6", "8.9", "12.0")
"""What TensorRT for RTX compiles for: Turing, Ampere (two), Ada, Blackwell."""

PRECISIONS: Final = ("fp32", "fp16", "int8")

_MODULES: Final[dict[Kind, tuple[str, str]]] = {
    "tensorrt-rtx": ("tensorrt_rtx", "rtx"),
    "tensorrt": ("tensorrt", "gpu"),
}
_TITLES: Final[dict[Kind, str]] = {"tensorrt-rtx": "TensorRT for RTX", "tensorrt": "TensorRT"}


def load(kind: Kind = "tensorrt-rtx") -> Any:
    """The package.

    Raises:
        MissingDependency: it is not installed.
    """
    module, extra = _MODULES[kind]
    try:
        return import_module(module)
    except (ImportError, OSError) as error:
        raise MissingDependency(
            f"{_TITLES[kind]} cannot be loaded ({error}); install it with `{pip_install(extra)}`"
        ) from error


def network_of(bundle: CharacterBundle) -> Network:
    """What draws a character unless asked otherwise: its own network, or its puppet's painter.

    A plain puppet that is preferred has no network: then it is the one that can be asked for.

    Raises:
        NotInBundle: it has neither.
    """
    if bundle.painter is not None and (
        bundle.generator is None or bundle.manifest.prefers == "puppet"
    ):
        return bundle.painter
    return bundle.need_generator()


def in_precision(network: Network, precision: str) -> bytes:
    """The ONNX file to compile for a precision: TensorRT takes networks as they are typed.

    Raises:
        BackendError: one that TensorRT is not compiled for, or that the bundle does not hold.
    """
    if precision not in PRECISIONS:
        raise BackendError(
            f"TensorRT is compiled for in {', '.join(PRECISIONS)}, not in {precision}"
        )
    if precision == "int8":
        if "int8" not in network.variants:
            raise BackendError("the bundle holds no int8; it has fp32, of which fp16 can be made")
        return network.variants["int8"]
    if precision == "fp32":
        return network.model
    from engine.half import to_fp16

    return network.variants.get("fp16") or to_fp16(network.model)


def compile_rtx(
    bundle: CharacterBundle,
    capabilities: tuple[str, ...],
    precision: str = "fp16",
    cache: PlanCache | None = None,
    on_progress: Callable[[str], None] = lambda text: None,
) -> tuple[bytes, bool]:
    """A character's engine for cards of these compute capabilities, kept for the next time.

    Args:
        bundle: the character; see `network_of`.
        capabilities: out of `CAPABILITIES`.
        precision: out of `PRECISIONS`.
        cache: where engines are kept; None: in the user's cache.
        on_progress: see `build`.

    Returns:
        The engine, and whether it was there already.

    Raises:
        NotInBundle: it has no network.
        MissingDependency, BackendError: see `build`, `in_precision`.
    """
    return kept_or_built(
        in_precision(network_of(bundle), precision), capabilities=capabilities, cache=cache,
        on_progress=on_progress, about={"character": bundle.name, "precision": precision},
    )  # fmt: skip


def kept_or_built(
    model: bytes,
    *,
    kind: Kind = "tensorrt-rtx",
    capabilities: tuple[str, ...] = (),
    device: str = "",
    cache: PlanCache | None = None,
    anew: bool = False,
    on_progress: Callable[[str], None] = lambda text: None,
    about: dict[str, object] | None = None,
    trt: Any = None,
) -> tuple[bytes, bool]:
    """An engine out of the cache, or built and put there.

    Args:
        model, kind, capabilities, on_progress, trt: see `build`.
        device: name, driver and all else of the GPU that the engine depends on; empty for engines
            that are compiled ahead of time.
        cache: where engines are kept; None: in the user's cache.
        anew: whether to leave out what is kept, and replace it.
        about: what to tell people of it, beside the cache's own words.

    Returns:
        The engine, and whether it was there already.
    """
    trt = load(kind) if trt is None else trt
    cache = PlanCache() if cache is None else cache
    options: dict[str, object] = {
        "target": kind,
        "library": trt.__version__,
        "capabilities": list(capabilities),
        "device": device,
    }
    key = plan_key(model, **options)
    kept = None if anew else cache.get(key)
    if kept is not None:
        return kept, True
    timings = Timings(cache, plan_key(b"", what="timings", library=trt.__version__, device=device))
    plan = build(
        model, capabilities, kind=kind, timings=timings, on_progress=on_progress, trt=trt
    )  # fmt: skip
    cache.put(key, plan, {**options, **(about or {})})
    return plan, False


class Timings:
    """What TensorRT measured of its kernels on a GPU: the next network is built quicker for it."""

    def __init__(self, cache: PlanCache, key: str) -> None:
        self._cache, self._key = cache, key

    def read(self) -> bytes:
        """What is kept; empty where nothing is."""
        return self._cache.get(self._key) or b""

    def write(self, measured: bytes) -> None:
        """Keep it."""
        self._cache.put(self._key, measured, {"what": "timing cache"})


def build(
    model: bytes,
    capabilities: tuple[str, ...],
    *,
    kind: Kind = "tensorrt-rtx",
    timings: Timings | None = None,
    on_progress: Callable[[str], None] = lambda text: None,
    trt: Any = None,
) -> bytes:
    """Compile an ONNX file.

    The precision is the file's own: TensorRT takes networks as they are typed.

    Args:
        model: an ONNX file.
        capabilities: for TensorRT for RTX, the cards to compile for: needs no GPU. For TensorRT
            none: it compiles for the GPU that is here.
        kind: which of the two.
        timings: for TensorRT, to go on from.
        on_progress: told what is being done.
        trt: a stand-in for the package; None: it.

    Raises:
        MissingDependency: the package is not installed.
        BackendError: a capability that is not one of `CAPABILITIES`, or a network that cannot be
            compiled; the message has TensorRT's own words.
    """
    trt = load(kind) if trt is None else trt
    _check(kind, capabilities)
    listener, said = listen(trt)
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
    config.progress_monitor = _progress(trt, on_progress)
    if kind == "tensorrt-rtx":
        config.num_compute_capabilities = len(capabilities)
        for i, capability in enumerate(capabilities):
            name = getattr(trt.ComputeCapability, f"SM{capability.replace('.', '')}")
            if not config.set_compute_capability(name, i):
                raise BackendError(f"TensorRT does not take compute capability {capability}")
        # Or it may take memory while it draws, which a CUDA graph cannot hold.
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    elif timings is not None:
        kept = config.create_timing_cache(timings.read())
        if kept is None or not config.set_timing_cache(kept, False):  # not of this GPU or library
            config.set_timing_cache(config.create_timing_cache(b""), False)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"TensorRT cannot compile the network: {'; '.join(said)}")
    if kind == "tensorrt" and timings is not None:
        timings.write(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


def listen(trt: Any) -> tuple[Any, list[str]]:
    """A logger for TensorRT, and the list in which it keeps what went wrong."""
    said: list[str] = []

    class Listener(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            """Keep errors, and nothing else."""
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                said.append(message)

    return Listener(), said


def _check(kind: Kind, capabilities: tuple[str, ...]) -> None:
    if kind == "tensorrt":
        if capabilities:
            raise BackendError(
                "TensorRT compiles for the GPU that is here; for others there is TensorRT for RTX"
            )
        return
    if not capabilities:
        raise BackendError("name at least one compute capability to compile for")
    for capability in capabilities:
        if capability not in CAPABILITIES:
            raise BackendError(
                f"there is no compute capability {capability} to compile for; "
                f"there are {', '.join(CAPABILITIES)}"
            )


def _progress(trt: Any, on_progress: Callable[[str], None]) -> Any:
    class Progress(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            """Tell of the large phases; those inside them are many."""
            if parent is None:
                on_progress(f"{phase} ({steps} steps)")

        def step_complete(self, phase: str, step: int) -> bool:
            """Go on: nothing here stops a build."""
            return True

        def phase_finish(self, phase: str) -> None:
            """The next one tells of itself."""

    return Progress()

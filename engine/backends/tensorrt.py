"""NVIDIA's TensorRT, in either of its two kinds, drawing a frame as one CUDA graph.

Not run on a GPU yet: what is here was tested against stand-ins for the driver and for TensorRT's
run time (`tests/gpus.py`); what compiles was tested for real. See docs/gpu.md.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import TensorSpec
from engine.backends.cuda import Device, Frame, nbytes
from engine.backends.plans import PlanCache, plan_key
from engine.backends.tensorrt_build import (
    CAPABILITIES,
    Kind,
    in_precision,
    kept_or_built,
    listen,
    load,
    network_of,
)
from engine.character import CharacterBundle
from engine.errors import BackendError

Progress = Callable[[str], None]

_SPARE: Final = 64 * 2**20
"""Bytes of GPU memory that are left free: CUDA's own code and TensorRT's kernels go there."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU and the package that is to run on it: what a test replaces.

    Attributes:
        device: opened; a backend closes it.
        trt: the module tensorrt_rtx or tensorrt.
    """

    device: Device
    trt: Any

    @classmethod
    def open(cls, kind: Kind) -> "Gpu":
        """The first GPU.

        Raises:
            BackendError: there is none, or no driver.
            MissingDependency: a package is not installed.
        """
        device = Device()  # asks the driver, and so comes before TensorRT
        try:
            return cls(device, load(kind))
        except BaseException:
            device.close()
            raise


class TensorRtBackend:
    """A network in a TensorRT engine: upload, network and download are one CUDA graph.

    The engine comes from a private cache, or is built now, which takes seconds. The caller's
    buffers are copied to and from pinned memory that the backend owns; no memory is taken while
    frames are drawn. `frame.output_address` is the picture on the GPU until the next `run`.

    Args:
        model: bytes of an ONNX file, float or int8 (QDQ); check a stranger's with
            `engine.character.check_model` first. Its precision is the engine's.
        kind: TensorRT for RTX, or TensorRT.
        gpu: None: the first, with the package of that kind.
        cache: where engines are kept; None: in the user's cache.
        on_progress: told what takes long.

    Raises:
        MissingDependency: a package is not installed.
        BackendError: there is no GPU or no driver, TensorRT for RTX does not know this GPU, there
            is too little memory on it, or the network cannot be compiled.
    """

    def __init__(
        self,
        model: bytes,
        *,
        kind: Kind = "tensorrt-rtx",
        gpu: Gpu | None = None,
        cache: PlanCache | None = None,
        on_progress: Progress = lambda text: None,
    ) -> None:
        gpu = Gpu.open(kind) if gpu is None else gpu
        cache = PlanCache() if cache is None else cache
        self._device, self._trt = gpu.device, gpu.trt
        self._engine: Any = None
        self._context: Any = None
        self._runtime: _RuntimeCache | None = None
        # What is released first is entered last: the graph, which runs the context; then what
        # TensorRT holds; then the GPU.
        with ExitStack() as cleanup:
            cleanup.callback(self._device.close)
            cleanup.callback(self._drop)
            self._device.use()
            about = str(self._device.identity)
            plan, self._engine = self._load(model, kind, about, cache, on_progress)
            self.input_spec, self.output_spec = _specs(self._trt, self._engine)
            _compare(model, self.input_spec, self.output_spec)
            # Room for the activations, and both tensors; the weights are there by now.
            taken = int(self._engine.device_memory_size_v2)
            taken += nbytes(self.input_spec) + nbytes(self.output_spec)
            self._check_room(taken)
            self.memory_mb = (len(plan) + taken) / 2**20
            key = plan_key(
                plan, what="runtime cache", device=about, library=self._trt.__version__
            )  # fmt: skip
            self._runtime = _RuntimeCache(self._trt, self._engine, cache, key)
            self._context = self._engine.create_execution_context(self._runtime.config)
            if self._context is None:
                raise BackendError(
                    f"TensorRT cannot run its engine, which takes {self.memory_mb:.0f} MB of the "
                    f"GPU's memory: {'; '.join(self._said)}"
                )
            self.frame = Frame(self._device, self.input_spec, self.output_spec)
            cleanup.callback(self.frame.close)
            for spec, address in (
                (self.input_spec, self.frame.input_address),
                (self.output_spec, self.frame.output_address),
            ):
                if not self._context.set_tensor_address(spec.name, address):
                    raise BackendError(f"TensorRT does not take an address for {spec.name}")
            if kind == "tensorrt-rtx" and not self._context.is_stream_capturable(
                int(self.frame.stream)
            ):
                raise BackendError("TensorRT for RTX cannot draw this network in a CUDA graph")
            self.frame.record(self._enqueue)
            self._runtime.keep()
            self._cleanup = cleanup.pop_all()
        version = self._trt.__version__
        self.name = f"{kind} {version} {self._device.name}, one CUDA graph a frame"

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """See `engine.backends.base.Backend.run`."""
        self.frame.run(pose_image, out)

    def close(self) -> None:
        """Release the engine, its memory and the GPU; idempotent."""
        self._cleanup.close()

    def _load(
        self, model: bytes, kind: Kind, about: str, cache: PlanCache, on_progress: Progress
    ) -> tuple[bytes, Any]:
        """An engine; one that was kept, but that this library does not take, is built anew."""
        capabilities = (_known(self._device),) if kind == "tensorrt-rtx" else ()
        for anew in (False, True):
            plan, kept = kept_or_built(
                model, kind=kind, capabilities=capabilities, device=about, cache=cache,
                anew=anew, on_progress=on_progress, trt=self._trt,
            )  # fmt: skip
            self._check_room(len(plan))
            self._listener, self._said = listen(self._trt)
            engine = self._trt.Runtime(self._listener).deserialize_cuda_engine(plan)
            if engine is not None:
                return plan, engine
            if not kept:
                break
            on_progress(f"the kept engine cannot be used ({'; '.join(self._said)}): built anew")
        raise BackendError(f"TensorRT cannot load its own engine: {'; '.join(self._said)}")

    def _drop(self) -> None:
        self._context = self._runtime = self._engine = None

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(int(self.frame.stream)):
            raise BackendError(f"TensorRT failed: {'; '.join(self._said) or 'it does not say why'}")

    def _check_room(self, wanted: int) -> None:
        free = self._device.free_bytes()
        if wanted + _SPARE > free:
            raise BackendError(
                f"the network takes {wanted / 2**20:.0f} MB more of the GPU's memory and "
                f"{_SPARE >> 20} MB are kept free, but only {free / 2**20:.0f} MB are; close what "
                f"else uses the GPU"
            )


def compile_here(
    bundle: CharacterBundle, precision: str = "fp16", on_progress: Progress = lambda text: None
) -> str:
    """Compile a character by TensorRT for this machine's GPU, so that it starts from the cache.

    Returns:
        What will draw it, in words.

    Raises:
        NotInBundle: it has no network.
        MissingDependency, BackendError: see `TensorRtBackend`.
    """
    model = in_precision(network_of(bundle), precision)
    backend = TensorRtBackend(model, kind="tensorrt", on_progress=on_progress)
    backend.close()
    return backend.name


class _RuntimeCache:
    """What TensorRT for RTX compiles on the GPU itself, on a network's first run, kept.

    TensorRT does all of it when it builds: it has no such cache, and none is asked for.
    """

    def __init__(self, trt: Any, engine: Any, cache: PlanCache, key: str) -> None:
        self._kept, self._key = cache, key
        self.config = engine.create_runtime_config()
        self._cache: Any = None
        if not hasattr(self.config, "create_runtime_cache"):
            return
        self._cache = self.config.create_runtime_cache()
        before = cache.get(key)
        self._known = before if before and self._cache.deserialize(before) else None
        if not self.config.set_runtime_cache(self._cache):
            raise BackendError("TensorRT for RTX does not take its own runtime cache")
        # Ours holds the copies too.
        self.config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED

    def keep(self) -> None:
        """Keep what was compiled, if anything was."""
        if self._cache is None:
            return
        now = self._cache.serialize()
        if now is not None and bytes(now) not in (b"", self._known):
            self._kept.put(self._key, bytes(now), {"what": "runtime cache"})


def _known(device: Device) -> str:
    if device.capability not in CAPABILITIES:
        raise BackendError(
            f"TensorRT for RTX has no compute capability {device.capability} ({device.name}); it "
            f"has {', '.join(CAPABILITIES)}; ask for tensorrt or torch-cuda"
        )
    return device.capability


def _specs(trt: Any, engine: Any) -> tuple[TensorSpec, TensorSpec]:
    """The engine's input and output.

    Raises:
        BackendError: it has others.
    """
    found: dict[bool, list[TensorSpec]] = {True: [], False: []}
    for i in range(engine.num_io_tensors):
        name = engine.get_tensor_name(i)
        spec = TensorSpec(
            name,
            np.dtype(trt.nptype(engine.get_tensor_dtype(name))),
            tuple(engine.get_tensor_shape(name)),
        )
        found[engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT].append(spec)
    if [len(found[True]), len(found[False])] != [1, 1]:
        told = ", ".join(str(spec) for specs in found.values() for spec in specs)
        raise BackendError(f"expected an engine of one input and one output, found {told}")
    return found[True][0], found[False][0]


def _compare(model: bytes, takes: TensorSpec, gives: TensorSpec) -> None:
    """An engine of another network never draws.

    Raises:
        BackendError: its tensors are not those of the ONNX file.
    """
    import onnx

    graph = onnx.load_model_from_string(model).graph
    for value, spec in ((graph.input[0], takes), (graph.output[0], gives)):
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        shape = tuple(max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim)
        asked = TensorSpec(value.name, np.dtype(kind), shape)
        if asked != spec:
            raise BackendError(f"the engine has {spec} where the network has {asked}")

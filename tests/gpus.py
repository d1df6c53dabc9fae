"""A GPU that is not there: a driver and a TensorRT that keep to the order that real ones ask for.

Work that is queued is done when it is waited for, and not before, so that who forgets to wait sees
an old picture. Addresses are checked: what was freed, or never taken, cannot be copied.
"""

import ctypes
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx

Work = Callable[[], None]
MB = 2**20


class FakeDriver:
    """Stands in for `cuda.bindings.driver`. Errors: `fail` maps a call's name to its code."""

    CUdevice_attribute = SimpleNamespace(
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR="major",
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR="minor",
    )
    CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING=1)
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1)

    def __init__(self, capability: str = "8.9", memory_mb: float = 1000, version: int = 13000):
        self.capability, self.version = capability, version
        self.memory = int(memory_mb * MB)
        self.calls: Counter[str] = Counter()
        self.log: list[str] = []
        self.fail: dict[str, int] = {}
        self.device: dict[int, np.ndarray] = {}  # memory of the GPU
        self.host: dict[int, Any] = {}  # pinned memory
        self.queue: list[Work] = []
        self.streams: set[int] = set()
        self.graphs: dict[int, list[Work]] = {}
        self.recording: list[Work] | None = None
        self.contexts = 0
        self.current: str | None = None
        self._next = 0x1000

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if not name.startswith("cu") or not callable(found) or name == "cuGetErrorString":
            return found

        def call(*args: Any) -> Any:
            self.calls[name] += 1
            self.log.append(name)
            return (self.fail[name], None) if name in self.fail else found(*args)

        return call

    @property
    def clean(self) -> bool:
        """Whether all that was taken was given back."""
        left = (self.device, self.host, self.streams, self.graphs, self.contexts)
        return not any(left)

    def add(self, work: Work) -> None:
        """Queue it, or record it."""
        (self.queue if self.recording is None else self.recording).append(work)

    def view(self, address: int) -> np.ndarray:
        """The bytes at an address of the GPU."""
        return self.device[address]

    def cuInit(self, flags: int) -> Any:
        return (0,)

    def cuGetErrorString(self, code: int) -> Any:
        return 0, {2: b"out of memory", 700: b"an illegal memory access"}.get(int(code), b"no")

    def cuDeviceGet(self, index: int) -> Any:
        return 0, index

    def cuDeviceGetName(self, length: int, device: int) -> Any:
        return 0, b"NVIDIA Make-Believe\0\0"

    def cuDeviceGetAttribute(self, kind: str, device: int) -> Any:
        major, minor = map(int, self.capability.split("."))
        return 0, major if kind == "major" else minor

    def cuDriverGetVersion(self) -> Any:
        return 0, self.version

    def cuDevicePrimaryCtxRetain(self, device: int) -> Any:
        self.contexts += 1
        return 0, "context"

    def cuDevicePrimaryCtxRelease(self, device: int) -> Any:
        assert self.current is None, "a context that is gone would stay current"
        self.contexts -= 1
        return (0,)

    def cuCtxSetCurrent(self, context: str | None) -> Any:
        assert context in ("context", None)
        self.current = context
        return (0,)

    def cuMemGetInfo(self) -> Any:
        return 0, self.memory - sum(a.nbytes for a in self.device.values()), self.memory

    def cuMemAlloc(self, count: int) -> Any:
        self._next += 0x1000
        self.device[self._next] = np.full(count, 0xAA, np.uint8)
        return 0, self._next

    def cuMemFree(self, address: int) -> Any:
        del self.device[address]
        return (0,)

    def cuMemHostAlloc(self, count: int, flags: int) -> Any:
        buffer = (ctypes.c_uint8 * count)()
        address = ctypes.addressof(buffer)
        self.host[address] = buffer
        return 0, address

    def cuMemFreeHost(self, address: int) -> Any:
        del self.host[address]
        return (0,)

    def cuStreamCreate(self, flags: int) -> Any:
        self._next += 0x1000
        self.streams.add(self._next)
        return 0, self._next

    def cuStreamDestroy(self, stream: int) -> Any:
        self.streams.remove(stream)
        return (0,)

    def cuMemcpyHtoDAsync(self, target: int, source: int, count: int, stream: int) -> Any:
        assert stream in self.streams
        given = np.ctypeslib.as_array(self.host[source])
        self.add(lambda: np.copyto(self.view(target)[:count], given[:count]))
        return (0,)

    def cuMemcpyDtoHAsync(self, target: int, source: int, count: int, stream: int) -> Any:
        assert stream in self.streams
        made = np.ctypeslib.as_array(self.host[target])
        self.add(lambda: np.copyto(made[:count], self.view(source)[:count]))
        return (0,)

    def cuStreamSynchronize(self, stream: int) -> Any:
        assert self.recording is None, "nothing can be waited for while a graph is recorded"
        work, self.queue = self.queue, []
        for each in work:
            each()
        return (0,)

    def cuStreamBeginCapture(self, stream: int, mode: int) -> Any:
        assert self.recording is None
        assert not self.queue
        self.recording = []
        return (0,)

    def cuStreamEndCapture(self, stream: int) -> Any:
        recorded, self.recording = self.recording, None
        return 0, recorded

    def cuGraphInstantiate(self, graph: list[Work], flags: int) -> Any:
        self._next += 0x1000
        self.graphs[self._next] = graph
        return 0, self._next

    def cuGraphDestroy(self, graph: list[Work]) -> Any:
        return (0,)

    def cuGraphExecDestroy(self, graph: int) -> Any:
        del self.graphs[graph]
        return (0,)

    def cuGraphLaunch(self, graph: int, stream: int) -> Any:
        assert stream in self.streams
        for work in self.graphs[graph]:
            self.add(work)
        return (0,)

    def cuEventCreate(self, flags: int) -> Any:
        return 0, object()

    def cuEventDestroy(self, event: object) -> Any:
        return (0,)

    def cuEventRecord(self, event: object, stream: int) -> Any:
        return (0,)

    def cuEventElapsedTime(self, first: object, second: object) -> Any:
        return 0, 0.25


class FakeTensorRt:
    """Stands in for tensorrt_rtx, or, without a runtime cache, for tensorrt.

    Its engine is the ONNX file itself, run by ONNX Runtime. `broken` are plans that it does not
    take, `refuse` makes a step fail.
    """

    __version__ = "9.9"

    def __init__(self, driver: FakeDriver, *, rtx: bool = True, refuse: str = "") -> None:
        self.driver, self.rtx, self.refuse = driver, rtx, refuse
        self.built = 0
        self.engines = 0
        self.broken: set[bytes] = set()
        self.runtime_caches: list[bytes] = []
        self.timing_caches: list[bytes] = []
        self.CudaGraphStrategy = SimpleNamespace(DISABLED="disabled")
        self.BuilderFlag = SimpleNamespace()
        if rtx:
            self.BuilderFlag.REQUIRE_USER_ALLOCATION = "its memory is taken beforehand"
        self.TensorIOMode = SimpleNamespace(INPUT="in", OUTPUT="out")
        self.NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
        self.ComputeCapability = SimpleNamespace(SM89="8.9", SM86="8.6")
        self.nptype = np.dtype

        class ILogger:
            Severity = SimpleNamespace(ERROR=1, INTERNAL_ERROR=0)

        self.ILogger = ILogger
        self.IProgressMonitor = type("IProgressMonitor", (), {})

    def Builder(self, listener: Any) -> Any:
        self.listener = listener
        return SimpleNamespace(
            create_network=lambda flags: SimpleNamespace(num_inputs=0, model=b""),
            create_builder_config=self._config,
            build_serialized_network=self._build,
        )

    def OnnxParser(self, network: Any, listener: Any) -> Any:
        def parse(model: bytes) -> bool:
            network.model = model
            return True

        return SimpleNamespace(parse=parse)

    def Runtime(self, listener: Any) -> Any:
        def deserialize(plan: bytes) -> Any:
            if plan in self.broken or self.refuse == "deserialise":
                listener.log(1, "made by another version")
                return None
            told = pickle.loads(plan)
            return FakeEngine(self, told["model"], told.get("flags", ()))

        return SimpleNamespace(deserialize_cuda_engine=deserialize)

    def _config(self) -> Any:
        def take(cache: bytes, ignore: bool) -> bool:
            self.timing_caches.append(cache)
            return True

        flags: list[str] = []
        return SimpleNamespace(
            flags=flags,
            set_flag=flags.append,
            set_compute_capability=lambda name, i: True,
            create_timing_cache=lambda data: data,
            set_timing_cache=take,
            get_timing_cache=lambda: SimpleNamespace(serialize=lambda: b"timings"),
        )

    def _build(self, network: Any, config: Any) -> bytes | None:
        if self.refuse == "build":
            self.listener.log(1, "no kernel for it")
            return None
        self.built += 1
        told = {"model": network.model, "number": self.built, "flags": config.flags}
        return pickle.dumps(told)


class FakeEngine:
    """What FakeTensorRt deserialises; it is its own context."""

    device_memory_size_v2 = 3 * MB

    def __init__(self, trt: FakeTensorRt, model: bytes, flags: Sequence[str]) -> None:
        from engine.backends.onnxruntime import load

        options = load().SessionOptions()
        options.intra_op_num_threads = 1
        self._session = load().InferenceSession(model, options, providers=["CPUExecutionProvider"])
        graph = onnx.load_model_from_string(model).graph
        self._values = [*graph.input, *graph.output]
        self._trt, self.addresses, self._flags = trt, dict[str, int](), flags
        self.num_io_tensors = len(self._values)
        trt.engines += 1

    def __del__(self) -> None:
        self._trt.engines -= 1

    def get_tensor_name(self, i: int) -> str:
        return str(self._values[i].name)

    def _find(self, name: str) -> Any:
        return next(v for v in self._values if v.name == name)

    def get_tensor_dtype(self, name: str) -> Any:
        return onnx.helper.tensor_dtype_to_np_dtype(self._find(name).type.tensor_type.elem_type)

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(d.dim_value for d in self._find(name).type.tensor_type.shape.dim)

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == self._values[0].name else "out"

    def create_runtime_config(self) -> Any:
        if not self._trt.rtx:
            return SimpleNamespace()
        kept = self._trt.runtime_caches

        def deserialize(data: bytes) -> bool:
            kept.append(data)
            return True

        compiled = None if self._trt.refuse == "serialise" else b"compiled kernels"
        cache = SimpleNamespace(deserialize=deserialize, serialize=lambda: compiled)
        return SimpleNamespace(
            create_runtime_cache=lambda: cache,
            set_runtime_cache=lambda cache: self._trt.refuse != "cache",
        )

    def create_execution_context(self, config: Any) -> Any:
        return None if self._trt.refuse == "context" else self

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return self._trt.refuse != "address"

    def is_stream_capturable(self, stream: int) -> bool:
        assert self._trt.rtx, "tensorrt has no such question"
        assert stream in self._trt.driver.streams
        return "its memory is taken beforehand" in self._flags

    def execute_async_v3(self, stream: int) -> bool:
        driver = self._trt.driver
        assert stream in driver.streams
        driver.log.append("execute")
        if self._trt.refuse == "execute":
            return False
        takes, gives = self._values[0].name, self._values[-1].name

        def work() -> None:
            given = driver.view(self.addresses[takes]).view(self.get_tensor_dtype(takes))
            shaped = given.reshape(self.get_tensor_shape(takes))
            (made,) = self._session.run(None, {takes: shaped})
            driver.view(self.addresses[gives])[:] = made.reshape(-1).view(np.uint8)

        driver.add(work)
        return True

"""NVIDIA's driver, as far as a backend needs it: memory, one stream, and a frame as one graph.

`why_not` says in words why there is no GPU here, before anything else of NVIDIA's is loaded. The
calls themselves go through NVIDIA's own `cuda-bindings`.
"""

import ctypes
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.backends.base import TensorSpec, check_buffers
from engine.errors import BackendError, MissingDependency, pip_install

_LIBCUDA: Final = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_OUT_OF_MEMORY: Final = 2  # CUDA_ERROR_OUT_OF_MEMORY
_KERNEL_MODULE: Final = Path("/proc/driver/nvidia/version")  # Linux
_NAME_BYTES: Final = 128


def why_not() -> str | None:
    """Why nothing can run on an NVIDIA GPU here, in one line; None where something could.

    The driver is asked before TensorRT is: that does not say it in words.
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


def load() -> Any:
    """The module `cuda.bindings.driver`.

    Raises:
        BackendError: there is no driver, or no GPU.
        MissingDependency: the package is not installed.
    """
    if reason := why_not():
        raise BackendError(reason)
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise MissingDependency(
            f"CUDA cannot be called ({error}); install it with `{pip_install('rtx')}`"
        ) from error
    return driver


@dataclass(frozen=True, slots=True)
class Identity:
    """A GPU and its driver: all that an engine depends on.

    Attributes:
        name: of the GPU.
        capability: its compute capability, "8.9" say.
        driver: its version.
    """

    name: str
    capability: str
    driver: str

    def __str__(self) -> str:
        return f"{self.name} {self.capability}, driver {self.driver}"


def identify(index: int = 0, driver: Any = None) -> Identity:
    """Which GPU there is; takes nothing of it. Arguments and errors as for `Device`."""
    driver = load() if driver is None else driver
    _call(driver, "start the driver", driver.cuInit(0))
    device = _call(driver, "find the GPU", driver.cuDeviceGet(index))
    name = _call(driver, "name the GPU", driver.cuDeviceGetName(_NAME_BYTES, device))
    kinds = driver.CUdevice_attribute
    major, minor = (
        _call(driver, "ask the GPU", driver.cuDeviceGetAttribute(kind, device))
        for kind in (
            kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            kinds.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        )
    )
    version = _call(driver, "ask the driver", driver.cuDriverGetVersion())
    return Identity(
        name.split(b"\0")[0].decode(), f"{major}.{minor}", f"{version} {_kernel_module()}".strip()
    )


@dataclass(frozen=True, slots=True)
class HostBuffer:
    """Pinned memory of the host: the GPU copies to and from it by itself."""

    address: int
    array: NDArray[np.generic]


class Device:
    """One GPU, through the context that all of CUDA shares in a process.

    Every method raises BackendError with the driver's own words where a call fails. All but `use`
    work on the GPU that the calling thread has last called `use` for.

    Args:
        index: which GPU, as the driver counts them.
        driver: a stand-in for `cuda.bindings.driver`; None: it.

    Raises:
        BackendError, MissingDependency: see `load`.
    """

    def __init__(self, index: int = 0, driver: Any = None) -> None:
        self._driver = load() if driver is None else driver
        self.identity = identify(index, self._driver)
        self.name, self.capability = self.identity.name, self.identity.capability
        self._device = _call(self._driver, "find the GPU", self._driver.cuDeviceGet(index))
        context = self._driver.cuDevicePrimaryCtxRetain(self._device)
        self._context = self._call("open the GPU", context)
        self.use()

    def use(self) -> None:
        """Make the calling thread's calls go to this GPU."""
        self._call("use the GPU", self._driver.cuCtxSetCurrent(self._context))

    def free_bytes(self) -> int:
        """Memory of the GPU that nobody has taken."""
        free, _ = self._call("ask for memory", self._driver.cuMemGetInfo())
        return int(free)

    def allocate(self, count: int) -> int:
        """The address of so many bytes on the GPU."""
        doing = f"take {count / 2**20:.1f} MB of GPU memory"
        return int(self._call(doing, self._driver.cuMemAlloc(count)))

    def free(self, address: int) -> None:
        """Give them back."""
        self._call("free GPU memory", self._driver.cuMemFree(address))

    def host(self, spec: TensorSpec) -> HostBuffer:
        """Pinned memory for a tensor, without its batch."""
        count = nbytes(spec)
        doing = f"pin {count / 2**20:.1f} MB of memory"
        address = int(self._call(doing, self._driver.cuMemHostAlloc(count, 0)))
        flat = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(address))
        return HostBuffer(address, flat.view(spec.dtype).reshape(spec.shape[1:]))

    def free_host(self, buffer: HostBuffer) -> None:
        """Give it back: its array must not be touched any more."""
        self._call("free pinned memory", self._driver.cuMemFreeHost(buffer.address))

    def stream(self) -> Any:
        """A queue of work of its own; `int()` of it is its handle."""
        flag = self._driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        return self._call("make a stream", self._driver.cuStreamCreate(flag))

    def free_stream(self, stream: Any) -> None:
        """Destroy it."""
        self._call("free a stream", self._driver.cuStreamDestroy(stream))

    def upload(self, address: int, source: HostBuffer, count: int, stream: Any) -> None:
        """Queue a copy to the GPU."""
        copy = self._driver.cuMemcpyHtoDAsync(address, source.address, count, stream)
        self._call("copy to the GPU", copy)

    def download(self, target: HostBuffer, address: int, count: int, stream: Any) -> None:
        """Queue a copy from the GPU."""
        copy = self._driver.cuMemcpyDtoHAsync(target.address, address, count, stream)
        self._call("copy from the GPU", copy)

    def wait(self, stream: Any) -> None:
        """Return when all that was queued is done; an error of any of it is raised here."""
        self._call("draw on the GPU", self._driver.cuStreamSynchronize(stream))

    def capture(self, stream: Any, queue: Callable[[], None]) -> Any:
        """What `queue` queues, as a graph that can be launched: nothing of it is done now."""
        driver = self._driver
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._call("record a graph", driver.cuStreamBeginCapture(stream, mode))
        try:
            queue()
        except BaseException:
            driver.cuStreamEndCapture(stream)  # or the stream would record for ever
            raise
        graph = self._call("record a graph", driver.cuStreamEndCapture(stream))
        try:
            return self._call("make a graph", driver.cuGraphInstantiate(graph, 0))
        finally:
            self._call("free a graph", driver.cuGraphDestroy(graph))

    def launch(self, graph: Any, stream: Any) -> None:
        """Queue a graph."""
        self._call("launch a graph", self._driver.cuGraphLaunch(graph, stream))

    def free_graph(self, graph: Any) -> None:
        """Destroy it."""
        self._call("free a graph", self._driver.cuGraphExecDestroy(graph))

    def time_ms(self, stream: Any, queue: Callable[[], None]) -> float:
        """What `queue` queues is done, twice, and how long the GPU took for it, by its own clock.

        The first time keeps the GPU busy while the second is queued: else the wait for that would
        be counted.
        """
        driver, events = self._driver, []
        with ExitStack() as cleanup:
            for _ in range(2):
                events.append(self._call("make an event", driver.cuEventCreate(0)))
                cleanup.callback(driver.cuEventDestroy, events[-1])
            queue()
            self._call("note the time", driver.cuEventRecord(events[0], stream))
            queue()
            self._call("note the time", driver.cuEventRecord(events[1], stream))
            self.wait(stream)
            return float(self._call("read the time", driver.cuEventElapsedTime(*events)))

    def close(self) -> None:
        """Let go of the GPU; all that was taken of it must have been freed."""
        if self._context is not None:
            self._context = None
            # Or a context that is gone would stay this thread's, for whoever uses CUDA next.
            self._call("leave the GPU", self._driver.cuCtxSetCurrent(None))
            self._call("close the GPU", self._driver.cuDevicePrimaryCtxRelease(self._device))

    def _call(self, doing: str, result: tuple[Any, ...]) -> Any:
        return _call(self._driver, doing, result)


class Frame:
    """One frame of a network as one CUDA graph: upload, work, download.

    All memory is taken once. Nothing is allocated while frames are drawn, and what is on the GPU
    keeps its place: `input_address` and `output_address` belong to the frame, and hold the last
    picture until the next `run`, so that a next stage on the GPU can read it there.

    Args:
        device: the GPU; it stays the caller's.
        takes, gives: the network's tensors.

    Raises:
        BackendError: too little memory, on either side.
    """

    def __init__(self, device: Device, takes: TensorSpec, gives: TensorSpec) -> None:
        self._device, self._takes, self._gives = device, takes, gives
        self._graph: Any = None
        with ExitStack() as cleanup:
            self.stream = device.stream()
            cleanup.callback(device.free_stream, self.stream)
            self._given = device.host(takes)
            cleanup.callback(device.free_host, self._given)
            self._made = device.host(gives)
            cleanup.callback(device.free_host, self._made)
            self.input_address = device.allocate(nbytes(takes))
            cleanup.callback(device.free, self.input_address)
            self.output_address = device.allocate(nbytes(gives))
            cleanup.callback(device.free, self.output_address)
            self._given.array[...] = 0
            self._made.array[...] = 0
            self._cleanup = cleanup.pop_all()

    def record(self, queue: Callable[[], None]) -> None:
        """Make the graph of what `queue` queues on `stream`, between upload and download.

        It is done once without a graph first: libraries prepare themselves on their first use,
        with calls that no graph can hold.
        """
        self._queue(queue)
        self._device.wait(self.stream)
        self._graph = self._device.capture(self.stream, lambda: self._queue(queue))

    def run(self, given: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """Draw; see `engine.backends.base.Backend.run`."""
        check_buffers(self._takes, given, self._gives, out)
        self._device.use()
        np.copyto(self._given.array, given)
        self._device.launch(self._recorded(), self.stream)
        self._device.wait(self.stream)
        np.copyto(out, self._made.array, casting="no")

    def time_ms(self) -> float:
        """Draw what was last given again: how long the GPU took for a frame, copies counted."""
        self._device.use()
        graph = self._recorded()
        return self._device.time_ms(
            self.stream, lambda: self._device.launch(graph, self.stream)
        )  # fmt: skip

    def close(self) -> None:
        """Give all memory back; idempotent."""
        self._device.use()
        if self._graph is not None:
            self._device.free_graph(self._graph)
            self._graph = None
        self._cleanup.close()

    def _queue(self, queue: Callable[[], None]) -> None:
        self._device.upload(self.input_address, self._given, nbytes(self._takes), self.stream)
        queue()
        self._device.download(self._made, self.output_address, nbytes(self._gives), self.stream)

    def _recorded(self) -> Any:
        if self._graph is None:
            raise BackendError("this frame was closed, or nothing was recorded")
        return self._graph


def nbytes(spec: TensorSpec) -> int:
    """The bytes of a tensor, its batch of one included."""
    return int(np.prod(spec.shape)) * spec.dtype.itemsize


def _call(driver: Any, doing: str, result: tuple[Any, ...]) -> Any:
    """What a call gave beside its code; an error where that is not 0."""
    code, *values = result
    if int(code):
        told, words = driver.cuGetErrorString(code)
        said = words.decode() if not int(told) and words else "an unknown error"
        hint = ""
        if int(code) == _OUT_OF_MEMORY:
            hint = "; close what else uses the GPU"
        raise BackendError(f"cannot {doing}: {said} (CUDA error {int(code)}){hint}")
    return values[0] if len(values) == 1 else tuple(values)


def _kernel_module() -> str:
    """The driver's own version, where the system tells it; CUDA's alone stays over updates."""
    try:
        return _KERNEL_MODULE.read_text("utf-8").splitlines()[0].strip()
    except (OSError, IndexError):
        return ""

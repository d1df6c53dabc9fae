"""PyTorch with a CUDA graph, as a backend: for NVIDIA GPUs where TensorRT cannot be had.

The engine finds this by the entry point `torch-cuda` of the group `ayatsuri.backends`, and imports
it only where there is a GPU: see `engine.backends.nvidia`. On a processor the same code runs
without a graph, which is how it is tested.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.backends.base import TensorSpec, check_buffers
from engine.errors import BackendError
from engine.half import to_fp16
from export.torch_graph import TorchGraph

if TYPE_CHECKING:
    from engine.character import Network

_WARM_UP: Final = 3
"""Frames before the graph is recorded: libraries choose their kernels and take their memory."""

_HALVES: Final = {"fp16": torch.float16, "bf16": torch.bfloat16}


def precisions() -> tuple[str, ...]:
    """What a GPU here calculates in; empty where torch finds none."""
    if not torch.cuda.is_available():
        return ()
    return ("fp32", "bf16", "fp16") if torch.cuda.is_bf16_supported() else ("fp32", "fp16")


def open_backend(network: "Network", precision: str) -> "TorchBackend":
    """A network of a bundle on the GPU.

    Raises:
        BackendError: an operator or a precision that torch does not run here, or too little memory.
    """
    ready = network.variants.get("fp16") if precision == "fp16" else None
    return of_onnx(network.model, precision, half_model=ready)


def of_onnx(
    model: bytes,
    precision: str = "fp32",
    *,
    device: str = "cuda",
    half_model: bytes | None = None,
    graphed: bool = True,
    copies: bool = True,
    tuned: bool = False,
    wrap: Callable[[nn.Module], Callable[[Tensor], Tensor]] = lambda module: module,
) -> "TorchBackend":
    """An ONNX file on a device.

    Args:
        model: in fp32.
        precision: fp32 (convolutions in TF32, as torch has it by default), bf16 or fp16.
        device: "cuda" or "cpu".
        half_model: the same in fp16, if it is there.
        graphed: whether frames are one CUDA graph each; never on a processor.
        copies: whether upload and download are in it.
        tuned: see `TorchBackend`.
        wrap: around the module, such as `torch.compile`.

    Raises:
        BackendError: see `open_backend`.
    """
    module = module_of(model, precision, half_model=half_model)
    if len(module.output_names) != 1:
        raise BackendError("expected a network of one output")
    graph = onnx.load_model_from_string(model).graph
    specs = [
        TensorSpec(
            value.name,
            np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
            tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim),
        )
        for value in (graph.input[0], graph.output[0])
    ]
    return TorchBackend(
        module, specs[0], specs[1], device=device, graphed=graphed, copies=copies, tuned=tuned,
        wrap=wrap, precision=precision,
    )  # fmt: skip


def module_of(
    model: bytes, precision: str = "fp32", *, half_model: bytes | None = None
) -> TorchGraph:
    """An ONNX file as a module in a precision; for the arguments see `of_onnx`.

    Raises:
        BackendError: an operator or a precision that torch does not run here.
    """
    if precision == "fp32":
        return TorchGraph(model).eval()
    if precision not in _HALVES:
        raise BackendError(f"torch runs fp32, {' and '.join(_HALVES)}, not {precision}")
    return TorchGraph(half_model or to_fp16(model), half=_HALVES[precision]).eval()


class TorchBackend:
    """A torch module from bytes to bytes.

    The caller's buffers are copied to and from pinned memory that the backend owns. With a graph
    nothing is allocated while frames are drawn.

    Args:
        module: takes and gives tensors of these specs.
        takes, gives: its input and output.
        device: "cuda" or "cpu".
        graphed: whether there is a CUDA graph; never on a processor.
        copies: whether upload and download are in it, beside the network: else each is a call.
        tuned: whether cuDNN tries its kernels out at the start, in place of guessing.
        wrap: around the module, on its device.
        precision: for the name.

    Raises:
        BackendError: it cannot run there.
    """

    def __init__(
        self,
        module: nn.Module,
        takes: TensorSpec,
        gives: TensorSpec,
        *,
        device: str = "cuda",
        graphed: bool = True,
        copies: bool = True,
        tuned: bool = False,
        wrap: Callable[[nn.Module], Callable[[Tensor], Tensor]] = lambda module: module,
        precision: str = "",
    ) -> None:
        self.input_spec, self.output_spec = takes, gives
        self._cuda, self._copies = device == "cuda", copies
        if self._cuda and not torch.cuda.is_available():
            raise BackendError("torch finds no NVIDIA GPU here")
        self._graph: Any = None
        self._stream: Any = None
        self.memory_mb = 0.0
        before = torch.cuda.memory_reserved() if self._cuda else 0
        try:
            self._draw: Any = wrap(module.to(device))
            self._given, self._made = (
                torch.zeros(spec.shape, dtype=_dtype(spec), pin_memory=self._cuda)
                for spec in (takes, gives)
            )
            self._at_device = torch.zeros_like(self._given, device=device)
            self._drawn = torch.zeros_like(self._made, device=device)
            with torch.inference_mode(), _tuning(tuned):
                self._prepare(graphed)
        except RuntimeError as error:  # of which torch's "out of memory" is one
            self.close()
            told = first_of(error)
            raise BackendError(f"torch cannot run the network on {device}: {told}") from error
        if self._cuda:
            # What was reserved before may have held the weights; a graph's memory is its own.
            weights = sum(each.nbytes for each in (*module.parameters(), *module.buffers()))
            self.memory_mb = max(torch.cuda.memory_reserved() - before, weights) / 2**20
        where = torch.cuda.get_device_name() if self._cuda else "processor"
        whole = "one CUDA graph a frame" if copies else "a CUDA graph between two copies"
        how = f", {whole}" if self._cuda and graphed else ""
        self.name = f"torch {torch.__version__} {where} {precision}{how}"

    def run(self, pose_image: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
        """See `engine.backends.base.Backend.run`."""
        given = self.given
        check_buffers(self.input_spec, pose_image, self.output_spec, out)
        np.copyto(given, pose_image)
        self.launch()
        np.copyto(out, self.made)

    @property
    def given(self) -> NDArray[Any]:
        """What the next launch takes: pinned memory, to be filled in place."""
        return self._open(self._given)

    @property
    def made(self) -> NDArray[Any]:
        """What the last launch gave, until the next one."""
        return self._open(self._made)

    def launch(self) -> None:
        """From `given` to `made`; waits for it.

        Raises:
            BackendError: torch failed, or this was closed.
        """
        self._open(self._given)
        try:
            self._launch()
            if self._cuda:
                self._stream.synchronize()
        except RuntimeError as error:
            raise BackendError(f"torch failed: {error}") from error

    def time_ms(self) -> float:
        """Draw what was last given again: how long the GPU took for a frame, copies counted."""
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        with torch.cuda.stream(self._stream):
            self._launch()  # the GPU is busy while the next one is queued: that wait is not counted
            first.record()
            self._launch()
            last.record()
        self._stream.synchronize()
        return float(first.elapsed_time(last))

    def close(self) -> None:
        """Give the memory back; idempotent."""
        self._graph = self._draw = self._stream = None
        self._given = self._made = self._at_device = self._drawn = torch.empty(0)
        if self._cuda:
            torch.cuda.empty_cache()

    def _open(self, buffer: Tensor) -> NDArray[Any]:
        if self._draw is None:
            raise BackendError("this backend was closed")
        array: NDArray[Any] = buffer.numpy()
        return array[0]

    def _prepare(self, graphed: bool) -> None:
        if not self._cuda:
            self._frame()
            return
        self._stream = torch.cuda.Stream()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP):
                self._frame()
        self._stream.synchronize()
        if graphed:
            graph = torch.cuda.CUDAGraph()
            # Other threads may go on using the GPU meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._frame() if self._copies else self._network()
            self._graph = graph

    def _launch(self) -> None:
        if not self._cuda:
            with torch.inference_mode():
                self._frame()
            return
        with torch.cuda.stream(self._stream), torch.inference_mode():
            if self._graph is None:
                self._frame()
            elif self._copies:
                self._graph.replay()
            else:
                self._upload()
                self._graph.replay()
                self._download()

    def _frame(self) -> None:
        self._upload()
        self._network()
        self._download()

    def _upload(self) -> None:
        self._at_device.copy_(self._given, non_blocking=True)

    def _network(self) -> None:
        self._drawn.copy_(self._draw(self._at_device))

    def _download(self) -> None:
        self._made.copy_(self._drawn, non_blocking=True)


@contextmanager
def _tuning(tuned: bool) -> Iterator[None]:
    """Within, cuDNN tries out what it has not met yet, and takes the same when it is recorded."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or tuned
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def first_of(error: BaseException) -> BaseException:
    """What went wrong before an error that arose in its handling.

    A recording that fails ends in an error of its end, which does not tell why.
    """
    while error.__context__ is not None and not error.__suppress_context__:
        error = error.__context__
    return error


def _dtype(spec: TensorSpec) -> torch.dtype:
    return torch.from_numpy(np.empty(0, spec.dtype)).dtype

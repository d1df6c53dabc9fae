import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from engine.backends import cuda
from engine.backends.base import TensorSpec
from engine.backends.cuda import Device, Frame
from engine.errors import BackendError, MissingDependency
from tests.gpus import FakeDriver
from tests.processes import run_without

TAKES = TensorSpec("pose", np.dtype(np.uint8), (1, 4, 4, 3))
GIVES = TensorSpec("picture", np.dtype(np.uint8), (1, 4, 4, 3))


def inverting(driver: FakeDriver, frame: Frame) -> None:
    """Record a network that inverts its picture, on the GPU."""

    def work() -> None:
        driver.view(frame.output_address)[:] = 255 - driver.view(frame.input_address)

    frame.record(lambda: driver.add(work))


def pictures(count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *TAKES.shape[1:]), np.uint8)


def test_a_gpu_is_told_apart_by_what_engines_depend_on() -> None:
    device = Device(driver=FakeDriver("8.6", version=12080))
    assert (device.name, device.capability) == ("NVIDIA Make-Believe", "8.6")
    assert str(device.identity).startswith("NVIDIA Make-Believe 8.6, driver 12080")


def test_a_frame_is_recorded_once_and_launched_many_times() -> None:
    driver = FakeDriver()
    device = Device(driver=driver)
    frame = Frame(device, TAKES, GIVES)
    inverting(driver, frame)
    before, out = driver.calls.copy(), np.empty(GIVES.shape[1:], np.uint8)
    for picture in pictures(5):
        frame.run(picture, out)
        np.testing.assert_array_equal(out, 255 - picture)
    made = driver.calls - before
    # Nothing but these: no memory is taken, no copy is queued outside of the graph.
    assert made == {"cuCtxSetCurrent": 5, "cuGraphLaunch": 5, "cuStreamSynchronize": 5}
    frame.close()
    frame.close()
    device.close()
    assert driver.clean


def test_the_graph_is_upload_work_and_download_after_one_run_without() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)
    driver.log.clear()
    frame.record(lambda: driver.log.append("work"))
    once = ["cuMemcpyHtoDAsync", "work", "cuMemcpyDtoHAsync"]
    assert driver.log == [
        *once, "cuStreamSynchronize", "cuStreamBeginCapture", *once, "cuStreamEndCapture",
        "cuGraphInstantiate", "cuGraphDestroy",
    ]  # fmt: skip
    (graph,) = driver.graphs.values()
    assert len(graph) == 2  # both copies; "work" only wrote into the log


def test_the_callers_buffers_are_its_own_again_after_every_call() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)
    inverting(driver, frame)
    (first, second), outs = pictures(2), np.empty((2, *GIVES.shape[1:]), np.uint8)
    given = first.copy()
    frame.run(given, outs[0])
    given[:] = second
    frame.run(given, outs[1])
    np.testing.assert_array_equal(outs, 255 - np.stack([first, second]))


def test_buffers_that_do_not_fit_are_refused() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)
    inverting(driver, frame)
    good = np.zeros(TAKES.shape[1:], np.uint8)
    for given, out in (
        (good[:2], good.copy()), (good.astype(np.float32), good.copy()), (good, good[:, ::-1]),
    ):  # fmt: skip
        with pytest.raises(BackendError, match="C-contiguous"):
            frame.run(given, out)


def test_it_draws_on_whatever_thread_it_is_called() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)
    inverting(driver, frame)
    picture, out = pictures(1)[0], np.empty(GIVES.shape[1:], np.uint8)
    before = driver.calls["cuCtxSetCurrent"]
    thread = threading.Thread(target=frame.run, args=(picture, out))
    thread.start()
    thread.join()
    assert driver.calls["cuCtxSetCurrent"] == before + 1  # a context belongs to a thread
    np.testing.assert_array_equal(out, 255 - picture)


@pytest.mark.parametrize(
    "call", ["cuStreamCreate", "cuMemHostAlloc", "cuMemAlloc"]
)  # fmt: skip
def test_what_was_taken_is_given_back_where_memory_ends(call: str) -> None:
    driver = FakeDriver()
    device = Device(driver=driver)
    driver.fail[call] = 2
    with pytest.raises(BackendError, match=r"out of memory \(CUDA error 2\); close what else"):
        Frame(device, TAKES, GIVES)
    device.close()
    assert driver.clean


def test_an_error_of_the_gpu_is_an_error_and_no_picture() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)
    inverting(driver, frame)
    out = np.full(GIVES.shape[1:], 7, np.uint8)
    driver.fail["cuStreamSynchronize"] = 700
    with pytest.raises(BackendError, match="cannot draw on the GPU: an illegal memory access"):
        frame.run(pictures(1)[0], out)
    assert (out == 7).all()


def test_a_recording_that_fails_does_not_go_on_for_ever() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)

    def queue() -> None:
        if driver.recording is not None:
            raise BackendError("it cannot be recorded")

    with pytest.raises(BackendError, match="cannot be recorded"):
        frame.record(queue)
    assert driver.recording is None
    with pytest.raises(BackendError, match="nothing was recorded"):
        frame.run(pictures(1)[0], np.empty(GIVES.shape[1:], np.uint8))


def test_the_gpus_own_clock_is_read() -> None:
    driver = FakeDriver()
    frame = Frame(Device(driver=driver), TAKES, GIVES)
    inverting(driver, frame)
    assert frame.time_ms() == 0.25
    assert driver.calls["cuEventDestroy"] == driver.calls["cuEventCreate"] == 2


def test_where_there_is_no_gpu_that_is_said_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "_LIBCUDA", "libno-such-driver.so.1")
    with pytest.raises(BackendError, match="no NVIDIA driver here") as caught:
        Device()
    assert "\n" not in str(caught.value)


def test_without_the_package_the_message_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cuda, "why_not", lambda: None)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    with pytest.raises(MissingDependency, match=r"\.\[rtx\]"):
        Device()


def test_the_module_needs_no_package_of_nvidia() -> None:
    code = "import engine.backends.tensorrt, engine.backends.cuda; engine.backends.cuda.why_not()"
    done = run_without(("cuda", "tensorrt_rtx"), code)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.skipif(sys.platform != "linux", reason="a library for Linux")
def test_nvidias_own_package_takes_every_call(tmp_path: Path) -> None:
    """For real but for the driver: cuda-bindings over a libcuda of C that drives no GPU."""
    pytest.importorskip("cuda.bindings")
    source, library = Path(__file__).parents[1] / "libcuda.c", tmp_path / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    code = (
        "import numpy as np\n"
        "from tests.unit.test_cuda import TAKES, Device, Frame, pictures\n"
        "device = Device()\n"
        "print(device.identity)\n"
        "frame = Frame(device, TAKES, TAKES)\n"
        "kept, frame.output_address = frame.output_address, frame.input_address\n"
        "frame.record(lambda: None)\n"
        "out = np.empty(TAKES.shape[1:], np.uint8)\n"
        "for picture in pictures(3):\n"
        "    frame.run(picture, out)\n"
        "    assert (out == picture).all()\n"
        "print(frame.time_ms(), device.free_bytes())\n"
        "try:\n"
        "    device.allocate(2**30)\n"
        "except Exception as error:\n"
        "    print(error)\n"
        "frame.close()\n"
        "print(device.free_bytes())\n"
        "device.close()\n"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", code],
        check=False, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    identity, timed, failed, left = told.stdout.splitlines()
    assert identity.startswith("NVIDIA of C 8.9, driver 13000")
    assert timed == f"0.25 {2**26 - 2 * 48}"
    assert failed.startswith("cannot take 1024.0 MB of GPU memory: out of memory (CUDA error 2)")
    assert left == str(2**26)


@pytest.mark.gpu
@pytest.mark.skipif(cuda.why_not() is not None, reason=str(cuda.why_not()))
def test_a_real_gpu_copies_what_it_is_given() -> None:
    """Upload and download by one graph of a real driver: the same bytes come back."""
    device = Device()
    frame = Frame(device, TAKES, TAKES)
    source = frame.input_address
    frame.output_address, kept = source, frame.output_address
    frame.record(lambda: None)
    out = np.empty(TAKES.shape[1:], np.uint8)
    for picture in pictures(3):
        frame.run(picture, out)
        np.testing.assert_array_equal(out, picture)
    assert 0 < frame.time_ms() < 1000
    frame.output_address = kept
    frame.close()
    device.close()

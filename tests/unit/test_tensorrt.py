import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from engine.app import DEFAULT_CHARACTER
from engine.backends import cuda
from engine.backends.cuda import Device
from engine.backends.onnxruntime import OnnxRuntimeBackend
from engine.backends.plans import PlanCache
from engine.backends.tensorrt import Gpu, TensorRtBackend
from engine.character import CharacterBundle
from engine.cli import app
from engine.console import EXIT_EXPLAINED
from engine.errors import BackendError, MissingDependency
from tests.bundles import stick_model
from tests.gpus import FakeDriver, FakeTensorRt

MODEL = stick_model(64).SerializeToString()


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    return PlanCache(tmp_path / "plans")


def start(
    cache: PlanCache, driver: FakeDriver, trt: FakeTensorRt, said: list[str] | None = None
) -> TensorRtBackend:
    return TensorRtBackend(
        MODEL, kind="tensorrt-rtx" if trt.rtx else "tensorrt",
        gpu=Gpu(Device(driver=driver), trt), cache=cache,
        on_progress=[].append if said is None else said.append,
    )  # fmt: skip


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("rtx", [True, False])
def test_it_draws_what_onnx_runtime_draws(cache: PlanCache, rtx: bool) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver, rtx=rtx)
    backend, other = start(cache, driver, trt), OnnxRuntimeBackend(MODEL)
    made, truth = np.empty((2, 64, 64, 4), np.uint8)
    for image in images(3):
        backend.run(image, made)
        other.run(image, truth)
        np.testing.assert_array_equal(made, truth)
    assert str(backend.input_spec) == str(other.input_spec)
    assert str(backend.output_spec) == str(other.output_spec)
    other.close()
    backend.close()
    backend.close()
    assert driver.clean
    assert trt.engines == 0


def test_every_step_comes_in_its_order(cache: PlanCache) -> None:
    driver = FakeDriver()
    backend = start(cache, driver, FakeTensorRt(driver))
    assert driver.log[0] == "cuInit"
    once = ["cuMemcpyHtoDAsync", "execute", "cuMemcpyDtoHAsync"]
    assert driver.log[driver.log.index("execute") - 1 :] == [
        *once, "cuStreamSynchronize", "cuStreamBeginCapture", *once, "cuStreamEndCapture",
        "cuGraphInstantiate", "cuGraphDestroy",
    ]  # fmt: skip
    driver.log.clear()
    out = np.empty((64, 64, 4), np.uint8)
    for image in images(2):
        backend.run(image, out)
    assert driver.log == ["cuCtxSetCurrent", "cuGraphLaunch", "cuStreamSynchronize"] * 2
    driver.log.clear()
    backend.close()
    # The graph goes before the memory that it uses, the GPU last.
    assert driver.log[1] == "cuGraphExecDestroy"
    assert driver.log[-1] == "cuDevicePrimaryCtxRelease"


def test_an_engine_is_built_once(cache: PlanCache) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver)
    for _ in range(2):
        start(cache, driver, trt).close()
    assert trt.built == 1
    assert trt.runtime_caches == [b"compiled kernels"]  # of the first run, given to the second


@pytest.mark.parametrize("change", ["driver", "library", "gpu", "kind"])
def test_a_stale_engine_is_built_anew(cache: PlanCache, change: str) -> None:
    driver = FakeDriver()
    start(cache, driver, FakeTensorRt(driver)).close()
    other = FakeDriver("8.6" if change == "gpu" else "8.9", version=13000 + (change == "driver"))
    trt = FakeTensorRt(other, rtx=change != "kind")
    trt.__version__ = "10.0" if change == "library" else trt.__version__
    start(cache, other, trt).close()
    assert trt.built == 1
    assert trt.runtime_caches == []


def test_an_engine_that_the_library_refuses_is_built_anew_and_said(cache: PlanCache) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver)
    start(cache, driver, trt).close()
    trt.broken.add(plan_of(cache))
    said: list[str] = []
    start(cache, driver, trt, said).close()
    assert trt.built == 2
    assert said == ["the kept engine cannot be used (made by another version): built anew"]
    start(cache, driver, trt).close()
    assert trt.built == 2  # the new one was kept


def plan_of(cache: PlanCache) -> bytes:
    plans = [p.read_bytes() for p in cache.folder.glob("*.plan")]
    (plan,) = [plan for plan in plans if plan != b"compiled kernels"]
    return plan


def test_an_engine_that_no_graph_can_hold_never_draws(cache: PlanCache) -> None:
    """TensorRT for RTX may take memory while it draws, unless it was built not to."""
    driver = FakeDriver()
    trt = FakeTensorRt(driver)
    start(cache, driver, trt).close()
    told = pickle.loads(plan_of(cache))
    assert told.pop("flags") == ["its memory is taken beforehand"]
    for path in cache.folder.glob("*.plan"):
        cache.put(path.stem, pickle.dumps(told), {})
    with pytest.raises(BackendError, match="cannot draw this network in a CUDA graph"):
        start(cache, driver, trt)
    assert driver.clean


def test_kernels_that_cannot_be_kept_are_compiled_again(cache: PlanCache) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver, refuse="serialise")
    for _ in range(2):
        start(cache, driver, trt).close()
    assert trt.runtime_caches == []
    with pytest.raises(BackendError, match="does not take its own runtime cache"):
        start(cache, driver, FakeTensorRt(driver, refuse="cache"))
    assert driver.clean


def test_a_damaged_engine_is_built_anew(cache: PlanCache) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver)
    start(cache, driver, trt).close()
    for path in cache.folder.glob("*.plan"):
        path.write_bytes(path.read_bytes()[:-1])
    start(cache, driver, trt).close()
    assert trt.built == 2


def test_an_engine_of_another_network_never_draws(cache: PlanCache) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver)
    start(cache, driver, trt).close()
    foreign = pickle.dumps({"model": stick_model(32).SerializeToString()})
    for path in cache.folder.glob("*.plan"):
        cache.put(path.stem, foreign, {})
    with pytest.raises(BackendError, match=r"1x32x32x3 where the network has pose: uint8 1x64"):
        start(cache, driver, trt)
    assert driver.clean


@pytest.mark.parametrize(
    ("refuse", "told"),
    [
        ("build", "cannot compile the network: no kernel for it"),
        ("deserialise", "cannot load its own engine: made by another version"),
        ("context", "cannot run its engine, which takes 3 MB"),
        ("address", "does not take an address for pose"),
        ("execute", "TensorRT failed: it does not say why"),
    ],
)
def test_whatever_fails_is_an_error_that_leaves_nothing(
    cache: PlanCache, refuse: str, told: str
) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver, refuse=refuse)
    with pytest.raises(BackendError, match=told):
        start(cache, driver, trt)
    assert driver.clean
    assert trt.engines == 0


@pytest.mark.parametrize(("memory_mb", "wanted"), [(63, 0), (66, 3)])
def test_too_little_memory_is_told_with_figures(
    cache: PlanCache, memory_mb: float, wanted: int
) -> None:
    driver = FakeDriver(memory_mb=memory_mb)
    trt = FakeTensorRt(driver)
    told = f"takes {wanted} MB more .* only {memory_mb} MB are; close what else"
    with pytest.raises(BackendError, match=told):
        start(cache, driver, trt)
    assert driver.clean
    assert trt.engines == 0


def test_a_card_that_rtx_does_not_know_is_told_with_those_that_it_does(cache: PlanCache) -> None:
    driver = FakeDriver("9.0")
    with pytest.raises(BackendError, match=r"no compute capability 9\.0 .* it has 7\.5"):
        start(cache, driver, FakeTensorRt(driver))
    start(cache, driver, FakeTensorRt(driver, rtx=False)).close()
    assert driver.clean


def test_tensorrt_goes_on_from_what_it_measured(cache: PlanCache) -> None:
    driver = FakeDriver()
    trt = FakeTensorRt(driver, rtx=False)
    start(cache, driver, trt).close()
    TensorRtBackend(
        stick_model(32).SerializeToString(), kind="tensorrt",
        gpu=Gpu(Device(driver=driver), trt), cache=cache,
    ).close()  # fmt: skip
    assert trt.timing_caches == [b"", b"timings"]


def test_it_says_what_it_takes_of_the_gpu(cache: PlanCache) -> None:
    driver = FakeDriver()
    backend = start(cache, driver, FakeTensorRt(driver))
    assert 3 < backend.memory_mb < 3.1  # activations, weights, both pictures
    backend.close()


def test_without_a_gpu_it_is_one_clear_line(
    cache: PlanCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For real: this is what a machine without a GPU says."""
    monkeypatch.setattr(cuda, "_LIBCUDA", "libno-such-driver.so.1")
    with pytest.raises(BackendError, match="no NVIDIA driver here") as caught:
        TensorRtBackend(MODEL, cache=cache)
    assert "\n" not in str(caught.value)
    result = CliRunner().invoke(app, ["compile", str(DEFAULT_CHARACTER), "--target", "gpu"])
    assert result.exit_code == EXIT_EXPLAINED
    assert "no NVIDIA driver here" in result.output


def test_without_tensorrt_the_gpu_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeDriver()
    monkeypatch.setattr(cuda, "load", lambda: driver)
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingDependency, match=r"\.\[gpu\]"):
        Gpu.open("tensorrt")
    assert driver.clean


@pytest.mark.gpu
@pytest.mark.skipif(cuda.why_not() is not None, reason=str(cuda.why_not()))
@pytest.mark.parametrize("kind", ["tensorrt-rtx", "tensorrt"])
def test_a_real_gpu_draws_as_onnx_runtime_does(cache: PlanCache, kind: str) -> None:
    pytest.importorskip(kind.replace("-", "_"))
    model = CharacterBundle.load(DEFAULT_CHARACTER).need_generator().model
    backend, other = TensorRtBackend(model, kind=kind, cache=cache), OnnxRuntimeBackend(model)
    made, truth = np.empty((2, 256, 256, 4), np.uint8)
    image = np.full((256, 256, 3), 255, np.uint8)
    image[60:200, 120:136] = (0, 128, 255)
    backend.run(image, made)
    other.run(image, truth)
    other.close()
    backend.close()
    assert np.abs(made.astype(int) - truth).mean() < 0.5

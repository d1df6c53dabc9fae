import tomllib
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import doctor
from engine.backends import choose, cuda, nvidia, tensorrt
from engine.backends.choose import Candidate, open_candidate, start
from engine.backends.cuda import Identity
from engine.backends.probes import generator_of
from engine.character import CharacterBundle
from engine.commands.options import BackendName
from engine.errors import BackendError, MissingDependency, ProviderMissing
from tests.bundles import write_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def network(tmp_path: Path) -> Any:
    return CharacterBundle.load(write_bundle(tmp_path / "stick.character")).need_generator()


def gpu(
    monkeypatch: pytest.MonkeyPatch, capability: str = "8.9", here: tuple[str, ...] = (),
    added: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    monkeypatch.setattr(nvidia, "why_not", lambda: None)
    monkeypatch.setattr(nvidia, "identify", lambda: Identity("Card", capability, "13000"))
    monkeypatch.setattr(nvidia, "_installed", lambda module: module in ("cuda.bindings", *here))
    monkeypatch.setattr(nvidia, "_added", lambda: added or {})


def test_without_a_gpu_there_is_nothing_and_nothing_is_loaded(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia, "why_not", lambda: "there is no NVIDIA driver here")
    monkeypatch.setattr(nvidia, "_added", lambda: pytest.fail("torch would have been imported"))
    assert nvidia.candidates(network) == []
    assert nvidia.gpu() is None
    for name in nvidia.BACKENDS:
        assert nvidia.missing(name) == "there is no NVIDIA driver here"
        with pytest.raises(BackendError, match="no NVIDIA driver"):
            open_candidate(Candidate(name, "fp32"), network, 1)


def test_what_is_installed_is_a_candidate(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = SimpleNamespace(precisions=lambda: ("fp32", "bf16"))
    gpu(monkeypatch, here=("tensorrt_rtx", "tensorrt"), added={"torch-cuda": torch})
    found = [f"{name} {precision}" for name, precision in nvidia.candidates(network)]
    assert found == [
        "tensorrt-rtx fp32", "tensorrt-rtx fp16", "tensorrt fp32", "tensorrt fp16",
        "torch-cuda fp32", "torch-cuda bf16",
    ]  # fmt: skip
    assert {str(c) for c in choose.candidates(network)} > set(found)


def test_rtx_is_none_where_it_does_not_know_the_card(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu(monkeypatch, "9.0", ("tensorrt_rtx",))
    assert nvidia.candidates(network) == []
    assert nvidia.missing("tensorrt-rtx") == "it does not know compute capability 9.0"
    assert ".[gpu]" in nvidia.missing("tensorrt")
    assert ".[train]" in nvidia.missing("torch-cuda")


def test_asking_for_one_that_is_not_here_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    gpu(monkeypatch)
    subject = generator_of(CharacterBundle.load(write_bundle(tmp_path / "stick.character")))
    with pytest.raises(ProviderMissing, match=r"tensorrt-rtx: it is not installed.*\[rtx\]"):
        start(subject, backend="tensorrt-rtx")
    with pytest.raises(MissingDependency, match="adds the backend torch-cuda"):
        open_candidate(Candidate("torch-cuda", "fp32"), subject.network, 1)


def test_what_another_package_adds_is_opened_by_it(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Any, str]] = []
    torch = SimpleNamespace(open_backend=lambda n, p: opened.append((n, p)))
    gpu(monkeypatch, added={"torch-cuda": torch})
    open_candidate(Candidate("torch-cuda", "fp16"), network, 1)
    assert opened == [(network, "fp16")]


def test_the_doctor_says_what_draws_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "why_not", lambda: None)
    gpu(monkeypatch)
    check = doctor._nvidia()
    assert check.status == "optional"
    assert check.detail.startswith("Card 8.9, driver 13000, but nothing that draws on it")
    torch = SimpleNamespace(precisions=lambda: ("fp32",))
    gpu(monkeypatch, here=("tensorrt_rtx",), added={"torch-cuda": torch})
    check = doctor._nvidia()
    assert (check.status, check.detail) == (
        "ok", "Card 8.9, driver 13000: tensorrt-rtx, torch-cuda",
    )  # fmt: skip


def test_one_that_does_not_start_is_refused_in_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package without its libraries, a frame that fails: seen, said, and the others go on."""
    subject = generator_of(CharacterBundle.load(write_bundle(tmp_path / "stick.character")))

    def fail(given: Any, out: Any) -> None:
        raise BackendError("the GPU fell off the bus")

    broken = SimpleNamespace(name="x", run=fail, close=lambda: None)
    torch = SimpleNamespace(precisions=lambda: ("fp16",), open_backend=lambda n, p: broken)
    gpu(monkeypatch, here=("tensorrt_rtx",), added={"torch-cuda": torch})
    monkeypatch.setattr(tensorrt, "Gpu", SimpleNamespace(open=_not_there))
    wanted = [Candidate(*able) for able in nvidia.candidates(subject.network)]
    trial = choose.measure(subject, [Candidate("onnxruntime", "fp32"), *wanted], 1)
    told = {str(entry.candidate): entry.refused for entry in trial}
    assert told == {
        "tensorrt-rtx fp32": "TensorRT for RTX cannot be loaded",
        "tensorrt-rtx fp16": "TensorRT for RTX cannot be loaded",
        "torch-cuda fp16": "the GPU fell off the bus",
        "onnxruntime fp32": None,
    }


def _not_there(kind: str) -> Any:
    raise MissingDependency("TensorRT for RTX cannot be loaded")


def test_the_entry_point_leads_to_what_the_engine_expects() -> None:
    pytest.importorskip("torch")
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for name, module in told[nvidia.GROUP].items():
        assert name in nvidia.BACKENDS
        runtime = import_module(module)
        assert callable(runtime.precisions)
        assert callable(runtime.open_backend)


def test_the_command_line_has_all_names() -> None:
    assert {name.value for name in BackendName} == {"auto", *choose.BACKENDS}

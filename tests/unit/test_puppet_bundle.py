"""Bundles that are a puppet: written, read, refused, and on stage."""

import json
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from engine.backends import choose
from engine.backends.choose import Candidate
from engine.backends.shelf import Shelf
from engine.casting import load_cast, open_actor, what_draws
from engine.character import CharacterBundle, pack
from engine.errors import BackendError, BundleDamaged, NotInBundle, SinkError
from engine.manifest import Manifest, PrecisionManifest
from engine.options import Options
from engine.puppet.bundle import write_puppet_bundle
from engine.puppet.drawing import CutDrawing
from engine.puppet.puppet import Puppet
from engine.puppet.trial import painter_of
from tests.bundles import painter_model, rewrite_manifest, write_bundle
from tests.cut_drawings import cut_drawing
from tests.puppets import skeleton

SIZE = 64


def write(path: Path, drawings: list[CutDrawing] | None = None, **more: object) -> Path:
    reference = np.full((90, 60, 4), 200, np.uint8)
    given = [cut_drawing(SIZE)] if drawings is None else drawings
    return write_puppet_bundle(path, "Doll", given, skeleton(SIZE), reference, **more)


@pytest.fixture
def doll(tmp_path: Path) -> Path:
    return write(tmp_path / "doll.character", author="me", training={"cut": "by hand"})


def test_what_was_written_is_read(doll: Path) -> None:
    bundle = CharacterBundle.load(doll)
    drawing = cut_drawing(SIZE)
    assert (bundle.name, bundle.resolution, bundle.generator) == ("Doll", SIZE, None)
    (found,) = bundle.drawings
    np.testing.assert_array_equal(found.pixels, drawing.pixels)
    np.testing.assert_allclose(found.joints, drawing.joints)
    assert found.name == "front"
    np.testing.assert_allclose(bundle.skeleton.rest, skeleton(SIZE).rest, rtol=1e-6)
    assert bundle.manifest.training == {"cut": "by hand"}
    files = bundle.files()
    assert sorted(files) == ["parts.front.png", "parts.front.whole.png", "reference.png"]
    assert not doll.with_name("doll.character.partial").exists()


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.character"), write(tmp_path / "b.character")
    assert a.read_bytes() == b.read_bytes()


def test_several_drawings(tmp_path: Path) -> None:
    front, back = cut_drawing(SIZE), replace(cut_drawing(SIZE, seed=1), name="back")
    bundle = CharacterBundle.load(write(tmp_path / "two.character", [front, back]))
    assert [drawing.name for drawing in bundle.drawings] == ["front", "back"]
    with pytest.raises(ValueError, match="two drawings have one name"):
        write(tmp_path / "twins.character", [front, front])
    with pytest.raises(ValueError, match="one size"):
        write(tmp_path / "none.character", [])


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        write(tmp_path / "nowhere" / "doll.character")


def test_damage_is_told(doll: Path, tmp_path: Path) -> None:
    content = json.loads(zipfile.ZipFile(doll).read("manifest.json"))
    puppet = content["puppet"]
    with pytest.raises(BundleDamaged, match="nothing in it draws"):
        CharacterBundle.load(rewrite_manifest(doll, puppet=None))
    with pytest.raises(BundleDamaged, match="comes with its file"):
        CharacterBundle.load(rewrite_manifest(doll, puppet=puppet, generator="reference.png"))
    (drawing,) = puppet["drawings"]
    swapped = drawing | {"parts": drawing["whole"], "whole": drawing["parts"]}
    path = rewrite_manifest(doll, generator=None, puppet={"drawings": [swapped]})
    with pytest.raises(BundleDamaged, match="front: expected a PNG of shape"):
        CharacterBundle.load(path)
    nowhere = drawing | {"joints": [[1e39] * 4] * 20}
    with pytest.raises(BundleDamaged, match="less than or equal to 1000000"):
        CharacterBundle.load(rewrite_manifest(doll, puppet={"drawings": [nowhere]}))
    named = drawing | {"parts": "other.png"}
    with pytest.raises(BundleDamaged, match="no hash for"):
        CharacterBundle.load(rewrite_manifest(doll, puppet={"drawings": [named]}))


def test_a_puppet_plays_and_says_so(doll: Path) -> None:
    said: list[str] = []
    cast = load_cast([doll], say=said.append)
    (actor,) = cast.actors
    out = np.zeros((SIZE, SIZE, 4), np.uint8)
    actor.draw(actor.bundle.skeleton.rest, np.zeros((SIZE, SIZE, 3), np.uint8), out)
    assert out.any()
    assert said == ["Doll: drawn by puppet"]
    cast.close()


def test_what_draws_can_be_asked_for(doll: Path, tmp_path: Path) -> None:
    stick = CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    puppet = CharacterBundle.load(doll)
    drawings = {"puppet": puppet.manifest.puppet}
    manifest = Manifest.model_validate(stick.manifest.model_dump() | drawings)
    both = replace(stick, manifest=manifest, drawings=puppet.drawings)
    assert [what_draws(b, "auto") for b in (stick, puppet, both)] == [
        "generator", "puppet", "generator",
    ]  # fmt: skip
    assert what_draws(both, "puppet") == "puppet"
    for bundle, draw in ((stick, "puppet"), (puppet, "generator")):
        with pytest.raises(NotInBundle, match=bundle.name):
            what_draws(bundle, draw)
    actor = open_actor(both, Options(draw="puppet"), Shelf())
    assert actor.generator.name == "puppet"
    actor.close()
    assert {*both.files()} == {*stick.files(), *puppet.files()}


def test_a_puppet_may_be_larger_than_the_generator(tmp_path: Path) -> None:
    stick = CharacterBundle.load(write_bundle(tmp_path / "stick.character"))
    size = 2 * SIZE
    drawn = write(tmp_path / "doll.character", [cut_drawing(size)])
    puppet = CharacterBundle.load(drawn)
    assert puppet.manifest.puppet is not None
    larger = puppet.manifest.puppet.model_copy(update={"resolution": size})
    files = {**stick.files(), **puppet.files()}
    update = {
        "puppet": larger.model_dump(), "prefers": "puppet",
        "files": {name: sha256(data).hexdigest() for name, data in files.items()},
    }  # fmt: skip
    path = tmp_path / "both.character"
    path.write_bytes(pack(files, Manifest.model_validate(stick.manifest.model_dump() | update)))
    both = CharacterBundle.load(path)
    assert both.resolution == stick.resolution == SIZE
    assert what_draws(both, "auto") == "puppet"
    assert what_draws(both, "generator") == "generator"

    small = both.drawn_by("generator")
    assert (small.resolution, small.drawings) == (SIZE, ())
    large = both.drawn_by("puppet")
    assert (large.resolution, large.generator) == (size, None)
    np.testing.assert_allclose(large.skeleton.rest[:, :3], 2 * stick.skeleton.rest[:, :3])
    assert large.skeleton.floor_y == 2 * stick.skeleton.floor_y
    assert {*large.files()} == {*puppet.files()}
    for draw, side in (("auto", size), ("generator", SIZE)):
        actor = open_actor(both, Options(draw=draw), Shelf())  # type: ignore[arg-type]
        out = np.zeros((side, side, 4), np.uint8)
        actor.draw(actor.bundle.skeleton.rest, np.full((side, side, 3), 9, np.uint8), out)
        assert actor.bundle.resolution == side
        assert out.any()
        actor.close()


def test_nothing_is_preferred_where_there_is_no_choice(doll: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged, match="prefers"):
        CharacterBundle.load(rewrite_manifest(doll, prefers="puppet"))


def test_a_painter_is_chosen_like_any_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    both = [Candidate("onnxruntime", "fp32"), Candidate("onnxruntime", "int8")]
    monkeypatch.setattr(choose, "candidates", lambda network: both)
    likeness = {"ssim": 1.0, "ssim_min": 1.0, "mean_error": 0.0, "max_error": 0}
    entry = PrecisionManifest(file="painter.int8.onnx", **likeness)
    path = write(
        tmp_path / "painted.character",
        painter=painter_model(SIZE, 100), painter_int8=(painter_model(SIZE, 101), entry),
    )  # fmt: skip
    bundle = CharacterBundle.load(path)
    assert {*bundle.painter.variants} == {"int8"}
    assert {"painter.onnx", "painter.int8.onnx"} < {*bundle.files()}
    cast = load_cast([bundle])
    (actor,) = cast.actors
    assert {entry.precision for entry in actor.choice.trial} == {"fp32", "int8"}
    assert all(entry.refused is None for entry in actor.choice.trial)
    assert actor.generator.name.startswith("puppet, painted by")
    out, plain = np.zeros((2, SIZE, SIZE, 4), np.uint8)
    actor.draw(bundle.skeleton.rest, np.full((SIZE, SIZE, 3), 255, np.uint8), out)
    Puppet(bundle.drawings).carry(bundle.skeleton.rest, plain)
    solid = plain[..., 3] == 255
    darker = plain[solid][:, :3].astype(int) - out[solid][:, :3]
    assert 40 < np.median(darker) < 70  # 28 of 127
    cast.close()


def test_a_painter_that_paints_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYATSURI_CACHE", str(tmp_path / "cache"))
    likeness = {"ssim": 1.0, "ssim_min": 1.0, "mean_error": 0.0, "max_error": 0}
    entry = PrecisionManifest(file="painter.int8.onnx", **likeness)
    path = write(
        tmp_path / "painted.character",
        painter=painter_model(SIZE), painter_int8=(painter_model(SIZE, 0), entry),
    )  # fmt: skip
    with pytest.raises(BackendError, match="SSIM"):
        load_cast([path], Options(backend="onnxruntime", precision="int8"))


def test_a_bundle_without_a_painter_has_no_painter_to_try(doll: Path) -> None:
    with pytest.raises(NotInBundle, match="no painter"):
        painter_of(CharacterBundle.load(doll))

import contextlib
import json
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.character import CharacterBundle, pack
from engine.errors import (
    BundleDamaged,
    BundleError,
    BundleHashMismatch,
    BundleNotFound,
    BundleTooNew,
)
from tests.bundles import bundle_files, rewrite_manifest, stick_model, write_bundle


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "stick.character")


def test_a_zip_and_a_folder_hold_the_same_character(stick: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with zipfile.ZipFile(stick) as archive:
        archive.extractall(folder)
    zipped, unzipped = CharacterBundle.load(stick), CharacterBundle.load(folder)
    assert zipped.name == unzipped.name == "Stick"
    assert zipped.generator.model == unzipped.generator.model
    assert zipped.resolution == 64
    assert zipped.reference.shape == (64, 64, 4)
    np.testing.assert_array_equal(zipped.skeleton.rest, unzipped.skeleton.rest)


def test_packing_is_reproducible() -> None:
    assert pack(*bundle_files()) == pack(*bundle_files())


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound, match="no character bundle"):
        CharacterBundle.load(tmp_path / "absent.character")


def with_int8(path: Path, model: bytes, **changes: object) -> Path:
    """A bundle with a second generator."""
    files, manifest = bundle_files()
    files["generator.int8.onnx"] = model
    entry = {"file": "generator.int8.onnx", "ssim": 0.99, "ssim_min": 0.98,
             "mean_error": 0.3, "max_error": 90} | changes  # fmt: skip
    told = manifest.model_dump() | {
        "precisions": {"int8": entry},
        "files": {name: sha256(data).hexdigest() for name, data in files.items()},
    }
    path.write_bytes(pack(files, manifest.model_validate(told)))
    return path


def test_a_bundle_may_hold_other_precisions(tmp_path: Path) -> None:
    model = stick_model(64)
    model.producer_name = "another"
    path = with_int8(tmp_path / "two.character", model.SerializeToString())
    bundle = CharacterBundle.load(path)
    assert bundle.generator.variants == {"int8": model.SerializeToString()}
    assert bundle.generator.model != bundle.generator.variants["int8"]
    assert bundle.manifest.precisions["int8"].ssim == 0.99


def test_other_precisions_are_checked_as_the_first_is(tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged, match="no valid ONNX"):
        CharacterBundle.load(with_int8(tmp_path / "a.character", b"not a model"))
    other = stick_model(128).SerializeToString()
    with pytest.raises(BundleDamaged, match="the model has"):
        CharacterBundle.load(with_int8(tmp_path / "b.character", other))
    model = stick_model(64).SerializeToString()
    with pytest.raises(BundleDamaged, match=r"no hash for 'else\.onnx'"):
        CharacterBundle.load(with_int8(tmp_path / "c.character", model, file="else.onnx"))


def test_a_bundle_of_the_first_schema_loads(stick: Path) -> None:
    with zipfile.ZipFile(stick) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    del manifest["precisions"]
    with zipfile.ZipFile(stick) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["manifest.json"] = json.dumps(manifest | {"schema_version": 1}).encode()
    with zipfile.ZipFile(stick, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    bundle = CharacterBundle.load(stick)
    assert bundle.manifest.schema_version == 1
    assert bundle.generator.variants == {}


def test_too_new(stick: Path) -> None:
    with pytest.raises(BundleTooNew, match="update"):
        CharacterBundle.load(rewrite_manifest(stick, schema_version=99))


def test_a_changed_file_is_named(stick: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with zipfile.ZipFile(stick) as archive:
        archive.extractall(folder)
    (folder / "generator.onnx").write_bytes(b"something else")
    with pytest.raises(BundleHashMismatch, match=r"generator\.onnx"):
        CharacterBundle.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": {}}, "no hash"),
        ({"files": {"gone.bin": "0" * 64}}, "not there"),
        ({"resolution": 7}, "resolution"),
        ({"name": ""}, "name"),
        ({"surprise": 1}, "surprise"),
        ({"schema_version": "one"}, "schema_version"),
        ({"resolution": 128}, "maps"),
        ({"input": {"name": "x", "dtype": "uint8", "shape": [1, 64, 64, 3]}}, "the model has"),
        ({"skeleton": None}, "skeleton"),
    ],
)
def test_a_manifest_that_lies(stick: Path, changes: dict, message: str) -> None:
    with pytest.raises(BundleDamaged, match=message):
        CharacterBundle.load(rewrite_manifest(stick, **changes))


def test_bones_without_length_are_refused(stick: Path) -> None:
    with zipfile.ZipFile(stick) as archive:
        skeleton = json.loads(archive.read("manifest.json"))["skeleton"]
    skeleton["bone_lengths"][3] = 0.0
    with pytest.raises(BundleDamaged, match="positive"):
        CharacterBundle.load(rewrite_manifest(stick, skeleton=skeleton))


def _with_model(tmp_path: Path, model: bytes) -> Path:
    return write_bundle(tmp_path / "odd.character", model=model)


def test_external_weights_are_refused(tmp_path: Path) -> None:
    proto = stick_model()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("int32_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    with pytest.raises(BundleDamaged, match=r"outside the file|no valid ONNX"):
        CharacterBundle.load(_with_model(tmp_path, proto.SerializeToString()))


def test_custom_operators_are_refused(tmp_path: Path) -> None:
    proto = stick_model()
    proto.graph.node[0].domain = "my.domain"
    proto.opset_import.append(onnx.helper.make_opsetid("my.domain", 1))
    with pytest.raises(BundleDamaged, match="not a standard one"):
        CharacterBundle.load(_with_model(tmp_path, proto.SerializeToString()))


def test_not_onnx(tmp_path: Path) -> None:
    with pytest.raises(BundleDamaged, match="no valid ONNX"):
        CharacterBundle.load(_with_model(tmp_path, b"\x00\x01 not a model"))


def test_a_reference_without_alpha_is_refused(tmp_path: Path) -> None:
    import cv2

    files, manifest = bundle_files()
    files["reference.png"] = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    digest = sha256(files["reference.png"]).hexdigest()
    manifest = manifest.model_copy(update={"files": {**manifest.files, "reference.png": digest}})
    path = tmp_path / "x.character"
    path.write_bytes(pack(files, manifest))
    with pytest.raises(BundleDamaged, match="alpha"):
        CharacterBundle.load(path)


def test_a_zip_that_claims_too_much_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.character"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("generator.onnx", bytes(300 * 2**20))
    with pytest.raises(BundleDamaged, match="300 MB"):
        CharacterBundle.load(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_a_bundle_error(data: st.DataObject, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("damage") / "stick.character"
    content = bytearray(pack(*bundle_files()))
    if data.draw(st.booleans(), label="truncate"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with contextlib.suppress(BundleError):
        CharacterBundle.load(path)  # some bytes of a zip mean nothing

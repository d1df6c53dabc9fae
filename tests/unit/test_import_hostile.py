"""Damaged, hostile and odd character files end in one clear error, quickly and in little memory."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests import dolls
from tests.drawings import png_of
from training.characters.character import rest_pose
from training.characters.imports.errors import CharacterFileError
from training.characters.imports.files import find_beside
from training.characters.imports.images import decode_image
from training.characters.imports.load import load_character

DOLL = dolls.doll()
NAMES = dolls.mixamo_names(DOLL)
FILES: dict[str, bytes] = {
    "doll.glb": dolls.glb(*dolls.gltf_document(DOLL, NAMES)),
    "doll.gltf": dolls.gltf_text(DOLL, NAMES),
    "one.vrm": dolls.vrm1(DOLL),
    "zero.vrm": dolls.vrm0(DOLL),
    "doll.pmx": dolls.pmx(DOLL, ("body.png", "body.png")),
    "doll.pmd": dolls.pmd(DOLL, "body.png"),
}
EVIL = (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\0" * 4)
KINDS = ("PNG", "BMP", "TGA", "GIF", "DDS", "JPEG")
FUZZ = settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "body.png").write_bytes(dolls.png())
    return tmp_path


def read(folder: Path, name: str, data: bytes) -> None:
    """Load a file that may be broken: a sound character or a CharacterFileError, nothing else."""
    path = folder / name
    path.write_bytes(data)
    try:
        character = load_character(path)
    except CharacterFileError as error:
        message = str(error)
    else:
        assert np.isfinite(character.pose(rest_pose()).vertices).all()
        assert np.isfinite(character.landmarks).all()
        return
    assert message.startswith(name)
    assert len(message) < 2000


def refuse(folder: Path, name: str, data: bytes, message: str) -> None:
    path = folder / name
    path.write_bytes(data)
    with pytest.raises(CharacterFileError, match=message):
        load_character(path)


@pytest.mark.parametrize("name", sorted(FILES))
@FUZZ
@given(data=st.data())
def test_truncated_files(folder: Path, name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    read(folder, name, whole[: data.draw(st.integers(0, len(whole) - 1))])


@pytest.mark.parametrize("name", sorted(FILES))
@FUZZ
@given(data=st.data())
def test_overwritten_bytes(folder: Path, name: str, data: st.DataObject) -> None:
    broken = bytearray(FILES[name])
    evil = st.one_of(
        st.binary(min_size=1, max_size=8),
        st.sampled_from(EVIL),
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at, what = data.draw(st.integers(0, len(broken) - 8)), data.draw(evil)
        broken[at : at + len(what)] = what
    read(folder, name, bytes(broken))


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats()
JSON = st.recursive(
    SCALARS | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", ["doll.gltf", "one.vrm", "zero.vrm"])
@FUZZ
@given(data=st.data())
def test_any_value_in_the_json(folder: Path, name: str, data: st.DataObject) -> None:
    whole = FILES[name]
    binary = b""
    if name.endswith("gltf"):
        document = json.loads(whole)
    else:
        size = struct.unpack_from("<I", whole, 12)[0]
        document, binary = json.loads(whole[20 : 20 + size]), whole[28 + size :]
    here: Any = document
    while True:  # down to a random place, and put anything there
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(here[key], dict | list) and len(here[key]) and data.draw(st.integers(0, 3)):
            here = here[key]
            continue
        here[key] = data.draw(JSON)
        break
    broken = json.dumps(document).encode()
    read(folder, name, broken if name.endswith("gltf") else dolls.glb(document, binary))


@pytest.mark.parametrize("name", sorted(FILES))
def test_noise_and_nothing(folder: Path, name: str) -> None:
    noise = np.random.default_rng(0).bytes(4096)
    for data in (b"", FILES[name][:4], noise, FILES[name][:4] + noise):
        refuse(folder, name, data, name)


def test_an_unknown_suffix_and_a_missing_file(folder: Path) -> None:
    refuse(folder, "doll.fbx", b"", "expected a file ending in one of .pmx")
    with pytest.raises(CharacterFileError, match="expected a readable file"):
        load_character(folder / "nobody.vrm")
    (folder / "folder.pmx").mkdir()
    with pytest.raises(CharacterFileError, match="expected a readable file"):
        load_character(folder / "folder.pmx")


def changed(**entries: Any) -> bytes:
    document, data = dolls.gltf_document(DOLL, NAMES)
    return dolls.glb({**document, **entries}, data)


def test_absurd_counts_are_refused_before_memory_is_taken(folder: Path) -> None:
    document, _ = dolls.gltf_document(DOLL, NAMES)
    accessors = [dict(a) for a in document["accessors"]]
    accessors[0] |= {"count": 2**31}
    refuse(folder, "a.glb", changed(accessors=accessors), "count")
    many = [{"primitives": [document["meshes"][0]["primitives"][0]] * 4000}]
    refuse(folder, "b.glb", changed(meshes=many), "at most 400000 vertices")
    empty = [dict(a) for a in document["accessors"]]
    empty[0] = {"componentType": 5126, "type": "VEC3", "count": 3_999_999}  # no bytes behind it
    refuse(folder, "c.glb", changed(accessors=empty), "at most 400000 vertices")
    pmx = bytearray(FILES["doll.pmx"])
    at = pmx.index(struct.pack("<i", len(DOLL.vertices)))
    pmx[at : at + 4] = struct.pack("<i", 2**31 - 1)
    refuse(folder, "d.pmx", bytes(pmx), "a number of vertices that fits")
    pmd = bytearray(FILES["doll.pmd"])
    pmd[283:287] = struct.pack("<I", 2**32 - 1)
    refuse(folder, "e.pmd", bytes(pmd), "a number of vertices that fits")


def test_loops_of_nodes_are_refused(folder: Path) -> None:
    document, _ = dolls.gltf_document(DOLL, NAMES)
    nodes = [dict(node) for node in document["nodes"]]
    nodes[3] = {**nodes[3], "children": [0]}
    refuse(folder, "a.glb", changed(nodes=nodes), "form a tree")
    deep = b'{"asset":' * 100_000
    refuse(folder, "b.gltf", deep, "a JSON document")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_broken_numbers_are_refused(folder: Path, value: float) -> None:
    made = dolls.doll()
    made.vertices[5] = np.array([value, 0, 0])
    with np.errstate(invalid="ignore", over="ignore"):
        for name, data in (
            ("a.glb", dolls.glb(*dolls.gltf_document(made, NAMES))),
            ("a.pmx", dolls.pmx(made, ("body.png", "body.png"))),
            ("a.pmd", dolls.pmd(made, "body.png")),
        ):
            refuse(folder, name, data, "finite")


OUTSIDE = (
    "../secret.png", "..\\secret.png", "/etc/hostname", "C:\\secret.png", "a/../../secret.png",
    "file:///etc/hostname", "\\\\server\\share.png",
)  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_textures_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(dolls.png())
    refuse(folder, "a.pmx", dolls.pmx(DOLL, (name, name)), "inside the model's own folder")
    if len(name) < 20:
        refuse(folder, "a.pmd", dolls.pmd(DOLL, name), "inside the model's own folder")
    document, data = dolls.gltf_document(DOLL, NAMES)
    document["images"][0] = {"uri": name.replace("\\", "%5C")}
    refuse(folder, "a.glb", dolls.glb(document, data), "inside the model's own folder")


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(dolls.png())
    try:
        (folder / "body.png").symlink_to(tmp_path / "secret.png")
    except OSError:
        pytest.skip("this system does not let tests make links")
    refuse(folder, "a.pmx", dolls.pmx(DOLL, ("body.png",) * 2), "a link out of it")


def test_names_are_found_as_users_expect(tmp_path: Path) -> None:
    (tmp_path / "Tex").mkdir()
    (tmp_path / "Tex" / "Body.PNG").write_bytes(b"")
    (tmp_path / "hair.png").write_bytes(b"")
    (tmp_path / "a b.png").write_bytes(b"")
    assert find_beside(tmp_path, "tex\\body.png") == tmp_path / "Tex" / "Body.PNG"
    assert find_beside(tmp_path, "textures/hair.png") == tmp_path / "hair.png"
    assert find_beside(tmp_path, "a%20b.png", percent=True) == tmp_path / "a b.png"
    assert find_beside(tmp_path, "none.png") is None
    assert find_beside(tmp_path, "") is None
    assert find_beside(tmp_path, "x" * 5000) is None


def test_missing_textures_are_named_or_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.pmx"
    path.write_bytes(dolls.pmx(DOLL, ("lost.png", "lost.png")))
    with pytest.raises(CharacterFileError, match=r"the texture 'lost.png' beside the model"):
        load_character(path)
    character = load_character(path, without_textures=True)
    assert character.mesh.surfaces is not None
    assert (character.mesh.surfaces.base == -1).all()


def bomb(width: int, height: int) -> bytes:
    """A valid, tiny PNG header of a huge picture."""
    return png_of(width, height, zlib.compress(bytes(4096), 9))


@pytest.mark.parametrize("size", [(60_000, 60_000), (1, 100_000), (16_384, 16_384)])
def test_huge_pictures_are_refused_unread(folder: Path, size: tuple[int, int]) -> None:
    (folder / "huge.png").write_bytes(bomb(*size))
    refuse(folder, "a.pmx", dolls.pmx(DOLL, ("huge.png",) * 2), "scale the texture down")


def test_broken_pictures_are_refused(folder: Path) -> None:
    whole = dolls.png(side=64)
    for data, message in (
        (whole[:60], "a whole texture"), (b"not a picture", "in one of the formats"),
        (b"", "in one of the formats"), (b"RIFF\0\0\0\0WEBPVP8 ", "texture"),
    ):  # fmt: skip
        (folder / "bad.png").write_bytes(data)
        refuse(folder, "a.pmx", dolls.pmx(DOLL, ("bad.png",) * 2), message)


@FUZZ
@given(
    data=st.binary(max_size=200), kind=st.sampled_from(["PNG", "BMP", "TGA", "GIF", "DDS", "JPEG"])
)
def test_fuzzed_pictures(data: bytes, kind: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (9, 7), (9, 99, 199)).save(stream, kind)
    whole = bytearray(stream.getvalue())
    whole[len(whole) // 3 : len(whole) // 3 + len(data)] = data
    try:
        picture = decode_image(bytes(whole), "t", 64)
    except CharacterFileError:
        return
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert max(picture.shape[:2]) <= 64


@pytest.mark.parametrize("kind", [*KINDS, "WEBP"])
def test_every_kind_of_picture_is_read_and_scaled(kind: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (300, 100), (10, 200, 30)).save(stream, kind)
    picture = decode_image(stream.getvalue(), "t", 150)
    assert max(picture.shape[:2]) == 150
    np.testing.assert_allclose(picture[20, 20], (10, 200, 30, 255), atol=12)

"""PMX 2.0 and 2.1, the models of MikuMikuDance ("PMX仕様.txt", distributed with PmxEditor).

Our own reader: of those on PyPI, one returns no bones and another nothing but bones.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.binary import Cursor
from training.characters.imports.errors import fail
from training.characters.imports.files import read_bytes
from training.characters.imports.mmd import (
    FLIP,
    LIGHT,
    TextureShelf,
    followers_of,
    humanoid_of,
    picture_ramp,
    shared_ramp,
    springs_of,
)  # fmt: skip
from training.characters.imports.model import (
    ADD,
    MAX_BONES,
    MAX_MATERIALS,
    MAX_TEXTURES,
    MAX_TRIANGLES,
    MAX_VERTICES,
    MULTIPLY,
    Bone,
    CharacterModel,
    Material,
)  # fmt: skip

_SIGNED = {1: "<i1", 2: "<i2", 4: "<i4"}
_VERTEX = {1: "<u1", 2: "<u2", 4: "<i4"}
_LINKS = {0: (1, 0), 1: (2, 1), 2: (4, 4), 3: (2, 1), 4: (4, 4)}  # bones and weights of a kind
# Bytes of one entry of a morph besides its index, by the kind of the morph.
_MORPH = {0: 4, 1: 12, 2: 28, 3: 16, 4: 16, 5: 16, 6: 16, 7: 16, 8: 113, 9: 4, 10: 25}


@dataclass
class _Header:
    unicode: bool
    extra_uv: int
    vertex: int
    texture: int
    material: int
    bone: int
    morph: int
    body: int


@dataclass
class _Vertices:
    points: NDArray[np.float64]
    normals: NDArray[np.float64]
    uv: NDArray[np.float64]
    edge: NDArray[np.float64]
    ids: NDArray[np.int64]
    weights: NDArray[np.float64]


def read_pmx(path: Path, *, without_textures: bool = False) -> CharacterModel:
    """The character of a .pmx file and the texture files beside it."""
    cursor = Cursor(read_bytes(path))
    if cursor.take(4, "the signature") != b"PMX ":
        raise fail("a PMX file, which begins with 'PMX '", "something else", "check the suffix")
    version = cursor.floats(1, "the version")[0]
    if not 1.99 < version < 2.2:
        raise fail("PMX version 2.0 or 2.1", f"{version:.2f}", "save it again with PmxEditor")
    header = _header(cursor)
    name, *_ = (_text(cursor, header, "the model's name and comment") for _ in range(4))
    vertices = _vertices(cursor, header)
    triangles = _triangles(cursor, header)
    files = [
        _text(cursor, header, "a texture's name")
        for _ in range(_limited(cursor, 4, "textures", MAX_TEXTURES))
    ]
    shelf = TextureShelf(path.parent, len(files), without_textures)
    materials, owner = _materials(cursor, header, files, shelf, len(triangles))
    bones, english = _bones(cursor, header)
    names = [bone.name for bone in bones]
    humanoid = humanoid_of(names, english)
    moved = _physics(cursor, header)
    return CharacterModel(
        name=name.strip() or path.stem,
        vertices=vertices.points * FLIP, normals=vertices.normals * FLIP, uv=vertices.uv,
        colours=np.ones((len(vertices.points), 3)), edge=vertices.edge,
        triangles=triangles[:, ::-1], material=owner,
        bone_ids=vertices.ids, bone_weights=vertices.weights, bones=bones, materials=materials,
        textures=tuple(shelf.pictures), wraps=((0, 0),) * len(shelf.pictures), humanoid=humanoid,
        followers=followers_of(names), springs=springs_of(names, bones, humanoid, moved),
    )  # fmt: skip


def _limited(cursor: Cursor, smallest: int, what: str, limit: int) -> int:
    count = cursor.count("i", smallest, what)
    if count > limit:
        raise fail(f"at most {limit} {what}", str(count))
    return count


def _header(cursor: Cursor) -> _Header:
    size = cursor.one("B", "the header's size")
    if size < 8:
        raise fail("a header of 8 settings", str(size))
    values = cursor.take(size, "the header")
    encoding, extra_uv, *indices = values[:8]
    if encoding > 1 or extra_uv > 4 or any(index not in _SIGNED for index in indices):
        raise fail("a PMX header", f"settings {list(values[:8])}")
    return _Header(encoding == 0, extra_uv, *indices)


def _text(cursor: Cursor, header: _Header, what: str) -> str:
    raw = cursor.take(cursor.count("i", 1, f"bytes in {what}"), what)
    return raw.decode("utf-16-le" if header.unicode else "utf-8", "replace")


def _index(cursor: Cursor, size: int, what: str) -> int:
    return cursor.one({1: "b", 2: "h", 4: "i"}[size], what)


def _vertices(cursor: Cursor, header: _Header) -> _Vertices:
    """All vertices. They differ in length by the kind of their weights, so one at a time."""
    front = 32 + 16 * header.extra_uv
    count = _limited(cursor, front + 1 + header.bone + 4, "vertices", MAX_VERTICES)
    data, at, end = cursor.data, cursor.at, len(cursor.data)
    sizes = {
        kind: links * header.bone + 4 * shares + (36 if kind == 3 else 0)
        for kind, (links, shares) in _LINKS.items()
    }
    starts, kinds = np.empty(count, np.int64), np.empty(count, np.int64)
    for i in range(count):
        if at + front >= end:
            raise fail(f"{count} vertices", f"the end of the file after {i}")
        kind = data[at + front]
        if kind not in _LINKS:
            raise fail("a kind of weights in 0..4", f"{kind} at vertex {i}")
        starts[i], kinds[i] = at, kind
        at += front + 1 + sizes[kind] + 4
    if at > end:
        raise fail(f"{count} vertices", "the end of the file in the last ones")
    cursor.at = at
    raw = np.frombuffer(data, np.uint8)

    def gather(offsets: NDArray[np.int64], dtype: str, number: int) -> NDArray[np.float64]:
        width = np.dtype(dtype).itemsize * number
        rows = raw[offsets[:, None] + np.arange(width)]
        values = np.ascontiguousarray(rows).view(dtype).reshape(len(offsets), number)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise fail("finite numbers in vertices", "NaN or infinity")
        return values

    fixed = gather(starts, "<f4", 8).astype(np.float64)
    ids, weights = np.zeros((count, 4), np.int64), np.zeros((count, 4))
    edge = np.empty(count)
    for kind, (links, shares) in _LINKS.items():
        mine = np.flatnonzero(kinds == kind)
        at_link = starts[mine] + front + 1
        ids[mine, :links] = gather(at_link, _SIGNED[header.bone], links)
        at_share = at_link + links * header.bone
        if shares == 0:
            weights[mine, 0] = 1.0
        elif shares == 1:
            first = gather(at_share, "<f4", 1)[:, 0]
            weights[mine, 0], weights[mine, 1] = first, 1.0 - first
        else:
            weights[mine] = gather(at_share, "<f4", 4)
        edge[mine] = gather(at_share + sizes[kind] - links * header.bone, "<f4", 1)[:, 0]
    weights = np.clip(weights, 0.0, 1e3)
    ids = np.where(weights > 0, ids, 0)
    weights[ids < 0] = 0.0  # tied to no bone: as good as no weight
    return _Vertices(
        fixed[:, :3], fixed[:, 3:6], fixed[:, 6:8], np.clip(edge, 0.0, 10.0),
        np.maximum(ids, 0), weights,
    )  # fmt: skip


def _triangles(cursor: Cursor, header: _Header) -> NDArray[np.int64]:
    count = _limited(cursor, header.vertex, "corners of triangles", 3 * MAX_TRIANGLES)
    if count % 3:
        raise fail("corners in threes", str(count))
    corners = cursor.array(_VERTEX[header.vertex], count, "triangles")
    return corners.astype(np.int64).reshape(-1, 3)


def _materials(
    cursor: Cursor, header: _Header, files: list[str], shelf: TextureShelf, triangles: int
) -> tuple[tuple[Material, ...], NDArray[np.int64]]:
    materials: list[Material] = []
    counts: list[int] = []
    for number in range(_limited(cursor, 60, "materials", MAX_MATERIALS)):
        name = _text(cursor, header, "a material's name")
        _text(cursor, header, "a material's English name")
        diffuse = np.array(cursor.floats(4, f"material {name}"))
        cursor.floats(4, f"material {name}")  # specular: a highlight that toon shading leaves out
        ambient = np.array(cursor.floats(3, f"material {name}"))
        flags = cursor.one("B", f"material {name}")
        ink = np.clip(cursor.floats(4, f"material {name}"), 0.0, 1.0)
        width = cursor.floats(1, f"material {name}")[0]
        base = _index(cursor, header.texture, "a texture's index")
        sphere = _index(cursor, header.texture, "a sphere map's index")
        mode = cursor.one("B", f"material {name}")
        shared = cursor.one("B", f"material {name}")
        toon = (
            cursor.one("B", "a shared toon's number")
            if shared
            else _index(cursor, header.texture, "a toon's index")
        )
        _text(cursor, header, "a material's memo")
        corners = cursor.one("i", f"material {name}")
        if corners < 0 or corners % 3 or sum(counts) + corners // 3 > triangles:
            raise fail(f"{triangles} triangles in all materials", f"{corners} corners in {name!r}")
        counts.append(corners // 3)
        colour = np.clip(diffuse[:3] * LIGHT + ambient, 0.0, 1.0)
        seen = counts[-1] > 0 and diffuse[3] > 0.0
        materials.append(
            Material(
                name, (float(colour[0]), float(colour[1]), float(colour[2])),
                alpha=float(np.clip(diffuse[3], 0.0, 1.0)),
                texture=_file(files, base, shelf) if seen else -1,
                ramp=_ramp(bool(shared), toon, files, shelf) if seen else None,
                sphere=_file(files, sphere, shelf) if seen and mode in (1, 2) else -1,
                sphere_mode=ADD if mode == 2 else MULTIPLY,
                cutoff=0.5,
                double=bool(flags & 1),
                outline=float(np.clip(width, 0.0, 2.0)) if flags & 16 and ink[3] > 0.3 else 0.0,
                ink=(float(ink[0]), float(ink[1]), float(ink[2])),
                order=number,
            )
        )  # fmt: skip
    if sum(counts) != triangles:
        raise fail(f"{triangles} triangles in all materials", str(sum(counts)))
    return tuple(materials), np.repeat(np.arange(len(materials)), counts)


def _file(files: list[str], number: int, shelf: TextureShelf) -> int:
    if number >= len(files):
        raise fail(f"textures 0..{len(files) - 1}", str(number))
    return shelf.number(files[number]) if number >= 0 and files[number].strip() else -1


def _ramp(
    shared: bool, toon: int, files: list[str], shelf: TextureShelf
) -> NDArray[np.float64] | None:
    if shared:
        if toon > 9:
            raise fail("a shared toon in 0..9", str(toon))
        return shared_ramp(toon)
    number = _file(files, toon, shelf)
    # Without a toon MikuMikuDance shades smoothly; here the house's two tones take its place.
    return picture_ramp(shelf.pictures[number]) if number >= 0 else None


def _bones(cursor: Cursor, header: _Header) -> tuple[tuple[Bone, ...], list[str]]:
    bones, english, ends = [], [], []
    for _ in range(_limited(cursor, 24 + 2 * header.bone, "bones", MAX_BONES)):
        name = _text(cursor, header, "a bone's name")
        english.append(_text(cursor, header, "a bone's English name"))
        x, y, z = np.array(cursor.floats(3, f"bone {name}")) * FLIP
        parent = _index(cursor, header.bone, f"bone {name}")
        cursor.one("i", f"bone {name}")
        flags = cursor.one("H", f"bone {name}")
        if flags & 0x1:
            ends.append((_index(cursor, header.bone, f"bone {name}"), None))
        else:
            ends.append((-1, np.array(cursor.floats(3, f"bone {name}")) * FLIP))
        copies = None
        if flags & 0x300:
            source = _index(cursor, header.bone, f"bone {name}")
            share = cursor.floats(1, f"bone {name}")[0]
            copies = (source, share) if flags & 0x100 and source >= 0 else None
        for flag, size in ((0x400, 3), (0x800, 6)):
            if flags & flag:
                cursor.floats(size, f"bone {name}")
        if flags & 0x2000:
            cursor.one("i", f"bone {name}")
        if flags & 0x20:
            _skip_ik(cursor, header, name)
        bones.append(Bone(name, max(parent, -1), (float(x), float(y), float(z)), None, copies))
    placed = []
    for bone, (end, offset) in zip(bones, ends, strict=True):
        tail = None
        if 0 <= end < len(bones):
            tail = bones[end].head
        elif offset is not None and float(np.abs(offset).max()) > 1e-6:
            x, y, z = np.array(bone.head) + offset
            tail = (float(x), float(y), float(z))
        placed.append(Bone(bone.name, bone.parent, bone.head, tail, bone.copies))
    return tuple(placed), english


def _skip_ik(cursor: Cursor, header: _Header, name: str) -> None:
    """Inverse kinematics: motions drive the legs here, so it is not needed."""
    cursor.take(header.bone + 8, f"bone {name}")
    for _ in range(cursor.count("i", header.bone + 1, f"links of {name}")):
        cursor.take(header.bone, f"bone {name}")
        if cursor.one("B", f"bone {name}"):
            cursor.take(24, f"bone {name}")


def _physics(cursor: Cursor, header: _Header) -> set[int]:
    """The bones that rigid bodies move; morphs and display frames lie before them."""
    sizes = {
        0: header.morph, 1: header.vertex, 2: header.bone, 8: header.material, 9: header.morph,
        10: header.body,
    }  # fmt: skip
    for _ in range(cursor.count("i", 14, "morphs")):
        for _ in range(2):
            _text(cursor, header, "a morph's name")
        cursor.one("B", "a morph's panel")
        kind = cursor.one("B", "a morph's kind")
        if kind not in _MORPH:
            raise fail("a kind of morph in 0..10", str(kind))
        entry = sizes.get(kind, header.vertex) + _MORPH[kind]
        count = cursor.count("i", entry, "entries of a morph")
        cursor.take(count * entry, "a morph")
    for _ in range(cursor.count("i", 13, "display frames")):
        for _ in range(2):
            _text(cursor, header, "a frame's name")
        cursor.one("B", "a frame's flag")
        for _ in range(cursor.count("i", 2, "entries of a frame")):
            of_morph = cursor.one("B", "an entry's kind")
            cursor.take(header.morph if of_morph else header.bone, "an entry of a frame")
    moved = set()
    for _ in range(cursor.count("i", 61 + 8, "rigid bodies")):
        for _ in range(2):
            _text(cursor, header, "a rigid body's name")
        bone = _index(cursor, header.bone, "a rigid body's bone")
        # Group and what it passes through, shape, size, place, turn, mass, four dampings.
        cursor.take(1 + 2 + 1 + 36 + 20, "a rigid body")
        if cursor.one("B", "a rigid body's mode") != 0 and bone >= 0:
            moved.add(bone)
    return moved

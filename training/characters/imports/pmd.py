"""PMD, the older models of MikuMikuDance (fixed-size records, names in Shift_JIS)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.binary import Cursor
from training.characters.imports.errors import fail
from training.characters.imports.files import find_beside, read_bytes
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
    MAX_TRIANGLES,
    MAX_VERTICES,
    MULTIPLY,
    Bone,
    CharacterModel,
    Material,
)  # fmt: skip

_VERTEX = np.dtype(
    [("point", "<f4", 3), ("normal", "<f4", 3), ("uv", "<f4", 2), ("bones", "<u2", 2),
     ("share", "u1"), ("no_edge", "u1")]
)  # fmt: skip
_MATERIAL = np.dtype(
    [("diffuse", "<f4", 4), ("shine", "<f4", 4), ("ambient", "<f4", 3), ("toon", "u1"),
     ("edge", "u1"), ("corners", "<u4"), ("file", "S20")]
)  # fmt: skip
_BONE = np.dtype(
    [("name", "S20"), ("parent", "<u2"), ("tail", "<u2"), ("kind", "u1"), ("ik", "<u2"),
     ("head", "<f4", 3)]
)  # fmt: skip
_BODY = np.dtype(
    [("name", "S20"), ("bone", "<u2"), ("group", "u1"), ("mask", "<u2"), ("shape", "u1"),
     ("numbers", "<f4", 14), ("mode", "u1")]
)  # fmt: skip
_NONE = 0xFFFF


def read_pmd(path: Path, *, without_textures: bool = False) -> CharacterModel:
    """The character of a .pmd file and the texture files beside it."""
    cursor = Cursor(read_bytes(path))
    if cursor.take(3, "the signature") != b"Pmd":
        raise fail("a PMD file, which begins with 'Pmd'", "something else", "check the suffix")
    version = cursor.floats(1, "the version")[0]
    if not 0.9 < version < 1.1:
        raise fail("PMD version 1.0", f"{version:.2f}")
    name = _text(cursor.take(20, "the name"))
    cursor.take(256, "the comment")
    vertices = _records(cursor, "I", _VERTEX, "vertices", MAX_VERTICES)
    corners = cursor.count("I", 2, "corners of triangles")
    if corners % 3 or corners // 3 > MAX_TRIANGLES:
        raise fail(f"corners in threes, for at most {MAX_TRIANGLES} triangles", str(corners))
    triangles = cursor.array("<u2", corners, "triangles").astype(np.int64).reshape(-1, 3)
    looks = _records(cursor, "I", _MATERIAL, "materials", MAX_MATERIALS)
    bones = _bones(_records(cursor, "H", _BONE, "bones", MAX_BONES))
    names = [bone.name for bone in bones]
    toons, moved = _rest(cursor, len(bones))
    shelf = TextureShelf(path.parent, 3 * len(looks), without_textures)
    materials, owner = _materials(looks, toons, shelf, len(triangles))
    humanoid = humanoid_of(names, [])
    share = np.clip(vertices["share"], 0, 100) / 100.0
    return CharacterModel(
        name=name.strip() or path.stem,
        vertices=vertices["point"].astype(np.float64) * FLIP,
        normals=vertices["normal"].astype(np.float64) * FLIP,
        uv=vertices["uv"].astype(np.float64), colours=np.ones((len(vertices), 3)),
        edge=1.0 - np.clip(vertices["no_edge"], 0, 1).astype(np.float64),
        triangles=triangles[:, ::-1], material=owner,
        bone_ids=vertices["bones"].astype(np.int64), bone_weights=np.stack([share, 1 - share], 1),
        bones=bones, materials=materials, textures=tuple(shelf.pictures),
        wraps=((0, 0),) * len(shelf.pictures), humanoid=humanoid,
        followers=followers_of(names), springs=springs_of(names, bones, humanoid, moved),
    )  # fmt: skip


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("cp932", "replace")


def _records(cursor: Cursor, code: str, kind: np.dtype, what: str, limit: int) -> NDArray:
    count = cursor.count(code, kind.itemsize, what)
    if count > limit:
        raise fail(f"at most {limit} {what}", str(count))
    records = cursor.array(kind, count, what)
    for field in kind.names or ():
        if records[field].dtype.kind == "f" and not np.isfinite(records[field]).all():
            raise fail(f"finite numbers in {what}", f"NaN or infinity in {field}")
    return records


def _bones(records: NDArray) -> tuple[Bone, ...]:
    heads = records["head"].astype(np.float64) * FLIP
    bones = []
    for i, record in enumerate(records):
        x, y, z = heads[i]
        parent, end = int(record["parent"]), int(record["tail"])
        tail = None
        # An end of 0 is none: bone 0 is the root, to which nothing points.
        if 0 < end < len(records):
            tail = (float(heads[end, 0]), float(heads[end, 1]), float(heads[end, 2]))
        bones.append(
            Bone(
                _text(bytes(record["name"])), -1 if parent == _NONE else parent,
                (float(x), float(y), float(z)), tail,
            )
        )  # fmt: skip
    return tuple(bones)


def _rest(cursor: Cursor, bones: int) -> tuple[list[str], set[int]]:
    """Names of the ten toon textures and the bones that physics moves.

    The file may end after any section; English names, toons and physics came one by one.
    """
    for _ in range(cursor.count("H", 11, "chains of inverse kinematics")):
        cursor.take(4, "inverse kinematics")
        links = cursor.one("B", "inverse kinematics")
        cursor.take(6 + 2 * links, "inverse kinematics")
    faces = cursor.count("H", 25, "expressions")
    for _ in range(faces):
        cursor.take(20, "an expression")
        count = cursor.one("I", "an expression")
        cursor.take(1 + 16 * count, "an expression")
    cursor.take(2 * cursor.one("B", "expressions shown"), "expressions shown")
    groups = cursor.one("B", "groups of bones")
    cursor.take(50 * groups, "names of groups")
    cursor.take(3 * cursor.count("I", 3, "bones shown"), "bones shown")
    if cursor.left == 0:
        return [], set()
    if cursor.one("B", "whether there are English names"):
        cursor.take(20 + 256 + 20 * bones + 20 * max(faces - 1, 0) + 50 * groups, "English names")
    if cursor.left == 0:
        return [], set()
    toons = [_text(cursor.take(100, "a toon texture's name")) for _ in range(10)]
    if cursor.left == 0:
        return toons, set()
    bodies = _records(cursor, "I", _BODY, "rigid bodies", MAX_BONES)
    moved = bodies["bone"][bodies["mode"] != 0]
    return toons, {int(bone) for bone in moved if bone < bones}


def _materials(
    records: NDArray, toons: list[str], shelf: TextureShelf, triangles: int
) -> tuple[tuple[Material, ...], NDArray[np.int64]]:
    counts = records["corners"].astype(np.int64)
    if (counts % 3).any() or counts.sum() != 3 * triangles:
        raise fail(f"{triangles} triangles in all materials", f"{counts.sum()} corners")
    materials = []
    for number, record in enumerate(records):
        diffuse = record["diffuse"].astype(np.float64)
        colour = np.clip(diffuse[:3] * LIGHT + record["ambient"], 0.0, 1.0)
        base, sphere = _files(_text(bytes(record["file"])))
        kind = sphere.lower().rsplit(".", 1)[-1]
        materials.append(
            Material(
                f"material {number}", (float(colour[0]), float(colour[1]), float(colour[2])),
                alpha=float(np.clip(diffuse[3], 0.0, 1.0)),
                texture=shelf.number(base) if base else -1,
                ramp=_ramp(int(record["toon"]), toons, shelf),
                sphere=shelf.number(sphere) if sphere else -1,
                sphere_mode=ADD if kind == "spa" else MULTIPLY,
                # MikuMikuDance draws the backs of see-through PMD materials.
                double=bool(diffuse[3] < 0.999),
                outline=1.0 if record["edge"] else 0.0,
                ink=(0.0, 0.0, 0.0),
                order=number,
            )
        )  # fmt: skip
    return tuple(materials), np.repeat(np.arange(len(materials)), counts // 3)


def _files(field: str) -> tuple[str, str]:
    """The colour texture and the sphere map of "body.bmp*shine.sph" and its shorter forms."""
    base = sphere = ""
    for name in filter(None, (part.strip() for part in field.split("*"))):
        if name.lower().endswith((".sph", ".spa")):
            sphere = name
        else:
            base = name
    return base, sphere


def _ramp(toon: int, toons: list[str], shelf: TextureShelf) -> NDArray[np.float64] | None:
    """The ramp of a toon number; the names toon01.bmp .. toon10.bmp mean the shared ones."""
    if toon > 9:
        return None
    name = toons[toon] if toon < len(toons) else ""
    if name and find_beside(shelf.folder, name) is not None:
        return picture_ramp(shelf.pictures[shelf.number(name)])
    return shared_ramp(toon)

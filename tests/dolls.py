"""A jointed doll, and writers that put it into GLB, VRM, PMX and PMD files for the readers' tests.

The doll stands in an A-pose in the rig's axes (y up, +x its left, +z its front), 1.6 units tall. It
has a strand of hair, four strips of skirt, and a pane in front of its chest.
"""

import base64
import io
import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

F64 = NDArray[np.float64]
SLOPE = np.radians(38.0)  # of the arms, below the horizontal

# key: (parent, head, VRM bone, MMD bone)
_TRUNK: dict[str, tuple[str, tuple[float, float, float], str, str]] = {
    "hips": ("", (0.0, 0.92, 0.0), "hips", "下半身"),
    "spine": ("hips", (0.0, 1.02, 0.0), "spine", "上半身"),
    "chest": ("spine", (0.0, 1.16, 0.0), "chest", "上半身2"),
    "neck": ("chest", (0.0, 1.40, 0.0), "neck", "首"),
    "head": ("neck", (0.0, 1.46, 0.0), "head", "頭"),
    "hair1": ("head", (0.0, 1.55, -0.09), "", "髪1"),
    "hair2": ("hair1", (0.0, 1.40, -0.12), "", "髪2"),
    "hair3": ("hair2", (0.0, 1.25, -0.12), "", "髪3"),
}
_SIDE: dict[str, tuple[str, tuple[float, float, float], str, str]] = {
    "clavicle": ("chest", (0.03, 1.36, 0.0), "Shoulder", "肩"),
    "upper_arm": ("clavicle", (0.17, 1.36, 0.0), "UpperArm", "腕"),
    "forearm": ("upper_arm", (0.43, 1.36, 0.0), "LowerArm", "ひじ"),
    "hand": ("forearm", (0.67, 1.36, 0.0), "Hand", "手首"),
    "finger": ("hand", (0.75, 1.36, 0.0), "", "中指１"),
    "thigh": ("hips", (0.09, 0.88, 0.0), "UpperLeg", "足"),
    "shin": ("thigh", (0.09, 0.47, 0.0), "LowerLeg", "ひざ"),
    "foot": ("shin", (0.09, 0.075, 0.0), "Foot", "足首"),
    "toe": ("foot", (0.09, 0.02, 0.12), "Toes", "つま先"),
    "eye": ("head", (0.035, 1.50, 0.08), "Eye", "目"),
}
SKIRT = 4


@dataclass
class Doll:
    """Vertices, triangles and bones; `group` is the material of each triangle: skin, hair, pane."""

    keys: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    heads: list[F64] = field(default_factory=list)
    vrm: list[str] = field(default_factory=list)
    mmd: list[str] = field(default_factory=list)
    vertices: list[F64] = field(default_factory=list)
    uv: list[F64] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    triangles: list[tuple[int, int, int]] = field(default_factory=list)
    group: list[int] = field(default_factory=list)

    def bone(self, key: str, parent: str, head: F64, vrm: str, mmd: str) -> None:
        self.parents.append(self.keys.index(parent) if parent else -1)
        self.keys.append(key)
        self.heads.append(head)
        self.vrm.append(vrm)
        self.mmd.append(mmd)

    def box(self, key: str, low: F64, high: F64, turn: F64, group: int = 0) -> None:
        """A box between two corners about the bone's head, turned, and tied to the bone."""
        base = len(self.vertices)
        corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
        for corner in corners:
            local = low + (high - low) * np.array(corner)
            self.vertices.append(self.heads[self.keys.index(key)] + turn @ local)
            self.uv.append(np.array([0.1 + 0.8 * corner[0], 0.1 + 0.8 * (1 - corner[1])]))
            self.ids.append(self.keys.index(key))
        faces = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
        for a, b, c, d in faces:
            self.triangles += [(base + a, base + b, base + c), (base + a, base + c, base + d)]
            self.group += [group, group]

    def arrays(self) -> tuple[F64, F64, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Vertices, uv, bone of each vertex, triangles and groups."""
        return (
            np.array(self.vertices), np.array(self.uv), np.array(self.ids),
            np.array(self.triangles), np.array(self.group),
        )  # fmt: skip


def doll(arms_down: float = SLOPE) -> Doll:
    """The doll, its arms `arms_down` radians below the horizontal."""
    made = Doll()
    for key, (parent, head, vrm, mmd) in _TRUNK.items():
        made.bone(key, parent, np.array(head), vrm, mmd)
    turns: dict[str, F64] = {}
    for side, sign, name, kanji in (("l", 1.0, "left", "左"), ("r", -1.0, "right", "右")):
        c, s = np.cos(arms_down), np.sin(arms_down) * sign
        arm = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        pivot = np.array(_SIDE["upper_arm"][1]) * (sign, 1, 1)
        for part, (parent, head, vrm, mmd) in _SIDE.items():
            place = np.array(head) * (sign, 1, 1)
            turn = np.eye(3)
            if part in ("upper_arm", "forearm", "hand", "finger"):
                place, turn = pivot + arm @ (place - pivot), arm
            key = f"{side}_{part}"
            up = parent if parent in made.keys else f"{side}_{parent}"
            made.bone(key, up, place, name + vrm if vrm else "", kanji + mmd)
            turns[key] = turn
    for k in range(SKIRT):
        angle = 2 * np.pi * (k + 0.5) / SKIRT
        out = np.array([np.sin(angle), 0.0, np.cos(angle)])
        top = np.array([0.0, 0.90, 0.0]) + 0.13 * out
        made.bone(f"skirt{k}a", "hips", top, "", f"スカート_{k}_1")
        made.bone(f"skirt{k}b", f"skirt{k}a", top + (0, -0.15, 0) + 0.05 * out, "",
                  f"スカート_{k}_2")  # fmt: skip
    v = np.array
    eye3 = np.eye(3)
    made.box("hips", v([-0.13, -0.08, -0.08]), v([0.13, 0.10, 0.08]), eye3)
    made.box("spine", v([-0.11, 0.0, -0.07]), v([0.11, 0.14, 0.07]), eye3)
    made.box("chest", v([-0.14, 0.0, -0.08]), v([0.14, 0.24, 0.08]), eye3)
    made.box("neck", v([-0.03, 0.0, -0.03]), v([0.03, 0.06, 0.03]), eye3)
    made.box("head", v([-0.08, -0.03, -0.09]), v([0.08, 0.14, 0.09]), eye3)
    for sign, side in ((1.0, "l"), (-1.0, "r")):
        for part, length, wide in (
            ("upper_arm", 0.26, 0.035), ("forearm", 0.24, 0.03), ("hand", 0.12, 0.025),
        ):  # fmt: skip
            low, high = v([0.0, -wide, -wide]), v([sign * length, wide, wide])
            made.box(f"{side}_{part}", np.minimum(low, high), np.maximum(low, high),
                     turns[f"{side}_{part}"])  # fmt: skip
        made.box(f"{side}_thigh", v([-0.06, -0.41, -0.06]), v([0.06, 0.0, 0.06]), eye3)
        made.box(f"{side}_shin", v([-0.05, -0.395, -0.05]), v([0.05, 0.0, 0.05]), eye3)
        made.box(f"{side}_foot", v([-0.045, -0.075, -0.06]), v([0.045, 0.0, 0.17]), eye3)
    for k in (1, 2, 3):
        made.box(f"hair{k}", v([-0.05, -0.15, -0.012]), v([0.05, 0.0, 0.012]), eye3, 1)
    for k in range(SKIRT):
        for part, length in (("a", 0.15), ("b", 0.2)):
            made.box(f"skirt{k}{part}", v([-0.08, -length, -0.01]), v([0.08, 0.0, 0.01]), eye3, 1)
    made.box("chest", v([-0.2, 0.05, 0.15]), v([0.2, 0.2, 0.16]), eye3, 2)
    return made


def png(rgba: tuple[int, int, int, int] = (200, 150, 120, 255), side: int = 8) -> bytes:
    """A PNG of one colour with a darker border row."""
    picture = np.full((side, side, 4), rgba, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


# --- glTF --------------------------------------------------------------------------------------


class GltfWriter:
    """Collects buffer views and accessors."""

    def __init__(self) -> None:
        self.data = b""
        self.views: list[dict] = []
        self.accessors: list[dict] = []

    def view(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data
        return len(self.views) - 1

    def accessor(self, values: NDArray, kind: str) -> int:
        code = {"f": 5126, "u1": 5121, "u2": 5123, "u4": 5125}
        dtype = values.dtype.kind if values.dtype.kind == "f" else values.dtype.str[1:]
        self.accessors.append(
            {
                "bufferView": self.view(np.ascontiguousarray(values).tobytes()),
                "componentType": code[dtype], "count": len(values), "type": kind,
            }
        )  # fmt: skip
        return len(self.accessors) - 1


def gltf_document(made: Doll, names: list[str], flip: bool = False) -> tuple[dict, bytes]:
    """The doll as a glTF document and its buffer; `flip` turns it to face -z, as VRM 0.x does."""
    vertices, uv, ids, triangles, group = made.arrays()
    heads = np.array(made.heads)
    if flip:
        vertices, heads = vertices * (-1, 1, -1), heads * (-1, 1, -1)
    out = GltfWriter()
    joints = np.zeros((len(ids), 4), np.uint8)
    joints[:, 0] = ids
    weights = np.zeros((len(ids), 4), np.float32)
    weights[:, 0] = 1.0
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(heads), 1, 1))
    inverse[:, 3, :3] = -heads  # column-major: the shift is the last row here
    attributes = {
        "POSITION": out.accessor(vertices.astype(np.float32), "VEC3"),
        "TEXCOORD_0": out.accessor(uv.astype(np.float32), "VEC2"),
        "JOINTS_0": out.accessor(joints, "VEC4"),
        "WEIGHTS_0": out.accessor(weights, "VEC4"),
    }
    primitives = [
        {
            "attributes": attributes, "material": g,
            "indices": out.accessor(triangles[group == g].reshape(-1, 1).astype("<u2"), "SCALAR"),
        }
        for g in range(3)
    ]  # fmt: skip
    nodes: list[dict[str, Any]] = []
    for i, parent in enumerate(made.parents):
        base = heads[parent] if parent >= 0 else np.zeros(3)
        nodes.append({"name": names[i], "translation": (heads[i] - base).tolist()})
    for i, parent in enumerate(made.parents):
        if parent >= 0:
            nodes[parent].setdefault("children", []).append(i)
    mesh = len(nodes)
    nodes.append({"name": "body mesh", "mesh": 0, "skin": 0})
    matrices = out.accessor(inverse.reshape(-1, 16), "MAT4")
    images = [out.view(png()), out.view(png((80, 60, 200, 255)))]
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0, mesh]}], "nodes": nodes,
        "meshes": [{"primitives": primitives}],
        "skins": [{"joints": list(range(len(heads))), "inverseBindMatrices": matrices}],
        "images": [{"bufferView": v, "mimeType": "image/png"} for v in images],
        "textures": [{"source": 0}, {"source": 1}],
        "materials": [
            {"name": "skin", "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
            {"name": "hair", "pbrMetallicRoughness": {"baseColorTexture": {"index": 1}},
             "alphaMode": "MASK", "doubleSided": True},
            {"name": "pane", "alphaMode": "BLEND",
             "pbrMetallicRoughness": {"baseColorFactor": [0.2, 0.8, 0.2, 0.5]}},
        ],
        "accessors": out.accessors, "bufferViews": out.views,
        "buffers": [{"byteLength": len(out.data)}],
    }  # fmt: skip
    return document, out.data


def glb(document: dict, data: bytes) -> bytes:
    """A GLB file of a document and its buffer."""
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    data += b"\0" * (-len(data) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(data), b"BIN\0") + data
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def gltf_text(made: Doll, names: list[str]) -> bytes:
    """A .gltf file that carries its buffer as a data URI."""
    document, data = gltf_document(made, names)
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    document["buffers"] = [{"byteLength": len(data), "uri": uri}]
    return json.dumps(document).encode()


def mixamo_names(made: Doll) -> list[str]:
    """Names that a common glTF rig would have."""
    known = {
        "Hips": "Hips", "Spine": "Spine", "Chest": "Spine1", "Neck": "Neck", "Head": "Head",
        "UpperArm": "Arm", "LowerArm": "ForeArm", "UpperLeg": "UpLeg", "LowerLeg": "Leg",
        "Toes": "ToeBase",
    }  # fmt: skip
    names = []
    for key, vrm in zip(made.keys, made.vrm, strict=True):
        side = "Left" if vrm.startswith("left") else "Right" if vrm.startswith("right") else ""
        core = vrm.removeprefix("left").removeprefix("right")
        core = core[:1].upper() + core[1:]
        names.append(f"mixamorig:{side}{known.get(core, core)}" if vrm else key)
    return names


def vrm1(made: Doll) -> bytes:
    """VRM 1.0, facing +z, with a spring of hair, skirt springs, a collider and MToon."""
    document, data = gltf_document(made, [f"node {key}" for key in made.keys])
    bones = {vrm: {"node": i} for i, vrm in enumerate(made.vrm) if vrm}
    chains = [["hair1", "hair2", "hair3"], *([f"skirt{k}a", f"skirt{k}b"] for k in range(SKIRT))]
    document["extensionsUsed"] = ["VRMC_vrm", "VRMC_springBone", "VRMC_materials_mtoon"]
    document["extensions"] = {
        "VRMC_vrm": {"specVersion": "1.0", "humanoid": {"humanBones": bones}},
        "VRMC_springBone": {
            "colliders": [
                {"node": made.keys.index("head"),
                 "shape": {"sphere": {"offset": [0, 0.05, 0], "radius": 0.1}}},
                {"node": made.keys.index("l_thigh"),
                 "shape": {"capsule": {"offset": [0, 0, 0], "tail": [0, -0.4, 0],
                                       "radius": 0.07}}},
            ],
            "springs": [
                {"joints": [
                    {"node": made.keys.index(key), "stiffness": 0.6, "gravityPower": 0.2,
                     "gravityDir": [0, -1, 0], "dragForce": 0.3, "hitRadius": 0.02}
                    for key in chain
                ]} for chain in chains
            ],
        },
    }  # fmt: skip
    document["materials"][0]["extensions"] = {
        "VRMC_materials_mtoon": {
            "specVersion": "1.0", "shadeColorFactor": [0.4, 0.2, 0.2], "shadingToonyFactor": 0.95,
            "shadingShiftFactor": -0.1, "outlineWidthMode": "worldCoordinates",
            "outlineWidthFactor": 0.001, "outlineColorFactor": [0.1, 0, 0],
        }
    }  # fmt: skip
    return glb(document, data)


def vrm0(made: Doll) -> bytes:
    """VRM 0.x, facing -z, with bone groups, a collider and MToon properties."""
    document, data = gltf_document(made, [f"node {key}" for key in made.keys], flip=True)
    index = made.keys.index
    document["extensionsUsed"] = ["VRM"]
    document["extensions"] = {
        "VRM": {
            "exporterVersion": "test",
            "humanoid": {"humanBones": [
                {"bone": vrm, "node": i} for i, vrm in enumerate(made.vrm) if vrm
            ]},
            "secondaryAnimation": {
                "boneGroups": [
                    {"stiffiness": 0.6, "gravityPower": 0.2,
                     "gravityDir": {"x": 0, "y": -1, "z": 0},
                     "dragForce": 0.3, "hitRadius": 0.02, "colliderGroups": [0],
                     "bones": [index("hair1"), *(index(f"skirt{k}a") for k in range(SKIRT))]},
                ],
                "colliderGroups": [
                    {"node": index("head"),
                     "colliders": [{"offset": {"x": 0, "y": 0.05, "z": 0}, "radius": 0.1}]},
                ],
            },
            "materialProperties": [
                {"name": "skin", "shader": "VRM/MToon", "renderQueue": 2000,
                 "floatProperties": {"_BlendMode": 0, "_CullMode": 2, "_OutlineWidthMode": 1,
                                     "_ShadeShift": 0.0, "_ShadeToony": 0.9},
                 "vectorProperties": {"_Color": [1, 1, 1, 1], "_ShadeColor": [0.7, 0.5, 0.5, 1]},
                 "textureProperties": {"_MainTex": 0}},
                {"name": "hair", "shader": "VRM/MToon", "renderQueue": 2450,
                 "floatProperties": {"_BlendMode": 1, "_Cutoff": 0.4, "_CullMode": 0},
                 "vectorProperties": {"_Color": [1, 1, 1, 1]},
                 "textureProperties": {"_MainTex": 1}},
                {"name": "pane", "shader": "VRM_USE_GLTFSHADER"},
            ],
        }
    }  # fmt: skip
    return glb(document, data)


# --- MikuMikuDance -----------------------------------------------------------------------------

_SCALE = 1.0 / 0.08  # metres to MikuMikuDance's units
_FLIP = np.array([1.0, 1.0, -1.0])


def _mmd_text(text: str) -> bytes:
    raw = text.encode("utf-16-le")
    return struct.pack("<i", len(raw)) + raw


def pmx(
    made: Doll, textures: tuple[str, ...] = ("tex\\body.png", "tex\\hair.png"), *,
    physics: bool = True,
) -> bytes:  # fmt: skip
    """PMX 2.0 in UTF-16 with BDEF1, BDEF2 and BDEF4 vertices, a morph and rigid bodies."""
    vertices, uv, ids, triangles, group = made.arrays()
    points = vertices * _SCALE * _FLIP
    out = b"PMX " + struct.pack("<f9B", 2.0, 8, 0, 0, 2, 1, 1, 2, 1, 1)
    out += _mmd_text("人形") + _mmd_text("doll") + _mmd_text("") + _mmd_text("")
    out += struct.pack("<i", len(points))
    for i, point in enumerate(points):
        out += struct.pack("<8f", *point, 0, 0, 0, *uv[i])
        bone = int(ids[i])
        if i % 3 == 0:
            out += struct.pack("<Bh", 0, bone)
        elif i % 3 == 1:
            out += struct.pack("<Bhhf", 1, bone, 0, 1.0)
        else:
            out += struct.pack("<B4h4f", 2, bone, -1, -1, -1, 1.0, 0, 0, 0)
        out += struct.pack("<f", 1.0)
    order = np.concatenate([triangles[group == g] for g in range(3)])[:, ::-1]
    out += struct.pack("<i", order.size) + order.astype("<u2").tobytes()
    out += struct.pack("<i", len(textures)) + b"".join(_mmd_text(name) for name in textures)
    out += struct.pack("<i", 3)
    for g, (name, alpha, texture) in enumerate((("肌", 1.0, 0), ("髪", 1.0, 1), ("窓", 0.5, -1))):
        out += _mmd_text(name) + _mmd_text("")
        out += struct.pack("<4f4f3f", 0.8, 0.8, 0.8, alpha, 0, 0, 0, 5, 0.5, 0.5, 0.5)
        out += struct.pack("<B4ff", 0b10000 if g < 2 else 1, 0.1, 0, 0, 1, 1.0)
        out += struct.pack("<bbBBB", texture, -1, 0, 1, 1) + _mmd_text("")
        out += struct.pack("<i", 3 * int((group == g).sum()))
    out += struct.pack("<i", len(made.keys))
    for i, name in enumerate(made.mmd):
        head = made.heads[i] * _SCALE * _FLIP
        out += _mmd_text(name) + _mmd_text("")
        out += struct.pack("<3fhiH3f", *head, made.parents[i], 0, 0, 0, 0, 0)
    out += struct.pack("<i", 1) + _mmd_text("まばたき") + _mmd_text("blink")
    out += struct.pack("<BBiH3f", 2, 1, 1, 0, 0, 0, 0)
    out += struct.pack("<i", 1) + _mmd_text("Root") + _mmd_text("Root") + struct.pack("<Bi", 1, 1)
    out += struct.pack("<Bh", 0, 0)
    moved = [i for i, key in enumerate(made.keys) if key.startswith(("hair", "skirt"))]
    out += struct.pack("<i", len(moved) if physics else 0)
    for i in moved if physics else ():
        out += _mmd_text(made.mmd[i]) + _mmd_text("") + struct.pack("<h", i)
        out += struct.pack("<BHB", 0, 0, 0) + struct.pack("<9f", *[0.1] * 9)
        out += struct.pack("<5f", 1, 0.5, 0.5, 0, 0.5) + struct.pack("<B", 1)
    return out + struct.pack("<i", 0)


def pmd(made: Doll, texture: str = "body.bmp", *, physics: bool = True) -> bytes:
    """PMD 1.0 with names in Shift_JIS, English names, toons and rigid bodies."""
    vertices, uv, ids, triangles, group = made.arrays()
    points = vertices * _SCALE * _FLIP

    def name(text: str, size: int = 20) -> bytes:
        return text.encode("cp932")[:size].ljust(size, b"\0")

    out = b"Pmd" + struct.pack("<f", 1.0) + name("人形") + name("", 256)
    out += struct.pack("<I", len(points))
    for i, point in enumerate(points):
        out += struct.pack("<8f2HBB", *point, 0, 0, 0, *uv[i], int(ids[i]), 0, 100, 0)
    order = np.concatenate([triangles[group == g] for g in range(3)])[:, ::-1]
    out += struct.pack("<I", order.size) + order.astype("<u2").tobytes()
    out += struct.pack("<I", 3)
    for g, (file, alpha) in enumerate(((texture, 1.0), ("", 1.0), ("", 0.5))):
        out += struct.pack("<4f4f3f", 0.8, 0.6, 0.6, alpha, 5, 0, 0, 0, 0.4, 0.4, 0.4)
        out += struct.pack("<BBI", 0, int(g < 2), 3 * int((group == g).sum())) + name(file)
    out += struct.pack("<H", len(made.keys))
    for i, mmd in enumerate(made.mmd):
        parent = made.parents[i] if made.parents[i] >= 0 else 0xFFFF
        head = made.heads[i] * _SCALE * _FLIP
        out += name(mmd) + struct.pack("<HHBH3f", parent, 0, 0, 0, *head)
    out += struct.pack("<H", 1) + struct.pack("<HHBHfH", 0, 1, 1, 40, 0.5, 2)
    out += struct.pack("<H", 1) + name("base") + struct.pack("<IB", 1, 0) + b"\0" * 16
    out += struct.pack("<BB", 0, 1) + name("group", 50) + struct.pack("<IHB", 1, 0, 1)
    out += b"\1" + name("doll") + name("", 256) + b"\0" * 20 * len(made.keys) + name("group", 50)
    out += b"".join(name(f"toon{k + 1:02}.bmp", 100) for k in range(10))
    moved = [i for i, key in enumerate(made.keys) if key.startswith(("hair", "skirt"))]
    out += struct.pack("<I", len(moved) if physics else 0)
    for i in moved if physics else ():
        out += name(made.mmd[i]) + struct.pack("<HBHB14fB", i, 0, 0, 0, *[0.1] * 14, 1)
    return out

"""Characters in glTF 2.0 and GLB files, and the part of VRM files that is plain glTF."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.characters.imports import jsonvalues as js
from training.characters.imports.container import GltfFile, decode_draco, normalised
from training.characters.imports.errors import fail
from training.characters.imports.gltf_looks import (
    linear_to_srgb,
    plain_materials,
    read_textures,
)
from training.characters.imports.humanoid import english_joints, mmd_joints
from training.characters.imports.model import (
    MAX_BONES,
    MAX_MATERIALS,
    MAX_TRIANGLES,
    MAX_VERTICES,
    Bone,
    CharacterModel,
    Material,
    Spring,
    parents_first,
)  # fmt: skip
from training.characters.imports.swing import named_spring

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_HANDS = re.compile(r"hand|wrist|weapon|grip|handslot", re.IGNORECASE)
_MAX_NODES = 8_192


def read_gltf(path: Path, *, props: bool = False) -> CharacterModel:
    """The character of a .gltf or .glb file whose bones have names that `humanoid` knows.

    Meshes that are merely held in a hand, such as weapons, are left out unless `props`: packs
    put every weapon of a character into one file, all of them in the same hand.
    """
    scene = Scene(GltfFile.open(path))
    names = scene.joint_names()
    found = english_joints(names) | mmd_joints(names)
    humanoid = {joint: scene.joint_order[i] for joint, i in found.items()}
    springs = tuple(
        replace(spring, bone=i)
        for i in range(len(scene.nodes))
        if i in scene.carriers and (spring := scene.spring(i)) is not None
    )
    return scene.model(path.stem, humanoid, springs=springs, props=props)


@dataclass
class _Piece:
    """One primitive, already where the rest pose has it."""

    vertices: F64
    normals: F64
    uv: F64
    colours: F64
    triangles: I64
    bone_ids: I64
    bone_weights: F64
    material: int


@dataclass
class Scene:
    """The nodes of a glTF file, and its meshes baked into the rest pose."""

    file: GltfFile
    nodes: list[js.Table] = field(init=False)
    parents: list[int] = field(init=False)
    world: F64 = field(init=False)  # (N, 4, 4)
    order: list[int] = field(init=False)  # parents first
    carriers: set[int] = field(init=False)  # joints of skins, and nodes with meshes
    joint_order: list[int] = field(init=False)  # nodes that may be bones of the body

    def __post_init__(self) -> None:
        self.nodes = self.file.rows("nodes", _MAX_NODES)
        if not 1 <= len(self.nodes) <= MAX_BONES:
            raise fail(f"1 to {MAX_BONES} nodes", str(len(self.nodes)))
        self.parents = [-1] * len(self.nodes)
        for i, node in enumerate(self.nodes):
            for child in js.values(node.get("children"), "children", len(self.nodes)):
                child = js.index(child, "nodes", len(self.nodes))
                if self.parents[child] >= 0 or child == i:
                    raise fail("nodes that form a tree", f"two parents of node {child}")
                self.parents[child] = i
        self.order = parents_first(
            tuple(Bone(self.name(i), p, (0, 0, 0)) for i, p in enumerate(self.parents))
        )
        local = np.stack([_matrix(node) for node in self.nodes])
        self.world = local.copy()
        for i in self.order:
            if self.parents[i] >= 0:
                self.world[i] = self.world[self.parents[i]] @ local[i]
        if not np.isfinite(self.world).all() or np.abs(self.world).max() > 1e6:
            raise fail("finite node transforms below 1e6", "infinite or absurd ones")
        joints = [
            js.index(joint, "nodes", len(self.nodes))
            for skin in self.file.rows("skins", 1024)
            for joint in js.values(skin.get("joints"), "joints", len(self.nodes))
        ]
        rest = [i for i, node in enumerate(self.nodes) if "mesh" not in node]
        self.joint_order = list(dict.fromkeys([*joints, *rest]))
        self.carriers = set(joints) | {i for i, n in enumerate(self.nodes) if "mesh" in n}

    def name(self, node: int) -> str:
        """A node's name; never empty."""
        return js.text(self.nodes[node].get("name"), "name") or f"node {node}"

    def spring(self, node: int) -> Spring | None:
        """How a node swings, by its name."""
        return named_spring(self.name(node), rigid="mesh" in self.nodes[node])

    def joint_names(self) -> list[str]:
        """Names of the nodes that may be bones, those of the skins first."""
        return [self.name(i) for i in self.joint_order]

    def model(
        self, name: str, humanoid: dict[str, int], *, materials: list[Material] | None = None,
        springs: tuple[Spring, ...] = (), props: bool = False, **more: Any,
    ) -> CharacterModel:  # fmt: skip
        """Everything together; `materials` replace the plain ones where VRM describes them."""
        pieces = self._pieces(props)
        if not pieces:
            raise fail("a mesh of triangles", "none", "export the model with its mesh")
        textures, wraps = read_textures(self.file)
        offsets = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
        most = max(piece.bone_ids.shape[1] for piece in pieces)

        def join(name: str) -> NDArray:
            return np.concatenate([getattr(piece, name) for piece in pieces])

        def wide(values: NDArray) -> NDArray:
            return np.pad(values, ((0, 0), (0, most - values.shape[1])))

        vertices = join("vertices")
        ids = np.concatenate([wide(piece.bone_ids) for piece in pieces])
        return CharacterModel(
            name=name, vertices=vertices, normals=join("normals"), uv=join("uv"),
            colours=join("colours"), edge=np.ones(len(vertices)),
            triangles=np.concatenate(
                [p.triangles + o for p, o in zip(pieces, offsets[:-1], strict=True)]
            ),
            material=np.concatenate([np.full(len(p.triangles), p.material) for p in pieces]),
            bone_ids=ids,
            bone_weights=np.concatenate([wide(piece.bone_weights) for piece in pieces]),
            bones=self._bones(ids, vertices),
            materials=tuple(materials if materials is not None else plain_materials(self.file)),
            textures=textures, wraps=wraps, humanoid=humanoid, springs=springs, **more,
        )  # fmt: skip

    def _bones(self, ids: I64, vertices: F64) -> tuple[Bone, ...]:
        """Every node as a bone; one that carries a rigid mesh points to that mesh's low end."""
        heads = self.world[:, :3, 3]
        bones = []
        for i, parent in enumerate(self.parents):
            tail = None
            if "mesh" in self.nodes[i] and self.spring(i) is not None:
                mine = vertices[ids[:, 0] == i]
                if len(mine):
                    low = mine[mine[:, 1] <= np.percentile(mine[:, 1], 10)].mean(axis=0)
                    tail = (float(low[0]), float(low[1]), float(low[2]))
            head = (float(heads[i, 0]), float(heads[i, 1]), float(heads[i, 2]))
            bones.append(Bone(self.name(i), parent, head, tail))
        return tuple(bones)

    def _shown(self) -> list[int]:
        """Nodes of the scene that the file opens with."""
        scenes = self.file.rows("scenes", 1024)
        if not scenes:
            return self.order
        first = scenes[js.index(self.file.document.get("scene", 0), "scenes", len(scenes))]
        roots = {
            js.index(node, "nodes", len(self.nodes))
            for node in js.values(first.get("nodes"), "nodes", len(self.nodes))
        }
        shown: set[int] = set()
        for i in self.order:
            if i in roots or self.parents[i] in shown:
                shown.add(i)
        return [i for i in self.order if i in shown]

    def _held(self, node: int) -> bool:
        """Whether a node hangs from a hand."""
        while (node := self.parents[node]) >= 0:
            if _HANDS.search(self.name(node)):
                return True
        return False

    def _pieces(self, props: bool) -> list[_Piece]:
        meshes, skins = self.file.rows("meshes", 65_536), self.file.rows("skins", 1024)
        pieces: list[_Piece] = []
        vertices = triangles = 0
        for node in self._shown():
            entry = self.nodes[node]
            if "mesh" not in entry:
                continue
            skin = None
            if "skin" in entry:
                skin = skins[js.index(entry["skin"], "skins", len(skins))]
            elif not props and self._held(node):
                continue
            mesh = meshes[js.index(entry["mesh"], "meshes", len(meshes))]
            for primitive in js.rows(mesh.get("primitives"), "primitives", 4096):
                if js.whole(primitive.get("mode"), "mode", 4) not in (4, 5, 6):
                    continue  # points and lines
                position = js.table(primitive.get("attributes"), "attributes").get("POSITION")
                vertices += self.file.accessor_shape(position)[2]
                if "indices" in primitive:
                    triangles += self.file.accessor_shape(primitive["indices"])[2] // 3
                if vertices > MAX_VERTICES or triangles > MAX_TRIANGLES:
                    raise fail(
                        f"at most {MAX_VERTICES} vertices and {MAX_TRIANGLES} triangles",
                        f"{vertices} and {triangles}", "simplify the mesh",
                    )  # fmt: skip
                pieces.append(self._piece(node, skin, primitive))
        return pieces

    def _piece(self, node: int, skin: js.Table | None, primitive: js.Table) -> _Piece:
        attributes, faces = self._attributes(primitive)
        points = attributes["POSITION"].astype(np.float64)
        count = len(points)
        normals = attributes.get("NORMAL", np.zeros((count, 3))).astype(np.float64)
        material = primitive.get("material")
        plain = self.file.rows("materials", MAX_MATERIALS)
        number = len(plain) if material is None else js.index(material, "materials", len(plain))
        uv = self._uv(attributes, {} if material is None else plain[number], count)
        colours = np.ones((count, 3))
        if "COLOR_0" in attributes:
            colours = linear_to_srgb(attributes["COLOR_0"][:, :3].astype(np.float64))
        if skin is None:
            ids, weights = np.full((count, 1), node), np.ones((count, 1))
            blend = np.tile(self.world[node], (count, 1, 1))
        else:
            ids, weights, blend = self._skinned(skin, attributes, count)
        vertices = np.einsum("vab,vb->va", blend[:, :3, :3], points) + blend[:, :3, 3]
        normals = np.einsum("vab,vb->va", blend[:, :3, :3], normals)
        if count and np.median(np.linalg.det(blend[:, :3, :3])) < 0.0:
            faces = faces[:, ::-1]  # a mirrored node: its faces would show their backs
        return _Piece(vertices, normals, uv, colours, faces, ids, weights, number)

    def _attributes(self, primitive: js.Table) -> tuple[dict[str, NDArray], I64]:
        wanted = js.table(primitive.get("attributes"), "attributes")
        extensions = js.table(primitive.get("extensions"), "extensions")
        if "KHR_draco_mesh_compression" in extensions:
            packed = js.table(extensions["KHR_draco_mesh_compression"], "Draco extension")
            faces, by_id = decode_draco(bytes(self.file.view(packed.get("bufferView"))[0]))
            named = js.table(packed.get("attributes"), "attributes")
            found = {}
            for name, number in wanted.items():
                data = by_id.get(named.get(name, -1) if isinstance(named.get(name), int) else -1)
                entry, _, _, size = self.file.accessor_shape(number)
                if data is not None and data.ndim == 2 and data.shape[1] == size:
                    kind = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2"}.get(
                        entry["componentType"]
                    )
                    data = data.astype(kind) if kind and entry.get("normalized") else data
                    found[name] = normalised(data, bool(entry.get("normalized")))
        else:
            found = {name: self.file.accessor(number) for name, number in wanted.items()}
            faces = self._faces(primitive, found)
        if "POSITION" not in found or found["POSITION"].shape[1] != 3:
            raise fail("a mesh with POSITION of 3 components", "another")
        count = len(found["POSITION"])
        if faces.size and (faces.min() < 0 or faces.max() >= count):
            raise fail(f"triangles of vertices 0..{count - 1}", f"vertex {faces.max()}")
        widths = {"NORMAL": 3, "COLOR_0": 3, "JOINTS_0": 4, "WEIGHTS_0": 4}
        for name, data in found.items():
            if len(data) != count or data.shape[1] < widths.get(name, 1):
                raise fail(f"{count} {name} of enough components", f"{data.shape}")
        return found, faces

    def _faces(self, primitive: js.Table, attributes: dict[str, NDArray]) -> I64:
        if "indices" in primitive:
            corners = self.file.accessor(primitive["indices"])
            if corners.shape[1] != 1 or corners.dtype.kind not in "iu":
                raise fail("whole numbers as indices", "others")
            corners = corners[:, 0].astype(np.int64)
        else:
            corners = np.arange(len(attributes.get("POSITION", ())))
        mode = primitive.get("mode", 4)
        if mode == 4:
            return corners[: len(corners) // 3 * 3].reshape(-1, 3)
        if len(corners) < 3:
            return np.zeros((0, 3), np.int64)
        if mode == 6:
            return np.stack([np.full(len(corners) - 2, corners[0]), corners[1:-1], corners[2:]], 1)
        strip = np.stack([corners[:-2], corners[1:-1], corners[2:]], 1)
        strip[1::2] = strip[1::2, ::-1]
        return strip

    def _uv(self, attributes: dict[str, NDArray], material: js.Table, count: int) -> F64:
        """Coordinates of the colour texture, transformed as KHR_texture_transform says."""
        look = js.table(material.get("pbrMetallicRoughness"), "pbrMetallicRoughness")
        base = js.table(look.get("baseColorTexture"), "baseColorTexture")
        channel = js.whole(base.get("texCoord"), "texCoord", 0, 15)
        extra = js.table(base.get("extensions"), "extensions").get("KHR_texture_transform")
        move = js.table(extra, "KHR_texture_transform")
        channel = js.whole(move.get("texCoord"), "texCoord", channel, 15)
        data = attributes.get(f"TEXCOORD_{channel}")
        if data is None or data.shape[1] != 2:
            return np.zeros((count, 2))
        uv = np.asarray(data, np.float64) * js.vector(move.get("scale"), "scale", (1.0, 1.0))
        turn = js.number(move.get("rotation"), "rotation", 0.0)
        c, s = np.cos(turn), np.sin(turn)
        uv = uv @ np.array([[c, s], [-s, c]]).T
        return np.asarray(uv + js.vector(move.get("offset"), "offset", (0.0, 0.0)))

    def _skinned(
        self, skin: js.Table, attributes: dict[str, NDArray], count: int
    ) -> tuple[I64, F64, F64]:
        """Bones (V, K), their weights and the blended matrices (V, 4, 4) of the rest pose."""
        joints = np.array(
            [js.index(j, "nodes", len(self.nodes))
             for j in js.values(skin.get("joints"), "joints", len(self.nodes))], np.int64,
        )  # fmt: skip
        if not len(joints):
            raise fail("a skin with joints", "none")
        inverse = np.tile(np.eye(4), (len(joints), 1, 1))
        if "inverseBindMatrices" in skin:
            data = self.file.accessor(skin["inverseBindMatrices"])
            if data.shape[1] != 16 or len(data) < len(joints):
                raise fail(f"{len(joints)} inverse bind matrices", f"{data.shape}")
            inverse = data[: len(joints)].astype(np.float64).reshape(-1, 4, 4).transpose(0, 2, 1)
        ids, weights = [], []
        for k in range(4):
            if f"JOINTS_{k}" in attributes and f"WEIGHTS_{k}" in attributes:
                ids.append(attributes[f"JOINTS_{k}"].astype(np.int64))
                weights.append(attributes[f"WEIGHTS_{k}"].astype(np.float64))
        if not ids:
            raise fail("JOINTS_0 and WEIGHTS_0 on a skinned mesh", "neither")
        id_table, share = np.concatenate(ids, axis=1), np.concatenate(weights, axis=1)
        if id_table.shape != share.shape:
            raise fail("as many joints as weights", f"{id_table.shape} and {share.shape}")
        if not np.isfinite(share).all():
            raise fail("finite skin weights", "NaN or infinity")
        share = np.maximum(share, 0.0)
        id_table = np.where(share > 0, id_table, 0)
        if id_table.size and (id_table.min() < 0 or id_table.max() >= len(joints)):
            raise fail(f"joints 0..{len(joints) - 1} of a skin", str(id_table.max()))
        total = share.sum(axis=1, keepdims=True)
        share = np.where(total > 1e-9, share / np.maximum(total, 1e-9), 0.0)
        share[total[:, 0] <= 1e-9, 0] = 1.0
        bones = self.world[joints] @ inverse
        blend = np.zeros((count, 4, 4))
        for k in range(id_table.shape[1]):
            blend += share[:, k, None, None] * bones[id_table[:, k]]
        return joints[id_table], share, blend


def _matrix(node: js.Table) -> F64:
    """(4, 4) of a node's matrix, or of its translation, rotation and scale."""
    if "matrix" in node:
        identity = tuple(np.eye(4).reshape(-1))
        return js.vector(node["matrix"], "matrix", identity).reshape(4, 4).T
    move = js.vector(node.get("translation"), "translation", (0, 0, 0))
    x, y, z, w = js.vector(node.get("rotation"), "rotation", (0, 0, 0, 1))
    scale = js.vector(node.get("scale"), "scale", (1, 1, 1))
    length = np.sqrt(x * x + y * y + z * z + w * w)
    if not 1e-6 < length < 1e6:
        raise fail("a unit quaternion as rotation", f"one of length {length:.3g}")
    x, y, z, w = np.array([x, y, z, w]) / length
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = turn * scale, move
    return result

"""VRM 0.x and 1.0: humanoid bones, spring bones and MToon materials on top of glTF.

VRM 0.x: the extension `VRM` (vrm-c/vrm-specification, 0.0); VRM 1.0: `VRMC_vrm`,
`VRMC_springBone` and `VRMC_materials_mtoon`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from training.characters.imports import jsonvalues as js
from training.characters.imports.container import GltfFile
from training.characters.imports.errors import fail
from training.characters.imports.gltf import Scene
from training.characters.imports.gltf_looks import (
    linear_to_srgb,
    plain_materials,
    rgb,
    texture_of,
)
from training.characters.imports.humanoid import VRM
from training.characters.imports.model import (
    ADD,
    CUT_OUT,
    MAX_MATERIALS,
    OPAQUE,
    SEE_THROUGH,
    CharacterModel,
    Collider,
    Material,
    Spring,
)  # fmt: skip

_MAX = 4096
_OUTLINE = 0.8  # of the house's own line: MToon's, a millimetre wide, would vanish


def read_vrm(path: Path, *, props: bool = False) -> CharacterModel:
    """The character of a .vrm file, or of a .glb with a VRM extension."""
    file = GltfFile.open(path)
    scene = Scene(file)
    extensions = js.table(file.document.get("extensions"), "extensions")
    if "VRMC_vrm" in extensions:
        one = js.table(extensions["VRMC_vrm"], "VRMC_vrm")
        pairs = list(_bones_1(scene, one))
        physics = js.table(extensions.get("VRMC_springBone"), "VRMC_springBone")
        springs, colliders = _springs_1(scene, physics)
        materials = _materials_1(scene)
    elif "VRM" in extensions:
        zero = js.table(extensions["VRM"], "VRM")
        pairs = list(_bones_0(scene, zero))
        physics = js.table(zero.get("secondaryAnimation"), "secondaryAnimation")
        springs, colliders = _springs_0(scene, physics)
        materials = _materials_0(scene, zero)
    else:
        raise fail(
            "the extension VRM or VRMC_vrm", "neither", "name a plain glTF file .glb or .gltf"
        )
    humanoid: dict[str, int] = {}
    for name, node in pairs:
        if name in VRM:
            humanoid.setdefault(VRM[name], node)
        elif name == "upperChest":
            humanoid.setdefault("upper chest", node)
    upper = humanoid.pop("upper chest", None)
    if upper is not None:
        humanoid.setdefault("chest", upper)
    model = scene.model(
        path.stem, humanoid, materials=materials, springs=springs, props=props, colliders=colliders
    )
    # MToon takes no notice of vertex colours: exporters leave anything in them.
    return replace(model, colours=np.ones_like(model.colours))


def _bones_1(scene: Scene, vrm: js.Table) -> Iterator[tuple[str, int]]:
    humanoid = js.table(vrm.get("humanoid"), "humanoid")
    for name, entry in js.table(humanoid.get("humanBones"), "humanBones").items():
        yield name, _node(scene, js.table(entry, "humanBone").get("node"))


def _bones_0(scene: Scene, vrm: js.Table) -> Iterator[tuple[str, int]]:
    humanoid = js.table(vrm.get("humanoid"), "humanoid")
    for entry in js.rows(humanoid.get("humanBones"), "humanBones", _MAX):
        yield js.text(entry.get("bone"), "bone"), _node(scene, entry.get("node"))


def _node(scene: Scene, number: Any) -> int:
    return js.index(number, "nodes", len(scene.nodes))


def _point(scene: Scene, node: int, offset: np.ndarray) -> tuple[float, float, float]:
    world = scene.world[node]
    x, y, z = world[:3, :3] @ offset + world[:3, 3]
    return float(x), float(y), float(z)


def _xyz(value: Any, what: str, default: tuple[float, float, float]) -> np.ndarray:
    """A vector of VRM 0.x, which writes {"x": ..., "y": ..., "z": ...}."""
    entry = js.table(value, what)
    return np.array([js.number(entry.get(k), what, d) for k, d in zip("xyz", default, strict=True)])


def _spring(
    node: int, stiffness: float, drag: float, power: float, way: np.ndarray, radius: float
) -> Spring:
    pull = way * power
    return Spring(
        node, stiffness, drag, (float(pull[0]), float(pull[1]), float(pull[2])), abs(radius)
    )


# --- spring bones ------------------------------------------------------------------------------


def _springs_1(scene: Scene, physics: js.Table) -> tuple[tuple[Spring, ...], tuple[Collider, ...]]:
    springs: dict[int, Spring] = {}
    for entry in js.rows(physics.get("springs"), "springs", _MAX):
        joints = js.rows(entry.get("joints"), "joints", _MAX)
        for joint in joints[:-1]:  # the last one only says where the chain ends
            node = _node(scene, joint.get("node"))
            springs[node] = _spring(
                node,
                js.number(joint.get("stiffness"), "stiffness", 1.0),
                js.number(joint.get("dragForce"), "dragForce", 0.5),
                js.number(joint.get("gravityPower"), "gravityPower", 0.0),
                js.vector(joint.get("gravityDir"), "gravityDir", (0, -1, 0)),
                js.number(joint.get("hitRadius"), "hitRadius", 0.0),
            )
    colliders = []
    for entry in js.rows(physics.get("colliders"), "colliders", _MAX):
        node = _node(scene, entry.get("node"))
        shape = js.table(entry.get("shape"), "shape")
        kind = "capsule" if "capsule" in shape else "sphere"
        body = js.table(shape.get(kind), kind)
        start = js.vector(body.get("offset"), "offset", (0, 0, 0))
        end = js.vector(body.get("tail"), "tail", (0, 0, 0)) if kind == "capsule" else start
        radius = abs(js.number(body.get("radius"), "radius", 0.0))
        colliders.append(
            Collider(node, _point(scene, node, start), _point(scene, node, end), radius)
        )
    return tuple(springs.values()), tuple(colliders)


def _springs_0(scene: Scene, physics: js.Table) -> tuple[tuple[Spring, ...], tuple[Collider, ...]]:
    children: list[list[int]] = [[] for _ in scene.nodes]
    for i, parent in enumerate(scene.parents):
        if parent >= 0:
            children[parent].append(i)
    springs: dict[int, Spring] = {}
    for group in js.rows(physics.get("boneGroups"), "boneGroups", _MAX):
        # "stiffiness" is how the specification spells it.
        stiffness = js.number(group.get("stiffiness"), "stiffiness", 1.0)
        drag = js.number(group.get("dragForce"), "dragForce", 0.4)
        power = js.number(group.get("gravityPower"), "gravityPower", 0.0)
        way = _xyz(group.get("gravityDir"), "gravityDir", (0, -1, 0))
        radius = js.number(group.get("hitRadius"), "hitRadius", 0.02)
        todo = [_node(scene, node) for node in js.values(group.get("bones"), "bones", _MAX)]
        while todo:  # a root and all that grows from it
            node = todo.pop()
            if node not in springs:
                springs[node] = _spring(node, stiffness, drag, power, way, radius)
                todo.extend(children[node])
    colliders = []
    for group in js.rows(physics.get("colliderGroups"), "colliderGroups", _MAX):
        node = _node(scene, group.get("node"))
        for entry in js.rows(group.get("colliders"), "colliders", _MAX):
            # Offsets of VRM 0.x are in Unity's left-handed axes.
            offset = _xyz(entry.get("offset"), "offset", (0, 0, 0)) * (1, 1, -1)
            centre = _point(scene, node, offset)
            radius = abs(js.number(entry.get("radius"), "radius", 0.0))
            colliders.append(Collider(node, centre, centre, radius))
    return tuple(springs.values()), tuple(colliders)


# --- MToon -------------------------------------------------------------------------------------


def _ratio(shade: np.ndarray, colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """What the lit colour is multiplied by to give the shade colour."""
    return rgb(shade / np.maximum(np.asarray(colour), 0.02))


def _materials_1(scene: Scene) -> list[Material]:
    plain = plain_materials(scene.file)
    for i, entry in enumerate(scene.file.rows("materials", MAX_MATERIALS)):
        extensions = js.table(entry.get("extensions"), "extensions")
        if "VRMC_materials_mtoon" not in extensions:
            continue
        toon = js.table(extensions["VRMC_materials_mtoon"], "VRMC_materials_mtoon")
        shade = linear_to_srgb(
            js.vector(toon.get("shadeColorFactor"), "shadeColorFactor", (0, 0, 0))
        )
        toony = js.number(toon.get("shadingToonyFactor"), "shadingToonyFactor", 0.9)
        matcap = js.vector(toon.get("matcapFactor"), "matcapFactor", (1, 1, 1))
        lines = toon.get("outlineWidthMode", "none") != "none"
        ink = linear_to_srgb(
            js.vector(toon.get("outlineColorFactor"), "outlineColorFactor", (0,) * 3)
        )
        queue = js.number(toon.get("renderQueueOffsetNumber"), "renderQueueOffsetNumber", 0)
        plain[i] = replace(
            plain[i],
            shade=_ratio(shade, plain[i].colour),
            unlit=False,
            threshold=-js.number(toon.get("shadingShiftFactor"), "shadingShiftFactor", 0.0),
            softness=float(np.clip(1.0 - toony, 0.01, 1.0)),
            sphere=texture_of(scene.file, toon.get("matcapTexture")) if matcap.max() > 0 else -1,
            sphere_mode=ADD,
            outline=_OUTLINE if lines else 0.0,
            ink=rgb(ink) if lines else None,
            order=int(np.clip(queue, -100, 100)),
        )
    return plain


def _materials_0(scene: Scene, vrm: js.Table) -> list[Material]:
    plain = plain_materials(scene.file)
    properties = js.rows(vrm.get("materialProperties"), "materialProperties", MAX_MATERIALS)
    for i, entry in enumerate(properties[: len(plain) - 1]):
        shader = js.text(entry.get("shader"), "shader")
        queue = js.number(entry.get("renderQueue"), "renderQueue", 3000.0)
        plain[i] = replace(plain[i], order=int(np.clip(queue, 0, 10_000)))
        if shader.startswith("VRM/Unlit"):
            plain[i] = replace(plain[i], unlit=True)
        if shader != "VRM/MToon":
            continue
        numbers = js.table(entry.get("floatProperties"), "floatProperties")
        colours = js.table(entry.get("vectorProperties"), "vectorProperties")
        textures = js.table(entry.get("textureProperties"), "textureProperties")
        lit = js.vector(colours.get("_Color"), "_Color", (1, 1, 1, 1))
        shade = js.vector(colours.get("_ShadeColor"), "_ShadeColor", (0.97, 0.81, 0.86))
        low = js.number(numbers.get("_ShadeShift"), "_ShadeShift", 0.0)
        toony = js.number(numbers.get("_ShadeToony"), "_ShadeToony", 0.9)
        high = 1.0 + (low - 1.0) * float(np.clip(toony, 0.0, 1.0))
        blend = round(js.number(numbers.get("_BlendMode"), "_BlendMode", 0.0))
        lines = js.number(numbers.get("_OutlineWidthMode"), "_OutlineWidthMode", 0.0) > 0.5
        ink = js.vector(colours.get("_OutlineColor"), "_OutlineColor", (0, 0, 0))
        plain[i] = replace(
            plain[i],
            colour=rgb(lit),
            alpha=1.0 if blend == 0 else float(np.clip(lit[3], 0, 1)),
            texture=_texture_0(scene, textures.get("_MainTex")),
            shade=_ratio(shade, rgb(lit)),
            unlit=False,
            threshold=0.5 * (low + high),
            softness=float(np.clip(0.5 * (high - low), 0.01, 1.0)),
            sphere=_texture_0(scene, textures.get("_SphereAdd")),
            sphere_mode=ADD,
            emission=(0.0, 0.0, 0.0),
            mode={0: OPAQUE, 1: CUT_OUT}.get(blend, SEE_THROUGH),
            cutoff=js.number(numbers.get("_Cutoff"), "_Cutoff", 0.5),
            double=js.number(numbers.get("_CullMode"), "_CullMode", 2.0) < 0.5,
            outline=_OUTLINE if lines else 0.0,
            ink=rgb(ink) if lines else None,
        )
    return plain


def _texture_0(scene: Scene, number: Any) -> int:
    return -1 if number is None else texture_of(scene.file, {"index": number})

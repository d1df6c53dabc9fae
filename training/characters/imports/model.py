"""What every reader of a character file returns, before it is fitted to the rig.

Axes are the rig's: y up, +x to the character's left, +z the way it looks; counter-clockwise
triangles are front; any unit of length.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.errors import fail
from training.render.surfaces import (
    ADD,
    CLAMP,
    CUT_OUT,
    MIRROR,
    MULTIPLY,
    OPAQUE,
    REPEAT,
    SEE_THROUGH,
)  # fmt: skip

__all__ = [
    "ADD", "CLAMP", "CUT_OUT", "MIRROR", "MULTIPLY", "OPAQUE", "REPEAT", "SEE_THROUGH",
]  # fmt: skip

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Rgb = tuple[float, float, float]

# What a file may have at most: far more than characters have, and a few hundred MB.
MAX_VERTICES = 400_000
MAX_TRIANGLES = 800_000
MAX_BONES = 4_096
MAX_MATERIALS = 1_024
MAX_TEXTURES = 512
TEXEL_BUDGET = 1 << 25


@dataclass(frozen=True, slots=True)
class Bone:
    """One bone of the file's own skeleton. `copies` names bones that turn this one, with shares."""

    name: str
    parent: int  # index, -1 for a root; parents may come later in the list
    head: tuple[float, float, float]
    tail: tuple[float, float, float] | None = None
    copies: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks. Colours in [0, 1]; textures are indices or -1."""

    name: str
    colour: Rgb = (1.0, 1.0, 1.0)
    alpha: float = 1.0
    texture: int = -1
    shade: Rgb | None = None  # times the colour in the shade; None for the house's own shade
    ramp: NDArray[np.float64] | None = None  # (N, 3) from dark to lit, instead of `shade`
    unlit: bool = False
    threshold: float | None = None  # N.L at which shade begins
    softness: float | None = None
    sphere: int = -1
    sphere_mode: int = MULTIPLY
    emission: Rgb = (0.0, 0.0, 0.0)
    mode: int | None = None  # OPAQUE, CUT_OUT, SEE_THROUGH; None: look at the texture
    cutoff: float = 0.5
    double: bool = False
    outline: float = 1.0  # relative width, 0 for none
    ink: Rgb | None = None  # None: dark, of the colour's hue
    order: int = 0  # see-through materials are drawn from low to high


@dataclass(frozen=True, slots=True)
class Spring:
    """A bone that swings, with its parameters (VRM's: stiffness and gravity in units of force)."""

    bone: int
    stiffness: float = 1.0
    drag: float = 0.4
    gravity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 0.0  # file units


@dataclass(frozen=True, slots=True)
class Collider:
    """A ball or capsule that a bone carries; its ends are in model space at rest, in file units."""

    bone: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class CharacterModel:
    """A whole character as read from a file, with every vertex where the file's rest pose has it.

    `humanoid` maps the rig's joints, and "l_eye", "r_eye", "l_toe", "r_toe", to bones.
    """

    name: str
    vertices: F64  # (V, 3)
    normals: F64  # (V, 3), zero where the file has none
    uv: F64  # (V, 2), v down
    colours: F64  # (V, 3)
    edge: F64  # (V,) relative width of the outline
    triangles: I64  # (T, 3)
    material: I64  # (T,)
    bone_ids: I64  # (V, K)
    bone_weights: F64  # (V, K)
    bones: tuple[Bone, ...]
    materials: tuple[Material, ...]
    textures: tuple[NDArray[np.uint8] | None, ...]  # (H, W, 4); None where not there
    wraps: tuple[tuple[int, int], ...]  # of each texture
    humanoid: Mapping[str, int]
    followers: Mapping[int, str] = field(default_factory=dict)  # bones outside the tree: joint
    springs: tuple[Spring, ...] = ()
    colliders: tuple[Collider, ...] = field(default=())


def check(model: CharacterModel) -> CharacterModel:
    """The model, if its parts go together and all its numbers are finite and sensible."""
    count = len(model.vertices)
    if not 3 <= count <= MAX_VERTICES:
        raise fail(f"3 to {MAX_VERTICES} vertices", str(count), "simplify the mesh")
    if not 1 <= len(model.triangles) <= MAX_TRIANGLES:
        raise fail(f"1 to {MAX_TRIANGLES} triangles", str(len(model.triangles)))
    if not 1 <= len(model.bones) <= MAX_BONES:
        raise fail(
            f"1 to {MAX_BONES} bones", str(len(model.bones)), "export the model with its skeleton"
        )
    for name in ("vertices", "normals", "uv", "colours", "edge", "bone_weights"):
        values = getattr(model, name)
        # A million units is a broken file, and squares of more overflow in single precision.
        if not np.isfinite(values).all() or (values.size and np.abs(values).max() > 1e6):
            raise fail(f"finite {name.replace('_', ' ')} below 1e6", "infinite or absurd ones")
    ranges = (
        ("vertex of a triangle", model.triangles, count),
        ("material", model.material, len(model.materials)),
        ("bone of a vertex", model.bone_ids, len(model.bones)),
    )
    for what, indices, limit in ranges:
        if indices.size and not (indices.min() >= 0 and indices.max() < limit):
            raise fail(f"every {what} in 0..{limit - 1}", f"{indices.min()} to {indices.max()}")
    heads = np.array([bone.head for bone in model.bones])
    if not np.isfinite(heads).all() or np.abs(heads).max() > 1e6:
        raise fail("finite bone positions below 1e6", "infinite or absurd ones")
    parents_first(model.bones)
    return model


def parents_first(bones: tuple[Bone, ...]) -> list[int]:
    """Indices of the bones, parents before children; CharacterFileError for a loop."""
    children: list[list[int]] = [[] for _ in bones]
    order: list[int] = []
    for i, bone in enumerate(bones):
        if bone.parent < 0:
            order.append(i)
        elif bone.parent < len(bones):
            children[bone.parent].append(i)
        else:
            raise fail(
                f"parents of bones in 0..{len(bones) - 1}", f"{bone.parent} for {bone.name!r}"
            )
    for i in order:  # grows while it is walked
        order.extend(children[i])
    if len(order) != len(bones):
        loop = next(b.name for i, b in enumerate(bones) if i not in set(order))
        raise fail("bones that form a tree", f"a loop through {loop!r}")
    return order

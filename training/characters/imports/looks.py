"""From the materials of a file to what the renderer draws: `Surfaces` and vertex colours."""

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.model import (
    CUT_OUT,
    OPAQUE,
    SEE_THROUGH,
    CharacterModel,
    Material,
)  # fmt: skip
from training.render.scene import Mesh, Texture
from training.render.surfaces import RAMP, Surfaces, pack_textures

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

HOUSE_SHADE = (0.76, 0.70, 0.80)  # times the colour: a cool shade, as Ito has it
# Lower than the renderer's own: Ito's face was modelled for that light, faces of others get half
# dark by it.
_THRESHOLD, _SOFTNESS = 0.0, 0.05
_INK = (0.30, 0.24, 0.28)  # times the colour: lines are dark, of the surface's own hue
# Barycentric places where a triangle's texture is looked at for holes.
_PROBES = np.array(
    [(1, 1, 1), (4, 1, 1), (1, 4, 1), (1, 1, 4), (2, 2, 1), (1, 2, 2), (2, 1, 2), (6, 1, 0.2),
     (0.2, 6, 1), (1, 0.2, 6)]
)  # fmt: skip
_PROBES = _PROBES / _PROBES.sum(axis=1, keepdims=True)


def ramp_of(material: Material) -> F64:
    """(RAMP, 3): what the colour is multiplied by for N.L from -1 to 1."""
    if material.unlit:
        return np.ones((RAMP, 3))
    if material.ramp is not None:
        at = np.linspace(0, len(material.ramp) - 1, RAMP)
        rows = np.arange(len(material.ramp))
        return np.stack([np.interp(at, rows, channel) for channel in material.ramp.T], axis=1)
    threshold = _THRESHOLD if material.threshold is None else material.threshold
    softness = _SOFTNESS if material.softness is None else material.softness
    light = np.linspace(-1.0, 1.0, RAMP)
    mix = np.clip((light - threshold) / (2 * max(softness, 1e-3)) + 0.5, 0.0, 1.0)
    mix = (mix * mix * (3 - 2 * mix))[:, None]
    shade = np.asarray(HOUSE_SHADE if material.shade is None else material.shade)
    return shade * (1 - mix) + mix


def _probe(picture: NDArray[np.uint8], uv: F64, wrap: tuple[int, int]) -> F64:
    """(N, 4) nearest texels in [0, 1] at (N, 2) coordinates."""
    height, width = picture.shape[:2]
    at = []
    for axis, size in ((0, width), (1, height)):
        u = uv[:, axis]
        if wrap[axis] == 1:
            u = np.clip(u, 0.0, 1.0)
        elif wrap[axis] == 2:
            u = 1.0 - np.abs((u % 2.0) - 1.0)
        at.append(np.clip(((u - np.floor(u)) * size).astype(np.int64), 0, size - 1))
    return picture[at[1], at[0]] / 255.0


def _mode(model: CharacterModel, index: int, material: Material) -> int:
    """How a material is drawn that does not say: by the alpha that its triangles really show."""
    if material.mode is not None:
        return material.mode
    if material.alpha < 0.999:
        return SEE_THROUGH
    picture = model.textures[material.texture] if material.texture >= 0 else None
    triangles = model.triangles[model.material == index]
    if picture is None or not len(triangles) or picture[..., 3].min() > 250:
        return OPAQUE
    # A few thousand probes tell; a material can have a hundred thousand triangles.
    triangles = triangles[:: max(len(triangles) // 4000, 1)]
    places = np.einsum("pk,tkc->tpc", _PROBES, model.uv[triangles]).reshape(-1, 2)
    alpha = _probe(picture, places, model.wraps[material.texture])[:, 3]
    if (alpha > 0.98).mean() > 0.999:
        return OPAQUE
    between = ((alpha > 0.1) & (alpha < 0.9)).mean()
    return SEE_THROUGH if between > 0.02 else CUT_OUT


def _density(model: CharacterModel, index: int, material: Material, vertices: F64) -> float:
    """Texels per world unit of a material's texture: the middle one over its triangles."""
    picture = model.textures[material.texture] if material.texture >= 0 else None
    triangles = model.triangles[model.material == index]
    if picture is None or not len(triangles):
        return 1.0
    uv = model.uv[triangles] * (picture.shape[1], picture.shape[0])
    edges, ways = uv[:, 1:] - uv[:, :1], vertices[triangles[:, 1:]] - vertices[triangles[:, :1]]
    texels = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0])
    area = np.linalg.norm(np.cross(ways[:, 0], ways[:, 1]), axis=1)
    good = (area > 1e-12) & (texels > 1e-6)
    if not good.any():
        return 1.0  # a palette: every triangle shows one texel, of the finest level
    return float(np.sqrt(np.median(texels[good] / area[good])))


def dress(model: CharacterModel, vertices: F64, normals: F64) -> Mesh:
    """The mesh that the renderer draws: `vertices` and `normals` (V, 3) in the rig's units."""
    materials = model.materials
    pyramids = [
        Texture.of(np.zeros((16, 16, 4), np.uint8) if picture is None else picture, 1.0).levels
        for picture in model.textures
    ]
    levels, texels = pack_textures(pyramids)
    wraps = np.array(model.wraps or [(0, 0)], np.int32).reshape(-1, 2)
    modes = [_mode(model, i, m) for i, m in enumerate(materials)]
    _, weld = np.unique(np.round(vertices, 5), axis=0, return_inverse=True)
    rank = np.argsort(np.argsort([m.order for m in materials], kind="stable"), kind="stable")
    # See-through layers are drawn by number, so the materials are numbered in their order.
    sort = np.argsort(rank)

    def there(texture: int) -> int:
        return texture if texture >= 0 and model.textures[texture] is not None else -1

    def column(values: list[float] | list[int] | list[bool], kind: type) -> NDArray:
        return np.ascontiguousarray(np.asarray(values)[sort].astype(kind))

    surfaces = Surfaces(
        material=np.ascontiguousarray(rank[model.material].astype(np.int32)),
        weld=np.ascontiguousarray(weld.reshape(-1).astype(np.int32)),
        base=column([there(m.texture) for m in materials], np.int32),
        sphere=column([there(m.sphere) for m in materials], np.int32),
        sphere_mode=column([m.sphere_mode for m in materials], np.int32),
        ramp=np.ascontiguousarray(
            np.stack([ramp_of(m) for m in materials])[sort].astype(np.float32)
        ),
        emission=np.ascontiguousarray(
            np.array([m.emission for m in materials])[sort].astype(np.float32)
        ),
        alpha=column([m.alpha for m in materials], np.float32),
        mode=column(modes, np.int32),
        cutoff=column([m.cutoff for m in materials], np.float32),
        double=column([m.double for m in materials], np.bool_),
        density=column(
            [_density(model, i, m, vertices) for i, m in enumerate(materials)], np.float32
        ),
        wraps=np.ascontiguousarray(wraps),
        levels=levels,
        texels=texels,
    )
    tint, ink, outline = _vertex_looks(model, modes)
    count = len(vertices)
    return Mesh(
        vertices=np.ascontiguousarray(vertices, np.float32),
        normals=np.ascontiguousarray(normals, np.float32),
        triangles=np.ascontiguousarray(model.triangles, np.int32),
        lit=tint, shade=tint * np.asarray(HOUSE_SHADE, np.float32), ink=ink, outline=outline,
        bias=np.zeros(count, np.float32), uv=np.ascontiguousarray(model.uv, np.float32),
        textured=np.ones(len(model.triangles), np.bool_), surfaces=surfaces,
    )  # fmt: skip


def _vertex_looks(model: CharacterModel, modes: list[int]) -> tuple[F32, F32, F32]:
    """Colour, ink and outline of each vertex, from the material of one of its triangles."""
    count = len(model.vertices)
    owner = np.zeros(count, np.int64)
    owner[model.triangles.reshape(-1)] = np.repeat(model.material, 3)
    tint, ink, width = np.ones((count, 3)), np.zeros((count, 3)), np.zeros(count)
    for i, material in enumerate(model.materials):
        mine = owner == i
        tint[mine] = material.colour
        width[mine] = material.outline
        seen = model.colours[mine] * np.asarray(material.colour)
        picture = model.textures[material.texture] if material.texture >= 0 else None
        if picture is not None and mine.any():
            wrap = model.wraps[material.texture]
            seen = seen * _probe(picture, model.uv[mine], wrap)[:, :3]
        ink[mine] = seen * _INK if material.ink is None else material.ink
        if modes[i] == SEE_THROUGH and material.texture < 0:
            width[mine] = 0.0  # a pane of glass: the hull behind it would fill it
    tint *= model.colours
    return (
        np.ascontiguousarray(np.clip(tint, 0, 1), np.float32),
        np.ascontiguousarray(np.clip(ink, 0, 1), np.float32),
        np.ascontiguousarray(np.clip(width * model.edge, 0.0, 3.0), np.float32),
    )

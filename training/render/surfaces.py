"""Many materials on one mesh, as characters of others have, and how such a mesh is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from training.render import _kernels, _kernels_surfaces
from training.render.drawing import Drawing

if TYPE_CHECKING:
    from training.render.scene import Camera, Mesh, Style

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

OPAQUE, CUT_OUT, SEE_THROUGH = 0, 1, 2
REPEAT, CLAMP, MIRROR = 0, 1, 2
NO_SPHERE, MULTIPLY, ADD = 0, 1, 2
RAMP = 128
_SPHERE_SIDE = 128  # pixels: a sphere map is a blurred thing


@dataclass(frozen=True, slots=True)
class Surfaces:
    """The materials of a mesh (M of them) and their textures (K), packed for the kernels.

    The colour of a sample is the vertex's `Mesh.lit` x the texture x the ramp at N.L, then times or
    plus the sphere map, plus the emission.
    """

    material: I32  # (T,) of each triangle
    weld: I32  # (V,) vertices with one number are one point
    base: I32  # (M,) texture, -1 for none
    sphere: I32  # (M,) texture, -1 for none
    sphere_mode: I32  # (M,) MULTIPLY or ADD
    ramp: F32  # (M, RAMP, 3) from N.L = -1 to 1
    emission: F32  # (M, 3)
    alpha: F32  # (M,)
    mode: I32  # (M,) OPAQUE, CUT_OUT or SEE_THROUGH
    cutoff: F32  # (M,) alpha below which a sample of a cut-out is not there
    double: NDArray[np.bool_]  # (M,) both sides are drawn
    density: F32  # (M,) texels per world unit of the finest level of `base`
    wraps: I32  # (K, 2) across and down: REPEAT, CLAMP or MIRROR
    levels: I32  # (K, L, 3) offset into `texels`, width, height; the last level repeats
    texels: NDArray[np.uint8]  # (N, 4) straight RGBA

    def views(self, samples_per_unit: float) -> tuple[I32, I32]:
        """(M, 3) the levels of the base and of the sphere textures for a picture's scale."""
        wanted = np.round(np.log2(np.maximum(self.density / samples_per_unit, 1e-6)))
        level = np.clip(wanted, 0, self.levels.shape[1] - 1).astype(np.int64)
        base = self.levels[np.maximum(self.base, 0), level]
        small = self.levels[np.maximum(self.sphere, 0)]
        pick = np.argmax(small[..., 1:].max(axis=2) <= _SPHERE_SIDE, axis=1)
        sphere = small[np.arange(len(pick)), pick]
        return np.ascontiguousarray(base), np.ascontiguousarray(sphere)


def pack_textures(pictures: Sequence[Sequence[NDArray[np.uint8]]]) -> tuple[I32, NDArray[np.uint8]]:
    """`levels` and `texels` of Surfaces from the pyramids of the textures."""
    most = max((len(levels) for levels in pictures), default=1)
    table = np.zeros((max(len(pictures), 1), most, 3), np.int32)
    table[:, :, 1:] = 1  # of no texture at all: the one texel below
    texels: list[NDArray[np.uint8]] = [np.zeros((1, 4), np.uint8)]
    offset = 1
    for k, levels in enumerate(pictures):
        for row in range(most):
            if row < len(levels):
                height, width = levels[row].shape[:2]
                texels.append(levels[row].reshape(-1, 4))
                table[k, row] = offset, width, height
                offset += width * height
            else:
                table[k, row] = table[k, row - 1]
    return table, np.ascontiguousarray(np.concatenate(texels))


def draw_surfaces(
    mesh: "Mesh", surfaces: Surfaces, camera: "Camera", size: int, supersample: int, style: "Style"
) -> Drawing:
    """Draw a mesh with surfaces; see `scene.draw`."""
    samples = size * supersample
    scale, f = np.float32(camera.scale * samples), np.float32
    hull_normals = np.empty_like(mesh.vertices)
    total = np.empty((int(surfaces.weld.max(initial=-1)) + 1, 3), np.float32)
    _kernels_surfaces.welded_normals(
        mesh.vertices, mesh.triangles, surfaces.weld, total, hull_normals
    )
    screen, hull = np.empty_like(mesh.vertices), np.empty_like(mesh.vertices)
    _kernels.project_vertices(
        mesh.vertices, hull_normals, mesh.outline,
        f(camera.target[0]), f(camera.target[1]), f(camera.target[2]), f(camera.distance), scale,
        f(camera.centre[0] * samples), f(camera.centre[1] * samples),
        f(style.outline * samples), f(style.outline_push), screen, hull,
    )  # fmt: skip
    views, sphere_views = surfaces.views(float(scale))
    depth = np.zeros((samples, samples), np.float32)
    labels = np.full((samples, samples), -1, np.int32)
    s = surfaces
    _kernels_surfaces.fill(
        screen, hull, mesh.outline, mesh.triangles, s.material, s.mode, s.double, s.alpha, s.cutoff,
        s.base, views, s.wraps, s.texels, mesh.uv, depth, labels,
    )  # fmt: skip
    colours = np.zeros((samples, samples, 4), np.float32)
    _kernels_surfaces.shade_seen(
        labels, screen, hull, mesh.triangles, s.material, mesh.normals, mesh.lit, mesh.ink,
        mesh.bias, mesh.uv, s.base, s.sphere, s.sphere_mode, views, sphere_views, s.wraps,
        s.texels, s.ramp, s.emission, s.alpha, style.direction, colours,
    )  # fmt: skip
    layers = np.flatnonzero(s.mode[s.material] == SEE_THROUGH)
    if len(layers):
        # By material as the file orders them, each from the far triangles to the near ones.
        nearness = screen[mesh.triangles[layers], 2].mean(axis=1)
        order = layers[np.lexsort((nearness, s.material[layers]))]
        _kernels_surfaces.blend(
            order, screen, mesh.triangles, s.material, mesh.normals, mesh.lit, mesh.bias, mesh.uv,
            s.double, s.base, s.sphere, s.sphere_mode, views, sphere_views, s.wraps, s.texels,
            s.ramp, s.emission, s.alpha, style.direction, depth, labels, colours,
        )  # fmt: skip
    out = np.empty((size, size, 4), np.uint8)
    _kernels_surfaces.resolve(colours, supersample, out)
    return Drawing(out, depth, labels)

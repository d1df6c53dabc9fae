"""Meshes, the camera, and `render`: a posed mesh in, a premultiplied RGBA picture out.

World axes are the rig's: y up, x to the picture's right, z toward the viewer.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.render import _kernels
from training.render.drawing import Drawing
from training.render.surfaces import Surfaces, draw_surfaces

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Texture:
    """Straight-alpha RGBA atlas with a pyramid of halved copies.

    `density` is the texels per world unit of the finest level, from which `render` picks one level
    for the whole picture: one level has no seams, and supersampling covers the rest.
    """

    levels: tuple[NDArray[np.uint8], ...]  # (H, W, 4), (H/2, W/2, 4), ...
    density: float

    @classmethod
    def of(cls, rgba: NDArray[np.uint8], density: float) -> "Texture":
        """Build the pyramid; alpha-weighted, so that transparent texels do not bleed colour."""
        levels = [np.ascontiguousarray(rgba)]
        current = rgba.astype(np.float32)
        current[..., :3] *= current[..., 3:] / 255.0
        while min(current.shape[:2]) > 16:
            half_wh = (current.shape[1] // 2, current.shape[0] // 2)
            half = cv2.resize(current, half_wh, interpolation=cv2.INTER_AREA)
            current = np.asarray(half, np.float32)
            straight = current.copy()
            straight[..., :3] /= np.maximum(current[..., 3:] / 255.0, 1e-4)
            levels.append(np.clip(straight + 0.5, 0, 255).astype(np.uint8))
        return cls(tuple(levels), density)

    def level_for(self, samples_per_unit: float) -> NDArray[np.uint8]:
        """The level whose texels are about the size of a sample."""
        wanted = round(np.log2(max(self.density / samples_per_unit, 1e-6)))
        return self.levels[int(np.clip(wanted, 0, len(self.levels) - 1))]


NO_TEXTURE = Texture((np.zeros((16, 16, 4), np.uint8),), 1.0)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles with all that the toon shader needs; counter-clockwise is front, colours [0, 1]."""

    vertices: F32  # (V, 3)
    normals: F32  # (V, 3), unit
    triangles: NDArray[np.int32]  # (T, 3)
    lit: F32  # (V, 3) colour in the light
    shade: F32  # (V, 3) colour in the shade
    ink: F32  # (V, 3) colour of the outline
    outline: F32  # (V,) width of the outline relative to the style's, 0 for none
    bias: F32  # (V,) added to N.L: negative where the surface lies in a corner
    uv: F32  # (V, 2) in [0, 1], v down
    textured: NDArray[np.bool_]  # (T,)
    texture: Texture = NO_TEXTURE
    surfaces: Surfaces | None = None  # many materials instead: shade, textured, texture are unused

    def only(self, kept: NDArray[np.bool_]) -> "Mesh":
        """The mesh of some of its triangles (T,), with all of its vertices.

        Raises:
            ValueError: the mesh has surfaces.
        """
        if self.surfaces is not None:
            raise ValueError("a mesh with surfaces of many materials cannot be taken apart yet")
        return replace(
            self,
            triangles=np.ascontiguousarray(self.triangles[kept]),
            textured=np.ascontiguousarray(self.textured[kept]),
        )


@dataclass(frozen=True, slots=True)
class Camera:
    """A fixed camera with mild perspective, in front of the character.

    The target, a point in world units, falls on `centre`; `scale` is picture heights per world unit
    at the target; `distance` is in world units. It looks down on the target by `pitch` radians; the
    light goes with it.
    """

    target: tuple[float, float, float]
    distance: float
    scale: float
    centre: tuple[float, float] = (0.5, 0.5)
    pitch: float = 0.0

    @classmethod
    def for_height(cls, height: float, fill: float = 0.80, floor: float = 0.955) -> "Camera":
        """Frame a character of `height` units that fills `fill` of it and stands at `floor`."""
        return cls((0.0, 0.5 * height, 0.0), 6.0 * height, fill / height, (0.5, floor - 0.5 * fill))

    def over(self, x: float, z: float) -> "Camera":
        """Carry the camera to look at another place, as high as before; world units."""
        return replace(self, target=(x, self.target[1], z))

    def level(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """World points (N, 3) where a camera without pitch would see them as this one does."""
        if self.pitch == 0.0:
            return points
        target = np.asarray(self.target, points.dtype)
        return target + self.level_directions(points - target)

    def level_directions(self, directions: NDArray[np.floating]) -> NDArray[np.floating]:
        """The same for directions (N, 3)."""
        c, s = np.cos(self.pitch), np.sin(self.pitch)
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
        return np.ascontiguousarray(directions @ about_x.T.astype(directions.dtype))

    def moved(self, shift: tuple[float, float], zoom: float = 1.0) -> "Camera":
        """Shift the picture by fractions of its size and zoom it about the target."""
        centre = (self.centre[0] + shift[0], self.centre[1] + shift[1])
        return replace(self, centre=centre, scale=self.scale * zoom)


@dataclass(frozen=True, slots=True)
class Style:
    """Toon style: where the light comes from, where shade begins, and the outline."""

    light: tuple[float, float, float] = (-0.42, 0.62, 0.66)  # from the viewer's upper left
    threshold: float = 0.18
    softness: float = 0.045
    outline: float = 1.0 / 330.0  # of the picture's height
    outline_push: float = 0.003  # world units
    _light: F32 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        light = np.asarray(self.light, np.float32)
        object.__setattr__(self, "_light", light / np.float32(np.linalg.norm(light)))

    @property
    def direction(self) -> F32:
        """(3,) unit vector toward the light."""
        return self._light


DEFAULT_STYLE = Style()


def render(
    mesh: Mesh, camera: Camera, size: int, supersample: int = 2, style: Style = DEFAULT_STYLE
) -> NDArray[np.uint8]:
    """Draw a mesh as (size, size, 4) premultiplied RGBA, with supersample^2 samples per pixel."""
    return draw(mesh, camera, size, supersample, style).picture


def draw(
    mesh: Mesh, camera: Camera, size: int, supersample: int = 2, style: Style = DEFAULT_STYLE
) -> Drawing:
    """`render`, and what each sample of the picture shows and how far away it is."""
    if size < 1 or not 1 <= supersample <= 8:
        raise ValueError(
            f"size must be at least 1 and supersample in 1..8, found {size} and {supersample}"
        )
    if camera.pitch != 0.0:
        vertices, normals = camera.level(mesh.vertices), camera.level_directions(mesh.normals)
        mesh = replace(mesh, vertices=vertices, normals=normals)
    if mesh.surfaces is not None:
        return draw_surfaces(mesh, mesh.surfaces, camera, size, supersample, style)
    samples = size * supersample
    scale = np.float32(camera.scale * samples)
    screen = np.empty_like(mesh.vertices)
    hull = np.empty_like(mesh.vertices)
    f = np.float32
    _kernels.project_vertices(
        mesh.vertices, mesh.normals, mesh.outline,
        f(camera.target[0]), f(camera.target[1]), f(camera.target[2]), f(camera.distance), scale,
        f(camera.centre[0] * samples), f(camera.centre[1] * samples),
        f(style.outline * samples), f(style.outline_push), screen, hull,
    )  # fmt: skip
    depth = np.zeros((samples, samples), np.float32)
    labels = np.full((samples, samples), -1, np.int32)
    _kernels.fill(screen, hull, mesh.outline, mesh.triangles, depth, labels)
    out = np.empty((size, size, 4), np.uint8)
    _kernels.shade_and_resolve(
        labels, screen, hull, mesh.triangles, mesh.normals, mesh.lit, mesh.shade, mesh.ink,
        mesh.bias, mesh.uv, mesh.textured, mesh.texture.level_for(float(scale)),
        style._light, f(style.threshold), f(style.softness), supersample, out,
    )  # fmt: skip
    return Drawing(out, depth, labels)


def project(points: NDArray[np.floating], camera: Camera, size: int) -> F32:
    """(N, 3) world points to (N, 3): x px, y px, and z px, the depth away from the camera.

    z is relative to the target's plane and in the pixels of that plane.
    """
    local = camera.level(np.asarray(points, np.float64)) - np.asarray(camera.target)
    scale = camera.scale * size
    k = scale * camera.distance / (camera.distance - local[:, 2])
    x = camera.centre[0] * size + k * local[:, 0]
    y = camera.centre[1] * size - k * local[:, 1]
    return np.stack([x, y, -scale * local[:, 2]], axis=1).astype(np.float32)

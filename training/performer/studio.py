"""A small photo studio: smooth shading, a key light with soft shadows, a floor and a backdrop.

The colleague of training.render's toon shader for pictures that should look photographic. It shares
that rasteriser's kernels, which tell which triangle each sample sees; everything after that is done
here on arrays of the samples seen ("fragments"). Colours are linear light in [0, 1] until the end.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.mocap.rotations import Array, unit
from training.render import _kernels

GAMMA = 2.2
_TO_KEY = unit((-0.50, 0.95, 0.75))  # the key light stands at the viewer's upper left
_TO_FILL = unit((0.9, 0.25, 0.6))
_SHADOW_SIZE = 768
_SHADOW_REACH = 1.6  # metres around the middle of the stage that the shadow map covers
_STAGE = np.array([0.0, 0.9, 0.0])


@dataclass(frozen=True, slots=True)
class View:
    """A level camera in front of the stage. Metres; the picture's size is in pixels."""

    size_wh: tuple[int, int]
    height: float = 0.98  # of the lens above the floor
    distance: float = 5.0  # from the middle of the stage
    scale: float = 210.0  # px per metre at the middle of the stage
    centre: tuple[float, float] = (0.5, 0.535)  # of the picture, where the lens looks

    def project(self, points: Array) -> Array:
        """(N, 3) metres on the stage to (N, 3): x px, y px, 1 / distance."""
        depth = self.distance - points[:, 2]
        k = self.scale * self.distance / depth
        x = self.centre[0] * self.size_wh[0] + k * points[:, 0]
        y = self.centre[1] * self.size_wh[1] - k * (points[:, 1] - self.height)
        return np.stack([x, y, 1.0 / depth], axis=1)


@dataclass(frozen=True, slots=True)
class Mesh:
    """A posed mesh with attributes (V, A) that `paint` turns into colours."""

    vertices: Array  # (V, 3)
    triangles: NDArray[np.int32]  # (T, 3)
    attributes: Array  # (V, A)


Paint = Callable[[Array], tuple[Array, Array]]
"""Attributes of fragments (N, A) to linear colours (N, 3) and gloss (N,) in [0, 1]."""


def vertex_normals(vertices: Array, triangles: NDArray[np.int32]) -> Array:
    """Unit normals (V, 3), faces weighted by their area."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.empty_like(vertices)
    for axis in range(3):
        normals[:, axis] = sum(
            np.bincount(triangles[:, i], faces[:, axis], len(vertices)) for i in range(3)
        )
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _rasterise(
    screen: Array, triangles: NDArray[np.int32], size_wh: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Nearest triangle of every sample; 1 / depth is 0 and the label -1 where there is none."""
    depth = np.zeros((size_wh[1], size_wh[0]), np.float32)
    labels = np.full(depth.shape, -1, np.int32)
    points = np.ascontiguousarray(screen, np.float32)
    _kernels.fill(points, points, np.zeros(len(points), np.float32), triangles, depth, labels)
    return depth, labels


class Studio:
    """Takes pictures of meshes: `shoot`. The empty stage is prepared once per view."""

    def __init__(self, view: View, supersample: int = 2) -> None:
        self.view = view
        self.supersample = supersample
        self._stage = self._backdrop()

    def shoot(self, mesh: Mesh, paint: Paint) -> NDArray[np.uint8]:
        """A picture (H, W, 3), sRGB."""
        shadow = self._shadow_map(mesh)
        n = self.supersample
        width, height = self.view.size_wh[0] * n, self.view.size_wh[1] * n
        screen = self.view.project(mesh.vertices)
        screen[:, :2] *= n
        _, labels = _rasterise(screen, mesh.triangles, (width, height))
        picture = self._lit_stage(shadow, self._contact(mesh))
        picture = np.repeat(np.repeat(picture, n, axis=0), n, axis=1)
        rows, columns = np.nonzero(labels >= 0)
        corners = mesh.triangles[labels[rows, columns]]
        weights = _barycentric(
            screen, corners, columns.astype(np.float64) + 0.5, rows.astype(np.float64) + 0.5
        )
        normals = vertex_normals(mesh.vertices, mesh.triangles)
        packed = np.concatenate([mesh.vertices, normals, mesh.attributes], axis=1)
        values = np.einsum("nk,nka->na", weights, packed[corners])
        colour, gloss = paint(values[:, 6:])
        picture[rows, columns] = self._shade(values[:, :3], values[:, 3:6], colour, gloss, shadow)
        small = picture.reshape(height // n, n, width // n, n, 3).mean(axis=(1, 3))
        return _to_srgb(small)

    # --- light -------------------------------------------------------------------------------

    def _shade(
        self,
        points: Array,
        normals: Array,
        colour: Array,
        gloss: Array,
        shadow: NDArray[np.float32],
    ) -> Array:
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        eye = np.array([0.0, self.view.height, self.view.distance]) - points
        eye /= np.linalg.norm(eye, axis=1, keepdims=True)
        open_ = self._unshadowed(points + normals * 0.012, shadow)
        key = normals @ _TO_KEY
        key = np.clip((key + 0.15) / 1.15, 0.0, 1.0) * open_
        fill = np.clip((normals @ _TO_FILL + 0.3) / 1.3, 0.0, 1.0)
        sky = 0.5 + 0.5 * normals[:, 1]
        near_floor = np.clip(points[:, 1] / 0.25, 0.0, 1.0)
        ambient = (0.20 + 0.26 * sky) * (0.75 + 0.25 * near_floor)
        warm = np.array([1.06, 1.0, 0.94])
        cool = np.array([0.94, 0.99, 1.06])
        light = (
            0.78 * key[:, None] * warm
            + 0.16 * fill[:, None] * cool
            + ambient[:, None] * np.array([0.98, 1.0, 1.03])
        )
        half = _TO_KEY + eye
        half /= np.linalg.norm(half, axis=1, keepdims=True)
        shine = np.clip(np.einsum("na,na->n", normals, half), 0.0, 1.0) ** 28
        rim = (1.0 - np.clip(np.einsum("na,na->n", normals, eye), 0.0, 1.0)) ** 3
        extra = gloss * 0.35 * shine * open_ + 0.05 * rim
        return np.asarray(colour * light + extra[:, None])

    def _light_space(self, points: Array) -> Array:
        """The key light's orthographic view: (N, 3), shadow-map texels and a depth in (0, 1)."""
        side = unit(np.cross((0.0, 1.0, 0.0), _TO_KEY))
        up = np.cross(_TO_KEY, side)
        local = points - _STAGE
        k = _SHADOW_SIZE / (2.0 * _SHADOW_REACH)
        x = _SHADOW_SIZE / 2 + k * (local @ side)
        y = _SHADOW_SIZE / 2 - k * (local @ up)
        return np.stack([x, y, 0.5 + local @ _TO_KEY / (4.0 * _SHADOW_REACH)], axis=1)

    def _shadow_map(self, mesh: Mesh) -> NDArray[np.float32]:
        screen = self._light_space(mesh.vertices)
        depth, _ = _rasterise(screen, mesh.triangles, (_SHADOW_SIZE, _SHADOW_SIZE))
        return depth

    def _unshadowed(self, points: Array, shadow: NDArray[np.float32]) -> Array:
        """How much of the key light arrives, 0 to 1: percentage-closer filtering, 3 x 3 texels."""
        at = self._light_space(points)
        open_ = np.zeros(len(points))
        offsets = (-1.6, 0.0, 1.6)
        for dx in offsets:
            for dy in offsets:
                x = np.clip((at[:, 0] + dx).astype(np.int64), 0, _SHADOW_SIZE - 1)
                y = np.clip((at[:, 1] + dy).astype(np.int64), 0, _SHADOW_SIZE - 1)
                open_ += shadow[y, x] <= at[:, 2] + 0.0035
        return open_ / len(offsets) ** 2

    def _contact(self, mesh: Mesh) -> Array:
        """(H, W) how much of the sky soles close to the floor take from it, 0 to 1."""
        low = mesh.vertices[mesh.vertices[:, 1] < 0.10]
        closeness = 1.0 - np.clip(low[:, 1] / 0.10, 0.0, 1.0)
        at = self.view.project(low * (1.0, 0.0, 1.0))[:, :2].astype(np.int64)
        width, height = self.view.size_wh
        inside = ((at >= 0) & (at < (width, height))).all(axis=1)
        covered = np.zeros((height, width))
        np.maximum.at(covered, (at[inside, 1], at[inside, 0]), closeness[inside])
        wide = cv2.dilate(covered, np.ones((3, 5)))
        size = height / 480.0
        return np.asarray(cv2.GaussianBlur(wide, (0, 0), 4.0 * size, sigmaY=1.6 * size), np.float64)

    # --- the stage ---------------------------------------------------------------------------

    def _backdrop(self) -> dict[str, Array]:
        """Everything about the empty stage that does not change from frame to frame."""
        width, height = self.view.size_wh
        x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        right = (x - self.view.centre[0] * width) / self.view.scale / self.view.distance
        down = (y - self.view.centre[1] * height) / self.view.scale / self.view.distance
        # Where the ray through the pixel meets the floor; above the horizon, far away.
        reach = np.where(down > 0.02, self.view.height / np.maximum(down, 0.02), 1e3)
        floor_x, floor_z = right * reach, self.view.distance - reach
        on_floor = np.clip((floor_z + 2.6) / 1.8, 0.0, 1.0)
        on_floor = on_floor * on_floor * (3.0 - 2.0 * on_floor)
        wall = (
            np.array([0.40, 0.47, 0.52])
            * (1.12 - 0.55 * np.clip(np.hypot(x / width - 0.5, (y / height - 0.35) * 0.8), 0, 1))[
                ..., None
            ]
            ** 1.5
        )
        spot = np.exp(-(floor_x**2 + (floor_z * 0.8) ** 2) / 2.2)
        floor = np.array([0.47, 0.50, 0.52]) * (0.72 + 0.33 * spot)[..., None]
        base = wall + (floor - wall) * on_floor[..., None]
        return {"base": base, "on_floor": on_floor, "x": floor_x, "z": floor_z}

    def _lit_stage(self, shadow: NDArray[np.float32], contact: Array) -> Array:
        stage = self._stage
        near = stage["on_floor"] > 0.01
        points = np.stack([stage["x"][near], np.zeros(near.sum()), stage["z"][near]], axis=1)
        at = self._light_space(points)
        inside = (np.abs(at[:, :2] - _SHADOW_SIZE / 2) < _SHADOW_SIZE / 2 - 4).all(axis=1)
        dark = np.zeros(stage["on_floor"].shape)
        shaded = 1.0 - self._unshadowed(points + np.array([0.0, 0.004, 0.0]), shadow)
        dark[near] = shaded * inside
        soft = cv2.GaussianBlur(dark, (0, 0), 2.2)
        wide = cv2.GaussianBlur(dark, (0, 0), 9.0, sigmaY=4.0)
        strength = 1.0 - (1.0 - 0.30 * soft - 0.22 * wide) * (1.0 - 0.55 * contact)
        strength *= stage["on_floor"]
        return np.asarray(stage["base"] * (1.0 - strength[..., None]))


def _barycentric(screen: Array, corners: NDArray[np.int32], x: Array, y: Array) -> Array:
    """Perspective-correct weights (N, 3) of the corners for samples at (x, y)."""
    points = screen[corners]  # (N, 3, 3)
    px, py = points[:, :, 0] - x[:, None], points[:, :, 1] - y[:, None]
    after, before = (1, 2, 0), (2, 0, 1)
    weights = (px[:, after] * py[:, before] - py[:, after] * px[:, before]) * points[:, :, 2]
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(weights / np.where(np.abs(total) > 1e-12, total, 1.0))


def _to_srgb(linear: Array) -> NDArray[np.uint8]:
    # A soft shoulder keeps the brightest skin from burning out.
    bright = np.where(linear > 0.8, 0.8 + 0.2 * np.tanh((linear - 0.8) / 0.2), linear)
    return (np.clip(bright, 0.0, 1.0) ** (1.0 / GAMMA) * 255.0 + 0.5).astype(np.uint8)

"""Heads: an egg with a chosen jaw, ears, and the frame in which heads and hair are modelled."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from engine.mocap.rig import INDEX
from training.characters import ito_head
from training.characters.heads import model_head
from training.characters.procedural.atlas import FACE
from training.characters.procedural.body import BONES, Body
from training.characters.procedural.design import FaceDesign
from training.characters.shapes import (
    F64,
    Material,
    Part,
    capped,
    ellipsoid,
    grid_part,
    make_part,
    mirrored,
    rigid,
    smoothstep,
)

HEAD = INDEX["head"]
FACE_SPAN = 0.32  # units of the modelled head across the face's texture


@dataclass(frozen=True)
class HeadFrame:
    """Maps the modelled head (chin at the origin, 0.338 high) into the world."""

    chin: float
    scale: tuple[float, float, float]

    @property
    def size(self) -> float:
        """How many world units one unit of the modelled head is, about."""
        return float(np.prod(self.scale) ** (1 / 3))

    def world(self, points: ArrayLike) -> F64:
        """(..., 3) modelled to world."""
        return np.asarray(points, np.float64) * self.scale + [0.0, self.chin, 0.0]

    def local(self, points: ArrayLike) -> F64:
        """(..., 3) world to modelled."""
        return np.asarray((np.asarray(points) - [0.0, self.chin, 0.0]) / np.asarray(self.scale))

    def placed(self, part: Part) -> Part:
        """A part that was modelled on the head, in the world."""
        normals = part.normals / np.asarray(self.scale)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        return replace(part, vertices=self.world(part.vertices), normals=normals)


def frame_of(body: Body) -> HeadFrame:
    """The frame of a body's head."""
    return HeadFrame(body.chin, body.head)


def _profile(jaw: float) -> list[tuple[float, float, float, float]]:
    """Ito's profile, rounder or more pointed from the cheek down."""
    lower = 1.10 - 0.20 * jaw
    rows = []
    for height, width, front, back in ito_head.PROFILE:
        share = float(smoothstep(0.10, 0.03, height))
        drop = 0.004 * (jaw - 0.5) if 0.0 < height < 0.01 else 0.0
        rows.append((height - drop, width * (1 + (lower - 1) * share), front, back))
    return rows


PROFILE = _profile(0.5)


def _face_uv(vertices: F64) -> F64:
    return FACE.uv(vertices[:, 0] / FACE_SPAN + 0.5, 1.0 - vertices[:, 1] / FACE_SPAN)


def build_head(body: Body, face: FaceDesign, skin: Material, ears: str) -> list[Part]:
    """The head and, where they are, human or elfin ears."""
    frame = frame_of(body)
    parts = model_head(
        _profile(face.jaw), 0.0, skin, BONES, _face_uv, rows=36, columns=44,
        nose_out=float(np.interp(body.design.heads, (2.5, 7.5), (0.009, 0.015))),
    )  # fmt: skip
    parts += {"human": _round_ears, "elf": _elf_ears}.get(ears, _no_ears)(skin)
    return [frame.placed(part) for part in parts]


def _no_ears(skin: Material) -> list[Part]:
    return []


def _both(make: Callable[[], list[Part]]) -> list[Part]:
    left = make()
    return [*left, *(mirrored(part) for part in left)]


def _round_ears(skin: Material) -> list[Part]:
    def left() -> list[Part]:
        vertices, triangles = ellipsoid((0.0, 0.0, 0.0), (0.010, 0.036, 0.022), 9, 12)
        vertices[:, 1] += np.where(vertices[:, 1] < 0, 0.0, 0.12 * vertices[:, 1])
        vertices[:, 2] -= 0.25 * vertices[:, 1] * 0.4
        vertices[:, 0] -= 0.45 * (vertices[:, 2] - 0.01)
        vertices += [0.146, 0.108, -0.018]
        part = make_part(vertices, triangles, skin, rigid(len(vertices), HEAD, BONES))
        inner, faces = ellipsoid((0.152, 0.108, -0.010), (0.006, 0.022, 0.010), 7, 8)
        inner[:, 0] -= 0.4 * (inner[:, 2] + 0.010)
        dark = make_part(inner, faces, skin, rigid(len(inner), HEAD, BONES), outline=0, bias=-1.4)
        return [part, dark]

    return _both(left)


def _elf_ears(skin: Material) -> list[Part]:
    def left() -> list[Part]:
        t = np.linspace(0.0, 1.0, 12)
        tall = np.interp(t, (0, 0.2, 0.5, 0.85, 1), (0.030, 0.034, 0.026, 0.010, 0.001))
        grid = np.empty((12, 11, 3))
        angle = np.linspace(-np.pi, np.pi, 11)
        grid[..., 0] = (0.134 + 0.112 * t)[:, None] - 0.012 * np.cos(angle) * (1 - t)[:, None]
        grid[..., 1] = (0.106 + 0.058 * t**1.5)[:, None] + tall[:, None] * np.sin(angle)
        grid[..., 2] = (-0.012 - 0.065 * t)[:, None] + 0.30 * tall[:, None] * np.cos(angle)

        closed = capped(grid)
        part = grid_part(closed, skin, rigid(closed.shape[0] * closed.shape[1], HEAD, BONES))

        return [part]

    return _both(left)

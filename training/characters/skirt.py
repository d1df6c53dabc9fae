"""Skirts: a ring of cloth that hangs from the hips and lies over the legs."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX
from training.characters import _kernels
from training.characters.shapes import F64, smoothstep


@dataclass(frozen=True, slots=True)
class Legs:
    """What a skirt must know of the legs below it: their length and thickness."""

    thigh: float  # hip to knee
    radius: float  # at the hip
    taper: float  # of the radius for each unit down the thigh
    gap: float = 0.006  # cloth stays this far off
    shin: float = 0.0  # knee to sole, of skirts that reach below the knee; else 0
    outside: bool = False  # whether cloth that a leg has passed is brought before it again


@dataclass(frozen=True)
class SkirtDeformer:
    """Hangs the skirt from the hips and lays it over the thighs.

    Each column of the skirt turns about a hip joint with the thigh that lifts it, more the lower
    and the nearer it is; then nothing may stay inside a leg. `start` is its first vertex in the
    mesh. Below the knee the cloth rather hangs than follows the thigh.
    """

    start: int
    shape: tuple[int, int]
    triangles: NDArray[np.int32]  # of the skirt alone, both surfaces
    outer: F64  # (rows, columns, 3) in the T-pose
    rest: F64  # (19, 3)
    rows: F64  # (rows,) from the waist, 0, to the hem, 1
    legs: Legs
    inner: float = 0.955  # width of the inner surface relative to the outer one's
    first: float = 0.0  # azimuth of the first column, 0 in front
    seam: bool = False  # whether the mesh has the first column once more at the end
    chains: tuple[int, int] = (0, 0)  # first and last + 1 of the springs about the hem

    def __call__(
        self,
        vertices: NDArray[np.float32],
        normals: NDArray[np.float32],
        rotations: F64,
        positions: F64,
        lag: F64,
    ) -> None:
        """Overwrite the skirt's vertices and normals in place."""
        hips = INDEX["hips"]
        base = rotations[hips]
        rows, columns = self.shape
        t = self.rows[:, None]
        phi = self.first + np.linspace(0, 2 * np.pi, columns, endpoint=False)
        out = np.stack([np.sin(phi), np.zeros(columns), np.cos(phi)], 1)
        points = self.outer.copy()
        moved = np.zeros_like(points)
        total = np.zeros((rows, columns))
        down = base.T @ np.array([0.0, -1.0, 0.0])
        limbs = []
        for sign, side in ((1.0, "l_"), (-1.0, "r_")):
            thigh = INDEX[side + "thigh"]
            turn = base.T @ rotations[thigh]
            lift = _part_of(turn, 0.74)  # its flare already leans out: it must not stand up
            joint = self.rest[thigh]
            leg = turn @ np.array([0.0, -1.0, 0.0])
            lifted = np.array([leg[0], 0.0, leg[2]])
            toward = out @ lifted  # > 0 where the leg moves to this column's side
            follow = 0.25 + 0.75 * smoothstep(-0.25, 0.30, toward)
            share = smoothstep(-0.42, 0.42, sign * out[:, 0]) * follow
            # Between the knees the cloth sags.
            share *= 0.5 + 0.5 * smoothstep(0.0, 0.38, np.abs(out[:, 0]))
            weight = share[None, :] * smoothstep(0.06, 0.75, t)
            swung = self._swung(joint, lift, down)
            moved += weight[..., None] * (swung - self.outer)
            total += weight
            root, knee = self.legs.radius, self.legs.radius - self.legs.taper * self.legs.thigh
            limbs.append(_Limb(joint, leg, self.legs.thigh + 0.05, root, self.legs.taper))
            if self.legs.shin:
                shin = base.T @ rotations[INDEX[side + "shin"]] @ np.array([0.0, -1.0, 0.0])
                limbs.append(_Limb(joint + leg * self.legs.thigh, shin, self.legs.shin, knee, 0.0))
        points += moved
        points += self._swing(lag, base)
        for _ in range(2):
            for limb in limbs:
                if self.legs.outside:
                    _bring_before(points, limb, self.legs.gap, out)
                _push_out(points, limb, self.legs.gap, out)
            points[2:] = 0.5 * points[2:] + 0.25 * (
                np.roll(points[2:], 1, 1) + np.roll(points[2:], -1, 1)
            ) + 0.5 * _pleat(self.outer)[2:]  # fmt: skip
        if self.legs.outside:
            for limb in limbs * 2:
                _bring_before(points, limb, self.legs.gap, out)
        place = positions[hips] - base @ self.rest[hips]
        thin = _thin(points, self.inner)
        if self.seam:
            points = np.concatenate([points, points[:, :1]], axis=1)
            thin = np.concatenate([thin, thin[:, :1]], axis=1)
        both = np.concatenate([points, thin]).reshape(-1, 3) @ base.T + place
        stop = self.start + len(both)
        vertices[self.start : stop] = both
        _kernels.mesh_normals(
            vertices[self.start : stop], self.triangles, normals[self.start : stop]
        )
        if self.seam:
            edges = normals[self.start : stop].reshape(2 * rows, columns + 1, 3)
            edges[:, 0] += edges[:, -1]
            edges[:, 0] /= np.maximum(np.linalg.norm(edges[:, 0], axis=-1, keepdims=True), 1e-6)
            edges[:, -1] = edges[:, 0]

    def _swung(self, joint: F64, lift: F64, down: F64) -> F64:
        """The whole skirt turned with one thigh."""
        if not self.legs.shin:
            return np.asarray((self.outer - joint) @ lift.T + joint)
        below = np.clip(joint[1] - self.outer[..., 1] - self.legs.thigh, 0.0, None)[..., None]
        above = self.outer + below * np.array([0.0, 1.0, 0.0])
        hanging = 0.3 * (lift @ np.array([0.0, -1.0, 0.0])) + 0.7 * down
        hanging /= max(float(np.linalg.norm(hanging)), 1e-6)
        return np.asarray((above - joint) @ lift.T + joint + below * hanging)

    def _swing(self, lag: F64, base: F64) -> F64 | float:
        """How far each point trails behind its settled place, from the springs about the hem."""
        first, stop = self.chains
        if stop == first or not lag[first:stop].any():
            return 0.0
        behind = lag[first:stop] @ base  # in the frame of the hips
        at = np.linspace(0.0, stop - first, self.shape[1], endpoint=False)
        i = at.astype(np.intp)
        part = (at - i)[:, None]
        around = behind[i] * (1 - part) + behind[(i + 1) % (stop - first)] * part
        return np.asarray((self.rows**1.5)[:, None, None] * around[None])


def _part_of(rotation: F64, share: float) -> F64:
    """A rotation about the same axis by a share of the angle."""
    vector, _ = cv2.Rodrigues(rotation)
    return np.asarray(cv2.Rodrigues(vector * share)[0])


def _pleat(outer: F64) -> F64:
    """What smoothing along the hem would take from the pleats at rest."""
    return outer - 0.5 * (np.roll(outer, 1, 1) + np.roll(outer, -1, 1))


def _thin(points: F64, width: float) -> F64:
    """The inner surface: drawn toward the middle of each row."""
    middle = points.mean(axis=1, keepdims=True)
    inner = middle + (points - middle) * width
    inner[0, :, 1] -= 0.004
    return np.asarray(inner)


class _Limb(NamedTuple):
    """A part of a leg: a capsule that narrows downward."""

    joint: F64
    leg: F64  # its direction
    length: float
    thick: float
    taper: float


def _push_out(points: F64, limb: _Limb, gap: float, out: F64) -> None:
    """Move points of the skirt out of a part of a leg."""
    joint, leg, length, thick, taper = limb
    along = np.clip((points - joint) @ leg, 0.0, length)
    nearest = joint + along[..., None] * leg
    radius = thick - taper * along + gap
    apart = points - nearest
    distance = np.linalg.norm(apart, axis=-1)
    direction = apart + 0.35 * radius[..., None] * out[None]
    direction /= np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1e-9)
    inside = np.clip(radius - distance, 0.0, None)
    points += inside[..., None] * direction


def _bring_before(points: F64, limb: _Limb, gap: float, out: F64) -> None:
    """As `_push_out`, but along each column's own outward direction alone.

    A leg that has come through the cloth would push it further inward; this brings it back out.
    """
    joint, leg, length, thick, taper = limb
    along = np.clip((points - joint) @ leg, 0.0, length)
    apart = points - joint - along[..., None] * leg
    radius = thick - taper * along + gap
    outward = np.einsum("rcd,cd->rc", apart, out)
    beside = (apart * apart).sum(axis=-1) - outward**2
    room = radius**2 - beside
    wanted = np.sqrt(np.clip(room, 0.0, None)) - outward
    points += np.clip(np.where(room > 0, wanted, 0.0), 0.0, 2.5 * thick)[..., None] * out[None]

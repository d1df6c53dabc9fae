"""Finding a humanoid in a foreign skeleton, and how its joints' frames relate to ours.

Our rig's frames are aligned with the world in the T-pose. A foreign joint's frame is anything; what
turns it into ours is one constant rotation per joint, its *offset*. Two ways lead to it. Where the
skeleton was made in a sensible rest pose (T, A or arms hanging), that pose tells. Where it was not
(exports whose bones all point the same way), the motion does: bones point at their children, elbows
and knees bend about their hinges, and standing feet are flat.
"""

import numpy as np

from engine.mocap.batch import (
    nearest_rotations,
    normalised,
    shortest_turns,
    transposed,
    turned,
)
from engine.mocap.rotations import Array
from training.motion.errors import MotionError
from training.motion.names import REQUIRED, named_joints
from training.motion.source import SourceMotion

_X, _Y, _Z = np.eye(3)
_CHILD = {"upper_arm": "forearm", "forearm": "hand", "thigh": "shin", "shin": "foot", "foot": "toe"}
_SURE = 0.02  # mean squared sine of a hinge's angle from which it can be told


def find_joints(source: SourceMotion) -> dict[str, int]:
    """Indices of our joints, as far as the source has them; raises MotionError without limbs.

    Limbs go by name. The torso goes by structure: hips and chest are where the legs and the arms
    part, spine, neck and collar bones the joints on the way.
    """
    found = named_joints(source.joints)
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise MotionError(
            source.name, "a humanoid with named arms and legs",
            f"no {', '.join(missing)} among {', '.join(source.joints[:8]) or 'no joints'} ...",
            "rename its joints to a known standard, such as LeftUpLeg, LeftLeg, LeftFoot",
        )  # fmt: skip
    for side in "lr":
        for upper, lower in (("upper_arm", "forearm"), ("thigh", "shin"), ("shin", "foot")):
            if found[f"{side}_{upper}"] not in source.ancestors(found[f"{side}_{lower}"])[1:]:
                raise MotionError(
                    source.name, f"{side}_{lower} to hang on {side}_{upper}",
                    "another hierarchy", "correct the names of its joints",
                )  # fmt: skip
    hips = _meeting(source, found["l_thigh"], found["r_thigh"])
    chest = _meeting(source, found["l_upper_arm"], found["r_upper_arm"])
    found["hips"], found["chest"] = hips, chest
    above = source.ancestors(hips)
    torso = [j for j in source.ancestors(chest) if j not in above]
    if len(torso) > 1:
        found["spine"] = torso[-1]
    elif not torso:
        found.pop("chest")
    for side in "lr":
        chain = source.ancestors(found[f"{side}_upper_arm"])[1:]
        if chain and chain[0] not in (chest, hips):
            found[f"{side}_clavicle"] = chain[0]
    if "head" in found and "neck" not in found:
        chain = source.ancestors(found["head"])
        if chest in chain and chain.index(chest) > 1:
            found["neck"] = chain[chain.index(chest) - 1]
    return found


def _meeting(source: SourceMotion, a: int, b: int) -> int:
    """The lowest joint above both."""
    above = source.ancestors(b)[1:]
    for joint in source.ancestors(a)[1:]:
        if joint in above:
            return joint
    raise MotionError(
        source.name, "both arms and both legs to hang on one body", "separate trees",
        "export the whole skeleton",
    )  # fmt: skip


def offsets_of(source: SourceMotion, joints: dict[str, int]) -> tuple[Array, dict[str, Array]]:
    """World axes (3, 3) and the offset (3, 3) of each joint.

    With axes A, a joint's rotation in our rig is A @ (its global rotation) @ (its offset).
    """
    axes = _rest_axes(source, joints)
    if axes is not None:
        return axes, _from_rest(source, joints, axes)
    axes = _moving_axes(source, joints)
    return axes, _from_motion(source, joints, axes)


def limb_directions(side: str) -> dict[str, Array]:
    """Where the bones of a side point in our T-pose."""
    out = _X if side == "l" else -_X
    return {"upper_arm": out, "forearm": out, "hand": out, "thigh": -_Y, "shin": -_Y, "foot": _Z}


# --- from a rest pose ----------------------------------------------------------------------------


def _rest_axes(source: SourceMotion, joints: dict[str, int]) -> Array | None:
    """Axes that make the rest pose stand upright and face +z; None for a senseless rest pose."""
    at = {name: source.rest_positions[joint] for name, joint in joints.items()}
    hips = 0.5 * (at["l_thigh"] + at["r_thigh"])
    up = _snapped(0.5 * (at["l_upper_arm"] + at["r_upper_arm"]) - hips)
    left = at["l_thigh"] - at["r_thigh"]
    left = normalised(left - (left @ up) * up)
    if np.max(np.abs(left)) > 0.94:
        left = _snapped(left)
    if np.linalg.norm(np.cross(left, up)) < 0.9 or float(at["l_upper_arm"] @ left) <= float(
        at["r_upper_arm"] @ left
    ):
        return None
    for side, sign in (("l", 1.0), ("r", -1.0)):
        leg = normalised(at[f"{side}_foot"] - at[f"{side}_thigh"])
        arm = normalised(at[f"{side}_forearm"] - at[f"{side}_upper_arm"])
        if leg @ up > -0.85 or sign * (arm @ left) < -0.2 or arm @ up > 0.5:
            return None
        if f"{side}_hand" in at:
            fore = normalised(at[f"{side}_hand"] - at[f"{side}_forearm"])
            if fore @ arm < 0.6:
                return None
    return np.array([left, up, np.cross(left, up)])


def _snapped(direction: Array) -> Array:
    """The coordinate axis nearest to a direction."""
    axis = np.zeros(3)
    best = int(np.argmax(np.abs(direction)))
    axis[best] = 1.0 if direction[best] >= 0.0 else -1.0
    return axis


def _from_rest(source: SourceMotion, joints: dict[str, int], axes: Array) -> dict[str, Array]:
    """Offsets by which the rest pose is ours, but for the directions that its limbs have there."""
    at = source.rest_positions @ axes.T
    offsets = {}
    for name, joint in joints.items():
        side, _, part = name.partition("_")
        align = np.eye(3)
        target = limb_directions(side).get(part) if part else None
        if target is not None:
            child = joints.get(f"{side}_{_CHILD.get(part, '')}")
            tip = source.tips[joint]
            if child is not None:
                bone = at[child] - at[joint]
            elif part in ("forearm", "foot") and not np.isnan(tip).any():
                bone = axes @ source.rest_rotations[joint] @ tip
            else:
                bone = target
            if part == "foot":
                bone = bone * (1.0, 0.0, 1.0)  # a foot at rest is flat
            if part == "hand" or np.linalg.norm(bone) < 1e-9:
                # The hand's own bone may be a thumb: it goes with the forearm.
                fore = joints[f"{side}_forearm"]
                bone = at[joint] - at[fore] if part == "hand" else target
            if bone @ target > -0.9 * np.linalg.norm(bone):
                align = shortest_turns(target, bone)
        offsets[name] = source.rest_rotations[joint].T @ axes.T @ align
    return offsets


# --- from the motion -----------------------------------------------------------------------------


def _moving_axes(source: SourceMotion, joints: dict[str, int]) -> Array:
    """Axes with y up, or with z up where bodies are far more upright along z."""
    at = source.positions
    top = at[:, joints["l_upper_arm"]] + at[:, joints["r_upper_arm"]]
    feet = at[:, joints["l_foot"]] + at[:, joints["r_foot"]]
    upright = np.mean(normalised(top - feet), axis=0)
    if upright[2] > max(0.7, 2.0 * abs(upright[1])):
        return np.array([_X, _Z, -_Y])
    return np.eye(3)


def _framed(primary: Array, along: Array, secondary: Array, aside: Array) -> Array:
    """The rotation that takes `primary` to `along` and `secondary` to near `aside`."""

    def frame(a: Array, b: Array) -> Array:
        a = normalised(a)
        b = normalised(b - (b @ a) * a)
        return np.column_stack([a, b, np.cross(a, b)])

    return frame(along, aside) @ frame(primary, secondary).T


def _from_motion(source: SourceMotion, joints: dict[str, int], axes: Array) -> dict[str, Array]:
    turns, at = source.rotations, source.positions

    def mean_local(name: str, vectors: Array) -> Array:
        """World vectors (F, 3), averaged in the frame of a joint."""
        return np.mean(turned(transposed(turns[:, joints[name]]), vectors), axis=0)

    def bone(first: str, second: str) -> Array:
        return at[:, joints[second]] - at[:, joints[first]]

    def carried(name: str, other: str, axis: Array) -> Array:
        """An axis of ours, fixed to `other`, averaged in the frame of `name`."""
        return mean_local(name, turned(turns[:, joints[other]], offsets[other] @ axis))

    offsets: dict[str, Array] = {}
    chest = "chest" if "chest" in joints else "hips"
    shoulders = 0.5 * (at[:, joints["l_upper_arm"]] + at[:, joints["r_upper_arm"]])
    collars = ("l_clavicle", "r_clavicle") if "l_clavicle" in joints else None
    across = bone(*(collars or ("l_upper_arm", "r_upper_arm")))
    top = at[:, joints["neck"]] if "neck" in joints else shoulders
    to_chest = at[:, joints[chest]] if chest != "hips" else shoulders
    up_of_hips = to_chest - 0.5 * (at[:, joints["l_thigh"]] + at[:, joints["r_thigh"]])
    offsets["hips"] = _framed(
        -_X, mean_local("hips", bone("l_thigh", "r_thigh")), _Y, mean_local("hips", up_of_hips)
    )
    if chest != "hips":
        up = top - at[:, joints[chest]]
        offsets[chest] = _framed(_Y, mean_local(chest, up), -_X, mean_local(chest, across))
    if "spine" in joints:
        along = mean_local("spine", bone("spine", chest))
        offsets["spine"] = _framed(_Y, along, _X, carried("spine", chest, _X))
    if "neck" in joints and "head" in joints:
        along = mean_local("neck", bone("neck", "head"))
        offsets["neck"] = _framed(_Y, along, _X, carried("neck", chest, _X))
    if "head" in joints:
        # Heads have no child to point at; over a whole motion people look straight ahead.
        level = mean_local("head", np.broadcast_to(axes[1], (len(at), 3)))
        offsets["head"] = _framed(_Y, level, _X, carried("head", chest, _X))
    for side in "lr":
        down = limb_directions(side)
        limb = {part: f"{side}_{part}" for part in down}
        collar = f"{side}_clavicle"
        if collar in joints:
            along = mean_local(collar, bone(collar, limb["upper_arm"]))
            up = carried(collar, chest, _Y)
            offsets[collar] = _framed(down["upper_arm"], along, _Y, up)
        for upper, lower, end, hinge, root in (
            ("upper_arm", "forearm", "hand", np.cross(down["upper_arm"], _Z), chest),
            ("thigh", "shin", "foot", _X, "hips"),
        ):
            u = normalised(bone(limb[upper], limb[lower]))
            if limb[end] in joints:
                w = normalised(bone(limb[lower], limb[end]))
            else:
                w = turned(turns[:, joints[limb[lower]]], source.tips[joints[limb[lower]]])
                w = normalised(np.nan_to_num(w)) if np.isfinite(w).all() else u
            bent = np.cross(u, w) * np.linalg.norm(np.cross(u, w), axis=1, keepdims=True)
            if float(np.mean(np.linalg.norm(bent, axis=1))) < _SURE:
                # Never bent: the hinge lies as it does in a limb that was not turned.
                bent = np.broadcast_to(
                    np.mean(turned(turns[:, joints[root]], offsets[root] @ hinge), axis=0), u.shape
                )
            for part, along in ((upper, u), (lower, w)):
                offsets[limb[part]] = _framed(
                    down[part], mean_local(limb[part], along),
                    hinge, mean_local(limb[part], bent),
                )  # fmt: skip
        if limb["hand"] in joints:
            # Over a whole motion hands are in line with their forearms.
            relative = (
                transposed(turns[:, joints[limb["hand"]]]) @ turns[:, joints[limb["forearm"]]]
            )
            mean = nearest_rotations(np.mean(relative, axis=0))
            offsets[limb["hand"]] = mean @ offsets[limb["forearm"]]
        offsets[limb["foot"]] = _foot_offset(source, joints, axes, side, offsets)
    return offsets


def _foot_offset(
    source: SourceMotion, joints: dict[str, int], axes: Array, side: str, offsets: dict[str, Array]
) -> Array:
    """Flat where the foot is lowest; toes ahead, or square to the knee's hinge without toes."""
    foot, shin = joints[f"{side}_foot"], joints[f"{side}_shin"]
    turns = source.rotations[:, foot]
    heights = source.positions[:, foot] @ axes[1]
    low = heights <= np.quantile(heights, 0.25) + 1e-9
    up = np.mean(turned(transposed(turns[low]), np.broadcast_to(axes[1], (low.sum(), 3))), axis=0)
    if f"{side}_toe" in joints:
        toe = source.positions[:, joints[f"{side}_toe"]] - source.positions[:, foot]
        return _framed(_Y, up, _Z, np.mean(turned(transposed(turns), toe), axis=0))
    hinge = turned(source.rotations[:, shin], offsets[f"{side}_shin"] @ _X)
    return _framed(_Y, up, _X, np.mean(turned(transposed(turns), hinge), axis=0))

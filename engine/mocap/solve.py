"""From joints to rotations of the rig: bones point where the joints say, within limits.

Bones that joints do not show (the twist of a straight arm, the halves of a bent spine) follow the
rules of `training.motion.posture`, so that what is recovered looks like what was choreographed.
All joints here are (F, 17, 3) in the rig's axes: x to the person's left, y up, z ahead.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from engine.mocap.anatomy import (
    ANKLE_LIMIT,
    ARM_TWIST_LIMIT,
    ELBOW_LIMIT,
    HEAD_LIMITS,
    HIP_TWIST_LIMIT,
    KNEE_LIMIT,
    REFERENCE_REST,
    TORSO_LIMITS,
)
from engine.mocap.batch import (
    about,
    matrices,
    normalised,
    quaternions,
    shortest_turns,
    slerp,
    transposed,
    turned,
)
from engine.mocap.feet import runs
from engine.mocap.joints import AT, mid_hip
from engine.mocap.rig import INDEX, JOINTS
from engine.mocap.rotations import Array

FACE_PITCH = np.radians(13.0)
"""How far below the level the nose is, seen from the middle of the ears of a level head."""

_X, _Y, _Z = np.eye(3)
_FLIP = np.array([-1.0, 1.0, 1.0])
_SIGNS = np.outer(_FLIP, _FLIP)
_UPRIGHT_PELVIS = 0.35  # of the way from the torso's direction to the vertical
_NECK_SHARE, _SPINE_SHARE = 0.4, 0.5
_LEAP = np.radians(35.0)  # a frame; dancing arms reach 27
_EASE = 3  # frames on both sides


def solve(joints: Array, toe_pitch: float) -> Array:
    """Local rotations (F, 19, 3, 3) of joints (F, 17, 3).

    `toe_pitch` is how far below the level the toes are, seen from the ankle of a flat foot, in
    radians: estimators do not agree on it (see `toe_pitch_of`).
    """
    local = np.broadcast_to(np.eye(3), (len(joints), len(JOINTS), 3, 3)).copy()
    hips, chest = torso(joints)
    local[:, INDEX["hips"]] = hips
    bend = within(transposed(hips) @ chest, TORSO_LIMITS)
    local[:, INDEX["spine"]] = share(bend, _SPINE_SHARE)
    local[:, INDEX["chest"]] = share(bend, 1.0 - _SPINE_SHARE)
    chest = hips @ bend
    nod = within(transposed(chest) @ head(joints, chest), HEAD_LIMITS)
    local[:, INDEX["neck"]] = share(nod, _NECK_SHARE)
    local[:, INDEX["head"]] = share(nod, 1.0 - _NECK_SHARE)
    for side in "lr":
        upper, fore = arm(joints, side, chest)
        local[:, INDEX[f"{side}_upper_arm"]], local[:, INDEX[f"{side}_forearm"]] = upper, fore
        thigh, shin = leg(joints, side, hips)
        local[:, INDEX[f"{side}_thigh"]], local[:, INDEX[f"{side}_shin"]] = thigh, shin
        ankle = transposed(hips @ thigh @ shin) @ foot(joints, side, toe_pitch)
        local[:, INDEX[f"{side}_foot"]] = within_cone(ankle, ANKLE_LIMIT)
    return without_leaps(local)


# --- trunk ---------------------------------------------------------------------------------------


def torso(joints: Array) -> tuple[Array, Array]:
    """Global rotations of hips and chest, each (F, 3, 3).

    The pelvis stays more upright than the torso; the chest makes up for it, so that the shoulders
    are where they were seen.
    """
    across_hips = normalised(joints[:, AT["l_hip"]] - joints[:, AT["r_hip"]])
    across = normalised(joints[:, AT["l_shoulder"]] - joints[:, AT["r_shoulder"]])
    spine = normalised(joints[:, AT["neck"]] - mid_hip(joints)[:, 0])
    # Hips are a short and uncertain line; shoulders never turn far from them.
    turn = normalised(across_hips + 0.4 * across)
    upright = _UPRIGHT_PELVIS * np.maximum(spine[:, 1:2], 0.0)
    up = normalised((1.0 - upright) * spine + upright * _Y)
    hips = framed(up, turn)
    rest = REFERENCE_REST
    middle = rest[INDEX["l_thigh"], 1]
    low, high = rest[INDEX["spine"], 1] - middle, rest[INDEX["l_upper_arm"], 1] - middle
    half = 0.5 * (rest[INDEX["chest"], 1] - rest[INDEX["spine"], 1])
    # low and half the middle of the spine go with the hips, the rest with the chest.
    chest_up = normalised(high * spine - (low + half) * up)
    return hips, framed(chest_up, across)


def head(joints: Array, chest: Array) -> Array:
    """Global rotation (F, 3, 3) of the head: where the nose points, leaning as the ears do."""
    ahead = normalised(joints[:, AT["nose"]] - joints[:, AT["head"]])
    up = normalised(joints[:, AT["head"]] - joints[:, AT["neck"]])
    across = normalised(np.cross(up, ahead)) + 0.3 * chest[..., 0]
    across = normalised(across - np.sum(across * ahead, axis=-1, keepdims=True) * ahead)
    face = np.stack([across, np.cross(ahead, across), ahead], axis=-1)
    return np.asarray(face @ about("x", -FACE_PITCH))


# --- limbs ---------------------------------------------------------------------------------------


def arm(joints: Array, side: str, chest: Array) -> tuple[Array, Array]:
    """Local rotations (F, 3, 3) of an upper arm (in the chest's frame) and its forearm."""
    shoulder, elbow, wrist = (joints[:, AT[f"{side}_{p}"]] for p in ("shoulder", "elbow", "wrist"))
    inward = transposed(chest)
    u = normalised(turned(inward, elbow - shoulder))
    f = normalised(turned(inward, wrist - elbow))
    if side == "r":
        u, f = u * _FLIP, f * _FLIP
    bend = np.arccos(np.clip(np.sum(u * f, axis=-1), -1.0, 1.0))
    swing = shortest_turns(np.broadcast_to(_X, u.shape), u)
    seen = turned(transposed(swing), f)
    # Near a straight arm the plane of the elbow is undefined and eases to the untwisted one.
    twist = np.arctan2(seen[:, 1], seen[:, 2]) * smooth(bend, np.radians(4.0), np.radians(25.0))
    twist = np.clip(twist, -ARM_TWIST_LIMIT, ARM_TWIST_LIMIT)
    upper = swing @ about("x", -twist)
    fore = about("y", -np.clip(bend, 0.0, ELBOW_LIMIT))
    if side == "r":
        return upper * _SIGNS, fore * _SIGNS
    return upper, fore


def leg(joints: Array, side: str, hips: Array) -> tuple[Array, Array]:
    """Local rotations (F, 3, 3) of a thigh and its shin; the knee bends forwards only.

    The plane of the knee is what is seen where it is bent, and between hips and toes where it is
    straight; a knee seen bending backwards is taken for a straight one's noise.
    """
    hip, knee, ankle, toe = (joints[:, AT[f"{side}_{p}"]] for p in ("hip", "knee", "ankle", "toe"))
    inward = transposed(hips)
    thigh, shin = turned(inward, knee - hip), turned(inward, ankle - knee)
    a, b = np.linalg.norm(thigh, axis=-1), np.linalg.norm(shin, axis=-1)
    along = normalised(thigh + shin)
    cosine = np.sum(thigh * shin, axis=-1) / np.maximum(a * b, 1e-9)
    flexion = np.minimum(np.arccos(np.clip(cosine, -1.0, 1.0)), KNEE_LIMIT)

    def aside(v: Array) -> Array:
        return np.asarray(v - np.sum(v * along, axis=-1, keepdims=True) * along)

    toes = normalised(turned(inward, toe - ankle) * (1.0, 0.0, 1.0))
    toes = np.where(toes[:, 2:] > 0.0, toes, _Z)  # no leg is twisted backwards
    carried = shortest_turns(np.broadcast_to(-_Y, along.shape), along)
    ahead = normalised(aside(turned(carried, normalised(_Z + 0.5 * toes))))
    seen = normalised(aside(thigh))
    backwards = np.minimum(np.sum(seen * ahead, axis=-1), 0.0)
    seen = seen - backwards[:, None] * ahead
    trust = smooth(flexion, np.radians(12.0), np.radians(40.0)) * (1.0 + backwards)
    pole = normalised(aside(trust[:, None] * seen + (1.0 - trust[:, None]) * ahead))

    reach = np.sqrt(np.maximum(a * a + b * b + 2 * a * b * np.cos(flexion), 1e-12))
    inner = np.arccos(
        np.clip((a * a + reach**2 - b * b) / np.maximum(2 * a * reach, 1e-9), -1.0, 1.0)
    )
    direction = np.cos(inner)[:, None] * along + np.sin(inner)[:, None] * pole
    hinge = np.cross(pole, along)
    upper = np.stack([hinge, -direction, np.cross(hinge, -direction)], axis=-1)
    return within_twist(upper, -_Y, HIP_TWIST_LIMIT), about("x", flexion)


def foot(joints: Array, side: str, toe_pitch: float) -> Array:
    """Global rotation (F, 3, 3) of a foot: the toes' direction, rolled as the shin is."""
    knee, ankle, toe = (joints[:, AT[f"{side}_{p}"]] for p in ("knee", "ankle", "toe"))
    ahead = normalised(toe - ankle)
    up = normalised(normalised(knee - ankle) + _Y)
    across = normalised(np.cross(up, ahead))
    sole = np.stack([across, np.cross(ahead, across), ahead], axis=-1)
    return np.asarray(sole @ about("x", -toe_pitch))


def toe_pitch_of(joints: Array, stands: NDArray[np.bool_]) -> float:
    """The pitch of the toes of flat feet, radians: the median over the feet that stand (F, 2).

    Within 5 and 45 degrees; 16 where no foot ever stands. Left first.
    """
    pitches = []
    for column, side in enumerate("lr"):
        bone = normalised(joints[:, AT[f"{side}_toe"]] - joints[:, AT[f"{side}_ankle"]])
        pitches.append(np.arcsin(np.clip(-bone[stands[:, column], 1], -1.0, 1.0)))
    found = np.concatenate(pitches)
    middle = float(np.median(found)) if len(found) else np.radians(16.0)
    return float(np.clip(middle, np.radians(5.0), np.radians(45.0)))


# --- limits --------------------------------------------------------------------------------------


def framed(up: Array, across: Array) -> Array:
    """Rotations (F, 3, 3) with y exactly along `up` (F, 3) and x as near as can be to `across`."""
    x = normalised(across - np.sum(across * up, axis=-1, keepdims=True) * up)
    return np.stack([x, up, np.cross(x, up)], axis=-1)


def within(rotations: Array, limits: ArrayLike) -> Array:
    """Rotations cut to +- limits (forward, turn, lean), in radians: turn about y, forward about x,
    lean about -z, as `engine.mocap.rotations.posture_rotation` puts them together."""
    m = rotations
    forward = np.arcsin(np.clip(-m[..., 1, 2], -1.0, 1.0))
    turn = np.arctan2(m[..., 0, 2], m[..., 2, 2])
    lean = -np.arctan2(m[..., 1, 0], m[..., 1, 1])
    low, most = -np.asarray(limits), np.asarray(limits)
    forward, turn, lean = (np.clip(v, low[i], most[i]) for i, v in enumerate((forward, turn, lean)))
    return np.asarray(about("y", turn) @ about("x", forward) @ about("z", -lean))


def within_cone(rotations: Array, limit: float) -> Array:
    """Rotations cut to an angle of at most `limit` radians about whatever axis they have."""
    q = quaternions(rotations)
    angle = 2.0 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), q[..., 0])
    fraction = np.where(angle > limit, limit / np.maximum(angle, 1e-9), 1.0)
    return matrices(slerp(_IDENTITY + 0.0 * q, q, fraction))


def within_twist(rotations: Array, axis: Array, limit: float) -> Array:
    """Rotations whose twist about `axis` (3,) is cut to +- limit radians; the swing stays."""
    q = quaternions(rotations)
    along = q[..., 1:] @ axis
    twist = 2.0 * np.arctan2(along, q[..., 0])
    twist = (twist + np.pi) % (2.0 * np.pi) - np.pi
    excess = twist - np.clip(twist, -limit, limit)
    half = -0.5 * excess[..., None]
    return np.asarray(
        rotations @ matrices(np.concatenate([np.cos(half), np.sin(half) * axis], axis=-1))
    )


def without_leaps(rotations: Array) -> Array:
    """Local rotations (F, J, 3, 3) that turn no faster than a body can.

    An arm whose twist meets its limit on one side, or a joint that the lifter sees the other way
    round, turns over from one frame to the next: the frames around it are passed evenly instead.
    """
    out = rotations.copy()
    if len(rotations) < 2:
        return out
    for joint in range(rotations.shape[1]):
        q = quaternions(rotations[:, joint])
        steps = 2.0 * np.arccos(np.clip(np.abs(np.sum(q[1:] * q[:-1], axis=-1)), 0.0, 1.0))
        leaps = np.convolve(steps > _LEAP, np.ones(2 * _EASE + 1))[_EASE : _EASE + len(steps)]
        for start, end in runs(np.asarray(leaps > 0.5)):
            fraction = np.linspace(0.0, 1.0, end - start + 1)
            first, last = (np.broadcast_to(q[i], (len(fraction), 4)) for i in (start, end))
            out[start : end + 1, joint] = matrices(
                slerp(first, last, fraction * fraction * (3.0 - 2.0 * fraction))
            )
    return out


def share(rotations: Array, fraction: float) -> Array:
    """The same rotations, carried out only by `fraction`."""
    q = quaternions(rotations)
    return matrices(slerp(_IDENTITY + 0.0 * q, q, np.full(q.shape[:-1], fraction)))


_IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def smooth(x: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, and a smooth S between."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))

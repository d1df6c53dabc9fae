"""A posture: what a choreographer says about a body, and the rig pose that it becomes.

A posture is a flat vector of numbers that may be mixed linearly: where the feet stand, how the hips
are carried, how torso and head bend, and how each arm is held. Legs are solved from the feet (two-
bone inverse kinematics), so feet that stay, stay. What the twenty keypoints of the live engine
cannot see (the twist of a straight arm, the share of spine and chest in a bend, the hands) follows
by fixed rules from what they can see: otherwise a generator would have to guess.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from engine.mocap import anatomy
from engine.mocap.rig import INDEX, JOINTS, RigPose, forward_kinematics
from engine.mocap.rotations import (
    Array,
    about_x,
    about_y,
    from_quaternion,
    from_vector,
    posture_rotation,
    power,
    shortest,
    smoothstep,
    to_quaternion,
    to_vector,
    unit,
)

MIRROR = np.diag([-1.0, 1.0, 1.0])
NECK_SHARE = 0.4  # of a turn of the head, the part made by the neck
SPINE_SHARE = 0.5  # of a bend of the torso, the part made by the lower spine

ELBOW_LIMIT = anatomy.ELBOW_LIMIT
KNEE_LIMIT = anatomy.KNEE_LIMIT
ARM_TWIST_LIMIT = anatomy.ARM_TWIST_LIMIT
HEAD_LIMITS = anatomy.HEAD_LIMITS
TORSO_LIMITS = anatomy.TORSO_LIMITS
SHOULDER_LIMITS = np.radians([25.0, 20.0])  # up, forward

# Sole: the points that touch the floor, seen from the ankle, in rest ankle heights.
_HEEL = np.array([0.0, -1.0, -0.6])
_BALL = np.array([0.0, -1.0, 1.7])


REFERENCE_REST = anatomy.REFERENCE_REST


@dataclass(slots=True)
class Arm:
    """How an arm is held, in the frame of the chest, told for the LEFT arm (mirror for the right).

    `shoulder` is the quaternion of the upper arm relative to the T-pose (arm along +x), `bend` the
    flexion of the elbow in radians (0 = straight), `wrist` its flexion (up, forward).
    """

    shoulder: Array = field(default_factory=lambda: np.array([1.0, 0.0, 0.0, 0.0]))
    bend: float = 0.0
    wrist: Array = field(default_factory=lambda: np.zeros(2))


@dataclass(slots=True)
class Foot:
    """Where a foot is, in the frame of the body, told for the LEFT foot (mirror for the right).

    `place` is (outwards, up, forwards) in leg lengths from the point of the floor that is below the
    resting ankle; `turn` (outwards) and `pitch` (heel up) are radians.
    """

    place: Array = field(default_factory=lambda: np.zeros(3))
    turn: float = 0.0
    pitch: float = 0.0


@dataclass(slots=True)
class Posture:
    """A whole body. Angles are radians, triples are (forward, turn left, lean left).

    `shift` moves the hips (left, up, forward) in leg lengths from their rest place; `facing` turns
    the whole body, feet included, about the vertical; `travel` moves all of it over the floor
    (left, forward as seen by the viewer: +x, +z) and `jump` lifts all of it.
    """

    facing: float = 0.0
    travel: Array = field(default_factory=lambda: np.zeros(2))
    jump: float = 0.0
    shift: Array = field(default_factory=lambda: np.array([0.0, -0.008, 0.0]))
    hips: Array = field(default_factory=lambda: np.zeros(3))
    torso: Array = field(default_factory=lambda: np.zeros(3))
    head: Array = field(default_factory=lambda: np.zeros(3))
    left_clavicle: Array = field(default_factory=lambda: np.zeros(2))
    right_clavicle: Array = field(default_factory=lambda: np.zeros(2))
    left_arm: Arm = field(default_factory=Arm)
    right_arm: Arm = field(default_factory=Arm)
    left_foot: Foot = field(default_factory=Foot)
    right_foot: Foot = field(default_factory=Foot)

    def to_vector(self) -> Array:
        """All numbers in one (VECTOR_SIZE,) vector; quaternions in the half space of `_NEAR`."""
        parts: list[ArrayLike] = [[self.facing], self.travel, [self.jump], self.shift]
        parts += [self.hips, self.torso, self.head, self.left_clavicle, self.right_clavicle]
        for arm in (self.left_arm, self.right_arm):
            parts += [_signed(arm.shoulder), [arm.bend], arm.wrist]
        for foot in (self.left_foot, self.right_foot):
            parts += [foot.place, [foot.turn], [foot.pitch]]
        return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])

    @staticmethod
    def from_vector(vector: Array) -> "Posture":
        """The inverse of `to_vector`; mixed quaternions are normalised."""
        v = vector

        def arm(at: int) -> Arm:
            return Arm(unit(v[at : at + 4]), float(v[at + 4]), v[at + 5 : at + 7].copy())

        def foot(at: int) -> Foot:
            return Foot(v[at : at + 3].copy(), float(v[at + 3]), float(v[at + 4]))

        return Posture(
            float(v[0]), v[1:3].copy(), float(v[3]), v[4:7].copy(), v[7:10].copy(),
            v[10:13].copy(), v[13:16].copy(), v[16:18].copy(), v[18:20].copy(),
            arm(20), arm(27), foot(34), foot(39),
        )  # fmt: skip

    def mirrored(self) -> "Posture":
        """The same posture seen in a mirror: left and right change places."""
        flip = np.array([1.0, -1.0, -1.0])
        return Posture(
            -self.facing, self.travel * (-1.0, 1.0), self.jump, self.shift * (-1.0, 1.0, 1.0),
            self.hips * flip, self.torso * flip, self.head * flip,
            self.right_clavicle.copy(), self.left_clavicle.copy(),
            self.right_arm, self.left_arm, self.right_foot, self.left_foot,
        )  # fmt: skip


VECTOR_SIZE = 44
# An arm half way between hanging, raised and stretched forward: all sensible arms are less than
# half a turn from here, so quaternions on its side may be mixed component by component.
_NEAR = to_quaternion(shortest((1.0, 0.0, 0.0), (0.7, 0.0, 0.7)))


def _signed(quaternion: Array) -> Array:
    return quaternion if float(quaternion @ _NEAR) >= 0.0 else -quaternion


def mix(a: Posture, b: Posture, amount: float) -> Posture:
    """The posture `amount` of the way from `a` to `b`."""
    return Posture.from_vector((1.0 - amount) * a.to_vector() + amount * b.to_vector())


# --- arms --------------------------------------------------------------------------------------


def arm_along(upper: ArrayLike, twist: float = 0.0, bend: float = 0.0) -> Arm:
    """A left arm along `upper`, twisted outwards by `twist` from the smallest swing, and bent.

    With no twist, an arm that hangs or is spread bends forward; a spread arm with a twist of
    +90 degrees bends upwards, with -90 degrees downwards.
    """
    twist = float(np.clip(twist, -ARM_TWIST_LIMIT, ARM_TWIST_LIMIT))
    rotation = shortest((1.0, 0.0, 0.0), upper) @ about_x(-twist)
    return Arm(to_quaternion(rotation), float(np.clip(bend, 0.0, ELBOW_LIMIT)))


def arm_twist(arm: Arm) -> float:
    """The twist that `arm_along` would need for this arm, in [-pi, pi]."""
    rotation = from_quaternion(arm.shoulder)
    rest = shortest((1.0, 0.0, 0.0), rotation[:, 0]).T @ rotation
    return float(np.arctan2(rest[1, 2], rest[1, 1]))


def arm_towards(upper: ArrayLike, fore: ArrayLike) -> Arm:
    """A left arm with the upper arm along `upper` and the forearm along `fore` (chest frame).

    Near a straight arm the plane of the elbow is undefined and eases to the untwisted one; a twist
    beyond the limit of the shoulder is cut, and the forearm then misses `fore`.
    """
    u, f = unit(upper), unit(fore)
    bend = float(np.arccos(np.clip(u @ f, -1.0, 1.0)))
    if bend < 1e-6 or bend > np.pi - 1e-6:
        return arm_along(u, 0.0, bend)
    local = shortest((1.0, 0.0, 0.0), u).T @ f  # (cos, sideways y, sideways z)
    twist = float(np.arctan2(local[1], local[2]))
    return arm_along(u, twist * smoothstep(bend, np.radians(4.0), np.radians(25.0)), bend)


def arm_reaching(target: ArrayLike, elbow: ArrayLike = (0.6, -1.0, -0.2)) -> Arm:
    """A left arm whose wrist is at `target` from the shoulder, in arm lengths (chest frame).

    `elbow` is the direction to which the elbow is turned out. A target beyond reach is reached for.
    """
    target = np.asarray(target, dtype=np.float64)
    upper = REFERENCE_REST[INDEX["l_forearm"], 0] - REFERENCE_REST[INDEX["l_upper_arm"], 0]
    fore = REFERENCE_REST[INDEX["l_hand"], 0] - REFERENCE_REST[INDEX["l_forearm"], 0]
    a, b = upper / (upper + fore), fore / (upper + fore)
    along, inner, _ = _two_bones(target, a, b, ELBOW_LIMIT)
    pole = np.asarray(elbow, dtype=np.float64)
    pole = unit(pole - (pole @ along) * along)
    upper_direction = np.cos(inner) * along + np.sin(inner) * pole
    distance = np.clip(np.linalg.norm(target), 1e-6, a + b)
    return arm_towards(upper_direction, along * distance - a * upper_direction)


def _two_bones(target: Array, a: float, b: float, limit: float) -> tuple[Array, float, float]:
    """Law of cosines: direction to the target, angle at the root, flexion of the middle joint."""
    shortest_reach = np.sqrt(a * a + b * b + 2 * a * b * np.cos(limit))
    distance = float(np.clip(np.linalg.norm(target), shortest_reach, (a + b) * 0.9999))
    inner = np.arccos(np.clip((a * a + distance**2 - b * b) / (2 * a * distance), -1.0, 1.0))
    flexion = np.pi - np.arccos(np.clip((a * a + b * b - distance**2) / (2 * a * b), -1.0, 1.0))
    return unit(target), float(inner), float(flexion)


# --- from posture to rig -----------------------------------------------------------------------


def pose_of(posture: Posture, rest: Array = REFERENCE_REST) -> RigPose:
    """The rig pose of a posture, solved on the proportions `rest` (19, 3).

    Joint limits are applied; hips too high for the standing feet are lowered to what the legs
    reach. Feet in the air point their toes, feet on the floor lie flat.
    """
    local = np.broadcast_to(np.eye(3), (len(JOINTS), 3, 3)).copy()
    facing = about_y(posture.facing)
    hips = facing @ posture_rotation(posture.hips)
    local[INDEX["hips"]] = hips
    torso = posture_rotation(np.clip(posture.torso, -TORSO_LIMITS, TORSO_LIMITS))
    local[INDEX["spine"]] = power(torso, SPINE_SHARE)
    local[INDEX["chest"]] = power(torso, 1.0 - SPINE_SHARE)
    head = posture_rotation(np.clip(posture.head, -HEAD_LIMITS, HEAD_LIMITS))
    local[INDEX["neck"]] = power(head, NECK_SHARE)
    local[INDEX["head"]] = power(head, 1.0 - NECK_SHARE)
    for side, arm, clavicle in (
        ("l", posture.left_arm, posture.left_clavicle),
        ("r", posture.right_arm, posture.right_clavicle),
    ):
        up, forward = np.clip(clavicle, -SHOULDER_LIMITS, SHOULDER_LIMITS)
        bend = float(np.clip(arm.bend, 0.0, ELBOW_LIMIT))
        turns = {
            "clavicle": from_vector((0.0, -forward, up)),
            "upper_arm": from_quaternion(arm.shoulder),
            "forearm": about_y(-bend),
            "hand": from_vector((0.0, -arm.wrist[1], arm.wrist[0])),
        }
        for name, turn in turns.items():
            local[INDEX[f"{side}_{name}"]] = turn if side == "l" else MIRROR @ turn @ MIRROR

    leg = float(np.linalg.norm(rest[INDEX["l_thigh"]] - rest[INDEX["l_foot"]]))
    ground = np.array([posture.travel[0], 0.0, posture.travel[1]]) * leg
    ankles, soles = [], []
    for side, foot in (("l", posture.left_foot), ("r", posture.right_foot)):
        ankle, sole = _ankle_of(foot, side, rest, leg)
        ankles.append(ground + facing @ ankle)
        soles.append(facing @ sole)
    hips_at = ground + facing @ (posture.shift * leg) + rest[0]
    thigh, shin, foot_bone = (_bone(rest, n) for n in ("thigh", "shin", "foot"))
    reach = (np.linalg.norm(shin) + np.linalg.norm(foot_bone)) * 0.999
    for ankle, sign in zip(ankles, (1.0, -1.0), strict=True):
        # Lower the hips until this ankle is within reach (a sphere above the ankle).
        joint = hips_at + hips @ (thigh * (sign, 1.0, 1.0))
        aside = np.hypot(joint[0] - ankle[0], joint[2] - ankle[2])
        highest = np.sqrt(max(reach**2 - aside**2, 0.0)) + ankle[1]
        hips_at[1] -= max(joint[1] - highest, 0.0)
    for side, sign, ankle, sole, foot in (
        ("l", 1.0, ankles[0], soles[0], posture.left_foot),
        ("r", -1.0, ankles[1], soles[1], posture.right_foot),
    ):
        joint = hips_at + hips @ (thigh * (sign, 1.0, 1.0))
        turn = facing @ about_y(0.6 * sign * foot.turn)
        forward = unit(turn[:, 2] + 0.5 * hips[:, 2])  # the knee looks between hips and toes
        upper, lower = _leg(
            ankle - joint, forward, float(np.linalg.norm(shin)), float(np.linalg.norm(foot_bone))
        )
        in_air = smoothstep(float(foot.place[1]), 0.02, 0.25)
        pointed = upper @ lower @ about_x(np.radians(25.0) + max(foot.pitch, 0.0) * 0.5)
        flat = sole
        blended = flat @ power(flat.T @ pointed, in_air)
        local[INDEX[f"{side}_thigh"]] = hips.T @ upper
        local[INDEX[f"{side}_shin"]] = lower
        local[INDEX[f"{side}_foot"]] = _within_ankle((upper @ lower).T @ blended)
    root = (hips_at - rest[0]) / leg
    root[1] += posture.jump
    return RigPose(local, root)


def _bone(rest: Array, name: str) -> Array:
    parent = {"thigh": "hips", "shin": "l_thigh", "foot": "l_shin"}[name]
    return rest[INDEX[f"l_{name}"]] - rest[INDEX[parent]]


def _ankle_of(foot: Foot, side: str, rest: Array, leg: float) -> tuple[Array, Array]:
    """Ankle place and sole rotation in the frame of the body, before `facing`."""
    height = rest[INDEX["l_foot"], 1]
    turned = about_y(foot.turn)
    sole = turned @ about_x(foot.pitch)
    pivot = (_BALL if foot.pitch > 0.0 else _HEEL) * height
    ankle = turned @ pivot - sole @ pivot + (rest[INDEX["l_foot"], 0], height, 0.0)
    ankle = ankle + foot.place * leg
    if side == "r":
        return MIRROR @ ankle, MIRROR @ sole @ MIRROR
    return ankle, sole


def _leg(target: Array, forward: Array, thigh: float, shin: float) -> tuple[Array, Array]:
    """Global rotation of the thigh and local one of the shin: ankle at `target` from the hip."""
    along, inner, flexion = _two_bones(target, thigh, shin, KNEE_LIMIT)
    down = np.array([0.0, -1.0, 0.0])
    pole = shortest(down, along) @ forward
    pole = unit(pole - (pole @ along) * along)
    direction = np.cos(inner) * along + np.sin(inner) * pole
    hinge = np.cross(pole, along)
    return np.column_stack([hinge, -direction, np.cross(hinge, -direction)]), about_x(flexion)


def _within_ankle(rotation: Array) -> Array:
    """Cut an ankle's turn to what ankles can do (about 60 degrees in all)."""
    vector = to_vector(rotation)
    angle = float(np.linalg.norm(vector))
    limit = anatomy.ANKLE_LIMIT
    return rotation if angle <= limit else from_vector(vector * (limit / angle))


# --- the floor ---------------------------------------------------------------------------------


def sole_heights(pose: RigPose, rest: Array = REFERENCE_REST) -> Array:
    """(2,) height of the lowest point of the left and the right sole above the floor (y = 0)."""
    rotations, positions = forward_kinematics(pose, rest)
    heights = np.empty(2)
    for i, name in enumerate(("l_foot", "r_foot")):
        joint = INDEX[name]
        points = np.array([_HEEL, _BALL]) * rest[joint, 1]
        heights[i] = (positions[joint] + points @ rotations[joint].T)[:, 1].min()
    return heights


def plant(pose: RigPose, lift: float = 0.0, rest: Array = REFERENCE_REST) -> RigPose:
    """The pose moved up or down so that its lowest sole is `lift` leg lengths above the floor."""
    leg = float(np.linalg.norm(rest[INDEX["l_thigh"]] - rest[INDEX["l_foot"]]))
    root = pose.root.copy()
    root[1] += lift - float(sole_heights(pose, rest).min()) / leg
    return RigPose(pose.rotations, root)

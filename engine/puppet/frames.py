"""Frames of the parts in a picture, and the maps between two pictures' frames.

The engine's twin of `training.fewshot.warp.maps`, which explains the mathematics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from engine.pose.skeleton import PUPPET_20
from engine.puppet import _kernels_bends as bends
from engine.puppet import _kernels_frames as kernels
from engine.puppet.bends import (
    AGREE,
    APART,
    BEHIND,
    BEYOND,
    BODY,
    CAP,
    CROSSING,
    FAN,
    FAN_END,
    FOLDED,
    HALVES,
    HANG,
    HANG_LENGTH,
    HINGES,
    LIMIT,
    PROFILE,
    RAISED,
    ROOT,
    ROOT_END,
    SHORT,
    SHOULDERS,
    SPINE,
    THIGHS,
    TIGHT,
    WAIST,
)
from engine.puppet.parts import CHEST, COUNT, GROUPS, HEAD, HIPS, LIMBS, PARTS

THICKNESS = 0.6  # depth of a torso relative to its width
FOOT_WIDTH, FOOT_HEIGHT = 0.6, 0.5  # of a foot, relative to its length from ankle to toe
FOOT_DROP = 0.3  # of its length: its toes are that much lower than its ankle, and it is level
HEAD_RADIUS = 0.66  # of the sphere that the face slides on, in distances between the ears
EYES = 0.175  # rad: so far above level they are, seen from the ears
SLIDES = (0.3, 0.6)  # rad: so far a face slides as the head turns, and never as far as that

# What a drawing of a part is worth, in cosines of the angle between its view and the wanted one.
HIDDEN = 0.6  # less where other parts hide it
KEPT = 0.04  # more while it is in use: about 4 degrees, lest a part goes to and fro between two
FRONTAL = 0.4  # more from the front and from the back, where limbs lie apart
# Of a head, which nothing hides and which changes most, the view alone counts.

DEPTH_BIAS = np.zeros(COUNT)
"""(L,) of the spine's length: what lies on what when depths are alike (a skirt on thighs)."""
DEPTH_BIAS[HEAD], DEPTH_BIAS[HIPS] = -0.4, -0.2
DEPTH_BIAS[[i for i in LIMBS if PARTS[i].name.endswith("arm")]] = -0.1
ARMS = ((3, 4), (8, 9))
"""Upper arm and forearm of the right and of the left."""
RISEN = 0.9  # times how far an elbow is above its shoulder: so much farther back its arm counts
HAIR = 0.2  # spines behind the ears: what is farther back is behind the head
FACE = 0.2  # spines before the ears: what is not so near is behind it, too
STAYS = 0.25  # spines that an arm must go farther than the head to change sides: depths waver

_SLIDES = np.array(SLIDES)
_SHAPE = np.array([THICKNESS, FOOT_WIDTH, FOOT_HEIGHT, FOOT_DROP, HEAD_RADIUS, EYES])
_BONES = np.array([b for b in PUPPET_20.bones if max(b) < 14], np.int64)
_KINDS = np.array(
    [
        (4 if p.name.endswith("foot") else 3 if i in LIMBS else i, p.start, p.end,
         p.name.endswith("arm") or p.name == "chest")
        for i, p in enumerate(PARTS)
    ],
    np.int64,
)  # fmt: skip


_TORSO = np.array([CHEST, HIPS], np.int64)
_THIGHS = np.array(THIGHS, np.int64)
_HINGE = np.array([FAN_END, SHORT, FOLDED, *BEHIND, *HALVES, *TIGHT, *CAP])
_SHOULDER = np.array([ROOT_END, SHORT, *BODY, *RAISED, *CROSSING, *PROFILE, *APART, *BEYOND])
_LIMITS = np.array([*WAIST, SPINE, HANG, HANG_LENGTH, SHORT, LIMIT, AGREE])


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The frames of all parts in one picture, for one set of joints.

    Attributes:
        table: (L, 11): origin x, y px; axes (along x, across x, along y, across y) px; the limb's
            visible length in units of its axes, 0 for others; middle z px; forward x, y, z.
        turn: (3, 3), the head's rotation within its upright frame.
        radius: (1,) of the head's sphere, in units of its frame.
    """

    table: NDArray[np.float64]
    turn: NDArray[np.float64]
    radius: NDArray[np.float64]

    @classmethod
    def empty(cls) -> "Frames":
        """Room for `update`."""
        return cls(np.zeros((COUNT, 11)), np.zeros((3, 3)), np.zeros(1))

    @classmethod
    def of(cls, joints: NDArray[np.float32]) -> "Frames":
        """The frames of joints (20, 4)."""
        frames = cls.empty()
        frames.update(joints)
        return frames

    def update(self, joints: NDArray[np.float32]) -> None:
        """The frames of other joints, in place."""
        given = np.ascontiguousarray(joints, np.float64)
        kernels.frames_of(given, _KINDS, _BONES, _SHAPE, self.table, self.turn, self.radius)

    @property
    def depth(self) -> NDArray[np.float64]:
        """(L,) px: z of each part's middle."""
        return self.table[:, 7]

    @property
    def view(self) -> NDArray[np.float64]:
        """(L, 3) unit vectors: each part's forward direction."""
        return self.table[:, 8:]


def map_grid(
    target: Frames,
    source: Frames,
    first: float,
    step: float,
    points: NDArray[np.float32],
    slide: NDArray[np.float32],
) -> None:
    """Where in the source each part has what the target has on a grid of pixels.

    Args:
        target, source: two pictures' frames.
        first, step: px, of the first grid point and between grid points, in x and in y.
        points: (L, G, G, 2) x, y px; overwritten.
        slide: (G, G, 2) px, how much farther the head's colours are; overwritten.
    """
    kernels.map_grid(
        target.table, source.table, target.turn, source.turn, float(target.radius[0]),
        _SLIDES, first, step, points, slide,
    )  # fmt: skip
    bends.bend_torso(target.table, source.table, _TORSO, _THIGHS, _LIMITS, first, step, points)
    for arm, side in SHOULDERS:
        bends.open_shoulder(
            target.table, source.table, CHEST, arm, side, ROOT * PARTS[arm].radius, _SHOULDER,
            first, step, points,
        )  # fmt: skip
    for upper, lower in HINGES:
        bends.open_fan(
            target.table, source.table, upper, lower, FAN * PARTS[upper].radius, _HINGE,
            first, step, points,
        )  # fmt: skip


def spine_length(joints: NDArray[np.float32]) -> float:
    """Neck to the middle of the hips in 3D, px."""
    return float(np.linalg.norm(0.5 * (joints[8, :3] + joints[11, :3]) - joints[1, :3]))


def depth_order(
    frames: Frames, spine: float, used: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """(L,) parts from front to back by their z, with `DEPTH_BIAS` of the spine in px.

    Head and hair hide most of an arm that is raised, and then all of it: a forearm before a face
    that ends at the elbow looks torn. Wrongly hidden arms look better than wrongly hidden faces.

    Args:
        frames: of the pose.
        spine: px.
        used: (L,), the order of the frame before, if any: arms leave their side of the head only
            for one that is clearly the other (`STAYS`).
    """
    depth = frames.depth + DEPTH_BIAS * spine
    ears = frames.depth[HEAD]
    stays = np.zeros(COUNT)
    if used is not None:
        place = np.argsort(used)
        for part in chain(*ARMS):
            side = -1 if place[part] < place[HEAD] else 1
            stays[part] = side * STAYS * spine
            beyond = depth[part] - depth[HEAD]
            if -STAYS * spine < side * beyond <= 0:
                depth[part] = depth[HEAD] + side * 1e-6 * spine + 1e-9 * beyond
    before, behind = np.nextafter(depth[HEAD], -np.inf), np.nextafter(depth[HEAD], np.inf)
    for upper, fore in ARMS:
        rise = frames.table[upper, 1] - frames.table[fore, 1]
        if not rise > 0:
            continue
        arm = 0.5 * (frames.depth[upper] + frames.depth[fore]) + RISEN * rise
        root = frames.depth[upper] + stays[upper]
        is_before = arm + stays[upper] < ears + HAIR * spine and root < ears - FACE * spine
        is_nearer = depth[fore] < depth[upper]  # and stays so
        if not is_before:
            depth[fore], depth[upper] = max(depth[fore], behind), max(depth[upper], behind)
            if is_nearer:
                depth[upper] = max(depth[upper], np.nextafter(depth[fore], np.inf))
        elif depth[upper] < depth[CHEST]:
            depth[upper] = min(depth[upper], before)
            if is_nearer:
                depth[fore] = min(depth[fore], np.nextafter(depth[upper], -np.inf))
    return np.argsort(depth, kind="stable")


def nearest(
    target: Frames,
    drawings: Sequence[Frames],
    seen: NDArray[np.float64],
    used: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """(L,) for each part the index of the drawing that shows it best from the target's side.

    Parts of a group take the same: a map that blends two parts blends places in one drawing.

    Args:
        target: what is asked for.
        drawings: R of them.
        seen: (R, L), the share of the most that any of the drawings shows of a part.
        used: (L,), what the frame before took, if any: it is left only for one that is better.
    """
    views = np.stack([frames.view for frames in drawings])  # (R, L, 3)
    worth = (views * target.view).sum(-1)
    worth[:, HEAD + 1 :] += (HIDDEN * seen + FRONTAL * np.abs(views[..., 2]))[:, HEAD + 1 :]
    if used is not None:
        worth[used, np.arange(COUNT)] += KEPT
    worth = np.nan_to_num(worth)
    for group in GROUPS:
        worth[:, list(group)] = worth[:, list(group)].mean(1, keepdims=True)
    best: NDArray[np.int64] = np.argmax(worth, axis=0)
    return best

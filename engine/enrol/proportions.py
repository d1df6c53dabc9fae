"""From the joints of a drawing to a character's body: lengths, head, depth, and its place.

What the drawing shows counts by how surely it was found; left and right are reconciled; what it
does not show (a sprite is cut at the thigh) is as usual for a head of that size (`usual`).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.enrol.capsules import spine_px
from engine.enrol.usual import Usual, usual
from engine.motion.proportions import CharacterSkeleton
from engine.pose.skeleton import PUPPET_20

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

SIZE: Final = 512
"""Width and height of a character's picture, if nothing else is asked for."""

_SEEN: Final = 0.35
ASIDE: Final = 0.55
"""Radians that a head seems turned by in a side view; three quarters have about half of it."""
NARROW: Final = 0.75
"""Of the first drawing's girth: one that has less shows the figure from a side."""
_TRUNK: Final = (0.2, 0.9)  # spines below the neck
_HEAD: Final = (0, 14, 15, 16, 17)
_MIRROR = PUPPET_20.mirror()
_USUAL_WEIGHT: Final = 0.12  # of the usual length beside the heat of a bone's two ends
_FORESHORTENED: Final = 0.7  # a bone drawn shorter than this of the usual points at the viewer
_LONGEST, _SHORTEST = 1.8, 0.55  # of the usual

# Of the canvas, as the cameras of the data set leave: room for raised arms, jumps and steps.
_FLOOR: Final = 0.95
_TALL: Final = 0.79
_WIDE: Final = 0.9
_CUT_TALL: Final = 0.9  # a sprite without feet fills the height
_CUT_ARMS: Final = 0.6  # arms that are stretched out leave the picture
_CUT_BELOW: Final = 0.045  # and its cut edge stays hidden below the picture


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A figure in its character's picture.

    Attributes:
        picture: (S, S, 4) uint8, premultiplied RGBA.
        joints: (20, 4) x, y px, z px from the neck (away is positive), score.
        skeleton: proportions in the same pixels.
        scale: pixels of the character's picture in a pixel of the drawing.
        shift: (2,) px of the character's picture, of the drawing's corner.
    """

    picture: U8
    joints: F32
    skeleton: CharacterSkeleton
    scale: float
    shift: F64


def yaw_of(joints: NDArray[np.floating], body: Usual) -> float:
    """How far the head is turned toward the right of the picture, radians.

    The middle of the eyes lies before the middle of the ears; turned, it lies beside it.
    """
    spine = spine_px(joints)
    ears, eyes = (0.5 * (joints[a, :2] + joints[b, :2]) for a, b in ((16, 17), (14, 15)))
    up = ears - joints[1, :2]
    up = up / max(float(np.linalg.norm(up)), 1e-6)
    right = np.array([-up[1], up[0]])
    ahead = float((eyes - ears) @ right) / (body.length["eye_near"] * spine)
    yaw = float(np.arcsin(np.clip(ahead, -1, 1)))
    return yaw if abs(yaw) > 0.06 else 0.0


def girth(picture: U8, joints: NDArray[np.floating]) -> float:
    """How wide a figure is between its neck and its hips, arms and all, in spines as drawn.

    Of renders in one pose a back has 0.98 to 1.03 of what the front has, a side 0.32 to 0.62.
    """
    neck, hips = joints[1, :2], 0.5 * (joints[8, :2] + joints[11, :2])
    spine = max(float(np.linalg.norm(hips - neck)), 1.0)
    top, bottom = (int(np.clip(neck[1] + s * spine, 0, len(picture) - 1)) for s in _TRUNK)
    widths = (picture[top : max(bottom, top + 1), :, 3] > 127).sum(1)
    return float(np.median(widths)) / spine


def with_depth(joints: NDArray[np.floating], spine: float, body: Usual) -> F32:
    """Joints (20, 3) of a drawing with z (20, 4): flat, with what is known of bodies.

    The head is round and turned as the face shows; toes point at the viewer as far as feet are
    drawn short; a body whose head looks aside is turned with it; hands before the trunk are nearer,
    hidden ones farther.
    """
    found = np.zeros((20, 4), np.float64)
    found[:, :2], found[:, 3] = joints[:, :2], joints[:, 2]
    yaw = yaw_of(joints, body)
    behind = joints[5, 0] < joints[2, 0]
    near, away = spine * np.cos(yaw), spine * np.sin(yaw)
    ear, eye = body.length["ear_half"], body.length["eye_half"]
    found[16, 2], found[17, 2] = -ear * away, ear * away
    found[14, 2] = -body.length["eye_near"] * near - eye * away
    found[15, 2] = -body.length["eye_near"] * near + eye * away
    found[0, 2] = -body.length["nose_near"] * near
    for right, left, name in ((2, 5, "shoulder"), (8, 11, "hip")):
        width = 2 * body.length[name] * spine
        drawn = float(np.linalg.norm(joints[left, :2] - joints[right, :2]))
        if abs(yaw) > ASIDE:
            # The fit draws a narrow body wider than it is; the head tells that it is seen aside.
            seen = min(drawn, 0.5 * width)
            depth = 0.5 * float(np.sqrt(width**2 - seen**2)) * np.sign(yaw)
            found[left, 2], found[right, 2] = depth, -depth
    for shoulder, elbow, wrist in ((2, 3, 4), (5, 6, 7)):
        found[elbow, 2] = found[shoulder, 2]
        across = abs(float(joints[wrist, 0] - 0.5 * (joints[2, 0] + joints[5, 0])))
        over = across < body.length["shoulder"] * spine and (
            joints[1, 1] < joints[wrist, 1] < joints[1, 1] + 1.3 * spine
        )
        toward = -1.0 if joints[wrist, 2] > 0.15 else 1.0
        found[wrist, 2] = found[elbow, 2] + (0.15 * toward * spine if over else 0.0)
    for hip, knee, ankle, toe in ((8, 9, 10, 18), (11, 12, 13, 19)):
        found[[knee, ankle], 2] = found[hip, 2]
        foot = float(np.linalg.norm(joints[toe, :2] - joints[ankle, :2]))
        forward = np.sqrt(max((body.length["foot"] * spine) ** 2 - foot**2, 0.0))
        found[toe, 2] = found[ankle, 2] + (forward if behind else -forward)
    if behind:
        found[list(_HEAD), 2] *= -1
    return found.astype(np.float32)


def bone_lengths(joints: NDArray[np.floating], spine: float, body: Usual) -> F64:
    """(19,) px of `PUPPET_20.bones`: as drawn, the same left and right, or as usual.

    Args:
        joints: (20, 3) x, y px and score.
        spine: px.
        body: usual proportions.
    """
    expected = body.bones * spine
    seen = np.zeros(19)
    weight = np.zeros(19)
    for i, (a, b) in enumerate(PUPPET_20.bones):
        seen[i] = np.linalg.norm(joints[b, :2] - joints[a, :2])
        weight[i] = min(float(joints[a, 2]), float(joints[b, 2])) ** 2
        if seen[i] < _FORESHORTENED * expected[i]:
            weight[i] *= 0.15
    bones = {ends: i for i, ends in enumerate(PUPPET_20.bones)}
    lengths = expected.copy()
    for i, (a, b) in enumerate(PUPPET_20.bones):
        pair = [i, bones[int(_MIRROR[a]), int(_MIRROR[b])]]
        logs = np.log(np.clip(seen[pair] / expected[pair], _SHORTEST, _LONGEST))
        total = weight[pair].sum() + _USUAL_WEIGHT**2
        lengths[i] *= np.exp(float(weight[pair] @ logs) / total)
    for i, (a, b) in enumerate(PUPPET_20.bones):
        if b in (18, 19) or a in _HEAD or b in _HEAD:
            lengths[i] = expected[i]
    return lengths


def head_template(joints: NDArray[np.floating], spine: float, body: Usual) -> F64:
    """(5, 3) px from the neck: the head as drawn, turned upright and made symmetric.

    A face that looks aside tells of its heights only.
    """
    template = body.head * spine
    sure = float(joints[list(_HEAD), 2].min())
    if sure < 0.2:
        return template
    ears = joints[17, :2] - joints[16, :2]
    if ears[0] < 0:
        ears = -ears
    tilt = float(np.arctan2(ears[1], ears[0]))
    c, s = np.cos(tilt), np.sin(tilt)
    offsets = joints[list(_HEAD), :2] - joints[1, :2]
    upright = np.stack(
        [c * offsets[:, 0] + s * offsets[:, 1], c * offsets[:, 1] - s * offsets[:, 0]]
    )
    for right, left in ((1, 2), (3, 4)):
        height = 0.5 * (upright[1, right] + upright[1, left])
        usual_y = template[right, 1]
        template[[right, left], 1] = np.clip(height, 1.6 * usual_y, 0.5 * usual_y)
        if abs(yaw_of(joints, body)) < 0.4:
            width = 0.5 * abs(float(upright[0, left] - upright[0, right]))
            width = float(np.clip(width, 0.6 * template[left, 0], 1.5 * template[left, 0]))
            template[right, 0], template[left, 0] = -width, width
    template[0, 1] = np.clip(upright[1, 0], 1.6 * template[0, 1], 0.5 * template[0, 1])
    return template


def place(pixels: U8, joints: NDArray[np.floating], spine: float, ear_half: float,
          size: int = SIZE) -> Placed:  # fmt: skip
    """A cut-out figure in a square picture of its own, with the body that goes with it.

    Args:
        pixels: (H, W, 4) premultiplied RGBA, the figure alone.
        joints: (20, 3) x, y px and score.
        spine: px, neck to the middle of the hips, upright.
        ear_half: see `engine.enrol.usual`.
        size: of the picture to make.
    """
    body = usual(ear_half)
    solid = pixels[..., 3] > 127
    cut = is_cut(solid, joints, spine)
    lengths = bone_lengths(joints, spine, body)
    template = head_template(joints, spine, body)
    deep = with_depth(joints, spine, body)
    scale, shift = _framing(solid, joints, lengths, spine, size, cut)
    picture = _resample(pixels, scale, shift, size)
    deep[:, :3] *= scale
    deep[:, :2] += shift
    deep[:, 2] -= deep[1, 2]
    floor = float(deep[[10, 13, 18, 19], 1].max())
    skeleton = CharacterSkeleton(
        deep, (lengths * scale).astype(np.float32), (template * scale).astype(np.float32), floor
    )
    return Placed(picture, deep, skeleton, scale, shift)


def is_cut(solid: NDArray[np.bool_], joints: NDArray[np.floating], spine: float) -> bool:
    """Whether the drawing ends above the feet: at its lower border, where no feet are.

    Either both ankles are below it, or none is seen and what touches the border is as wide as a
    skirt.
    """
    last = solid[-max(1, round(0.004 * len(solid))) :].any(axis=0)
    if last.sum() < 0.3 * spine:
        return False
    if joints[[10, 13], 1].min() > len(solid) + 0.1 * spine:
        return True
    wide = _longest_run(np.asarray(last)) > 0.5 * spine
    return bool(wide and joints[[10, 13], 2].max() < _SEEN)


def _longest_run(row: NDArray[np.bool_]) -> int:
    """Of True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def below_the_cut(joints: NDArray[np.floating], spine: float, body: Usual) -> F64:
    """Joints (20, 3) with straight legs of usual lengths below what a cut drawing shows."""
    found = np.array(joints, np.float64)
    found[[10, 13, 18, 19], 2] = 0
    for knee in (9, 12):
        if found[knee, 2] < _SEEN:
            found[knee, 2] = 0
    bone = dict(zip(PUPPET_20.bones, bone_lengths(found, spine, body), strict=True))
    down = 0.5 * (found[8, :2] + found[11, :2]) - found[1, :2]
    down = down / max(float(np.linalg.norm(down)), 1e-6) + np.array([0.0, 1.0])
    down /= np.linalg.norm(down)
    for hip, knee, ankle, toe in ((8, 9, 10, 18), (11, 12, 13, 19)):
        if found[knee, 2] == 0:
            found[knee, :2] = found[hip, :2] + down * bone[hip, knee]
        # Straight below the hip: so high it stands in a dance, and hides its cut edge.
        found[ankle, :2] = found[hip, :2] + down * (bone[hip, knee] + bone[knee, ankle])
        found[toe, :2] = found[ankle, :2] + down * (body.length["foot_drop"] * spine)
    return found


def _framing(
    solid: NDArray[np.bool_],
    joints: NDArray[np.floating],
    lengths: F64,
    spine: float,
    size: int,
    cut: bool,
) -> tuple[float, F64]:
    """Scale and shift of the drawing into its square."""
    rows, columns = np.nonzero(solid.any(axis=1))[0], np.nonzero(solid.any(axis=0))[0]
    top, bottom = float(rows[0]), float(rows[-1] + 1)
    arm = float(lengths[0] + lengths[2] + lengths[3]) + 0.2 * spine
    # The neck stays in the middle: the character turns about it.
    middle = float(joints[1, 0])
    if cut:
        arm *= _CUT_ARMS
    half = max(arm, middle - float(columns[0]), float(columns[-1] + 1) - middle)
    raised = max(float(joints[1, 1]) - top, arm)  # hair, or hands above the head
    if cut:
        floor, height = 1.0 + _CUT_BELOW, _CUT_TALL
        tall = bottom - top
    else:
        bottom = max(bottom, float(joints[[10, 13, 18, 19], 1].max()))
        floor, height = _FLOOR, _TALL
        tall = max(bottom - top, (bottom - float(joints[1, 1]) + raised) * height / (_FLOOR - 0.02))
    scale = size * min(height / tall, _WIDE / (2 * half))
    return scale, np.array([0.5 * size - scale * middle, floor * size - scale * bottom])


def _resample(pixels: U8, scale: float, shift: F64, size: int) -> U8:
    shrunk, rest = pixels, scale
    if scale < 0.8:
        shrunk = np.asarray(
            cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        rest = 1.0
    matrix = np.array([[rest, 0, shift[0]], [0, rest, shift[1]]])
    matrix[:, 2] += 0.5 * rest - 0.5  # cv2 counts from pixel centres
    method = cv2.INTER_CUBIC if rest > 1 else cv2.INTER_LINEAR
    moved = cv2.warpAffine(shrunk, matrix, (size, size), flags=method)
    moved[..., :3] = np.minimum(moved[..., :3], moved[..., 3:])
    return np.asarray(moved, np.uint8)

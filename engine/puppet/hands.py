"""Hands that lie on clothes, which a cutter takes for cloth: found by their colours and edges.

GrabCut (Rother, Kolmogorov, Blake 2004) between the forearm's colours and those of the clothes
around the place where a hand may be.
"""

import numpy as np
from numpy.typing import NDArray

from engine.puppet.frames import spine_length
from engine.puppet.parts import CHEST, HIPS, LIMBS, PARTS

FOREARMS = tuple(i for i in LIMBS if PARTS[i].name.endswith("forearm"))
_CLOTHES = (CHEST, HIPS, *(i for i in LIMBS if PARTS[i].name.endswith(("thigh", "shin"))))
# In spines:
_LENGTH, _WIDTH = 0.42, 0.18  # of the room for a hand beyond the wrist: long, and half as wide
_PALM, _PALM_WIDTH = 0.2, 0.08  # of what is the hand in all likelihood
_RING = 0.07  # around the room, from which the colours of clothes are learnt
_GAP = 0.2  # between arm and fingers
_LARGEST = 0.12  # squared: a hand has no more area
_SHADES = 6  # colours that stand for arm or clothes
_RARE = 0.05  # a shade of fewer of the clothes' pixels may be a bit of hand
_SURE = 0.5  # what is so much nearer to the arm's colours than to the clothes' begins as hand
_CLOTH, _LEVELS = 2.0, 15.0  # times as far from the arm's colours as from theirs, and levels more
_GLOVE = 0.02  # squared: less may be a glove or its cuff
_LEAST_PX = 40
_ROUNDS = 4

Mask = NDArray[np.bool_]
Colours = NDArray[np.float32]


def hand_on_clothes(
    forearm: int, owner: NDArray[np.uint8], colours: Colours, joints: NDArray[np.float32]
) -> Mask:
    """(S, S) what belongs to clothes, and is a forearm's hand.

    Args:
        forearm: one of `FOREARMS`.
        owner: (S, S) the part of each pixel; another number where there is none.
        colours: (S, S, 3) straight RGB, levels.
        joints: (20, 4) px.
    """
    import cv2

    spine = spine_length(joints)
    elbow, wrist = (joints[j, :2] for j in (PARTS[forearm].start, PARTS[forearm].end))
    along = (wrist - elbow) / max(float(np.linalg.norm(wrist - elbow)), 1e-3) * spine
    room = capsule(owner.shape, wrist, wrist + _LENGTH * along, _WIDTH * spine)
    ring = cv2.dilate(room.astype(np.uint8), _window(_RING * spine)) > 0
    clothes, arm = np.isin(owner, _CLOTHES), owner == forearm
    doubtful, plain = room & clothes, ring & ~room & clothes
    nothing = np.zeros(owner.shape, np.bool_)
    if min(doubtful.sum(), plain.sum(), arm.sum()) < _LEAST_PX:
        return nothing
    start = np.full(owner.shape, cv2.GC_BGD, np.uint8)
    start[doubtful] = cv2.GC_PR_BGD
    palm = capsule(owner.shape, wrist, wrist + _PALM * along, _PALM_WIDTH * spine)
    near = distance(colours[doubtful], shades(colours[arm], 0.0))
    far = distance(colours[doubtful], shades(colours[plain], _RARE))
    likely = palm & doubtful
    likely[doubtful] |= near < _SURE * far
    start[likely] = cv2.GC_PR_FGD
    start[arm] = cv2.GC_FGD
    # All else is one colour that neither has.
    seen = np.where((clothes & ring | arm)[..., None], colours, (0, 255, 0)).astype(np.uint8)
    ys, xs = np.nonzero(ring)
    box = (slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1))
    told = np.ascontiguousarray(start[box])
    if not np.isin(told, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return nothing
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)  # the same drawing gives the same puppet
    cv2.grabCut(
        np.ascontiguousarray(seen[box]), told, (0, 0, 1, 1), *models, _ROUNDS, cv2.GC_INIT_WITH_MASK
    )  # fmt: skip
    hand = nothing.copy()
    hand[box] = told == cv2.GC_PR_FGD
    hand &= doubtful
    # Only what is near to the arm, with all that lies between: it may be glove, white as a skirt.
    _, patches = cv2.connectedComponents(hand.astype(np.uint8))
    reached = cv2.dilate(arm.astype(np.uint8), _window(_GAP * spine)) > 0
    hand &= np.isin(patches, np.unique(patches[reached & hand]))
    if not hand.any():
        return nothing
    points = np.concatenate([np.argwhere(hand)[:, ::-1], np.rint(wrist)[None]]).astype(np.int32)
    hull = np.zeros(owner.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    hand = (hull > 0) & doubtful
    of_hand = colours[hand]
    from_arm = distance(of_hand, shades(colours[arm], _RARE))
    from_clothes = distance(of_hand, shades(colours[plain], _RARE))
    hand = _without_clothes(hand, from_arm, from_clothes, spine)
    return hand if hand.sum() < _LARGEST * spine**2 else nothing


def _without_clothes(hand: Mask, arm: Colours, clothes: Colours, spine: float) -> Mask:
    """The same hand without a piece that looks like clothes alone, as a skirt beyond a sleeve does.

    `arm` and `clothes` are levels (N,) from each of its pixels to the shades of either.
    """
    import cv2

    cloth = np.zeros(hand.shape, np.uint8)
    cloth[hand] = arm > _CLOTH * clothes + _LEVELS
    if cloth.sum() <= _GLOVE * spine**2:
        return hand
    opened = cv2.morphologyEx(cloth, cv2.MORPH_OPEN, _window(1))
    return hand & ~(cv2.dilate(opened, _window(1)) > 0)


def _window(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)


def capsule(shape: tuple[int, ...], start: Colours, end: Colours, radius: float) -> Mask:
    """(S, S) what is about as near as `radius` px to a bone from `start` to `end`, px."""
    import cv2

    canvas = np.zeros(shape, np.uint8)
    a, b = (tuple(int(v) for v in np.clip(point, -1e4, 1e4)) for point in (start, end))
    cv2.line(canvas, a, b, 1, max(1, min(255, round(2 * radius))))
    return np.asarray(canvas > 0)


def shades(colours: Colours, rare: float) -> Colours:
    """(K, 3): colours that stand for these (N, 3); not those of a smaller share than `rare`."""
    import cv2

    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 10, 1.0)
    labels = np.empty((len(colours), 1), np.int32)
    cv2.setRNGSeed(0)
    some = np.ascontiguousarray(colours, np.float32)
    _, found, shades = cv2.kmeans(some, _SHADES, labels, stop, 1, cv2.KMEANS_PP_CENTERS)
    share = np.bincount(np.asarray(found, np.int64).ravel(), minlength=_SHADES) / len(colours)
    return np.asarray(shades, np.float32)[share > rare]


def distance(colours: Colours, shades: Colours) -> Colours:
    """(N,) levels to the nearest shade."""
    return np.asarray(np.linalg.norm(colours[:, None] - shades, axis=2).min(1), np.float32)

"""Hair that lies on arms, which a cutter takes for sleeves, and sleeves that it takes for hair.

What hair looks like is seen above the face and beside it. What of an arm looks so too, and hangs
together with the head's hair, belongs to whoever has the hair beside it. Nothing is done where the
colours tell nothing: hats, hair of the colour of both sleeves, outlines drawn in that of hair.
"""

import numpy as np
from numpy.typing import NDArray

from engine.puppet.frames import spine_length
from engine.puppet.hands import Colours, Mask, capsule, distance, shades
from engine.puppet.parts import CHEST, HEAD, HIPS, LIMBS, PARTS

UPPER_ARMS = tuple(i for i in LIMBS if PARTS[i].name.endswith("upper_arm"))
FOREARMS = tuple(i for i in LIMBS if PARTS[i].name.endswith("forearm"))
_LEGS = tuple(i for i in LIMBS if PARTS[i].name.endswith(("thigh", "shin")))
_BODY = (HEAD, CHEST, HIPS)
_NECK, _EYES, _EARS = 1, (14, 15), (16, 17)
_CROWN = 0.4  # of the head's length above the eyes: hair, and neither face nor fringe
_CHEEK = 0.08  # spines: the radius of what shows the skin
_SKIN = 40.0  # levels: a shade so near to the skin is no hair's
_ALIKE = 40.0  # levels: what is so near to a shade of hair looks like hair
_HANGS = 0.05  # of the head below the eyes: a shade that is not found there is a hat's
_LINES = 0.1  # of the legs: a shade that is found there draws outlines, or is no hair's alone
_RARE = 0.03  # a shade of fewer pixels may be an eye or an ornament
_OWN = 0.5  # of both upper arms, or both forearms: sleeves of the colour of hair
_LEAST = 0.06  # spines, squared: less is an outline
_LEAST_PX = 40
_SLEEVE = 1.4  # of a usual radius: so far from an upper arm's bone a sleeve may be
_NEARER = 0.6  # of sleeves: so much nearer to the arm's colours than to the hair's
_LINE = 1 / 170  # of the picture: thinner are outlines


def hair_on_arms(
    owner: NDArray[np.uint8], colours: Colours, joints: NDArray[np.float32]
) -> list[tuple[int, int, Mask]]:
    """(arm, heir, (S, S) where) of the hair that was taken for an arm.

    Args:
        owner: (S, S) the part of each pixel; another number where there is none.
        colours: (S, S, 3) straight RGB, levels.
        joints: (20, 4) px.
    """
    import cv2

    hair = _hair(owner, colours, joints)
    if not len(hair):
        return []
    shown = np.isin(owner, (*_BODY, *UPPER_ARMS, *FOREARMS))
    like = np.zeros(owner.shape, np.bool_)
    like[shown] = distance(colours[shown], hair) < _ALIKE
    for arms in (UPPER_ARMS, FOREARMS):
        seen = [owner == arm for arm in arms]
        if all(like[arm].mean() > _OWN for arm in seen if arm.sum() >= _LEAST_PX):
            like[np.logical_or(*seen)] = False
    window = _window(len(owner))
    opened = cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, window)
    thick = (cv2.dilate(opened, window) > 0) & like  # with the tips of locks
    _, locks = cv2.connectedComponents(thick.astype(np.uint8), connectivity=8)
    ofhead = np.isin(locks, np.unique(locks[thick & (owner == HEAD)])) & thick
    found = []
    for arm in (*UPPER_ARMS, *FOREARMS):
        count, patches = cv2.connectedComponents((ofhead & (owner == arm)).astype(np.uint8))
        for patch in range(1, count):
            where = patches == patch
            if where.sum() < (_LEAST * spine_length(joints)) ** 2:
                continue
            around = (cv2.dilate(where.astype(np.uint8), window) > 0) & thick & ~where
            beside = [int((owner[around] == part).sum()) for part in _BODY]
            heir = _BODY[int(np.argmax(beside))] if any(beside) else HEAD
            found.append((arm, heir, _outlined(where, owner == arm, window)))
    return found


def sleeves_on_hair(
    owner: NDArray[np.uint8], colours: Colours, joints: NDArray[np.float32]
) -> list[tuple[int, int, Mask]]:
    """(`HEAD`, arm, (S, S) where) of the sleeves that were taken for hair; likewise."""
    import cv2

    hair = _hair(owner, colours, joints)
    if not len(hair):
        return []
    spine, flat = spine_length(joints), np.clip(joints[:, :2], -1e4, 1e4)
    line = _window(len(owner))
    found = []
    for arm, fore in zip(UPPER_ARMS, FOREARMS, strict=True):
        own = np.isin(owner, (arm, fore))
        start, end = (flat[PARTS[arm].start], flat[PARTS[arm].end])
        near = capsule(owner.shape, start, end, _SLEEVE * PARTS[arm].radius * spine)
        doubtful = near & (owner == HEAD)
        if min(own.sum(), doubtful.sum()) < _LEAST_PX:
            continue
        seen = colours[doubtful]
        away = distance(seen, shades(colours[own], _RARE))
        like = np.zeros(owner.shape, np.uint8)
        like[doubtful] = (away < _ALIKE) & (away < _NEARER * distance(seen, hair))
        thick = cv2.morphologyEx(like, cv2.MORPH_OPEN, line)
        sleeve = (cv2.morphologyEx(thick, cv2.MORPH_CLOSE, line) > 0) & doubtful
        count, patches = cv2.connectedComponents(sleeve.astype(np.uint8))
        for patch in range(1, count):
            where = patches == patch
            beside = cv2.dilate(where.astype(np.uint8), line) > 0
            if where.sum() > (_LEAST * spine) ** 2 and (beside & own).any():
                found.append((HEAD, arm, _outlined(where, owner == HEAD, line)))
    return found


def _outlined(where: Mask, own: Mask, line: NDArray[np.uint8]) -> Mask:
    """A patch of a part's `own`, with the thin rest of it that is about it: its outline."""
    import cv2

    wide = np.ones((2 * len(line) - 1, 2 * len(line) - 1), np.uint8)
    rest = own & ~where
    thick = cv2.morphologyEx(rest.astype(np.uint8), cv2.MORPH_OPEN, wide) > 0
    return where | (rest & ~thick & (cv2.dilate(where.astype(np.uint8), wide) > 0))


def _window(size: int) -> NDArray[np.uint8]:
    side = 2 * max(1, round(_LINE * size / 2)) + 1
    return np.ones((side, side), np.uint8)


def _hair(owner: NDArray[np.uint8], colours: Colours, joints: NDArray[np.float32]) -> Colours:
    """(K, 3) shades of what is above the face and hangs beside it, and is neither skin nor line."""
    import cv2

    flat = joints[:, :2].astype(np.float64)
    eyes, ears = flat[list(_EYES)].mean(0), flat[list(_EARS)].mean(0)
    up = ears - flat[_NECK]
    length = max(float(np.linalg.norm(up)), 1e-3)
    ys, xs = np.mgrid[: len(owner), : len(owner)]
    above = ((xs - eyes[0]) * up[0] + (ys - eyes[1]) * up[1]) / length**2
    crown, lower = (owner == HEAD) & (above > _CROWN), (owner == HEAD) & (above < 0)
    face = np.zeros(owner.shape, np.uint8)
    for eye in _EYES:
        x, y = (round(float(v)) for v in np.clip(0.55 * flat[0] + 0.45 * flat[eye], -1e4, 1e4))
        cv2.circle(face, (x, y), max(2, round(_CHEEK * spine_length(joints))), 1, -1)
    skin = (face > 0) & (owner == HEAD)
    if crown.sum() < _LEAST_PX or skin.sum() < 8:
        return np.zeros((0, 3), np.float32)
    found = shades(colours[crown], _RARE)
    found = found[np.linalg.norm(found - np.median(colours[skin], 0), axis=1) > _SKIN]
    legs = np.isin(owner, _LEGS)
    like = [[_share(colours[where], shade) for where in (lower, legs)] for shade in found]
    kept = np.array([hangs > _HANGS and lines < _LINES for hangs, lines in like], np.bool_)
    return np.asarray(found[kept], np.float32)


def _share(seen: Colours, shade: Colours) -> float:
    """Of pixels (N, 3), how many look like a shade (3,)."""
    return float((distance(seen, shade[None]) < _ALIKE).mean()) if len(seen) else 0.0

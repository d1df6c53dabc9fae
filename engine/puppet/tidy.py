"""Put right what a cutter got wrong in the small, before a puppet is made of it.

- A patch of one part that lies apart from that part's bone and from the rest of it, like a bit of
  sleeve that was taken for thigh, would fly off alone: the part that it borders on most gets it.
- What a part has only faintly, apart from all that is its own, would drift beside it as a speck: it
  belongs to whoever is there.
- A sliver of one leg along the inside of the other, beyond the gap between them, is the other's,
  and none is painted in there.
- Hair on an arm is the head's, and a sleeve below hair is the arm's, see `engine.puppet.hair`.
- A hand on clothes is a forearm's, see `engine.puppet.hands`.
- A skirt is the hips', from side to side: what was taken for leg in the middle of it, and has its
  colour, is cloth.
- Behind an arm, body and clothes go on from one side of it to the other.
- Of an arm of which little is seen, the cutter paints the rest in faintly, as wide as arms usually
  are: beside the arm that would be a veil.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.frames import spine_length
from engine.puppet.hair import hair_on_arms, sleeves_on_hair
from engine.puppet.hands import FOREARMS, hand_on_clothes
from engine.puppet.parts import CHEST, COUNT, HEAD, HIPS, LIMBS, PARTS

ARMS = tuple(i for i in LIMBS if PARTS[i].name.endswith("arm"))
_SIDES = tuple(
    tuple(i for i in LIMBS if PARTS[i].name in (f"{side}_thigh", f"{side}_shin")) for side in "rl"
)
LEGS = tuple(i for i in LIMBS if PARTS[i].name.endswith(("thigh", "shin")))
NOBODY = COUNT
_ARM = 0.45  # spines: what is hidden is no wider
_PAD = 8  # px around what is painted in, from where colours come
_VEIL = 240  # of 255: what is painted in less, and is no mere edge, was guessed
_SOLID = 24  # of 255: less is an edge, which goes with what it is the edge of
_TRACE = 8  # likewise: less is not seen, and joins no specks
_NEAR = 0.5  # of a part's usual radius: what is so near its bone is its own
_ALIKE = 70.0  # levels between mean colours of a row: the same cloth
_LARGE = 0.35  # of a part's largest patch: such a patch is as likely its own
_ROUNDS = 4  # a stray patch may have gone to another one
_TINY = 1.5  # of the square of its usual radius: such a patch is not


def tidy(drawing: CutDrawing) -> CutDrawing:
    """The same drawing with stray patches and pieces of skirt given to whom they belong."""
    pixels = drawing.pixels.copy()
    drawn = pixels[..., DRAWN]
    owner = drawn.argmax(0).astype(np.uint8)
    owner[drawn.max(0) < _SOLID] = NOBODY
    _drop_specks(pixels, owner)
    for _ in range(_ROUNDS):
        if not _gather_strays(drawing, pixels, owner):
            break
    _part_legs(drawing, pixels, owner)
    _part_hair_and_arms(drawing, pixels, owner)
    for forearm in FOREARMS:
        hand = hand_on_clothes(forearm, owner, _colours(pixels, owner), drawing.joints)
        for part in np.unique(owner[hand]):
            _give(pixels, owner, int(part), forearm, hand & (owner == part))
    _close_skirt(pixels, owner)
    _drop_specks(pixels, owner)  # what was faint around a patch that went to another part
    _go_on_behind(pixels, owner, max(3, round(_ARM * spine_length(drawing.joints))))
    _lift_veils(pixels)
    return replace(drawing, pixels=pixels)


def _gather_strays(
    drawing: CutDrawing, pixels: NDArray[np.uint8], owner: NDArray[np.uint8]
) -> bool:
    """Give stray patches away; whether there was one."""
    import cv2

    given = False
    strays: list[tuple[int, int, NDArray[np.bool_]]] = []  # area, part, where
    for part in range(COUNT):
        own = (owner == part).astype(np.uint8)
        count, patches, statistics, _ = cv2.connectedComponentsWithStats(own, connectivity=8)
        areas = statistics[1:, cv2.CC_STAT_AREA]
        at_bone = np.unique(patches[_bone(drawing, part) > 0])
        tiny = _TINY * (PARTS[part].radius * spine_length(drawing.joints)) ** 2
        for patch in range(1, count):
            area = int(areas[patch - 1])
            if patch not in at_bone and area < max(_LARGE * areas.max(), tiny):
                strays.append((area, part, patches == patch))
    for _, part, where in sorted(strays, key=lambda stray: stray[0]):
        around = cv2.dilate(where.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~where
        beside = np.bincount(owner[around], minlength=COUNT + 1)[:COUNT]
        beside[part] = 0
        if not beside.any():
            continue  # it floats alone: it may as well stay
        _give(pixels, owner, part, int(beside.argmax()), where)
        given = True
    return given


def _drop_specks(pixels: NDArray[np.uint8], owner: NDArray[np.uint8]) -> None:
    import cv2

    for part in range(COUNT):
        faint = (pixels[part, ..., DRAWN] > _TRACE).astype(np.uint8)
        count, patches = cv2.connectedComponents(faint, connectivity=8)
        own = np.zeros(count, bool)
        own[0] = True
        own[patches[owner == part]] = True
        where = ~own[patches]
        whole = pixels[part, ..., WHOLE].copy()
        whole[whole <= pixels[part, ..., DRAWN]] = 0  # what is painted in there stays
        for heir in np.unique(owner[where]):
            _hand_over(pixels, part, int(heir), where & (owner == heir))
        pixels[part][where, WHOLE] = whole[where]


def _part_legs(drawing: CutDrawing, pixels: NDArray[np.uint8], owner: NDArray[np.uint8]) -> None:
    import cv2

    for mine, theirs in (_SIDES, _SIDES[::-1]):
        for part in mine:
            narrow = _NEAR * PARTS[part].radius * spine_length(drawing.joints)
            # Every other row is empty, so that a patch is a run of one row.
            rows = np.zeros((2 * len(owner), owner.shape[1]), np.uint8)
            rows[::2] = pixels[part, ..., WHOLE] >= _SOLID
            _, runs, statistics, _ = cv2.connectedComponentsWithStats(rows, connectivity=4)
            runs = runs[::2]
            thin = statistics[:, cv2.CC_STAT_AREA] < narrow
            thin[runs[_bone(drawing, part) > 0]] = False
            for other in theirs:
                near = cv2.dilate((owner == other).astype(np.uint8), np.ones((1, 3), np.uint8)) > 0
                there = np.zeros(len(statistics), bool)
                there[runs[near]] = True
                there[0] = False  # where there is no run
                sliver = (there & thin)[runs]
                hidden = sliver & (owner != part)
                pixels[part][hidden, WHOLE] = pixels[part][hidden, DRAWN]
                if (sliver & ~hidden).any():
                    _give(pixels, owner, part, other, sliver & ~hidden)


def _part_hair_and_arms(
    drawing: CutDrawing, pixels: NDArray[np.uint8], owner: NDArray[np.uint8]
) -> None:
    """Give hair on an arm to whose it is, and let the arm go on below it; sleeves to their arm."""
    import cv2

    wide = np.ones((11, 11), np.uint8)
    found = hair_on_arms(owner, _colours(pixels, owner), drawing.joints)
    for arm, heir, where in found:
        _give(pixels, owner, arm, heir, where)
    for arm in {arm for arm, _, _ in found}:
        locks = np.logical_or.reduce([where for other, _, where in found if other == arm])
        locks = cv2.dilate(locks.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        own = owner == arm
        _paint_in(pixels[arm], locks & (_bone(drawing, arm, 1.0) > 0) & ~own, ~own | locks)
    for part, heir, where in sleeves_on_hair(owner, _colours(pixels, owner), drawing.joints):
        _give(pixels, owner, part, heir, where)
        faint = cv2.dilate(where.astype(np.uint8), wide) > 0
        _hand_over(pixels, part, heir, faint & np.isin(owner, (heir, NOBODY)))


def _close_skirt(pixels: NDArray[np.uint8], owner: NDArray[np.uint8]) -> None:
    import cv2

    colours = _colours(pixels, owner)
    cloth = owner == HIPS
    # Whoever has cloth on both sides of them in their row.
    after, before = (np.logical_or.accumulate(c, 1) for c in (cloth, cloth[:, ::-1]))
    inside = after & before[:, ::-1]
    window = np.ones((2 * (len(owner) // 64) + 1, 1), np.uint8)
    for leg in LEGS:
        taken = inside & (owner == leg)
        alike = np.zeros((len(owner), 1), np.uint8)
        for row in np.flatnonzero(taken.any(1)):
            apart = colours[row][taken[row]].mean(0) - colours[row][cloth[row]].mean(0)
            alike[row] = np.linalg.norm(apart) < _ALIKE
        # A stripe along the hem may lie otherwise here than there.
        taken &= cv2.morphologyEx(alike, cv2.MORPH_CLOSE, window) > 0
        if taken.any():
            _give(pixels, owner, leg, HIPS, taken)


def _go_on_behind(pixels: NDArray[np.uint8], owner: NDArray[np.uint8], width: int) -> None:
    """Paint in what arms of about that width, px, hide of other parts."""
    import cv2

    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    arms = np.isin(owner, ARMS).astype(np.uint8)
    # Soft edges of arms as well, or a line would stay.
    wide = cv2.dilate(arms, np.ones((5, 5), np.uint8)) > 0
    edge = ~np.isin(owner, (*ARMS, NOBODY))
    for part in range(COUNT):
        if part in ARMS:
            continue
        own = owner == part
        hidden = cv2.morphologyEx(own.astype(np.uint8), cv2.MORPH_CLOSE, disc) > 0
        hidden &= wide & ~own & (pixels[part, ..., WHOLE] < 255)
        hidden &= ~(edge & (pixels[part, ..., DRAWN] > 0))  # that belongs to another's edge
        # Colours go on from the part itself, and not from where an arm's are mixed with its own.
        _paint_in(pixels[part], hidden, ~own | wide)


def _paint_in(
    layer: NDArray[np.uint8], hidden: NDArray[np.bool_], unknown: NDArray[np.bool_]
) -> None:
    """Paint in what is hidden of a part, from its colours where they are known."""
    import cv2

    hidden[[0, -1]] = hidden[:, [0, -1]] = False
    if not hidden.any():
        return
    ys, xs = np.nonzero(hidden)
    box = tuple(slice(max(v.min() - _PAD, 0), v.max() + 1 + _PAD) for v in (ys, xs))
    known = np.ascontiguousarray(layer[..., :3][box])
    colours = cv2.inpaint(known, unknown.astype(np.uint8)[box], 3, cv2.INPAINT_TELEA)
    inside = hidden[box]
    layer[..., :3][box][inside] = colours[inside]
    layer[..., WHOLE][hidden] = 255


def _lift_veils(pixels: NDArray[np.uint8]) -> None:
    import cv2

    square = np.ones((5, 5), np.uint8)
    for part in ARMS:
        drawn, whole = pixels[part, ..., DRAWN], pixels[part, ..., WHOLE]
        faint = (whole > drawn) & (whole < _VEIL)
        wide = cv2.morphologyEx(faint.astype(np.uint8), cv2.MORPH_OPEN, square)
        veil = (cv2.dilate(wide, square) > 0) & faint  # with its own soft edge
        whole[veil] = drawn[veil]


def _colours(pixels: NDArray[np.uint8], owner: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(S, S, 3) of the drawing: every pixel as its owner has it."""
    colours = np.zeros((*owner.shape, 3), np.float32)
    for part in range(COUNT):
        colours[owner == part] = pixels[part, ..., :3][owner == part]
    return colours


def _give(
    pixels: NDArray[np.uint8],
    owner: NDArray[np.uint8],
    part: int,
    heir: int,
    where: NDArray[np.bool_],
) -> None:
    """Make pixels another part's, with their soft rim, which lies just outside of them."""
    import cv2

    owner[where] = heir
    where = cv2.dilate(where.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    _hand_over(pixels, part, heir, where & ((owner == heir) | (owner == NOBODY)))


def _hand_over(pixels: NDArray[np.uint8], part: int, heir: int, where: NDArray[np.bool_]) -> None:
    """Move what is drawn of a part to another, or to nobody."""
    if heir == NOBODY:
        pixels[part][where, DRAWN:] = 0
        return
    mine, theirs = pixels[part][where], pixels[heir][where]
    a, b = mine[:, DRAWN].astype(np.int32), theirs[:, DRAWN].astype(np.int32)
    total = np.maximum(a + b, 1)[:, None]
    mixed = (mine[:, :3] * a[:, None] + theirs[:, :3] * b[:, None] + total // 2) // total
    theirs[:, :3] = np.where((a > 0)[:, None], mixed, theirs[:, :3])
    theirs[:, DRAWN] = np.minimum(a + b, 255)
    theirs[:, WHOLE] = np.maximum(theirs[:, WHOLE], theirs[:, DRAWN])
    mine[:, DRAWN:] = 0
    pixels[part][where], pixels[heir][where] = mine, theirs


def _bone(drawing: CutDrawing, part: int, near: float = _NEAR) -> NDArray[np.uint8]:
    """(S, S) 255 where a part is for certain, if it is seen there."""
    import cv2

    joints = drawing.joints[:, :2]
    entry = PARTS[part]
    start, end = joints[entry.start], joints[entry.end]
    hips = 0.5 * (joints[8] + joints[11])
    waist = joints[1] + 0.62 * (hips - joints[1])
    ends = {HEAD: (joints[0], 0.5 * (joints[16] + joints[17])), CHEST: (start, waist),
            HIPS: (waist, hips)}.get(part, (start, end))  # fmt: skip
    width = 2 * round(near * entry.radius * spine_length(drawing.joints)) + 1
    canvas = np.zeros(drawing.pixels.shape[1:3], np.uint8)
    a, b = (tuple(int(v) for v in np.clip(point, -1e4, 1e4)) for point in ends)
    cv2.line(canvas, a, b, 255, max(1, min(width, 255)))
    return canvas

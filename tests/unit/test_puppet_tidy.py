"""Cut drawings put right in the small: strays go home, and a skirt is the hips'."""

from dataclasses import replace

import numpy as np

from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.hands import _without_clothes
from engine.puppet.parts import COUNT, HEAD, HIPS, PARTS
from engine.puppet.tidy import LEGS, tidy
from tests.cut_drawings import body

SIZE = 128
FOREARM, THIGH = 4, LEGS[0]
RED, BLUE = (220, 30, 30), (30, 30, 220)


def blank() -> np.ndarray:
    return np.zeros((COUNT, SIZE, SIZE, 5), np.uint8)


def paint(pixels: np.ndarray, part: int, box: tuple[slice, slice], colour: tuple) -> None:
    """Give a box to a part alone."""
    pixels[:, *box, DRAWN:] = 0
    pixels[part][box] = (*colour, 255, 255)


def owner(drawing: CutDrawing) -> np.ndarray:
    return drawing.pixels[..., DRAWN].argmax(0)


def standing() -> tuple[np.ndarray, np.ndarray]:
    """A head, hips with a skirt, and a thigh below it."""
    joints = body(SIZE)
    pixels = blank()
    x, y = (int(v) for v in joints[0, :2])
    paint(pixels, HEAD, (slice(y - 15, y + 15), slice(x - 15, x + 15)), BLUE)
    hips = 0.5 * (joints[8] + joints[11])
    x, y = (int(v) for v in hips[:2])
    paint(pixels, HIPS, (slice(y - 10, y + 20), slice(x - 24, x + 24)), RED)
    return pixels, joints


def test_a_stray_patch_goes_to_its_neighbour():
    pixels, joints = standing()
    x, y = (int(v) for v in joints[0, :2])
    stray = (slice(y + 6, y + 10), slice(x + 9, x + 13))
    paint(pixels, FOREARM, stray, BLUE)
    pixels[HEAD][stray][..., WHOLE] = 255
    made = tidy(CutDrawing(pixels, joints))
    assert (owner(made)[stray] == HEAD).all()
    assert (made.pixels[HEAD][stray] == (*BLUE, 255, 255)).all()
    assert not made.pixels[FOREARM, ..., DRAWN].any()
    assert pixels[FOREARM].any()  # the given drawing is left as it was


def test_a_stray_patch_beside_another_goes_on_to_what_is_no_stray():
    pixels, joints = standing()
    hips = 0.5 * (joints[8] + joints[11])
    x, y = int(hips[0]) + 24, int(hips[1])
    near, far = (slice(y - 2, y + 8), slice(x, x + 3)), (slice(y, y + 6), slice(x + 3, x + 4))
    paint(pixels, FOREARM, far, RED)
    paint(pixels, HEAD, near, RED)
    pixels[HEAD, y + 7, x + 3 : x + 9] = (*RED, 9, 9)  # hangs on the patch of the head
    made = tidy(CutDrawing(pixels, joints)).pixels
    for where in (near, far):
        assert (made[..., DRAWN].argmax(0)[where] == HIPS).all()
    assert not made[HEAD, y - 4 : y + 9, x:, DRAWN].any()


def test_a_faint_speck_goes_to_whoever_is_there_or_to_nobody():
    pixels, joints = standing()
    x, y = (int(v) for v in 0.5 * (joints[3, :2] + joints[4, :2]))
    paint(pixels, FOREARM, (slice(y - 4, y + 4), slice(x - 4, x + 4)), BLUE)
    hips = 0.5 * (joints[8] + joints[11])
    on_hips, alone = (int(hips[1]), int(hips[0])), (SIZE - 6, SIZE - 6)
    for place, alpha in ((on_hips, 20), (alone, 9)):
        pixels[FOREARM][place] = (*BLUE, alpha, alpha)
    pixels[HIPS][on_hips] = (*RED, 235, 255)
    hidden = (on_hips[0] + 3, on_hips[1])
    pixels[FOREARM][hidden] = (*BLUE, 20, 255)  # and painted in: that stays
    made = tidy(CutDrawing(pixels, joints)).pixels
    assert not made[FOREARM][on_hips][DRAWN:].any()
    assert made[HIPS][on_hips][DRAWN] == 255
    assert not made[:, *alone, DRAWN:].any()
    assert (made[FOREARM][hidden] == (*BLUE, 0, 255)).all()
    assert (made[FOREARM][y - 3 : y + 3, x - 3 : x + 3] == (*BLUE, 255, 255)).all()


def test_a_speck_that_hangs_by_a_trace_is_a_speck():
    """What is too faint to be seen does not join it to the rest of its part."""
    pixels, joints = standing()
    x, y = (int(v) for v in 0.5 * (joints[3, :2] + joints[4, :2]))
    paint(pixels, FOREARM, (slice(y - 4, y + 4), slice(x - 4, x + 4)), BLUE)
    hips = 0.5 * (joints[8] + joints[11])
    speck = (int(hips[1]), int(hips[0]))
    pixels[HIPS][speck] = (*RED, 160, 255)
    trail = np.linspace((y, x), speck, 3 * SIZE).round().astype(int)
    for place in map(tuple, trail):
        if not pixels[FOREARM][place][DRAWN]:
            pixels[FOREARM][place] = (*BLUE, 3, 3)
    pixels[FOREARM][speck] = (*BLUE, 95, 95)
    made = tidy(CutDrawing(pixels, joints)).pixels
    assert not made[FOREARM][speck][DRAWN:].any()
    assert made[HIPS][speck][DRAWN] == 255


def test_a_sliver_of_a_leg_along_the_other_is_the_others():
    pixels, joints = blank(), body(SIZE)
    right, left = (next(i for i in LEGS if PARTS[i].name == f"{s}_thigh") for s in "rl")
    legs = {part: joints[[PARTS[part].start, PARTS[part].end], :2] for part in (right, left)}
    rows = slice(int(legs[right][0, 1]) + 4, int(legs[right][1, 1]) - 2)
    middle = {part: int(leg[:, 0].mean()) for part, leg in legs.items()}
    step = 1 if middle[left] > middle[right] else -1
    for part, x in middle.items():
        paint(pixels, part, (rows, slice(x - 3, x + 4)), BLUE)
    edge = middle[right] + 4 * step
    sliver = (rows, slice(edge, edge + 1))
    paint(pixels, left, sliver, RED)
    behind = (rows, middle[right] + 3 * step)
    pixels[left][behind] = (*RED, 0, 255)  # and painted in
    assert abs(middle[left] - middle[right]) > 9  # a gap is between them
    made = tidy(CutDrawing(pixels, joints))
    assert (owner(made)[sliver] == right).all()
    for gone in (sliver, behind):
        assert not made.pixels[left][gone][..., DRAWN:].any()
    kept = (rows, slice(middle[left] - 3, middle[left] + 4))
    assert (owner(made)[kept] == left).all()


def test_what_lies_at_its_bone_or_is_large_or_alone_stays():
    pixels, joints = standing()
    x, y = (int(v) for v in 0.5 * (joints[3, :2] + joints[4, :2]))
    paint(pixels, FOREARM, (slice(y - 4, y + 4), slice(x - 4, x + 4)), BLUE)
    paint(pixels, FOREARM, (slice(100, 112), slice(100, 112)), BLUE)  # beside nobody
    made = tidy(CutDrawing(pixels, joints)).pixels
    np.testing.assert_array_equal(made[..., DRAWN], pixels[..., DRAWN])
    np.testing.assert_array_equal(made[FOREARM], pixels[FOREARM])


def test_a_leg_inside_of_a_skirt_is_cloth_if_it_has_its_colour():
    pixels, joints = standing()
    x, y = (int(v) for v in 0.5 * (joints[8, :2] + joints[11, :2]))
    columns = slice(x - 9, x - 2)
    cloth, bare = (slice(y + 2, y + 10), columns), (slice(y + 12, y + 20), columns)
    paint(pixels, THIGH, cloth, (210, 40, 40))
    paint(pixels, THIGH, bare, (250, 210, 190))
    paint(pixels, THIGH, (slice(y + 20, y + 40), columns), RED)  # below the hem
    made = owner(tidy(CutDrawing(pixels, joints)))
    assert (made[cloth] == HIPS).all()
    assert (made[bare] == THIGH).all()
    assert (made[y + 20 : y + 40, columns] == THIGH).all()


def test_a_drawing_in_order_is_left_alone():
    pixels, joints = standing()
    drawing = CutDrawing(pixels, joints, "side")
    made = tidy(drawing)
    assert made.name == "side"
    np.testing.assert_array_equal(made.pixels, pixels)
    np.testing.assert_array_equal(tidy(replace(drawing, pixels=blank())).pixels, blank())


def test_behind_an_arm_clothes_go_on():
    pixels, joints = standing()
    x, y = (int(v) for v in 0.5 * (joints[8, :2] + joints[11, :2]))
    joints[3:5, :2] = (x, y - 30), (x, y + 5)
    arm = (slice(y - 30, y + 8), slice(x - 3, x + 3))
    paint(pixels, FOREARM, arm, BLUE)
    made = tidy(CutDrawing(pixels, joints)).pixels[HIPS]
    hidden = (slice(y - 8, y + 6), slice(x - 3, x + 3))
    assert not made[hidden][..., DRAWN].any()
    assert (made[hidden][..., WHOLE] == 255).all()
    assert (np.abs(made[hidden][..., :3].astype(int) - RED) < 8).all()
    assert not made[y - 30 : y - 14, ..., WHOLE].any()  # above them there is nothing to go on


def test_a_hand_on_a_skirt_is_the_forearm_s():
    pixels, joints = standing()
    rng = np.random.default_rng(0)
    x, y = (int(v) for v in 0.5 * (joints[8, :2] + joints[11, :2]))
    joints[3:5, :2] = (x, y - 24), (x, y - 4)
    arm = (slice(y - 24, y - 2), slice(x - 4, x + 4))
    hand = (slice(y - 2, y + 6), slice(x - 4, x + 4))
    skin, cloth = (246, 200, 180), (40, 60, 130)
    whole = pixels[HIPS, ..., WHOLE] > 0
    pixels[HIPS, ..., :3][whole] = cloth
    paint(pixels, FOREARM, arm, skin)
    pixels[HIPS][(*hand, slice(0, 3))] = skin  # as the drawing has it; the cutter says hips
    noise = rng.integers(-4, 5, pixels[..., :3].shape)
    pixels[..., :3] = (pixels[..., :3].astype(int) + noise).clip(0, 255)
    made = tidy(CutDrawing(pixels, joints))
    assert (owner(made)[hand] == FOREARM).mean() > 0.9
    assert (owner(made)[y + 12 : y + 20, x - 20 : x + 20] == HIPS).all()
    # The skirt goes on behind the hand, in its own colour.
    behind = made.pixels[HIPS][hand]
    assert (behind[..., WHOLE] == 255).mean() > 0.9
    assert np.abs(np.median(behind[..., :3].reshape(-1, 3), 0) - cloth).max() < 10
    again = tidy(CutDrawing(pixels, joints))
    np.testing.assert_array_equal(again.pixels, made.pixels)


def test_a_skirt_beyond_a_sleeve_is_no_hand():
    hand = np.zeros((64, 64), bool)
    hand[20:40, 10:40] = True
    is_cloth = np.zeros_like(hand)
    is_cloth[20:40, 25:40] = True
    arm, clothes = (np.where(who, 60.0, 4.0)[hand] for who in (is_cloth, ~is_cloth))
    kept = _without_clothes(hand, arm, clothes, spine=80.0)
    np.testing.assert_array_equal(kept[:, :24], hand[:, :24])
    assert not kept[:, 25:].any()
    glove = _without_clothes(hand, arm, clothes, spine=160.0)  # of a larger body it is small
    np.testing.assert_array_equal(glove, hand)
    like_both = _without_clothes(hand, np.full(arm.shape, 9.0), np.zeros(arm.shape), spine=80.0)
    np.testing.assert_array_equal(like_both, hand)


def test_an_arm_that_was_guessed_leaves_no_veil():
    pixels, joints = standing()
    paint(pixels, FOREARM, (slice(40, 70), slice(20, 26)), BLUE)
    pixels[FOREARM, 40:70, 26:36, WHOLE] = 140  # as wide as arms are, and faint
    pixels[FOREARM, 70:76, 20:26, WHOLE] = 255  # about the joint, for certain
    pixels[FOREARM, 76, 20:26, WHOLE] = 100  # the edge of that
    made = tidy(CutDrawing(pixels, joints)).pixels[FOREARM]
    assert not made[40:70, 27:36, WHOLE].any()
    assert (made[40:76, 20:26, WHOLE] == 255).all()
    assert (made[76, 20:26, WHOLE] == 100).all()
    np.testing.assert_array_equal(made[..., DRAWN], pixels[FOREARM, ..., DRAWN])

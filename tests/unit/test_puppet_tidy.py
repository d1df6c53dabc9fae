"""Cut drawings put right in the small: strays go home, and a skirt is the hips'."""

from dataclasses import replace

import numpy as np

from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.parts import COUNT, HEAD, HIPS
from engine.puppet.tidy import LEGS, tidy
from tests.drawings import body

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


def test_what_lies_at_its_bone_or_is_large_or_alone_stays():
    pixels, joints = standing()
    x, y = (int(v) for v in 0.5 * (joints[3, :2] + joints[4, :2]))
    paint(pixels, FOREARM, (slice(y - 4, y + 4), slice(x - 4, x + 4)), BLUE)
    paint(pixels, FOREARM, (slice(100, 112), slice(100, 112)), BLUE)  # beside nobody
    before = CutDrawing(pixels, joints)
    np.testing.assert_array_equal(tidy(before).pixels, pixels)


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

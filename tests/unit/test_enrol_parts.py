"""Parts of a drawing: by its bones alone, and hands that the cutter took for clothes."""

import numpy as np
import pytest

from engine.enrol.bones import cut_by_bones
from engine.enrol.hands import with_hands
from engine.enrol.usual import usual
from engine.pose.skeleton import PUPPET_20
from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.parts import COUNT, HEAD, HIPS, PARTS
from engine.puppet.puppet import Puppet

SIZE = 128
SKIN, CLOTH = (250, 215, 190), (60, 70, 140)
FOREARM = next(i for i, part in enumerate(PARTS) if part.name == "r_forearm")


def standing() -> np.ndarray:
    """(20, 4) joints of a usual body."""
    joints = np.ones((20, 4), np.float32)
    joints[:, :3] = usual().rest * 28
    joints[:, :2] += (64, 42)
    return joints


def blank() -> np.ndarray:
    return np.zeros((COUNT, SIZE, SIZE, 5), np.uint8)


def paint(pixels, part, box, colour):
    left, top, right, bottom = box
    pixels[part, top:bottom, left:right] = (*colour, 255, 255)


@pytest.fixture
def on_hip():
    """A hand on the hip that belongs to the hips: joints, and where it is."""
    joints = standing()
    joints[3, :2], joints[4, :2] = (44, 58), (52, 68)  # right elbow out, wrist at the waist
    pixels = blank()
    paint(pixels, HEAD, (48, 12, 80, 40), SKIN)
    paint(pixels, FOREARM, (42, 56, 53, 69), CLOTH)
    paint(pixels, HIPS, (46, 64, 82, 90), CLOTH)
    paint(pixels, HIPS, (52, 69, 59, 76), SKIN)
    return CutDrawing(pixels, joints), (slice(70, 75), slice(53, 58))


def test_a_hand_goes_with_its_arm(on_hip):
    drawing, hand = on_hip
    mended = with_hands(drawing)
    assert (mended.pixels[FOREARM][hand][..., DRAWN] == 255).all()
    np.testing.assert_array_equal(
        mended.pixels[FOREARM][hand][..., :3], np.broadcast_to(SKIN, (5, 5, 3))
    )
    # The hips are painted in below it.
    assert (mended.pixels[HIPS][hand][..., DRAWN] == 0).all()
    assert (mended.pixels[HIPS][hand][..., WHOLE] == 255).all()
    assert np.abs(mended.pixels[HIPS][hand][..., :3].astype(int) - CLOTH).max() < 12
    drawn = [d.pixels[..., DRAWN].astype(int).sum(axis=0) for d in (drawing, mended)]
    assert (drawn[1].clip(max=255) == drawn[0].clip(max=255)).all()


def test_clothes_of_the_skins_colour_are_left_alone(on_hip):
    drawing, _ = on_hip
    pixels = drawing.pixels.copy()
    pixels[HIPS, ..., :3] = SKIN
    same = with_hands(CutDrawing(pixels, drawing.joints))
    np.testing.assert_array_equal(same.pixels, pixels)


def test_a_hand_apart_from_its_arm_stays(on_hip):
    drawing, _ = on_hip
    pixels = drawing.pixels.copy()
    pixels[FOREARM] = 0
    paint(pixels, FOREARM, (34, 44, 40, 50), CLOTH)
    same = with_hands(CutDrawing(pixels, drawing.joints))
    np.testing.assert_array_equal(same.pixels, pixels)


def test_bones_alone_cut_all_of_a_drawing():
    joints = standing()
    picture = np.zeros((SIZE, SIZE, 4), np.uint8)
    picture[8:120, 30:98] = (90, 60, 40, 255)
    drawing = cut_by_bones(picture, joints, "back")
    assert drawing.name == "back"
    total = drawing.pixels[..., DRAWN].astype(int).sum(axis=0)
    assert np.abs(total - picture[..., 3]).max() <= 6
    # Every part has what its bone lies on.
    for part, entry in zip(drawing.pixels, PARTS, strict=True):
        x, y = (0.5 * (joints[entry.start, :2] + joints[entry.end, :2])).astype(int)
        if entry.name not in ("head", "chest", "hips"):
            assert part[y, x, DRAWN] > 128, entry.name
    out = np.zeros_like(picture)
    Puppet([drawing]).carry(joints, out)
    assert np.abs(out.astype(int) - picture).mean() < 3


@pytest.mark.parametrize("side", ["r", "l"])
def test_stout_legs_that_are_cut_by_their_bones_do_not_gape(side):
    """Whichever way they bend, and however far their rim is from the knee."""
    joints = standing()
    knee, ankle, toe = (PUPPET_20.index(f"{side}_{n}") for n in ("knee", "ankle", "toe"))
    x, y = joints[knee, :2].astype(int)
    near, far = (-4, 16) if side == "l" else (-16, 4)
    picture = np.zeros((SIZE, SIZE, 4), np.uint8)
    picture[y - 22 : y + 22, x + near : x + far] = (90, 60, 40, 255)
    drawing = cut_by_bones(picture, joints)
    for angle in (-0.8, 0.8):
        there = joints.copy()
        c, s = np.cos(angle), np.sin(angle)
        for joint in (ankle, toe):
            offset = joints[joint, :2] - joints[knee, :2]
            there[joint, :2] = there[knee, :2] + np.array([[c, -s], [s, c]]) @ offset
        out = np.zeros_like(picture)
        Puppet([drawing]).carry(there, out)
        width = (out[y - 12 : y + 12, :, 3] > 127).sum(1)
        assert width.min() > 0.9 * (far - near)

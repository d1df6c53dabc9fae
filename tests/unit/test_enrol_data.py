"""Real drawings, where they are at hand: AYATSURI_TEST_DATA names a folder with `drawings`."""

import os
from pathlib import Path

import numpy as np
import pytest

from engine.enrol.enrol import Wish, enrol

DATA = Path(os.environ.get("AYATSURI_TEST_DATA", "nowhere")) / "drawings"

pytestmark = [
    pytest.mark.skipif(
        not DATA.is_dir(), reason="AYATSURI_TEST_DATA names no folder with drawings in it"
    ),
    pytest.mark.slow,
]


@pytest.mark.parametrize(
    ("name", "cut", "doubtful"),
    [
        ("godette_render_1024.png", False, 2),
        ("renpy/lucy_happy.png", True, 9),
        ("renpy/sylvie_green_smile.png", True, 11),
        ("animated_drawings/char2_texture.png", False, 3),
        ("animated_drawings/char1_texture.png", False, 14),
    ],
)
def test_a_drawing_becomes_a_puppet_with_no_hand_work(name, cut, doubtful):
    character = enrol([DATA / name], Wish(size=256))
    view = character.front
    assert view.name == "front"
    assert view.is_cut == cut
    assert len(view.doubtful) <= doubtful
    parts = view.drawing.pixels[..., 3].astype(int)
    # Nearly all of the drawing is in its parts, and every part that is in the picture has some.
    figure = view.placed.picture[..., 3].astype(int)
    assert parts.sum(axis=0).clip(max=255).sum() > 0.93 * figure.sum()
    assert (parts[:3].sum(axis=(1, 2)) > 255 * 200).all()
    out = np.zeros((256, 256, 4), np.uint8)
    character.puppet.carry(view.placed.joints, out)
    assert np.abs(out.astype(int) - view.placed.picture).mean() < 4

"""Parts that the renderer draws: a puppet of them is the picture, and nothing is missing behind."""

import numpy as np
import pytest

from engine.app import DEFAULT_CHARACTER
from engine.casting import what_draws
from engine.character import CharacterBundle
from engine.puppet.drawing import DRAWN, WHOLE, CutDrawing
from engine.puppet.parts import CHEST, HEAD, HIPS, PARTS
from engine.puppet.puppet import Puppet
from training.characters import ito
from training.characters.character import RiggedCharacter, render_sample
from training.characters.proportions import standing_pose
from training.fewshot.warp.drawn import VIEWS, drawing_of

SIZE = 128
_ARM = next(i for i, part in enumerate(PARTS) if part.name == "l_upper_arm")
_THIGH = next(i for i, part in enumerate(PARTS) if part.name == "l_thigh")


@pytest.fixture(scope="module")
def character() -> RiggedCharacter:
    return ito.build()


@pytest.fixture(scope="module")
def front(character: RiggedCharacter) -> CutDrawing:
    return drawing_of(character, standing_pose(character, "a pose"), SIZE)


def test_in_its_own_pose_a_puppet_is_the_picture(
    character: RiggedCharacter, front: CutDrawing
) -> None:
    truth, joints = render_sample(character, standing_pose(character, "a pose"), SIZE, 4)
    np.testing.assert_array_equal(front.joints, joints)
    made = np.empty_like(truth)
    Puppet([front]).carry(joints, made)
    assert np.abs(made.astype(np.int16) - truth).mean() < 0.5


def test_what_is_hidden_is_there(front: CutDrawing) -> None:
    whole, drawn = (front.pixels[..., channel] > 127 for channel in (WHOLE, DRAWN))
    x, y = front.joints[11, :2].astype(int)  # a hip, under the skirt
    assert drawn[HIPS, y + 4, x]
    assert whole[_THIGH, y + 4, x]
    assert not drawn[_THIGH, y + 4, x]
    neck = drawn[CHEST] & whole[HEAD]  # before the hair, which lies behind everybody
    assert neck.sum() > 5
    assert not (neck & drawn[HEAD]).any()


def test_where_parts_were_parted_there_is_no_outline(front: CutDrawing) -> None:
    elbow = front.joints[6, :2].astype(int)
    part = front.pixels[_ARM]
    near = part[elbow[1] - 2 : elbow[1] + 1, elbow[0] - 1 : elbow[0] + 2]
    assert near[..., :3][near[..., WHOLE] > 200].min() > 150  # a white sleeve, without ink


def test_the_default_character_is_a_puppet_and_has_a_generator() -> None:
    bundle = CharacterBundle.load(DEFAULT_CHARACTER)
    assert [drawing.name for drawing in bundle.drawings] == [*VIEWS]
    assert what_draws(bundle, "auto") == "puppet"
    assert bundle.drawn_by("generator").resolution == 256
    assert bundle.drawn_by("puppet").resolution == 512

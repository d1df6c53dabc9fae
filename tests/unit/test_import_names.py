"""Bones are found by the names that common rigs give them."""

import numpy as np
import pytest

from training.characters.imports.errors import CharacterFileError
from training.characters.imports.humanoid import (
    english_joints,
    mmd_follower,
    mmd_joints,
    require_body,
    split_side,
)
from training.characters.imports.looks import ramp_of
from training.characters.imports.mmd import picture_ramp, shared_ramp
from training.characters.imports.model import Material
from training.characters.imports.swing import named_spring

MIXAMO = (
    "Hips", "Spine", "Spine1", "Spine2", "Neck", "Head", "LeftShoulder", "LeftArm", "LeftForeArm",
    "LeftHand", "RightShoulder", "RightArm", "RightForeArm", "RightHand", "LeftUpLeg", "LeftLeg",
    "LeftFoot", "LeftToeBase", "RightUpLeg", "RightLeg", "RightFoot", "RightToeBase",
)  # fmt: skip
UNREAL = (
    "pelvis", "spine_01", "spine_02", "neck_01", "head", "clavicle_l", "upperarm_l", "lowerarm_l",
    "hand_l", "clavicle_r", "upperarm_r", "lowerarm_r", "hand_r", "thigh_l", "calf_l", "foot_l",
    "ball_l", "thigh_r", "calf_r", "foot_r", "ball_r",
)  # fmt: skip
BLENDER = (
    "pelvis", "tummy", "chest", "neck", "head", "shoulder.l", "upper_arm.l", "lowerarm.l", "hand.l",
    "shoulder.r", "upper_arm.r", "lowerarm.r", "hand.r", "thigh.l", "shin.l", "foot.l", "toes.l",
    "thigh.r", "shin.r", "foot.r", "toes.r",
)  # fmt: skip
KAYKIT = (
    "hips", "spine", "chest", "head", "upperarm.l", "lowerarm.l", "wrist.l", "hand.l", "upperarm.r",
    "lowerarm.r", "wrist.r", "hand.r", "upperleg.l", "lowerleg.l", "foot.l", "toes.l", "upperleg.r",
    "lowerleg.r", "foot.r", "toes.r",
)  # fmt: skip
VROID = tuple(
    f"J_Bip_{name}" for name in (
        "C_Hips", "C_Spine", "C_Chest", "C_Neck", "C_Head", "L_Shoulder", "L_UpperArm",
        "L_LowerArm", "L_Hand", "R_Shoulder", "R_UpperArm", "R_LowerArm", "R_Hand", "L_UpperLeg",
        "L_LowerLeg", "L_Foot", "L_ToeBase", "R_UpperLeg", "R_LowerLeg", "R_Foot", "R_ToeBase",
    )
)  # fmt: skip
BIPED = tuple(
    f"Bip001 {name}" for name in (
        "Pelvis", "Spine", "Spine1", "Neck", "Head", "L Clavicle", "L UpperArm", "L Forearm",
        "L Hand", "R Clavicle", "R UpperArm", "R Forearm", "R Hand", "L Thigh", "L Calf", "L Foot",
        "L Toe0", "R Thigh", "R Calf", "R Foot", "R Toe0",
    )
)  # fmt: skip


@pytest.mark.parametrize("names", [
    MIXAMO, tuple(f"mixamorig:{n}" for n in MIXAMO), UNREAL, BLENDER, KAYKIT, VROID, BIPED,
])  # fmt: skip
def test_common_rigs_have_a_body(names: tuple[str, ...]) -> None:
    noise = ("root", "HipsCtrl", "LeftFootCtrl", "heelIK.l", "LeftHandIndex1", "thumb.01.L")
    found = english_joints((*noise, *names, "Head_end"))
    require_body(found, names)
    assert all(i >= len(noise) for i in found.values())
    assert found["l_hand"] != found["r_hand"]
    assert found["spine"] < found["chest"]


def test_the_wrist_is_the_hand_where_there_are_both() -> None:
    found = english_joints(KAYKIT)
    assert KAYKIT[found["l_hand"]] == "wrist.l"


def test_mmd_names() -> None:
    names = ("全ての親", "センター", "下半身", "上半身", "上半身２", "首", "頭", "左目", "右目")
    names += tuple(
        s + n for s in "左右" for n in ("肩", "腕", "ひじ", "手首", "足", "ひざ", "足首")
    )
    found = mmd_joints(names)
    require_body(found, names)
    assert names[found["chest"]] == "上半身２"
    assert names[found["r_shin"]] == "右ひざ"
    assert mmd_follower("左足ＩＫ") == "l_foot"
    assert mmd_follower("右ひざD") == "r_shin"
    assert mmd_follower("右ひざＤ") == "r_shin"
    assert mmd_follower("センター") is None


def test_a_body_without_arms_is_told() -> None:
    with pytest.raises(CharacterFileError, match="l_upper_arm"):
        require_body(english_joints(["Hips", "Head"]), ["Hips", "Head"])


def test_sides_are_split() -> None:
    assert split_side("mixamorig:LeftUpLeg") == ("l", "upleg")
    assert split_side("upper_arm.R") == ("r", "upperarm")
    assert split_side("Armature|thigh_l") == ("l", "thigh")
    assert split_side("Head") == ("", "head")


@pytest.mark.parametrize("name", ["前髪1", "Hair_L_01", "スカート_0_1", "Skirt.003", "Mage_Cape",
                                  "tail_01", "ponytail2", "しっぽ"])  # fmt: skip
def test_what_swings(name: str) -> None:
    assert named_spring(name) is not None


@pytest.mark.parametrize("name", ["頭", "LeftFoot", "detail", "スカートIK", "chair", "Finger1"])
def test_what_does_not_swing(name: str) -> None:
    spring = named_spring(name)
    assert spring is None or name == "chair"  # "chair" has hair in it; no body has a chair


def test_a_rigid_wig_stays_on_the_head() -> None:
    assert named_spring("hair") is not None
    assert named_spring("hair", rigid=True) is None
    assert named_spring("Mage_Cape", rigid=True) is not None


def test_ramps_run_from_shade_to_light() -> None:
    for number in range(10):
        ramp = shared_ramp(number)
        assert (np.diff(ramp, axis=0) >= -1e-12).all()
        np.testing.assert_allclose(ramp[-1], 1.0)
    picture = np.zeros((16, 4, 4), np.uint8)
    picture[:8] = 255  # the top is the light
    assert picture_ramp(picture)[-1].tolist() == [1.0, 1.0, 1.0]
    assert picture_ramp(picture)[0].tolist() == [0.0, 0.0, 0.0]
    shade = ramp_of(Material("m", shade=(0.5, 0.4, 0.3)))
    np.testing.assert_allclose(shade[0], (0.5, 0.4, 0.3))
    np.testing.assert_allclose(shade[-1], 1.0)
    np.testing.assert_allclose(ramp_of(Material("m", unlit=True)), 1.0)

"""Joints are found by the names of every maker, and nobody else's bones are taken for them."""

import pytest

from training.motion.mmd import BONES
from training.motion.names import named_joints

SIDES = {
    "CMU": ("{Left}Shoulder", "{Left}Elbow", "{Left}Wrist", "{Left}Hip", "{Left}Knee",
            "{Left}Ankle", "{Left}Toe", "Head", "Neck", "{L}HipJoint", "{Left}Collar",
            "{l}hand", "{L}Fingers"),
    "CMU as Character Creator": ("CC_Base_{L}_Upperarm", "CC_Base_{L}_Forearm", "CC_Base_{L}_Hand",
                                 "CC_Base_{L}_Thigh", "CC_Base_{L}_Calf", "CC_Base_{L}_Foot",
                                 "CC_Base_{L}_ToeBase", "CC_Base_Head", "CC_Base_NeckTwist01",
                                 "CC_Base_{L}_UpperarmTwist01", "CC_Base_{L}_ThighTwist01",
                                 "CC_Base_{L}_ToeBaseShareBone"),
    "Mixamo": ("mixamorig:{Left}Arm", "mixamorig:{Left}ForeArm", "mixamorig:{Left}Hand",
               "mixamorig:{Left}UpLeg", "mixamorig:{Left}Leg", "mixamorig:{Left}Foot",
               "mixamorig:{Left}ToeBase", "mixamorig:Head", "mixamorig:Neck",
               "mixamorig:{Left}Shoulder", "mixamorig:{Left}HandThumb1"),
    "AnimatedDrawings": ("{Left}Arm", "{Left}ForeArm", "{Left}Hand", "{Left}UpLeg", "{Left}Leg",
                         "{Left}Foot", "{Left}ToeBase", "Head", "Neck", "{Left}Shoulder",
                         "{Left}HandEnd"),
    "Kenney": ("{Left}Arm", "{Left}ForeArm", "{Left}Hand", "{Left}UpLeg", "{Left}Leg",
               "{Left}Foot", "{Left}Toes", "Head", "Neck", "{Left}FootCtrl", "{Left}FootIK",
               "{Left}KneeCtrl", "{Left}Shoulder", "{Left}Toes_end", "HipsCtrl"),
    "KayKit": ("upperarm.{l}", "lowerarm.{l}", "wrist.{l}", "upperleg.{l}", "lowerleg.{l}",
               "foot.{l}", "toes.{l}", "head", None, "kneeIK.{l}", "IK-foot.{l}", "handIK.{l}",
               "hand.{l}", "control-foot-roll.{l}"),
    "VRoid": ("J_Bip_{L}_UpperArm", "J_Bip_{L}_LowerArm", "J_Bip_{L}_Hand", "J_Bip_{L}_UpperLeg",
              "J_Bip_{L}_LowerLeg", "J_Bip_{L}_Foot", "J_Bip_{L}_ToeBase", "J_Bip_C_Head",
              "J_Bip_C_Neck", "J_Bip_{L}_Shoulder"),
    "VRM": ("{left}UpperArm", "{left}LowerArm", "{left}Hand", "{left}UpperLeg", "{left}LowerLeg",
            "{left}Foot", "{left}Toes", "head", "neck", "{left}Shoulder"),
}  # fmt: skip
PARTS = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toe", "head", "neck")


def names_of(pattern: str, side: str) -> str:
    word = {"l": "left", "r": "right"}[side]
    return pattern.format(l=side, L=side.upper(), left=word, Left=word.capitalize())


@pytest.mark.parametrize("maker", SIDES)
def test_standard_names(maker: str) -> None:
    patterns = SIDES[maker]
    # Right before left and helpers before joints: the order in a file must not matter.
    names = [names_of(p, side) for side in "rl" for p in reversed(patterns) if p is not None]
    found = {part: names[index] for part, index in named_joints(names).items()}
    for part, pattern in zip(PARTS, patterns, strict=False):
        if pattern is None:
            assert part not in found
        elif part in ("head", "neck"):
            assert found[part] == pattern
        else:
            assert found[f"l_{part}"] == names_of(pattern, "l")
            assert found[f"r_{part}"] == names_of(pattern, "r")


def test_japanese_names() -> None:
    found = {part: BONES[index] for part, index in named_joints(BONES).items()}
    japanese = ("腕", "ひじ", "手首", "足", "ひざ", "足首", "つま先")
    for side, word in (("l", "左"), ("r", "右")):
        for part, bone in zip(PARTS, japanese, strict=False):
            assert found[f"{side}_{part}"] == word + bone
    assert (found["neck"], found["head"]) == ("首", "頭")


def test_strangers_have_no_limbs() -> None:
    assert named_joints(["Wheel", "Door.L", "", "🦾", "LeftFender", "armature"]) == {}

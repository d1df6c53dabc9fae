"""Names of bones: what MikuMikuDance, VRM and common glTF rigs call the joints of the rig."""

import re
from collections.abc import Iterable, Mapping

from engine.mocap.rig import JOINTS
from training.characters.imports.errors import fail

# Without these there is no body to move; the others can be worked out.
REQUIRED = (
    "head", "l_upper_arm", "l_forearm", "l_hand", "r_upper_arm", "r_forearm", "r_hand",
    "l_thigh", "l_shin", "l_foot", "r_thigh", "r_shin", "r_foot",
)  # fmt: skip

VRM: dict[str, str] = {
    "hips": "hips", "spine": "spine", "chest": "chest", "neck": "neck", "head": "head",
    "leftEye": "l_eye", "rightEye": "r_eye",
    "leftShoulder": "l_clavicle", "leftUpperArm": "l_upper_arm", "leftLowerArm": "l_forearm",
    "leftHand": "l_hand", "rightShoulder": "r_clavicle", "rightUpperArm": "r_upper_arm",
    "rightLowerArm": "r_forearm", "rightHand": "r_hand",
    "leftUpperLeg": "l_thigh", "leftLowerLeg": "l_shin", "leftFoot": "l_foot",
    "leftToes": "l_toe", "rightUpperLeg": "r_thigh", "rightLowerLeg": "r_shin",
    "rightFoot": "r_foot", "rightToes": "r_toe",
}  # fmt: skip

_MMD_MIDDLE = {
    "下半身": "hips", "上半身": "spine", "上半身2": "chest", "首": "neck", "頭": "head",
}  # fmt: skip
_MMD_SIDED = {
    "肩": "clavicle", "腕": "upper_arm", "ひじ": "forearm", "手首": "hand",
    "足": "thigh", "ひざ": "shin", "足首": "foot", "つま先": "toe", "目": "eye",
}  # fmt: skip
# Bones that turn with a leg without being its descendants: the copies ("D") that vertices are tied
# to, and the goals of inverse kinematics, to which old models tie a shoe.
_MMD_FOLLOWERS = {
    "足D": "thigh", "ひざD": "shin", "足首D": "foot", "足先EX": "foot", "つま先": "foot",
    "足IK": "foot", "つま先IK": "foot", "足IK親": "foot",
}  # fmt: skip

_MIDDLE_ALIASES = {
    "hips": ("hips", "hip", "pelvis", "torsohips", "root_hips"),
    "spine": ("spine", "spine0", "spine01", "spine1a", "tummy", "abdomen", "waist", "torso"),
    "chest": ("chest", "spine1", "spine02", "spine002", "ribcage", "body"),
    "neck": ("neck", "neck01", "neck1"),
    "head": ("head",),
}  # fmt: skip
_SIDED_ALIASES = {
    "clavicle": ("shoulder", "clavicle", "collar", "collarbone"),
    "upper_arm": ("upperarm", "arm", "uparm", "armupper", "shoulderupper"),
    "forearm": ("lowerarm", "forearm", "elbow", "armlower", "lowarm"),
    "hand": ("hand", "wrist"),
    "thigh": ("upleg", "upperleg", "thigh", "legupper", "hipleg"),
    "shin": ("leg", "lowerleg", "shin", "calf", "knee", "leglower", "lowleg"),
    "foot": ("foot", "ankle"),
    "toe": ("toes", "toe", "toebase", "ball", "toe0"),
    "eye": ("eye", "eyeball"),
}  # fmt: skip
# Where a rig has both, the first is the joint: a wrist lies before its hand, and so on.
_PREFERRED = {"hand": ("wrist", "hand"), "thigh": ("upleg", "upperleg", "thigh")}
_PREFIX = re.compile(
    r"^(mixamorig\d*[:_]|.*[|:]|j_bip_|j_adj_|j_sec_|def-|org-|bip\d*[ _]|b_)", re.IGNORECASE
)
_SIDE = (
    re.compile(r"^(?P<side>left|right)[ _.\-]?(?P<rest>.+)$", re.IGNORECASE),
    re.compile(r"^(?P<rest>.+?)[ _.\-]?(?P<side>left|right)$", re.IGNORECASE),
    re.compile(r"^(?P<rest>.+?)[ _.\-](?P<side>[lr])(?:[_.]?0*1?)$", re.IGNORECASE),
    re.compile(r"^(?P<side>[lr])[ _.\-](?P<rest>.+)$", re.IGNORECASE),
)


def mmd_name(name: str) -> str:
    """A Japanese bone name with full-width letters and digits made half-width."""
    half = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
    return name.translate(half).strip()


def mmd_joints(names: Iterable[str]) -> dict[str, int]:
    """Rig joints and extras of the standard MMD bones; the first of each name counts."""
    found: dict[str, int] = {}
    for i, raw in enumerate(names):
        name = mmd_name(raw)
        key = _MMD_MIDDLE.get(name)
        if key is None and name[:1] in ("左", "右"):
            part = _MMD_SIDED.get(name[1:])
            key = f"{'l' if name[0] == '左' else 'r'}_{part}" if part else None
        if key is not None:
            found.setdefault(key, i)
    return found


def mmd_follower(name: str) -> str | None:
    """The joint that an MMD bone outside the tree of the body goes along with."""
    name = mmd_name(name)
    if name[:1] not in ("左", "右"):
        return None
    part = _MMD_FOLLOWERS.get(name[1:])
    return f"{'l' if name[0] == '左' else 'r'}_{part}" if part else None


def split_side(name: str) -> tuple[str, str]:
    """("l", "r" or "", the rest in lower case without separators) of an English bone name."""
    core = name.strip()
    while (shorter := _PREFIX.sub("", core)) and shorter != core:
        core = shorter
    core = re.sub(r"^c[_.]", "", core, flags=re.IGNORECASE)
    side = ""
    for pattern in _SIDE:
        match = pattern.match(core)
        if match:
            side, core = match["side"][0].lower(), match["rest"]
            break
    return side, re.sub(r"[ _.\-]", "", core).lower()


def english_joints(names: Iterable[str]) -> dict[str, int]:
    """Rig joints and extras of a rig with English bone names (Mixamo, Blender, Unreal, KayKit...).

    The aliases of a joint are tried in turn, so "wrist" is the hand where there is a "hand" as
    well; the first bone of a name counts.
    """
    table: dict[tuple[str, str], int] = {}
    for i, name in enumerate(names):
        table.setdefault(split_side(name), i)
    found: dict[str, int] = {}
    for joint, aliases in _MIDDLE_ALIASES.items():
        for alias in aliases:
            if ("", alias) in table:
                found.setdefault(joint, table["", alias])
    for part, aliases in _SIDED_ALIASES.items():
        for side in "lr":
            for alias in (*_PREFERRED.get(part, ()), *aliases):
                if (side, alias) in table:
                    found.setdefault(f"{side}_{part}", table[side, alias])
    return found


def require_body(found: Mapping[str, int], names: Iterable[str]) -> None:
    """CharacterFileError if a joint is missing without which there is no body."""
    missing = [joint for joint in REQUIRED if joint not in found]
    if missing:
        some = ", ".join(list(names)[:40]) or "none at all"
        raise fail(
            f"bones for {', '.join(missing)}", f"bones named {some}",
            "rename the bones as VRM, Mixamo or MikuMikuDance do, or export the model as VRM",
        )  # fmt: skip


assert set(REQUIRED) <= set(JOINTS)

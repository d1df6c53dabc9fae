"""Which joint of a foreign skeleton is which of ours, by the names that its makers use."""

import re
from collections.abc import Sequence

# Names with everything but letters and digits removed, lower case; the first that exists wins. In
# some rigs "LeftShoulder" is the collar bone and in some the upper arm: the sure names come first.
_SIDED = {
    "upper_arm": (
        "{left}arm", "{left}upperarm", "{left}uparm", "{l}upperarm", "upperarm{l}",
        "{left}shoulder", "{l}shoulder", "shoulder{l}", "{jp}腕",
    ),
    "forearm": (
        "{left}forearm", "{left}lowerarm", "{left}elbow", "{l}forearm", "forearm{l}", "{l}lowerarm",
        "lowerarm{l}", "{l}elbow", "{jp}ひじ",
    ),
    "hand": ("{left}hand", "{left}wrist", "{l}hand", "wrist{l}", "hand{l}", "{l}wrist", "{jp}手首"),
    "thigh": (
        "{left}upleg", "{left}upperleg", "{left}thigh", "{left}hip", "{l}thigh", "thigh{l}",
        "upperleg{l}", "{l}upperleg", "{l}upleg", "{l}hip", "{jp}足",
    ),
    "shin": (
        "{left}leg", "{left}lowerleg", "{left}knee", "{left}shin", "{l}calf", "calf{l}", "{l}shin",
        "shin{l}", "lowerleg{l}", "{l}lowerleg", "{l}lowleg", "{l}knee", "{jp}ひざ",
    ),
    "foot": ("{left}foot", "{left}ankle", "{l}foot", "foot{l}", "{l}ankle", "{jp}足首"),
    "toe": (
        "{left}toebase", "{left}toes", "{left}toe", "{l}toebase", "{l}toe", "toes{l}", "toe{l}",
        "{jp}つま先",
    ),
}  # fmt: skip
_MIDDLE = {
    "neck": ("neck", "neck1", "necktwist01", "首"),
    "head": ("head", "頭"),
}
_PREFIXES = re.compile(r"^(mixamorig\d*|ccbase|bip0?1|valvebipedbip01|jbipc|jbip|def)(?=.)")
REQUIRED = tuple(
    f"{side}_{part}" for side in "lr" for part in ("upper_arm", "forearm", "thigh", "shin", "foot")
)


def plain(name: str) -> str:
    """A name as the tables have it: lower case letters and digits, without a rig's prefix."""
    name = "".join(c for c in name.rsplit("|", maxsplit=1)[-1].lower() if c.isalnum())
    return _PREFIXES.sub("", name)


def named_joints(names: Sequence[str]) -> dict[str, int]:
    """Index into `names` of each limb, neck and head that a standard name was found for.

    Keys are our joint names plus "l_toe" and "r_toe"; what is not found is absent.
    """
    index: dict[str, int] = {}
    for i, name in enumerate(names):
        index.setdefault(plain(name), i)
    wanted: dict[str, list[str]] = {part: list(known) for part, known in _MIDDLE.items()}
    for part, known in _SIDED.items():
        for l, left, jp in (("l", "left", "左"), ("r", "right", "右")):  # noqa: E741
            wanted[f"{l}_{part}"] = [n.format(l=l, left=left, jp=jp) for n in known]
    found: dict[str, int] = {}
    for part, candidates in wanted.items():
        hits = [index[name] for name in candidates if name in index]
        if hits:
            found[part] = hits[0]
    return found

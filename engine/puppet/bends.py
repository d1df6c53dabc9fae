"""How far parts that meet bend into each other: see `training.fewshot.warp.bends` for the maps."""

from engine.puppet.parts import PARTS

_INDEX = {part.name: i for i, part in enumerate(PARTS)}
_SPINES = 7.0  # spines that go into a body's size: the unit of a limb's frame

HINGES = tuple(
    (_INDEX[f"{side}_{upper}"], _INDEX[f"{side}_{lower}"])
    for side in ("r", "l")
    for upper, lower in (("upper_arm", "forearm"), ("thigh", "shin"))
)
"""(part, part) that meet at an elbow or a knee."""
SHOULDERS = ((_INDEX["r_upper_arm"], -1.0), (_INDEX["l_upper_arm"], 1.0))
"""Upper arms, and on which side of the chest they are."""
THIGHS = (_INDEX["r_thigh"], _INDEX["l_thigh"])

FAN = 1.0 / _SPINES  # times a part's radius: so near to a hinge it is all fan
FAN_END = 1.6  # times that: so far from it there is none, where a part lies itself
BEHIND = (1.6, 1.7)  # the same where the other part lies: no part may stick out there
HALVES = (0.35, 0.65)  # of the way around from a part itself to the other: where that begins
FOLDED = 2.8  # rad: an elbow or a knee that is bent more is drawn as if it were bent so much
TIGHT = (1.9, 2.6)  # rad: bent so far the two lie on each other as they are, under a round cap
CAP = (0.1, 0.2)  # in the place of HALVES, outside of such a joint
SHORT = 0.6  # of a limb's length: what is seen shorter points at the camera, and bends less
WAIST = (0.42, 0.82)  # along the spine: from all chest to all hips
SPINE = 0.5 / _SPINES  # seen shorter, the body bends toward the camera
AGREE = 0.5  # cosine between chest and hips, of what is across: below, they face opposite ways
HANG = 0.85  # how much hips far below take part in the thighs' motion
HANG_LENGTH = 0.8  # of the thighs' length: how far below the hips that is
LIMIT = 1.6  # times: how much blending may shorten an offset before it is left so
ROOT = 0.8 / _SPINES  # times an upper arm's radius: so near to a shoulder it is all fan
ROOT_END = 1.3  # times that: so far from it there is none
BODY = (2.5, 2.2)  # rad above and below straight away from the body: beyond, the chest lies still
RAISED = (1.1, 1.6)  # rad above: an arm beside the head opens nothing
CROSSING = (1.6, 2.1)  # rad below: neither does an arm that lies across the body
PROFILE = (0.15, 0.55)  # cosines of the chest's view: from the side shoulders lie on the body
BEYOND = (0.25, 0.55)  # sines of it: the shoulder that is turned away lies behind the body
APART = (0.5, 1.5)  # of the fan's radius: a chest that has its shoulder elsewhere takes no part

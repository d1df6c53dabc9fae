"""Hair, skirts and capes of imported characters: their bones become chains that swing."""

import re
from dataclasses import dataclass

import numpy as np

from engine.mocap.rig import INDEX
from training.characters.imports.model import F64, I64, CharacterModel, Spring, parents_first
from training.characters.springs import Capsule, Chain

MAX_LINKS = 800
MAX_CAPSULES = 48
_VRM_HZ = 60.0  # VRM adds its forces once a frame; the rate they are tuned at

_HAIR = re.compile(
    r"hair|bang(s|_|\d|$)|ahoge|braid|pony|pigtail|twin.?tail|髪|ツインテ|ポニテ|もみあげ|アホ毛|おさげ",
    re.IGNORECASE,
)
_CLOTH = re.compile(
    r"skirt|ribbon|scarf|necktie|coat.?tail|スカート|ｽｶｰﾄ|リボン|ネクタイ|"
    r"マフラー|裾",
    re.IGNORECASE,
)
_CAPE = re.compile(r"cape|cloak|マント", re.IGNORECASE)  # stiff: one piece, close to the back
_TAIL = re.compile(r"^(.*[ _.\-])?tail[ _.\-]?\d*$|しっぽ|尻尾|シッポ", re.IGNORECASE)


def named_spring(name: str, *, rigid: bool = False) -> Spring | None:
    """How a bone swings by its name alone (`bone` is 0), None if it is not hair, cloth or a tail.

    A `rigid` piece, a mesh without skin, swings only as a cape or a tail: its hair is a whole wig.
    Stiffness, drag and gravity are like those that VRM models are published with.
    """
    if "IK" in name or "ＩＫ" in name:
        return None
    if rigid and not (_CAPE.search(name) or _TAIL.search(name)):
        return None
    if _HAIR.search(name):
        return Spring(0, stiffness=0.55, drag=0.12, gravity=(0.0, -0.25, 0.0), radius=0.01)
    if _CAPE.search(name):
        return Spring(0, stiffness=2.5, drag=0.3, gravity=(0.0, -0.4, 0.0), radius=0.02)
    if _CLOTH.search(name):
        return Spring(0, stiffness=0.7, drag=0.16, gravity=(0.0, -0.3, 0.0), radius=0.015)
    if _TAIL.search(name):
        return Spring(0, stiffness=0.8, drag=0.12, gravity=(0.0, -0.1, 0.0), radius=0.01)
    return None


@dataclass(frozen=True)
class Links:
    """The chains, and for each bone of the file its link (-1: none) and the joint it hangs on."""

    chains: tuple[Chain, ...]
    of_bone: I64  # (B,)
    owner: I64  # (B,)
    count: int


def find_links(model: CharacterModel, heads: F64, tails: F64, owners: I64, scale: float) -> Links:
    """Chains of the model's swinging bones, from their root to every tip.

    Where bones branch, each branch gets a chain of its own from the root: the shared links swing
    the same in all of them. Bones beyond `MAX_LINKS` go along with the body instead.
    """
    settings = {spring.bone: spring for spring in model.springs}
    for mapped in model.humanoid.values():
        settings.pop(mapped, None)
    children: dict[int, list[int]] = {}
    for i, bone in enumerate(model.bones):
        if i in settings and bone.parent in settings:
            children.setdefault(bone.parent, []).append(i)
    of_bone = np.full(len(model.bones), -1, np.int64)
    chains: list[Chain] = []
    count = 0
    for root in sorted(i for i in settings if model.bones[i].parent not in settings):
        stack = [[root]]
        while stack:
            path = stack.pop()
            following = children.get(path[-1], [])
            if following:
                if len(stack) + len(path) < MAX_LINKS:
                    stack.extend([*path, child] for child in reversed(following))
                continue
            if count + len(path) > MAX_LINKS:
                break
            points = _points(model, path, heads, tails)
            for k, link in enumerate(path):
                if of_bone[link] < 0:
                    of_bone[link] = count + k
            count += len(path)
            chains.append(_chain(settings[root], points, int(owners[root]), scale))
    # What grows from a swinging bone without swinging itself goes along with it: VRM 1.0 has such
    # a bone at the end of every chain.
    body = set(model.humanoid.values()) | set(model.followers)
    for i in parents_first(model.bones):
        parent = model.bones[i].parent
        if of_bone[i] < 0 and i not in body and parent >= 0 and owners[i] == owners[parent]:
            of_bone[i] = of_bone[parent]
    return Links(tuple(chains), of_bone, owners, count)


def _points(model: CharacterModel, path: list[int], heads: F64, tails: F64) -> F64:
    """(links + 1, 3) the joints of a chain and its tip, all of them apart."""
    last = path[-1]
    if model.bones[last].tail is not None:
        tip = tails[last]
    elif len(path) > 1:
        tip = heads[last] + 0.8 * (heads[last] - heads[path[-2]])
    else:
        parent = model.bones[last].parent
        way = heads[last] - heads[parent] if parent >= 0 else np.zeros(3)
        tip = heads[last] + 0.07 * way / max(float(np.linalg.norm(way)), 1e-6)
    points = np.concatenate([heads[path], tip[None]])
    for k in range(1, len(points)):
        if float(np.linalg.norm(points[k] - points[k - 1])) < 2e-3:
            points[k:] += (0.0, -0.01, 0.0)
    return points


def _chain(spring: Spring, points: F64, joint: int, scale: float) -> Chain:
    """VRM's forces as accelerations: it moves a tip by force x dt, the integrator by a x dt^2."""
    keep = 1.0 - float(np.clip(spring.drag, 0.01, 0.99))
    stiffness = float(np.clip(spring.stiffness, 0.0, 20.0)) * _VRM_HZ
    pull = float(np.clip(-spring.gravity[1], -5.0, 5.0)) * _VRM_HZ
    return Chain(
        joint, tuple((float(x), float(y), float(z)) for x, y, z in points),
        # A chain without any force would keep whatever shape chance gives it.
        stiffness=max(stiffness, 3.0), gravity=pull, drag=-float(np.log(keep)) * _VRM_HZ,
        radius=float(np.clip(spring.radius * scale, 0.0, 0.1)),
    )  # fmt: skip


def body_capsules(
    model: CharacterModel, ends: list[F64], owners: I64, scale: float, vertices: F64, weights: F64,
    rest: F64,
) -> tuple[Capsule, ...]:  # fmt: skip
    """What hair and skirts stay out of: the file's colliders, or limbs measured on the mesh."""
    if ends:
        return tuple(
            _capsule(int(owners[c.bone]), points[0], points[1], c.radius * scale)
            for c, points in zip(model.colliders[:MAX_CAPSULES], ends, strict=False)
        )
    capsules = []
    for joint, start, end in (
        ("l_thigh", "l_thigh", "l_shin"), ("r_thigh", "r_thigh", "r_shin"),
        ("l_shin", "l_shin", "l_foot"), ("r_shin", "r_shin", "r_foot"),
        ("hips", "hips", "spine"), ("chest", "spine", "neck"),
    ):  # fmt: skip
        low, high = rest[INDEX[start]], rest[INDEX[end]]
        mine = vertices[weights[:, INDEX[joint]] > 0.7]
        span = high - low
        if len(mine) < 12 or float(span @ span) < 1e-9:
            continue
        along = (mine - low) @ span / (span @ span)
        mine, along = mine[(along > 0) & (along < 1)], along[(along > 0) & (along < 1)]
        if len(mine) < 12:
            continue
        apart = np.linalg.norm(mine - low - along[:, None] * span, axis=1)
        capsules.append(_capsule(INDEX[joint], low, high, float(np.percentile(apart, 60))))
    return tuple(capsules)


def _capsule(joint: int, low: F64, high: F64, radius: float) -> Capsule:
    return Capsule(
        joint, (float(low[0]), float(low[1]), float(low[2])),
        (float(high[0]), float(high[1]), float(high[2])), float(np.clip(radius, 0.0, 0.5)),
    )  # fmt: skip

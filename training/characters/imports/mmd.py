"""What PMX and PMD have in common: axes, textures, toon ramps and which bones swing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.characters.imports.errors import fail
from training.characters.imports.files import find_beside, read_bytes
from training.characters.imports.humanoid import english_joints, mmd_follower, mmd_joints
from training.characters.imports.images import decode_image
from training.characters.imports.model import TEXEL_BUDGET, Bone, Spring
from training.characters.imports.swing import named_spring

F64 = NDArray[np.float64]

# MikuMikuDance's light at its default (154, 154, 154); a colour is diffuse x light + ambient.
LIGHT = 154.0 / 255.0
FLIP = np.array([1.0, 1.0, -1.0])  # its axes are left-handed, and its models look along -z

# The shade end of the shared toon01..toon10 that every copy of the program has, by eye, and
# whether the step is hard; the lit end is white.
_SHARED = (
    ((0.80, 0.80, 0.80), True), ((0.96, 0.88, 0.88), True), ((0.60, 0.60, 0.60), True),
    ((0.97, 0.94, 0.92), True), ((1.00, 0.90, 0.84), False), ((1.00, 0.95, 0.70), False),
    ((1.00, 1.00, 1.00), False), ((1.00, 1.00, 1.00), False), ((1.00, 1.00, 1.00), False),
    ((1.00, 1.00, 1.00), False),
)  # fmt: skip


def shared_ramp(number: int) -> F64:
    """(64, 3) the toon ramp of a shared toon, 0..9, from the shade to the light."""
    dark, hard = _SHARED[number]
    at = np.linspace(0.0, 1.0, 64)[:, None]
    mix = np.clip((at - 0.5) * 24 + 0.5, 0, 1) if hard else np.clip((at - 0.3) / 0.4, 0, 1)
    return np.asarray(np.asarray(dark) * (1 - mix) + mix)


def picture_ramp(picture: NDArray[np.uint8]) -> F64:
    """(H, 3) the ramp of a toon texture, whose top is the light and whose bottom is the shade."""
    column = picture[::-1, picture.shape[1] // 2, :3].astype(np.float64) / 255.0
    return column if len(column) > 1 else np.repeat(column, 2, axis=0)


@dataclass
class TextureShelf:
    """The textures of a model, each file read once."""

    folder: Path
    expected: int  # how many there may be: they share the budget
    without: bool  # missing ones are allowed
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    _known: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """The index in `pictures` of a texture file, -1 if it is allowed to be missing and is."""
        if name not in self._known:
            found = find_beside(self.folder, name)
            if found is None and not self.without:
                raise fail(
                    f"the texture {name[:200]!r} beside the model", "no such file",
                    "keep the model's textures with it, or allow it to be without textures",
                )  # fmt: skip
            if found is None:
                self._known[name] = -1
            else:
                side = int(min(2048, (TEXEL_BUDGET / max(self.expected, 1)) ** 0.5))
                self.pictures.append(decode_image(read_bytes(found), name[:200], side))
                self._known[name] = len(self.pictures) - 1
        return self._known[name]


def humanoid_of(names: Sequence[str], english: Sequence[str]) -> dict[str, int]:
    """Joints by the Japanese names, then by the English ones of models that have only those."""
    found = mmd_joints(names)
    for joint, bone in {**english_joints(english), **english_joints(names)}.items():
        found.setdefault(joint, bone)
    return found


def followers_of(names: Sequence[str]) -> dict[int, str]:
    """Bones that go along with a leg without growing from it."""
    return {i: joint for i, name in enumerate(names) if (joint := mmd_follower(name)) is not None}


def springs_of(
    names: Sequence[str], bones: Sequence[Bone], humanoid: Mapping[str, int],
    moved: Iterable[int],
) -> tuple[Spring, ...]:  # fmt: skip
    """Bones that physics moves (`moved`), or, in a model without physics, those named for hair
    and cloth. How they swing goes by their names; breasts stay with the chest.
    """
    body = set(humanoid.values())
    physical = set(moved) - body
    chosen = physical or {i for i, name in enumerate(names) if named_spring(name) is not None}
    springs = []
    for i in sorted(chosen - body):
        if i >= len(bones) or any(word in names[i] for word in ("胸", "乳", "おっぱい", "bust")):
            continue
        like = named_spring(names[i]) or named_spring("hair")
        if like is not None:
            # Radii are metres there, and a unit of MikuMikuDance is 8 cm.
            springs.append(replace(like, bone=i, radius=like.radius / 0.08))
    return tuple(springs)

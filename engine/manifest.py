"""What manifest.json of a character bundle says; see `engine.character` for the bundle itself."""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from engine.backends.base import TensorSpec
from engine.errors import BundleDamaged, BundleTooNew
from engine.motion.proportions import CharacterSkeleton

SCHEMA_VERSION = 4
"""1: fp32 alone. 2: `precisions`. 3: `puppet`, the generator is optional. 4: `prefers`, and a
puppet in another resolution than the generator's. Older ones still load."""
MANIFEST = "manifest.json"
MAX_DRAWINGS: Final = 16
"""Of one puppet."""

Pixels = Annotated[float, Field(ge=-1e6, le=1e6)]
DrawingName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,32}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SkeletonManifest(_Strict):
    """Proportions in pixels of the picture; see `engine.motion.proportions.CharacterSkeleton`."""

    topology: Literal["puppet-20"] = "puppet-20"
    rest: list[tuple[float, float, float]] = Field(min_length=20, max_length=20)
    bone_lengths: list[float] = Field(min_length=19, max_length=19)
    head: list[tuple[float, float, float]] = Field(min_length=5, max_length=5)
    floor_y: float

    @classmethod
    def of(cls, skeleton: CharacterSkeleton) -> Self:
        """As it is written down."""
        return cls(
            rest=skeleton.rest[:, :3].tolist(),
            bone_lengths=skeleton.bone_lengths.tolist(),
            head=skeleton.head.tolist(),
            floor_y=float(skeleton.floor_y),
        )

    def read(self) -> CharacterSkeleton:
        """As it is used.

        Raises:
            ValueError: no body has such proportions.
        """
        rest = np.ones((20, 4), np.float32)
        rest[:, :3] = self.rest
        lengths, head = np.array(self.bone_lengths, np.float32), np.array(self.head, np.float32)
        return CharacterSkeleton(rest, lengths, head, self.floor_y)


class TensorManifest(_Strict):
    """One input or output of a network."""

    name: str
    dtype: Literal["uint8"] = "uint8"
    shape: tuple[int, ...]

    @property
    def spec(self) -> TensorSpec:
        """The same, as backends have it."""
        return TensorSpec(self.name, np.dtype(self.dtype), self.shape)


class PrecisionManifest(_Strict):
    """A network in another precision: its file, and how like fp32's pictures its own are.

    SSIM is over white, on poses that it was not calibrated on; errors are in levels of 255.
    """

    file: str
    ssim: float = Field(ge=-1, le=1)
    ssim_min: float = Field(ge=-1, le=1)
    mean_error: float = Field(ge=0)
    max_error: int = Field(ge=0, le=255)


Precisions = dict[Literal["fp16", "int8"], PrecisionManifest]


class NetworkManifest(_Strict):
    """A network: its file in fp32, its tensors, and what other precisions there are."""

    file: str
    input: TensorManifest
    output: TensorManifest
    precisions: Precisions = Field(default_factory=dict)

    @property
    def files(self) -> dict[str, str]:
        """Its files by precision."""
        return {"fp32": self.file, **{name: entry.file for name, entry in self.precisions.items()}}


class DrawingManifest(_Strict):
    """A drawing cut into parts, see `engine.puppet.drawing.CutDrawing`."""

    name: DrawingName
    parts: str
    whole: str
    joints: list[tuple[Pixels, Pixels, Pixels, Pixels]] = Field(min_length=20, max_length=20)


class PuppetManifest(_Strict):
    """The drawings that the puppet is made of, and the network that paints over it, if any.

    `resolution` is that of its pictures where it is not the bundle's.
    """

    resolution: int | None = Field(default=None, ge=64, le=2048)
    drawings: list[DrawingManifest] = Field(min_length=1, max_length=MAX_DRAWINGS)
    painter: NetworkManifest | None = None


class Manifest(_Strict):
    """What manifest.json holds. `training` says how the character was made, in free form.

    `generator`, `input`, `output` and `precisions` are one network's; without them there is a
    puppet. Where there are both, `prefers` says which draws the better pictures; the resolution and
    the skeleton are the generator's.
    """

    schema_version: int
    name: str = Field(min_length=1, max_length=80)
    author: str
    licence: str
    resolution: int = Field(ge=64, le=2048)
    skeleton: SkeletonManifest
    reference: str
    files: dict[str, str]
    generator: str | None = None
    input: TensorManifest | None = None
    output: TensorManifest | None = None
    precisions: Precisions = Field(default_factory=dict)
    puppet: PuppetManifest | None = None
    prefers: Literal["generator", "puppet"] | None = None
    training: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _draws(self) -> Self:
        given = [value is not None for value in (self.generator, self.input, self.output)]
        if any(given) != all(given) or (self.precisions and not all(given)):
            raise ValueError("a generator comes with its file, its input and its output")
        if self.generator is None and self.puppet is None:
            raise ValueError("nothing in it draws: it needs a generator or a puppet")
        if self.prefers is not None and (self.generator is None or self.puppet is None):
            raise ValueError("what it prefers is to be chosen between a generator and a puppet")
        names = [drawing.name for drawing in self.puppet.drawings] if self.puppet else []
        if len(set(names)) != len(names):
            raise ValueError(f"two drawings have one name: {', '.join(names)}")
        return self

    @property
    def network(self) -> NetworkManifest | None:
        """The generator, if there is one."""
        if self.generator is None or self.input is None or self.output is None:
            return None
        return NetworkManifest(
            file=self.generator, input=self.input, output=self.output, precisions=self.precisions
        )


def parse_manifest(text: bytes | None, path: str | Path) -> Manifest:
    """Read a bundle's manifest; `path` names the bundle in messages.

    Raises:
        BundleTooNew, BundleDamaged: see `engine.character.CharacterBundle.load`.
    """
    if text is None:
        raise BundleDamaged(f"{path}: there is no {MANIFEST} in it; is it a character bundle?")
    try:
        content = json.loads(text)
        version = content["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleDamaged(f"{path}: {MANIFEST} cannot be read ({error!r})") from error
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BundleTooNew(
            f"{path} has schema version {version}, this engine reads up to {SCHEMA_VERSION}: "
            "update with `pip install --upgrade ayatsuri`"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]
        )
        raise BundleDamaged(f"{path}: {MANIFEST} is not valid: {problems}") from error

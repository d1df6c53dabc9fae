"""What a data set consists of: characters, motions, their split, and how pictures are taken."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

from engine._version import __version__
from training.dataset.errors import DatasetError
from training.motion.phrases import LIBRARY

Split = Literal["train", "test"]
Background = Literal["transparent", "white", "scenes"]
SPLITS: Final = get_args(Split)
BACKGROUNDS: Final = get_args(Background)

TEST_SHARE: Final = 46 / 260
"""The share of characters that the paper tests on (Wang 2024, section 4)."""

TEST_PHRASES: Final = ("cute", "spin", "sway")
"""The dance phrases that test characters dance, and nobody else."""

PHRASES: Final[dict[Split, tuple[str, ...]]] = {
    "train": tuple(name for name in LIBRARY if name not in TEST_PHRASES),
    "test": TEST_PHRASES,
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A character or a motion of the user's; its content decides its split, for ever."""

    path: str
    digest: str

    @classmethod
    def of(cls, path: Path) -> "SourceFile":
        """Raises DatasetError where there is no such file."""
        if not path.is_file():
            raise DatasetError(f"expected a file, found nothing at {path}: check the path")
        return cls(str(path.resolve()), sha256(path.read_bytes()).hexdigest())

    @property
    def name(self) -> str:
        """Of shards and statistics: readable, and different for different content."""
        stem = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(self.path).stem)
        return f"{stem[:40]}-{self.digest[:8]}"

    @property
    def split(self) -> Split:
        """Test for `TEST_SHARE` of all contents."""
        return "test" if int(self.digest[:8], 16) < TEST_SHARE * 2**32 else "train"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides a data set's bytes. The defaults are the few-shot paper's section 4.

    `samples` of each character begin with the four basic views; `still` of the others are single
    poses, the rest excerpts of motions, in which hair and cloth swing.
    """

    train: int = 214  # procedural characters, seeds 0, 1, 2 ...
    test: int = 46  # the seeds that follow
    samples: int = 175
    still: float = 0.3
    size: int = 256
    supersample: int = 2
    background: Background = "transparent"
    vary_camera: bool = False
    vary_light: bool = False
    seed: int = 0
    models: tuple[SourceFile, ...] = ()
    motions: tuple[SourceFile, ...] = ()

    def __post_init__(self) -> None:
        if min(self.train, self.test) < 0 or self.train + self.test + len(self.models) < 1:
            raise DatasetError(
                f"expected one character or more, found {self.train} to train on and {self.test} "
                "to test on: ask for more, or give a model"
            )
        if not 4 <= self.samples <= 9999 or not 0 <= self.still <= 1:
            raise DatasetError(
                f"expected 4 to 9999 samples of a character and a share of still poses in [0, 1], "
                f"found {self.samples} and {self.still}"
            )
        if not 16 <= self.size <= 4096 or not 1 <= self.supersample <= 8:
            raise DatasetError(
                f"expected a size of 16 to 4096 px and 1 to 8 samples a pixel along each side, "
                f"found {self.size} and {self.supersample}"
            )
        if self.background not in BACKGROUNDS:
            raise DatasetError(
                f"expected a background of {', '.join(BACKGROUNDS)}, found {self.background!r}"
            )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description without the paths of this machine."""
        described = asdict(self)
        for kind in ("models", "motions"):
            described[kind] = sorted([f.name, f.digest] for f in getattr(self, kind))
        return described | {"version": __version__}

    @classmethod
    def from_dict(cls, described: dict[str, Any]) -> Self:
        """What `to_dict` described, but for its files, whose paths it leaves out."""
        names = {field.name for field in fields(cls)} - {"models", "motions"}
        return cls(**{name: value for name, value in described.items() if name in names})

    @property
    def digest(self) -> str:
        """Equal for plans that make the same data set."""
        return sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def motions_of(self, split: Split) -> tuple[SourceFile, ...]:
        """The user's motions that characters of a split may perform."""
        return tuple(motion for motion in self.motions if motion.split == split)

    def jobs(self) -> Iterator["Job"]:
        """One for each character. Each can be done alone, in any order, anywhere."""
        for seed in range(self.train + self.test):
            split: Split = "train" if seed < self.train else "test"
            yield Job(self, seed, split, f"procedural-{seed:05d}", seed)
        for number, model in enumerate(sorted(self.models, key=lambda model: model.digest)):
            yield Job(self, self.train + self.test + number, model.split, model.name, model)


@dataclass(frozen=True, slots=True)
class Job:
    """The samples of one character: one shard."""

    plan: Plan
    number: int
    split: Split
    name: str
    character: int | SourceFile  # the seed of a procedural one, or a model

    @property
    def path(self) -> str:
        """Of the shard, within the folder."""
        return f"{self.split}/{self.name}.tar"


def with_files(plan: Plan, models: Sequence[Path], motions: Sequence[Path]) -> Plan:
    """The plan with the user's characters and motions; the same content counts once."""
    unique = lambda paths: tuple(  # noqa: E731
        {file.digest: file for file in map(SourceFile.of, paths)}.values()
    )
    return replace(plan, models=unique(models), motions=unique(motions))

"""Reading a data set back: a sequence of characters."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np

from training.dataset.errors import DatasetError
from training.dataset.make import read_manifest
from training.dataset.plan import SPLITS, Plan, Split
from training.dataset.render import render_in_a_row
from training.dataset.samples import VIEWS, CharacterPictures
from training.dataset.shard import Sample, collect, unpack


class Dataset(Sequence[CharacterPictures]):
    """The characters of one split. Nothing is kept in memory: every access reads a shard.

    `size` shrinks the pictures, and their joints with them, to another size in pixels.
    """

    def __init__(self, folder: Path, paths: Sequence[str], size: int | None = None) -> None:
        self._folder, self._paths, self._size = folder, tuple(paths), size

    @classmethod
    def open(cls, folder: Path | str, split: Split, size: int | None = None) -> "Dataset":
        """Raises DatasetError where the data set is missing or not made to the end."""
        manifest = read_manifest(Path(folder))
        if split not in SPLITS:
            raise DatasetError(f"expected a split of {', '.join(SPLITS)}, found {split!r}")
        if "shards" not in manifest:
            raise DatasetError(
                f"{folder}: expected a complete data set, found one that was begun: run the same "
                "`ayatsuri-train data make` again, which goes on from there"
            )
        paths = [s["path"] for s in manifest["shards"] if s["path"].startswith(f"{split}/")]
        return cls(Path(folder), paths, size)

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the characters."""
        return tuple(Path(path).stem for path in self._paths)

    def samples(self, index: int) -> list[Sample]:
        """All that is known of a character's samples; raises DatasetError for a damaged shard."""
        path = self._folder / self._paths[index]
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{path} cannot be read: {error}") from error
        return unpack(data, str(path))

    def __getitem__(self, index: int) -> CharacterPictures:  # type: ignore[override]
        """The samples of a character as arrays; raises DatasetError for a damaged shard."""
        character = collect(self.samples(index), self.names[index])
        if self._size is None or self._size == character.size:
            return character
        return resized(character, self._size)

    def in_a_row(self, index: int, count: int) -> CharacterPictures:
        """A character's basic views, and `count` pictures of its dancing that follow each other.

        A shard's poses are far apart, so these are rendered now, at 30 a second, to the data set's
        plan. Raises DatasetError for a character that was read from a file.
        """
        name = self.names[index]
        plan = Plan.from_dict(read_manifest(self._folder)["plan"])
        job = next((job for job in plan.jobs() if job.name == name), None)
        if job is None:
            raise DatasetError(
                f"expected a procedural character, found {name} of a file: only those can be drawn "
                "in other poses"
            )
        views = self.samples(index)[: len(VIEWS)]
        character = collect(views + render_in_a_row(job, count), name)
        return character if self._size is None else resized(character, self._size)


def resized(character: CharacterPictures, size: int) -> CharacterPictures:
    """The same pictures smaller, by the mean of what each pixel covers."""
    pictures = np.stack(
        [cv2.resize(p, (size, size), interpolation=cv2.INTER_AREA) for p in character.pictures]
    )
    joints = character.joints.copy()
    joints[..., :3] *= size / character.size
    return CharacterPictures(character.name, pictures, joints, character.visible)


def verify(folder: Path) -> list[str]:
    """The paths of shards that are missing or not what the manifest says."""
    wrong = []
    for shard in read_manifest(folder).get("shards", []):
        try:
            digest = sha256((folder / shard["path"]).read_bytes()).hexdigest()
        except OSError:
            digest = ""
        if digest != shard["sha256"]:
            wrong.append(shard["path"])
    return wrong

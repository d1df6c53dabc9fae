"""Episodes: a character's support set, from which to learn, and query set, on which to be judged.

Wang 2024, sections 3.3 and 4. An episode depends on its seed, step and place in the batch alone,
not on the worker or the run that makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.data import free_shift, shift_picture
from training.dataset import reader
from training.dataset.samples import VIEWS, CharacterPictures
from training.fewshot.errors import SettingsError
from training.fewshot.inputs import Inputs

SUPPORTS = ("views", "random", "shifts", "mixed")
SOURCES = ("front", "support", "any", "few", "view")
FEW, FRONT_SHARE = 8, 0.4  # of the source "few": how many there are, how often it is the front
SHIFT_SHARE = 0.25
"""How far a drawing is shifted at most, as a share of the picture's width."""


class Characters(Protocol):
    """A data set: `training.dataset.Dataset`, or a list of `CharacterPictures`."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> CharacterPictures: ...


@dataclass(frozen=True, slots=True)
class EpisodeConfig:
    """How an episode is drawn.

    `support`: "views" takes K of the basic views, in turn from the front (section 4); "random" any
    K poses; "shifts" the source moved sideways (section 5.5), which is what a user with one drawing
    has; "mixed" one of the three each time. `source`, the picture z: the "front" view, one of the
    "support" set, "any", or one of "few", most often the front view: what a method prepares from a
    source can be kept then. A "view" is as few, of the basic views alone. With `drawings` above 1
    there are further drawings of the character beside the source, 1 to that many with it, of the
    same few or views; where there are less, the source is repeated.

    The paper draws one query a character; here it is as many as `queries`, all from poses that the
    support set does not have, so that the statistics of the batch norms are those of several poses.
    """

    shots: int = 4
    queries: int = 4
    support: str = "views"
    source: str = "front"
    drawings: int = 1

    def __post_init__(self) -> None:
        if self.support not in SUPPORTS:
            raise SettingsError(f"no support {self.support!r}; there are {', '.join(SUPPORTS)}")
        if self.source not in SOURCES:
            raise SettingsError(f"no source {self.source!r}; there are {', '.join(SOURCES)}")
        if not 1 <= self.drawings <= len(VIEWS):
            raise SettingsError(
                f"a character has 1 to {len(VIEWS)} drawings in an episode, found {self.drawings}"
            )
        if self.drawings > 1 and self.support in ("shifts", "mixed"):
            raise SettingsError(
                f"shifts are of one drawing, found {self.drawings}: take random poses or the views"
            )
        if self.shots < 1 or self.queries < 1:
            raise SettingsError(
                f"an episode needs at least one shot and one query, found {self.shots} and "
                f"{self.queries}"
            )


@dataclass(frozen=True, slots=True)
class Samples:
    """Pictures to draw: what a method is given, and what it should draw."""

    inputs: Inputs
    truth: Tensor  # (B, 4, S, S) premultiplied RGBA
    background: Tensor  # (B, 3, 1, 1), a colour in [0, 1] to see them on

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, picks: slice) -> Self:
        """Some of them, as views."""
        return type(self)(self.inputs[picks], self.truth[picks], self.background[picks])

    def to(self, device: torch.device) -> Self:
        """The same on a device; from pinned memory the copy does not wait."""
        return type(self)(
            self.inputs.to(device),
            self.truth.to(device, non_blocking=True),
            self.background.to(device, non_blocking=True),
        )

    def pinned(self) -> Self:
        """The same in page-locked memory."""
        return type(self)(
            self.inputs.pinned(), self.truth.pin_memory(), self.background.pin_memory()
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All samples of several sets, one after the other."""
        return cls(
            Inputs.joined([part.inputs for part in parts]),
            torch.cat([part.truth for part in parts]),
            torch.cat([part.background for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Episode:
    """One task of the meta-batch."""

    support: Samples
    query: Samples

    def to(self, device: torch.device) -> Self:
        """The same on a device."""
        return type(self)(self.support.to(device), self.query.to(device))

    def pinned(self) -> Self:
        """The same in page-locked memory."""
        return type(self)(self.support.pinned(), self.query.pinned())


def draw_episode(
    character: CharacterPictures,
    config: EpisodeConfig,
    rng: np.random.Generator,
    size: int | None = None,
) -> Episode:
    """An episode of one character at `size` px (its own); SettingsError if it has too few."""
    mode = config.support
    if mode == "mixed":
        mode = str(rng.choice(SUPPORTS[:3]))
    needed = max(1 if mode == "shifts" else config.shots, len(VIEWS)) + 1
    if len(character) < needed:
        raise SettingsError(
            f"{character.name} has {len(character)} pictures; an episode of {config.shots} shots "
            f"needs at least {needed}, the basic views first"
        )
    if mode == "views" and config.shots > len(VIEWS):
        raise SettingsError(
            f"there are {len(VIEWS)} basic views, found {config.shots} shots: take a support set "
            "of random poses"
        )
    shots = rng.permutation(len(character))[: config.shots]
    if mode == "views":
        shots = np.arange(config.shots)
    source = 0
    if config.source == "any":
        source = int(rng.integers(len(character)))
    elif config.source in ("few", "view") and rng.random() > FRONT_SHARE:
        source = int(rng.integers(1, min(_few(config), len(character))))
    elif config.source == "support" and mode != "shifts":
        source = int(rng.choice(shots))
    if mode == "shifts":
        shots = np.array([source])
    others = np.setdiff1d(np.arange(len(character)), shots)
    wanted = rng.choice(others, config.queries, replace=len(others) < config.queries)

    more = np.full(config.drawings - 1, source)
    if config.drawings > 1:
        further = np.setdiff1d(np.arange(min(_few(config), len(character))), [source])
        found = rng.permutation(further)[: rng.integers(config.drawings)]
        more[: len(found)] = found
    order = np.concatenate([[source], shots, wanted, more])
    picked = resized(character[order], size or character.size)
    last = 1 + len(shots) + len(wanted)
    drawings = np.arange(last, len(picked))
    if mode == "shifts":
        support = shifted(picked, choose_shifts(picked.pictures[0], config.shots, rng), rng)
    else:
        support = samples(picked, np.arange(1, 1 + len(shots)), rng, drawings)
    return Episode(support, samples(picked, np.arange(1 + len(shots), last), rng, drawings))


def _few(config: EpisodeConfig) -> int:
    """How many of a character's first pictures may be its drawings."""
    return len(VIEWS) if config.source == "view" else FEW


def samples(
    character: CharacterPictures,
    targets: NDArray[np.integer],
    rng: np.random.Generator,
    more: NDArray[np.integer] | None = None,
) -> Samples:
    """The pictures `targets` of a character, to be drawn from its first, and `more` of them."""
    source, others = np.zeros(len(targets), np.intp), np.arange(0) if more is None else more
    further = np.tile(others, (len(targets), 1))
    inputs, truth = Inputs.of(character, source, np.asarray(targets), further)
    return Samples(inputs, truth, backgrounds(len(targets), rng))


def backgrounds(count: int, rng: np.random.Generator) -> Tensor:
    """Random colours, (count, 3, 1, 1) in [0, 1]."""
    return torch.from_numpy(rng.random((count, 3, 1, 1), dtype=np.float32))


def choose_shifts(
    picture: NDArray[np.uint8], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """`count` sideways shifts in pixels, 0 first, that cut nothing off; repeated if few do."""
    limit = int(SHIFT_SHARE * picture.shape[1])
    free, _ = free_shift(picture, (limit, 0))
    moves = rng.permutation([dx for dx in free if dx != 0])
    return np.resize(np.concatenate([[0], moves]).astype(np.int64), count)


def shifted(
    character: CharacterPictures, shifts: NDArray[np.int64], rng: np.random.Generator
) -> Samples:
    """The first picture of a character moved sideways by each shift, to be drawn from itself."""
    drawing, joints = character.pictures[0], character.joints[0]
    moved = np.repeat(joints[None], len(shifts), axis=0)
    moved[..., 0] += shifts[:, None].astype(np.float32)
    pictures = [shift_picture(drawing, int(dx), 0) for dx in shifts]
    both = CharacterPictures(
        character.name,
        np.stack([drawing, *pictures]),
        np.concatenate([joints[None], moved]),
        np.repeat(character.visible[:1], 1 + len(shifts), axis=0),
    )
    return samples(both, np.arange(1, 1 + len(shifts)), rng)


def meta_batch(
    characters: Characters,
    config: EpisodeConfig,
    *,
    seed: int,
    step: int,
    tasks: Sequence[int],
    batch: int,
    size: int,
) -> list[Episode]:
    """The episodes at places `tasks` of step `step`'s batch of `batch` characters, at `size` px.

    Characters go round in an order that is shuffled anew every epoch, so that in an epoch each is
    met once.
    """
    episodes = []
    for task in tasks:
        epoch, place = divmod(step * batch + task, len(characters))
        order = np.random.default_rng([seed, 0, epoch]).permutation(len(characters))
        rng = np.random.default_rng([seed, 1, step, task])
        episodes.append(draw_episode(characters[int(order[place])], config, rng, size))
    return episodes


def resized(character: CharacterPictures, size: int) -> CharacterPictures:
    """The same character in smaller pictures; SettingsError for larger ones."""
    if size > character.size:
        raise SettingsError(
            f"{character.name} has pictures of {character.size} px, and {size} px are asked for: "
            "render larger ones"
        )
    return character if size == character.size else reader.resized(character, size)

"""Meta-batches made ahead by threads, so that the device does not wait for them.

Threads, not processes: drawing poses, scaling and decoding pictures leave the interpreter's lock.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import torch

from training.dataset.samples import CharacterPictures
from training.fewshot.config import TrainConfig
from training.fewshot.episodes import Characters, Episode, meta_batch, resized
from training.fewshot.errors import SettingsError


class Loader:
    """The episodes of steps `start`, `start + 1`, ... on a device, for one process of several.

    `waited_s` is the time for which the trainer stood still. An error of a worker is raised where
    its batch is taken. To be used in a `with` statement: leaving it ends the threads.
    """

    def __init__(
        self,
        characters: Characters,
        config: TrainConfig,
        device: torch.device,
        *,
        start: int = 0,
        tasks: Sequence[int] | None = None,
        workers: int = 2,
        ahead: int | None = None,
    ) -> None:
        if len(characters) == 0:
            raise SettingsError("the data set has no characters: render some first")
        self.characters, self.config, self.device = characters, config, device
        self.tasks = range(config.tasks) if tasks is None else tasks
        self.waited_s = 0.0
        self._step = start
        self._pool = ThreadPoolExecutor(workers, "episodes")
        self._ahead: deque[Future[list[Episode]]] = deque()
        self._count = ahead or 2 * workers

    def _make(self, step: int) -> list[Episode]:
        config = self.config
        episodes = meta_batch(
            self.characters, config.episode, seed=config.seed, step=step, tasks=self.tasks,
            batch=config.tasks, size=config.size_at(step),
        )  # fmt: skip
        return [e.pinned() for e in episodes] if self.device.type == "cuda" else episodes

    def __iter__(self) -> Iterator[list[Episode]]:
        while True:
            while len(self._ahead) < self._count:
                self._ahead.append(self._pool.submit(self._make, self._step))
                self._step += 1
            began = time.monotonic()
            episodes = self._ahead.popleft().result()
            self.waited_s += time.monotonic() - began
            yield [episode.to(self.device) for episode in episodes]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)


class Kept:
    """A data set that keeps every character in memory, once it was read: 46 MB for 175 at 256 px.

    A shard holds all pictures of a character, and an episode takes eight: read anew each time, a
    fast device would wait. Pictures larger than `size` px are kept at that size; of more than
    `most` characters the first are taken.
    """

    def __init__(
        self, characters: Characters, size: int | None = None, most: int | None = None
    ) -> None:
        self._characters, self._size = characters, size
        self._count = len(characters) if most is None else min(most, len(characters))
        self._kept: dict[int, CharacterPictures] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> CharacterPictures:
        if index not in self._kept:  # two threads may both read it; they read the same
            character = self._characters[index]
            size = min(self._size or character.size, character.size)
            self._kept[index] = resized(character, size)
        return self._kept[index]

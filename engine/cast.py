"""Which character is on stage: several are loaded, one plays, and a switch splits no frame.

A frame is posed for a character in one stage and drawn as that character in two later ones, each
on a thread of its own. The first of them turns a wish ("the next one, please") into fact at some
frame; the later ones look up what was decided for theirs.
"""

import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from engine.character import CharacterBundle
from engine.generator import Generator

if TYPE_CHECKING:
    from engine.backends.choose import Choice
    from engine.ways import Way

_REMEMBERED_SWITCHES = 64  # far more than there are frames under way


class Actor:
    """A character that is ready to play: its bundle, and what draws it.

    Args:
        bundle: the character.
        generator: what draws it, for pictures of the bundle's resolution; closed with the actor.
        choice: how the runtime of its network was chosen, if it has one that was.
        ways: what else could draw it, the best first; see `engine.ways`.
    """

    def __init__(
        self,
        bundle: CharacterBundle,
        generator: Generator,
        choice: "Choice | None" = None,
        ways: "Sequence[Way]" = (),
    ) -> None:
        self.bundle = bundle
        self.generator = generator
        self.choice = choice
        self.ways = tuple(ways)
        self._lock = threading.Lock()  # held while a picture is drawn
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether it could play the next frame without a wait."""
        return self.generator.ready

    def prepare(self) -> None:
        """Begin to get ready."""
        self.generator.prepare()

    def draw(
        self, joints: NDArray[np.float32], pose_image: NDArray[np.uint8], out: NDArray[np.uint8]
    ) -> None:
        """See `engine.generator.Generator.draw`."""
        with self._lock:
            self.generator.draw(joints, pose_image, out)

    def forget(self) -> None:
        """See `engine.generator.Generator.forget`."""
        with self._lock:
            self.generator.forget()

    def replace(
        self,
        generator: Generator,
        choice: "Choice | None" = None,
        *,
        of: "tuple[Way, ...] | None" = None,
    ) -> None:
        """Draw with another generator from the next picture on; the old one is closed.

        Safe to use from any thread: it waits for a picture that is being drawn. An actor that was
        closed closes the newcomer at once, and so does one that was taken over since the newcomer
        was opened.

        Args:
            generator: what draws from now on.
            choice: how its runtime was chosen, if it has one that was.
            of: the ways that it is one of; those of now where none are given.
        """
        with self._lock:
            late = self._closed or (of is not None and of is not self.ways)
            leaves = generator if late else self.generator
            if not late:
                self.generator, self.choice = generator, choice
        leaves.close()

    def take_over(self, newcomer: "Actor") -> None:
        """Play on as another actor of the same body, from the next picture on.

        As `replace`; the newcomer's bundle and ways come too, and it is not to be used any more.
        """
        with self._lock:
            leaves = newcomer.generator if self._closed else self.generator
            if not self._closed:
                self.generator, self.choice = newcomer.generator, newcomer.choice
                self.bundle, self.ways = newcomer.bundle, newcomer.ways
        leaves.close()

    def close(self) -> None:
        """Close the generator, and any that is still to come; idempotent."""
        with self._lock:
            self._closed = True
        self.generator.close()


class Cast:
    """The actors of a show, and who plays from which frame on. Safe to use from any thread.

    Args:
        actors: at least one; the first one begins.
    """

    def __init__(self, actors: Sequence[Actor]) -> None:
        if not actors:
            raise ValueError("a cast needs at least one actor")
        self.actors = tuple(actors)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._wish = 0
        self._switches = deque([(0, 0)], maxlen=_REMEMBERED_SWITCHES)  # (from sequence, actor)

    def wish(self, step: int) -> Actor:
        """Ask for the actor `step` places on, round and round; the actor who will play."""
        with self._lock:
            self._wish = (self._wish + step) % len(self.actors)
            actor = self.actors[self._wish]
        actor.prepare()
        return actor

    def add(self, actor: Actor) -> None:
        """Let one more actor wait in the wings; in a cast that was closed, they are closed too."""
        with self._lock:
            closed = self._closed.is_set()
            if not closed:
                self.actors = (*self.actors, actor)
        if closed:
            actor.close()

    def choose(self, name: str) -> Actor:
        """Ask for the actor of this name, who will play.

        Raises:
            KeyError: there is none.
        """
        for index, actor in enumerate(self.actors):
            if actor.bundle.name == name:
                with self._lock:
                    self._wish = index
                actor.prepare()
                return actor
        raise KeyError(name)

    @property
    def wished(self) -> Actor:
        """Who was asked for last: who plays, or will when ready."""
        with self._lock:
            return self.actors[self._wish]

    def enter(self, sequence: int) -> int:
        """Decide who plays frame `sequence`; an index into `actors`. Called in order of frames.

        An actor who was asked for, but is still being loaded, enters when that is done: the show
        goes on meanwhile.
        """
        with self._lock:
            if self._wish != self._switches[-1][1] and self.actors[self._wish].ready:
                self._switches.append((sequence, self._wish))
            return self._switches[-1][1]

    def at(self, sequence: int) -> int:
        """Who was decided to play frame `sequence`; an index into `actors`."""
        with self._lock:
            for start, actor in reversed(self._switches):
                if start <= sequence:
                    return actor
            return self._switches[0][1]

    def close(self) -> None:
        """Close every actor, and those who are still to come; idempotent."""
        with self._lock:
            self._closed.set()
        for actor in self.actors:
            actor.close()

    def wait_closed(self, seconds: float) -> bool:
        """Wait until it is closed, or so long; whether it is."""
        return self._closed.wait(seconds)

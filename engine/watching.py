"""While a show plays, characters' files are watched: what is new takes over between two frames."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from engine.backends.shelf import Shelf
from engine.cast import Actor, Cast
from engine.casting import open_actor, what_draws
from engine.character import CharacterBundle
from engine.errors import AyatsuriError
from engine.generator import warm_up
from engine.options import Options

LOOK_S: Final = 1.0
"""Between two looks at the files."""

_Stamp = tuple[int, int, int]


class Watch:
    """A thread that looks at the files of a cast, and ends when the cast is closed.

    A file that was replaced is loaded here, what draws it is started and draws a picture that
    nobody sees; then the actor takes it over. Frames meanwhile are drawn as before. What cannot be
    used is told once, and the show goes on as it was.

    Args:
        cast: who plays.
        paths: the files of characters, by name; asked for at every look.
        options: those of the show.
        fps: see `engine.casting.load_cast`.
        say: told who took over, or why not.
        shelf: keeps networks within a bound of memory; else one of its own.
    """

    def __init__(
        self,
        cast: Cast,
        paths: Callable[[], Mapping[str, Path]],
        options: Options,
        *,
        fps: float | None = None,
        say: Callable[[str], None] = lambda text: None,
        shelf: Shelf | None = None,
    ) -> None:
        self._cast, self._paths, self._options = cast, paths, options
        self._fps, self._say = fps, say
        self._shelf = Shelf(options.memory_mb) if shelf is None else shelf
        self._seen: dict[str, _Stamp | None] = {n: _stamp(p) for n, p in paths().items()}
        self._thread = threading.Thread(target=self._run, name="ayatsuri-watch", daemon=True)

    def start(self) -> "Watch":
        """Begin."""
        self._thread.start()
        return self

    def look(self) -> None:
        """Look at every file once; on the calling thread."""
        for name, path in self._paths().items():
            stamp = _stamp(path)
            if name not in self._seen:
                self._seen[name] = stamp
            if stamp is None or stamp == self._seen[name]:
                continue
            self._seen[name] = stamp
            for actor in self._cast.actors:
                if actor.bundle.name == name:
                    self._take_over(actor, path)

    def _take_over(self, actor: Actor, path: Path) -> None:
        try:
            bundle = CharacterBundle.load(path)
            bundle = bundle.drawn_by(what_draws(bundle, self._options.draw))
            if not _same_body(bundle, actor.bundle):
                self._say(f"{bundle.name} has another body now: it comes in the next show")
                return
            newcomer = open_actor(bundle, self._options, self._shelf, fps=self._fps, say=self._say)
        except (AyatsuriError, OSError) as error:
            self._say(f"{actor.bundle.name} stays as it was: {error}")
            return
        try:
            warm_up(newcomer.generator, newcomer.bundle)
        except AyatsuriError as error:
            self._say(f"{actor.bundle.name} stays as it was: {error}")
            return
        actor.take_over(newcomer)
        self._say(f"{bundle.name}: what is new takes over")

    def _run(self) -> None:
        while not self._cast.wait_closed(LOOK_S):
            self.look()


def _stamp(path: Path) -> _Stamp | None:
    """What changes with a file; None where there is none, as while it is being replaced."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _same_body(a: CharacterBundle, b: CharacterBundle) -> bool:
    """Whether frames that were posed for one fit the other."""
    return a.resolution == b.resolution and a.manifest.skeleton == b.manifest.skeleton

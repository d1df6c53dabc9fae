"""Load characters and start what draws them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.cast import Actor, Cast
from engine.character import CharacterBundle
from engine.errors import NotInBundle
from engine.generator import Generator, NetworkGenerator
from engine.options import Draw, Options

if TYPE_CHECKING:
    from engine.backends.choose import Choice
    from engine.backends.probes import Subject
    from engine.backends.shelf import Shelf, ShelvedBackend

Character = str | Path | CharacterBundle
"""A bundle, or where to load one from."""


def load_cast(
    characters: Sequence[Character],
    options: Options | None = None,
    *,
    fps: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Cast:
    """Load characters and start what draws them.

    Args:
        characters: who.
        options: `draw`, `threads`, `backend` and `precision` of them.
        fps: frames a second that are wanted; None: as many as can be.
        say: told what draws whom.

    Raises:
        BundleError, BackendError: one of them cannot be used.
        MissingDependency: OpenCV cannot be loaded.
    """
    from engine import opencv

    opencv.check()
    from engine.backends.shelf import Shelf

    options = Options() if options is None else options
    actors: list[Actor] = []
    shelf = Shelf(options.memory_mb)
    try:
        for character in characters:
            bundle = (
                character
                if isinstance(character, CharacterBundle)
                else CharacterBundle.load(character)
            )
            actors.append(open_actor(bundle, options, shelf, fps=fps, say=say))
        if not actors[0].ready:
            actors[0].prepare()  # the others took its room, but it begins
    except BaseException:
        for actor in actors:
            actor.close()
        raise
    return Cast(actors)


def open_actor(
    bundle: CharacterBundle,
    options: Options,
    shelf: "Shelf",
    *,
    fps: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Actor:
    """A character with what draws it, started.

    Args:
        bundle: the character.
        options: see `load_cast`.
        shelf: keeps its network, if it has one, within a bound of memory.
        fps, say: see `load_cast`.

    Raises:
        NotInBundle: what `options.draw` asks for is not in the bundle.
        BackendError: nothing runs its network.
    """
    from engine.backends.probes import generator_of
    from engine.puppet.puppet import Puppet
    from engine.puppet.trial import painter_of
    from engine.ways import ways_of

    choice: Choice | None = None
    generator: Generator
    draws = what_draws(bundle, options.draw)
    bundle = bundle.drawn_by(draws)
    if draws == "generator":
        backend, choice = _start(generator_of(bundle), options, shelf, fps, say)
        generator = NetworkGenerator(backend)
    elif bundle.painter is None:
        generator = Puppet(bundle.drawings)
    else:
        backend, choice = _start(painter_of(bundle), options, shelf, fps, say)
        generator = Puppet(bundle.drawings, backend)
    say(f"{bundle.name}: drawn by {generator.name}" if choice is None else str(choice))
    return Actor(bundle, generator, choice, ways_of(bundle, draws, options, shelf, choice))


def what_draws(bundle: CharacterBundle, draw: Draw) -> Literal["generator", "puppet"]:
    """ "generator" or "puppet": for "auto" what the bundle prefers, and else a generator if any.

    Raises:
        NotInBundle: what is asked for is not in the bundle.
    """
    if draw == "auto":
        return bundle.manifest.prefers or ("puppet" if bundle.generator is None else "generator")
    if draw == "generator" and bundle.generator is None:
        raise NotInBundle(f"{bundle.name} has no generator; let it be drawn as a puppet")
    if draw == "puppet" and not bundle.drawings:
        raise NotInBundle(
            f"{bundle.name} has no cut drawings to be a puppet of; let its generator draw"
        )
    return draw


def _start(
    subject: "Subject",
    options: Options,
    shelf: "Shelf",
    fps: float | None,
    say: Callable[[str], None],
) -> "tuple[ShelvedBackend, Choice]":
    from engine.backends.choose import start  # draws, and so needs OpenCV
    from engine.ways import shelve

    backend, choice = start(
        subject, backend=options.backend, precision=options.precision, threads=options.threads,
        fps=fps, say=say,
    )  # fmt: skip
    return shelve(subject, choice.candidate, backend, options, shelf), choice

"""The ways in which a character can be drawn here: from its best pictures to its cheapest ones."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.character import CharacterBundle
from engine.generator import Generator, NetworkGenerator
from engine.options import Draw, Options

if TYPE_CHECKING:
    from engine.backends.base import Backend
    from engine.backends.choose import Candidate, Choice, Measured
    from engine.backends.probes import Subject
    from engine.backends.shelf import Shelf, ShelvedBackend

_WORTH: Final = 0.9
"""A way that takes more than this share of a better one's time is not worth its loss."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to draw a character.

    Attributes:
        name: in a word or two.
        open: starts it; what draws, and how its runtime was chosen, if it has one that was.
        alike: whether its pictures are those of the best way to the eye: another precision of the
            same network.
        cost_ms: of a picture, as it was measured; None where it was not.
        candidate: what runs its network, if it has one.
        relief: the processor draws what a graphics card draws quicker: of use only where the card
            is to be spared.
    """

    name: str
    open: "Callable[[], tuple[Generator, Choice | None]]"
    alike: bool
    cost_ms: float | None = None
    candidate: "Candidate | None" = None
    relief: bool = False

    @property
    def on_card(self) -> bool:
        """Whether a graphics card, or another device than the processor, runs its network."""
        from engine.backends.choose import ON_PROCESSOR

        return self.candidate is not None and self.candidate.backend not in ON_PROCESSOR


def ways_of(
    bundle: CharacterBundle, draws: Draw, options: Options, shelf: "Shelf", choice: "Choice | None"
) -> tuple[Way, ...]:
    """All ways, the best first; nothing is started.

    Args:
        bundle: the character.
        draws: "generator" or "puppet".
        options: how its networks run; `draw` says whether a generator may become a puppet.
        shelf: keeps networks within a bound of memory.
        choice: how the runtime of its network was chosen, if it has one.
    """
    from engine.backends.probes import generator_of
    from engine.puppet.puppet import Puppet
    from engine.puppet.smaller import SmallerPuppet, fits
    from engine.puppet.trial import painter_of

    ways: list[Way] = []
    if choice is not None:
        subject = generator_of(bundle) if draws == "generator" else painter_of(bundle)
        wrap: Callable[[Backend], Generator] = (
            NetworkGenerator if draws == "generator" else partial(Puppet, bundle.drawings)
        )
        tried: dict[Candidate, Measured | None] = {}
        tried |= {entry.candidate: entry for entry in worthwhile(choice.trial)}
        spare = relief(choice.trial, tried)
        relieves = None if spare is None else spare.candidate
        if relieves is not None:
            tried[relieves] = spare
        if not tried:
            tried[choice.candidate] = None  # nothing had to be measured
        ways += [
            Way(
                candidate.precision + (", processor" if candidate == relieves else ""),
                partial(_open, subject, candidate, wrap, options, shelf, choice),
                alike=True,
                cost_ms=None if entry is None else entry.p50_ms,
                candidate=candidate,
                relief=candidate == relieves,
            )
            for candidate, entry in tried.items()
        ]
    if bundle.drawings and (draws == "puppet" or options.draw == "auto"):
        ways.append(Way("puppet", lambda: (Puppet(bundle.drawings), None), alike=not ways))
        if fits(bundle.drawings):
            ways.append(
                Way("small puppet", lambda: (SmallerPuppet(bundle.drawings), None), alike=False)
            )
    return tuple(ways)


def worthwhile(trial: Sequence["Measured"]) -> list["Measured"]:
    """Of what was measured the quickest in each precision, if none more exact is as quick."""
    from engine.backends.choose import PRECISIONS

    kept: list[Measured] = []
    for precision in PRECISIONS:
        able = [e for e in trial if e.precision == precision and e.refused is None]
        quickest = min(able, key=lambda entry: entry.p50_ms, default=None)
        if quickest and (not kept or quickest.p50_ms < _WORTH * kept[-1].p50_ms):
            kept.append(quickest)
    return kept


def relief(trial: Sequence["Measured"], taken: "Iterable[Candidate]") -> "Measured | None":
    """The quickest that the processor runs, where all that was taken is run by a graphics card."""
    from engine.backends.choose import ON_PROCESSOR

    if any(candidate.backend in ON_PROCESSOR for candidate in taken):
        return None
    able = [e for e in trial if e.backend in ON_PROCESSOR and e.refused is None]
    return min(able, key=lambda entry: entry.p50_ms, default=None)


def shelve(
    subject: "Subject", candidate: "Candidate", backend: "Backend", options: Options, shelf: "Shelf"
) -> "ShelvedBackend":
    """Put a running network on the shelf."""
    from engine.backends.choose import open_candidate
    from engine.backends.shelf import taken_mb

    network = subject.network
    reopen = partial(open_candidate, candidate, network, options.threads)
    size = network.output_spec.shape[1]
    return shelf.add(backend, reopen, taken_mb(backend, network.model, size))


def _open(
    subject: "Subject",
    candidate: "Candidate",
    wrap: "Callable[[Backend], Generator]",
    options: Options,
    shelf: "Shelf",
    choice: "Choice",
) -> "tuple[Generator, Choice | None]":
    from engine.backends.choose import Choice, open_candidate

    backend = open_candidate(candidate, subject.network, options.threads)
    made = Choice(subject.name, candidate, choice.trial, backend.name)
    return wrap(shelve(subject, candidate, backend, options, shelf)), made

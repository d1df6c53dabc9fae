"""Characters and the ways to draw them, as rows beside each other: `--character`, `--draw`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.app import DEFAULT_CHARACTER, Character
from engine.casting import what_draws
from engine.character import CharacterBundle
from engine.options import Draw, Options


class DrawName(StrEnum):
    """What draws the character."""

    ALL = "all"
    AUTO = "auto"
    GENERATOR = "generator"
    PUPPET = "puppet"


CharactersOption = Annotated[
    list[Path] | None,
    typer.Option("--character", metavar="BUNDLE", help="Repeatable; else Ito."),
]
DrawsOption = Annotated[
    DrawName, typer.Option("--draw", help="Its network, its puppet, or all that is in the bundle.")
]


@dataclass(frozen=True, slots=True)
class Way:
    """A character and one way to draw it; `prefix` tells its rows from those of the others."""

    bundle: CharacterBundle
    options: Options
    prefix: str = ""


def ways(characters: Sequence[Character] | None, draw: DrawName, options: Options) -> list[Way]:
    """Every way to draw that is asked for, of a character the one that it has by itself first.

    Raises:
        NotInBundle, BundleError: see `engine.casting.what_draws`, `CharacterBundle.load`.
    """
    found: list[tuple[CharacterBundle, Draw]] = []
    for one in characters or [DEFAULT_CHARACTER]:
        bundle = one if isinstance(one, CharacterBundle) else CharacterBundle.load(one)
        draws = what_draws(bundle, "auto" if draw is DrawName.ALL else draw.value)  # type: ignore[arg-type]
        found.append((bundle, draws))
        if draw is DrawName.ALL and bundle.generator is not None and bundle.drawings:
            found.append((bundle, "puppet" if draws == "generator" else "generator"))
    several = len({bundle.name for bundle, _ in found}) > 1
    made = []
    for bundle, way in found:
        words = f"{bundle.name}, {way}" if several else way
        prefix = f"{words}: " if len(found) > 1 else ""
        made.append(Way(bundle, replace(options, draw=way), prefix))
    return made

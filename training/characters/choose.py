"""What a user types for a character."""

from pathlib import Path

from training.characters.character import RiggedCharacter
from training.characters.imports.errors import fail
from training.characters.imports.load import SUFFIXES, load_character


def open_character(wish: str) -> RiggedCharacter:
    """`ito`, `procedural:SEED`, or a character file.

    Raises CharacterFileError for anything else.
    """
    kind, _, rest = wish.partition(":")
    if wish == "ito":
        from training.characters import ito

        return ito.build()
    if kind == "procedural" and rest.isdigit():
        from training.characters.procedural.build import build

        return build(int(rest))
    if not Path(wish).is_file():
        raise fail(
            f"ito, procedural:SEED, or a file ending in one of {', '.join(SUFFIXES)}", wish,
            "check the name",
        )  # fmt: skip
    return load_character(Path(wish))

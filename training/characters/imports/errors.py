"""The one error that reading a character file raises."""

from pathlib import Path

from engine.errors import AyatsuriError


class CharacterFileError(AyatsuriError):
    """A character file cannot be read, or has no body that the rig can move."""


def fail(expected: str, found: str, action: str = "") -> CharacterFileError:
    """The error for a file that breaks an expectation; say what to do when it is not obvious."""
    action = action or "export the model again, or check that the download is complete"
    return CharacterFileError(f"expected {expected}, found {found}: {action}")


def in_file(error: CharacterFileError, path: Path) -> CharacterFileError:
    """The same error with the file's name in front."""
    return CharacterFileError(f"{path.name}: {error}")

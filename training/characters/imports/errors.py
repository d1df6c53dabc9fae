"""The one error that reading a character file raises."""

from pathlib import Path

from engine.errors import AyatsuriError


class CharacterFileError(AyatsuriError):
    """A character file cannot be read, or has no body that the rig can move.

    Its message says what was `expected`, what was `found`, and the `action` to take.
    """

    def __init__(self, expected: str, found: str, action: str, file: str = "") -> None:
        super().__init__(expected, found, action, file)
        self.expected, self.found, self.action, self.file = expected, found, action, file

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{where}expected {self.expected}, found {self.found}: {self.action}"


def fail(expected: str, found: str, action: str = "") -> CharacterFileError:
    """The error for a file that breaks an expectation; say what to do when it is not obvious."""
    action = action or "export it again, or check that the download is complete"
    return CharacterFileError(expected, found, action)


def in_file(error: CharacterFileError, path: Path) -> CharacterFileError:
    """The same error with the file's name in front."""
    return CharacterFileError(error.expected, error.found, error.action, path.name)

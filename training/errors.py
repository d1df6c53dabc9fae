"""What goes wrong in `ayatsuri-train`, where no package has an error of its own."""

from engine.errors import AyatsuriError


class BadInput(AyatsuriError, ValueError):
    """A file, a folder or an array cannot be used.

    The message says what was expected and what was found.
    """


class Diverged(AyatsuriError, FloatingPointError):
    """A loss is infinite or no number; what was written before is whole."""


class Unwritable(AyatsuriError, OSError):
    """A file or folder cannot be written; what was there before is as it was."""


class NoRoom(Unwritable):
    """There is no room for a file."""

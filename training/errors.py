"""What goes wrong in `ayatsuri-train`, where no package has an error of its own."""

from engine.errors import AyatsuriError


class BadInput(AyatsuriError, ValueError):
    """A file, a folder or an array cannot be used.

    The message says what was expected and what was found.
    """


class Diverged(AyatsuriError, FloatingPointError):
    """A loss is infinite or no number; the last checkpoint is whole."""

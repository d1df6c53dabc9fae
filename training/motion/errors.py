"""What goes wrong with motion files."""

from engine.errors import AyatsuriError


class MotionError(AyatsuriError):
    """A motion file is damaged, of another kind, or moves something that is no humanoid.

    The message says what was expected, what was found and what to do about it.
    """

    def __init__(self, name: str, expected: str, found: str, do: str) -> None:
        super().__init__(f"{name}: expected {expected}, found {found}; {do}")

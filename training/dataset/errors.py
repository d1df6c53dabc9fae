"""What goes wrong with data sets."""

from engine.errors import AyatsuriError


class DatasetError(AyatsuriError):
    """A data set is missing, damaged, or made by another plan.

    The message says what was expected, what was found and what to do about it.
    """

"""What goes wrong with few-shot training and adaptation.

FewShotError
  SettingsError       settings that cannot be, or do not fit the data
  CheckpointError     a file is damaged, foreign or of another network
  NotANumberError     a loss is infinite or no number
  AdaptationError     drawings that make no support set, or a rate that is too high
  ResultError         a kept result is damaged, or of other settings
  UnwritableError     a file or folder cannot be written; what was there is as it was
    DiskFullError     there is no room
"""

from engine.errors import AyatsuriError


class FewShotError(AyatsuriError):
    """Base class."""


class SettingsError(FewShotError, ValueError):
    """Settings cannot be, or do not fit the data."""


class CheckpointError(FewShotError, ValueError):
    """A file is damaged, foreign, or of another network or other settings."""


class NotANumberError(FewShotError, FloatingPointError):
    """A loss is infinite or no number; the last checkpoint is whole."""


class AdaptationError(FewShotError, ValueError):
    """The drawings do not make a support set, or adaptation ran away."""


class ResultError(FewShotError, ValueError):
    """A kept result of a table is damaged, missing or of other settings."""


class UnwritableError(FewShotError, OSError):
    """A file or folder cannot be written; what was there before is as it was."""


class DiskFullError(UnwritableError):
    """There is no room for a file."""

"""What goes wrong with few-shot training and adaptation.

FewShotError
  SettingsError       settings that cannot be, or do not fit the data
  CheckpointError     a file is damaged, foreign or of another network
  AdaptationError     drawings that make no support set, or a rate that is too high
  ResultError         a kept result is damaged, or of other settings
"""

from engine.errors import AyatsuriError


class FewShotError(AyatsuriError):
    """Base class."""


class SettingsError(FewShotError, ValueError):
    """Settings cannot be, or do not fit the data."""


class CheckpointError(FewShotError, ValueError):
    """A file is damaged, foreign, or of another network or other settings."""


class AdaptationError(FewShotError, ValueError):
    """The drawings do not make a support set, or adaptation ran away."""


class ResultError(FewShotError, ValueError):
    """A kept result of a table is damaged, missing or of other settings."""

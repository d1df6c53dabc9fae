"""Every error that the engine raises on purpose, one small tree.

    AyatsuriError
      SourceError                 no more frames can be had
        CameraError
          CameraNotFound
          CameraBusy
          CameraLost
        MediaError                a file or stream
          NotAVideo
          EmptyVideo
          TruncatedVideo
          UnsupportedSize
          NobodyInVideo
        StreamStalled
      PoseError                   the estimator failed (nobody in the picture is a value instead)
      ModelError                  a model file
        ModelMissing
        ModelCorrupt
        DownloadFailed
      BundleError                 a character bundle
        BundleNotFound
        BundleDamaged
        BundleTooNew
        BundleHashMismatch
        NotInBundle
      BackendError                running a network
        ProviderMissing
      SinkError                   output
        DiskFull
        WindowUnavailable
        VirtualCameraMissing
      StudioError                 the server for browsers
        BadOffer
        BadLook
        StudioFull
      EnrolError                  a drawing cannot become a character
        BadPicture
        NoFigure
        SeveralFigures
        APhotograph
        BadKeypoints
        RefinementFailed
      MissingDependency           an optional package or system library is not installed

A message says what was expected, what was found and what to do about it.
"""

import errno
from typing import Final


class AyatsuriError(Exception):
    """Base class: catch this to catch everything the engine raises on purpose."""


class SourceError(AyatsuriError):
    """No frame can be had from a source."""


class CameraError(SourceError):
    """A camera cannot be used."""


class CameraNotFound(CameraError):
    """There is no such camera."""


class CameraBusy(CameraError):
    """The camera exists, but another program holds it."""


class CameraLost(CameraError):
    """The camera was unplugged and did not come back in time."""


class MediaError(SourceError):
    """A video file or stream cannot be read."""


class NotAVideo(MediaError):
    """The file has no video stream, or is not a media file at all."""


class EmptyVideo(MediaError):
    """The file has a video stream without a single picture."""


class TruncatedVideo(MediaError):
    """The file ends before its own index says it should."""


class UnsupportedSize(MediaError):
    """The picture is larger than the engine accepts, or has no area."""


class NobodyInVideo(MediaError):
    """A video of which motion is wanted shows nobody, or for too short a time."""


class StreamStalled(SourceError):
    """A network stream stopped sending."""


class PoseError(AyatsuriError):
    """The pose estimator failed. (Nobody in the picture is a value, not an error.)"""


class ModelError(AyatsuriError):
    """A model file cannot be used."""


class ModelMissing(ModelError):
    """The model file is not in the cache."""


class ModelCorrupt(ModelError):
    """The model file's SHA-256 is not the pinned one."""


class DownloadFailed(ModelError):
    """No source of a model file could be reached."""


class BundleError(AyatsuriError):
    """A character bundle cannot be used."""


class BundleNotFound(BundleError):
    """There is no bundle at that path."""


class BundleDamaged(BundleError):
    """The bundle lacks a part, or a part cannot be read."""


class BundleTooNew(BundleError):
    """The bundle was made for a later version of the engine."""


class BundleHashMismatch(BundleError):
    """A file of the bundle is not the one its manifest names."""


class NotInBundle(BundleError):
    """The bundle is whole, but what was asked for is not in it."""


class BackendError(AyatsuriError):
    """A network cannot be run."""


class ProviderMissing(BackendError):
    """The execution provider that was asked for is not installed."""


class SinkError(AyatsuriError):
    """Output cannot be written or shown."""


class DiskFull(SinkError):
    """There is no space left for the output file."""


NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What an OSError has for its number where a disk, a quota or a file is full."""


class WindowUnavailable(SinkError):
    """There is no display to open a window on."""


class VirtualCameraMissing(SinkError):
    """No virtual camera device is installed."""


class StudioError(AyatsuriError):
    """The server for browsers cannot run as it was told to, or a client cannot be served."""


class BadOffer(StudioError):
    """A client's SDP cannot be answered."""


class BadLook(StudioError):
    """What a session should look like cannot be had."""


class StudioFull(StudioError):
    """No more performers or viewers may come."""


class EnrolError(AyatsuriError):
    """A drawing cannot become a character."""


class BadPicture(EnrolError):
    """The file is no picture, is damaged, or has a size or kind that cannot be used."""


class NoFigure(EnrolError):
    """No human figure is found in the picture."""


class SeveralFigures(EnrolError):
    """The picture shows more than one figure."""


class APhotograph(EnrolError):
    """The picture is a photograph, not a drawing."""


class BadKeypoints(EnrolError):
    """A file of keypoints cannot be read, or does not fit a figure."""


class RefinementFailed(EnrolError):
    """What was adapted to a character cannot be used; the character is as it was."""


class MissingDependency(AyatsuriError):
    """An optional package or a system library is not installed."""


def pip_install(extra: str) -> str:
    """The command, typed in Ayatsuri's folder, that installs an extra of `pyproject.toml`.

    Of the versions that resolve together; the bare name would be looked for in the registry.
    """
    return f"pip install -c constraints.txt -e '.[{extra}]'"

"""A video becomes a motion file: the whole way (the first paper's OpenMMD, eq. 3)."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from engine.errors import NO_SPACE, DiskFull, MediaError, SinkError
from engine.files import write_whole
from engine.mocap.bvh import bvh
from engine.mocap.lift import open_lifter
from engine.mocap.place import FIELD_OF_VIEW_DEG
from engine.mocap.recover import Recovered, recover
from engine.mocap.track import Track, observe
from engine.mocap.vmd import vmd
from engine.pose.estimator import DEFAULT_RUNTIME, PoseRuntime, open_estimator

SUFFIXES: Final = (".vmd", ".bvh")
DEFAULT_LIFTER: Final = "baseline"


def motion(
    video: str | Path,
    output: str | Path,
    *,
    lifter: str = DEFAULT_LIFTER,
    pose_model: str = "full",
    pose_runtime: PoseRuntime = DEFAULT_RUNTIME,
    field_of_view_deg: float = FIELD_OF_VIEW_DEG,
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Recovered:
    """Recover the motion of the person in `video`, and write it to `output`.

    Args:
        video: a file, or `images:FOLDER`; one person, seen from head to foot by a camera that
            stands still.
        output: .vmd for MikuMikuDance, .bvh for everything else; 30 frames a second.
        lifter: "mediapipe" or "baseline", see `engine.mocap.lift`.
        pose_model: MediaPipe's: "lite", "full" or "heavy".
        pose_runtime: what runs it, see `engine.pose.estimator`.
        field_of_view_deg: what the camera sees along the picture's longer side. It scales how far
            the person moves towards the camera and away.
        on_progress: told of the frames seen, and of how many there are, where known.

    Raises:
        SinkError: an output of another kind, or one that cannot be written.
        NobodyInVideo, MediaError, SourceError: the video is not fit for it.
        ModelMissing, ModelCorrupt, MissingDependency, BackendError: see `engine.pose.estimator`.
        ValueError: there is no such lifter, or the field of view is not within 5 to 150 degrees.
    """
    path = Path(output)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SinkError(
            f"{path} should end in .vmd (for MikuMikuDance) or .bvh, but it ends in "
            f"{path.suffix or 'nothing'}"
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise SinkError(f"{path} cannot be written: its folder does not exist, or it is a folder")
    if not 5.0 <= field_of_view_deg <= 150.0:
        raise ValueError(f"a field of view is 5 to 150 degrees, but it is {field_of_view_deg:g}")
    chosen = open_lifter(lifter)
    track = watch(video, pose_model, on_progress, pose_runtime)
    recovered = recover(track, chosen, path.stem, field_of_view_deg)
    if suffix == ".vmd":
        _write(path, vmd(recovered.clip))
    else:
        _write(path, bvh(recovered.clip, recovered.rest).encode("ascii"))
    return recovered


def watch(
    video: str | Path,
    pose_model: str = "full",
    on_progress: Callable[[int, int | None], None] = lambda done, total: None,
    pose_runtime: PoseRuntime = DEFAULT_RUNTIME,
) -> Track:
    """The track of a video; see `motion` for the arguments and errors."""
    from engine.io.sources import frames_total, open_source

    with closing(open_source(video)) as source:
        if source.live:
            raise MediaError(f"{video} never ends: record it, and give the file")
        total = frames_total(source)
        with closing(open_estimator(pose_runtime, pose_model)) as estimator:
            return observe(source, estimator, lambda done: on_progress(done, total))


def _write(path: Path, data: bytes) -> None:
    """Write the whole file or nothing; raises SinkError."""
    try:
        write_whole(path, data)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFull(f"there is no space left for {path} ({len(data)} bytes)") from error
        raise SinkError(f"{path} cannot be written: {error}") from error

"""Stage One of the first paper: a real person's video to a character's, with the truth about it.

Stage1(V, M) = MMD(OpenMMD(V), M), equations 5 and 6 of Tan's paper: the motion is recovered from
the video once, then every model performs it before a fixed camera, frame for frame.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import MediaError
from engine.frame import Frame, Packet
from engine.io.sinks import open_sink, takes_alpha
from engine.mocap.clip import Clip
from engine.mocap.feet import plant_feet
from engine.mocap.lift import open_lifter
from engine.mocap.recover import recover
from engine.mocap.rig import forward_kinematics
from engine.mocap.video import DEFAULT_LIFTER, motion, watch
from training.characters.character import RiggedCharacter
from training.characters.observe import Observation, observe
from training.dataset.scenes import behind
from training.motion.load import load_motion
from training.motion.retarget import facing_viewer

FPS: Final = 30.0
VIDEOS: Final = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
_FOLLOW_S: Final = 2.0
_ROOM: Final = 0.12  # of the picture's width, in which the character may walk


@dataclass(frozen=True, slots=True)
class StageOne:
    """What was written: the video, and beside it the joints of every frame."""

    video: Path
    truth: Path
    frames: int


def motion_of(
    path: Path, on_progress: Callable[[int, int | None], None] = lambda done, total: None
) -> Clip:
    """The motion of a motion file or, by OpenMMD(V) of equation 3, of a video; 30 fps.

    Raises MotionError, or what `engine.mocap.video.motion` does.
    """
    if path.suffix.lower() in VIDEOS:
        track = watch(path, on_progress=on_progress)
        return recover(track, open_lifter(DEFAULT_LIFTER), path.stem).clip
    return facing_viewer(load_motion(path).resampled(FPS))


def as_motion_files(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The paths, with every video replaced by the VMD that is recovered from it into `folder`.

    What was recovered before from the same content is used again.
    """
    files = []
    for path in paths:
        if path.suffix.lower() in VIDEOS and path.is_file():
            digest = sha256(path.read_bytes()).hexdigest()[:8]
            recovered = folder / f"{path.stem}-{digest}.vmd"
            if not recovered.exists():
                folder.mkdir(parents=True, exist_ok=True)
                motion(path, recovered)
            path = recovered
        files.append(path)
    return files


def perform(
    character: RiggedCharacter, clip: Clip, size: int, supersample: int = 2
) -> Iterator[Observation]:
    """MMD(VMD, M), equation 4: a picture and its truth for every frame of the clip.

    The camera stands still as long as the character keeps near the middle, and follows it where it
    walks away.
    """
    clip = plant_feet(clip, character.rest)
    poses = list(clip)
    hips = np.array([forward_kinematics(pose, character.rest)[1][0] for pose in poses])
    room = _ROOM / character.camera.scale
    across, ahead = (_followed(hips[:, axis], clip.fps, room) for axis in (0, 2))
    springs = character.springs()
    for pose, x, z in zip(poses, across, ahead, strict=True):
        springs.step(*forward_kinematics(pose, character.rest), 1.0 / clip.fps)
        camera = character.camera.over(float(x), float(z))
        yield observe(character, pose, size, supersample, camera=camera, springs=springs)


def stage_one(
    clip: Clip,
    character: RiggedCharacter,
    output: Path,
    *,
    size: int = 512,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> StageOne:
    """Write the video of a character that performs a clip, and OUTPUT.truth.npz beside it.

    The truth is `joints` (N, 20, 4) px, `visible` (N, 20), `bone_lengths` (19,) px and `fps`. A
    format without alpha gets a white background. Raises SinkError for what cannot be written.
    """
    opaque = not takes_alpha(output)
    white = np.full((size, size, 3), 255, np.uint8)
    seen: list[Observation] = []
    with closing(open_sink(output, fps=clip.fps)) as sink:
        for number, now in enumerate(perform(character, clip, size)):
            picture = behind(now.picture, white)[..., :3] if opaque else now.picture
            shown = np.ascontiguousarray(picture)
            sink.write(Packet(_frame(shown, number, clip.fps), output=shown))
            seen.append(now)
            on_progress(number + 1, len(clip))
    if not seen:
        raise MediaError(f"{clip.name} has no frames to perform")
    truth = output.with_name(f"{output.stem}.truth.npz")
    np.savez_compressed(
        truth,
        joints=np.stack([now.joints for now in seen]),
        visible=np.stack([now.visible for now in seen]),
        bone_lengths=seen[0].bone_lengths,
        fps=clip.fps,
    )
    return StageOne(output, truth, len(seen))


def _frame(picture: NDArray[np.uint8], number: int, fps: float) -> Frame:
    return Frame(picture[..., :3], number, 0, number, Fraction(1) / Fraction(fps))


def _followed(x: Sequence[float] | NDArray[np.floating], fps: float, room: float) -> NDArray:
    """Where the camera looks (F,): a smooth path never farther than `room` from `x` (F,)."""
    x = np.asarray(x, np.float64)
    half = min(round(_FOLLOW_S * fps), max(len(x) - 1, 1))
    kernel = np.hanning(2 * half + 1)
    path = np.convolve(np.pad(x, half, mode="edge"), kernel / kernel.sum(), mode="valid")
    away = x - path
    return path + np.sign(away) * np.maximum(np.abs(away) - room, 0.0)
